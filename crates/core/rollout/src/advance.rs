//! What follows without anybody saying more: the next question, the next move, the end.

use cutover_model::{
    Duration, Timestamp,
    delivery::DeploymentSpec,
    event::{Check, DeploymentEvent as Event},
    run::Outcome,
};

use crate::{
    approval, check, decide::Draft, deployment::Deployment, progress::Move, rollback, strategy,
};

/// Goes on until something must be waited for.
pub(crate) fn advance(draft: &mut Draft) {
    while step(draft) {}
}

/// Does one thing; `false` when there is nothing to do before the next input.
fn step(draft: &mut Draft) -> bool {
    let deployment = &draft.deployment;
    let Some(spec) = deployment.spec.clone() else {
        return false;
    };
    if deployment.is_finished() || deployment.ask.is_some() {
        return false;
    }
    if deployment.lock.is_none() {
        return step_before_lock(draft, &spec);
    }
    if deployment.undo.is_none() && deployment.paused.is_some() {
        return false;
    }
    let next = if deployment.undo.is_some() {
        rollback::next(&deployment.progress)
    } else {
        strategy::next(&spec.strategy, &deployment.progress)
    };
    if let Some(check) = due(deployment, &spec, next) {
        draft.push(Event::CheckStarted {
            check,
            attempt: 1,
            generation: draft.deployment.generation + 1,
        });
        return true;
    }
    match next {
        Some(next) => carry_out(draft, next),
        None => draft.push(end(&draft.deployment, &spec)),
    }
    true
}

/// Who has the word before this move.
fn due(deployment: &Deployment, spec: &DeploymentSpec, next: Option<Move>) -> Option<Check> {
    let (guards, passed) = (&spec.guards, &deployment.passed);
    let Some(undo) = &deployment.undo else {
        return check::due(guards, &deployment.progress, next, passed);
    };
    if next.is_some() {
        return None;
    }
    let is_back = deployment.had_traffic() && !rollback::is_held(&deployment.progress);
    check::due_at_end(guards, is_back, undo.outcome.is_none(), passed)
}

/// Without the lock it asks people, once, and may end; all else waits for answers.
fn step_before_lock(draft: &mut Draft, spec: &DeploymentSpec) -> bool {
    let deployment = &draft.deployment;
    let event = if deployment.undo.is_some() {
        end(deployment, spec)
    } else if let (Some(rule), None) = (deployment.approval_rule(), &deployment.approval) {
        approval::question(spec, rule)
    } else {
        return false;
    };
    draft.push(event);
    true
}

fn carry_out(draft: &mut Draft, next: Move) {
    let deployment = &draft.deployment;
    let generation = deployment.generation + 1;
    let event = match next {
        Move::Ensure { side, count } => Event::InstancesRequested {
            side,
            count,
            generation,
        },
        Move::Shift(weight) => Event::ShiftRequested { weight, generation },
        Move::Park(parked) => Event::ParkRequested { parked, generation },
        Move::Bake { step } => return bake(draft, step),
        Move::Drain { side, keep } => Event::DrainStarted {
            side,
            count: (keep > 0).then(|| {
                let accepting = deployment.progress.side(side).accepting;
                accepting.saturating_sub(keep)
            }),
        },
        Move::Stop { side, keep } => Event::StopRequested {
            side,
            remaining: keep,
            generation,
        },
    };
    draft.push(event);
}

/// Watches a step from now on.
pub(crate) fn bake(draft: &mut Draft, step: u32) {
    let length = draft.deployment.bake_length(step);
    bake_until(draft, step, draft.at + length);
}

/// Watches a step until then, but for no longer than it is to be watched, wherever the clock went.
pub(crate) fn bake_until(draft: &mut Draft, step: u32, until: Timestamp) {
    let until = until.min(draft.at + draft.deployment.bake_length(step));
    draft.push(Event::BakeStarted { step, until });
    if draft.at >= until && !draft.deployment.is_judged(step) {
        end_bake(draft, step);
    }
}

/// A step has been watched to its end; some then wait for a person.
pub(crate) fn end_bake(draft: &mut Draft, step: u32) {
    draft.push(Event::BakeEnded { step });
    let deployment = &draft.deployment;
    let has_current = deployment.progress.has_current;
    let stage = deployment
        .spec()
        .and_then(|spec| strategy::stage(&spec.strategy, has_current, step));
    if let Some(stage) = stage.filter(|stage| stage.pause) {
        let by = format!("the step of {}", stage.weight);
        draft.push(Event::Paused { by });
    }
}

impl Deployment {
    fn bake_length(&self, step: u32) -> Duration {
        let spec = self.spec();
        spec.map(|spec| strategy::bake_length(&spec.strategy, self.progress.has_current, step))
            .unwrap_or_default()
    }
}

/// How it ends, once nothing is left to do.
fn end(deployment: &Deployment, spec: &DeploymentSpec) -> Event {
    let (outcome, mut reason) = ending(deployment, spec);
    for side in &deployment.left_behind {
        let more = format!("; instances of the {side} side did not stop in time: look after them");
        reason.push_str(&more);
    }
    Event::DeploymentFinished { outcome, reason }
}

fn ending(deployment: &Deployment, spec: &DeploymentSpec) -> (Outcome, String) {
    let release = format!("{} {}", spec.release.service, spec.release.version);
    let Some(undo) = &deployment.undo else {
        return (Outcome::Succeeded, format!("{release} has all the traffic"));
    };
    let is_held = rollback::is_held(&deployment.progress);
    let outcome = match (undo.outcome, is_held) {
        (Some(outcome), _) => outcome,
        (None, false) if deployment.had_traffic() => Outcome::RolledBack,
        (None, _) => Outcome::Failed,
    };
    let reason = match (is_held, deployment.progress.has_current) {
        (false, true) if !rollback::is_whole(&deployment.progress) => format!(
            "{}; not all instances of the release before it have come back",
            undo.reason
        ),
        (false, _) => undo.reason.clone(),
        (true, false) => format!(
            "{}; nothing served before it, so {release} keeps the traffic",
            undo.reason
        ),
        (true, true) => format!(
            "{}; the release before it does not become healthy again, so {release} keeps {} of the \
             traffic: deploy a release that works",
            undo.reason,
            deployment.weight()
        ),
    };
    (outcome, reason)
}
