//! The strategies beside the first three, and what people do on the way.

use cutover_model::{
    Duration,
    delivery::{
        Side::{Candidate, Current},
        Step, Strategy, Weight,
    },
};

use super::fixture::{
    Story, abort, baked, canary, drained, failed, fired, ready, release, shifted, spec, stopped,
};
use crate::{Input, preview};

fn percent(value: u16) -> Weight {
    Weight::from_percent(value).unwrap()
}

fn recreate() -> Strategy {
    Strategy::Recreate {
        hold: Duration::from_secs(5),
        bake: Duration::from_secs(30),
    }
}

fn promote(full: bool) -> Input {
    Input::Promote {
        by: "ada".to_owned(),
        full,
    }
}

fn resume() -> Input {
    Input::Resume {
        by: "ada".to_owned(),
    }
}

fn parked(generation: u64) -> Input {
    Input::Parked { generation }
}

/// Over a current side of so many instances.
fn over(instances: u32, spec: cutover_model::delivery::DeploymentSpec) -> Story {
    Story::of(spec).when(Input::LockTaken {
        fence: 1,
        current: Some(Box::new(release("1.0.0"))),
        instances: Some(instances),
        hold: None,
    })
}

#[test]
fn recreate_lets_requests_wait_while_nobody_is_there() {
    Story::over_current(spec(2, recreate()))
        .then("notify deployment.started; park requests (g1)")
        .when(parked(1))
        .then("drain current, keep 0 (g2)")
        .when(drained(Current, 2))
        .then("stop current, keep 0 (g3)")
        .when(stopped(Current, 3))
        .then("ensure 2 of candidate (g4); wake at 60 s: start timeout g4")
        .when(ready(Candidate, 4))
        .then("shift 100 % to candidate (g5)")
        .when(shifted(5))
        .then("watch; unpark requests (g6)")
        .when(parked(6))
        .then("wake at 30 s: bake 0")
        .at(30)
        .when(baked(0))
        .is("succeeded");
}

#[test]
fn a_recreate_that_fails_brings_the_old_side_back_before_requests_go_on() {
    Story::over_current(spec(1, recreate()))
        .when(parked(1))
        .when(drained(Current, 2))
        .when(stopped(Current, 3))
        .when(failed(Candidate, 4, "exit code 3"))
        .then("ensure 1 of current (g5); wake at 60 s: start timeout g5")
        .when(ready(Current, 5))
        .then("unpark requests (g6)")
        .when(parked(6))
        .then("drain candidate, keep 0 (g7)")
        .when(drained(Candidate, 7))
        .when(stopped(Candidate, 8))
        .is("failed");
}

#[test]
fn a_linear_way_has_equal_steps() {
    let strategy = Strategy::Linear {
        increment: percent(40),
        interval: Duration::from_secs(60),
        bake: Duration::from_secs(10),
    };
    Story::over_current(spec(1, strategy))
        .when(ready(Candidate, 1))
        .then("shift 40 % to candidate (g2)")
        .when(shifted(2))
        .at(60)
        .when(baked(0))
        .then("shift 80 % to candidate (g3)")
        .when(shifted(3))
        .at(120)
        .when(baked(1))
        .then("shift 100 % to candidate (g4)")
        .when(shifted(4))
        .then("watch; wake at 130 s: bake 2");
}

#[test]
fn blue_green_may_try_before_it_switches() {
    let strategy = Strategy::BlueGreen {
        canary: vec![Step {
            length: Some(Duration::from_secs(20)),
            ..Step::of(percent(5))
        }],
        bake: Duration::from_secs(120),
    };
    Story::over_current(spec(2, strategy))
        .when(ready(Candidate, 1))
        .then("shift 5 % to candidate (g2)")
        .when(shifted(2))
        .then("watch; wake at 20 s: bake 0")
        .at(20)
        .when(baked(0))
        .then("shift 100 % to candidate (g3)");
}

#[test]
fn a_scaled_canary_has_as_many_instances_as_its_share() {
    let Strategy::Canary {
        steps,
        interval,
        bake,
        ..
    } = canary()
    else {
        unreachable!()
    };
    let strategy = Strategy::Canary {
        steps,
        interval,
        bake,
        scaled: true,
    };
    Story::over_current(spec(4, strategy))
        .then(
            "notify deployment.started; ensure 1 of candidate (g1); wake at 60 s: start timeout g1",
        )
        .when(ready(Candidate, 1))
        .then("shift 10 % to candidate (g2)")
        .when(shifted(2))
        .at(300)
        .when(baked(0))
        .then("ensure 2 of candidate (g3); wake at 360 s: start timeout g3")
        .when(ready(Candidate, 3))
        .then("shift 50 % to candidate (g4)");
}

#[test]
fn with_max_unavailable_the_old_ones_leave_first() {
    let strategy = Strategy::Rolling {
        batch: 0,
        max_unavailable: 1,
        bake: Duration::ZERO,
    };
    Story::over_current(spec(3, strategy))
        .then("notify deployment.started; drain current, keep 2 (g1)")
        .when(drained(Current, 1))
        .when(stopped(Current, 2))
        .then("ensure 1 of candidate (g3); wake at 60 s: start timeout g3")
        .when(ready(Candidate, 3))
        .then("shift 50 % to candidate (g4)")
        .when(shifted(4))
        .then("watch; drain current, keep 1 (g5)")
        .when(drained(Current, 5))
        .when(stopped(Current, 6))
        .when(ready(Candidate, 7))
        .then("shift 100 % to candidate (g8)")
        .when(shifted(8))
        .then("watch; drain current, keep 0 (g9)")
        .when(drained(Current, 9))
        .when(stopped(Current, 10))
        .then("ensure 3 of candidate (g11); wake at 60 s: start timeout g11");
}

#[test]
fn a_side_of_another_size_is_exchanged_and_comes_back_as_it_was() {
    let strategy = Strategy::Rolling {
        batch: 1,
        max_unavailable: 0,
        bake: Duration::ZERO,
    };
    over(4, spec(2, strategy))
        .when(ready(Candidate, 1))
        .then("shift 50 % to candidate (g2)")
        .when(shifted(2))
        .then("watch; drain current, keep 2 (g3)")
        .when(drained(Current, 3))
        .when(stopped(Current, 4))
        .when(fired())
        .then("shift 0 % to candidate (g6)")
        .when(shifted(6))
        .then("ensure 4 of current (g7); wake at 60 s: start timeout g7");
}

fn waiting_step() -> Strategy {
    Strategy::Canary {
        steps: vec![
            Step {
                pause: true,
                ..Step::of(percent(10))
            },
            Step::of(percent(50)),
            Step::of(Weight::ALL),
        ],
        interval: Duration::from_secs(300),
        scaled: false,
        bake: Duration::from_secs(600),
    }
}

#[test]
fn a_step_that_waits_goes_on_when_somebody_says_so() {
    let story = || {
        Story::over_current(spec(1, waiting_step()))
            .when(ready(Candidate, 1))
            .when(shifted(2))
            .at(300)
            .when(baked(0))
            .then("")
    };
    assert_eq!(story().deployment.paused_by(), Some("the step of 10 %"),);
    story()
        .when(resume())
        .then("shift 50 % to candidate (g3)")
        .already(resume(), "it is not paused");
    story()
        .when(promote(false))
        .then("shift 50 % to candidate (g3)");
}

#[test]
fn promote_skips_a_step_and_full_skips_all() {
    let story = || {
        Story::over_current(spec(1, waiting_step()))
            .when(ready(Candidate, 1))
            .when(shifted(2))
            .at(10)
    };
    story()
        .when(promote(false))
        .then("shift 50 % to candidate (g3)")
        .refuses(
            promote(false),
            "there is no step to skip now: it is shifting; `--full` skips all that are to come",
        );
    story()
        .when(promote(true))
        .then("shift 100 % to candidate (g3)")
        .already(promote(true), "it goes straight to the end already")
        .when(shifted(3))
        .then("watch; drain current, keep 0 (g4)")
        .when(drained(Current, 4))
        .when(stopped(Current, 5))
        .is("succeeded")
        .already(promote(true), "it has succeeded already")
        .refuses(
            abort(),
            "it has ended: succeeded; to go back, use `cutover rollback`",
        );
}

#[test]
fn what_has_no_lock_cannot_be_promoted() {
    Story::of(spec(1, canary()))
        .when(Input::LockBusy {
            holder: "another".to_owned(),
        })
        .refuses(
            promote(true),
            "it has not begun to move: it waits on production, held by another",
        );
}

#[test]
fn the_preview_of_recreate_says_that_requests_wait() {
    assert_eq!(
        preview::steps(&spec(1, recreate()), true)[1..],
        [
            "let requests wait in the balancer, each for at most 5s",
            "give no new request to the current side, and wait for those in flight, for at most 30s",
            "stop the current side",
            "start 1 instance of hello 1.1.0 and ask /health until healthy, for at most 1m",
            "send 100 % of the traffic to the candidate",
            "let the requests go that wait",
            "watch for 30s",
            "hello 1.1.0 is current at production",
        ]
    );
}
