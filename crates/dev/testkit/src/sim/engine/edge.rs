//! The edge of the simulation: runners, processes, timers and an outbox. Runners, processes and what
//! they left survive the server; timers and answers on their way do not. Asked twice, done once.

use std::collections::{BTreeMap, BTreeSet};

use cutover_engine::{Effect, Input, TimerKey};
use cutover_model::{
    Timestamp,
    gate::ApprovalRule,
    plan::MAX_BACKGROUND,
    run::{Attempt, HandedOn, JobKey, Outcome, Runner, StepPath, StepReport},
};

/// One try of one step.
pub(super) type Address = (JobKey, StepPath, Attempt);

/// What became of one try of one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Process {
    /// It runs; whether it was told to end.
    Running { told: bool },
    /// It ended, and its record says how.
    Exited(Outcome, StepReport),
    /// It ended with a question to people.
    Asked(ApprovalRule),
    /// It is gone, and left no record.
    Gone,
}

#[derive(Debug, Default)]
pub(super) struct Edge {
    /// Legs that want a runner, and whether they have one.
    pub(super) runners: BTreeMap<JobKey, bool>,
    pub(super) processes: BTreeMap<Address, Process>,
    pub(super) finished: BTreeSet<JobKey>,
    /// Concurrency groups that were asked for, and whether they were given.
    pub(super) groups: BTreeMap<Option<JobKey>, bool>,
    /// Whose groups were given back.
    pub(super) released: BTreeSet<Option<JobKey>>,
    /// Steps of jobs that go in the background.
    pub(super) background: BTreeSet<(String, u16)>,
    /// Steps whose conditions have asked for files.
    pub(super) hashed: BTreeSet<(JobKey, StepPath)>,
    pub(super) outbox: BTreeSet<(String, String)>,
    /// Lost with the server.
    pub(super) timers: BTreeMap<TimerKey, Timestamp>,
    /// Those that rang since the server came up.
    pub(super) rung: BTreeSet<TimerKey>,
    /// Answers on their way; lost with the server.
    pub(super) answers: Vec<Input>,
    /// Steps that may be started twice.
    pub(super) retry_safe: BTreeSet<(String, StepPath)>,
}

impl Edge {
    /// Does what is asked; says what must never be asked.
    pub(super) fn perform(&mut self, effect: Effect) -> Result<(), String> {
        match effect {
            Effect::AcquireRunner { job, .. } => {
                if self.finished.contains(&job) {
                    return Err(format!("a runner for {job}, which has ended"));
                }
                if *self.runners.entry(job.clone()).or_insert(false) {
                    self.answers.push(assigned(job));
                }
            }
            Effect::StartStep { job, step, attempt } => self.start((job, step, attempt))?,
            Effect::CancelStep { job, step, attempt } => {
                let address = (job, step, attempt);
                match self.processes.get_mut(&address) {
                    Some(Process::Running { told }) => *told = true,
                    Some(_) => self.answer(&address),
                    None => return Err(format!("cancel of {address:?}, which was never started")),
                }
            }
            Effect::HashFiles {
                job,
                step,
                patterns,
            } => {
                if self.runners.get(&job) != Some(&true) {
                    return Err(format!("files of {job}, which has no runner"));
                }
                self.hashed.insert((job.clone(), step.clone()));
                self.answers.push(Input::FilesHashed {
                    job,
                    step,
                    patterns,
                    digest: Ok("abc".to_owned()),
                });
            }
            Effect::AcquireGroup { job, .. } => {
                if self.released.contains(&job) {
                    return Err(format!("a group for {job:?}, which has ended"));
                }
                if *self.groups.entry(job.clone()).or_insert(false) {
                    self.answers.push(Input::GroupTaken { job });
                }
            }
            Effect::ReleaseGroup { job, .. } => {
                self.groups.remove(&job);
                self.released.insert(job);
            }
            Effect::FinishJob { job } => {
                if let Some(address) = self.running(&job) {
                    return Err(format!("{job} has ended, and {address:?} runs"));
                }
                self.runners.remove(&job);
                self.groups.remove(&Some(job.clone()));
                self.released.insert(Some(job.clone()));
                self.finished.insert(job);
            }
            Effect::WakeAt { at, timer } => {
                self.timers.insert(timer, at);
            }
            Effect::Notify { topic, text } => {
                self.outbox.insert((topic, text));
            }
        }
        Ok(())
    }

    fn start(&mut self, address: Address) -> Result<(), String> {
        if self.processes.contains_key(&address) {
            self.answer(&address);
            return Ok(());
        }
        let (job, step, attempt) = &address;
        if let Some(other) = self.in_its_way(job, step) {
            return Err(format!("{address:?} starts while {other:?} runs"));
        }
        if self.runners.get(job) != Some(&true) {
            return Err(format!("{address:?} starts without a runner"));
        }
        let newest = self
            .processes
            .range((job.clone(), step.clone(), Attempt(0))..)
            .take_while(|((other, path, _), _)| other == job && path == step)
            .last();
        if let Some(((_, _, newest), _)) = newest
            && newest >= attempt
        {
            return Err(format!("{address:?} starts after attempt {newest}"));
        }
        self.processes
            .insert(address, Process::Running { told: false });
        Ok(())
    }

    /// What runs and may not while this step does: another of the same action, or another that is not
    /// in the background, or, for one of those, ten others.
    fn in_its_way(&self, job: &JobKey, step: &StepPath) -> Option<&Address> {
        let is_background = |path: &StepPath| {
            let root = path.0.first().copied().unwrap_or_default();
            self.background.contains(&(job.job().to_owned(), root))
        };
        let running: Vec<&Address> = self
            .processes
            .iter()
            .filter(|((key, _, _), process)| {
                key == job && matches!(process, Process::Running { .. })
            })
            .map(|(address, _)| address)
            .collect();
        let beside = running.iter().filter(|(_, path, _)| is_background(path));
        if is_background(step) && beside.count() >= MAX_BACKGROUND {
            return running.first().copied();
        }
        running.into_iter().find(|(_, path, _)| {
            let same = path.0.first() == step.0.first();
            same || !is_background(path) && !is_background(step)
        })
    }

    fn running(&self, job: &JobKey) -> Option<&Address> {
        self.processes
            .iter()
            .find(|((key, _, _), process)| key == job && matches!(process, Process::Running { .. }))
            .map(|(address, _)| address)
    }

    /// Sends what is known of a try that has ended.
    pub(super) fn answer(&mut self, address: &Address) {
        let (job, step, attempt) = address.clone();
        let retry_safe = self
            .retry_safe
            .contains(&(job.job().to_owned(), step.clone()));
        let answer = match self.processes.get(address) {
            None | Some(Process::Running { .. }) => return,
            Some(Process::Exited(outcome, report)) => Input::StepExited {
                job,
                step,
                attempt,
                outcome: *outcome,
                report: report.clone(),
            },
            Some(Process::Asked(rule)) => Input::ApprovalNeeded {
                job,
                step,
                attempt,
                subject: "hello 2.0.0".to_owned(),
                rule: rule.clone(),
            },
            Some(Process::Gone) => Input::StepLost {
                job,
                step,
                attempt,
                retry_safe,
                reason: "it is gone".to_owned(),
            },
        };
        self.answers.push(answer);
    }

    /// Whether what is owed has been asked here.
    pub(super) fn knows(&self, effect: &Effect) -> bool {
        match effect {
            Effect::AcquireRunner { job, .. } => self.runners.contains_key(job),
            Effect::StartStep { job, step, attempt } => {
                self.processes
                    .contains_key(&(job.clone(), step.clone(), *attempt))
            }
            Effect::CancelStep { job, step, attempt } => {
                let address = (job.clone(), step.clone(), *attempt);
                self.processes
                    .get(&address)
                    .is_some_and(|process| *process != Process::Running { told: false })
            }
            Effect::HashFiles { job, step, .. } => {
                self.hashed.contains(&(job.clone(), step.clone()))
            }
            Effect::AcquireGroup { job, .. } => self.groups.contains_key(job),
            Effect::ReleaseGroup { job, .. } => self.released.contains(job),
            Effect::FinishJob { job } => self.finished.contains(job),
            Effect::WakeAt { timer, .. } => {
                self.timers.contains_key(timer) || self.rung.contains(timer)
            }
            Effect::Notify { topic, text } => self.outbox.contains(&(topic.clone(), text.clone())),
        }
    }

    /// The server is gone, and with it all that was on its way to it.
    pub(super) fn forget(&mut self) {
        self.timers.clear();
        self.rung.clear();
        self.answers.clear();
    }

    /// Rings all timers whose time has come.
    pub(super) fn ring(&mut self, now: Timestamp) {
        let due: Vec<TimerKey> = self
            .timers
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(timer, _)| timer.clone())
            .collect();
        for timer in due {
            self.timers.remove(&timer);
            self.rung.insert(timer.clone());
            self.answers.push(Input::Woke { timer });
        }
    }
}

pub(super) fn assigned(job: JobKey) -> Input {
    Input::RunnerAssigned {
        job,
        runner: Runner {
            name: "here".to_owned(),
            os: "Linux".to_owned(),
            arch: "X64".to_owned(),
            ..Runner::default()
        },
    }
}

/// What a step leaves that has gone well, or not.
pub(super) fn report(plain: bool) -> StepReport {
    let value = if plain {
        HandedOn::Plain("x".to_owned())
    } else {
        HandedOn::Withheld
    };
    StepReport {
        outputs: BTreeMap::from([("out".to_owned(), value.clone())]),
        env: BTreeMap::from([("OUT".to_owned(), value)]),
        ..StepReport::default()
    }
}
