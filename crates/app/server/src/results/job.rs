//! What the results service is told of a job: what it may do there, and what an id token says of it.

use std::collections::BTreeSet;

use cutover_engine::Run;
use cutover_model::{
    Duration,
    plan::{JobSpec, Permissions},
    run::{Attempt, JobKey},
    source::{Trigger, Trust},
};
use cutover_results::{CacheMode, Identity, JobGrant};

/// A grant ends with its job; it does not outlive the longest that a run may take with GitHub either.
const LIFETIME: Duration = Duration::from_mins(35 * 24 * 60);

/// What a job may do. `None` when the run does not exist yet.
pub(super) fn grant(run: &Run, key: &JobKey, attempt: Attempt) -> Option<JobGrant> {
    let (spec, trigger) = (run.spec(key.job())?, run.trigger()?);
    Some(JobGrant {
        run: run.id()?.to_string(),
        job: key.0.clone(),
        attempt: attempt.0,
        repository: trigger.repository.clone(),
        git_ref: trigger.git_ref.0.clone(),
        default_branch: default_branch(trigger),
        base_ref: trigger.base_ref.clone(),
        trust: trust(run, trigger),
        cache_mode: CacheMode::Write,
        id_token: gives_id_tokens(spec),
        readable_runs: BTreeSet::new(),
        lifetime: LIFETIME,
        identity: identity(run, key, attempt)?,
    })
}

/// A trusted run that has touched something untrusted is none here: it must not write what a trusted one reads.
fn trust(run: &Run, trigger: &Trigger) -> Trust {
    match &trigger.trust {
        Trust::Trusted if !run.may_see_secrets() => {
            Trust::Untrusted("it has touched something untrusted".to_owned())
        }
        trust => trust.clone(),
    }
}

fn default_branch(trigger: &Trigger) -> String {
    let said = trigger.payload["repository"]["default_branch"].as_str();
    said.unwrap_or("main").to_owned()
}

/// `permissions: id-token: write`. Without it there are none, as with GitHub.
fn gives_id_tokens(spec: &JobSpec) -> bool {
    let permissions = spec.permissions.as_ref();
    permissions.is_some_and(Permissions::gives_id_tokens)
}

fn identity(run: &Run, key: &JobKey, attempt: Attempt) -> Option<Identity> {
    let (plan, trigger) = (run.plan()?, run.trigger()?);
    let revision = trigger.revision.0.clone();
    let workflow = format!("{}/{}@{}", trigger.repository, plan.path, trigger.git_ref);
    let view = run.job(key)?;
    Some(Identity {
        sha: revision.clone(),
        run_id: run.id()?.to_string(),
        run_number: run.number().unwrap_or_default(),
        run_attempt: attempt.0,
        actor: trigger.actor.clone(),
        workflow: plan.name.clone(),
        workflow_ref: workflow,
        workflow_sha: revision,
        job_workflow_ref: run.workflow_ref_of(key.job())?,
        job_workflow_sha: run.workflow_sha_of(key.job())?,
        environment: view.environment.map(str::to_owned),
        event_name: trigger.kind.event_name().to_owned(),
        head_ref: trigger.head_ref.clone(),
        runner_environment: "self-hosted".to_owned(),
        repository_visibility: "private".to_owned(),
        server_url: "https://github.com".to_owned(),
        subject_claims: Vec::new(),
    })
}
