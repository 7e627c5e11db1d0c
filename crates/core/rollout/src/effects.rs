//! What is to be done about an event.
//!
//! The pieces below are shared with `outstanding.rs`, so that an effect that is asked for again after
//! a restart is the same to the letter.

use cutover_model::{
    Timestamp,
    delivery::{DeploymentSpec, DeploymentState},
    event::DeploymentEvent as Event,
};

use crate::{
    Effect, TimerKey,
    deployment::{Ask, Deployment},
};

/// Says what is to be done about an event that is stored; `deployment` is as it is right after this
/// event, before those that were decided with it.
pub fn effects(deployment: &Deployment, _at: Timestamp, event: &Event) -> Vec<Effect> {
    match event {
        Event::DeploymentCreated { .. } | Event::ApprovalGiven { .. } => lock(deployment),
        Event::ApprovalRequested { .. } => question(deployment),
        Event::LockTaken { .. } => start(deployment),
        Event::InstancesRequested { .. }
        | Event::ShiftRequested { .. }
        | Event::BakeStarted { .. }
        | Event::DrainStarted { .. }
        | Event::StopRequested { .. } => asked(deployment),
        Event::Shifted { .. } => watch(deployment),
        Event::DeploymentFinished { .. } => end(deployment),
        Event::ApprovalRefused { .. }
        | Event::ApprovalExpired { .. }
        | Event::LockAwaited { .. }
        | Event::InstancesReady { .. }
        | Event::InstancesFailed { .. }
        | Event::BakeEnded { .. }
        | Event::TriggerFired { .. }
        | Event::AbortRequested { .. }
        | Event::Paused { .. }
        | Event::Resumed { .. }
        | Event::RollbackStarted { .. }
        | Event::Drained { .. }
        | Event::InstancesStopped { .. } => Vec::new(),
    }
}

/// The lock, when nobody has to agree any more.
pub(crate) fn lock(deployment: &Deployment) -> Vec<Effect> {
    let is_wanted = deployment.may_begin() && deployment.undo.is_none();
    is_wanted.then_some(Effect::TakeLock).into_iter().collect()
}

/// The question, while it is open.
pub(crate) fn question(deployment: &Deployment) -> Vec<Effect> {
    let Some(approval) = &deployment.approval else {
        return Vec::new();
    };
    vec![
        Effect::WakeAt {
            at: approval.asked_at + approval.rule.expires,
            timer: TimerKey::ApprovalExpiry,
        },
        Effect::Notify {
            topic: "approval.requested".to_owned(),
            text: format!(
                "{} waits for approval ({})",
                approval.subject, approval.gate
            ),
        },
    ]
}

/// The news that it has begun.
pub(crate) fn start(deployment: &Deployment) -> Vec<Effect> {
    let news = deployment.spec().map(|spec| Effect::Notify {
        topic: "deployment.started".to_owned(),
        text: format!("{}: {}", subject(spec), spec.strategy.word()),
    });
    news.into_iter().collect()
}

/// What was asked for and has no answer yet.
pub(crate) fn asked(deployment: &Deployment) -> Vec<Effect> {
    match deployment.ask.clone() {
        None => Vec::new(),
        Some(Ask::Instances {
            side,
            count,
            generation,
            until,
        }) => vec![
            Effect::EnsureInstances {
                side,
                count,
                generation,
            },
            Effect::WakeAt {
                at: until,
                timer: TimerKey::StartTimeout { generation },
            },
        ],
        Some(Ask::Shift { weight, generation }) => vec![Effect::Shift { weight, generation }],
        Some(Ask::Drain {
            side,
            keep,
            generation,
        }) => vec![Effect::Drain {
            side,
            keep,
            generation,
        }],
        Some(Ask::Stop {
            side,
            keep,
            generation,
        }) => vec![Effect::Stop {
            side,
            keep,
            generation,
        }],
        Some(Ask::Bake { step, until }) => vec![Effect::WakeAt {
            at: until,
            timer: TimerKey::Bake { step },
        }],
    }
}

/// The triggers, while the candidate has traffic and the way leads forward.
pub(crate) fn watch(deployment: &Deployment) -> Vec<Effect> {
    let is_watched = deployment.is_watched();
    is_watched.then_some(Effect::Watch).into_iter().collect()
}

/// All that an end asks for. Whatever has all the traffic is current, or the next deployment would
/// not know what to take over from.
pub(crate) fn end(deployment: &Deployment) -> Vec<Effect> {
    let (
        Some(spec),
        DeploymentState::Finished {
            outcome, reason, ..
        },
    ) = (deployment.spec(), deployment.state())
    else {
        return Vec::new();
    };
    let record = deployment.has_taken_over();
    let mut effects: Vec<Effect> = record
        .then_some(Effect::RecordCurrent)
        .into_iter()
        .collect();
    if deployment.may_begin() {
        effects.push(Effect::ReleaseLock);
    }
    effects.push(Effect::Notify {
        topic: format!("deployment.{}", outcome.word()),
        text: format!("{}: {}: {reason}", subject(spec), outcome.word()),
    });
    effects
}

fn subject(spec: &DeploymentSpec) -> String {
    let release = &spec.release;
    format!(
        "{} ← {} {}",
        spec.environment, release.service, release.version
    )
}
