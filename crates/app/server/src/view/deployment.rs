//! A deployment: its row, its questions, its line, its object; and the traffic of a service.

use cutover_judge::Verdict;
use cutover_model::{
    Duration, Timestamp,
    delivery::{Cause, DeploymentSpec, DeploymentState, HealthCheck, Side},
    event::{DeploymentEvent, Recorded},
    guard::Hold,
};
use cutover_proxy::{ServiceStatus, SideStatus, UpstreamReport, UpstreamState};
use cutover_rollout::Deployment;
use cutover_store::{ApprovalChange, ApprovalRow, DeploymentRow, StreamKind};
use cutover_target::InstanceState;
use serde::Serialize;

use super::{
    timeline::{self, Moment},
    verbs::{self, CheckView},
};
use crate::{
    Control,
    deliver::inspect::Cost,
    routes::{self, Route},
    samples,
};

/// The projection of a deployment.
pub(crate) fn row(deployment: &Deployment) -> Option<DeploymentRow> {
    let spec = deployment.spec()?;
    let release = &spec.release;
    let (actor, run, cause) = match &spec.cause {
        Cause::Step { run, job, .. } => (
            format!("{run}/{job}"),
            Some(run.clone()),
            format!("job {job} of {run}"),
        ),
        Cause::Person { by } => (by.clone(), None, format!("{by} asked for it")),
        Cause::Retry { by, of } => (by.clone(), None, format!("{by} tries {of} again")),
        Cause::Rollback { by, of } => (by.clone(), None, format!("{by} takes back {of}")),
    };
    let (outcome, reason, finished_at) = match deployment.state() {
        DeploymentState::Finished {
            outcome,
            reason,
            at,
        } => (Some(*outcome), Some(reason.clone()), Some(*at)),
        DeploymentState::Waiting { on, .. } => (None, Some(on.to_string()), None),
        DeploymentState::Pending
        | DeploymentState::Provisioning { .. }
        | DeploymentState::Checking { .. }
        | DeploymentState::Shifting { .. }
        | DeploymentState::Baking { .. }
        | DeploymentState::Draining { .. } => {
            let why = deployment.reason().map(ToOwned::to_owned);
            let why = why.or_else(|| held(deployment));
            (None, why.or_else(|| watched(deployment)), None)
        }
    };
    Some(DeploymentRow {
        id: spec.id.clone(),
        environment: spec.environment.clone(),
        service: release.service.clone(),
        release: release.id.clone(),
        version: release.version.clone(),
        digest: release.package.digest().clone(),
        strategy: spec.strategy.word().to_owned(),
        state: word_of(deployment).to_owned(),
        outcome,
        weight: deployment.weight(),
        reason,
        cause,
        actor,
        run,
        created_at: deployment.created_at().unwrap_or_default(),
        finished_at,
    })
}

/// The word of a state; one that is held says so, whatever it was doing.
fn word_of(deployment: &Deployment) -> &'static str {
    match deployment.paused_by() {
        Some(_) if !deployment.is_finished() => "paused",
        _ => deployment.state().word(),
    }
}

fn held(deployment: &Deployment) -> Option<String> {
    deployment
        .paused_by()
        .map(|by| format!("paused by {by} at {}", deployment.weight()))
}

/// How far a step has come, and until when it is watched.
fn watched(deployment: &Deployment) -> Option<String> {
    let DeploymentState::Baking { weight, until } = deployment.state() else {
        return None;
    };
    let step = deployment.step() + 1;
    Some(format!("step {step}, {weight}: watched until {until}"))
}

/// Which questions these events open and close.
pub(crate) fn approvals(
    events: &[Recorded<DeploymentEvent>],
    deployment: &Deployment,
) -> Vec<ApprovalChange> {
    let Some(spec) = deployment.spec() else {
        return Vec::new();
    };
    let mut changes = Vec::new();
    for recorded in events {
        match &recorded.event {
            DeploymentEvent::ApprovalRequested {
                gate,
                subject,
                rule,
            } => {
                changes.push(ApprovalChange::Opened(ApprovalRow {
                    gate: gate.clone(),
                    stream: spec.id.to_string(),
                    kind: StreamKind::Deployment,
                    subject: subject.clone(),
                    environment: Some(spec.environment.clone()),
                    asked_at: recorded.at,
                    expires_at: recorded.at + rule.expires,
                }));
            }
            DeploymentEvent::ApprovalRefused { gate, .. }
            | DeploymentEvent::ApprovalExpired { gate } => {
                changes.push(ApprovalChange::Closed(gate.clone()));
            }
            DeploymentEvent::ApprovalGiven { gate, .. }
                if deployment
                    .approval()
                    .is_none_or(cutover_model::gate::Approval::is_open) =>
            {
                changes.push(ApprovalChange::Closed(gate.clone()));
            }
            _ => {}
        }
    }
    changes
}

/// One line for people: what, where, how far, and why.
pub(crate) fn line(deployment: &Deployment) -> String {
    let Some(DeploymentSpec {
        environment,
        release,
        ..
    }) = deployment.spec()
    else {
        return "not created yet".to_owned();
    };
    let what = format!("{} {} → {environment}", release.service, release.version);
    let held = match deployment.paused_by() {
        Some(by) if !deployment.is_finished() => format!(", paused by {by}"),
        _ => String::new(),
    };
    match deployment.state() {
        DeploymentState::Pending => format!("{what}: about to begin{held}"),
        DeploymentState::Waiting { on, .. } => format!("{what}: waits on {on}{held}"),
        DeploymentState::Provisioning { .. } => format!("{what}: starts instances{held}"),
        DeploymentState::Checking { what: check, .. } => format!("{what}: asks {check}{held}"),
        DeploymentState::Shifting { weight, .. } => {
            format!("{what}: shifts {weight} of traffic{held}")
        }
        DeploymentState::Baking { weight, .. } => format!("{what}: watched at {weight}{held}"),
        DeploymentState::Draining {
            side: Side::Candidate,
            ..
        } if !deployment.had_traffic() => format!("{what}: stops what it has started{held}"),
        DeploymentState::Draining { side, .. } => format!("{what}: drains the {side} side{held}"),
        DeploymentState::Finished {
            outcome, reason, ..
        } => format!("{what}: {outcome}: {reason}"),
    }
}

/// Why instances did not become healthy: what was asked, what was answered, what they said.
pub(crate) fn unhealthy(
    health: &HealthCheck,
    limit: Duration,
    sick: &[UpstreamReport],
    states: &[InstanceState],
) -> Vec<String> {
    let mut lines = Vec::new();
    for report in sick {
        let answer = match (report.last_status, &report.last_error) {
            (Some(status), _) => format!("answered {status}"),
            (None, Some(error)) => error.clone(),
            (None, None) => "was never asked".to_owned(),
        };
        lines.push(format!(
            "{} did not become healthy within {} s: GET {} {answer}",
            report.id,
            limit.as_millis() / 1_000,
            health.path
        ));
        if let Some(head) = report.body_head.as_ref().filter(|head| !head.is_empty()) {
            lines.push(format!("  body: {head}"));
        }
        let state = states.iter().find(|state| state.instance.id == report.id);
        lines.extend(state.map(said).unwrap_or_default());
    }
    lines
}

/// How instances ended that nobody had told to, and what they said last.
pub(crate) fn ended(states: &[&InstanceState], when: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for state in states {
        let how = match &state.exit {
            Some(exit) => exit.to_string(),
            None => format!("has been started again {}", times(state.restarts)),
        };
        lines.push(format!("{} {how} {when}", state.instance.id));
        lines.extend(state.log_tail.iter().map(|line| format!("  log: {line}")));
    }
    lines
}

fn times(count: u32) -> String {
    if count == 1 {
        "once".to_owned()
    } else {
        format!("{count} times")
    }
}

fn said(state: &InstanceState) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(exit) = &state.exit {
        lines.push(format!("  it has ended: {exit}"));
    }
    let wanted = state.instance.address.port();
    if state.alive && !state.listening_ports.contains(&wanted) {
        let ports: Vec<String> = state
            .listening_ports
            .iter()
            .map(ToString::to_string)
            .collect();
        let ports = if ports.is_empty() {
            "no port".to_owned()
        } else {
            ports.join(", ")
        };
        lines.push(format!("  it listens on {ports}, not on {wanted} (`PORT`)"));
    }
    lines.extend(state.log_tail.iter().map(|line| format!("  log: {line}")));
    lines
}

/// A deployment as an object.
#[derive(Debug, Serialize)]
pub struct DeploymentView {
    /// Its row.
    pub deployment: DeploymentRow,
    /// One line for people.
    pub line: String,
    /// What served before it.
    pub previous: Option<String>,
    /// Who holds it.
    pub paused_by: Option<String>,
    /// The step that it is at, from 1.
    pub step: u32,
    /// The verbs that would do something now.
    pub verbs: Vec<&'static str>,
    /// The version that `rollback` goes back to; absent when this is not what serves, or is the first.
    pub goes_back_to: Option<String>,
    /// Whether a rule or a person said no: a hold, an approval that was refused or never given.
    pub refused: bool,
    /// Why it was let past a freeze, when it was.
    pub break_glass: Option<String>,
    /// What pins its service at its environment now.
    pub hold: Option<Hold>,
    /// What was found out about instances that did not become healthy.
    pub detail: Vec<String>,
    /// What hooks and the smoke test have said.
    pub checks: Vec<CheckView>,
    /// What the judge knows by the seconds that were counted; absent when it does not compare.
    pub judge: Option<Verdict>,
    /// The candidate's share over time.
    pub shifts: Vec<ShiftView>,
    /// What the balancer sees of its service.
    pub traffic: Option<TrafficView>,
    /// What would be done without it being done: the steps that its strategy has.
    pub steps: Vec<String>,
    /// All that happened, in order.
    pub timeline: Vec<Moment>,
    /// What was counted while it was watched.
    pub cost: Cost,
    /// From its creation to its end, or until now, in milliseconds.
    pub duration_ms: u64,
}

/// One shift.
#[derive(Debug, Serialize)]
pub struct ShiftView {
    /// When.
    pub at: Timestamp,
    /// The candidate's share in percent.
    pub percent: f64,
}

impl DeploymentView {
    /// A deployment as it stands.
    pub async fn of(control: &Control, deployment: &Deployment) -> Option<Self> {
        let row = row(deployment)?;
        let name = routes::name(&row.service, &row.environment);
        let traffic = traffic(control)
            .await
            .into_iter()
            .find(|traffic| traffic.name == name);
        let spec = deployment.spec()?;
        let store = control.store();
        let events = store.read_deployment(&row.id).await.unwrap_or_default();
        let seen = samples::seen(control, deployment).await;
        let (judge, cost) = seen.unwrap_or_default();
        let hold = control.hold(&row.environment, &row.service).await;
        let until = row.finished_at.unwrap_or_else(|| control.now());
        Some(Self {
            steps: cutover_rollout::preview::steps(spec, deployment.current().is_some()),
            timeline: timeline::of(&events),
            judge,
            cost,
            duration_ms: until.since(row.created_at).as_millis(),
            line: line(deployment),
            previous: deployment.current().map(|release| release.version.clone()),
            paused_by: deployment.paused_by().map(ToOwned::to_owned),
            step: deployment.step() + 1,
            verbs: verbs::verbs(deployment),
            goes_back_to: goes_back_to(control, &row).await,
            refused: is_refused(&events),
            break_glass: spec.break_glass.clone(),
            hold: hold.ok().flatten(),
            checks: verbs::checks(deployment),
            detail: deployment.detail().to_vec(),
            shifts: deployment
                .shifts()
                .iter()
                .map(|shift| ShiftView {
                    at: shift.at,
                    percent: f64::from(shift.weight.basis_points()) / 100.0,
                })
                .collect(),
            traffic,
            deployment: row,
        })
    }
}

/// What served before, while this is what serves.
async fn goes_back_to(control: &Control, row: &DeploymentRow) -> Option<String> {
    let (store, environment, service) = (control.store(), &row.environment, &row.service);
    row.finished_at?;
    let current = store.current(environment, service).await.ok()??;
    if current.deployment != row.id {
        return None;
    }
    let before = store.previous(environment, service).await.ok()??;
    Some(before.version)
}

/// Whether a rule or a person has kept it from beginning.
fn is_refused(events: &[Recorded<DeploymentEvent>]) -> bool {
    events.iter().any(|recorded| {
        matches!(
            recorded.event,
            DeploymentEvent::HoldMet { .. }
                | DeploymentEvent::ApprovalRefused { .. }
                | DeploymentEvent::ApprovalExpired { .. }
        )
    })
}

/// A service of an environment, as the balancer sees it.
#[derive(Debug, Serialize)]
pub struct TrafficView {
    /// `service@environment`.
    pub name: String,
    /// Where it answers.
    pub address: Option<String>,
    /// Its sides.
    pub sides: Vec<SideView>,
    /// Requests that another side answered, because their own had nobody who could.
    pub diverted: u64,
}

/// One side.
#[derive(Debug, Serialize)]
pub struct SideView {
    /// The version.
    pub name: String,
    /// Its share in percent.
    pub percent: f64,
    /// Requests since it came to be.
    pub requests: u64,
    /// Of those, answered 500 to 599.
    pub errors_5xx: u64,
    /// Instances that are healthy.
    pub healthy: usize,
    /// Its instances.
    pub instances: Vec<InstanceView>,
}

/// One instance.
#[derive(Debug, Serialize)]
pub struct InstanceView {
    /// Its id.
    pub id: String,
    /// Its address.
    pub address: String,
    /// `adding`, `healthy`, `unhealthy`, `draining`.
    pub state: String,
    /// Requests it works on.
    pub in_flight: u64,
}

const fn word(state: UpstreamState) -> &'static str {
    match state {
        UpstreamState::Adding => "adding",
        UpstreamState::Healthy => "healthy",
        UpstreamState::Unhealthy => "unhealthy",
        UpstreamState::Draining => "draining",
    }
}

/// Whether the balancer answers, when there should be one.
pub(crate) async fn balancer_answers(control: &Control) -> Option<bool> {
    let expected = !control.routes().table().await.routes.is_empty();
    let answers = control.balancer_status().await.is_some();
    (expected || answers).then_some(answers)
}

/// What the balancer sees. When it does not answer: what there should be, with nothing healthy.
pub(crate) async fn traffic(control: &Control) -> Vec<TrafficView> {
    if let Some(status) = control.balancer_status().await {
        return status.services.into_iter().map(service).collect();
    }
    let table = control.routes().table().await;
    table
        .routes
        .into_iter()
        .map(|(name, route)| wanted(name, &route))
        .collect()
}

fn wanted(name: String, route: &Route) -> TrafficView {
    let sides = route.sides.iter().map(|side| SideView {
        name: side.name.clone(),
        percent: f64::from(side.weight.basis_points()) / 100.0,
        requests: 0,
        errors_5xx: 0,
        healthy: 0,
        instances: side
            .upstreams
            .iter()
            .map(|upstream| InstanceView {
                id: upstream.id.clone(),
                address: upstream.address.to_string(),
                state: "unknown".to_owned(),
                in_flight: 0,
            })
            .collect(),
    });
    TrafficView {
        name,
        address: route.listen.clone(),
        sides: sides.collect(),
        diverted: 0,
    }
}

/// Sides that have left are told of as long as they have instances, or a share.
fn service(status: ServiceStatus) -> TrafficView {
    let here = |side: &SideStatus| side.weight > 0 || !side.upstreams.is_empty();
    let sides = status.sides.into_iter().filter(here).map(|side| {
        let instances: Vec<InstanceView> = side
            .upstreams
            .into_iter()
            .map(|upstream| InstanceView {
                id: upstream.id,
                address: upstream.address,
                state: word(upstream.state).to_owned(),
                in_flight: upstream.in_flight,
            })
            .collect();
        SideView {
            name: side.name,
            percent: f64::from(side.weight) / 100.0,
            requests: side.totals.requests,
            errors_5xx: side.totals.status_5xx,
            healthy: instances
                .iter()
                .filter(|instance| instance.state == "healthy")
                .count(),
            instances,
        }
    });
    TrafficView {
        name: status.name,
        address: status.listener.map(|address| address.to_string()),
        sides: sides.collect(),
        diverted: status.ledger.get("other_side").copied().unwrap_or_default(),
    }
}
