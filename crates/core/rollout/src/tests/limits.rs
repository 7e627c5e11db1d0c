//! What ends a wait: deadlines, limits of pauses, newer deployments; and what a rollback leaves behind.

use cutover_model::{
    DeploymentId, Timestamp,
    delivery::{
        Cause, DeploymentSpec, Digest,
        Side::{Candidate, Current},
    },
    guard::{Hold, OnSuperseded, RollbackRule},
    run::{JobKey, StepPath},
};

use super::fixture::{
    Story, abort, baked, blue_green, canary, drained, failed, fired, lock_taken, ready, release,
    shifted, spec, stopped,
};
use crate::{Deployment, Effect, Input, TimerKey, outstanding, retry};

fn deadline(generation: u64) -> Input {
    Input::Woke {
        timer: TimerKey::Deadline { generation },
    }
}

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

/// When a timer of the open ask rings, in seconds.
fn deadline_of(deployment: &Deployment) -> Option<i64> {
    outstanding(deployment)
        .into_iter()
        .find_map(|effect| match effect {
            Effect::WakeAt {
                at,
                timer: TimerKey::Deadline { .. },
            } => Some(at.0 / 1_000),
            _ => None,
        })
}

#[test]
fn what_brings_no_progress_goes_back_and_says_what_it_waited_for() {
    let story = Story::over_current(spec(1, canary())).when(ready(Candidate, 1));
    assert_eq!(deadline_of(&story.deployment), Some(600));
    story
        .at(600)
        .when(deadline(2))
        .then("shift 0 % to candidate (g3)")
        .because(
            "no progress: it waited for the balancer to send 10 % of the traffic to the candidate, \
             for 10m",
        );
}

#[test]
fn time_in_which_it_is_paused_does_not_count() {
    let story = Story::over_current(spec(1, canary()))
        .when(ready(Candidate, 1))
        .at(100)
        .when(pause())
        .at(600)
        .when(deadline(2))
        .then("")
        .at(700)
        .when(resume());
    assert_eq!(deadline_of(&story.deployment), Some(1_200));
}

#[test]
fn a_step_has_no_deadline_and_tidying_up_leaves_behind_what_does_not_stop() {
    let baking = Story::over_current(spec(1, blue_green()))
        .when(ready(Candidate, 1))
        .when(shifted(2));
    assert_eq!(deadline_of(&baking.deployment), None);
    let tidying = baking
        .at(120)
        .when(baked(0))
        .then("drain current, keep 0 (g3)");
    // Ten minutes beyond what draining and stopping may take by themselves.
    assert_eq!(deadline_of(&tidying.deployment), Some(760));
    tidying
        .at(760)
        .when(deadline(3))
        .then("notify deployment.overdue")
        .when(drained(Current, 3))
        .then("stop current, keep 0 (g4)")
        .at(1_400)
        .when(deadline(4))
        .then(
            "notify deployment.overdue; record current; release lock; notify deployment.succeeded",
        )
        .because(
            "hello 1.1.0 has all the traffic; instances of the current side did not stop in time: \
             look after them",
        );
}

#[test]
fn an_engine_that_hangs_on_the_way_back_does_not_keep_the_place() {
    Story::over_current(spec(1, canary()))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .when(fired())
        .then("shift 0 % to candidate (g3)")
        .when(shifted(3))
        .when(drained(Candidate, 4))
        .then("stop candidate, keep 0 (g5)")
        .at(640)
        .when(deadline(5))
        .is("rolled_back")
        .then("notify deployment.overdue; release lock; notify deployment.rolled_back")
        .because(
            "HTTPCode_Target_5XX_Count > 10 for 1m: 23 in the last minute; instances of the \
             candidate side did not stop in time: look after them",
        );
}

#[test]
fn traffic_that_does_not_come_back_is_told_once_and_waited_for() {
    let story = Story::over_current(spec(1, canary()))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .when(fired())
        .at(600)
        .when(deadline(3))
        .then("notify deployment.overdue")
        .is("shifting")
        .when(deadline(3))
        .then("");
    assert_eq!(deadline_of(&story.deployment), None);
    story.when(shifted(3)).then("drain candidate, keep 0 (g4)");
}

#[test]
fn a_pause_has_an_end() {
    let story = Story::over_current(spec(1, canary()))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .at(10)
        .when(pause());
    let since = Timestamp(10_000);
    let limit = TimerKey::PauseLimit { since };
    assert!(
        outstanding(&story.deployment)
            .iter()
            .any(|effect| matches!(effect, Effect::WakeAt { timer, .. } if *timer == limit))
    );
    let other = TimerKey::PauseLimit {
        since: Timestamp(5),
    };
    story
        .when(Input::Woke { timer: other })
        .then("")
        .when(Input::Woke { timer: limit })
        .then("shift 0 % to candidate (g3)")
        .because(
            "no progress: it waited for somebody to resume it for 7d, the `pause_limit`; it was \
             paused by `ada`",
        );
}

#[test]
fn a_newer_one_takes_its_place() {
    let supersede = || Input::Supersede {
        by: "hello 1.2.0".to_owned(),
    };
    Story::over_current(spec(1, canary()))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .when(supersede())
        .then("shift 0 % to candidate (g3)")
        .when(supersede())
        .then("")
        .when(shifted(3))
        .when(drained(Candidate, 4))
        .when(stopped(Candidate, 5))
        .is("superseded")
        .because("superseded by hello 1.2.0");
    // One that only waits leaves at once; one that is as good as done is let go on.
    Story::of(spec(1, canary()))
        .when(supersede())
        .then("release lock; notify deployment.superseded");
    Story::over_current(spec(1, blue_green()))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .at(120)
        .when(baked(0))
        .when(supersede())
        .then("")
        .when(drained(Current, 3))
        .when(stopped(Current, 4))
        .is("succeeded");
}

#[test]
fn only_one_that_replaces_tells_others_to_make_way() {
    let busy = || Input::LockBusy {
        holder: "dep_1".to_owned(),
    };
    Story::of(spec(1, canary())).when(busy()).then("");
    let mut replacing = spec(1, canary());
    replacing.on_superseded = OnSuperseded::Replace;
    let story = Story::of(replacing).when(busy()).then("supersede dep_1");
    assert!(outstanding(&story.deployment).contains(&Effect::Supersede {
        holder: "dep_1".to_owned()
    }));
}

#[test]
fn a_freeze_is_waited_for() {
    let frozen = || Input::Frozen {
        reason: "holidays".to_owned(),
        until: Some(Timestamp(60_000)),
    };
    let story = Story::of(spec(1, canary()))
        .when(frozen())
        .is("waiting")
        .when(frozen())
        .then("");
    assert_eq!(story.events.len(), 2, "it is said once");
    story.when(lock_taken(Some("1.0.0"))).is("provisioning");
}

fn holding(mut spec: DeploymentSpec) -> DeploymentSpec {
    spec.rollback = RollbackRule::default();
    spec
}

fn hold_of(story: &Story) -> Option<Hold> {
    outstanding(&story.deployment)
        .into_iter()
        .find_map(|effect| match effect {
            Effect::PlaceHold { hold } => Some(hold),
            _ => None,
        })
}

#[test]
fn what_was_taken_back_pins_what_serves() {
    let story = Story::over_current(holding(spec(1, canary())))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .when(fired())
        .when(shifted(3))
        .when(drained(Candidate, 4))
        .when(stopped(Candidate, 5))
        .then("place hold; release lock; notify deployment.rolled_back");
    let hold = hold_of(&story).unwrap();
    assert_eq!(
        hold.current.as_ref(),
        Some(release("1.0.0").package.digest())
    );
    assert_eq!(
        hold.reason,
        "1.1.0 was taken back: HTTPCode_Target_5XX_Count > 10 for 1m: 23 in the last minute"
    );
    let aborted = Story::over_current(holding(spec(1, canary())))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .when(abort())
        .when(shifted(3))
        .when(drained(Candidate, 4))
        .when(stopped(Candidate, 5));
    assert_eq!(hold_of(&aborted), None, "a person has decided");
    let never_served = Story::over_current(holding(spec(1, canary())))
        .when(failed(Candidate, 1, "exit code 3"))
        .when(drained(Candidate, 2))
        .when(stopped(Candidate, 3));
    assert_eq!(hold_of(&never_served), None);
}

fn step_cause() -> Cause {
    Cause::Step {
        run: cutover_model::RunId::derived(&["run"]),
        job: JobKey::single("deploy"),
        step: "0".parse::<StepPath>().unwrap(),
        attempt: cutover_model::run::Attempt::FIRST,
    }
}

#[test]
fn a_hold_stops_what_is_new_and_nothing_else() {
    let hold = Hold {
        deployment: DeploymentId::derived(&["before"]),
        current: Some(Digest("sha256:00".to_owned())),
        reason: "1.0.9 was taken back".to_owned(),
        since: Timestamp(0),
    };
    let meet = |spec: DeploymentSpec, hold: Hold| {
        Story::of(spec).when(Input::LockTaken {
            fence: 1,
            current: Some(Box::new(release("1.0.0"))),
            instances: None,
            hold: Some(Box::new(hold)),
        })
    };
    let mut automatic = spec(1, canary());
    automatic.cause = step_cause();
    meet(automatic.clone(), hold.clone())
        .is("failed")
        .then("notify deployment.started; release lock; notify deployment.failed")
        .because(
            "hello at production is held since 1970-01-01T00:00:00.000Z: 1.0.9 was taken back; lift \
             it with `cutover resume --environment`, or deploy by hand with `--lift-hold`",
        );
    // The release that serves may come again.
    let serving = Hold {
        current: Some(automatic.release.package.digest().clone()),
        ..hold.clone()
    };
    meet(automatic, serving).is("provisioning");
    meet(spec(1, canary()), hold.clone()).is("failed");
    let mut lifting = spec(1, canary());
    lifting.lift_hold = true;
    meet(lifting, hold.clone()).is("provisioning").then(
        "lift hold; notify deployment.started; ensure 1 of candidate (g1); wake at 60 s: start \
         timeout g1",
    );
    let mut back = spec(1, blue_green());
    back.cause = Cause::Rollback {
        by: "ada".to_owned(),
        of: hold.deployment.clone(),
    };
    meet(back, hold).is("provisioning");
}

#[test]
fn a_retry_is_the_same_once_more() {
    let failed = Story::over_current(spec(1, canary()))
        .when(failed(Candidate, 1, "exit code 3"))
        .when(drained(Candidate, 2))
        .when(stopped(Candidate, 3));
    let again = retry(&failed.deployment, "ada").unwrap();
    assert_eq!(retry(&failed.deployment, "bob").unwrap().id, again.id);
    let spec_before = failed.deployment.spec().unwrap();
    assert_ne!(again.id, spec_before.id);
    assert_eq!(again.release, spec_before.release);
    assert!(again.lift_hold);
    assert_eq!(
        again.cause,
        Cause::Retry {
            by: "ada".to_owned(),
            of: spec_before.id.clone()
        }
    );
    let refusal = |story: Story| retry(&story.deployment, "ada").unwrap_err().to_string();
    assert_eq!(
        refusal(Story::over_current(spec(1, canary()))),
        "it is under way; abort it first, or let it end"
    );
}

#[test]
fn a_way_back_that_is_tried_again_is_a_way_back() {
    let mut back = spec(1, blue_green());
    let of = DeploymentId::derived(&["bad"]);
    back.cause = Cause::Rollback {
        by: "ada".to_owned(),
        of: of.clone(),
    };
    let failed = Story::over_current(back)
        .when(failed(Candidate, 1, "exit code 3"))
        .when(drained(Candidate, 2))
        .when(stopped(Candidate, 3));
    let again = retry(&failed.deployment, "bob").unwrap();
    let by = "bob".to_owned();
    assert_eq!(again.cause, Cause::Rollback { by, of });
    assert!(!again.lift_hold, "it leaves a hold, and lifts none");
}
