//! Chooses what happens next: first among everything that can go wrong, then, when the faults have
//! stopped, only what must happen anyway.

use std::collections::VecDeque;

use cutover_model::{Timestamp, delivery::Judgement, event::DeploymentEvent, run::Outcome};
use cutover_rollout::{Effect, Input, TimerKey};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

use super::{
    Failure, Stats,
    actor::Actor,
    cast, check,
    place::{Health, Place},
    world::{Done, Split, World},
};

/// How much happens before the faults stop.
const HOSTILE_STEPS: u32 = 400;
/// How much may happen after that until all must have ended.
const CALM_STEPS: u32 = 5_000;
/// How many lines a failure tells.
const TRAIL: usize = 60;

/// What comes when its time has come.
#[derive(Debug, Clone)]
pub(super) enum Ring {
    Timer(TimerKey),
    /// The judge is asked about the end of a step.
    Judge {
        step: u32,
    },
}

/// Plays one seed to its end.
pub fn simulate(seed: u64) -> Result<Stats, Failure> {
    let mut director = Director::new(seed);
    match director.play() {
        Ok(()) => Ok(director.stats),
        Err(what) => Err(Failure {
            seed,
            step: director.stats.steps,
            what,
            trail: director.trail.into(),
        }),
    }
}

pub(super) struct Director {
    pub(super) chance: SmallRng,
    pub(super) world: World,
    pub(super) actors: Vec<Actor>,
    pub(super) jobs: Vec<(usize, Effect)>,
    pub(super) answers: Vec<(usize, Input)>,
    pub(super) timers: Vec<(Timestamp, usize, Ring)>,
    pub(super) now: Timestamp,
    pub(super) stats: Stats,
    pub(super) trail: VecDeque<String>,
}

impl Director {
    fn new(seed: u64) -> Self {
        let mut chance = SmallRng::seed_from_u64(seed);
        let count = chance.random_range(2..=4);
        let mut places: Vec<Place> = (0..count)
            .map(|_| Place {
                is_flawed: chance.random_bool(0.15),
                ..Place::default()
            })
            .collect();
        // Mostly something serves already; it was put there by nobody who plays.
        let before = chance.random_bool(0.8).then_some(count);
        places.extend(before.map(|_| Place::serving(chance.random_range(1..=4))));
        Self {
            chance,
            world: World {
                places,
                split: before.map(Split::all_to),
                recorded: before,
                is_hostile: true,
                ..World::default()
            },
            actors: std::iter::repeat_with(Actor::default).take(count).collect(),
            jobs: Vec::new(),
            answers: Vec::new(),
            timers: Vec::new(),
            now: Timestamp(1_700_000_000_000),
            stats: Stats::default(),
            trail: VecDeque::new(),
        }
    }

    fn play(&mut self) -> Result<(), String> {
        for _ in 0..HOSTILE_STEPS {
            self.stats.steps += 1;
            self.hostile_step()?;
            check::always(&self.actors, &self.world)?;
        }
        self.calm_down()?;
        for _ in 0..CALM_STEPS {
            self.stats.steps += 1;
            if !self.calm_step()? {
                break;
            }
            check::always(&self.actors, &self.world)?;
        }
        check::quiet(&self.actors, &self.world)
    }

    fn hostile_step(&mut self) -> Result<(), String> {
        match self.chance.random_range(0..1_000) {
            0..330 => return self.do_job(),
            330..660 => return self.deliver(),
            660..740 => return self.ring(),
            740..780 => self.pass_time(),
            780..860 => self.begin_request(),
            860..920 => self.end_request(),
            920..925 => return self.crash(),
            925..935 => self.kill_instance(),
            935..940 => self.jump_clock(),
            940..945 => return self.fire(),
            945..990 => return self.person(),
            _ => return self.begin_next(),
        }
        Ok(())
    }

    /// The faults stop; what was lost is asked for once more.
    fn calm_down(&mut self) -> Result<(), String> {
        self.world.is_hostile = false;
        while self.actors.iter().any(|actor| !actor.has_begun()) {
            self.begin_next()?;
        }
        self.crash()?;
        for place in &mut self.world.places {
            for instance in place.instances.values_mut() {
                if !place.is_flawed {
                    instance.health = Health::Alive;
                }
            }
        }
        Ok(())
    }

    /// Does what is due; `false` when nothing is.
    fn calm_step(&mut self) -> Result<bool, String> {
        for place in &mut self.world.places {
            for instance in place.instances.values_mut() {
                instance.in_flight = 0;
            }
        }
        if !self.jobs.is_empty() {
            self.do_job()?;
        } else if !self.answers.is_empty() {
            self.deliver()?;
        } else if let Some(input) = self.kind_word() {
            self.say(input.0, input.1)?;
        } else if !self.timers.is_empty() {
            self.pass_time();
            self.ring()?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn do_job(&mut self) -> Result<(), String> {
        let Some(mut index) = self.pick(self.jobs.len()) else {
            return Ok(());
        };
        // That it is recorded before the lock is free is the driver's promise.
        if let Some((actor, Effect::ReleaseLock)) = self.jobs.get(index) {
            let before = (*actor, Effect::RecordCurrent);
            index = self
                .jobs
                .iter()
                .position(|job| *job == before)
                .unwrap_or(index);
        }
        let (actor, effect) = self.jobs.swap_remove(index);
        self.note(|| format!("{actor} → {effect}"));
        match self.world.carry_out(&mut self.chance, actor, &effect)? {
            Done::Later => self.jobs.push((actor, effect)),
            Done::Answers(answers) => {
                if self.world.is_hostile && self.chance.random_bool(0.1) {
                    // Asked again, late.
                    self.jobs.push((actor, effect));
                }
                self.answers.extend(answers);
            }
        }
        Ok(())
    }

    fn deliver(&mut self) -> Result<(), String> {
        let Some(index) = self.pick(self.answers.len()) else {
            return Ok(());
        };
        let (actor, input) = self.answers.swap_remove(index);
        if self.world.is_hostile {
            if self.chance.random_bool(0.1) {
                self.answers.push((actor, input.clone()));
            } else if self.chance.random_bool(0.02) {
                return Ok(());
            }
        }
        self.say(actor, input)
    }

    fn ring(&mut self) -> Result<(), String> {
        let now = self.now;
        let due = self.timers.iter().position(|(at, ..)| *at <= now);
        let Some(index) = due else { return Ok(()) };
        let (at, actor, ring) = self.timers.swap_remove(index);
        if self.world.is_hostile && self.chance.random_bool(0.1) {
            self.timers.push((at, actor, ring.clone()));
        }
        let input = match ring {
            Ring::Timer(timer) => Input::Woke { timer },
            Ring::Judge { step } => self.judged(step, at),
        };
        self.say(actor, input)
    }

    /// The judge has an opinion of its own; in calm times it lets everything go on.
    fn judged(&mut self, step: u32, until: Timestamp) -> Input {
        let judgement = match self.chance.random_range(0..4) {
            0 if self.world.is_hostile => Judgement::Pause,
            1 if self.world.is_hostile => Judgement::Rollback,
            _ => Judgement::Promote,
        };
        Input::Judged {
            step,
            until,
            judgement,
            reason: "it looked".to_owned(),
        }
    }

    fn begin_next(&mut self) -> Result<(), String> {
        let next = self.actors.iter().position(|actor| !actor.has_begun());
        let Some(number) = next else { return Ok(()) };
        let spec = Box::new(cast::spec(&mut self.chance, number));
        self.say(number, Input::Create { spec })
    }

    /// Everything in memory is gone. Of what was under way at the edge some is done and some is not,
    /// and nobody hears.
    fn crash(&mut self) -> Result<(), String> {
        self.stats.crashes += 1;
        self.note(|| "everything dies".to_owned());
        self.answers.clear();
        self.timers.clear();
        let jobs = std::mem::take(&mut self.jobs);
        for (actor, effect) in &jobs {
            let is_too_early =
                *effect == Effect::ReleaseLock && jobs.contains(&(*actor, Effect::RecordCurrent));
            if !is_too_early && self.chance.random_bool(0.5) {
                let done = self.world.carry_out(&mut self.chance, *actor, effect)?;
                drop(done);
            }
        }
        for number in 0..self.actors.len() {
            let has_left = self.world.lock.left.contains(&number);
            let Some(actor) = self.actors.get_mut(number) else {
                continue;
            };
            let owed = actor.restart();
            if !(actor.is_finished() && has_left) {
                self.ask(number, owed);
            }
        }
        Ok(())
    }

    fn ask(&mut self, actor: usize, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::WakeAt { at, timer } => self.timers.push((at, actor, Ring::Timer(timer))),
                Effect::JudgeAt { at, step } => self.timers.push((at, actor, Ring::Judge { step })),
                other => self.jobs.push((actor, other)),
            }
        }
    }

    pub(super) fn say(&mut self, number: usize, input: Input) -> Result<(), String> {
        self.learn_of_death(number, &input);
        let now = self.now;
        let Some(actor) = self.actors.get_mut(number) else {
            return Ok(());
        };
        let said = match actor.say(now, input) {
            Ok(said) => said,
            Err(refusal) => {
                self.note(|| format!("{number} refuses: {refusal}"));
                return Ok(());
            }
        };
        if said.is_empty() {
            return Ok(());
        }
        check::replay(number, actor)?;
        let shifts: Vec<DeploymentEvent> = said.iter().map(|(event, _)| event.clone()).collect();
        // The event is stored, and what it asks for may never be done.
        let dies = self.world.is_hostile && self.chance.random_bool(0.02);
        for (event, effects) in said {
            self.count(&event);
            self.note(|| format!("{number}: {}", brief(&event)));
            check::decision(number, &event, &self.world)?;
            if !dies {
                self.ask(number, effects);
            }
        }
        for event in &shifts {
            if let Some(actor) = self.actors.get(number) {
                check::monotone(number, actor, event)?;
            }
        }
        if let Some(actor) = self.actors.get(number) {
            check::ended(number, actor, &self.world)?;
        }
        if dies { self.crash() } else { Ok(()) }
    }

    fn count(&mut self, event: &DeploymentEvent) {
        self.stats.events += 1;
        self.stats.held_back += u64::from(matches!(event, DeploymentEvent::HoldMet { .. }));
        let is_stuck = matches!(event, DeploymentEvent::DeadlinePassed { .. });
        self.stats.deadlines += u64::from(is_stuck);
        self.stats.checks += u64::from(matches!(event, DeploymentEvent::CheckEnded { .. }));
        let DeploymentEvent::DeploymentFinished { outcome, reason } = event else {
            return;
        };
        self.stats.held += u64::from(reason.contains("keeps"));
        match outcome {
            Outcome::Succeeded => self.stats.succeeded += 1,
            Outcome::RolledBack => self.stats.rolled_back += 1,
            Outcome::Cancelled => self.stats.cancelled += 1,
            Outcome::Superseded => self.stats.superseded += 1,
            _ => self.stats.failed += 1,
        }
    }

    pub(super) fn pick(&mut self, count: usize) -> Option<usize> {
        (count > 0).then(|| self.chance.random_range(0..count))
    }

    pub(super) fn note(&mut self, line: impl FnOnce() -> String) {
        if self.trail.len() == TRAIL {
            self.trail.pop_front();
        }
        self.trail.push_back(line());
    }
}

/// An event in a line of a trail.
fn brief(event: &DeploymentEvent) -> String {
    match event {
        DeploymentEvent::DeploymentCreated { spec } => {
            format!("created: {:?} of {:?}", spec.strategy, spec.target)
        }
        DeploymentEvent::LockTaken { fence, current, .. } => {
            let current = current.as_ref().map(|release| release.version.as_str());
            format!("lock taken: fence {fence}, current {current:?}")
        }
        other => format!("{other:?}"),
    }
}
