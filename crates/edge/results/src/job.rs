//! What a job may do here: what the caller says of it, and what the job gets. Nothing here is kept.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use cutover_model::{Duration, Secret, source::Trust};
use ring::digest;
use serde::{Deserialize, Serialize};

/// What a job is, as far as this service must know. The caller has found all of it out; nothing is
/// checked again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobGrant {
    /// The run's id. Artifacts belong to it.
    pub run: String,
    /// The job's id within the run; of a leg, the leg's.
    pub job: String,
    /// Which try of the job, from 1. A later one may upload again what an earlier one has.
    pub attempt: u32,
    /// `owner/name`.
    pub repository: String,
    /// The full ref it runs for: `refs/heads/main`, `refs/pull/7/merge`. Caches are written to it.
    pub git_ref: String,
    /// The branch whose caches every other one may read: `main`.
    pub default_branch: String,
    /// The branch that a pull request wants to enter; its caches may be read.
    pub base_ref: Option<String>,
    /// An untrusted job writes to caches that no trusted one reads, and gets no id token.
    pub trust: Trust,
    /// What it may do with caches.
    pub cache_mode: CacheMode,
    /// Whether it has `id-token: write`.
    pub id_token: bool,
    /// Other runs whose artifacts it may list and download.
    pub readable_runs: BTreeSet<String>,
    /// How long its tokens are good at most; they end with the job in any case.
    pub lifetime: Duration,
    /// What an id token says of it.
    pub identity: Identity,
}

impl JobGrant {
    /// An untrusted job never: a token would be a secret.
    pub(crate) fn may_ask_for_id_tokens(&self) -> bool {
        self.id_token && self.trust == Trust::Trusted
    }
}

/// What a job may do with caches: `ACTIONS_CACHE_MODE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CacheMode {
    /// Nothing.
    None,
    /// Restore only.
    Read,
    /// Restore and save.
    #[default]
    Write,
    /// Save only.
    WriteOnly,
}

impl CacheMode {
    /// As the clients read it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
            Self::WriteOnly => "write-only",
        }
    }

    pub(crate) const fn reads(self) -> bool {
        matches!(self, Self::Read | Self::Write)
    }

    pub(crate) const fn writes(self) -> bool {
        matches!(self, Self::Write | Self::WriteOnly)
    }
}

/// The claims of an id token that are not in [`JobGrant`] itself. Names are those of GitHub's claims.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Identity {
    /// The commit.
    pub sha: String,
    /// The number of the run that people and the API say: `run_id`.
    pub run_id: String,
    /// Which run of this workflow.
    pub run_number: u64,
    /// Which try of the run.
    pub run_attempt: u32,
    /// Who started it.
    pub actor: String,
    /// The workflow's name.
    pub workflow: String,
    /// `owner/name/.github/workflows/deploy.yml@refs/heads/main`.
    pub workflow_ref: String,
    /// The commit that the workflow's file is of.
    pub workflow_sha: String,
    /// As `workflow_ref`, of the reusable workflow that has the job; the same when there is none.
    pub job_workflow_ref: String,
    /// As `workflow_sha`, of the reusable workflow.
    pub job_workflow_sha: String,
    /// The environment that the job names.
    pub environment: Option<String>,
    /// `push`, `pull_request`, …
    pub event_name: String,
    /// The branch that a pull request comes from.
    pub head_ref: Option<String>,
    /// `self-hosted` or `github-hosted`.
    pub runner_environment: String,
    /// `public`, `private` or `internal`.
    pub repository_visibility: String,
    /// `https://github.com`: with the owner, the audience when the job names none.
    pub server_url: String,
    /// Which claims make up `sub`, in order (GitHub's `include_claim_keys`); empty: `repo`, `context`.
    pub subject_claims: Vec<String>,
}

/// Names a grant, for [`Service::revoke`](crate::Service::revoke). The same job and attempt has the
/// same one after a restart.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GrantId(pub(crate) String);

impl GrantId {
    /// The grant of this attempt of this job.
    pub fn of(run: &str, job: &str, attempt: u32) -> Self {
        Self(backend_id(&[run, job, &attempt.to_string()]))
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a job gets before it starts.
pub struct Grant {
    /// For taking it back.
    pub id: GrantId,
    /// What the job's actions find in their environment. Some values are secrets.
    pub env: BTreeMap<String, String>,
    /// What must never be printed: the tokens in `env`.
    pub masks: Vec<Secret>,
}

impl fmt::Debug for Grant {
    /// The names of the variables, not their values: some are tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&String> = self.env.keys().collect();
        f.debug_struct("Grant")
            .field("id", &self.id)
            .field("env", &names)
            .finish_non_exhaustive()
    }
}

/// An id for the wire and for folders, as long as GitHub's and of the same shape: derived, so that
/// whatever a run is called cannot leave a folder or add a colon to a scope.
pub(crate) fn backend_id(parts: &[&str]) -> String {
    let mut sum = digest::Context::new(&digest::SHA256);
    for part in parts {
        sum.update(&(part.len() as u64).to_be_bytes());
        sum.update(part.as_bytes());
    }
    let digits = hex::encode(&sum.finish().as_ref()[..16]);
    [
        &digits[..8],
        &digits[8..12],
        &digits[12..16],
        &digits[16..20],
        &digits[20..],
    ]
    .join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_the_shape_of_a_uuid_whatever_it_is_made_of() {
        let id = backend_id(&["../../etc", "a:b"]);
        assert_eq!(id.len(), 36);
        assert!(id.chars().all(|c| c.is_ascii_hexdigit() || c == '-'));
        assert_ne!(backend_id(&["ab", "c"]), backend_id(&["a", "bc"]));
    }
}
