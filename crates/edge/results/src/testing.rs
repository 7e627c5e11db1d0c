//! A job for the unit tests.

use std::collections::BTreeSet;

use cutover_model::{Duration, source::Trust};

use crate::job::{CacheMode, Identity, JobGrant};

/// A trusted job on `main` of `octo/hello`.
pub(crate) fn job(run: &str, job: &str) -> JobGrant {
    let workflow = "octo/hello/.github/workflows/ci.yml@refs/heads/main";
    JobGrant {
        run: run.to_owned(),
        job: job.to_owned(),
        attempt: 1,
        repository: "octo/hello".to_owned(),
        git_ref: "refs/heads/main".to_owned(),
        default_branch: "main".to_owned(),
        base_ref: None,
        trust: Trust::Trusted,
        cache_mode: CacheMode::Write,
        id_token: true,
        readable_runs: BTreeSet::new(),
        lifetime: Duration::from_mins(60),
        identity: Identity {
            sha: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            run_id: "128".to_owned(),
            run_number: 7,
            run_attempt: 1,
            actor: "ada".to_owned(),
            workflow: "ci".to_owned(),
            workflow_ref: workflow.to_owned(),
            workflow_sha: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            job_workflow_ref: workflow.to_owned(),
            job_workflow_sha: "0123456789abcdef0123456789abcdef01234567".to_owned(),
            event_name: "push".to_owned(),
            runner_environment: "self-hosted".to_owned(),
            repository_visibility: "private".to_owned(),
            server_url: "https://github.com".to_owned(),
            ..Identity::default()
        },
    }
}
