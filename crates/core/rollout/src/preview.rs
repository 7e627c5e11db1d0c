//! What will happen, for people: one line for each thing, if all goes well.

use cutover_model::delivery::{DeploymentSpec, Side, Strategy};

use crate::{
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
        progress.meet_current();
    }
    while let Some(next) = strategy::next(&spec.strategy, &progress) {
        lines.push(describe(spec, &progress, next));
        apply(&mut progress, next);
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

/// All but `keep` of `count` instances, in words.
fn some_of(progress: &Progress, side: Side, count: u32, keep: u32) -> String {
    match (keep, count.saturating_sub(keep)) {
        (0, all) if all == progress.instances => format!("the {side} side"),
        (0, _) => format!("what is left of the {side} side"),
        (_, 1) => format!("1 instance of the {side} side"),
        (_, some) => format!("{some} instances of the {side} side"),
    }
}

fn watched(spec: &DeploymentSpec, progress: &Progress, step: u32) -> String {
    let length = strategy::bake_length(&spec.strategy, progress.has_current, step);
    let mut conditions: Vec<String> = spec.triggers.iter().map(ToString::to_string).collect();
    let shares = progress.has_current && progress.weight.rest().basis_points() > 0;
    if shares && matches!(spec.strategy, Strategy::Canary { .. }) {
        conditions.push("the judge finds it worse than current".to_owned());
    }
    let verb = if progress.has_current {
        "go back"
    } else {
        "fail"
    };
    match conditions.as_slice() {
        [] => format!("watch for {length}"),
        some => format!("watch for {length}; {verb} if {}", some.join(", or ")),
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
        Move::Drain { side, keep } => {
            let count = progress.side_mut(side);
            count.serving = keep;
            count.accepting = keep;
        }
        Move::Stop { side, keep } => progress.side_mut(side).running = keep,
    }
}
