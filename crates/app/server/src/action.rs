//! The built-in actions: steps that this process does itself, because they speak with the store, the
//! targets or the balancer. Each is idempotent: a second attempt finds what the first one made.

mod artifact;
mod aws;
mod build;
mod cache;
mod checkout;
mod deploy;
mod gate;
mod inside;
mod release;
mod setup;

use std::{collections::BTreeMap, sync::Arc};

use camino::Utf8PathBuf;
use cutover_engine::{Run, containers::RunningContainer};
use cutover_executor::{Begun, BuiltinLog, Handed, JobPlace, StepEnd, StepKey};
use cutover_model::{
    Secret,
    gate::ApprovalRule,
    plan::Builtin,
    project::Project,
    run::{HandedOn, Level, Outcome, Phase, StepReport},
    source::Trigger,
};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{Control, Error, results::Granted};

/// What an action may know and touch.
pub(crate) struct Context {
    pub(crate) control: Control,
    pub(crate) run: Arc<Run>,
    pub(crate) key: StepKey,
    pub(crate) place: JobPlace,
    pub(crate) with: BTreeMap<String, String>,
    pub(crate) granted: Arc<Granted>,
    /// The environment that a script would have in its place.
    pub(crate) env: BTreeMap<String, String>,
    /// Directories before those of `PATH`.
    pub(crate) path_prepend: Vec<String>,
    /// In which scripts of the job run, when it is not the machine.
    pub(crate) container: Option<RunningContainer>,
}

/// How an action ended.
pub(crate) enum ActionEnd {
    Exited {
        outcome: Outcome,
        report: StepReport,
    },
    Interrupted {
        reason: String,
    },
    ApprovalNeeded {
        subject: String,
        rule: ApprovalRule,
    },
}

/// What an action comes to.
pub(crate) enum Done {
    /// It did what it should.
    Succeeded(Left),
    /// Somebody's rule, or what was built, said no.
    Failed(Left, Vec<String>),
    /// A person has to agree first.
    ApprovalNeeded { subject: String, rule: ApprovalRule },
}

/// What an action leaves behind.
#[derive(Default)]
pub(crate) struct Left {
    pub(crate) outputs: BTreeMap<String, String>,
    /// Outputs that may be secrets: those that are go to later steps, and nowhere else.
    pub(crate) withheld: BTreeMap<String, String>,
    pub(crate) summary: Option<String>,
    /// For the environment of later steps; may hold secrets.
    pub(crate) env: BTreeMap<String, String>,
    /// Before the `PATH` of later steps; the last one comes first.
    pub(crate) path: Vec<String>,
    /// For what the same step does after the last one.
    pub(crate) state: BTreeMap<String, String>,
}

impl Left {
    pub(crate) fn output(mut self, name: &str, value: impl Into<String>) -> Self {
        self.outputs.insert(name.to_owned(), value.into());
        self
    }

    pub(crate) fn withheld(mut self, name: &str, value: &str) -> Self {
        self.withheld.insert(name.to_owned(), value.to_owned());
        self
    }

    pub(crate) fn summary(mut self, text: impl Into<String>) -> Self {
        self.summary = Some(text.into());
        self
    }
}

/// The steps that were ordered and have not ended, so that a cancel finds them whatever they are
/// doing, also while they are not yet doing anything.
#[derive(Clone, Default)]
pub(crate) struct Cancels(Arc<Mutex<BTreeMap<StepKey, CancellationToken>>>);

impl Cancels {
    /// What rings when the step is cancelled, from now on.
    pub(crate) fn expect(&self, key: &StepKey) -> CancellationToken {
        self.0.lock().entry(key.clone()).or_default().clone()
    }

    /// Cancels one; harmless when it has ended.
    pub(crate) fn cancel(&self, key: &StepKey) {
        if let Some(token) = self.0.lock().get(key) {
            token.cancel();
        }
    }

    /// It has ended.
    pub(crate) fn forget(&self, key: &StepKey) {
        self.0.lock().remove(key);
    }
}

/// Does what blocks where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, Error> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(format!("it broke off: {error}")))
        .map_err(Error::Refused)
}

/// Does a built-in step, or finds how it ended before we were restarted.
pub(crate) async fn perform(builtin: Builtin, context: Context, masks: Vec<Secret>) -> ActionEnd {
    let (executor, key) = (context.control.executor().clone(), context.key.clone());
    match executor.begun(&key) {
        Ok(Begun::No) => {}
        Ok(Begun::Yes) => {
            let reason = "the server ended while the action was being done".to_owned();
            return ActionEnd::Interrupted { reason };
        }
        Ok(Begun::Ended(end)) => {
            return match *end {
                StepEnd::Exited { outcome, report } => ActionEnd::Exited { outcome, report },
                StepEnd::Lost { reason } => ActionEnd::Interrupted { reason },
            };
        }
        Err(error) => return faulted(error.to_string()),
    }
    let mut log = match executor.builtin_log(&key, &masks).await {
        Ok(log) => log,
        Err(error) => return faulted(error.to_string()),
    };
    let cancelled = context.control.cancels().expect(&key);
    let done = dispatch(builtin, &context, &mut log, &cancelled).await;
    let (outcome, report) = match settle(done, &mut log) {
        ActionEnd::Exited { outcome, report } => (outcome, report),
        other => return other,
    };
    match log.finish(outcome, report) {
        Ok(report) => ActionEnd::Exited { outcome, report },
        Err(error) => faulted(error.to_string()),
    }
}

async fn dispatch(
    builtin: Builtin,
    context: &Context,
    log: &mut BuiltinLog,
    cancelled: &CancellationToken,
) -> Option<Result<Done, Error>> {
    // A deployment is not dropped half-way: it is told to abort, and waited for.
    if builtin == Builtin::Deploy {
        return Some(deploy::perform(context, log, cancelled).await);
    }
    if context.key.step.phase() == Phase::Post {
        return tokio::select! {
            done = cache::save_after(context, log) => Some(done),
            () = cancelled.cancelled() => None,
        };
    }
    let work = async {
        match builtin {
            Builtin::Checkout => checkout::perform(context, log).await,
            Builtin::Gate => gate::perform(context, log).await,
            Builtin::Release => release::perform(context, log).await,
            Builtin::Build => build::perform(context, log).await,
            Builtin::Deploy => deploy::perform(context, log, cancelled).await,
            Builtin::Cache => cache::restore(context, log, true).await,
            Builtin::CacheRestore => cache::restore(context, log, false).await,
            Builtin::CacheSave => cache::save(context, log).await,
            Builtin::UploadArtifact => artifact::upload(context, log).await,
            Builtin::DownloadArtifact => artifact::download(context, log).await,
            Builtin::SetupNode
            | Builtin::SetupPython
            | Builtin::SetupGo
            | Builtin::SetupJava
            | Builtin::SetupRust
            | Builtin::RustToolchain
            | Builtin::SetupTerraform => setup::perform(builtin, context, log).await,
            Builtin::AwsCredentials => aws::credentials(context, log).await,
            Builtin::EcrLogin => aws::login(context, log).await,
        }
    };
    tokio::select! {
        done = work => Some(done),
        () = cancelled.cancelled() => None,
    }
}

fn settle(done: Option<Result<Done, Error>>, log: &mut BuiltinLog) -> ActionEnd {
    let (mut outcome, mut left, mut reasons) = match done {
        None => (
            Outcome::Cancelled,
            Left::default(),
            vec!["cancelled".to_owned()],
        ),
        Some(Ok(Done::Succeeded(left))) => (Outcome::Succeeded, left, Vec::new()),
        Some(Ok(Done::Failed(left, reasons))) => (Outcome::Failed, left, reasons),
        Some(Ok(Done::ApprovalNeeded { subject, rule })) => {
            return ActionEnd::ApprovalNeeded { subject, rule };
        }
        Some(Err(error)) => {
            let outcome = match error {
                Error::Refused(_)
                | Error::NotFound(_)
                | Error::Ambiguous(_)
                | Error::Malformed(_)
                | Error::Invalid(_) => Outcome::Failed,
                _ => Outcome::Faulted,
            };
            (outcome, Left::default(), vec![error.to_string()])
        }
    };
    // What a step hands on goes into the event log and onto the page.
    for (name, value) in std::mem::take(&mut left.outputs) {
        if log.is_secret(&value) {
            outcome = Outcome::Failed;
            reasons.push(format!(
                "output `{name}` holds a secret; it is not handed on"
            ));
        } else {
            left.outputs.insert(name, value);
        }
    }
    for reason in &reasons {
        log.remark(Level::Error, reason);
    }
    let mut report = StepReport {
        summary: left.summary.map(|text| log.mask(&text)),
        reasons: reasons.iter().map(|reason| log.mask(reason)).collect(),
        path: left.path,
        ..StepReport::default()
    };
    left.outputs.append(&mut left.withheld);
    let handed = Handed {
        outputs: left.outputs,
        env: left.env,
        state: left.state,
    };
    match log.hand_on(handed, &mut report) {
        Ok(()) => ActionEnd::Exited { outcome, report },
        Err(error) => faulted(error.to_string()),
    }
}

fn faulted(reason: String) -> ActionEnd {
    let report = StepReport {
        reasons: vec![reason],
        ..StepReport::default()
    };
    ActionEnd::Exited {
        outcome: Outcome::Faulted,
        report,
    }
}

impl Context {
    /// An input that is not empty.
    pub(crate) fn input(&self, name: &str) -> Option<&str> {
        self.with
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// An input of several lines; blank ones say nothing.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let text = self.input(name).unwrap_or_default();
        let lines = text.lines().map(str::trim);
        lines
            .filter(|line| !line.is_empty())
            .map(ToOwned::to_owned)
            .collect()
    }

    /// An input of several words, with commas or blanks between them.
    pub(crate) fn words(&self, name: &str) -> Vec<String> {
        let text = self.input(name).unwrap_or_default();
        let words = text.split(|c: char| c == ',' || c.is_whitespace());
        words
            .filter(|word| !word.is_empty())
            .map(ToOwned::to_owned)
            .collect()
    }

    /// An input that is true or false.
    pub(crate) fn flag(&self, name: &str, usual: bool) -> Result<bool, Error> {
        match self.input(name) {
            None => Ok(usual),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => Err(Error::Refused(format!(
                "`{name}: {text}` is neither `true` nor `false`"
            ))),
        }
    }

    /// An input that is a number from 0.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Error> {
        let Some(text) = self.input(name) else {
            return Ok(None);
        };
        let number = text.parse();
        let number = number
            .map_err(|_| Error::Refused(format!("`{name}: {text}` is not a number from 0")))?;
        Ok(Some(number))
    }

    /// What `~` stands for.
    pub(crate) fn home(&self) -> Option<Utf8PathBuf> {
        let own = self.env.get("HOME").filter(|home| home.starts_with('/'));
        own.map(Utf8PathBuf::from).or_else(|| self.control.home())
    }

    /// Where programs are looked for, in order.
    pub(crate) fn path(&self) -> impl Iterator<Item = &str> {
        let usual = self
            .env
            .get("PATH")
            .or_else(|| self.control.base_env().get("PATH"));
        let usual = usual.map(String::as_str).unwrap_or_default();
        let added = self.path_prepend.iter().map(String::as_str);
        added.chain(usual.split(':').filter(|part| !part.is_empty()))
    }

    /// What the same step has remembered.
    pub(crate) fn state(&self, name: &str) -> Option<HandedOn> {
        let job = self.run.job(&self.key.job)?;
        let main = self.key.step.in_phase(Phase::Main);
        let step = job.steps.into_iter().find(|step| step.path == main)?;
        step.report?.state.get(name).cloned()
    }

    /// What started the run.
    pub(crate) fn trigger(&self) -> Result<&Trigger, Error> {
        self.run
            .trigger()
            .ok_or_else(|| Error::NotFound("the run does not exist yet".to_owned()))
    }

    /// `cutover.yml` of the run's revision.
    pub(crate) fn project(&self) -> Result<&Project, Error> {
        self.run
            .plan()
            .and_then(|plan| plan.project.as_ref())
            .ok_or_else(|| {
                Error::NotFound("there is no `cutover.yml` at the root of the sources".to_owned())
            })
    }

    /// The service that is meant: the one named, else the only one.
    pub(crate) fn service(&self) -> Result<(&str, &cutover_model::project::Service), Error> {
        let services = &self.project()?.services;
        let names = || services.keys().cloned().collect::<Vec<_>>().join("`, `");
        match self.input("service") {
            Some(name) => services
                .get_key_value(name)
                .map(|(name, service)| (name.as_str(), service))
                .ok_or_else(|| {
                    Error::NotFound(format!(
                        "no service `{name}` in `cutover.yml`; there is `{}`",
                        names()
                    ))
                }),
            None => match services.iter().next() {
                Some((name, service)) if services.len() == 1 => Ok((name, service)),
                Some(_) => Err(Error::Refused(format!(
                    "say which with `service:`: `{}`",
                    names()
                ))),
                None => Err(Error::NotFound("`cutover.yml` names no service".to_owned())),
            },
        }
    }
}
