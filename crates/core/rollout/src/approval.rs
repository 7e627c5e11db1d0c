//! The question that people answer before anything moves.

use cutover_model::{
    GateId,
    delivery::DeploymentSpec,
    event::DeploymentEvent as Event,
    gate::{Approval, ApprovalRule},
};

use crate::{Refusal, deployment::Deployment};

impl Deployment {
    /// The rule, when it asks for anybody.
    pub(crate) fn approval_rule(&self) -> Option<&ApprovalRule> {
        let rule = self.spec().and_then(|spec| spec.approval.as_ref());
        rule.filter(|rule| rule.required > 0)
    }

    /// The question that is open, or why there is none.
    fn open_question(&self, gate: &GateId) -> Result<&Approval, Refusal> {
        let open = self
            .approval
            .as_ref()
            .filter(|approval| !approval.is_open() && self.undo.is_none() && !self.is_finished());
        match open {
            None => Err(Refusal("it waits for no approval".to_owned())),
            Some(approval) if approval.gate != *gate => Err(Refusal(format!(
                "`{gate}` is not its open question; that is `{}`",
                approval.gate
            ))),
            Some(approval) => Ok(approval),
        }
    }
}

/// The question, bound to what is approved.
pub(crate) fn question(spec: &DeploymentSpec, rule: &ApprovalRule) -> Event {
    let release = &spec.release;
    Event::ApprovalRequested {
        gate: GateId::derived(&[spec.id.as_str(), "approval"]),
        subject: format!(
            "{} ← {} {} {}",
            spec.environment,
            release.service,
            release.version,
            release.package.digest()
        ),
        rule: rule.clone(),
    }
}

/// A person says yes.
pub(crate) fn give(
    deployment: &Deployment,
    gate: GateId,
    by: String,
    comment: Option<String>,
) -> Result<Event, Refusal> {
    match deployment.open_question(&gate)?.objection(&by) {
        Some(objection) => Err(Refusal(objection)),
        None => Ok(Event::ApprovalGiven { gate, by, comment }),
    }
}

/// A person says no. Whoever said yes before may still do so.
pub(crate) fn refuse(
    deployment: &Deployment,
    gate: GateId,
    by: String,
    comment: Option<String>,
) -> Result<Event, Refusal> {
    let rule = &deployment.open_question(&gate)?.rule;
    if !rule.from.is_empty() && !rule.from.contains(&by) {
        return Err(Refusal(format!(
            "`{by}` is not among those asked: {}",
            rule.from.join(", ")
        )));
    }
    Ok(Event::ApprovalRefused { gate, by, comment })
}

/// Time is up.
pub(crate) fn expire(deployment: &Deployment) -> Option<Event> {
    let gate = deployment.approval.as_ref()?.gate.clone();
    let is_open = deployment.open_question(&gate).is_ok();
    is_open.then_some(Event::ApprovalExpired { gate })
}

/// The reason of a no, for people.
pub(crate) fn refused(by: &str, comment: Option<&str>) -> String {
    match comment {
        Some(comment) => format!("`{by}` said no: {comment}"),
        None => format!("`{by}` said no"),
    }
}

/// The reason when nobody answered, for people.
pub(crate) fn expired(approval: Option<&Approval>) -> String {
    match approval {
        Some(approval) => format!(
            "{} of {} approved within {}",
            approval.given.len(),
            approval.rule.required,
            approval.rule.expires
        ),
        None => "nobody approved in time".to_owned(),
    }
}
