//! What the actions of a running job speak to: artifacts, caches and id tokens, in GitHub's protocols, on
//! loopback and, for containers, where their network meets this machine. Also archives: packed, and unpacked so that nothing leaves its folder.
//!
//! A job is let in before it starts and shown out when it ends ([`Service::grant`], [`Service::revoke`]). What a
//! job may do is said by the caller; nothing here knows what a workflow is.
#![warn(missing_docs)]

mod archive;
mod artifacts;
mod blobs;
mod caches;
mod clock;
mod core;
mod direct;
mod disk;
mod door;
mod glob;
mod job;
mod jwt;
mod oidc;
mod refusal;
mod service;
mod sessions;
mod signed;
#[cfg(test)]
mod testing;
mod tokens;
mod twirp;

pub use crate::{
    archive::{
        ArchiveError, Bounds, Extracted, Format, PackOptions, Packed, Part, extract, extract_part,
        pack, pack_parts,
    },
    artifacts::{Artifact, InvalidName},
    caches::Cache,
    clock::{Clock, SystemClock},
    glob::{Glob, GlobError, GlobOptions},
    job::{CacheMode, Grant, GrantId, Identity, JobGrant},
    service::{Error, Limits, Service, Settings, Swept, artifacts_in},
};
