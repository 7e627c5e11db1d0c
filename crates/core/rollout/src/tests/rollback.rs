//! The way back.

use cutover_model::delivery::{
    Side::{Candidate, Current},
    Weight,
};

use super::fixture::{
    Story, abort, baked, blue_green, canary, drained, failed, fired, ready, rolling, shifted, spec,
    stopped,
};
use crate::{Input, TimerKey};

#[test]
fn a_trigger_brings_the_traffic_back_before_anything_else() {
    let story = Story::over_current(spec(2, canary()))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .when(fired())
        .then("shift 0 % to candidate (g3)")
        .is("shifting")
        .because("HTTPCode_Target_5XX_Count > 10 for 1m: 23 in the last minute")
        .when(shifted(3))
        .then("drain candidate, keep 0 (g4)")
        .when(drained(Candidate, 4))
        .then("stop candidate, keep 0 (g5)")
        .when(stopped(Candidate, 5))
        .then("release lock; notify deployment.rolled_back")
        .is("rolled_back");
    let weights: Vec<Weight> = story.deployment.shifts().iter().map(|s| s.weight).collect();
    assert_eq!(weights, [Weight::from_percent(10).unwrap(), Weight::NONE]);
}

#[test]
fn an_abort_ends_as_cancelled() {
    Story::over_current(spec(1, blue_green()))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .when(abort())
        .then("shift 0 % to candidate (g3)")
        .already(abort(), "it goes back already: aborted by `ada`")
        .when(shifted(3))
        .when(drained(Candidate, 4))
        .when(stopped(Candidate, 5))
        .then("release lock; notify deployment.cancelled")
        .already(abort(), "it has ended already: cancelled");
}

#[test]
fn what_never_gets_healthy_never_gets_traffic() {
    let story = Story::over_current(spec(2, canary()))
        .when(failed(Candidate, 1, "exit code 3"))
        .then("drain candidate, keep 0 (g2)")
        .when(drained(Candidate, 2))
        .then("stop candidate, keep 0 (g3)")
        .when(stopped(Candidate, 3))
        .then("release lock; notify deployment.failed")
        .is("failed");
    assert!(!story.deployment.had_traffic());
}

#[test]
fn patience_ends() {
    let timer = TimerKey::StartTimeout { generation: 1 };
    Story::over_current(spec(2, canary()))
        .at(60)
        .when(Input::Woke { timer })
        .then("drain candidate, keep 0 (g2)")
        .because("the candidate's instances are not healthy: not healthy within 1m");
}

#[test]
fn a_candidate_that_dies_under_traffic_is_taken_back() {
    Story::over_current(spec(2, canary()))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .when(failed(Candidate, 1, "signal 9"))
        .then("shift 0 % to candidate (g3)")
        .because("the candidate's instances are not healthy: signal 9");
}

#[test]
fn the_shift_under_way_is_outnumbered() {
    Story::over_current(spec(2, canary()))
        .when(ready(Candidate, 1))
        .then("shift 10 % to candidate (g2)")
        .when(fired())
        .then("shift 0 % to candidate (g3)")
        .when(shifted(2))
        .then("")
        .when(shifted(3))
        .then("drain candidate, keep 0 (g4)");
}

#[test]
fn half_a_side_takes_the_traffic_at_once_and_is_filled_up() {
    Story::over_current(spec(2, rolling(1)))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .then("watch; drain current, keep 1 (g3)")
        .when(drained(Current, 3))
        .then("stop current, keep 1 (g4)")
        .when(fired())
        .then("shift 0 % to candidate (g5)")
        .when(shifted(5))
        .then("ensure 2 of current (g6); wake at 60 s: start timeout g6")
        .when(ready(Current, 6))
        .then("drain candidate, keep 0 (g7)")
        .when(drained(Candidate, 7))
        .when(stopped(Candidate, 8))
        .is("rolled_back");
}

#[test]
fn less_than_half_a_side_comes_back_first() {
    Story::over_current(spec(1, rolling(1)))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .when(drained(Current, 3))
        .when(stopped(Current, 4))
        .then("wake at 60 s: bake 0")
        .when(fired())
        .then("ensure 1 of current (g5); wake at 60 s: start timeout g5")
        .when(ready(Current, 5))
        .then("shift 0 % to candidate (g6)");
}

#[test]
fn the_old_side_is_called_back_even_from_its_drain() {
    Story::over_current(spec(2, blue_green()))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .at(120)
        .when(baked(0))
        .then("drain current, keep 0 (g3)")
        .when(fired())
        .then("ensure 2 of current (g4); wake at 180 s: start timeout g4")
        .when(drained(Current, 3))
        .then("")
        .when(ready(Current, 4))
        .then("shift 0 % to candidate (g5)");
}

#[test]
fn traffic_stays_where_somebody_answers() {
    Story::over_current(spec(2, canary()))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .when(failed(Current, 0, "signal 9"))
        .then("")
        .is("baking")
        .when(fired())
        .then("ensure 2 of current (g3); wake at 60 s: start timeout g3")
        .when(failed(Current, 3, "exit code 1"))
        .then("ensure 2 of current (g4); wake at 60 s: start timeout g4")
        .when(failed(Current, 4, "exit code 1"))
        .then("ensure 2 of current (g5); wake at 60 s: start timeout g5")
        .when(failed(Current, 5, "exit code 1"))
        .then("release lock; notify deployment.failed")
        .because(
            "HTTPCode_Target_5XX_Count > 10 for 1m: 23 in the last minute; the release before it \
             does not become healthy again, so hello 1.1.0 keeps 10 % of the traffic: deploy a \
             release that works",
        );
}

/// A switch was asked for and not confirmed when somebody aborted, and the current side is gone.
fn torn_between() -> Story {
    Story::over_current(spec(1, blue_green()))
        .when(ready(Candidate, 1))
        .then("shift 100 % to candidate (g2)")
        .when(failed(Current, 0, "signal 9"))
        .when(abort())
        .when(failed(Current, 3, "exit code 1"))
        .when(failed(Current, 4, "exit code 1"))
        .then("ensure 1 of current (g5); wake at 60 s: start timeout g5")
}

#[test]
fn the_only_side_that_is_well_gets_what_it_was_promised() {
    torn_between()
        .when(failed(Current, 5, "exit code 1"))
        .then("shift 100 % to candidate (g6)")
        .when(shifted(6))
        .then("drain current, keep 0 (g7)")
        .when(drained(Current, 7))
        .when(stopped(Current, 8))
        .then("record current; release lock; notify deployment.cancelled");
}

#[test]
fn when_neither_side_is_well_traffic_stays() {
    torn_between()
        .when(failed(Candidate, 1, "signal 9"))
        .when(failed(Current, 5, "exit code 1"))
        .then("shift 0 % to candidate (g6)")
        .when(shifted(6))
        .then("drain candidate, keep 0 (g7)")
        .when(drained(Candidate, 7))
        .when(stopped(Candidate, 8))
        .then("release lock; notify deployment.cancelled")
        .because("aborted by `ada`; not all instances of the release before it have come back");
}

#[test]
fn a_share_that_was_not_confirmed_is_not_held() {
    Story::over_current(spec(1, canary()))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .at(300)
        .when(baked(0))
        .then("shift 50 % to candidate (g3)")
        .when(failed(Current, 0, "signal 9"))
        .when(fired())
        .when(failed(Current, 4, "exit code 1"))
        .when(failed(Current, 5, "exit code 1"))
        .when(failed(Current, 6, "exit code 1"))
        .then("shift 10 % to candidate (g7)")
        .when(shifted(7))
        .then("release lock; notify deployment.failed");
}

#[test]
fn a_side_that_is_given_up_is_drained_before_it_is_stopped() {
    Story::over_current(spec(1, blue_green()))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .at(120)
        .when(baked(0))
        .when(drained(Current, 3))
        .when(fired())
        .when(failed(Current, 5, "exit code 1"))
        .when(failed(Current, 6, "exit code 1"))
        .then("ensure 1 of current (g7); wake at 180 s: start timeout g7")
        .when(failed(Current, 7, "exit code 1"))
        .then("drain current, keep 0 (g8)")
        .when(drained(Current, 8))
        .then("stop current, keep 0 (g9)")
        .when(stopped(Current, 9))
        .then("record current; release lock; notify deployment.failed");
}

#[test]
fn while_it_goes_back_nothing_else_counts() {
    Story::over_current(spec(1, canary()))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .when(fired())
        .when(fired())
        .then("")
        .when(failed(Candidate, 1, "signal 9"))
        .then("")
        .when(baked(0))
        .then("")
        .refuses(
            Input::Pause {
                by: "ada".to_owned(),
            },
            "it goes back already: HTTPCode_Target_5XX_Count > 10 for 1m: 23 in the last minute",
        );
}
