//! What the judge says at the end of a step, and in its middle.

use cutover_model::{
    Timestamp,
    delivery::{JudgeSpec, Judgement, Side::Candidate, Weight},
    event::DeploymentEvent as Event,
};

use super::fixture::{Story, baked, blue_green, canary, lock_taken, ready, shifted, spec};
use crate::Input;

fn judged_spec() -> cutover_model::delivery::DeploymentSpec {
    cutover_model::delivery::DeploymentSpec {
        judge: Some(JudgeSpec::default()),
        ..spec(1, canary())
    }
}

/// With a tenth of the traffic, watched until second 300.
fn watched() -> Story {
    Story::over_current(judged_spec())
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .then("watch; judge step 0 at 1970-01-01T00:05:00.000Z")
        .is("baking")
}

fn said(step: u32, until: i64, judgement: Judgement) -> Input {
    Input::Judged {
        step,
        until: Timestamp(until * 1_000),
        judgement,
        reason: "0 of 90 answers of the candidate are bad, so at most 8.1 %".to_owned(),
    }
}

fn events(story: &Story, wanted: impl Fn(&Event) -> bool) -> usize {
    story.events.iter().filter(|(_, it)| wanted(it)).count()
}

#[test]
fn a_judged_step_goes_on_only_by_the_word_of_the_judge() {
    let story = watched()
        .at(300)
        .when(baked(0))
        .then("")
        .when(said(0, 300, Judgement::Promote))
        .then("shift 50 % to candidate (g3)");
    let judged = |event: &Event| matches!(event, Event::StepJudged { step: 0, judgement: Judgement::Promote, reason } if reason.contains("8.1 %"));
    assert_eq!(events(&story, judged), 1, "the bound stands in the log");
}

#[test]
fn too_little_known_waits_for_a_person_or_goes_back_by_the_policy() {
    watched()
        .at(300)
        .when(said(0, 300, Judgement::Pause))
        .is("baking")
        .when(Input::Resume {
            by: "ada".to_owned(),
        })
        .then("shift 50 % to candidate (g3)");
    watched()
        .at(300)
        .when(said(0, 300, Judgement::Rollback))
        .then("shift 0 % to candidate (g3)")
        .because("the judge: 0 of 90 answers of the candidate are bad, so at most 8.1 %");
}

#[test]
fn an_answer_about_another_end_or_in_a_pause_changes_nothing() {
    let story = watched()
        .at(100)
        .when(said(0, 299, Judgement::Rollback))
        .then("")
        .when(said(1, 300, Judgement::Rollback))
        .then("")
        // The clock was set back: it is asked again.
        .when(said(0, 300, Judgement::Rollback))
        .then("judge step 0 at 1970-01-01T00:05:00.000Z")
        .when(Input::Pause {
            by: "ada".to_owned(),
        })
        .at(300)
        .when(said(0, 300, Judgement::Promote))
        .then("");
    assert_eq!(story.deployment.weight(), Weight::from_percent(10).unwrap());
}

#[test]
fn the_guard_holds_a_step_once_and_blames_nobody() {
    let guard = || Input::GuardHeld {
        reason: "12 % of the candidate's answers are bad, more than the 1.0 % of `p_max`"
            .to_owned(),
    };
    let story = watched().at(50).when(guard()).is("baking");
    assert!(story.deployment.paused_by().unwrap().contains("`p_max`"));
    assert!(!story.deployment.is_going_back());
    let story = story
        .when(guard())
        .when(Input::Resume {
            by: "ada".to_owned(),
        })
        .then("judge step 0 at 1970-01-01T00:05:50.000Z")
        .when(guard())
        .then("");
    assert_eq!(story.deployment.paused_by(), None, "a person has seen it");
    let held = |event: &Event| matches!(event, Event::StepJudged { .. });
    assert_eq!(events(&story, held), 1);
}

#[test]
fn nobody_is_asked_where_there_is_nothing_to_compare_or_no_time_to_look() {
    Story::of(judged_spec())
        .when(lock_taken(None))
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .then("watch; wake at 10 s: bake 0");
    let mut at_once = judged_spec();
    at_once.strategy = blue_green();
    if let cutover_model::delivery::Strategy::BlueGreen { bake, .. } = &mut at_once.strategy {
        *bake = cutover_model::Duration::ZERO;
    }
    Story::over_current(at_once)
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .then("watch; wake at 0 s: bake 0; drain current, keep 0 (g3)");
    let mut switched_off = judged_spec();
    switched_off.judge = Some(JudgeSpec {
        enabled: false,
        ..JudgeSpec::default()
    });
    Story::over_current(switched_off)
        .when(ready(Candidate, 1))
        .when(shifted(2))
        .then("watch; wake at 300 s: bake 0");
}
