//! A step of a leg: its state, and the walk through the steps that finds what is next.

use std::collections::BTreeMap;

use cutover_model::{
    Duration, GateId, Timestamp,
    event::RunEvent,
    plan::{ActionSource, StepBody, StepSpec, Template, container::SET_UP_NAME},
    run::{Attempt, HandedOn, JobKey, Outcome, Phase, State, StepPath, StepReport},
};

use crate::{
    Fault,
    approval::{self, Standing},
    background, condition, contexts,
    decide::Draft,
    expression, job,
    run::Run,
    scope::Scope,
    timeout,
};

/// A step that has begun, was skipped, or has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) name: String,
    pub(crate) state: State,
    pub(crate) attempt: Attempt,
    /// When this attempt began.
    pub(crate) started_at: Timestamp,
    /// How it counts, once it has ended.
    pub(crate) conclusion: Option<Outcome>,
    pub(crate) report: StepReport,
    /// It has had its time and is being ended.
    pub(crate) timed_out: Option<Duration>,
    /// The question it waits for.
    pub(crate) gate: Option<GateId>,
    /// Why it was skipped.
    pub(crate) reason: Option<String>,
    /// A later step ends it.
    pub(crate) called_off: bool,
    /// How many events there had been when this attempt began; none when it was skipped, waits for a
    /// place, or could not be understood.
    pub(crate) begun: u64,
    /// And when it had ended.
    pub(crate) ended: u64,
    /// Since when the steps after it see what it left: as an order.
    pub(crate) shown: Option<(u64, u16)>,
}

impl Step {
    pub(crate) fn running(name: String, attempt: Attempt, since: Timestamp) -> Self {
        Self {
            name,
            state: State::Running { since },
            attempt,
            started_at: since,
            conclusion: None,
            report: StepReport::default(),
            timed_out: None,
            gate: None,
            reason: None,
            called_off: false,
            begun: 0,
            ended: 0,
            shown: None,
        }
    }

    pub(crate) fn is_running(&self, attempt: Attempt) -> bool {
        self.attempt == attempt && matches!(self.state, State::Running { .. })
    }
}

/// The step at this place of the plan.
pub(crate) fn spec<'a>(steps: &'a [StepSpec], path: &StepPath) -> Option<&'a StepSpec> {
    let (last, around) = path.indices().split_last()?;
    let mut level = steps;
    for index in around {
        level = children(level.get(usize::from(*index))?)?;
    }
    level.get(usize::from(*last))
}

/// The steps of a composite action; `None` for any other step.
pub(crate) fn children(spec: &StepSpec) -> Option<&[StepSpec]> {
    match &spec.body {
        StepBody::Composite { steps, .. } => Some(steps),
        StepBody::Run { .. }
        | StepBody::Builtin { .. }
        | StepBody::Lacking { .. }
        | StepBody::Action(_)
        | StepBody::Wait { .. }
        | StepBody::WaitAll
        | StepBody::CancelStep { .. }
        | StepBody::Container(_)
        | StepBody::SetUpContainers => None,
    }
}

/// The file of an action, for people.
pub(crate) fn action_file(source: &ActionSource, directory: &str) -> String {
    let slash = if directory.is_empty() { "" } else { "/" };
    let file = format!("{directory}{slash}action.yml");
    match source {
        ActionSource::Workspace | ActionSource::Own => file,
        ActionSource::Foreign(tree) => format!("{}:{file}", tree.name()),
    }
}

/// Whether it is done at the edge, and not by us.
pub(crate) fn is_leaf(spec: &StepSpec) -> bool {
    children(spec).is_none() && !background::is_control(spec)
}

/// The file in which the step at this place is written, or its condition.
pub(crate) fn file(run: &Run, key: &JobKey, path: &StepPath) -> String {
    let own = (path.phase() != Phase::Main)
        .then(|| spec(&run.spec(key.job())?.steps, path))
        .flatten();
    if let Some(StepBody::Action(action)) = own.map(|spec| &spec.body) {
        return action_file(&action.source, &action.path);
    }
    let around = path.parent().and_then(|parent| {
        let steps = &run.spec(key.job())?.steps;
        match &spec(steps, &parent)?.body {
            StepBody::Composite { source, path, .. } => Some(action_file(source, path)),
            StepBody::Run { .. }
            | StepBody::Builtin { .. }
            | StepBody::Lacking { .. }
            | StepBody::Action(_)
            | StepBody::Wait { .. }
            | StepBody::WaitAll
            | StepBody::CancelStep { .. }
            | StepBody::Container(_)
            | StepBody::SetUpContainers => None,
        }
    });
    around.unwrap_or_else(|| run.file_of(key.job()).to_owned())
}

/// What the step is called before anything is known: its name as written, else what it does.
pub(crate) fn plain_name(spec: &StepSpec) -> String {
    if let Some(Template { text, .. }) = &spec.name {
        return text.clone();
    }
    match &spec.body {
        StepBody::Run { script, .. } => {
            let first = script.text.trim_start().lines().next();
            format!("Run {}", first.unwrap_or_default())
        }
        StepBody::Builtin { action, .. } => format!("Run {}", action.name()),
        StepBody::Composite { source, path, .. } => match source {
            ActionSource::Workspace => format!("Run ./{}", path.trim_start_matches("./")),
            ActionSource::Own => format!("Run $/{path}"),
            ActionSource::Foreign(tree) if path.is_empty() => format!("Run {}", tree.name()),
            ActionSource::Foreign(tree) => {
                format!("Run {}/{path}@{}", tree.repository, tree.git_ref)
            }
        },
        StepBody::Lacking { uses, .. } => format!("Run {uses}"),
        StepBody::Action(action) => format!("Run {}", action.uses),
        StepBody::Wait { steps } => format!("Wait for {}", steps.join(", ")),
        StepBody::WaitAll => "Wait for all background steps".to_owned(),
        StepBody::CancelStep { step } => format!("Cancel {step}"),
        StepBody::Container(step) => format!("Run {}", step.uses),
        StepBody::SetUpContainers => SET_UP_NAME.to_owned(),
    }
}

/// The same, for what is done in the phase of this place.
pub(crate) fn plain_name_at(spec: &StepSpec, path: &StepPath) -> String {
    in_words(path.phase(), &plain_name(spec))
}

fn in_words(phase: Phase, name: &str) -> String {
    match phase {
        Phase::Pre => format!("Pre {name}"),
        Phase::Main => name.to_owned(),
        Phase::Post => format!("Post {name}"),
    }
}

/// Its name, evaluated; as written when that is not possible, since a name must not stop a step.
fn name(run: &Run, key: &JobKey, path: &StepPath, spec: &StepSpec) -> String {
    let plain = plain_name(spec);
    let status = condition::status(run, key, &condition::level_of(path));
    let name = Scope::step(run, key, path, None)
        .map(|scope| scope.with_status(status))
        .and_then(|scope| expression::text(&scope, &Template::plain(plain.clone()), ""))
        .unwrap_or(plain);
    // A value may bring lines of its own; a name is one.
    let line = name.trim_start().lines().next().unwrap_or_default();
    in_words(path.phase(), line)
}

/// Goes as far as it can with one step that has none in it; whether it has ended.
pub(crate) fn advance_one(
    draft: &mut Draft,
    key: &JobKey,
    path: &StepPath,
    spec: &StepSpec,
) -> bool {
    if draft.run.step(key, path).is_none() {
        begin(draft, key, path, spec);
    }
    resume(draft, key, path);
    draft
        .run
        .step(key, path)
        .is_some_and(|step| step.state.is_finished())
}

/// Goes as far as it can through the steps of one level; whether they have all ended. A step in the
/// background holds up nobody once its turn has come.
pub(crate) fn advance(
    draft: &mut Draft,
    key: &JobKey,
    level: &StepPath,
    specs: &[StepSpec],
) -> bool {
    let mut all = true;
    for (index, spec) in specs.iter().enumerate() {
        let path = level.child(index);
        match draft.run.step(key, &path) {
            // Most of them, most of the time.
            Some(step) if step.state.is_finished() => continue,
            Some(_) => {}
            None => begin(draft, key, &path, spec),
        }
        resume(draft, key, &path);
        let running = draft
            .run
            .step(key, &path)
            .is_some_and(|step| matches!(step.state, State::Running { .. }));
        if let (true, Some(inside)) = (running, children(spec))
            && advance(draft, key, &path, inside)
        {
            finish_composite(draft, key, &path, spec);
        }
        if running && background::is_control(spec) {
            background::go_on(draft, key, &path);
        }
        match draft.run.step(key, &path) {
            Some(step) if step.state.is_finished() => {}
            Some(_) if spec.background && level.0.is_empty() => all = false,
            Some(_) | None => return false,
        }
    }
    all
}

/// Starts, skips or faults a step whose turn has come.
fn begin(draft: &mut Draft, key: &JobKey, path: &StepPath, spec: &StepSpec) {
    let run = &draft.run;
    let attempt = run.next_try(key, path);
    let started = || RunEvent::StepStarted {
        job: key.clone(),
        step: path.clone(),
        attempt,
        name: name(run, key, path, spec),
    };
    let skipped = |reason| RunEvent::StepSkipped {
        job: key.clone(),
        step: path.clone(),
        name: name(run, key, path, spec),
        reason,
    };
    let verdict = condition::of_step(run, key, path).and_then(|verdict| {
        // A time limit that cannot be read must be known before the step runs without one.
        timeout::of_step(run, key, path)?;
        match &spec.body {
            StepBody::Lacking { message, .. } if verdict == condition::Verdict::Run => {
                Err(Fault::new(&file(run, key, path), spec.at, message.clone()))
            }
            StepBody::Lacking { .. }
            | StepBody::Run { .. }
            | StepBody::Builtin { .. }
            | StepBody::Composite { .. }
            | StepBody::Action(_)
            | StepBody::Wait { .. }
            | StepBody::WaitAll
            | StepBody::CancelStep { .. }
            | StepBody::Container(_)
            | StepBody::SetUpContainers => Ok(verdict),
        }
    });
    match verdict {
        Ok(condition::Verdict::Run)
            if spec.background && path.phase() == Phase::Main && background::is_full(run, key) =>
        {
            let event = RunEvent::StepQueued {
                job: key.clone(),
                step: path.clone(),
                name: name(run, key, path, spec),
            };
            draft.say(event);
        }
        Ok(condition::Verdict::Run) => {
            let event = started();
            draft.say(event);
        }
        Ok(condition::Verdict::Ask(patterns)) => {
            let asked = (path.clone(), patterns);
            let known = run
                .leg(key)
                .is_some_and(|leg| leg.hashes.contains_key(&asked));
            if !known {
                let (step, patterns) = asked;
                draft.say(RunEvent::FilesAsked {
                    job: key.clone(),
                    step,
                    patterns,
                });
            }
        }
        Ok(condition::Verdict::Skip(reason)) => {
            let event = skipped(reason);
            draft.say(event);
        }
        Err(fault) => end(
            draft,
            key,
            path,
            attempt,
            Outcome::Faulted,
            because(&fault.to_string()),
        ),
    }
}

/// Lets a step that waited for people go on, or ends it.
fn resume(draft: &mut Draft, key: &JobKey, path: &StepPath) {
    let Some(step) = draft.run.step(key, path) else {
        return;
    };
    if background::is_queued(step) {
        background::leave_queue(draft, key, path);
        return;
    }
    let (State::Waiting { .. }, Some(gate)) = (&step.state, &step.gate) else {
        return;
    };
    let attempt = step.attempt;
    let name = step.name.clone();
    let stopped = draft.run.leg(key).and_then(|leg| leg.stop.as_ref());
    let called_off = background::is_called_off(&draft.run, key, path);
    let ending = condition::around_is_ending(&draft.run, key, path);
    if let Some(why) = ending.or(called_off.then_some(background::CALLED_OFF)) {
        end(draft, key, path, attempt, Outcome::Cancelled, because(why));
        return;
    }
    match (stopped, approval::standing(&draft.run, gate)) {
        (Some(stop), _) => {
            let (outcome, report) = (stop.outcome, because(&stop.reason));
            end(draft, key, path, attempt, outcome, report);
        }
        (None, Standing::Open) => {}
        (None, Standing::Granted) => draft.say(RunEvent::StepStarted {
            job: key.clone(),
            step: path.clone(),
            attempt: attempt.next(),
            name,
        }),
        (None, Standing::Denied(reason)) => {
            end(draft, key, path, attempt, Outcome::Failed, because(&reason));
        }
    }
}

/// Says that a step has ended, and how that counts.
pub(crate) fn end(
    draft: &mut Draft,
    key: &JobKey,
    path: &StepPath,
    attempt: Attempt,
    outcome: Outcome,
    mut report: StepReport,
) {
    let conclusion = match condition::step_continues_on_error(&draft.run, key, path, outcome) {
        Ok(true) => Outcome::Succeeded,
        Ok(false) => outcome,
        Err(fault) => {
            report.reasons.push(fault.to_string());
            Outcome::Faulted
        }
    };
    draft.say(RunEvent::StepFinished {
        job: key.clone(),
        step: path.clone(),
        attempt,
        outcome,
        conclusion,
        report,
    });
}

/// Ends a composite step whose steps have all ended.
fn finish_composite(draft: &mut Draft, key: &JobKey, path: &StepPath, spec: &StepSpec) {
    let Some(step) = draft.run.step(key, path) else {
        return;
    };
    let attempt = step.attempt;
    let timed_out = step.timed_out;
    let mut report = StepReport::default();
    let mut outcome = match timed_out {
        Some(after) => {
            report.reasons.push(format!("took longer than {after}"));
            Outcome::TimedOut
        }
        None => match job::level_outcome(&draft.run, key, path) {
            Outcome::Succeeded if step.called_off => Outcome::Cancelled,
            outcome => outcome,
        },
    };
    match outputs(&draft.run, key, path, spec) {
        Ok(outputs) => report.outputs = outputs,
        Err(fault) => {
            report.reasons.push(fault.to_string());
            if outcome == Outcome::Succeeded {
                outcome = Outcome::Faulted;
            }
        }
    }
    end(draft, key, path, attempt, outcome, report);
}

/// The outputs of a composite step, from those of the steps in it.
fn outputs(
    run: &Run,
    key: &JobKey,
    path: &StepPath,
    spec: &StepSpec,
) -> Result<BTreeMap<String, HandedOn>, Fault> {
    let StepBody::Composite {
        outputs,
        source,
        path: folder,
        ..
    } = &spec.body
    else {
        return Ok(BTreeMap::new());
    };
    let scope = Scope::inside(run, key, path, None)?;
    let file = action_file(source, folder);
    outputs
        .iter()
        .map(|(name, template)| {
            let value = scope.text(template, &file)?;
            Ok((name.clone(), contexts::handed_on(value)))
        })
        .collect()
}

/// A report that only says why.
pub(crate) fn because(reason: &str) -> StepReport {
    StepReport {
        reasons: vec![reason.to_owned()],
        ..StepReport::default()
    }
}
