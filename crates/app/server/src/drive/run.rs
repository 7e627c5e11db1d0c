//! Drives a run: runners, steps, timers.

use std::{collections::BTreeMap, fs, sync::Arc};

use cutover_engine::{
    self as engine, Effect, Input, Resumption, Run,
    resolve::{self, Body, Given, ResolvedStep, RunnerFacts},
};
use cutover_executor::{
    Foreseen, HandedKind, InContainers, JobPlace, KeepLimits, StepEnd, StepKey, StepOrder,
};
use cutover_model::{
    RunId, Secret, Timestamp,
    event::{Recorded, RunEvent},
    plan::Builtin,
    run::{Attempt, JobKey, Outcome, Runner, StepPath, StepReport},
};
use cutover_store::RunRow;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::{Edge, Error, Machine, Mailbox, actions::put_in_place, place};
use crate::{
    Control,
    action::{self, ActionEnd, Context},
    containers,
    failure::{FailedStep, Look},
    hash_files::hash_files,
    results::{self, Granted},
    view,
};

impl Machine for Run {
    type Input = Input;
    type Event = RunEvent;
    type Effect = Effect;

    fn decide(&self, at: Timestamp, input: Input) -> Result<Vec<RunEvent>, String> {
        engine::decide(self, at, input).map_err(|refusal| refusal.to_string())
    }
    fn evolve(&mut self, at: Timestamp, event: &RunEvent) {
        engine::evolve(self, at, event);
    }
    fn effects(&self, at: Timestamp, event: &RunEvent) -> Vec<Effect> {
        engine::effects(self, at, event)
    }
    fn outstanding(&self) -> Vec<Effect> {
        engine::outstanding(self)
    }
    fn is_finished(&self) -> bool {
        self.state().is_finished()
    }
}

/// The world of one run.
pub(crate) struct RunEdge {
    control: Control,
    id: RunId,
    /// The row that was stored last: most events change nothing of it.
    row: Mutex<Option<RunRow>>,
}

impl Edge<Run> for RunEdge {
    fn now(&self) -> Timestamp {
        self.control.now()
    }

    async fn load(&self) -> Result<Vec<Recorded<RunEvent>>, Error> {
        Ok(self.control.store().read_run(&self.id).await?)
    }

    async fn append(
        &self,
        expected: u64,
        events: &[Recorded<RunEvent>],
        after: &Run,
    ) -> Result<(), Error> {
        let Some(row) = view::run_row(after) else {
            return Err(Error::Unborn);
        };
        let approvals = view::run_approvals(events, after);
        let store = self.control.store();
        let is_stored = approvals.is_empty() && self.row.lock().as_ref() == Some(&row);
        if is_stored {
            store.append_run_events(&self.id, expected, events).await?;
        } else {
            // What becomes of this one is not known until it is answered.
            *self.row.lock() = None;
            store
                .append_run(&self.id, expected, events, &row, &approvals)
                .await?;
            *self.row.lock() = Some(row);
        }
        Ok(())
    }

    async fn foresee(&self, after: &Arc<Run>, owed: &[Effect], mailbox: &Mailbox<Run>) {
        for effect in owed {
            if let Effect::StartStep { job, step, attempt } = effect {
                let key = key(&self.id, job, step, *attempt);
                self.work(after, mailbox).foresee(&key).await;
            }
        }
    }

    fn perform(&self, run: &Arc<Run>, effect: Effect, mailbox: &Mailbox<Run>) {
        self.in_order(run, &effect, mailbox);
        let work = self.work(run, mailbox);
        match effect {
            // What is owed at the end is done after it.
            Effect::FinishJob { .. } => {
                let cleaning = self.control.finishing().begin(&self.id);
                mailbox.spawn(async move {
                    work.perform(effect).await;
                    drop(cleaning);
                });
            }
            Effect::Notify { .. } => mailbox.spawn(work.perform(effect)),
            _ => mailbox.spawn_while_live(self.control.closing(), work.perform(effect)),
        }
    }

    fn announce(&self, version: u64) {
        self.control.announce(self.id.as_str(), version);
    }

    fn closing(&self) -> &CancellationToken {
        self.control.closing()
    }
}

impl RunEdge {
    pub(crate) fn new(control: Control, id: RunId) -> Self {
        Self {
            control,
            id,
            row: Mutex::default(),
        }
    }

    fn work(&self, run: &Arc<Run>, mailbox: &Mailbox<Run>) -> Work {
        Work {
            control: self.control.clone(),
            id: self.id.clone(),
            run: Arc::clone(run),
            mailbox: mailbox.clone(),
        }
    }

    /// The part of an effect that must not be overtaken by the next one: a cancel that comes just
    /// after a start finds something to cancel, and the newest time of a timer is the one that counts.
    fn in_order(&self, run: &Run, effect: &Effect, mailbox: &Mailbox<Run>) {
        match effect {
            Effect::AcquireGroup { job, group } => {
                let groups = self.control.groups();
                groups.ask(&self.control, run, job.as_ref(), group, mailbox);
            }
            Effect::ReleaseGroup { job, group } => {
                let groups = self.control.groups();
                groups.release(&self.control, run, job.as_ref(), group);
            }
            Effect::StartStep { job, step, attempt } => {
                self.control.runners().readopt(&self.id, job);
                let key = key(&self.id, job, step, *attempt);
                self.control.cancels().expect(&key);
            }
            Effect::CancelStep { job, step, attempt } => {
                let key = key(&self.id, job, step, *attempt);
                self.control.cancels().cancel(&key);
            }
            Effect::AcquireRunner { job, labels: _ } => {
                let asked = self.control.runners().ask(&self.id, job);
                let runner = place::runner(&self.control, (run, &self.id), job);
                let (job, mailbox) = (job.clone(), mailbox.clone());
                mailbox
                    .clone()
                    .spawn_while_live(self.control.closing(), async move {
                        if let Some(name) = asked.await {
                            let runner = Runner { name, ..runner };
                            mailbox.observe(Input::RunnerAssigned { job, runner });
                        }
                    });
            }
            Effect::WakeAt { at, timer } => {
                let pause = at.since(self.control.now()).to_std();
                let input = Input::Woke {
                    timer: timer.clone(),
                };
                mailbox.wake_after(pause, timer.to_string(), input);
            }
            Effect::HashFiles { .. } | Effect::FinishJob { .. } | Effect::Notify { .. } => {}
        }
    }
}

fn key(run: &RunId, job: &JobKey, step: &StepPath, attempt: Attempt) -> StepKey {
    StepKey {
        run: run.clone(),
        job: job.clone(),
        step: step.clone(),
        attempt,
    }
}

/// One effect being done.
struct Work {
    control: Control,
    id: RunId,
    run: Arc<Run>,
    mailbox: Mailbox<Run>,
}

impl Work {
    async fn perform(self, effect: Effect) {
        match effect {
            // Done in order.
            Effect::AcquireRunner { .. }
            | Effect::AcquireGroup { .. }
            | Effect::ReleaseGroup { .. }
            | Effect::WakeAt { .. } => {}
            Effect::StartStep { job, step, attempt } => self.start(job, step, attempt).await,
            Effect::CancelStep { job, step, attempt } => {
                let key = key(&self.id, &job, &step, attempt);
                if let Err(error) = self.control.executor().cancel(&key).await {
                    tracing::warn!(%error, "could not cancel a step");
                }
            }
            Effect::HashFiles {
                job,
                step,
                patterns,
            } => self.hash_files(job, step, patterns).await,
            Effect::FinishJob { job } => {
                containers::remove(&self.control, &self.run, &job).await;
                self.clean_up(&job).await;
                self.control.runners().release(&self.id, &job);
                if let Some(group) = self.run.group_of(&job) {
                    let groups = self.control.groups();
                    groups.release(&self.control, &self.run, Some(&job), group);
                }
            }
            Effect::Notify { topic, text } => {
                let project = self.run.plan().and_then(|plan| plan.project.as_ref());
                let rules = project.map(|project| &*project.notify).unwrap_or_default();
                self.control
                    .notify(rules, self.id.as_str(), &topic, &text)
                    .await;
                if topic.starts_with("run.") {
                    self.control.tell_workflows(&self.run, "completed").await;
                }
            }
        }
    }

    /// Removes what a leg worked in; of one that failed it is kept for a while, to go on from.
    async fn clean_up(&self, job: &JobKey) {
        let executor = self.control.executor();
        let conclusion = self.run.job(job).and_then(|leg| leg.conclusion);
        let has_more = self.run.has_jobs_to_begin();
        let done = match conclusion {
            Some(Outcome::Succeeded | Outcome::Skipped) if has_more => {
                executor.hand_down(&self.id, job).await
            }
            Some(Outcome::Succeeded | Outcome::Skipped) => executor.destroy(&self.id, job).await,
            _ => executor.set_aside(&self.id, job).await,
        };
        if let Err(error) = done {
            tracing::warn!(%error, %job, "could not clean up what a job left");
        }
        if let Err(error) = self.control.results().revoke(&self.run, job).await {
            tracing::warn!(%error, %job, "what a job was granted is not taken back");
        }
        if !has_more && let Err(error) = executor.forget_handed_down(&self.id) {
            tracing::warn!(%error, "what jobs left to others is not removed");
        }
        let now = self.control.now();
        if let Err(error) = executor.forget_kept(KeepLimits::default(), now).await {
            tracing::warn!(%error, "what old jobs left is not removed");
        }
    }

    /// The directories of a leg, made for the try of the run that it belongs to.
    async fn place(&self, job: &JobKey) -> Result<JobPlace, cutover_executor::Error> {
        let executor = self.control.executor();
        match self.run.resumption(job) {
            Some(Resumption { attempt, from }) if attempt > Attempt::FIRST => {
                executor.prepare_again(&self.id, job, attempt, from).await
            }
            _ => executor.prepare(&self.id, job).await,
        }
    }

    /// Looks at the files of a leg for a condition.
    async fn hash_files(self, job: JobKey, step: StepPath, patterns: Vec<String>) {
        let digest = match self.place(&job).await {
            Err(error) => Err(error.to_string()),
            Ok(place) => {
                let (patterns, home) = (patterns.clone(), self.control.home());
                let hashed = tokio::task::spawn_blocking(move || {
                    hash_files(&place.workspace, home.as_deref(), &patterns)
                });
                hashed
                    .await
                    .unwrap_or_else(|error| Err(format!("the files were not read: {error}")))
            }
        };
        self.mailbox.observe(Input::FilesHashed {
            job,
            step,
            patterns,
            digest,
        });
    }

    /// Starts the step, or finds the one that was started before we were restarted, and tells how
    /// it ended.
    async fn start(self, job: JobKey, step: StepPath, attempt: Attempt) {
        let key = key(&self.id, &job, &step, attempt);
        let input = match self.try_start(&key).await {
            Ok(input) => input,
            Err(reason) => Input::StepExited {
                job,
                step,
                attempt,
                outcome: Outcome::Faulted,
                report: StepReport {
                    reasons: vec![self.control.without_secrets(&reason)],
                    ..StepReport::default()
                },
            },
        };
        self.control.cancels().forget(&key);
        self.mailbox.observe(input);
    }

    async fn try_start(&self, key: &StepKey) -> Result<Input, String> {
        let executor = self.control.executor();
        let place = self
            .place(&key.job)
            .await
            .map_err(|error| error.to_string())?;
        let granted = match self.control.results().granted(&self.run, &key.job) {
            Some(granted) => granted,
            None => self.let_in(key, &place)?,
        };
        executor.border(key, self.is_alone(key)).await;
        if let Some(foreseen) = executor.take_foreseen(key) {
            return self.run_foreseen(foreseen).await;
        }
        let (resolved, masks, around) = self.resolve(key, &place, true)?;
        put_in_place(&self.control, &self.run, key, &place, &resolved.sources).await?;
        let given = (resolved.env, resolved.path_prepend, masks);
        let mut order = self.order(key, given, &granted);
        if let Some(around) = &around {
            let network = around.network.as_deref();
            let why = results::from_inside(&self.control, key, network, &mut order.env).await;
            order.preface.extend(why);
        }
        match resolved.body {
            Body::Script {
                script,
                shell,
                working_directory,
            } => {
                self.run_to_its_end(StepOrder {
                    script,
                    shell,
                    working_directory,
                    containers: around.map(Box::new),
                    ..order
                })
                .await
            }
            Body::Node {
                uses,
                version,
                file,
            } => {
                let order = match around {
                    Some(around) => with_node_inside(order, around, &uses, version, file)?,
                    None => self.with_node(order, &uses, version, file).await?,
                };
                self.run_to_its_end(order).await
            }
            Body::Container(call) => {
                order.containers = Some(containers::of_call(self.at(key, &place), &call, around)?);
                self.run_to_its_end(order).await
            }
            Body::SetUpContainers(wanted) => {
                order.containers = Some(containers::of_job(self.at(key, &place), &wanted)?);
                self.run_to_its_end(order).await
            }
            Body::Builtin { action, with } => {
                let container = containers::of_scripts(self.at(key, &place));
                let context = Context {
                    control: self.control.clone(),
                    run: Arc::clone(&self.run),
                    key: key.clone(),
                    place,
                    with,
                    granted,
                    env: order.env,
                    path_prepend: order.path_prepend,
                    container,
                };
                Ok(self.act(action, context, order.masks).await)
            }
        }
    }

    /// What every step is told.
    fn order(
        &self,
        key: &StepKey,
        (mut env, path_prepend, mut masks): (BTreeMap<String, String>, Vec<String>, Vec<Secret>),
        granted: &Granted,
    ) -> StepOrder {
        env.extend(granted.env.clone());
        masks.extend(granted.masks.iter().cloned());
        StepOrder {
            key: key.clone(),
            script: String::new(),
            program: Vec::new(),
            preface: Vec::new(),
            shell: None,
            working_directory: None,
            env,
            path_prepend,
            masks,
            untrusted: !self.run.may_see_secrets(),
            containers: None,
        }
    }

    /// Has a plain script made ready whose start is being stored. Whatever else a step is, and whatever is
    /// wrong with it, is met when it is started.
    async fn foresee(&self, key: &StepKey) {
        let executor = self.control.executor();
        let place = executor.prepared(&key.run, &key.job);
        let granted = self.control.results().granted(&self.run, &key.job);
        let Some((place, granted)) = place.zip(granted) else {
            return;
        };
        let Ok((resolved, masks, None)) = self.resolve(key, &place, false) else {
            return;
        };
        if let (
            Body::Script {
                script,
                shell,
                working_directory,
            },
            [],
        ) = (resolved.body, &*resolved.sources)
        {
            let given = (resolved.env, resolved.path_prepend, masks);
            let order = StepOrder {
                script,
                shell,
                working_directory,
                ..self.order(key, given, &granted)
            };
            executor.foresee(order).await;
        }
    }

    async fn run_foreseen(&self, foreseen: Foreseen) -> Result<Input, String> {
        let Foreseen { order, ready } = foreseen;
        let started = self.control.executor().start_foreseen(&order.key, ready);
        if started.await.map_err(|error| error.to_string())? {
            return self.attend(order).await;
        }
        self.run_to_its_end(order).await
    }

    /// What the first step of a job finds done: the payload of the event, and the results service.
    fn let_in(&self, key: &StepKey, place: &JobPlace) -> Result<Arc<Granted>, String> {
        self.write_event(place)?;
        let granted = self.control.results().grant(&self.run, &key.job);
        granted.map_err(|error| error.to_string())
    }

    /// Lays the payload of the event where the steps of a job look for it.
    fn write_event(&self, place: &JobPlace) -> Result<(), String> {
        let path = place.temp.join(resolve::EVENT_FILE);
        let (Some(trigger), Some(folder)) = (self.run.trigger(), path.parent()) else {
            return Ok(());
        };
        let payload = trigger.payload.to_string();
        // A job before this one may have left it, as it was or otherwise.
        if fs::read(&path).is_ok_and(|there| there == payload.as_bytes()) {
            return Ok(());
        }
        let wrote = fs::create_dir_all(folder).and_then(|()| fs::write(&path, payload));
        wrote.map_err(|error| format!("could not write `{path}`: {error}"))
    }

    /// Whether no other step of the leg runs, but for the actions around this one.
    fn is_alone(&self, key: &StepKey) -> bool {
        let mut running = self.run.running_steps(&key.job);
        running.all(|path| key.step.0.starts_with(&path.0))
    }

    /// Lets somebody look at a step that failed, when there is somebody.
    async fn looked_at(&self, order: &StepOrder, end: Input) -> Input {
        let (
            Some(onlooker),
            Input::StepExited {
                outcome, report, ..
            },
        ) = (self.control.onlooker(), &end)
        else {
            return end;
        };
        let key = &order.key;
        let cancelled = self.control.cancels().expect(key);
        if *outcome != Outcome::Failed || cancelled.is_cancelled() {
            return end;
        }
        let executor = self.control.executor();
        let visit = match executor.open_visit(order) {
            Ok(visit) => visit,
            Err(error) => {
                tracing::warn!(%error, "nobody can look at the step");
                return end;
            }
        };
        let leg = self.run.job(&key.job);
        let mut steps = leg.iter().flat_map(|leg| &leg.steps);
        let step = steps.find(|step| step.path == key.step);
        let failed = FailedStep {
            job: leg.as_ref().map_or("", |leg| leg.name).to_owned(),
            step: step.map_or_else(String::new, |step| step.name.clone()),
            reasons: report.reasons.clone(),
            visit,
        };
        let look = tokio::select! {
            look = onlooker.look(&failed) => look,
            () = cancelled.cancelled() => Look::Stands,
        };
        let (job, step, attempt) = (key.job.clone(), key.step.clone(), key.attempt);
        let by = onlooker.who();
        match look {
            Look::Stands => {
                executor.leave_visit(&failed.visit);
                end
            }
            Look::Again => {
                executor.leave_visit(&failed.visit);
                let by = by.to_owned();
                Input::StepAgain {
                    job,
                    step,
                    attempt,
                    by,
                }
            }
            Look::Done => match executor.close_visit(order, &failed.visit, by) {
                Ok((outcome, report)) => Input::StepExited {
                    job,
                    step,
                    attempt,
                    outcome,
                    report,
                },
                Err(error) => {
                    tracing::warn!(%error, "what was handed on meanwhile is lost");
                    end
                }
            },
        }
    }

    /// The order for a program of a JavaScript action.
    async fn with_node(
        &self,
        order: StepOrder,
        uses: &str,
        version: u16,
        file: String,
    ) -> Result<StepOrder, String> {
        let base = &self.control.options().base_env;
        let written = order.env.get("PATH").or_else(|| base.get("PATH"));
        let directories = order.path_prepend.iter().chain(written);
        let path: Vec<&str> = directories.map(String::as_str).collect();
        let node = self
            .control
            .nodes()
            .find(&path.join(":"))
            .await
            .map_err(|why| format!("`{uses}` needs node {version}, and {why}"))?;
        must_be_there(uses, &file, &file)?;
        Ok(StepOrder {
            preface: vec![node.line(uses, version)],
            program: vec![node.program.into_string(), file],
            ..order
        })
    }

    fn at<'a>(&'a self, key: &'a StepKey, place: &'a JobPlace) -> containers::At<'a> {
        containers::At {
            control: &self.control,
            run: &self.run,
            key,
            place,
        }
    }

    async fn run_to_its_end(&self, order: StepOrder) -> Result<Input, String> {
        let started = self.control.executor().start(&order);
        started.await.map_err(|error| error.to_string())?;
        self.attend(order).await
    }

    /// Stays with a step that was started, to its end.
    async fn attend(&self, order: StepOrder) -> Result<Input, String> {
        let executor = self.control.executor();
        let key = order.key.clone();
        let looks = self.control.onlooker().is_some() && order.containers.is_none();
        let kept = looks.then_some(order);
        // A cancel that came before there was anything to cancel.
        if self.control.cancels().expect(&key).is_cancelled() {
            let told = executor.cancel(&key).await;
            told.map_err(|error| error.to_string())?;
        }
        let end = self.ended(&key).await?;
        Ok(match kept {
            Some(order) => self.looked_at(&order, end).await,
            None => end,
        })
    }

    async fn ended(&self, key: &StepKey) -> Result<Input, String> {
        let end = self
            .control
            .executor()
            .wait(key)
            .await
            .map_err(|error| error.to_string())?;
        let (job, step, attempt) = (key.job.clone(), key.step.clone(), key.attempt);
        Ok(match end {
            StepEnd::Exited { outcome, report } => Input::StepExited {
                job,
                step,
                attempt,
                outcome,
                report,
            },
            StepEnd::Lost { reason } => Input::StepLost {
                job,
                step,
                attempt,
                retry_safe: false,
                reason,
            },
        })
    }

    async fn act(&self, builtin: Builtin, context: Context, masks: Vec<Secret>) -> Input {
        let (job, step, attempt) = (
            context.key.job.clone(),
            context.key.step.clone(),
            context.key.attempt,
        );
        match action::perform(builtin, context, masks).await {
            ActionEnd::Exited { outcome, report } => Input::StepExited {
                job,
                step,
                attempt,
                outcome,
                report,
            },
            ActionEnd::Interrupted { reason } => Input::StepLost {
                job,
                step,
                attempt,
                retry_safe: true,
                reason,
            },
            ActionEnd::ApprovalNeeded { subject, rule } => Input::ApprovalNeeded {
                job,
                step,
                attempt,
                subject,
                rule,
            },
        }
    }

    /// Secrets meet the step here, and go nowhere but to the executor.
    /// Without `looks`, a step that asks for the files of the workspace is refused.
    fn resolve(
        &self,
        key: &StepKey,
        place: &JobPlace,
        looks: bool,
    ) -> Result<(ResolvedStep, Vec<Secret>, Option<InContainers>), String> {
        let options = self.control.options();
        let executor = self.control.executor();
        let withheld = |wanted: resolve::Withheld<'_>| {
            let kind = match wanted.kind {
                resolve::Kind::Output => HandedKind::Output,
                resolve::Kind::Env => HandedKind::Env,
                resolve::Kind::State => HandedKind::State,
            };
            let found = executor.withheld(&key.run, &key.job, wanted.step, kind, wanted.name);
            found.unwrap_or_else(|error| {
                tracing::error!(%error, "a withheld value cannot be read");
                None
            })
        };
        let home = self.control.home();
        let hash_files = |patterns: &[String]| {
            if !looks {
                return Err("the files are not looked at yet".to_owned());
            }
            hash_files(&place.workspace, home.as_deref(), patterns)
        };
        let server = place::server(&self.control);
        let outside = RunnerFacts {
            exchange: place.exchange(key).to_string(),
            ..place::facts(place)
        };
        let mut given = Given {
            secrets: &options.secrets,
            withheld: &withheld,
            hash_files: &hash_files,
            runner: &outside,
            server: &server,
        };
        let around = containers::around(self.at(key, place), &given)?;
        let passwords = containers::passwords(&self.run, &key.job, &given)?;
        let inside = around
            .as_ref()
            .map(|around| containers::facts_inside(&around.mounts, &outside));
        if let Some(inside) = &inside {
            given.runner = inside;
        }
        let resolved = resolve::step(&self.run, &key.job, &key.step, &given)
            .map_err(|fault| fault.to_string())?;
        let mut masks: Vec<Secret> = resolve::masks(&self.run, &given)
            .into_iter()
            .cloned()
            .chain(passwords)
            .collect();
        masks.extend(resolve::call_masks(&self.run, &key.job, &given));
        Ok((resolved, masks, around))
    }
}

/// The same in the container of the job, which has to bring a `node` of its own.
fn with_node_inside(
    order: StepOrder,
    around: InContainers,
    uses: &str,
    version: u16,
    file: String,
) -> Result<StepOrder, String> {
    let outside = around.mounts.outside(&file);
    must_be_there(
        uses,
        &file,
        outside.as_ref().map_or(&*file, |path| path.as_str()),
    )?;
    let line = format!("{uses} runs on the container's node; it was written for node {version}");
    let mut preface = order.preface;
    preface.push(line);
    Ok(StepOrder {
        preface,
        program: vec!["node".to_owned(), file],
        containers: Some(Box::new(around)),
        ..order
    })
}

/// Whether a program of an action is at this place of the machine.
fn must_be_there(uses: &str, file: &str, place: &str) -> Result<(), String> {
    if camino::Utf8Path::new(place).is_file() {
        return Ok(());
    }
    Err(format!(
        "`{uses}` has no `{file}`; an action in the workspace needs a checkout before it, and what it is \
         built into"
    ))
}
