//! The first deployment: nothing to take over from, nothing to go back to.

use cutover_model::delivery::Side::Candidate;

use super::fixture::{
    Story, abort, baked, canary, drained, failed, fired, lock_taken, ready, shifted, spec, stopped,
};

fn story() -> Story {
    Story::of(spec(2, canary())).when(lock_taken(None))
}

#[test]
fn it_gets_everything_at_once() {
    story()
        .when(ready(Candidate, 1))
        .then("shift 100 % to candidate (g2)")
        .when(shifted(2))
        .then("watch; wake at 10 s: bake 0")
        .at(10)
        .when(baked(0))
        .then("record current; release lock; notify deployment.succeeded");
}

#[test]
fn what_never_gets_healthy_is_stopped() {
    story()
        .when(failed(Candidate, 1, "exit code 3"))
        .then("drain candidate, keep 0 (g2)")
        .when(drained(Candidate, 2))
        .then("stop candidate, keep 0 (g3)")
        .when(stopped(Candidate, 3))
        .then("release lock; notify deployment.failed")
        .because("the candidate's instances are not healthy: exit code 3");
}

#[test]
fn what_breaks_under_traffic_keeps_it() {
    story()
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .when(fired())
        .then("record current; release lock; notify deployment.failed")
        .because(
            "HTTPCode_Target_5XX_Count > 10 for 1m: 23 in the last minute; nothing served before \
             it, so hello 1.1.0 keeps the traffic",
        );
}

#[test]
fn an_abort_while_traffic_moves_waits_for_the_move() {
    story()
        .when(ready(Candidate, 1))
        .when(abort())
        .then("shift 100 % to candidate (g3)")
        .when(shifted(2))
        .then("")
        .when(shifted(3))
        .then("record current; release lock; notify deployment.cancelled");
}

#[test]
fn an_abort_before_traffic_leaves_nothing() {
    story()
        .when(abort())
        .then("drain candidate, keep 0 (g2)")
        .when(stopped(Candidate, 2))
        .then("")
        .when(drained(Candidate, 2))
        .then("stop candidate, keep 0 (g3)")
        .when(stopped(Candidate, 3))
        .then("release lock; notify deployment.cancelled");
}
