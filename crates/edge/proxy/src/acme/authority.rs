//! What is wanted from authorities, what of it there is, and how it stands with the rest.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use camino::Utf8Path;
use serde_json::Value;
use tokio::sync::Notify;

use super::{challenges::Challenges, schedule, vault::Vault};
use crate::{
    clock,
    control::Acme,
    journal::Journal,
    lock::locked,
    tls::{Certificate, Fault},
};

/// The certificates of authorities.
#[derive(Debug)]
pub(crate) struct Authority {
    wanted: Mutex<BTreeMap<Acme, Wanted>>,
    pub(crate) challenges: Arc<Challenges>,
    vault: Vault,
    journal: Arc<Journal>,
    /// Told when something else may be due.
    pub(super) changed: Notify,
}

/// One certificate.
#[derive(Debug)]
struct Wanted {
    /// What clients are shown: the last one that was given, or one of the balancer's own.
    shown: Arc<Certificate>,
    /// When the authority is asked next, since 1970.
    due: Duration,
    /// Failures in a row.
    failures: u32,
    error: Option<String>,
}

impl Wanted {
    fn having(certificate: Certificate) -> Self {
        Self {
            due: if certificate.self_signed {
                Duration::ZERO
            } else {
                schedule::renewal(certificate.begins, certificate.ends, rand::random())
            },
            shown: Arc::new(certificate),
            failures: 0,
            error: None,
        }
    }
}

impl Authority {
    pub(crate) fn new(state: &Utf8Path, journal: Arc<Journal>) -> Self {
        Self {
            wanted: Mutex::default(),
            challenges: Arc::default(),
            vault: Vault::new(state),
            journal,
            changed: Notify::new(),
        }
    }

    pub(super) fn vault(&self) -> &Vault {
        &self.vault
    }

    /// Has a certificate from now on: the one that was kept, or one of its own until another is
    /// given.
    pub(crate) fn admit(&self, acme: &Acme) -> Result<(), Fault> {
        if locked(&self.wanted).contains_key(acme) {
            return Ok(());
        }
        let certificate = match self.vault.certificate(acme) {
            Some(kept) => kept,
            None => Certificate::own(&acme.hosts)?,
        };
        locked(&self.wanted).insert(acme.clone(), Wanted::having(certificate));
        Ok(())
    }

    /// Keeps only these. What is left is what a table in force names, so it may be asked for.
    pub(crate) fn retain(&self, named: &BTreeSet<&Acme>) {
        locked(&self.wanted).retain(|known, _| named.contains(known));
        self.changed.notify_one();
    }

    /// What clients are shown.
    pub(crate) fn shown(&self, acme: &Acme) -> Option<Arc<Certificate>> {
        let wanted = locked(&self.wanted);
        wanted.get(acme).map(|wanted| Arc::clone(&wanted.shown))
    }

    /// What went wrong last, and when the authority is asked next, in milliseconds since 1970.
    pub(crate) fn prospect(&self, acme: &Acme) -> (Option<String>, Option<u64>) {
        let wanted = locked(&self.wanted);
        let Some(wanted) = wanted.get(acme) else {
            return (None, None);
        };
        let due = wanted.due.max(Duration::from_millis(1));
        let due = u64::try_from(due.as_millis()).unwrap_or(u64::MAX);
        (wanted.error.clone(), Some(due))
    }

    /// Has those that failed asked for again at once.
    pub(crate) fn hurry(&self) {
        for wanted in locked(&self.wanted).values_mut() {
            if wanted.failures > 0 {
                wanted.due = Duration::ZERO;
            }
        }
        self.changed.notify_one();
    }

    /// What is due first.
    pub(super) fn next(&self) -> Option<(Acme, Duration)> {
        let wanted = locked(&self.wanted);
        let (acme, first) = wanted.iter().min_by_key(|(_, wanted)| wanted.due)?;
        Some((acme.clone(), first.due))
    }

    /// The authority gave a certificate.
    pub(super) fn given(&self, acme: &Acme, certificate: Certificate) {
        self.journal.note(
            "certificate_given",
            &[
                ("hosts", Value::from(acme.hosts.clone())),
                ("directory", Value::from(acme.directory())),
            ],
        );
        if let Some(wanted) = locked(&self.wanted).get_mut(acme) {
            *wanted = Wanted::having(certificate);
        }
    }

    /// It did not.
    pub(super) fn refused(&self, acme: &Acme, reason: &str) {
        self.journal.note(
            "certificate_not_given",
            &[
                ("hosts", Value::from(acme.hosts.clone())),
                ("directory", Value::from(acme.directory())),
                ("reason", Value::from(reason)),
            ],
        );
        if let Some(wanted) = locked(&self.wanted).get_mut(acme) {
            wanted.failures += 1;
            wanted.error = Some(reason.to_owned());
            let pause = schedule::pause(wanted.failures, rand::random());
            wanted.due = clock::since_epoch() + pause;
        }
    }
}
