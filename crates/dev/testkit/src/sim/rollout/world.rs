//! The edge, played: instances, balancer, lock. It carries out effects idempotently and refuses what
//! is late, by the pair (fence, generation): the numbers of two deployments do not compare by
//! themselves, and both may order the same instances.

use std::collections::{BTreeMap, BTreeSet};

use cutover_model::{
    Duration,
    delivery::{Side, Weight},
    guard::{Hold, HookVerdict},
};
use cutover_rollout::{Effect, Input};
use rand::{Rng as _, rngs::SmallRng};

use super::place::{Health, Order, Place};

/// How the balancer splits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Split {
    pub(super) order: Order,
    pub(super) candidate: usize,
    pub(super) current: Option<usize>,
    pub(super) weight: Weight,
}

impl Split {
    /// Everything to one place.
    pub(super) fn all_to(place: usize) -> Self {
        Self {
            order: (0, 0),
            candidate: place,
            current: None,
            weight: Weight::ALL,
        }
    }
}

/// The lock of the environment.
#[derive(Debug, Clone, Default)]
pub(super) struct Lock {
    pub(super) holder: Option<usize>,
    pub(super) queue: Vec<usize>,
    pub(super) fence: u64,
    /// Who has let go of it, also from the queue: it never gets it again.
    pub(super) left: BTreeSet<usize>,
}

/// What a grant of the lock said.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub(super) fence: u64,
    pub(super) current: Option<usize>,
    pub(super) instances: Option<u32>,
    pub(super) hold: Option<Hold>,
}

/// What came of an effect.
pub(super) enum Done {
    /// This is to be heard by these.
    Answers(Vec<(usize, Input)>),
    /// Not yet.
    Later,
}

/// All that is outside.
#[derive(Debug, Clone, Default)]
pub(super) struct World {
    pub(super) places: Vec<Place>,
    pub(super) split: Option<Split>,
    pub(super) lock: Lock,
    pub(super) grants: BTreeMap<usize, Grant>,
    /// Who is recorded as current.
    pub(super) recorded: Option<usize>,
    /// Whether requests wait in the balancer.
    pub(super) is_parked: bool,
    /// The newest order about that.
    pub(super) parking: Order,
    /// What an end has pinned.
    pub(super) hold: Option<Hold>,
    /// Whether things go wrong here.
    pub(super) is_hostile: bool,
}

impl World {
    /// The share of traffic that goes to a place.
    pub(super) fn share(&self, place: usize) -> Weight {
        match self.split {
            Some(split) if split.candidate == place => split.weight,
            Some(split) if split.current == Some(place) => split.weight.rest(),
            _ => Weight::NONE,
        }
    }

    /// Where a side of a deployment lives.
    pub(super) fn place_of(&self, actor: usize, side: Side) -> Option<usize> {
        match side {
            Side::Candidate => Some(actor),
            Side::Current => self.grants.get(&actor).and_then(|grant| grant.current),
        }
    }

    fn order(&self, actor: usize, generation: u64) -> Order {
        let fence = self.grants.get(&actor).map_or(0, |grant| grant.fence);
        (fence, generation)
    }

    /// Carries out an effect of the lock, the balancer or the instances.
    pub(super) fn carry_out(
        &mut self,
        chance: &mut SmallRng,
        actor: usize,
        effect: &Effect,
    ) -> Result<Done, String> {
        match *effect {
            Effect::TakeLock => Ok(Done::Answers(self.take_lock(actor))),
            Effect::ReleaseLock => Ok(Done::Answers(self.release_lock(actor))),
            Effect::RecordCurrent => {
                if self.lock.holder == Some(actor) {
                    self.recorded = Some(actor);
                }
                Ok(Done::Answers(Vec::new()))
            }
            Effect::EnsureInstances {
                side,
                count,
                generation,
            } => Ok(self.ensure(chance, actor, side, count, generation)),
            Effect::Shift { weight, generation } => Ok(self.shift(actor, weight, generation)),
            Effect::Drain {
                side,
                keep,
                generation,
            } => Ok(self.drain(chance, actor, side, keep, generation)),
            Effect::Stop {
                side,
                keep,
                generation,
            } => self.stop(actor, side, keep, generation),
            Effect::Supersede { .. } => Ok(Done::Answers(self.supersede(actor))),
            Effect::RunCheck { generation, .. } => Ok(self.run_check(chance, actor, generation)),
            Effect::Park { parked, generation } => Ok(self.park(actor, parked, generation)),
            Effect::PlaceHold { ref hold } => {
                if self.lock.holder == Some(actor) {
                    self.hold = Some(hold.clone());
                }
                Ok(Done::Answers(Vec::new()))
            }
            Effect::LiftHold => {
                let own = super::cast::id(actor);
                self.hold = self.hold.take().filter(|hold| hold.deployment == own);
                Ok(Done::Answers(Vec::new()))
            }
            Effect::Watch
            | Effect::WakeAt { .. }
            | Effect::JudgeAt { .. }
            | Effect::Notify { .. } => Ok(Done::Answers(Vec::new())),
        }
    }

    fn take_lock(&mut self, actor: usize) -> Vec<(usize, Input)> {
        if self.lock.left.contains(&actor) {
            return Vec::new();
        }
        match self.lock.holder {
            None => self.grant(actor),
            Some(holder) if holder == actor => vec![(actor, self.granted(actor))],
            Some(holder) => {
                if !self.lock.queue.contains(&actor) {
                    self.lock.queue.push(actor);
                }
                let holder = holder.to_string();
                vec![(actor, Input::LockBusy { holder })]
            }
        }
    }

    fn grant(&mut self, actor: usize) -> Vec<(usize, Input)> {
        self.lock.fence += 1;
        self.lock.holder = Some(actor);
        // The next deployment knows nothing of what was reported to the one before.
        for place in &mut self.places {
            for instance in place.instances.values_mut() {
                if instance.health == Health::KnownDead {
                    instance.health = Health::Dead;
                }
            }
        }
        self.grants.insert(
            actor,
            Grant {
                fence: self.lock.fence,
                current: self.recorded,
                instances: self
                    .recorded
                    .and_then(|at| self.places.get(at))
                    .and_then(|place| u32::try_from(place.instances.len()).ok()),
                hold: self.hold.clone(),
            },
        );
        vec![(actor, self.granted(actor))]
    }

    fn granted(&self, actor: usize) -> Input {
        let grant = self.grants.get(&actor);
        Input::LockTaken {
            fence: grant.map_or(0, |grant| grant.fence),
            current: grant
                .and_then(|grant| grant.current)
                .map(super::cast::release)
                .map(Box::new),
            instances: grant.and_then(|grant| grant.instances),
            hold: grant.and_then(|grant| grant.hold.clone()).map(Box::new),
        }
    }

    fn release_lock(&mut self, actor: usize) -> Vec<(usize, Input)> {
        self.lock.left.insert(actor);
        self.lock.queue.retain(|&waiting| waiting != actor);
        if self.lock.holder != Some(actor) {
            return Vec::new();
        }
        self.lock.holder = None;
        if self.lock.queue.is_empty() {
            return Vec::new();
        }
        let next = self.lock.queue.remove(0);
        self.grant(next)
    }

    /// Those that come before it hear of it.
    fn supersede(&self, actor: usize) -> Vec<(usize, Input)> {
        let queue = self.lock.queue.iter().copied();
        self.lock
            .holder
            .into_iter()
            .chain(queue)
            .take_while(|&other| other != actor)
            .map(|other| {
                let by = actor.to_string();
                (other, Input::Supersede { by })
            })
            .collect()
    }

    /// Whoever is asked says anything; when the faults have stopped, yes.
    fn run_check(&self, chance: &mut SmallRng, actor: usize, generation: u64) -> Done {
        let verdict = match chance.random_range(0..20) {
            _ if !self.is_hostile => HookVerdict::Success,
            0 => HookVerdict::Failure,
            1 => HookVerdict::Inconclusive,
            2..4 => HookVerdict::Error,
            4..7 => HookVerdict::Later,
            // Silence: the timer has to ring.
            7 => return Done::Answers(Vec::new()),
            _ => HookVerdict::Success,
        };
        let answer = Input::CheckEnded {
            generation,
            verdict,
            reason: "so it is".to_owned(),
            after: chance
                .random_bool(0.5)
                .then(|| Duration::from_secs(chance.random_range(0..1_000))),
        };
        Done::Answers(vec![(actor, answer)])
    }

    fn park(&mut self, actor: usize, parked: bool, generation: u64) -> Done {
        let order = self.order(actor, generation);
        if order < self.parking {
            return Done::Answers(Vec::new());
        }
        self.parking = order;
        self.is_parked = parked;
        Done::Answers(vec![(actor, Input::Parked { generation })])
    }

    fn ensure(
        &mut self,
        chance: &mut SmallRng,
        actor: usize,
        side: Side,
        count: u32,
        generation: u64,
    ) -> Done {
        let order = self.order(actor, generation);
        let is_hostile = self.is_hostile;
        let Some(place) = self
            .place_of(actor, side)
            .and_then(|at| self.places.get_mut(at))
        else {
            return Done::Answers(Vec::new());
        };
        if !place.accept(order) {
            return Done::Answers(Vec::new());
        }
        let is_well = match side {
            Side::Candidate => !place.is_flawed,
            Side::Current => !(is_hostile && chance.random_bool(0.3)),
        };
        for index in 0..count {
            let instance = place.instances.entry(index).or_default();
            if is_well {
                instance.health = Health::Alive;
            }
        }
        for instance in place.instances.values_mut() {
            instance.draining = false;
        }
        let mut instances = place.instances.values();
        let is_whole = instances.all(|instance| instance.health == Health::Alive);
        let answer = if is_whole {
            Input::InstancesReady { side, generation }
        } else if is_hostile && chance.random_bool(0.5) {
            // Silence: the timer has to ring.
            return Done::Answers(Vec::new());
        } else {
            Input::InstancesFailed {
                side,
                generation,
                detail: vec!["exit code 3".to_owned()],
            }
        };
        Done::Answers(vec![(actor, answer)])
    }

    fn shift(&mut self, actor: usize, weight: Weight, generation: u64) -> Done {
        let order = self.order(actor, generation);
        if self.split.is_some_and(|split| order < split.order) {
            return Done::Answers(Vec::new());
        }
        self.split = Some(Split {
            order,
            candidate: actor,
            current: self.place_of(actor, Side::Current),
            weight,
        });
        Done::Answers(vec![(actor, Input::Shifted { generation })])
    }

    fn drain(
        &mut self,
        chance: &mut SmallRng,
        actor: usize,
        side: Side,
        keep: u32,
        generation: u64,
    ) -> Done {
        let order = self.order(actor, generation);
        let may_cut = self.is_hostile && chance.random_bool(0.1);
        let Some(place) = self
            .place_of(actor, side)
            .and_then(|at| self.places.get_mut(at))
        else {
            return Done::Answers(Vec::new());
        };
        if !place.accept(order) {
            return Done::Answers(Vec::new());
        }
        let mut cut_off = 0;
        let mut left = 0;
        for instance in place
            .instances
            .values_mut()
            .skip(usize::try_from(keep).unwrap_or(0))
        {
            instance.draining = true;
            if may_cut {
                cut_off += u64::from(std::mem::take(&mut instance.in_flight));
            }
            left += instance.in_flight;
        }
        if left > 0 {
            return Done::Later;
        }
        let answer = Input::Drained {
            side,
            generation,
            cut_off,
        };
        Done::Answers(vec![(actor, answer)])
    }

    fn stop(
        &mut self,
        actor: usize,
        side: Side,
        keep: u32,
        generation: u64,
    ) -> Result<Done, String> {
        let order = self.order(actor, generation);
        let at = self.place_of(actor, side);
        let Some(place) = at.and_then(|at| self.places.get_mut(at)) else {
            return Ok(Done::Answers(Vec::new()));
        };
        if !place.accept(order) {
            return Ok(Done::Answers(Vec::new()));
        }
        let keep = usize::try_from(keep).unwrap_or(0);
        let gone: Vec<u32> = place.instances.keys().copied().skip(keep).collect();
        for index in gone {
            let Some(instance) = place.instances.remove(&index) else {
                continue;
            };
            if instance.in_flight > 0 || (instance.served && !instance.draining) {
                return Err(format!(
                    "{side} of {actor}: stopped undrained: {instance:?}"
                ));
            }
        }
        let is_empty = place.instances.is_empty();
        if let Some(at) = at
            && is_empty
            && self.share(at) > Weight::NONE
            && !self.is_parked
        {
            return Err(format!("{side} of {actor}: stopped with traffic"));
        }
        Ok(Done::Answers(vec![(
            actor,
            Input::InstancesStopped { side, generation },
        )]))
    }
}
