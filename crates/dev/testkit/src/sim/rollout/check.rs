//! What must hold at every moment, and what must hold at the end.

use cutover_model::{
    delivery::{Side, Weight},
    event::DeploymentEvent as Event,
    run::Outcome,
};
use cutover_rollout::outstanding;

use super::{actor::Actor, place::Place, world::World};

/// At most one deployment is active; a log says all there is to know.
pub(super) fn always(actors: &[Actor], world: &World) -> Result<(), String> {
    let active = actors
        .iter()
        .filter(|actor| actor.deployment.fence().is_some() && !actor.is_finished());
    let count = active.count();
    if count > 1 {
        return Err(format!("{count} deployments are active at one environment"));
    }
    for (number, actor) in actors.iter().enumerate() {
        let fence = actor.deployment.fence();
        if fence.is_some_and(|fence| fence > world.lock.fence) {
            return Err(format!(
                "{number} has the fence {fence:?}, which was never given"
            ));
        }
    }
    Ok(())
}

/// On the way forward the candidate's share only grows; whoever goes back goes to nothing, or stays.
pub(super) fn monotone(number: usize, actor: &Actor, event: &Event) -> Result<(), String> {
    let Event::ShiftRequested { weight, .. } = event else {
        return Ok(());
    };
    let before = actor.deployment.weight();
    if !actor.deployment.is_going_back() && *weight <= before {
        return Err(format!(
            "{number}: shifts from {before} to {weight} on the way forward"
        ));
    }
    Ok(())
}

/// The log of this actor, replayed, is this actor.
pub(super) fn replay(number: usize, actor: &Actor) -> Result<(), String> {
    let again = actor.replay();
    if again != actor.deployment || outstanding(&again) != outstanding(&actor.deployment) {
        return Err(format!("{number}: replaying its log gives another state"));
    }
    Ok(())
}

/// Nobody decides to send all traffic where nobody answers, or to drain where traffic goes.
pub(super) fn decision(actor: usize, event: &Event, world: &World) -> Result<(), String> {
    let holds = |side, predicate: fn(&Place) -> bool| {
        let at = world.place_of(actor, side);
        at.and_then(|at| world.places.get(at))
            .is_some_and(predicate)
    };
    match event {
        Event::ShiftRequested { weight, .. } => {
            let (to, from) = match *weight {
                Weight::ALL => (Side::Candidate, Side::Current),
                Weight::NONE => (Side::Current, Side::Candidate),
                _ => return Ok(()),
            };
            let has_choice = world.place_of(actor, to).is_some();
            if has_choice && !holds(to, Place::can_serve) && holds(from, Place::is_well) {
                return Err(format!("{actor}: all traffic to {to}, which cannot serve"));
            }
        }
        Event::DrainStarted { side, count: None } => {
            let place = world.place_of(actor, *side);
            let share = place.map_or(Weight::NONE, |place| world.share(place));
            if share > Weight::NONE && !world.is_parked {
                return Err(format!("{actor}: drains {side}, which has {share}"));
            }
        }
        _ => {}
    }
    Ok(())
}

/// What an end promised is so.
pub(super) fn ended(number: usize, actor: &Actor, world: &World) -> Result<(), String> {
    let Some(outcome) = actor.outcome() else {
        return Ok(());
    };
    let deployment = &actor.deployment;
    let left = |side| {
        let place = world
            .place_of(number, side)
            .and_then(|at| world.places.get(at));
        let is_left_behind = deployment.left_behind().any(|it| it == side);
        place.map_or(0, |place| {
            if is_left_behind {
                0
            } else {
                place.instances.len()
            }
        })
    };
    let is_right = match outcome {
        Outcome::Succeeded => world.share(number) == Weight::ALL && left(Side::Current) == 0,
        Outcome::RolledBack => {
            world.share(number) == Weight::NONE
                && left(Side::Candidate) == 0
                && deployment.current().is_some()
                && deployment.had_traffic()
        }
        Outcome::Failed | Outcome::Cancelled | Outcome::Superseded if actor.is_held() => {
            world.share(number) == deployment.requested_weight() && left(Side::Candidate) > 0
        }
        Outcome::Failed | Outcome::Cancelled | Outcome::Superseded => {
            world.share(number) == Weight::NONE && left(Side::Candidate) == 0
        }
        Outcome::Faulted | Outcome::TimedOut | Outcome::Skipped => false,
    };
    if is_right {
        return Ok(());
    }
    Err(format!(
        "{number} ended as {outcome}, but its candidate has {} of the traffic and {} instances, and \
         current has {} instances",
        world.share(number),
        left(Side::Candidate),
        left(Side::Current)
    ))
}

/// Whether somebody has said that the instances of this place did not stop in time.
fn is_left_behind(actors: &[Actor], world: &World, place: usize) -> bool {
    actors.iter().enumerate().any(|(number, actor)| {
        let mut sides = actor.deployment.left_behind();
        sides.any(|side| world.place_of(number, side) == Some(place))
    })
}

/// When all is quiet, what is recorded as current serves, and nothing else runs.
pub(super) fn quiet(actors: &[Actor], world: &World) -> Result<(), String> {
    for (number, actor) in actors.iter().enumerate() {
        replay(number, actor)?;
        if actor.has_begun() && !actor.is_finished() {
            return Err(format!(
                "{number} never ends: {:?}",
                actor.deployment.state()
            ));
        }
    }
    if world.lock.holder.is_some() || !world.lock.queue.is_empty() {
        return Err("the lock was left behind".to_owned());
    }
    if world.is_parked {
        return Err("requests were left waiting".to_owned());
    }
    // Where a side could not take its traffic back, both are left for a person, or for the next
    // deployment that gets as far as moving traffic.
    let is_held = |place| actors.get(place).is_some_and(Actor::is_held);
    let is_torn = |place| is_held(place) && world.recorded != Some(place);
    if (0..world.places.len()).any(|place| is_torn(place) && world.share(place) > Weight::NONE) {
        return Ok(());
    }
    for (place, instances) in world.places.iter().enumerate() {
        let is_current = world.recorded == Some(place);
        if is_current && (world.share(place) != Weight::ALL || !instances.can_serve()) {
            return Err(format!("{place} is recorded as current and does not serve"));
        }
        if !is_current && world.share(place) > Weight::NONE {
            return Err(format!("{place} is not current and has traffic"));
        }
        let is_known = is_left_behind(actors, world, place);
        if !is_current && !is_held(place) && !is_known && !instances.instances.is_empty() {
            return Err(format!("{place} is not current and still runs"));
        }
    }
    Ok(())
}
