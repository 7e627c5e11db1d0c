//! A run: its row, its questions, its object.

use std::collections::BTreeMap;

use cutover_engine::{self as engine, Run};
use cutover_model::{
    RunId, Timestamp,
    event::{Recorded, RunEvent},
    run::{Annotation, Attempt, JobKey, Outcome, State, StepPath, Subject},
    source::{GitRef, Revision},
};
use cutover_store::{ApprovalChange, ApprovalRow, RunRow, StreamKind};
use serde::Serialize;

/// The word of a state.
pub(crate) const fn word(state: &State) -> &'static str {
    match state {
        State::Pending => "pending",
        State::Waiting { .. } => "waiting",
        State::Running { .. } => "running",
        State::Finished { outcome, .. } => outcome.word(),
    }
}

/// The projection of a run.
pub(crate) fn row(run: &Run) -> Option<RunRow> {
    let (trigger, plan) = (run.trigger()?, run.plan()?);
    let (outcome, finished_at) = match run.state() {
        State::Finished { outcome, at } => (Some(*outcome), Some(*at)),
        State::Pending | State::Waiting { .. } | State::Running { .. } => (None, None),
    };
    let waits: Vec<String> = run
        .waits()
        .map(|(name, on)| format!("{name}: {on}"))
        .collect();
    Some(RunRow {
        id: run.id()?.clone(),
        number: run.number()?,
        repository: trigger.repository.clone(),
        workflow: plan.path.clone(),
        name: run.title().to_owned(),
        git_ref: trigger.git_ref.clone(),
        revision: trigger.revision.clone(),
        actor: trigger.actor.clone(),
        trigger: trigger.kind.event_name().to_owned(),
        state: word(run.state()).to_owned(),
        outcome,
        waiting_on: (outcome.is_none() && !waits.is_empty()).then(|| waits.join("; ")),
        created_at: run.created_at()?,
        finished_at,
    })
}

/// The environment that a leg works in.
pub(crate) fn leg_environment(run: &Run, job: &JobKey) -> Option<String> {
    let leg = run.jobs().find(|leg| leg.key == *job)?;
    leg.environment.map(ToOwned::to_owned)
}

/// Which questions these events open and close.
pub(crate) fn approvals(events: &[Recorded<RunEvent>], run: &Run) -> Vec<ApprovalChange> {
    let Some(id) = run.id() else {
        return Vec::new();
    };
    let mut changes = Vec::new();
    for recorded in events {
        match &recorded.event {
            RunEvent::ApprovalRequested {
                gate,
                job,
                subject,
                rule,
                ..
            } => {
                changes.push(ApprovalChange::Opened(ApprovalRow {
                    gate: gate.clone(),
                    stream: id.to_string(),
                    kind: StreamKind::Run,
                    subject: subject.clone(),
                    environment: leg_environment(run, job),
                    asked_at: recorded.at,
                    expires_at: recorded.at + rule.expires,
                }));
            }
            RunEvent::ApprovalRefused { gate, .. } | RunEvent::ApprovalExpired { gate } => {
                changes.push(ApprovalChange::Closed(gate.clone()));
            }
            RunEvent::ApprovalGiven { gate, .. } => {
                let open = run.approvals().any(|open| open.approval.gate == *gate);
                if !open {
                    changes.push(ApprovalChange::Closed(gate.clone()));
                }
            }
            _ => {}
        }
    }
    changes
}

/// A run as an object.
#[derive(Debug, Serialize)]
pub struct RunView {
    /// Its id.
    pub id: RunId,
    /// The number people say aloud.
    pub number: u64,
    /// What its `run-name:` came to, else the workflow's name.
    pub name: String,
    /// The workflow's path.
    pub workflow: String,
    /// `owner/name`.
    pub repository: String,
    /// The ref.
    pub git_ref: GitRef,
    /// The state of the sources.
    pub revision: Revision,
    /// Who made it start.
    pub actor: String,
    /// What made it start.
    pub trigger: String,
    /// Whether what it brings may see secrets.
    pub trust: cutover_model::source::Trust,
    /// The word of its state.
    pub state: &'static str,
    /// On what it, or what of it, waits.
    pub waiting_on: Option<String>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// How that counts, in the word that GitHub has for it.
    pub conclusion: Option<&'static str>,
    /// Which try of it this is.
    pub attempt: Attempt,
    /// Who wanted this try.
    pub wanted_by: String,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Its legs.
    pub jobs: Vec<JobView>,
}

/// A leg as an object.
#[derive(Debug, Serialize)]
pub struct JobView {
    /// Its key.
    pub key: JobKey,
    /// Its name.
    pub name: String,
    /// Ids of the jobs before it.
    pub needs: Vec<String>,
    /// Where it works.
    pub environment: Option<String>,
    /// The word of its state.
    pub state: &'static str,
    /// On what it waits.
    pub waiting_on: Option<String>,
    /// Of which try of the run it is.
    pub attempt: Option<Attempt>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// How that counts: one that may fail counts as succeeded.
    pub conclusion: Option<Outcome>,
    /// Why it ended so.
    pub reason: Option<String>,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
    /// Those that hold a secret and are therefore not handed on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub withheld_outputs: Vec<String>,
    /// Where to look at what it deployed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment_url: Option<String>,
    /// When it started, and when it ended.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// Its steps.
    pub steps: Vec<StepView>,
}

/// A step as an object.
#[derive(Debug, Serialize)]
pub struct StepView {
    /// Its place.
    pub path: StepPath,
    /// Its name.
    pub name: String,
    /// Which try.
    pub attempt: Attempt,
    /// The word of its state.
    pub state: &'static str,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// How it counts.
    pub conclusion: Option<Outcome>,
    /// Its exit code.
    pub exit_code: Option<i32>,
    /// Why it did not succeed.
    pub reasons: Vec<String>,
    /// What it remarked.
    pub annotations: Vec<Annotation>,
    /// What it wants to say at length, in Markdown.
    pub summary: Option<String>,
    /// What it says to have made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<Subject>,
    /// When it started.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

/// What a job says to have made.
#[derive(Debug, Serialize)]
pub struct Made<'a> {
    /// What.
    #[serde(flatten)]
    pub subject: &'a Subject,
    /// The job's name.
    pub job: &'a str,
    /// The step's name.
    pub step: &'a str,
}

impl RunView {
    /// What its jobs say to have made, in the order of the jobs and steps.
    pub fn made(&self) -> impl Iterator<Item = Made<'_>> {
        self.jobs.iter().flat_map(|job| {
            job.steps.iter().flat_map(|step| {
                step.subjects.iter().map(|subject| Made {
                    subject,
                    job: &job.name,
                    step: &step.name,
                })
            })
        })
    }

    /// A run as it stands.
    pub fn of(run: &Run) -> Option<Self> {
        let row = row(run)?;
        Some(Self {
            id: row.id,
            number: row.number,
            name: row.name,
            workflow: row.workflow,
            repository: row.repository,
            git_ref: row.git_ref,
            revision: row.revision,
            actor: row.actor,
            trigger: row.trigger,
            trust: run.trust()?.clone(),
            state: word(run.state()),
            waiting_on: row.waiting_on,
            outcome: row.outcome,
            conclusion: row.outcome.map(Outcome::github_word),
            attempt: run.attempt(),
            wanted_by: run.wanted_by().unwrap_or_default().to_owned(),
            created_at: row.created_at,
            finished_at: row.finished_at,
            jobs: run.jobs().map(JobView::of).collect(),
        })
    }
}

/// When something ended, if it has.
const fn ended(state: &State) -> Option<Timestamp> {
    match state {
        State::Finished { at, .. } => Some(*at),
        State::Pending | State::Waiting { .. } | State::Running { .. } => None,
    }
}

impl JobView {
    fn of(job: engine::JobView<'_>) -> Self {
        let waiting_on = match &job.state {
            State::Waiting { on, .. } => Some(on.to_string()),
            State::Pending | State::Running { .. } | State::Finished { .. } => None,
        };
        let outputs = job
            .outputs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Self {
            name: job.name.to_owned(),
            needs: job.needs.to_vec(),
            environment: job.environment.map(ToOwned::to_owned),
            state: word(&job.state),
            waiting_on,
            attempt: job.attempt,
            outcome: job.outcome,
            conclusion: job.conclusion,
            reason: job.reason.map(ToOwned::to_owned),
            outputs: outputs.collect(),
            withheld_outputs: job.withheld.into_iter().map(ToOwned::to_owned).collect(),
            environment_url: job.environment_url.map(ToOwned::to_owned),
            started_at: job.started_at,
            finished_at: ended(&job.state),
            steps: job.steps.into_iter().map(StepView::of).collect(),
            key: job.key,
        }
    }
}

impl StepView {
    fn of(step: engine::StepView<'_>) -> Self {
        let report = step.report.cloned().unwrap_or_default();
        let mut reasons = report.reasons;
        reasons.extend(step.reason.map(ToOwned::to_owned));
        Self {
            state: word(&step.state),
            finished_at: ended(&step.state),
            path: step.path,
            name: step.name,
            attempt: step.attempt.unwrap_or(Attempt::FIRST),
            outcome: step.outcome,
            conclusion: step.conclusion,
            exit_code: report.exit_code,
            reasons,
            annotations: report.annotations,
            summary: report.summary,
            subjects: report.subjects,
            started_at: step.started_at,
        }
    }
}
