//! Holding and going on.

use cutover_model::{Timestamp, delivery::Side::Candidate};

use super::fixture::{Story, abort, baked, canary, fired, lock_taken, ready, shifted, spec};
use crate::{Effect, Input, TimerKey, effects};

fn pause() -> Input {
    Input::Pause {
        by: "ada".to_owned(),
    }
}

fn resume() -> Input {
    Input::Resume {
        by: "ada".to_owned(),
    }
}

fn baking() -> Story {
    Story::over_current(spec(2, canary()))
        .when(ready(Candidate, 1))
        .when(shifted(2))
}

#[test]
fn a_pause_holds_the_step_and_a_resume_watches_it_again() {
    baking()
        .when(pause())
        .then("")
        .already(pause(), "it is paused already, by `ada`")
        .at(300)
        .when(baked(0))
        .then("")
        .is("baking")
        .at(1_000)
        .when(resume())
        .then("wake at 1300 s: bake 0")
        .already(resume(), "it is not paused")
        .at(1_300)
        .when(baked(0))
        .then("shift 50 % to candidate (g3)");
}

#[test]
fn the_triggers_stay_armed() {
    baking()
        .when(pause())
        .when(fired())
        .then("shift 0 % to candidate (g3)");
}

#[test]
fn an_abort_does_not_wait_for_a_resume() {
    let story = baking()
        .when(pause())
        .when(abort())
        .then("shift 0 % to candidate (g3)");
    assert_eq!(story.deployment.paused_by(), None);
}

#[test]
fn what_was_asked_before_the_pause_is_finished() {
    Story::over_current(spec(2, canary()))
        .when(pause())
        .when(ready(Candidate, 1))
        .then("")
        .when(resume())
        .then("shift 10 % to candidate (g2)");
}

#[test]
fn a_pause_before_the_lock_holds_what_comes_after_it() {
    Story::of(spec(2, canary()))
        .when(pause())
        .when(lock_taken(Some("1.0.0")))
        .then("notify deployment.started")
        .when(resume())
        .then("ensure 2 of candidate (g1); wake at 60 s: start timeout g1");
}

#[test]
fn a_ring_before_its_time_rings_again() {
    baking()
        .at(200)
        .when(baked(0))
        .then("wake at 300 s: bake 0")
        .at(300)
        .when(baked(0))
        .then("shift 50 % to candidate (g3)");
}

#[test]
fn a_clock_set_back_costs_one_bake_at_most() {
    baking()
        .at(-100_000)
        .when(baked(0))
        .then("wake at -99700 s: bake 0");
}

#[test]
fn a_pause_that_was_over_before_the_lock_came_does_not_keep_the_lock() {
    let limit = TimerKey::PauseLimit {
        since: Timestamp(0),
    };
    let rings = || Input::Woke {
        timer: limit.clone(),
    };
    let story = Story::of(spec(2, canary()))
        .when(pause())
        .at(10_000_000)
        // Nobody waits for one that has no lock.
        .when(rings())
        .then("")
        .when(lock_taken(Some("1.0.0")));
    let (at, event) = story.events.last().unwrap();
    let asked = effects(&story.deployment, *at, event);
    assert!(
        asked
            .iter()
            .any(|effect| matches!(effect, Effect::WakeAt { timer, .. } if *timer == limit)),
        "{asked:?}"
    );
    story.when(rings()).is("failed");
}
