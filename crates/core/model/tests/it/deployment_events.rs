//! One event of each kind that a deployment has.

use cutover_model::{
    Timestamp,
    delivery::{Judgement, Side, Weight},
    event::{Check, DeploymentEvent},
    guard::{HookPoint, HookVerdict},
    run::Outcome,
};

use crate::{golden, nouns};

/// The event that comes after this one in the list of all; a new kind does not compile until it is
/// put in. `None` begins.
#[expect(clippy::too_many_lines, reason = "one arm for each kind of event")]
fn next(event: Option<&DeploymentEvent>) -> Option<DeploymentEvent> {
    let gate = nouns::gate_id();
    let side = Side::Candidate;
    let weight = Weight::from_percent(10).unwrap();
    Some(match event {
        None => DeploymentEvent::DeploymentCreated {
            spec: Box::new(nouns::deployment()),
        },
        Some(DeploymentEvent::DeploymentCreated { .. }) => DeploymentEvent::ApprovalRequested {
            gate,
            subject: "production ← hello 1.4.0".to_owned(),
            rule: nouns::rule(),
        },
        Some(DeploymentEvent::ApprovalRequested { .. }) => DeploymentEvent::ApprovalGiven {
            gate,
            by: "ada".to_owned(),
            comment: None,
        },
        Some(DeploymentEvent::ApprovalGiven { .. }) => DeploymentEvent::ApprovalRefused {
            gate,
            by: "grace".to_owned(),
            comment: Some("not on a Friday".to_owned()),
        },
        Some(DeploymentEvent::ApprovalRefused { .. }) => DeploymentEvent::ApprovalExpired { gate },
        Some(DeploymentEvent::ApprovalExpired { .. }) => DeploymentEvent::LockAwaited {
            holder: "another".to_owned(),
        },
        Some(DeploymentEvent::LockAwaited { .. }) => DeploymentEvent::LockTaken {
            fence: 3,
            current: Some(Box::new(nouns::release())),
            instances: None,
        },
        Some(DeploymentEvent::LockTaken { .. }) => DeploymentEvent::FreezeAwaited {
            reason: "holidays".to_owned(),
            until: Some(Timestamp(1_700_000_300_000)),
        },
        Some(DeploymentEvent::FreezeAwaited { .. }) => DeploymentEvent::HoldMet {
            reason: "hello 1.3.0 was taken back".to_owned(),
        },
        Some(DeploymentEvent::HoldMet { .. }) => DeploymentEvent::InstancesRequested {
            side,
            count: 2,
            generation: 1,
        },
        Some(DeploymentEvent::InstancesRequested { .. }) => {
            DeploymentEvent::InstancesReady { side, count: 2 }
        }
        Some(DeploymentEvent::InstancesReady { .. }) => DeploymentEvent::InstancesFailed {
            side,
            detail: vec!["status 503".to_owned()],
        },
        Some(DeploymentEvent::InstancesFailed { .. }) => DeploymentEvent::ShiftRequested {
            weight,
            generation: 2,
        },
        Some(DeploymentEvent::ShiftRequested { .. }) => DeploymentEvent::Shifted {
            weight,
            generation: 2,
        },
        Some(DeploymentEvent::Shifted { .. }) => DeploymentEvent::BakeStarted {
            step: 1,
            until: Timestamp(1_700_000_300_000),
        },
        Some(DeploymentEvent::BakeStarted { .. }) => DeploymentEvent::BakeEnded { step: 1 },
        Some(DeploymentEvent::BakeEnded { .. }) => DeploymentEvent::StepJudged {
            step: 1,
            judgement: Judgement::Pause,
            reason: "3 of 812 answers of the candidate are bad".to_owned(),
        },
        Some(DeploymentEvent::StepJudged { .. }) => DeploymentEvent::TriggerFired {
            trigger: "HTTPCode_Target_5XX_Count > 10 for 1m".to_owned(),
            observed: "23".to_owned(),
        },
        Some(DeploymentEvent::TriggerFired { .. }) => DeploymentEvent::AbortRequested {
            by: "ada".to_owned(),
        },
        Some(DeploymentEvent::AbortRequested { .. }) => DeploymentEvent::Paused {
            by: "ada".to_owned(),
        },
        Some(DeploymentEvent::Paused { .. }) => DeploymentEvent::Resumed {
            by: "ada".to_owned(),
        },
        Some(DeploymentEvent::Resumed { .. }) => DeploymentEvent::Promoted {
            by: "ada".to_owned(),
            full: true,
        },
        Some(DeploymentEvent::Promoted { .. }) => DeploymentEvent::CheckStarted {
            check: Check::Smoke,
            attempt: 1,
            generation: 4,
        },
        Some(DeploymentEvent::CheckStarted { .. }) => DeploymentEvent::CheckEnded {
            check: Check::Hook {
                point: HookPoint::BeforeStep,
                weight,
                index: 0,
            },
            attempt: 1,
            verdict: HookVerdict::Later,
            reason: "not yet".to_owned(),
            again_at: Some(Timestamp(1_700_000_300_000)),
        },
        Some(DeploymentEvent::CheckEnded { .. }) => DeploymentEvent::CheckFailed {
            reason: "hook `audit` (before_step) says failure: no".to_owned(),
        },
        Some(DeploymentEvent::CheckFailed { .. }) => DeploymentEvent::ParkRequested {
            parked: true,
            generation: 5,
        },
        Some(DeploymentEvent::ParkRequested { .. }) => DeploymentEvent::Parked { parked: true },
        Some(DeploymentEvent::Parked { .. }) => DeploymentEvent::DeadlinePassed {
            waited_for: "the balancer to shift 10 %".to_owned(),
        },
        Some(DeploymentEvent::DeadlinePassed { .. }) => DeploymentEvent::Overdue {
            waited_for: "instances of the candidate side to leave, for 10m30s".to_owned(),
            left_behind: Some(side),
        },
        Some(DeploymentEvent::Overdue { .. }) => DeploymentEvent::Superseded {
            by: "hello 1.5.0".to_owned(),
        },
        Some(DeploymentEvent::Superseded { .. }) => DeploymentEvent::RollbackStarted {
            reason: "a trigger fired".to_owned(),
        },
        Some(DeploymentEvent::RollbackStarted { .. }) => DeploymentEvent::DrainStarted {
            side,
            count: Some(1),
        },
        Some(DeploymentEvent::DrainStarted { .. }) => DeploymentEvent::Drained { side, cut_off: 4 },
        Some(DeploymentEvent::Drained { .. }) => DeploymentEvent::StopRequested {
            side,
            remaining: 1,
            generation: 3,
        },
        Some(DeploymentEvent::StopRequested { .. }) => {
            DeploymentEvent::InstancesStopped { side, remaining: 1 }
        }
        Some(DeploymentEvent::InstancesStopped { .. }) => DeploymentEvent::DeploymentFinished {
            outcome: Outcome::RolledBack,
            reason: "traffic is back on hello 1.3.0".to_owned(),
        },
        Some(DeploymentEvent::DeploymentFinished { .. }) => return None,
    })
}

#[test]
fn every_kind_has_a_golden_file_and_is_read_from_it() {
    let events: Vec<DeploymentEvent> =
        std::iter::successors(next(None), |event| next(Some(event))).collect();
    golden::check("deployment", &events);
}
