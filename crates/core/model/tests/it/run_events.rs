//! One event of each kind that a run has.

use std::collections::BTreeMap;

use cutover_model::{
    Duration,
    event::{Leg, RetriedLeg, RunEvent},
    plan::{GroupUse, Queue},
    run::{Attempt, JobKey, Outcome, Runner, WaitingOn},
    source::{GitRef, Revision, Taint},
};
use serde_json::json;

use crate::{golden, nouns};

/// The event that comes after this one in the list of all; a new kind does not compile until it is
/// put in. `None` begins.
#[expect(clippy::too_many_lines, reason = "one arm for each kind of event")]
fn next(event: Option<&RunEvent>) -> Option<RunEvent> {
    let job = nouns::key();
    let step = nouns::path();
    let gate = nouns::gate_id();
    let attempt = Attempt(2);
    Some(match event {
        None => RunEvent::RunCreated {
            run: nouns::run_id(),
            number: 128,
            plan: Box::new(nouns::plan()),
            trigger: Box::new(nouns::trigger()),
            vars: BTreeMap::from([("REGION".to_owned(), "eu".to_owned())]),
            secrets: None,
        },
        Some(RunEvent::RunCreated { .. }) => RunEvent::RunTainted {
            taint: Taint::Sources {
                git_ref: GitRef("refs/pull/7/merge".to_owned()),
                revision: Revision("0123abcd".to_owned()),
            },
        },
        Some(RunEvent::RunTainted { .. }) => RunEvent::RunStarted,
        Some(RunEvent::RunStarted) => expanded(),
        Some(RunEvent::JobExpanded { .. }) => RunEvent::JobSkipped {
            job: "deploy".to_owned(),
            reason: "`test` failed".to_owned(),
        },
        Some(RunEvent::JobSkipped { .. }) => RunEvent::JobWaiting {
            job,
            on: WaitingOn::Runner {
                labels: vec!["linux".to_owned()],
            },
        },
        Some(RunEvent::JobWaiting { .. }) => RunEvent::JobCalled {
            job,
            inputs: BTreeMap::from([("retries".to_owned(), json!(3))]),
        },
        Some(RunEvent::JobCalled { .. }) => RunEvent::ApprovalRequested {
            gate,
            job,
            step: Some(step),
            subject: "hello 2.0.0".to_owned(),
            rule: nouns::rule(),
        },
        Some(RunEvent::ApprovalRequested { .. }) => RunEvent::ApprovalGiven {
            gate,
            by: "ada".to_owned(),
            comment: Some("looks good".to_owned()),
        },
        Some(RunEvent::ApprovalGiven { .. }) => RunEvent::ApprovalRefused {
            gate,
            by: "grace".to_owned(),
            comment: None,
        },
        Some(RunEvent::ApprovalRefused { .. }) => RunEvent::ApprovalExpired { gate },
        Some(RunEvent::ApprovalExpired { .. }) => RunEvent::JobStarted {
            job,
            attempt,
            runner: Runner {
                name: "here".to_owned(),
                os: "Linux".to_owned(),
                arch: "X64".to_owned(),
                ..Runner::default()
            },
        },
        Some(RunEvent::JobStarted { .. }) => RunEvent::StepStarted {
            job,
            step,
            attempt,
            name: "Make linux".to_owned(),
        },
        Some(RunEvent::StepStarted { .. }) => RunEvent::StepSkipped {
            job,
            step,
            name: "Make linux".to_owned(),
            reason: "an earlier step failed".to_owned(),
        },
        Some(RunEvent::StepSkipped { .. }) => RunEvent::FilesAsked {
            job,
            step,
            patterns: vec!["**/Cargo.lock".to_owned()],
        },
        Some(RunEvent::FilesAsked { .. }) => RunEvent::FilesHashed {
            job,
            step,
            patterns: vec!["**/Cargo.lock".to_owned()],
            digest: Some("9f86d081".to_owned()),
            reason: None,
        },
        Some(RunEvent::FilesHashed { .. }) => RunEvent::StepFinished {
            job,
            step,
            attempt,
            outcome: Outcome::Failed,
            conclusion: Outcome::Succeeded,
            report: nouns::report(),
        },
        Some(RunEvent::StepFinished { .. }) => RunEvent::StepTimedOut {
            job,
            step,
            attempt,
            after: Duration::from_mins(5),
        },
        Some(RunEvent::StepTimedOut { .. }) => RunEvent::StepLost {
            job,
            step,
            attempt,
            reason: "its process is gone and left no record".to_owned(),
        },
        Some(RunEvent::StepLost { .. }) => RunEvent::JobStopRequested {
            job,
            outcome: Outcome::TimedOut,
            force: true,
            reason: "took longer than 10m".to_owned(),
        },
        Some(RunEvent::JobStopRequested { .. }) => RunEvent::JobFinished {
            job,
            outcome: Outcome::Failed,
            conclusion: Outcome::Succeeded,
            outputs: BTreeMap::from([("out".to_owned(), "x".to_owned())]),
            environment_url: None,
            reason: Some("step `Make linux` failed".to_owned()),
        },
        Some(RunEvent::JobFinished { .. }) => RunEvent::CancelRequested {
            by: "ada".to_owned(),
            reason: Some("wrong branch".to_owned()),
        },
        Some(RunEvent::CancelRequested { .. }) => RunEvent::RunFinished {
            outcome: Outcome::Cancelled,
        },
        Some(RunEvent::RunFinished { .. }) => RunEvent::StepQueued {
            job,
            step,
            name: "Make linux".to_owned(),
        },
        Some(RunEvent::StepQueued { .. }) => RunEvent::GroupAsked {
            job: Some(job),
            group: GroupUse {
                group: "deploy".to_owned(),
                cancel_in_progress: true,
                queue: Queue::Single,
            },
        },
        Some(RunEvent::GroupAsked { .. }) => RunEvent::GroupAwaited {
            job: None,
            holder: "run #127".to_owned(),
        },
        Some(RunEvent::GroupAwaited { .. }) => RunEvent::GroupTaken { job: Some(job) },
        Some(RunEvent::GroupTaken { .. }) => RunEvent::RunRetried {
            by: "grace".to_owned(),
            attempt: attempt.next(),
            legs: vec![
                RetriedLeg {
                    key: job,
                    from: Some(step),
                },
                RetriedLeg {
                    key: JobKey::single("lint"),
                    from: None,
                },
            ],
            jobs: vec!["ship".to_owned()],
        },
        Some(RunEvent::RunRetried { .. }) => RunEvent::StepRetried {
            job,
            step,
            attempt,
            by: "grace".to_owned(),
        },
        Some(RunEvent::StepRetried { .. }) => return None,
    })
}

fn expanded() -> RunEvent {
    let matrix = json!({ "os": "linux", "deep": { "n": [1, true, null] } });
    RunEvent::JobExpanded {
        job: "test".to_owned(),
        legs: vec![Leg {
            key: nouns::key(),
            name: "Test (linux)".to_owned(),
            matrix: matrix.as_object().unwrap().clone(),
            runs_on: vec!["linux".to_owned()],
            environment: Some("staging".to_owned()),
            concurrency: None,
        }],
        fail_fast: true,
        max_parallel: Some(2),
    }
}

#[test]
fn every_kind_has_a_golden_file_and_is_read_from_it() {
    let events: Vec<RunEvent> =
        std::iter::successors(next(None), |event| next(Some(event))).collect();
    golden::check("run", &events);
}
