//! What will happen, for people: one line for each thing, if all goes well.

use std::collections::BTreeSet;

use cutover_model::{
    Duration,
    delivery::{DeploymentSpec, Side, Strategy},
    event::Check,
    guard::HookPoint,
};

use crate::{
    check,
    progress::{Count, Move, Progress},
    strategy,
};

/// The steps of a deployment in order. They come from the same functions that decide, run on numbers
/// alone.
pub fn steps(spec: &DeploymentSpec, has_current: bool) -> Vec<String> {
    if let Some(objection) = strategy::objection(&spec.strategy, spec.target.instances()) {
        return vec![format!("refused: {objection}")];
    }
    let mut lines = before(spec);
    let mut progress = Progress::new(spec.target.instances());
    if has_current {
        progress.meet_current(spec.target.instances());
    }
    let mut passed = BTreeSet::new();
    loop {
        let next = strategy::next(&spec.strategy, &progress);
        while let Some(check) = check::due(&spec.guards, &progress, next, &passed) {
            lines.push(asked(spec, &check));
            passed.insert(check);
        }
        let Some(next) = next else { break };
        lines.push(describe(spec, &progress, next));
        apply(&mut progress, next);
        if let Move::Ensure {
            side: Side::Candidate,
            ..
        } = next
        {
            passed.remove(&Check::Smoke);
        }
    }
    lines.push(format!(
        "{} {} is current at {}",
        spec.release.service, spec.release.version, spec.environment
    ));
    lines
}

/// What must hold before anything moves.
fn before(spec: &DeploymentSpec) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(rule) = spec.approval.as_ref().filter(|rule| rule.required > 0) {
        let people = match rule.from.as_slice() {
            [] => "any user".to_owned(),
            users => users.join(", "),
        };
        lines.push(format!(
            "wait for {} to approve (of: {people}; lapses after {})",
            rule.required, rule.expires
        ));
    }
    lines.push(format!(
        "wait until nobody else deploys to {}",
        spec.environment
    ));
    lines
}

fn describe(spec: &DeploymentSpec, progress: &Progress, next: Move) -> String {
    match next {
        Move::Ensure { side, count } => {
            let new = count.saturating_sub(progress.side(side).running);
            let noun = if new == 1 { "instance" } else { "instances" };
            format!(
                "start {new} {noun} of {} {} and ask {} until healthy, for at most {}",
                spec.release.service, spec.release.version, spec.health.path, spec.start_timeout
            )
        }
        Move::Shift(weight) => format!("send {weight} of the traffic to the candidate"),
        Move::Bake { step } => watched(spec, progress, step),
        Move::Park(true) => match spec.strategy {
            Strategy::Recreate { hold, .. } => {
                format!("let requests wait in the balancer, each for at most {hold}")
            }
            _ => "let requests wait in the balancer".to_owned(),
        },
        Move::Park(false) => "let the requests go that wait".to_owned(),
        Move::Drain { side, keep } => format!(
            "give no new request to {}, and wait for those in flight, for at most {}",
            some_of(progress, side, progress.side(side).accepting, keep),
            spec.drain_timeout
        ),
        Move::Stop { side, keep } => {
            let running = progress.side(side).running;
            format!("stop {}", some_of(progress, side, running, keep))
        }
    }
}

/// A hook or the smoke test, in words.
fn asked(spec: &DeploymentSpec, check: &Check) -> String {
    let terms = check::terms(&spec.guards, check);
    let weight = match check {
        Check::Hook {
            point: HookPoint::BeforeStep | HookPoint::AfterStep,
            weight,
            ..
        } => format!(" of {weight}"),
        Check::Hook { .. } | Check::Smoke => String::new(),
    };
    let means = if terms.required {
        "; go back if it says no"
    } else {
        "; its answer is only written down"
    };
    format!(
        "ask {}{weight}, for at most {}{means}",
        terms.name, terms.timeout
    )
}

/// All but `keep` of `count` instances, in words.
fn some_of(progress: &Progress, side: Side, count: u32, keep: u32) -> String {
    let whole = match side {
        Side::Current => progress.before,
        Side::Candidate => progress.instances,
    };
    match (keep, count.saturating_sub(keep)) {
        (0, all) if all == whole => format!("the {side} side"),
        (0, _) => format!("what is left of the {side} side"),
        (_, 1) => format!("1 instance of the {side} side"),
        (_, some) => format!("{some} instances of the {side} side"),
    }
}

fn watched(spec: &DeploymentSpec, progress: &Progress, step: u32) -> String {
    let stage = strategy::stage(&spec.strategy, progress.has_current, step);
    let length = stage.map_or(Duration::ZERO, |stage| stage.length);
    let then = if stage.is_some_and(|stage| stage.pause) {
        ", then wait until somebody lets it go on"
    } else {
        ""
    };
    let mut conditions: Vec<String> = spec.triggers.iter().map(ToString::to_string).collect();
    let shares = progress.has_current && progress.weight.rest().basis_points() > 0;
    if shares && spec.judged_by().is_some() {
        conditions.push("the judge finds it worse than current".to_owned());
    }
    let verb = if progress.has_current {
        "go back"
    } else {
        "fail"
    };
    match conditions.as_slice() {
        [] => format!("watch for {length}{then}"),
        some => format!("watch for {length}; {verb} if {}{then}", some.join(", or ")),
    }
}

fn apply(progress: &mut Progress, next: Move) {
    match next {
        Move::Ensure { side, count } => {
            *progress.side_mut(side) = Count {
                serving: count,
                accepting: count,
                running: count,
            };
        }
        Move::Shift(weight) => {
            progress.weight = weight;
            progress.requested = weight;
        }
        Move::Bake { step } => progress.baked = step + 1,
        Move::Park(parked) => progress.is_parked = parked,
        Move::Drain { side, keep } => {
            let count = progress.side_mut(side);
            count.serving = keep;
            count.accepting = keep;
        }
        Move::Stop { side, keep } => progress.side_mut(side).running = keep,
    }
}
