//! What is to be done about an event.
//!
//! The pieces below are shared with `outstanding.rs`, so that an effect that is asked for again after
//! a restart is the same to the letter.

use cutover_model::{
    Timestamp,
    delivery::{DeploymentSpec, DeploymentState},
    event::{Check, DeploymentEvent as Event},
    guard::OnSuperseded,
    run::WaitingOn,
};

use crate::{
    Effect, TimerKey, check, deadline,
    deployment::{Ask, Deployment},
    hold,
};

/// Says what is to be done about an event that is stored; `deployment` is as it is right after this
/// event, before those that were decided with it.
pub fn effects(deployment: &Deployment, _at: Timestamp, event: &Event) -> Vec<Effect> {
    match event {
        Event::DeploymentCreated { .. } | Event::ApprovalGiven { .. } => lock(deployment),
        Event::LockAwaited { .. } => supersede(deployment),
        Event::ApprovalRequested { .. } => question(deployment),
        Event::LockTaken { .. } => {
            let mut effects = start(deployment);
            // One that was paused while it waited may have rung for nobody: only who has the lock
            // keeps others waiting.
            effects.extend(pause(deployment));
            effects
        }
        Event::InstancesRequested { .. }
        | Event::ShiftRequested { .. }
        | Event::BakeStarted { .. }
        | Event::DrainStarted { .. }
        | Event::CheckStarted { .. }
        | Event::ParkRequested { .. }
        | Event::StopRequested { .. } => asked(deployment),
        Event::CheckEnded { .. } => again(deployment),
        Event::Paused { .. } => pause(deployment),
        Event::Resumed { .. } | Event::Promoted { .. } => {
            let mut timers = again(deployment);
            timers.extend(deadline(deployment));
            timers
        }
        Event::Shifted { .. } => watch(deployment),
        Event::Overdue { waited_for, .. } => overdue(deployment, waited_for),
        Event::DeploymentFinished { .. } => end(deployment),
        Event::ApprovalRefused { .. }
        | Event::ApprovalExpired { .. }
        | Event::FreezeAwaited { .. }
        | Event::HoldMet { .. }
        | Event::CheckFailed { .. }
        | Event::Parked { .. }
        | Event::DeadlinePassed { .. }
        | Event::Superseded { .. }
        | Event::InstancesReady { .. }
        | Event::InstancesFailed { .. }
        | Event::BakeEnded { .. }
        | Event::StepJudged { .. }
        | Event::TriggerFired { .. }
        | Event::AbortRequested { .. }
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

/// Those before it at the lock are told to make way, when it is one that does not wait.
pub(crate) fn supersede(deployment: &Deployment) -> Vec<Effect> {
    let replaces = deployment
        .spec()
        .is_some_and(|spec| spec.on_superseded == OnSuperseded::Replace);
    match deployment.state() {
        DeploymentState::Waiting {
            on: WaitingOn::Lock { holder, .. },
            ..
        } if replaces => vec![Effect::Supersede {
            holder: holder.clone(),
        }],
        _ => Vec::new(),
    }
}

/// The end of a pause that nobody ends.
pub(crate) fn pause(deployment: &Deployment) -> Vec<Effect> {
    let (Some(spec), Some(paused)) = (deployment.spec(), deployment.paused()) else {
        return Vec::new();
    };
    vec![Effect::WakeAt {
        at: paused.since + spec.guards.pause_limit,
        timer: TimerKey::PauseLimit {
            since: paused.since,
        },
    }]
}

/// The next try of a check that has not had its say.
fn again(deployment: &Deployment) -> Vec<Effect> {
    match &deployment.ask {
        Some(Ask::CheckAgain { generation, at, .. }) => vec![Effect::WakeAt {
            at: *at,
            timer: TimerKey::CheckAgain {
                generation: *generation,
            },
        }],
        _ => Vec::new(),
    }
}

/// The time when nobody waits any longer.
fn deadline(deployment: &Deployment) -> Option<Effect> {
    let deadline = deadline::of(deployment)?;
    Some(Effect::WakeAt {
        at: deadline.at,
        timer: TimerKey::Deadline {
            generation: deadline.generation,
        },
    })
}

/// A person must know: nothing else will look after it.
fn overdue(deployment: &Deployment, waited_for: &str) -> Vec<Effect> {
    let news = deployment.spec().map(|spec| Effect::Notify {
        topic: "deployment.overdue".to_owned(),
        text: format!("{}: it waits for {waited_for}", subject(spec)),
    });
    news.into_iter().collect()
}

/// What having the lock asks for: the news, and the end of a hold that it lifts.
pub(crate) fn start(deployment: &Deployment) -> Vec<Effect> {
    if deployment.undo.is_some() {
        return Vec::new();
    }
    let lifts = deployment.spec().is_some_and(hold::lifts);
    let mut effects: Vec<Effect> = lifts.then_some(Effect::LiftHold).into_iter().collect();
    effects.extend(news(deployment));
    effects
}

fn news(deployment: &Deployment) -> Vec<Effect> {
    let news = deployment.spec().map(|spec| Effect::Notify {
        topic: "deployment.started".to_owned(),
        text: format!("{}: {}", subject(spec), spec.strategy.word()),
    });
    news.into_iter().collect()
}

/// What was asked for and has no answer yet.
pub(crate) fn asked(deployment: &Deployment) -> Vec<Effect> {
    let mut effects = ordered(deployment);
    effects.extend(deadline(deployment));
    effects
}

fn ordered(deployment: &Deployment) -> Vec<Effect> {
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
        Some(Ask::Park { parked, generation }) => vec![Effect::Park { parked, generation }],
        Some(Ask::Check {
            check,
            attempt,
            generation,
            ..
        }) => ask(deployment, check, attempt, generation),
        Some(Ask::CheckAgain { .. }) => again(deployment),
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
        Some(Ask::Bake { step, until }) if deployment.is_judged(step) => {
            vec![Effect::JudgeAt { at: until, step }]
        }
        Some(Ask::Bake { step, until }) => vec![Effect::WakeAt {
            at: until,
            timer: TimerKey::Bake { step },
        }],
    }
}

fn ask(deployment: &Deployment, check: Check, attempt: u32, generation: u64) -> Vec<Effect> {
    let guards = deployment.spec().map(|spec| spec.guards.clone());
    let terms = check::terms(&guards.unwrap_or_default(), &check);
    let at = match deployment.state() {
        DeploymentState::Checking { since, .. } => *since,
        _ => deployment.asked_at,
    };
    vec![
        Effect::RunCheck {
            check,
            attempt,
            generation,
        },
        Effect::WakeAt {
            at: at + terms.timeout,
            timer: TimerKey::CheckTimeout { generation },
        },
    ]
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
            outcome,
            reason,
            at,
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
    let hold = hold::made_by(deployment, *outcome, reason, *at);
    effects.extend(hold.map(|hold| Effect::PlaceHold { hold }));
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
