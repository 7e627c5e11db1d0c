//! What happened to a deployment, a line each: for `cutover history ID`, the API and the page.

use cutover_model::{
    Timestamp,
    delivery::{DeploymentSpec, Side, Weight},
    event::{DeploymentEvent as Event, Recorded},
};
use serde::Serialize;

use super::verbs::name;

/// One thing that happened.
#[derive(Debug, Serialize)]
pub struct Moment {
    /// When.
    pub at: Timestamp,
    /// The event's word in the log.
    pub kind: String,
    /// One line for people.
    pub line: String,
}

/// A moment for each event, in order.
pub(crate) fn of(events: &[Recorded<Event>]) -> Vec<Moment> {
    let spec = events.iter().find_map(|recorded| match &recorded.event {
        Event::DeploymentCreated { spec } => Some(spec.as_ref()),
        _ => None,
    });
    let mut had_traffic = false;
    let moment = |recorded: &Recorded<Event>| {
        let event = &recorded.event;
        if let Event::ShiftRequested { weight, .. } = event {
            had_traffic |= *weight > Weight::NONE;
        }
        let unused = (!had_traffic).then(|| of_unused(event)).flatten();
        Moment {
            at: recorded.at,
            kind: kind(event),
            line: unused.map_or_else(|| line(event, spec), ToOwned::to_owned),
        }
    };
    events.iter().map(moment).collect()
}

/// What has had no request has none to wait for.
const fn of_unused(event: &Event) -> Option<&'static str> {
    match event {
        Event::DrainStarted {
            side: Side::Candidate,
            ..
        } => Some("the candidate is to get no request"),
        Event::Drained {
            side: Side::Candidate,
            cut_off: 0,
        } => Some("the candidate has had no request"),
        _ => None,
    }
}

fn kind(event: &Event) -> String {
    let value = serde_json::to_value(event).unwrap_or_default();
    value["kind"].as_str().unwrap_or_default().to_owned()
}

fn line(event: &Event, spec: Option<&DeploymentSpec>) -> String {
    match event {
        Event::ApprovalRequested { .. }
        | Event::ApprovalGiven { .. }
        | Event::ApprovalRefused { .. }
        | Event::ApprovalExpired { .. } => of_approval(event),
        Event::InstancesRequested { .. }
        | Event::InstancesReady { .. }
        | Event::InstancesFailed { .. }
        | Event::DrainStarted { .. }
        | Event::Drained { .. }
        | Event::StopRequested { .. }
        | Event::InstancesStopped { .. } => of_instances(event),
        Event::DeploymentCreated { spec } => wanted(spec),
        Event::HoldMet { .. }
        | Event::FreezeAwaited { .. }
        | Event::Promoted { .. }
        | Event::CheckStarted { .. }
        | Event::CheckEnded { .. }
        | Event::CheckFailed { .. }
        | Event::ParkRequested { .. }
        | Event::Parked { .. }
        | Event::DeadlinePassed { .. }
        | Event::Overdue { .. }
        | Event::Superseded { .. } => of_guards(event, spec),
        Event::LockAwaited { holder } => format!("waits for {holder}, which deploys here"),
        Event::LockTaken { fence, current, .. } => match current {
            Some(current) => format!("has the place (fence {fence}); {} serves", current.version),
            None => format!("has the place (fence {fence}); nothing serves yet"),
        },
        Event::ShiftRequested { weight, .. } => format!("asks for {weight} of the traffic"),
        Event::Shifted { weight, .. } => format!("the candidate has {weight} of the traffic"),
        Event::BakeStarted { step, until } => {
            format!("watched from step {} on until {until}", step + 1)
        }
        Event::BakeEnded { step } => format!("step {} went well", step + 1),
        Event::StepJudged {
            step,
            judgement,
            reason,
        } => format!("step {}: {}: {reason}", step + 1, judgement.word()),
        Event::TriggerFired { trigger, observed } => format!("{trigger}: {observed}"),
        Event::Paused { by } => format!("paused by {by}"),
        Event::Resumed { by } => format!("resumed by {by}"),
        Event::AbortRequested { by } => format!("aborted by {by}"),
        Event::RollbackStarted { reason } => format!("traffic goes back: {reason}"),
        Event::DeploymentFinished { outcome, reason } => format!("{outcome}: {reason}"),
    }
}

fn of_approval(event: &Event) -> String {
    let because = |comment: &Option<String>| comment.as_ref().map(|comment| format!(": {comment}"));
    match event {
        Event::ApprovalRequested { gate, rule, .. } => {
            format!("asks {} to agree ({gate})", people(rule.required))
        }
        Event::ApprovalGiven { by, comment, .. } => {
            format!("{by} agrees{}", because(comment).unwrap_or_default())
        }
        Event::ApprovalRefused { by, comment, .. } => {
            format!("{by} refuses{}", because(comment).unwrap_or_default())
        }
        _ => "nobody answered in time".to_owned(),
    }
}

fn of_guards(event: &Event, spec: Option<&DeploymentSpec>) -> String {
    match event {
        Event::HoldMet { reason } => format!("refused by a hold: {reason}"),
        Event::FreezeAwaited { reason, until } => match until {
            Some(until) => format!("kept by a freeze until {until}: {reason}"),
            None => format!("kept by a freeze until it is lifted: {reason}"),
        },
        Event::Promoted { by, full: false } => format!("{by} lets this step be enough"),
        Event::Promoted { by, full: true } => format!("{by} lets all steps be enough"),
        Event::CheckStarted { check, attempt, .. } => {
            format!("asks the {}, try {attempt}", name(check, spec))
        }
        Event::CheckEnded {
            check,
            verdict,
            reason,
            ..
        } => format!("{}: {}: {reason}", name(check, spec), verdict.word()),
        Event::CheckFailed { reason } => reason.clone(),
        Event::ParkRequested { parked: true, .. } => "requests are to wait".to_owned(),
        Event::ParkRequested { parked: false, .. } => "requests are to go on".to_owned(),
        Event::Parked { parked: true } => "requests wait in the balancer".to_owned(),
        Event::Parked { parked: false } => "requests go on".to_owned(),
        Event::DeadlinePassed { waited_for } => format!("waited too long for {waited_for}"),
        Event::Overdue { waited_for, .. } => {
            format!("waits too long for {waited_for}; somebody must look")
        }
        Event::Superseded { by } => format!("makes way for {by}"),
        _ => String::new(),
    }
}

/// What was asked for, with all that is out of the ordinary.
fn wanted(spec: &DeploymentSpec) -> String {
    let release = &spec.release;
    let mut line = format!(
        "{} {} is wanted at {}, {}",
        release.service,
        release.version,
        spec.environment,
        spec.strategy.word()
    );
    if let Some(reason) = &spec.break_glass {
        line.push_str("; no freeze keeps it, the glass was broken: ");
        line.push_str(reason);
    }
    if spec.lift_hold {
        line.push_str("; it lifts the hold that it finds");
    }
    line
}

fn people(count: u32) -> String {
    if count == 1 {
        "1 person".to_owned()
    } else {
        format!("{count} people")
    }
}

fn of_instances(event: &Event) -> String {
    match event {
        Event::InstancesRequested { side, count, .. } => {
            format!("asks for {} of the {side} side", instances(*count))
        }
        Event::InstancesReady { side, count } => {
            format!("healthy: {} of the {side} side", instances(*count))
        }
        Event::InstancesFailed { side, detail } => {
            let lines = [format!("instances of the {side} side are not healthy")];
            let lines: Vec<String> = lines.into_iter().chain(detail.iter().cloned()).collect();
            lines.join("\n")
        }
        Event::DrainStarted { side, count } => match count {
            Some(count) => format!(
                "no new request for {} of the {side} side",
                instances(*count)
            ),
            None => format!("the {side} side takes no new request"),
        },
        Event::Drained { side, cut_off: 0 } => format!("the {side} side has no request left"),
        Event::Drained { side, cut_off } => {
            format!("{cut_off} requests of the {side} side were cut off")
        }
        Event::StopRequested {
            side, remaining, ..
        } => format!("the {side} side goes down to {}", instances(*remaining)),
        Event::InstancesStopped { side, remaining } => {
            format!("the {side} side has {}", instances(*remaining))
        }
        _ => String::new(),
    }
}

fn instances(count: u32) -> String {
    if count == 1 {
        "1 instance".to_owned()
    } else {
        format!("{count} instances")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_not_many() {
        assert_eq!(instances(0), "0 instances");
        assert_eq!(instances(1), "1 instance");
        assert_eq!(people(1), "1 person");
        assert_eq!(people(2), "2 people");
    }
}
