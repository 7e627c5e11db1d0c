//! A run as people and programs look at it: jobs, steps and open questions.

use std::collections::BTreeMap;

use cutover_model::{
    Timestamp,
    gate::Approval,
    plan::{JobSpec, StepSpec},
    run::{Attempt, JobKey, Outcome, Phase, State, StepPath, StepReport, WaitingOn},
};

use crate::{
    approval, background, call, condition,
    job::Leg,
    run::{Group, Run},
    step::{self, Step},
};

/// One leg, or a job that has none yet.
#[derive(Debug, Clone, PartialEq)]
pub struct JobView<'a> {
    /// Its key.
    pub key: JobKey,
    /// Its name; as written while it is not evaluated.
    pub name: &'a str,
    /// Where it stands.
    pub state: State,
    /// Which try, once it has a runner.
    pub attempt: Option<Attempt>,
    /// When its steps began.
    pub started_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// How that counts.
    pub conclusion: Option<Outcome>,
    /// Why it did not succeed, or was skipped.
    pub reason: Option<&'a str>,
    /// The jobs before it.
    pub needs: &'a [String],
    /// The environment it works in.
    pub environment: Option<&'a str>,
    /// Where to look at what it deployed, once it has ended.
    pub environment_url: Option<&'a str>,
    /// The runner it is on, or was.
    pub runner: Option<&'a str>,
    /// Its outputs.
    pub outputs: Vec<(&'a str, &'a str)>,
    /// Outputs that hold a secret and are therefore not handed on.
    pub withheld: Vec<&'a str>,
    /// Its steps in order, those of actions behind the action.
    pub steps: Vec<StepView<'a>>,
}

/// One step.
#[derive(Debug, Clone, PartialEq)]
pub struct StepView<'a> {
    /// Its place.
    pub path: StepPath,
    /// Its name; as written while its turn has not come.
    pub name: String,
    /// Where it stands.
    pub state: State,
    /// Which try, once it has begun.
    pub attempt: Option<Attempt>,
    /// When that try began.
    pub started_at: Option<Timestamp>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// How that counts.
    pub conclusion: Option<Outcome>,
    /// What it left, once it has ended.
    pub report: Option<&'a StepReport>,
    /// Why it was skipped.
    pub reason: Option<&'a str>,
    /// Whether it, or the action around it, goes in the background.
    pub background: bool,
}

/// A question that waits for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenApproval<'a> {
    /// The question.
    pub approval: &'a Approval,
    /// The leg that waits.
    pub job: &'a JobKey,
    /// The step that waits; absent when the leg has not started.
    pub step: Option<&'a StepPath>,
}

impl Run {
    /// All legs in the order of the plan; a job without legs counts as one.
    pub fn jobs(&self) -> impl Iterator<Item = JobView<'_>> {
        let specs = self.specs();
        specs.into_iter().flat_map(|spec| self.job_views(spec))
    }

    /// One leg; `None` when there is none of that key yet.
    pub fn job<'a>(&'a self, key: &JobKey) -> Option<JobView<'a>> {
        let spec = self.spec(key.job())?;
        Some(leg_view(spec, key, self.leg(key)?))
    }

    /// The legs that wait, by name, and on what; in the order of the plan. That a job comes after
    /// others is its place in the graph, and not told. Nor is a concurrency group that was just asked for:
    /// most often nobody holds it.
    pub fn waits(&self) -> impl Iterator<Item = (&str, &WaitingOn)> {
        let specs = self.specs();
        let legs = specs.into_iter().flat_map(|spec| self.legs_of(&spec.id));
        let whole = match &self.state {
            State::Waiting { on, .. } => Some(("the run", on)),
            State::Pending | State::Running { .. } | State::Finished { .. } => None,
        };
        let is_told =
            |(_, on): &(&str, &WaitingOn)| !matches!(on, WaitingOn::Group { holder: None, .. });
        let legs = legs
            .filter_map(|key| self.leg(key))
            .filter_map(|leg| match &leg.state {
                State::Waiting { on, .. } => Some((leg.spec.name.as_str(), on)),
                State::Pending | State::Running { .. } | State::Finished { .. } => None,
            });
        whole.into_iter().chain(legs).filter(is_told)
    }

    /// The questions that wait for people, in the order of their ids.
    pub fn approvals(&self) -> impl Iterator<Item = OpenApproval<'_>> {
        self.questions
            .iter()
            .filter(|(gate, _)| approval::is_awaited(self, gate))
            .map(|(_, question)| OpenApproval {
                approval: &question.approval,
                job: &question.job,
                step: question.step.as_ref(),
            })
    }

    /// The questions that people have said yes to for this step, or for its whole leg: what a
    /// built-in action looks at when it starts again.
    pub fn approved<'a>(
        &'a self,
        job: &'a JobKey,
        step: Option<&'a StepPath>,
    ) -> impl Iterator<Item = &'a Approval> {
        self.questions
            .values()
            .filter(move |question| &question.job == job && question.step.as_ref() == step)
            .filter(|question| question.standing() == approval::Standing::Granted)
            .map(|question| &question.approval)
    }

    /// The jobs of the plan in their order, behind each of them those that it has called.
    pub(crate) fn specs(&self) -> Vec<&JobSpec> {
        let mut found = Vec::new();
        let jobs = self.plan().map_or(&[][..], |plan| plan.jobs.as_slice());
        self.add_specs(jobs, &mut found);
        found
    }

    fn add_specs<'a>(&'a self, jobs: &'a [JobSpec], found: &mut Vec<&'a JobSpec>) {
        for spec in jobs {
            found.push(spec);
            for key in self.legs_of(&spec.id) {
                let called = self.call(key).map_or(&[][..], |call| call.jobs.as_slice());
                self.add_specs(called, found);
            }
        }
    }

    fn job_views<'a>(&'a self, spec: &'a JobSpec) -> Vec<JobView<'a>> {
        match self.groups.get(&spec.id) {
            Some(Group::Expanded { legs, .. }) => legs
                .iter()
                .filter_map(|key| Some(leg_view(spec, key, self.leg(key)?)))
                .collect(),
            Some(Group::Ended {
                outcome,
                conclusion,
                reason,
                at,
            }) => vec![JobView {
                outcome: Some(*outcome),
                conclusion: Some(*conclusion),
                reason: Some(reason),
                ..bare(
                    spec,
                    State::Finished {
                        outcome: *outcome,
                        at: *at,
                    },
                )
            }],
            None => vec![bare(spec, self.before_legs(spec))],
        }
    }

    fn before_legs(&self, spec: &JobSpec) -> State {
        let unmet = condition::unmet(self, spec);
        let jobs: Vec<String> = unmet.map(|job| call::own_id(job).to_owned()).collect();
        if jobs.is_empty() {
            return State::Pending;
        }
        State::Waiting {
            on: WaitingOn::Needs { jobs },
            since: self.created_at().unwrap_or(Timestamp(0)),
        }
    }
}

fn leg_view<'a>(spec: &'a JobSpec, key: &JobKey, leg: &'a Leg) -> JobView<'a> {
    let mut steps = Vec::new();
    let before = leg
        .steps
        .iter()
        .take_while(|(path, _)| path.phase() == Phase::Pre);
    steps.extend(before.map(|(path, step)| begun_view(path, step, false)));
    step_views(leg, &StepPath::default(), &spec.steps, false, &mut steps);
    // What is owed is told when its turn comes: until then a job seems no longer than it is written.
    let posts = leg.posts.iter().rev();
    steps.extend(posts.filter_map(|path| Some(begun_view(path, leg.steps.get(path)?, false))));
    JobView {
        key: key.clone(),
        name: &leg.spec.name,
        state: leg.state.clone(),
        attempt: leg.has_started().then_some(leg.attempt),
        started_at: leg.started_at,
        outcome: leg.state.outcome(),
        conclusion: leg.conclusion,
        reason: leg
            .reason
            .as_deref()
            .or_else(|| leg.stop.as_ref().map(|stop| stop.reason.as_str())),
        needs: &spec.needs,
        environment: leg.spec.environment.as_deref(),
        environment_url: leg.environment_url.as_deref(),
        runner: leg.runner.as_ref().map(|runner| runner.name.as_str()),
        outputs: pairs(&leg.outputs),
        withheld: withheld(spec, leg),
        steps,
    }
}

/// What a job that succeeded was to hand on, and did not.
fn withheld<'a>(spec: &'a JobSpec, leg: &Leg) -> Vec<&'a str> {
    let declared = match &spec.call {
        Some(call) => &call.outputs,
        None => &spec.outputs,
    };
    let names = declared.iter().map(|(name, _)| name.as_str());
    let lacking = names.filter(|name| !leg.outputs.contains_key(*name));
    match leg.state.outcome() {
        Some(Outcome::Succeeded) => lacking.collect(),
        _ => Vec::new(),
    }
}

fn pairs(outputs: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    outputs
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

fn bare(spec: &JobSpec, state: State) -> JobView<'_> {
    let mut steps = Vec::new();
    let top = StepPath::default();
    for (index, step) in spec.steps.iter().enumerate() {
        steps.push(pending(top.child(index), step, step.background));
    }
    JobView {
        key: JobKey::single(&spec.id),
        name: spec.name.as_ref().map_or(&spec.id, |name| &name.text),
        state,
        attempt: None,
        started_at: None,
        outcome: None,
        conclusion: None,
        reason: None,
        needs: &spec.needs,
        environment: None,
        environment_url: None,
        runner: None,
        outputs: Vec::new(),
        withheld: Vec::new(),
        steps,
    }
}

fn pending<'a>(path: StepPath, spec: &StepSpec, background: bool) -> StepView<'a> {
    StepView {
        background,
        path,
        name: step::plain_name(spec),
        state: State::Pending,
        attempt: None,
        started_at: None,
        outcome: None,
        conclusion: None,
        report: None,
        reason: None,
    }
}

/// The steps of an action are shown once the action has begun.
fn step_views<'a>(
    leg: &'a Leg,
    level: &StepPath,
    specs: &[StepSpec],
    in_background: bool,
    views: &mut Vec<StepView<'a>>,
) {
    for (index, spec) in specs.iter().enumerate() {
        let path = level.child(index);
        let in_background = in_background || spec.background;
        let Some(step) = leg.steps.get(&path) else {
            views.push(pending(path, spec, in_background));
            continue;
        };
        views.push(begun_view(&path, step, in_background));
        if let (true, Some(children)) = (has_begun(step), step::children(spec)) {
            step_views(leg, &path, children, in_background, views);
        }
    }
}

pub(crate) fn has_begun(step: &Step) -> bool {
    step.state.outcome() != Some(Outcome::Skipped) && !background::is_queued(step)
}

/// A step whose turn has come.
pub(crate) fn begun_view<'a>(path: &StepPath, step: &'a Step, background: bool) -> StepView<'a> {
    let outcome = step.state.outcome();
    let begun = has_begun(step);
    StepView {
        path: path.clone(),
        name: step.name.clone(),
        state: step.state.clone(),
        attempt: begun.then_some(step.attempt),
        started_at: begun.then_some(step.started_at),
        outcome,
        conclusion: step.conclusion,
        report: (begun && outcome.is_some()).then_some(&step.report),
        reason: step.reason.as_deref(),
        background,
    }
}
