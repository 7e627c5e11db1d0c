//! Late, repeated and foreign observations change nothing; a replay gives the same.

use cutover_model::{
    Timestamp,
    delivery::Side::{Candidate, Current},
};

use super::fixture::{
    Story, abort, baked, canary, drained, failed, fired, lock_taken, ready, shifted, spec, stopped,
};
use crate::{Deployment, Effect, Input, decide, evolve, outstanding};

/// Everything an edge can say, for many generations.
fn observations() -> Vec<Input> {
    let mut inputs = vec![
        Input::LockBusy {
            holder: "dep_x".to_owned(),
        },
        lock_taken(None),
        baked(0),
        baked(1),
        fired(),
    ];
    for generation in 0..12 {
        inputs.push(shifted(generation));
        for side in [Candidate, Current] {
            inputs.push(ready(side, generation));
            inputs.push(failed(side, generation, "late"));
            inputs.push(drained(side, generation));
            inputs.push(stopped(side, generation));
        }
    }
    inputs
}

#[test]
fn before_and_after_nothing_is_news() {
    let done = Story::over_current(spec(1, canary()))
        .when(failed(Candidate, 1, "exit code 3"))
        .when(drained(Candidate, 2))
        .when(stopped(Candidate, 3))
        .is("failed");
    for input in observations() {
        let at = Timestamp(5);
        assert_eq!(
            decide(&Deployment::default(), at, input.clone()),
            Ok(vec![])
        );
        assert_eq!(decide(&done.deployment, at, input), Ok(vec![]));
    }
}

#[test]
fn a_second_answer_is_none() {
    Story::over_current(spec(2, canary()))
        .when(lock_taken(Some("0.9.0")))
        .then("")
        .when(ready(Current, 1))
        .then("")
        .when(ready(Candidate, 1))
        .when(ready(Candidate, 1))
        .then("")
        .when(drained(Candidate, 2))
        .then("")
        .when(shifted(2))
        .when(shifted(2))
        .then("")
        .when(baked(1))
        .then("");
}

#[test]
fn the_lock_says_who_has_it_once_for_each_holder() {
    let busy = |holder: &str| Input::LockBusy {
        holder: holder.to_owned(),
    };
    let story = Story::of(spec(2, canary()))
        .when(busy("dep_a"))
        .is("waiting")
        .when(busy("dep_a"))
        .when(busy("dep_b"));
    assert_eq!(story.events.len(), 3);
    story.when(lock_taken(Some("1.0.0"))).is("provisioning");
}

#[test]
fn an_abort_in_the_queue_leaves_the_queue() {
    Story::of(spec(2, canary()))
        .when(abort())
        .then("release lock; notify deployment.cancelled")
        .when(lock_taken(Some("1.0.0")))
        .then("");
}

#[test]
fn what_has_not_begun_refuses_commands() {
    let refused = decide(&Deployment::default(), Timestamp(0), abort());
    assert_eq!(refused.unwrap_err().to_string(), "it has not begun");
    Story::of(spec(1, canary())).refuses(
        Input::Create {
            spec: Box::new(spec(1, canary())),
        },
        "it has begun already",
    );
}

#[test]
fn a_replay_gives_the_same_state_and_owes_the_same() {
    let story = Story::over_current(spec(2, canary()))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .at(300)
        .when(baked(0))
        .then("shift 50 % to candidate (g3)");
    let mut again = Deployment::default();
    for (at, event) in &story.events {
        evolve(&mut again, *at, event);
    }
    assert_eq!(again, story.deployment);
    let owed: Vec<String> = outstanding(&again).iter().map(Effect::to_string).collect();
    assert_eq!(
        owed,
        [
            "notify deployment.started: production ← hello 1.1.0: canary",
            "watch",
            "shift 50 % to candidate (g3)",
            "wake at 1970-01-01T00:15:00.000Z: Deadline { generation: 3 }",
        ]
    );
}

#[test]
fn an_end_is_owed() {
    let story = Story::over_current(spec(1, canary()))
        .when(failed(Candidate, 1, "exit code 3"))
        .when(drained(Candidate, 2))
        .when(stopped(Candidate, 3));
    let owed: Vec<String> = outstanding(&story.deployment)
        .iter()
        .map(Effect::to_string)
        .collect();
    assert_eq!(
        owed,
        [
            "release lock",
            "notify deployment.failed: production ← hello 1.1.0: failed: the candidate's instances \
             are not healthy: exit code 3",
        ]
    );
}
