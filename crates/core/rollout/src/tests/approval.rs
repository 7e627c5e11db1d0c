//! The question before anything moves.

use cutover_model::{Duration, GateId, delivery::DeploymentSpec, gate::ApprovalRule};

use super::fixture::{Story, abort, blue_green, lock_taken, spec};
use crate::{Input, TimerKey, outstanding};

fn asking(required: u32, from: &[&str]) -> DeploymentSpec {
    DeploymentSpec {
        approval: Some(ApprovalRule {
            required,
            from: from.iter().map(ToString::to_string).collect(),
            expires: Duration::from_secs(3_600),
        }),
        ..spec(1, blue_green())
    }
}

fn gate() -> GateId {
    GateId::derived(&[spec(1, blue_green()).id.as_str(), "approval"])
}

fn approve(by: &str) -> Input {
    Input::Approve {
        gate: gate(),
        by: by.to_owned(),
        comment: None,
    }
}

fn reject(by: &str) -> Input {
    Input::Reject {
        gate: gate(),
        by: by.to_owned(),
        comment: Some("not on a Friday".to_owned()),
    }
}

fn expired() -> Input {
    Input::Woke {
        timer: TimerKey::ApprovalExpiry,
    }
}

#[test]
fn two_people_open_it() {
    let story = Story::of(asking(2, &["ada", "bob"]))
        .then("wake at 3600 s: approval expiry; notify approval.requested")
        .is("waiting")
        .refuses(approve("eve"), "`eve` is not among those asked: ada, bob")
        .when(approve("ada"))
        .then("")
        .refuses(approve("ada"), "`ada` has already approved")
        .is("waiting")
        .when(approve("bob"))
        .then("take lock")
        .is("pending")
        .refuses(approve("ada"), "it waits for no approval")
        .when(expired())
        .then("")
        .is("pending");
    let subject = &story.deployment.approval().unwrap().subject;
    assert!(
        subject.starts_with("production ← hello 1.1.0 sha256:0"),
        "{subject}"
    );
}

#[test]
fn the_lock_is_not_believed_before_the_yes() {
    Story::of(asking(1, &[]))
        .when(lock_taken(Some("1.0.0")))
        .then("")
        .is("waiting");
}

#[test]
fn one_no_ends_it() {
    Story::of(asking(2, &["ada", "bob"]))
        .when(approve("ada"))
        .refuses(reject("eve"), "`eve` is not among those asked: ada, bob")
        .when(reject("ada"))
        .then("notify deployment.failed")
        .is("failed")
        .because("`ada` said no: not on a Friday")
        .refuses(approve("bob"), "it waits for no approval");
}

#[test]
fn silence_ends_it() {
    Story::of(asking(1, &[]))
        .at(3_600)
        .when(expired())
        .then("notify deployment.failed")
        .because("0 of 1 approved within 1h");
}

#[test]
fn an_abort_ends_it_before_the_lock_is_asked_for() {
    Story::of(asking(1, &[]))
        .when(abort())
        .then("notify deployment.cancelled")
        .because("aborted by `ada`");
}

#[test]
fn an_answer_to_another_question_is_refused() {
    let other = GateId::derived(&["other"]);
    let why = format!("`{other}` is not its open question; that is `{}`", gate());
    Story::of(asking(1, &[])).refuses(
        Input::Approve {
            gate: other,
            by: "ada".to_owned(),
            comment: None,
        },
        &why,
    );
}

#[test]
fn nobody_to_ask_asks_nobody() {
    Story::of(asking(0, &["ada"])).then("take lock");
}

#[test]
fn the_question_is_owed_until_it_is_answered() {
    let story = Story::of(asking(1, &[]));
    assert_eq!(outstanding(&story.deployment).len(), 2);
    let story = story.when(approve("ada"));
    assert_eq!(outstanding(&story.deployment), [crate::Effect::TakeLock]);
}
