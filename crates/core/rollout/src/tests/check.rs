//! Hooks and smoke tests: when they are asked, and what their answers mean.

use std::collections::BTreeMap;

use cutover_model::{
    Duration,
    delivery::{
        DeploymentSpec,
        Side::{Candidate, Current},
    },
    guard::{Hook, HookAct, HookPoint, HookVerdict, OnError, Smoke},
};

use super::fixture::{
    Story, baked, blue_green, canary, drained, fired, ready, rolling, shifted, spec, stopped,
};
use crate::{Input, TimerKey, preview};

fn hook(on: HookPoint) -> Hook {
    Hook {
        name: "audit".to_owned(),
        on,
        act: HookAct::Command {
            argv: vec!["./audit".to_owned()],
            env: BTreeMap::new(),
        },
        timeout: Duration::from_secs(20),
        retries: 1,
        required: true,
        on_error: OnError::Rollback,
    }
}

fn hooked(mut spec: DeploymentSpec, hooks: Vec<Hook>) -> DeploymentSpec {
    spec.guards.hooks = hooks;
    spec
}

fn smoked(mut spec: DeploymentSpec) -> DeploymentSpec {
    spec.guards.smoke = Some(Smoke {
        requests: Vec::new(),
        command: vec!["./smoke".to_owned()],
        timeout: Duration::from_secs(30),
        retries: 0,
        on_error: OnError::Rollback,
    });
    spec
}

fn says(generation: u64, verdict: HookVerdict) -> Input {
    Input::CheckEnded {
        generation,
        verdict,
        reason: "so it is".to_owned(),
        after: None,
    }
}

fn yes(generation: u64) -> Input {
    says(generation, HookVerdict::Success)
}

#[test]
fn every_point_has_its_moment() {
    let all = HookPoint::ALL.map(hook).to_vec();
    Story::over_current(hooked(smoked(spec(1, blue_green())), all))
        .then(
            "notify deployment.started; ask hook 0 before_start, try 1 (g1); wake at 20 s: check \
             timeout g1",
        )
        .is("checking")
        .when(yes(1))
        .then("ensure 1 of candidate (g2); wake at 60 s: start timeout g2")
        .when(ready(Candidate, 2))
        .then("ask smoke, try 1 (g3); wake at 30 s: check timeout g3")
        .when(yes(3))
        .then("ask hook 1 after_start, try 1 (g4); wake at 20 s: check timeout g4")
        .when(yes(4))
        .then("ask hook 2 before_step of 100 %, try 1 (g5); wake at 20 s: check timeout g5")
        .when(yes(5))
        .then("ask hook 4 before_promotion, try 1 (g6); wake at 20 s: check timeout g6")
        .when(yes(6))
        .then("shift 100 % to candidate (g7)")
        .when(shifted(7))
        .then("watch; ask hook 5 after_promotion, try 1 (g8); wake at 20 s: check timeout g8")
        .when(yes(8))
        .then("wake at 120 s: bake 0")
        .at(120)
        .when(baked(0))
        .then("ask hook 3 after_step of 100 %, try 1 (g9); wake at 140 s: check timeout g9")
        .when(yes(9))
        .then("drain current, keep 0 (g10)")
        .when(drained(Current, 10))
        .when(stopped(Current, 11))
        .is("succeeded");
}

#[test]
fn each_batch_of_a_rolling_deployment_is_smoke_tested_before_its_share() {
    let smoked = smoked(spec(2, rolling(1)));
    let asked = |line: &String| line.starts_with("ask the smoke test");
    let announced = preview::steps(&smoked, true)
        .iter()
        .filter(|line| asked(line))
        .count();
    assert_eq!(announced, 2);
    Story::over_current(smoked)
        .when(ready(Candidate, 1))
        .then("ask smoke, try 1 (g2); wake at 30 s: check timeout g2")
        .when(yes(2))
        .then("shift 50 % to candidate (g3)")
        .when(shifted(3))
        .when(drained(Current, 4))
        .when(stopped(Current, 5))
        .then("ensure 2 of candidate (g6); wake at 60 s: start timeout g6")
        .when(ready(Candidate, 6))
        .then("ask smoke, try 1 (g7); wake at 30 s: check timeout g7")
        .when(says(7, HookVerdict::Failure))
        .is("shifting")
        .because("the smoke test says failure: so it is");
}

#[test]
fn a_no_sends_it_back_and_is_told_at_the_end() {
    let hooks = vec![
        hook(HookPoint::AfterStep),
        hook(HookPoint::AfterRollback),
        hook(HookPoint::OnFailure),
    ];
    Story::over_current(hooked(spec(1, canary()), hooks))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .at(300)
        .when(baked(0))
        .then("ask hook 0 after_step of 10 %, try 1 (g3); wake at 320 s: check timeout g3")
        .when(says(3, HookVerdict::Failure))
        .then("shift 0 % to candidate (g4)")
        .because("hook `audit` (after_step) says failure: so it is")
        .when(shifted(4))
        .when(drained(Candidate, 5))
        .when(stopped(Candidate, 6))
        .then("ask hook 1 after_rollback, try 1 (g7); wake at 320 s: check timeout g7")
        .when(says(7, HookVerdict::Failure))
        .then("ask hook 2 on_failure, try 1 (g8); wake at 320 s: check timeout g8")
        .when(yes(8))
        .is("rolled_back");
}

#[test]
fn a_smoke_test_that_fails_ends_it_before_any_traffic() {
    Story::over_current(smoked(spec(1, canary())))
        .when(ready(Candidate, 1))
        .then("ask smoke, try 1 (g2); wake at 30 s: check timeout g2")
        .when(says(2, HookVerdict::Failure))
        .then("drain candidate, keep 0 (g3)")
        .when(drained(Candidate, 3))
        .when(stopped(Candidate, 4))
        .is("failed")
        .because("the smoke test says failure: so it is");
}

#[test]
fn an_error_is_no_answer_and_is_asked_again() {
    Story::over_current(hooked(spec(1, canary()), vec![hook(HookPoint::AfterStart)]))
        .when(ready(Candidate, 1))
        .when(says(2, HookVerdict::Error))
        .then("wake at 1 s: check again g2")
        .at(1)
        .when(Input::Woke {
            timer: TimerKey::CheckAgain { generation: 2 },
        })
        .then("ask hook 0 after_start, try 2 (g3); wake at 21 s: check timeout g3")
        // The first question is void.
        .when(yes(2))
        .then("")
        .at(26)
        .when(Input::Woke {
            timer: TimerKey::CheckTimeout { generation: 3 },
        })
        .then("drain candidate, keep 0 (g4)")
        .because("hook `audit` (after_start) says error: no answer within 20s");
}

#[test]
fn each_policy_for_errors_is_kept() {
    let story = |on_error| {
        let hook = Hook {
            retries: 0,
            on_error,
            ..hook(HookPoint::AfterStart)
        };
        Story::over_current(hooked(spec(1, canary()), vec![hook]))
            .when(ready(Candidate, 1))
            .when(says(2, HookVerdict::Error))
    };
    story(OnError::Rollback).then("drain candidate, keep 0 (g3)");
    story(OnError::Continue).then("shift 10 % to candidate (g3)");
    let held = story(OnError::Pause).then("");
    assert_eq!(
        held.deployment.paused_by(),
        Some("hook `audit` (after_start) says error: so it is")
    );
}

#[test]
fn what_cannot_tell_leaves_it_to_a_person() {
    Story::over_current(hooked(spec(1, canary()), vec![hook(HookPoint::AfterStart)]))
        .when(ready(Candidate, 1))
        .when(says(2, HookVerdict::Inconclusive))
        .then("")
        .when(Input::Resume {
            by: "ada".to_owned(),
        })
        .then("shift 10 % to candidate (g3)");
}

#[test]
fn later_is_an_answer_that_uses_up_no_retry() {
    let mut story =
        Story::over_current(hooked(spec(1, canary()), vec![hook(HookPoint::AfterStart)]))
            .when(ready(Candidate, 1));
    for (second, generation) in (0_i64..).step_by(30).zip(2..7) {
        story = story
            .at(second)
            .when(Input::CheckEnded {
                generation,
                verdict: HookVerdict::Later,
                reason: "queued".to_owned(),
                after: Some(Duration::from_secs(30)),
            })
            .then(&format!(
                "wake at {} s: check again g{generation}",
                second + 30
            ))
            .at(second + 30)
            .when(Input::Woke {
                timer: TimerKey::CheckAgain { generation },
            });
    }
    story
        .when(says(7, HookVerdict::Error))
        .then("wake at 151 s: check again g7");
}

#[test]
fn what_is_not_required_is_only_written_down() {
    let hook = Hook {
        required: false,
        ..hook(HookPoint::AfterStart)
    };
    let story = Story::over_current(hooked(spec(1, canary()), vec![hook]))
        .when(ready(Candidate, 1))
        .when(says(2, HookVerdict::Failure))
        .then("shift 10 % to candidate (g3)");
    assert_eq!(story.deployment.said()[0].verdict, HookVerdict::Failure);
}

#[test]
fn the_preview_names_who_is_asked() {
    let hooks = vec![
        hook(HookPoint::BeforeStep),
        Hook {
            name: "chat".to_owned(),
            required: false,
            ..hook(HookPoint::AfterPromotion)
        },
    ];
    let lines = preview::steps(&hooked(smoked(spec(1, blue_green())), hooks), true);
    assert_eq!(
        lines[2..6],
        [
            "ask the smoke test, for at most 30s; go back if it says no",
            "ask hook `audit` (before_step) of 100 %, for at most 20s; go back if it says no",
            "send 100 % of the traffic to the candidate",
            "ask hook `chat` (after_promotion), for at most 20s; its answer is only written down",
        ]
    );
}

#[test]
fn who_is_told_of_a_rollback_and_says_later_for_ever_does_not_keep_it_from_ending() {
    let hooks = vec![hook(HookPoint::AfterRollback)];
    let story = Story::over_current(hooked(spec(1, canary()), hooks))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .when(fired())
        .when(shifted(3))
        .when(drained(Candidate, 4))
        .when(stopped(Candidate, 5))
        .then("ask hook 0 after_rollback, try 1 (g6); wake at 20 s: check timeout g6")
        .when(says(6, HookVerdict::Later))
        .is("checking")
        .at(10)
        .when(Input::Woke {
            timer: TimerKey::CheckAgain { generation: 6 },
        })
        .at(599)
        .when(says(7, HookVerdict::Later))
        .is("checking");
    story
        .when(Input::Woke {
            timer: TimerKey::CheckAgain { generation: 7 },
        })
        .at(600)
        .when(says(8, HookVerdict::Later))
        .is("rolled_back");
}
