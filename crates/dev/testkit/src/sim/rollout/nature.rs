//! What happens by itself: time, requests, deaths, people. None of it asks whether it is convenient.

use cutover_model::{
    Timestamp,
    delivery::{Side, Weight},
};
use cutover_rollout::Input;
use rand::Rng as _;

use super::{director::Director, place::Health};

impl Director {
    /// What a friendly person says: yes, and go on.
    pub(super) fn kind_word(&self) -> Option<(usize, Input)> {
        self.actors.iter().enumerate().find_map(|(number, actor)| {
            let by = "ada".to_owned();
            if actor.deployment.paused_by().is_some() {
                return Some((number, Input::Resume { by }));
            }
            let approval = actor.deployment.approval()?;
            let names = ["ada", "bob", "eve"];
            let by = names
                .into_iter()
                .find(|&name| approval.given.iter().all(|answer| answer.by != name))?;
            actor.waits_for_people().then(|| {
                let approve = Input::Approve {
                    gate: approval.gate.clone(),
                    by: by.to_owned(),
                    comment: None,
                };
                (number, approve)
            })
        })
    }

    /// Goes on to the next timer.
    pub(super) fn pass_time(&mut self) {
        if let Some(&(at, ..)) = self.timers.iter().min_by_key(|(at, ..)| *at) {
            self.now = self.now.max(at);
        }
    }

    pub(super) fn jump_clock(&mut self) {
        let seconds = self.chance.random_range(-7_200..7_200);
        self.now = Timestamp(self.now.0 + seconds * 1_000);
        self.note(|| format!("the clock jumps by {seconds} s"));
    }

    pub(super) fn begin_request(&mut self) {
        let Some(place) = self.pick(self.world.places.len()) else {
            return;
        };
        if self.world.share(place) == Weight::NONE || self.world.is_parked {
            return;
        }
        let serving = self.world.places.get_mut(place).into_iter();
        let mut serving: Vec<_> = serving
            .flat_map(|place| place.instances.values_mut())
            .filter(|instance| instance.health == Health::Alive && !instance.draining)
            .collect();
        let index = self.chance.random_range(0..serving.len().max(1));
        if let Some(instance) = serving.get_mut(index) {
            instance.in_flight += 1;
            instance.served = true;
        }
    }

    pub(super) fn end_request(&mut self) {
        let places = self.world.places.iter_mut();
        for instance in places.flat_map(|place| place.instances.values_mut()) {
            if instance.in_flight > 0 && self.chance.random_bool(0.5) {
                instance.in_flight -= 1;
            }
        }
    }

    /// One instance dies for good, and whoever is active hears of it.
    pub(super) fn kill_instance(&mut self) {
        let Some(active) = self.world.lock.holder else {
            return;
        };
        let side = if self.chance.random_bool(0.5) {
            Side::Current
        } else {
            Side::Candidate
        };
        let Some(place) = self.world.place_of(active, side) else {
            return;
        };
        let instances = self
            .world
            .places
            .get_mut(place)
            .map(|place| &mut place.instances);
        let Some(instance) =
            instances.and_then(|all| all.values_mut().find(|one| one.health == Health::Alive))
        else {
            return;
        };
        instance.health = Health::Dead;
        instance.in_flight = 0;
        self.stats.deaths += 1;
        self.note(|| format!("an instance of {side} of {active} dies"));
        let generation = self
            .actors
            .get(active)
            .map_or(0, |actor| actor.deployment.instances_generation(side));
        let report = Input::InstancesFailed {
            side,
            generation,
            detail: vec!["signal 9".to_owned()],
        };
        self.answers.push((active, report));
    }

    pub(super) fn fire(&mut self) -> Result<(), String> {
        let Some(actor) = self.pick(self.actors.len()) else {
            return Ok(());
        };
        let fired = Input::TriggerFired {
            trigger: "HealthyHostCount < 1 for 2m".to_owned(),
            observed: "0 of 2 healthy".to_owned(),
        };
        self.say(actor, fired)
    }

    pub(super) fn person(&mut self) -> Result<(), String> {
        let Some(number) = self.pick(self.actors.len()) else {
            return Ok(());
        };
        let by = ["ada", "bob", "eve", "mallory"][self.chance.random_range(0..4)].to_owned();
        let gate = self
            .actors
            .get(number)
            .and_then(|actor| actor.deployment.approval())
            .map(|approval| approval.gate.clone());
        let comment = None;
        let input = match (self.chance.random_range(0..20), gate) {
            (0, _) => Input::Abort { by },
            (1..4, _) => Input::Pause { by },
            (4..8, _) => Input::Resume { by },
            (8, _) => Input::Promote { by, full: true },
            (9, _) => Input::Promote { by, full: false },
            (10, Some(gate)) => Input::Reject { gate, by, comment },
            (_, Some(gate)) => Input::Approve { gate, by, comment },
            (_, None) => return Ok(()),
        };
        self.say(number, input)
    }

    /// A report that is believed makes the death known.
    pub(super) fn learn_of_death(&mut self, number: usize, input: &Input) {
        let Input::InstancesFailed {
            side, generation, ..
        } = input
        else {
            return;
        };
        let is_believed = self.actors.get(number).is_some_and(|actor| {
            let deployment = &actor.deployment;
            let is_latest = deployment.instances_generation(*side) == *generation;
            is_latest && deployment.fence().is_some() && !actor.is_finished()
        });
        let place = self.world.place_of(number, *side);
        if let (true, Some(place)) = (
            is_believed,
            place.and_then(|at| self.world.places.get_mut(at)),
        ) {
            for instance in place.instances.values_mut() {
                if instance.health == Health::Dead {
                    instance.health = Health::KnownDead;
                }
            }
        }
    }
}
