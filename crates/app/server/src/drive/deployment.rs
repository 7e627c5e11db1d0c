//! Drives a deployment: locks, instances, weights, drains, samples.

mod check;
mod deaths;
mod hold;
mod instances;
mod judged;
mod sweep;
mod tend;

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use cutover_model::{
    DeploymentId, Timestamp,
    delivery::{Cause, DeploymentSpec, Release, Side, Strategy, Weight},
    event::{DeploymentEvent, Recorded},
};
use cutover_release::freeze::Frozen;
use cutover_rollout::{self as rollout, Deployment, Effect, Input, TimerKey, watch::Verdict};
use cutover_target::{Generation, Place, Target};
use tokio::{sync::watch, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{
    Edge, Error, Machine, Mailbox,
    lock::{self, Asked},
};
use crate::{Control, routes, samples, view};

impl Machine for Deployment {
    type Input = Input;
    type Event = DeploymentEvent;
    type Effect = Effect;

    fn decide(&self, at: Timestamp, input: Input) -> Result<Vec<DeploymentEvent>, String> {
        rollout::decide(self, at, input).map_err(|refusal| refusal.to_string())
    }
    fn evolve(&mut self, at: Timestamp, event: &DeploymentEvent) {
        rollout::evolve(self, at, event);
    }
    fn effects(&self, at: Timestamp, event: &DeploymentEvent) -> Vec<Effect> {
        rollout::effects(self, at, event)
    }
    fn outstanding(&self) -> Vec<Effect> {
        rollout::outstanding(self)
    }
    fn is_finished(&self) -> bool {
        Self::is_finished(self)
    }
}

/// The world of one deployment.
pub(crate) struct DeploymentEdge {
    control: Control,
    id: DeploymentId,
    /// The newest of the numbered orders.
    newest: watch::Sender<u64>,
    is_watched: AtomicBool,
    /// What the judge would say if the step were over, after each second that was told.
    verdicts: Arc<watch::Sender<Option<Verdict>>>,
}

impl DeploymentEdge {
    pub(crate) fn new(control: Control, id: DeploymentId) -> Self {
        Self {
            control,
            id,
            newest: watch::Sender::default(),
            is_watched: AtomicBool::default(),
            verdicts: Arc::default(),
        }
    }
}

impl Edge<Deployment> for DeploymentEdge {
    fn now(&self) -> Timestamp {
        self.control.now()
    }

    async fn load(&self) -> Result<Vec<Recorded<DeploymentEvent>>, Error> {
        Ok(self.control.store().read_deployment(&self.id).await?)
    }

    async fn append(
        &self,
        expected: u64,
        events: &[Recorded<DeploymentEvent>],
        after: &Deployment,
    ) -> Result<(), Error> {
        let Some(row) = view::deployment_row(after) else {
            return Err(Error::Unborn);
        };
        let approvals = view::deployment_approvals(events, after);
        let store = self.control.store();
        store
            .append_deployment(&self.id, expected, events, &row, &approvals)
            .await?;
        Ok(())
    }

    fn perform(&self, machine: &Arc<Deployment>, effect: Effect, mailbox: &Mailbox<Deployment>) {
        let Some(spec) = machine.spec() else { return };
        if let Effect::WakeAt { at, timer } = effect {
            // At once, so that the newest time of a timer is the one that counts.
            let mut pause = at.since(self.control.now()).to_std();
            if let TimerKey::StartTimeout { .. } | TimerKey::CheckTimeout { .. } = timer {
                pause += LAST_WORD;
            }
            // What ran out while nobody was here to do it is tried once more first.
            if let (true, TimerKey::Deadline { .. }) = (pause.is_zero(), &timer) {
                pause = ONCE_MORE;
            }
            return mailbox.wake_after(pause, format!("{timer:?}"), Input::Woke { timer });
        }
        // Each share of traffic asks for a watch; one is enough.
        if effect == Effect::Watch && self.is_watched.swap(true, Ordering::Relaxed) {
            return;
        }
        let number = number(&effect);
        if let Some(number) = number {
            self.newest
                .send_modify(|newest| *newest = number.max(*newest));
        }
        let work = Work {
            control: self.control.clone(),
            spec: spec.clone(),
            deployment: Arc::clone(machine),
            mailbox: mailbox.clone(),
            number,
            newest: self.newest.subscribe(),
            verdicts: Arc::clone(&self.verdicts),
            begun: Instant::now(),
        };
        match effect {
            // What is owed at the end is done after it.
            Effect::RecordCurrent
            | Effect::PlaceHold { .. }
            | Effect::ReleaseLock
            | Effect::Notify { .. } => {
                mailbox.spawn(work.perform(effect));
            }
            // Not dropped half-way: it would keep a lock that it took just after the end.
            Effect::TakeLock => {
                let closing = self.control.closing().clone();
                mailbox.spawn(async move {
                    tokio::select! {
                        () = work.perform(Effect::TakeLock) => {}
                        () = closing.cancelled() => {}
                    }
                });
            }
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

/// Whether a deployment leaves, or has left, all the traffic to the current side: it has changed nothing
/// of the place then.
fn is_back(deployment: &Deployment) -> bool {
    deployment.is_going_back() && deployment.requested_weight() == Weight::NONE
}

/// The number of an order that a later one takes the place of.
const fn number(effect: &Effect) -> Option<u64> {
    match effect {
        Effect::EnsureInstances { generation, .. }
        | Effect::Shift { generation, .. }
        | Effect::Drain { generation, .. }
        | Effect::RunCheck { generation, .. }
        | Effect::Park { generation, .. }
        | Effect::Stop { generation, .. } => Some(*generation),
        Effect::TakeLock
        | Effect::Supersede { .. }
        | Effect::PlaceHold { .. }
        | Effect::LiftHold
        | Effect::Watch
        | Effect::JudgeAt { .. }
        | Effect::WakeAt { .. }
        | Effect::RecordCurrent
        | Effect::ReleaseLock
        | Effect::Notify { .. } => None,
    }
}

/// How much longer than instances and checks may take the clock waits: the balancer says in time that
/// instances did not become healthy, and why; the clock knows only that nobody said anything.
const LAST_WORD: std::time::Duration = std::time::Duration::from_secs(5);

/// How long something that was owed before a restart may take when its time has run out.
const ONCE_MORE: std::time::Duration = std::time::Duration::from_secs(30);

/// One effect being done.
struct Work {
    control: Control,
    spec: DeploymentSpec,
    /// As it was when the effect was ordered.
    deployment: Arc<Deployment>,
    mailbox: Mailbox<Deployment>,
    number: Option<u64>,
    newest: watch::Receiver<u64>,
    verdicts: Arc<watch::Sender<Option<Verdict>>>,
    begun: Instant,
}

impl Work {
    async fn perform(self, effect: Effect) {
        match effect {
            Effect::TakeLock => self.take_lock().await,
            Effect::EnsureInstances {
                side,
                count,
                generation,
            } => {
                self.ensure(side, count, generation).await;
            }
            Effect::Shift { weight, generation } => self.shift(weight, generation).await,
            Effect::Drain {
                side,
                keep,
                generation,
            } => self.drain(side, keep, generation).await,
            Effect::Stop {
                side,
                keep,
                generation,
            } => self.stop(side, keep, generation).await,
            Effect::RunCheck {
                check,
                attempt,
                generation,
            } => self.run_check(check, attempt, generation).await,
            Effect::Park { parked, generation } => self.park(parked, generation).await,
            Effect::Supersede { holder } => self.supersede(&holder).await,
            Effect::LiftHold => self.lift_hold().await,
            Effect::Watch => self.watch().await,
            Effect::JudgeAt { at, step } => self.judge(at, step).await,
            // Timers are set in order. A hold is placed by who gives the lock back: a moment later the
            // place might be somebody else's.
            Effect::WakeAt { .. } | Effect::PlaceHold { .. } => {}
            Effect::RecordCurrent => self.record_current().await,
            Effect::ReleaseLock => self.release_lock().await,
            Effect::Notify { topic, text } => {
                let rules = &self.spec.notify;
                self.control
                    .notify(rules, self.id().as_str(), &topic, &text)
                    .await;
            }
        }
    }

    fn id(&self) -> &DeploymentId {
        &self.spec.id
    }

    /// The age of an order: the lock's number first, for a side may have had another holder.
    fn generation(&self, ask: u64) -> Generation {
        Generation {
            fence: self.deployment.fence().unwrap_or_default(),
            ask,
        }
    }

    fn lock_place(&self) -> (String, String) {
        (
            self.spec.environment.clone(),
            self.spec.release.service.clone(),
        )
    }

    fn route(&self) -> String {
        routes::name(&self.spec.release.service, &self.spec.environment)
    }

    async fn take_lock(&self) {
        let place = self.lock_place();
        let Some(fence) = self.wait_for_turn(&place).await else {
            return;
        };
        // It may have ended, and given back what it did not have yet, before we asked.
        if self.has_ended().await {
            return self.give_back(&place).await;
        }
        let taken = self.until_done("take the lock", || async {
            let store = self.control.store();
            let current = store.current(&place.0, &place.1).await?;
            // What was taken down cannot be shifted away from.
            let table = self.control.routes().table().await;
            let route = table.routes.get(&self.route());
            let current = current
                .filter(|current| route.is_some_and(|it| it.side(&current.deployment).is_some()));
            let instances = current
                .as_ref()
                .and_then(|current| route?.side(&current.deployment))
                .map(|side| side.upstreams.iter().filter(|it| it.accepting).count())
                .and_then(|count| u32::try_from(count).ok());
            let hold = self.control.hold(&place.0, &place.1).await?;
            Ok(Input::LockTaken {
                fence,
                current: current.map(|current| Box::new(current.release)),
                instances,
                hold: hold.map(Box::new),
            })
        });
        if let Some(taken) = taken.await {
            self.mailbox.observe(taken);
        }
    }

    /// Waits in the queue, and says for whom. `None` when it has ended meanwhile.
    async fn wait_for_turn(&self, place: &lock::Place) -> Option<u64> {
        let urgent = matches!(self.spec.cause, Cause::Rollback { .. });
        let mut changes = self.control.locks().changes();
        loop {
            let frozen = self.until_done("look for a freeze", || {
                self.control.frozen_before(&self.spec, urgent)
            });
            if let Some(Frozen { reason, until }) = frozen.await? {
                self.mailbox.observe(Input::Frozen { reason, until });
                if self.has_ended().await {
                    self.give_back(place).await;
                    return None;
                }
                lock::worth_asking(&mut changes, until).await;
                continue;
            }
            let asked = self.until_done("ask for the lock", || async {
                self.control.locks().ask(place, self.id(), urgent).await
            });
            let (holder, until) = match asked.await? {
                Asked::Taken { fence } => return Some(fence),
                Asked::Busy { holder, until } => (holder, until),
            };
            if self.has_ended().await {
                self.give_back(place).await;
                return None;
            }
            let holder = holder.to_string();
            self.mailbox.observe(Input::LockBusy { holder });
            lock::worth_asking(&mut changes, until).await;
        }
    }

    async fn give_back(&self, place: &lock::Place) {
        self.until_done("give the lock back", || {
            self.control.locks().release(place, self.id())
        })
        .await;
    }

    /// Whether the deployment, as it is now, has nothing to do any more.
    async fn has_ended(&self) -> bool {
        let now = self.control.deployment(self.id()).await;
        now.is_ok_and(|now| now.is_finished())
    }

    async fn shift(&self, weight: Weight, generation: u64) {
        let current = self.current_deployment().await;
        let shifted = self.until_done("shift traffic", || {
            let current = current.clone();
            self.change_route(move |route| {
                let candidate = self.id().clone();
                route.matches = routes::step_matches(&self.spec.strategy, weight);
                route.change_side(&candidate, &self.spec.release.version, |side| {
                    side.weight = weight;
                });
                for side in &mut route.sides {
                    if side.deployment != candidate {
                        let serves = current.as_ref() == Some(&side.deployment);
                        side.weight = if serves { weight.rest() } else { Weight::NONE };
                    }
                }
            })
        });
        if shifted.await.is_some() {
            self.mailbox.observe(Input::Shifted { generation });
        }
    }

    async fn park(&self, parked: bool, generation: u64) {
        let limit = match self.spec.strategy {
            Strategy::Recreate { hold, .. } if parked => Some(hold),
            _ => None,
        };
        let done = self.until_done("let requests wait", || {
            self.change_route(move |route| route.park = limit)
        });
        if done.await.is_some() {
            self.mailbox.observe(Input::Parked { generation });
        }
    }

    /// Those before us at the lock make way, if they can; otherwise we wait for them.
    async fn supersede(&self, holder: &str) {
        let release = &self.spec.release;
        let by = format!("{} {} ({})", release.service, release.version, self.id());
        let place = self.lock_place();
        let before = self.control.locks().before(&place, self.id()).await;
        let mut before = before.unwrap_or_default();
        before.extend(holder.parse());
        before.dedup();
        for id in before {
            let told = async {
                let driven = self.control.drive_deployment(&id).await?;
                driven
                    .mailbox
                    .command(Input::Supersede { by: by.clone() })
                    .await?;
                Ok::<(), crate::Error>(())
            };
            if let Err(error) = told.await {
                tracing::info!(%error, deployment = %id, "does not make way");
            }
        }
    }

    async fn drain(&self, side: Side, keep: u32, generation: u64) {
        let ids = self.leaving(side, keep).await;
        let drained = self.until_done("drain", || async {
            // Stored as not accepting first, so that a balancer that starts anew agrees.
            let leaving = ids.clone();
            let is_ours = self.change_route(move |route| {
                for upstream in route.sides.iter_mut().flat_map(|side| &mut side.upstreams) {
                    upstream.accepting &= !leaving.contains(&upstream.id);
                }
            });
            // The balancer knows no fences: what the table refuses must not reach it.
            if !is_ours.await? {
                return Ok(0);
            }
            let client = self.control.balancer().ready().await?;
            let limit = self.spec.drain_timeout.as_millis();
            let drained = client.drain(&self.route(), &ids, limit).await;
            Ok(drained.map_err(crate::Error::balancer)?.cut_off)
        });
        if let Some(cut_off) = drained.await {
            self.mailbox.observe(Input::Drained {
                side,
                generation,
                cut_off,
            });
        }
    }

    async fn stop(&self, side: Side, keep: u32, generation: u64) {
        let leaving = self.leaving(side, keep).await;
        let grace = self.spec.stop_grace;
        let stopped = self.until_done("stop instances", || async {
            let (place, _) = self.place(side).await?;
            let target = self.target().await?;
            match target
                .stop(&place, keep, grace, self.generation(generation))
                .await
            {
                Ok(()) if keep == 0 => target.remove(&place).await?,
                // Somebody after us has given another order: ours is done, rightly by doing nothing.
                Ok(()) | Err(cutover_target::Error::Stale { .. }) => {}
                Err(error) => return Err(error.into()),
            }
            let leaving = leaving.clone();
            self.change_route(move |route| {
                for side in &mut route.sides {
                    side.upstreams
                        .retain(|upstream| !leaving.contains(&upstream.id));
                }
                route
                    .sides
                    .retain(|side| !side.upstreams.is_empty() || side.weight > Weight::NONE);
            })
            .await
        });
        if stopped.await.is_some() {
            self.mailbox
                .observe(Input::InstancesStopped { side, generation });
        }
    }

    async fn watch(&self) {
        let deployment = Arc::clone(&self.deployment);
        let current = self.current_deployment().await;
        let route = self.route();
        let held = |reason| self.mailbox.observe(Input::GuardHeld { reason });
        let looking = samples::Watching {
            control: &self.control,
            route: &route,
            deployment: &deployment,
            current,
            verdicts: &self.verdicts,
            held: &held,
        };
        let watching = async {
            if let Some(fired) = samples::watch(looking).await {
                self.mailbox.observe(Input::TriggerFired {
                    trigger: fired.trigger,
                    observed: fired.observed,
                });
            }
        };
        // What is seen just as instances are asked for anew is not believed, being about those before:
        // it is looked for again, and whoever looks does not keep the others from looking.
        let dying = async {
            loop {
                self.mailbox.observe(self.death().await);
                tokio::time::sleep(deaths::PAUSE).await;
            }
        };
        let tending = async {
            loop {
                self.mailbox.observe(self.tend().await);
            }
        };
        tokio::join!(watching, dying, tending);
    }

    /// The lock is the last thing that goes: whoever takes it next must find what is current.
    async fn release_lock(&self) {
        let owed = rollout::outstanding(&self.deployment);
        if owed.contains(&Effect::RecordCurrent) {
            self.record_current().await;
        }
        for effect in owed {
            if let Effect::PlaceHold { hold } = effect {
                self.place_hold(&hold).await;
            }
        }
        self.sweep().await;
        self.give_back(&self.lock_place()).await;
    }

    async fn record_current(&self) {
        let spec = &self.spec;
        self.until_done("record the release as current", || async {
            let fence = self.deployment.fence().unwrap_or_default();
            let (environment, service) = (&spec.environment, &spec.release.service);
            let (store, now) = (self.control.store(), self.control.now());
            let (release, deployment) = (&spec.release.id, &spec.id);
            match store
                .set_current(environment, service, release, deployment, fence, now)
                .await
            {
                // Somebody after us has the place: what we would say is no longer true.
                Ok(()) | Err(cutover_store::Error::StaleFence { .. }) => Ok(()),
                Err(error) => Err(error.into()),
            }
        })
        .await;
    }

    /// The deployment whose instances are the current side.
    async fn current_deployment(&self) -> Option<DeploymentId> {
        let spec = &self.spec;
        let current = self.until_done("read what is current", || async {
            Ok(self
                .control
                .store()
                .current(&spec.environment, &spec.release.service)
                .await?)
        });
        current
            .await
            .flatten()
            .map(|current| current.deployment)
            .filter(|id| *id != spec.id)
    }

    async fn place(&self, side: Side) -> Result<(Place, Release), crate::Error> {
        let spec = &self.spec;
        let (deployment, release) = match side {
            Side::Candidate => (spec.id.clone(), spec.release.clone()),
            Side::Current => {
                let store = self.control.store();
                let current = store
                    .current(&spec.environment, &spec.release.service)
                    .await?;
                let current = current.ok_or_else(|| {
                    crate::Error::NotFound(format!("nothing serves at {} yet", self.route()))
                })?;
                (current.deployment, current.release)
            }
        };
        let place = Place {
            deployment,
            environment: spec.environment.clone(),
            service: spec.release.service.clone(),
        };
        Ok((place, release))
    }

    async fn target(&self) -> Result<Target, crate::Error> {
        self.control.target(&self.spec.target).await
    }

    /// The ids of the instances of a side beyond the first `keep`.
    async fn leaving(&self, side: Side, keep: u32) -> Vec<String> {
        let deployment = match side {
            Side::Candidate => Some(self.id().clone()),
            Side::Current => self.current_deployment().await,
        };
        let table = self.control.routes().table().await;
        let side = deployment.as_ref().and_then(|id| {
            table
                .routes
                .get(&self.route())
                .and_then(|route| route.side(id))
        });
        let upstreams = side
            .map(|side| side.upstreams.as_slice())
            .unwrap_or_default();
        upstreams
            .iter()
            .skip(keep as usize)
            .map(|upstream| upstream.id.clone())
            .collect()
    }

    /// Changes our route; false when it is not ours to change any more, or something later was ordered.
    async fn change_route(
        &self,
        change: impl FnOnce(&mut routes::Route),
    ) -> Result<bool, crate::Error> {
        let name = self.route();
        let rules = self.rules().await?;
        let spec = rules.as_ref().unwrap_or(&self.spec);
        let mut is_ours = false;
        let changed = self.control.routes().change(|table| {
            // Looked at under the table's lock: a later order has changed it, or will.
            if self.is_late() {
                return;
            }
            let route = table.routes.entry(name).or_default();
            // Somebody has taken the place since: what we would change is theirs.
            if !route.admit(self.deployment.fence()) {
                return;
            }
            route.follow(spec);
            is_ours = true;
            change(route);
        });
        changed.await?;
        Ok(is_ours)
    }

    /// By whose settings the balancer works, when not by ours: those of the current side, once the
    /// traffic goes back to it.
    async fn rules(&self) -> Result<Option<DeploymentSpec>, crate::Error> {
        if !is_back(&self.deployment) {
            return Ok(None);
        }
        let Some(current) = self.current_deployment().await else {
            return Ok(None);
        };
        let current = self.control.deployment(&current).await?;
        Ok(current.spec().cloned())
    }

    /// Whether something else was ordered after this.
    fn is_late(&self) -> bool {
        self.number
            .is_some_and(|number| number < *self.newest.borrow())
    }

    async fn late(&self) {
        let mut newest = self.newest.clone();
        let later = |newest: &u64| self.number.is_some_and(|number| number < *newest);
        if newest.wait_for(later).await.is_err() {
            // Nothing will be ordered any more.
            std::future::pending::<()>().await;
        }
    }

    /// Does something until it is done: what an event has promised must come to be, and the machine
    /// waits for the answer. Each failure is logged; the pause between tries grows to five seconds.
    /// `None` when something else was ordered meanwhile: then nobody waits, and to go on would undo
    /// what came later.
    async fn until_done<T, F>(&self, what: &str, mut act: impl FnMut() -> F) -> Option<T>
    where
        F: Future<Output = Result<T, crate::Error>>,
    {
        let mut pauses = super::STORE_RETRY.into_iter();
        loop {
            if self.is_late() {
                return None;
            }
            let done = tokio::select! {
                done = act() => done,
                () = self.late() => return None,
            };
            match done {
                Ok(done) => return Some(done),
                Err(error) => tracing::warn!(%error, what, "could not; trying again"),
            }
            tokio::time::sleep(pauses.next().unwrap_or(super::STORE_RETRY[3])).await;
        }
    }
}
