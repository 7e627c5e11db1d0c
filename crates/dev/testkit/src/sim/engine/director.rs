//! Chooses what happens next, lets it happen, and has everything checked.

use std::collections::{BTreeMap, BTreeSet};

use cutover_engine::{Effect, Input, Run, Wish, decide, effects, evolve, outstanding};
use cutover_model::{
    Duration, RunId, Timestamp,
    event::{Recorded, RunEvent},
    plan::{StepBody, StepSpec},
    run::{JobKey, Outcome, StepPath},
};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::{
    Failure, Stats, check,
    edge::{self, Address, Edge, Process},
    plans::{self, PEOPLE},
};

/// How long everything may go wrong.
const TROUBLE: u64 = 150;
/// How long everything may go wrong when a run is done once more.
const TROUBLE_AGAIN: u64 = 40;
/// How soon after that a run must have ended.
const PATIENCE: u64 = 5_000;
/// How many old answers are kept to be repeated.
const MEMORY: usize = 40;

/// One course of the world: trouble first, then peace, in which the run must end.
pub fn simulate(seed: u64) -> Result<Stats, Failure> {
    let mut world = World::new(seed);
    world.live().map_err(|what| Failure {
        seed,
        step: world.stats.steps,
        what,
    })?;
    Ok(world.stats)
}

struct World {
    rng: SmallRng,
    now: Timestamp,
    /// The store: each event as text, so that a replay reads what was written.
    log: Vec<String>,
    run: Run,
    edge: Edge,
    story: check::Story,
    /// Answers that were given once.
    heard: Vec<Input>,
    stats: Stats,
    /// Until which step everything may go wrong.
    trouble_until: u64,
}

impl World {
    fn new(seed: u64) -> Self {
        Self {
            rng: SmallRng::seed_from_u64(seed),
            now: Timestamp(1_700_000_000_000),
            log: Vec::new(),
            run: Run::default(),
            edge: Edge::default(),
            story: check::Story::default(),
            heard: Vec::new(),
            stats: Stats::default(),
            trouble_until: 0,
        }
    }

    fn live(&mut self) -> Result<(), String> {
        self.begin()?;
        self.trouble_until = TROUBLE;
        self.live_to_the_end()?;
        while self.rng.random_bool(0.4) && self.retry()? {
            self.trouble_until = self.stats.steps + TROUBLE_AGAIN;
            self.live_to_the_end()?;
        }
        match self.run.state().outcome() {
            Some(Outcome::Succeeded) => self.stats.succeeded += 1,
            Some(Outcome::Faulted) => self.stats.faulted += 1,
            Some(Outcome::Cancelled) => self.stats.cancelled += 1,
            Some(_) => self.stats.failed += 1,
            None => return Err("it ended without an outcome".to_owned()),
        }
        Ok(())
    }

    fn live_to_the_end(&mut self) -> Result<(), String> {
        let patience = self.trouble_until + PATIENCE;
        while self.stats.steps < self.trouble_until {
            self.stats.steps += 1;
            self.trouble()?;
            check::state(&self.run)?;
        }
        // Whatever answer was lost is asked for again by whoever comes up after a crash.
        self.crash()?;
        while !(self.run.state().is_finished() && self.edge.answers.is_empty()) {
            self.stats.steps += 1;
            if self.stats.steps > patience {
                return Err(format!("it does not end: {:?}", self.run.state()));
            }
            self.peace()?;
            check::state(&self.run)?;
            check::owed(&self.run, &self.edge)?;
        }
        check::end(&self.run, &self.edge)?;
        self.replay()
    }

    /// Somebody wants more of a run that has ended; whether there was anything to want.
    fn retry(&mut self) -> Result<bool, String> {
        let jobs: Vec<JobKey> = self.run.jobs().map(|job| job.key).collect();
        let wish = if self.rng.random_bool(0.7) {
            Wish::Failed
        } else {
            Wish::Job(jobs[self.rng.random_range(0..jobs.len())].0.clone())
        };
        let Ok(mut legs) = self.run.wished(&wish) else {
            return Ok(false);
        };
        for leg in &mut legs {
            // The edge has not kept what the leg worked in.
            if self.rng.random_bool(0.3) {
                leg.from = None;
            }
        }
        let by = "grace".to_owned();
        let input = Input::Retry { by, legs };
        let events = decide(&self.run, self.now, input.clone()).map_err(|error| error.0)?;
        if let Some(RunEvent::RunRetried { legs, jobs, .. }) = events.first() {
            let goes_on = |key: &JobKey| {
                legs.iter().any(|leg| leg.key == *key) || jobs.iter().any(|job| job == key.job())
            };
            self.edge.finished.retain(|key| !goes_on(key));
            self.edge
                .released
                .retain(|key| key.as_ref().is_some_and(|key| !goes_on(key)));
        }
        // Whoever drove it to its end is gone, and what was on its way to it.
        self.edge.forget();
        self.heard.clear();
        self.stats.retried += 1;
        self.say(input)?;
        Ok(true)
    }

    fn begin(&mut self) -> Result<(), String> {
        let plan = plans::plan(&mut self.rng);
        for job in &plan.jobs {
            let mut safe = Vec::new();
            retry_safe(&StepPath::default(), &job.steps, &mut safe);
            for (index, step) in (0..).zip(&job.steps) {
                if step.background {
                    self.edge.background.insert((job.id.clone(), index));
                }
            }
            let named = safe.into_iter().map(|path| (job.id.clone(), path));
            self.edge.retry_safe.extend(named);
        }
        let create = Input::Create {
            run: RunId::from_parts(1, u128::from(self.rng.random::<u64>())),
            number: 1,
            plan: Box::new(plan),
            trigger: Box::new(plans::trigger(&mut self.rng)),
            vars: BTreeMap::new(),
            secrets: BTreeSet::new(),
        };
        self.say(create)
    }

    /// Something happens; most of it is unpleasant.
    fn trouble(&mut self) -> Result<(), String> {
        match self.rng.random_range(0..100) {
            0..=34 => return self.deliver(0.15),
            35..=45 => self.give_a_runner(0.2),
            46..=48 => self.give_a_group(0.2),
            49 => self.lose_a_group(),
            50..=67 => self.end_a_process(0.2),
            68..=72 => self.lose_a_process(),
            73..=76 => {
                let back = self.rng.random_range(0..3_600_000);
                self.now = Timestamp(self.now.0 - back);
            }
            77..=84 => {
                let minutes = self.rng.random_range(0..20);
                self.now = self.now + Duration::from_mins(minutes);
                self.edge.ring(self.now);
            }
            85..=90 => return self.answer_a_question(0.2),
            91..=94 => return self.repeat(),
            95..=97 => return self.crash(),
            _ => return self.cancel(0.12),
        }
        Ok(())
    }

    /// Things go as they should, until nothing but time can change anything.
    fn peace(&mut self) -> Result<(), String> {
        if !self.edge.answers.is_empty() {
            return self.deliver(0.0);
        }
        if self.edge.runners.values().any(|given| !given) {
            self.give_a_runner(0.0);
            return Ok(());
        }
        if self.edge.groups.values().any(|given| !given) {
            self.give_a_group(0.0);
            return Ok(());
        }
        if self.a_running_process().is_some() {
            self.end_a_process(0.0);
            return Ok(());
        }
        if self.run.approvals().next().is_some() && self.rng.random_bool(0.8) {
            return self.answer_a_question(0.0);
        }
        let next = self.edge.timers.values().min().copied();
        match next {
            Some(at) => {
                self.now = self.now.max(at);
                self.edge.ring(self.now);
                Ok(())
            }
            None => Err("nothing is left that could happen".to_owned()),
        }
    }

    /// Hands an answer to the server; sometimes it stays on its way and comes again.
    fn deliver(&mut self, twice: f64) -> Result<(), String> {
        if self.edge.answers.is_empty() {
            return Ok(());
        }
        let place = self.rng.random_range(0..self.edge.answers.len());
        let answer = if self.rng.random_bool(twice) {
            self.edge.answers[place].clone()
        } else {
            self.edge.answers.swap_remove(place)
        };
        if self.heard.len() < MEMORY {
            self.heard.push(answer.clone());
        }
        self.observe(answer)
    }

    /// Says again what was said long ago.
    fn repeat(&mut self) -> Result<(), String> {
        if self.heard.is_empty() {
            return Ok(());
        }
        let place = self.rng.random_range(0..self.heard.len());
        let answer = self.heard[place].clone();
        self.observe(answer)
    }

    fn observe(&mut self, answer: Input) -> Result<(), String> {
        let before = self.log.len();
        self.say(answer)?;
        if self.log.len() == before {
            self.stats.stale += 1;
        }
        Ok(())
    }

    fn give_a_runner(&mut self, lost: f64) {
        let waiting = self.edge.runners.iter().find(|(_, given)| !**given);
        let Some(job) = waiting.map(|(job, _)| job.clone()) else {
            return;
        };
        self.edge.runners.insert(job.clone(), true);
        if !self.rng.random_bool(lost) {
            self.edge.answers.push(edge::assigned(job));
        }
    }

    fn give_a_group(&mut self, lost: f64) {
        let waiting = self.edge.groups.iter().find(|(_, given)| !**given);
        let Some(job) = waiting.map(|(job, _)| job.clone()) else {
            return;
        };
        if self.rng.random_bool(0.3) {
            let holder = "run #0".to_owned();
            let job = job.clone();
            self.edge.answers.push(Input::GroupHeld { job, holder });
        }
        self.edge.groups.insert(job.clone(), true);
        if !self.rng.random_bool(lost) {
            self.edge.answers.push(Input::GroupTaken { job });
        }
    }

    fn lose_a_group(&mut self) {
        if let Some(job) = self.edge.groups.keys().next().cloned() {
            let by = "run #2".to_owned();
            self.edge.answers.push(Input::GroupLost { job, by });
        }
    }

    fn a_running_process(&mut self) -> Option<(Address, bool)> {
        let running: Vec<(&Address, bool)> = self
            .edge
            .processes
            .iter()
            .filter_map(|(address, process)| match process {
                Process::Running { told } => Some((address, *told)),
                Process::Exited(..) | Process::Asked(_) | Process::Gone => None,
            })
            .collect();
        if running.is_empty() {
            return None;
        }
        let place = self.rng.random_range(0..running.len());
        let (address, told) = running[place];
        Some((address.clone(), told))
    }

    fn end_a_process(&mut self, lost: f64) {
        let Some((address, told)) = self.a_running_process() else {
            return;
        };
        let (job, step, attempt) = &address;
        let asks = self
            .edge
            .retry_safe
            .contains(&(job.job().to_owned(), step.clone()))
            && attempt.0 < 4;
        let end = match self.rng.random_range(0..20) {
            _ if told && self.rng.random_bool(0.8) => Outcome::Cancelled,
            0..=2 => Outcome::Failed,
            3 => Outcome::Faulted,
            4 => Outcome::TimedOut,
            _ => Outcome::Succeeded,
        };
        let process = if asks && !told && self.rng.random_bool(0.3) {
            self.stats.questions += 1;
            Process::Asked(plans::rule(&mut self.rng))
        } else {
            Process::Exited(end, edge::report(self.rng.random_bool(0.8)))
        };
        let is_failure = matches!(process, Process::Exited(Outcome::Failed, _));
        self.edge.processes.insert(address.clone(), process);
        if is_failure && attempt.0 < 4 && self.rng.random_bool(0.2) {
            let (job, step, attempt) = address;
            let by = "ada".to_owned();
            self.edge.answers.push(Input::StepAgain {
                job,
                step,
                attempt,
                by,
            });
        } else if !self.rng.random_bool(lost) {
            self.edge.answer(&address);
        }
    }

    fn lose_a_process(&mut self) {
        if let Some((address, _)) = self.a_running_process() {
            self.stats.lost += 1;
            self.edge.processes.insert(address.clone(), Process::Gone);
            self.edge.answer(&address);
        }
    }

    fn answer_a_question(&mut self, no: f64) -> Result<(), String> {
        let gates: Vec<_> = self
            .run
            .approvals()
            .map(|open| open.approval.gate.clone())
            .collect();
        if gates.is_empty() {
            return Ok(());
        }
        let gate = gates[self.rng.random_range(0..gates.len())].clone();
        let by = plans::pick(&mut self.rng, &PEOPLE).to_owned();
        let comment = None;
        let answer = if self.rng.random_bool(no) {
            Input::Reject { gate, by, comment }
        } else {
            Input::Approve { gate, by, comment }
        };
        self.command(answer)
    }

    fn cancel(&mut self, chance: f64) -> Result<(), String> {
        if !self.rng.random_bool(chance) {
            return Ok(());
        }
        self.command(Input::Cancel {
            by: "ada".to_owned(),
            reason: None,
        })
    }

    /// A command may be refused: then nothing has changed.
    fn command(&mut self, input: Input) -> Result<(), String> {
        match decide(&self.run, self.now, input.clone()) {
            Ok(_) => self.say(input),
            Err(_) => Ok(()),
        }
    }

    /// The server's loop: decide, append, and only then act. It may die in between.
    fn say(&mut self, input: Input) -> Result<(), String> {
        let decided = decide(&self.run, self.now, input.clone()).map_err(|error| error.0)?;
        let again = decide(&self.run, self.now, input).map_err(|error| error.0)?;
        if decided != again {
            return Err("the same input gave other events".to_owned());
        }
        let mut todo: Vec<Effect> = Vec::new();
        for event in decided {
            let recorded = Recorded {
                version: self.run.version() + 1,
                at: self.now,
                event,
            };
            self.story.hear(&recorded)?;
            self.stats.events += 1;
            let text = serde_json::to_string(&recorded).map_err(|error| error.to_string())?;
            self.log.push(text);
            evolve(&mut self.run, self.now, &recorded.event);
            todo.extend(effects(&self.run, self.now, &recorded.event));
        }
        let mut todo = todo.into_iter();
        while let Some(effect) = todo.next() {
            if self.stats.steps < self.trouble_until && self.rng.random_bool(0.05) {
                self.crash()?;
                let undone = std::iter::once(effect).chain(todo);
                return check::made_good(&self.run, &self.edge, undone);
            }
            self.edge.perform(effect)?;
        }
        check::owed(&self.run, &self.edge)
    }

    /// The server dies, comes up, reads its log and does what is owed.
    fn crash(&mut self) -> Result<(), String> {
        self.stats.crashes += 1;
        self.edge.forget();
        self.replay()?;
        for effect in outstanding(&self.run) {
            self.edge.perform(effect)?;
        }
        check::owed(&self.run, &self.edge)
    }

    fn replay(&mut self) -> Result<(), String> {
        let mut replayed = Run::default();
        for text in &self.log {
            let recorded: Recorded<RunEvent> =
                serde_json::from_str(text).map_err(|error| error.to_string())?;
            evolve(&mut replayed, recorded.at, &recorded.event);
        }
        if replayed != self.run {
            return Err("a replay of the log gives another state".to_owned());
        }
        self.run = replayed;
        Ok(())
    }
}

/// The built-in actions: they find what they made before.
fn retry_safe(level: &StepPath, steps: &[StepSpec], found: &mut Vec<StepPath>) {
    for (index, step) in steps.iter().enumerate() {
        let path = level.child(index);
        match &step.body {
            StepBody::Builtin { .. } => found.push(path),
            StepBody::Composite { steps, .. } => retry_safe(&path, steps, found),
            StepBody::Run { .. }
            | StepBody::Lacking { .. }
            | StepBody::Action(_)
            | StepBody::Container(_)
            | StepBody::Wait { .. }
            | StepBody::WaitAll
            | StepBody::CancelStep { .. }
            | StepBody::SetUpContainers => {}
        }
    }
}
