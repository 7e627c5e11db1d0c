//! Questions to people: when one is asked, what an answer does, and when it lapses.

use cutover_model::{
    GateId, Timestamp,
    event::RunEvent,
    gate::{Approval, ApprovalRule},
    run::{Attempt, JobKey, State, StepPath, WaitingOn},
};

use crate::{
    Refusal,
    decide::Draft,
    run::{Question, Run, Settled},
};

/// Where a question stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nobody has settled it.
    Open,
    /// Enough people said yes.
    Granted,
    /// It was refused or lapsed; who and why.
    Denied(String),
}

impl Question {
    pub(crate) fn standing(&self) -> Standing {
        match &self.answer {
            Settled::Refused { by, comment } => Standing::Denied(match comment {
                Some(comment) => format!("rejected by {by}: {comment}"),
                None => format!("rejected by {by}"),
            }),
            Settled::Expired => Standing::Denied(format!(
                "nobody approved within {}: the question lapsed",
                self.approval.rule.expires
            )),
            Settled::Open if self.approval.is_open() => Standing::Granted,
            Settled::Open => Standing::Open,
        }
    }
}

pub(crate) fn standing(run: &Run, gate: &GateId) -> Standing {
    run.questions
        .get(gate)
        .map_or(Standing::Open, Question::standing)
}

/// Whether somebody still waits for the answer.
pub(crate) fn is_awaited(run: &Run, gate: &GateId) -> bool {
    let Some(question) = run.questions.get(gate) else {
        return false;
    };
    let Some(leg) = run.leg(&question.job) else {
        return false;
    };
    let on = |state: &State| matches!(state, State::Waiting { on: WaitingOn::Approval { gate: asked, .. }, .. } if asked == gate);
    question.standing() == Standing::Open
        && match &question.step {
            None => on(&leg.state),
            Some(path) => leg.steps.get(path).is_some_and(|step| on(&step.state)),
        }
}

/// Whether a leg may start as far as its environment is concerned; asks when nobody has.
pub(crate) fn before(draft: &mut Draft, key: &JobKey) -> Standing {
    let Some((gate, environment, rule)) = rule_of(&draft.run, key) else {
        return Standing::Granted;
    };
    if draft.run.questions.contains_key(&gate) {
        return standing(&draft.run, &gate);
    }
    let subject = subject(&draft.run, &environment);
    draft.say(RunEvent::ApprovalRequested {
        gate: gate.clone(),
        job: key.clone(),
        step: None,
        subject: subject.clone(),
        rule,
    });
    draft.say(RunEvent::JobWaiting {
        job: key.clone(),
        on: WaitingOn::Approval { gate, subject },
    });
    Standing::Open
}

/// What the environment of a leg asks for.
fn rule_of(run: &Run, key: &JobKey) -> Option<(GateId, String, ApprovalRule)> {
    let environment = run.leg(key)?.spec.environment.clone()?;
    let project = run.plan()?.project.as_ref()?;
    let rule = project
        .environments
        .get(&environment)?
        .approvals
        .clone()
        .filter(|rule| rule.required > 0)?;
    let mut parts = vec![run.id()?.as_str(), &key.0, "environment", &environment];
    // A leg that begins anew asks anew; one that goes on has its answer.
    let begun_in = run.leg(key)?.begun_in;
    let attempt = begun_in.to_string();
    if begun_in > Attempt::FIRST {
        parts.push(&attempt);
    }
    let gate = GateId::derived(&parts);
    Some((gate, environment, rule))
}

/// What people say yes to: this run of this state of the sources, and nothing else.
fn subject(run: &Run, environment: &str) -> String {
    let (number, plan, trigger) = (run.number(), run.plan(), run.trigger());
    format!(
        "{environment} ← run #{} of {} at {}",
        number.unwrap_or_default(),
        plan.map_or("", |plan| plan.name.as_str()),
        trigger.map_or("", |trigger| trigger.revision.0.as_str()),
    )
}

/// A step asks people itself.
pub(crate) fn ask(
    draft: &mut Draft,
    key: &JobKey,
    path: &StepPath,
    subject: String,
    rule: ApprovalRule,
) {
    let run = &draft.run;
    let (Some(id), Some(step)) = (run.id(), run.step(key, path)) else {
        return;
    };
    let parts = [
        id.as_str(),
        &key.0,
        &path.to_string(),
        &step.attempt.to_string(),
    ];
    let gate = GateId::derived(&parts);
    draft.say(RunEvent::ApprovalRequested {
        gate,
        job: key.clone(),
        step: Some(path.clone()),
        subject,
        rule,
    });
}

/// A person answers: yes, or no.
pub(crate) fn answer(
    draft: &mut Draft,
    gate: &GateId,
    yes: bool,
    by: String,
    comment: Option<String>,
) -> Result<(), Refusal> {
    let question = open(&draft.run, gate, draft.at)?;
    let approval = &question.approval;
    // Who said yes may still think better of it.
    let objection = approval.objection(&by);
    let changed_mind = !yes && approval.given.iter().any(|answer| answer.by == by);
    if let (Some(objection), false) = (objection, changed_mind) {
        return Err(Refusal(objection));
    }
    let gate = gate.clone();
    draft.say(if yes {
        RunEvent::ApprovalGiven { gate, by, comment }
    } else {
        RunEvent::ApprovalRefused { gate, by, comment }
    });
    Ok(())
}

/// The question, when it can still be answered.
fn open<'a>(run: &'a Run, gate: &GateId, at: Timestamp) -> Result<&'a Question, Refusal> {
    let question = run
        .questions
        .get(gate)
        .ok_or_else(|| Refusal(format!("there is no question `{gate}` in this run")))?;
    match question.standing() {
        Standing::Granted => return Err(Refusal(format!("`{gate}` has already been approved"))),
        Standing::Denied(reason) => {
            return Err(Refusal(format!("`{gate}` has been settled: {reason}")));
        }
        Standing::Open => {}
    }
    if !is_awaited(run, gate) {
        return Err(Refusal(format!(
            "nobody waits for `{gate}` any more: what asked for it has ended"
        )));
    }
    if at >= expires_at(&question.approval) {
        return Err(Refusal(format!("`{gate}` has lapsed")));
    }
    Ok(question)
}

/// When a question lapses.
pub(crate) fn expires_at(approval: &Approval) -> Timestamp {
    approval.asked_at + approval.rule.expires
}

/// Time is up for a question.
pub(crate) fn expire(draft: &mut Draft, gate: &GateId) {
    if is_awaited(&draft.run, gate) {
        draft.say(RunEvent::ApprovalExpired { gate: gate.clone() });
    }
}
