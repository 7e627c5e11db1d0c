//! The built-in actions: steps that this process does itself, because they speak with the store, the
//! targets or the balancer. Each is idempotent: a second attempt finds what the first one made.

mod build;
mod checkout;
mod deploy;
mod gate;
mod release;

use std::{collections::BTreeMap, sync::Arc};

use cutover_engine::Run;
use cutover_executor::{Begun, BuiltinLog, JobPlace, StepEnd, StepKey};
use cutover_model::{
    Secret,
    gate::ApprovalRule,
    plan::Builtin,
    project::Project,
    run::{HandedOn, Outcome, StepReport},
    source::Trigger,
};
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{Control, Error};

/// What an action may know and touch.
pub(crate) struct Context {
    pub(crate) control: Control,
    pub(crate) run: Arc<Run>,
    pub(crate) key: StepKey,
    pub(crate) place: JobPlace,
    pub(crate) with: BTreeMap<String, String>,
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
    pub(crate) summary: Option<String>,
}

impl Left {
    pub(crate) fn output(mut self, name: &str, value: impl Into<String>) -> Self {
        self.outputs.insert(name.to_owned(), value.into());
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

/// Does a built-in step, or finds how it ended before we were restarted.
pub(crate) async fn perform(builtin: Builtin, context: Context, masks: Vec<Secret>) -> ActionEnd {
    let (executor, key) = (context.control.executor().clone(), context.key.clone());
    match executor.begun(&key) {
        Ok(Begun::No) => {}
        Ok(Begun::Yes) => {
            let reason = "the server ended while the action was being done".to_owned();
            return ActionEnd::Interrupted { reason };
        }
        Ok(Begun::Ended(StepEnd::Exited { outcome, report })) => {
            return ActionEnd::Exited { outcome, report };
        }
        Ok(Begun::Ended(StepEnd::Lost { reason })) => return ActionEnd::Interrupted { reason },
        Err(error) => return faulted(error.to_string()),
    }
    let mut log = match executor.builtin_log(&key, &masks).await {
        Ok(log) => log,
        Err(error) => return faulted(error.to_string()),
    };
    let cancelled = context.control.cancels().expect(&key);
    let done = dispatch(builtin, &context, &mut log, &cancelled).await;
    let end = settle(done, &mut log);
    if let ActionEnd::Exited { outcome, report } = &end
        && let Err(error) = log.finish(*outcome, report.clone())
    {
        return faulted(error.to_string());
    }
    end
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
    let work = async {
        match builtin {
            Builtin::Checkout => checkout::perform(context, log).await,
            Builtin::Gate => gate::perform(context, log).await,
            Builtin::Release => release::perform(context, log).await,
            Builtin::Build => build::perform(context, log).await,
            Builtin::Deploy => deploy::perform(context, log, cancelled).await,
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
                Error::Refused(_) | Error::NotFound(_) | Error::Invalid(_) => Outcome::Failed,
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
        log.line(&format!("::error::{reason}"));
    }
    let reasons = reasons.iter().map(|reason| log.mask(reason)).collect();
    let summary = left.summary.map(|text| log.mask(&text));
    let outputs = left
        .outputs
        .into_iter()
        .map(|(name, value)| (name, HandedOn::Plain(value)));
    let report = StepReport {
        outputs: outputs.collect(),
        summary,
        reasons,
        ..StepReport::default()
    };
    ActionEnd::Exited { outcome, report }
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
