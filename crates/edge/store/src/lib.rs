//! What must be remembered, and nothing about what it means.
//!
//! One event log, the rows that follow from it, and the few small things that are no events: releases,
//! settings, the outbox. SQLite or PostgreSQL hold it; each statement is one text for both. Every write
//! is durable when its call returns, and is there as a whole or not at all.
#![warn(missing_docs)]

#[macro_use]
mod db;

mod approvals;
mod at_once;
mod counter;
mod deployments;
mod directory_lock;
mod error;
mod event_log;
mod freezes;
mod leases;
mod migrate;
mod open;
mod outbox;
mod placements;
mod releases;
mod runs;
mod samples;
mod settings;

use std::{fmt, sync::Arc};

use tokio::sync::watch;

use crate::db::Db;
pub use crate::{
    approvals::{ApprovalChange, ApprovalRow, StreamKind},
    deployments::{DeploymentFilter, DeploymentRow},
    directory_lock::{DirectoryLock, lock_directory},
    error::Error,
    event_log::Tailed,
    freezes::FreezeRow,
    leases::{Lease, LeaseAnswer, LeaseAsk, Queued},
    outbox::{Due, Notification, OutboxCounts},
    placements::Current,
    runs::{RunFilter, RunRow},
};

/// The memory of one server. Cheap to clone; all clones are the same store.
#[derive(Clone)]
pub struct Store {
    db: Db,
    /// The position of the newest event that this process appended.
    newest: Arc<watch::Sender<i64>>,
}

impl Store {
    /// Waits for what other tasks still do, and closes the database.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// Prepares every statement that this crate ever sends. `cutover doctor` asks this way whether the
    /// database understands us.
    pub async fn check_statements(&self) -> Result<(), Error> {
        let files: [&[db::Statement]; 12] = [
            approvals::STATEMENTS,
            counter::STATEMENTS,
            deployments::STATEMENTS,
            event_log::STATEMENTS,
            freezes::STATEMENTS,
            leases::STATEMENTS,
            outbox::STATEMENTS,
            placements::STATEMENTS,
            releases::STATEMENTS,
            runs::STATEMENTS,
            samples::STATEMENTS,
            settings::STATEMENTS,
        ];
        for (name, text) in files.into_iter().flatten().copied() {
            self.db.prepare(name, text).await?;
        }
        Ok(())
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store")
            .field("db", &self.db.kind())
            .finish_non_exhaustive()
    }
}
