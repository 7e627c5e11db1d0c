//! The way forward, for each strategy.

use cutover_model::{
    Duration, Timestamp,
    delivery::{
        Metric, RollbackTrigger,
        Side::{Candidate, Current},
        Step, Strategy, Weight,
    },
    gate::ApprovalRule,
};

use super::fixture::{
    Story, baked, blue_green, canary, drained, lock_taken, ready, rolling, shifted, spec, stopped,
};
use crate::{Deployment, Input, decide, preview, watch::Watch};

#[test]
fn a_canary_goes_step_by_step() {
    Story::of(spec(2, canary()))
        .then("take lock")
        .when(lock_taken(Some("1.0.0")))
        .then(
            "notify deployment.started; ensure 2 of candidate (g1); wake at 60 s: start timeout g1",
        )
        .is("provisioning")
        .at(5)
        .when(ready(Candidate, 1))
        .then("shift 10 % to candidate (g2)")
        .is("shifting")
        .when(shifted(2))
        .then("watch; wake at 305 s: bake 0")
        .is("baking")
        .at(305)
        .when(baked(0))
        .then("shift 50 % to candidate (g3)")
        .when(shifted(3))
        .then("watch; wake at 605 s: bake 1")
        .at(605)
        .when(baked(1))
        .then("shift 100 % to candidate (g4)")
        .when(shifted(4))
        .then("watch; wake at 1205 s: bake 2")
        .at(1205)
        .when(baked(2))
        .then("drain current, keep 0 (g5)")
        .is("draining")
        .when(drained(Current, 5))
        .then("stop current, keep 0 (g6)")
        .when(stopped(Current, 6))
        .then("record current; release lock; notify deployment.succeeded")
        .is("succeeded")
        .because("hello 1.1.0 has all the traffic");
}

#[test]
fn blue_green_switches_once() {
    Story::over_current(spec(2, blue_green()))
        .when(ready(Candidate, 1))
        .then("shift 100 % to candidate (g2)")
        .when(shifted(2))
        .then("watch; wake at 120 s: bake 0")
        .at(120)
        .when(baked(0))
        .then("drain current, keep 0 (g3)")
        .when(drained(Current, 3))
        .then("stop current, keep 0 (g4)")
        .when(stopped(Current, 4))
        .then("record current; release lock; notify deployment.succeeded");
}

#[test]
fn rolling_goes_in_batches() {
    Story::over_current(spec(3, rolling(2)))
        .then(
            "notify deployment.started; ensure 2 of candidate (g1); wake at 60 s: start timeout g1",
        )
        .when(ready(Candidate, 1))
        .then("shift 66.67 % to candidate (g2)")
        .when(shifted(2))
        .then("watch; drain current, keep 1 (g3)")
        .when(drained(Current, 3))
        .then("stop current, keep 1 (g4)")
        .when(stopped(Current, 4))
        .then("ensure 3 of candidate (g5); wake at 60 s: start timeout g5")
        .when(ready(Candidate, 5))
        .then("shift 100 % to candidate (g6)")
        .when(shifted(6))
        .then("watch; drain current, keep 0 (g7)")
        .when(drained(Current, 7))
        .then("stop current, keep 0 (g8)")
        .when(stopped(Current, 8))
        .then("wake at 60 s: bake 0")
        .at(60)
        .when(baked(0))
        .then("record current; release lock; notify deployment.succeeded");
}

#[test]
fn a_step_of_no_length_is_not_waited_for() {
    let steps = vec![
        Step::of(Weight::from_percent(10).unwrap()),
        Step::of(Weight::ALL),
    ];
    let strategy = Strategy::Canary {
        steps,
        interval: Duration::ZERO,
        scaled: false,
        bake: Duration::ZERO,
    };
    Story::over_current(spec(1, strategy))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .then("watch; wake at 0 s: bake 0; shift 100 % to candidate (g3)")
        .when(shifted(3))
        .then("watch; wake at 0 s: bake 1; drain current, keep 0 (g4)");
}

#[test]
fn what_can_never_end_is_refused() {
    let refuse = |instances, strategy, why: &str| {
        let spec = Box::new(spec(instances, strategy));
        let refusal = decide(&Deployment::default(), Timestamp(0), Input::Create { spec });
        assert_eq!(refusal.unwrap_err().to_string(), why);
    };
    let steps = |steps: Vec<Weight>| Strategy::Canary {
        steps: steps.into_iter().map(Step::of).collect(),
        interval: Duration::ZERO,
        scaled: false,
        bake: Duration::ZERO,
    };
    refuse(
        0,
        blue_green(),
        "a target of 0 instances cannot serve; ask for at least 1",
    );
    refuse(
        1,
        rolling(0),
        "a rolling deployment in batches of 0 never ends; use at least 1",
    );
    refuse(
        1,
        steps(Vec::new()),
        "a canary without steps moves no traffic; end with `100`",
    );
    refuse(
        1,
        steps(vec![Weight::from_percent(50).unwrap()]),
        "the last step of a canary is `50 %`; it must be `100 %`",
    );
    let half = Weight::from_percent(50).unwrap();
    refuse(
        1,
        steps(vec![half, half, Weight::ALL]),
        "a step of `50 %` follows one of `50 %`; each step of a canary must be larger than the one \
         before",
    );
}

#[test]
fn the_preview_says_what_will_happen() {
    let mut spec = spec(2, canary());
    spec.triggers = vec![RollbackTrigger::bare(
        Metric::HealthyHostCount,
        1_000,
        Duration::from_secs(120),
    )];
    assert_eq!(
        preview::steps(&spec, true),
        [
            "wait until nobody else deploys to production",
            "start 2 instances of hello 1.1.0 and ask /health until healthy, for at most 1m",
            "send 10 % of the traffic to the candidate",
            "watch for 5m; go back if HealthyHostCount < 1 for 2m, or the judge finds it worse than \
             current",
            "send 50 % of the traffic to the candidate",
            "watch for 5m; go back if HealthyHostCount < 1 for 2m, or the judge finds it worse than \
             current",
            "send 100 % of the traffic to the candidate",
            "watch for 10m; go back if HealthyHostCount < 1 for 2m",
            "give no new request to the current side, and wait for those in flight, for at most 30s",
            "stop the current side",
            "hello 1.1.0 is current at production",
        ]
    );
}

#[test]
fn the_preview_of_batches_counts_them() {
    assert_eq!(
        preview::steps(&spec(3, rolling(2)), true)[1..],
        [
            "start 2 instances of hello 1.1.0 and ask /health until healthy, for at most 1m",
            "send 66.67 % of the traffic to the candidate",
            "give no new request to 2 instances of the current side, and wait for those in flight, for \
             at most 30s",
            "stop 2 instances of the current side",
            "start 1 instance of hello 1.1.0 and ask /health until healthy, for at most 1m",
            "send 100 % of the traffic to the candidate",
            "give no new request to what is left of the current side, and wait for those in flight, \
             for at most 30s",
            "stop what is left of the current side",
            "watch for 1m",
            "hello 1.1.0 is current at production",
        ]
    );
}

#[test]
fn the_preview_of_a_first_deployment_promises_no_way_back() {
    let mut spec = spec(1, rolling(1));
    spec.approval = Some(ApprovalRule {
        required: 1,
        from: vec!["ada".to_owned(), "bob".to_owned()],
        expires: Duration::from_secs(3_600),
    });
    spec.triggers = vec![RollbackTrigger::bare(
        Metric::TargetResponseTime,
        5_000,
        Duration::from_secs(300),
    )];
    assert_eq!(
        preview::steps(&spec, false),
        [
            "wait for 1 to approve (of: ada, bob; lapses after 1h)",
            "wait until nobody else deploys to production",
            "start 1 instance of hello 1.1.0 and ask /health until healthy, for at most 1m",
            "send 100 % of the traffic to the candidate",
            "watch for 10s; fail if TargetResponseTime > 5 for 5m",
            "hello 1.1.0 is current at production",
        ]
    );
}

#[test]
fn only_a_canary_has_a_judge() {
    assert_eq!(Watch::of(&spec(1, canary())).evidence(), Some(1.0));
    assert_eq!(Watch::of(&spec(1, rolling(1))).evidence(), None);
    assert_eq!(Watch::of(&spec(1, blue_green())).evidence(), None);
}
