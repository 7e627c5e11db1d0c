//! Which caches a job sees: its own ref's, then those of the branch it wants to enter, then the default
//! branch's. What untrusted jobs save is apart: no trusted one ever sees it.

use cutover_model::source::Trust;
use serde::{Deserialize, Serialize};

use crate::job::JobGrant;

/// Where a cache was saved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Scope {
    pub(crate) is_trusted: bool,
    pub(crate) git_ref: String,
}

/// Where the job saves.
pub(crate) fn own(job: &JobGrant) -> Scope {
    Scope {
        is_trusted: job.trust == Trust::Trusted,
        git_ref: job.git_ref.clone(),
    }
}

/// Where it looks, in this order.
pub(crate) fn readable(job: &JobGrant) -> Vec<Scope> {
    let branches = job.base_ref.iter().chain([&job.default_branch]);
    let trusted = branches.map(|branch| Scope {
        is_trusted: true,
        git_ref: format!("refs/heads/{branch}"),
    });
    let mut scopes = vec![own(job)];
    for scope in trusted {
        if !scopes.contains(&scope) {
            scopes.push(scope);
        }
    }
    scopes
}

/// As a token of GitHub's says it: 1 reads, 2 writes.
pub(crate) fn claim(job: &JobGrant) -> String {
    let own = own(job);
    let scopes = readable(job).into_iter().map(|scope| {
        let permission = if scope == own { 3 } else { 1 };
        serde_json::json!({"Scope": scope.git_ref, "Permission": permission})
    });
    scopes.collect::<serde_json::Value>().to_string()
}
