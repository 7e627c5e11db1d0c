//! The only loop: load → decide → append → do → feed back.
//!
//! A [`Machine`] decides, one task per machine drives it. Nothing is done before its event is stored;
//! whatever comes back from doing enters again as an input. After a restart the machine is rebuilt
//! from its log and what is still owed is done again; every effect is idempotent.

mod actions;
pub(crate) mod deployment;
pub(crate) mod finishing;
pub(crate) mod group;
pub(crate) mod hooks;
pub(crate) mod lock;
pub(crate) mod node;
pub(crate) mod notify;
mod place;
pub(crate) mod run;
pub(crate) mod runner;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use cutover_model::{Timestamp, event::Recorded};
use parking_lot::Mutex;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::AbortHandle,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// Something that decides in plain code, and remembers only through its events.
pub(crate) trait Machine: Default + Clone + Send + Sync + 'static {
    /// What can be said to it.
    type Input: Clone + Send + 'static;
    /// What it remembers.
    type Event: Clone + Send + Sync + 'static;
    /// What it orders.
    type Effect: Send + 'static;

    /// What has happened; `Err` is a refusal, for people.
    fn decide(&self, at: Timestamp, input: Self::Input) -> Result<Vec<Self::Event>, String>;
    /// Remember it.
    fn evolve(&mut self, at: Timestamp, event: &Self::Event);
    /// What is to be done about it.
    fn effects(&self, at: Timestamp, event: &Self::Event) -> Vec<Self::Effect>;
    /// What is still owed.
    fn outstanding(&self) -> Vec<Self::Effect>;
    /// Whether nothing will happen any more, unless a person has it go on.
    fn is_finished(&self) -> bool;
}

/// What a machine needs of the world: a log, and somebody who does things.
pub(crate) trait Edge<M: Machine>: Send + Sync + 'static {
    /// Reads the clock.
    fn now(&self) -> Timestamp;
    /// The whole log, in order.
    fn load(&self) -> impl Future<Output = Result<Vec<Recorded<M::Event>>, Error>> + Send;
    /// Adds to the log; `after` is the state that the events lead to, for the projections.
    fn append(
        &self,
        expected: u64,
        events: &[Recorded<M::Event>],
        after: &M,
    ) -> impl Future<Output = Result<(), Error>> + Send;
    /// These effects will be ordered in a moment: what they follow from is being stored. What can be done
    /// for them without anything having happened may be done now.
    fn foresee(
        &self,
        _after: &Arc<M>,
        _owed: &[M::Effect],
        _mailbox: &Mailbox<M>,
    ) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
    /// Does it, in a task of its own; what comes back goes to `mailbox`. It is called in the order in
    /// which the effects were decided; what has to keep that order is done before it returns.
    fn perform(&self, machine: &Arc<M>, effect: M::Effect, mailbox: &Mailbox<M>);
    /// Something was stored: let those who look, look.
    fn announce(&self, version: u64);
    /// Rings when nothing is to be decided any more.
    fn closing(&self) -> &CancellationToken;
}

/// Why the loop could not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command makes no sense now.
    #[error("{0}")]
    Refused(String),
    /// The store could not take or give it.
    #[error(transparent)]
    Store(#[from] cutover_store::Error),
    /// Something was to be stored before the machine was created.
    #[error("it does not exist yet")]
    Unborn,
    /// The server is going down.
    #[error("the server is going down; the command was not taken")]
    Closing,
}

struct Message<M: Machine> {
    input: M::Input,
    /// Present for commands: somebody waits for the answer.
    answer: Option<oneshot::Sender<Result<(), Error>>>,
}

/// Where a machine hears.
pub(crate) struct Mailbox<M: Machine> {
    sender: mpsc::UnboundedSender<Message<M>>,
    tasks: TaskTracker,
    /// Cancelled when the machine has finished: who works for it then works for nobody.
    ended: CancellationToken,
    /// By what rings: a newer time takes the place of an older one.
    timers: Arc<Mutex<BTreeMap<String, AbortHandle>>>,
}

impl<M: Machine> Clone for Mailbox<M> {
    fn clone(&self) -> Self {
        Self {
            sender: self.sender.clone(),
            tasks: self.tasks.clone(),
            ended: self.ended.clone(),
            timers: Arc::clone(&self.timers),
        }
    }
}

impl<M: Machine> Mailbox<M> {
    /// Tells it what was seen. Lost when the machine has finished: then nobody needs it.
    pub(crate) fn observe(&self, input: M::Input) {
        drop(self.sender.send(Message {
            input,
            answer: None,
        }));
    }

    /// Asks it for something, and waits until that is stored or refused.
    pub(crate) async fn command(&self, input: M::Input) -> Result<(), Error> {
        let (sender, receiver) = oneshot::channel();
        self.sender
            .send(Message {
                input,
                answer: Some(sender),
            })
            .map_err(|_| Error::Refused("it has ended".to_owned()))?;
        match receiver.await {
            Ok(answer) => answer,
            Err(_) if self.ended.is_cancelled() => Err(Error::Refused("it has ended".to_owned())),
            Err(_) => Err(Error::Closing),
        }
    }

    /// Says `input` after this time, unless another time is set under the same name before.
    pub(crate) fn wake_after(&self, pause: Duration, name: String, input: M::Input) {
        let mailbox = self.clone();
        let timer = self.tasks.spawn(async move {
            tokio::time::sleep(pause).await;
            mailbox.observe(input);
        });
        if let Some(before) = self.timers.lock().insert(name, timer.abort_handle()) {
            before.abort();
        }
    }

    /// No timer outlives its machine, and nobody works for it any more.
    fn end(&self) {
        self.ended.cancel();
        for (_, timer) in std::mem::take(&mut *self.timers.lock()) {
            timer.abort();
        }
    }

    /// Starts a task that is dropped when the machine has finished, for nobody waits for its answer
    /// then, or when the server goes down, for the next start does the work again.
    pub(crate) fn spawn_while_live(
        &self,
        closing: &CancellationToken,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let (ended, closing) = (self.ended.clone(), closing.clone());
        self.spawn(async move {
            tokio::select! {
                () = task => {}
                () = ended.cancelled() => {}
                () = closing.cancelled() => {}
            }
        });
    }

    /// Starts a task that ends with the server at the latest.
    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        drop(self.tasks.spawn(task));
    }
}

/// A machine that is being driven.
pub(crate) struct Driven<M: Machine> {
    /// Where it hears.
    pub(crate) mailbox: Mailbox<M>,
    /// Its newest state; the channel closes when the driver ends.
    pub(crate) state: watch::Receiver<Arc<M>>,
}

impl<M: Machine> Clone for Driven<M> {
    fn clone(&self) -> Self {
        Self {
            mailbox: self.mailbox.clone(),
            state: self.state.clone(),
        }
    }
}

impl<M: Machine> Driven<M> {
    /// Waits until nobody drives it any more: all that its end owes has been ordered.
    pub(crate) async fn gone(&self) {
        let mut state = self.state.clone();
        while state.changed().await.is_ok() {}
    }

    /// Waits until it has finished, and gives its last state.
    pub(crate) async fn finished(&self) -> Arc<M> {
        let mut state = self.state.clone();
        // An error means that the driver has ended, which it does only after the last state.
        drop(state.wait_for(|machine| machine.is_finished()).await);
        let last = state.borrow();
        Arc::clone(&last)
    }
}

/// Begins to drive a machine: replays its log, then does what is owed.
pub(crate) async fn start<M: Machine, E: Edge<M>>(
    edge: E,
    tasks: &TaskTracker,
) -> Result<Driven<M>, Error> {
    let (driver, receiver, driven) = Driver::new(edge, tasks).await?;
    for effect in driver.machine.outstanding() {
        driver
            .edge
            .perform(&driver.machine, effect, &driver.mailbox);
    }
    drop(tasks.spawn(driver.run(receiver)));
    Ok(driven)
}

/// Makes a machine that had finished go on, by a command that is taken before anything else is heard;
/// when it is refused, nothing has happened. What the end owed must have been done.
pub(crate) async fn revive<M: Machine, E: Edge<M>>(
    edge: E,
    tasks: &TaskTracker,
    input: M::Input,
) -> Result<Driven<M>, Error> {
    let (mut driver, receiver, driven) = Driver::new(edge, tasks).await?;
    driver.take(input).await?;
    drop(tasks.spawn(driver.run(receiver)));
    Ok(driven)
}

async fn replay<M: Machine, E: Edge<M>>(edge: &E) -> Result<(M, u64), Error> {
    let mut machine = M::default();
    let mut version = 0;
    for recorded in edge.load().await? {
        machine.evolve(recorded.at, &recorded.event);
        version = recorded.version;
    }
    Ok((machine, version))
}

/// How long to wait before the store is asked again to take an observation: it must not be lost.
const STORE_RETRY: [Duration; 4] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(2),
    Duration::from_secs(5),
];

struct Driver<M: Machine, E: Edge<M>> {
    edge: E,
    machine: Arc<M>,
    version: u64,
    /// The last append failed, which does not say that nothing was stored.
    is_unsure: bool,
    mailbox: Mailbox<M>,
    publish: watch::Sender<Arc<M>>,
}

impl<M: Machine, E: Edge<M>> Driver<M, E> {
    /// One that has read the log, and done nothing yet.
    async fn new(
        edge: E,
        tasks: &TaskTracker,
    ) -> Result<(Self, mpsc::UnboundedReceiver<Message<M>>, Driven<M>), Error> {
        let (machine, version) = replay(&edge).await?;
        let machine = Arc::new(machine);
        let (sender, receiver) = mpsc::unbounded_channel();
        let (publish, state) = watch::channel(Arc::clone(&machine));
        let mailbox = Mailbox {
            sender,
            tasks: tasks.clone(),
            ended: CancellationToken::new(),
            timers: Arc::default(),
        };
        let driver = Self {
            edge,
            machine,
            version,
            is_unsure: false,
            mailbox: mailbox.clone(),
            publish,
        };
        Ok((driver, receiver, Driven { mailbox, state }))
    }

    async fn run(mut self, mut receiver: mpsc::UnboundedReceiver<Message<M>>) {
        let closing = self.edge.closing().clone();
        while !self.machine.is_finished() {
            let message = tokio::select! {
                biased;
                // Nothing more is decided. What is owed is found again by the next start.
                () = closing.cancelled() => break,
                message = receiver.recv() => message,
            };
            let Some(message) = message else { break };
            match message.answer {
                Some(answer) => drop(answer.send(self.take(message.input).await)),
                None => self.take_at_last(message.input).await,
            }
            // What was refused its beginning is nothing, and nobody will speak with it again.
            if self.version == 0 && !self.is_unsure {
                break;
            }
        }
        self.mailbox.end();
    }

    /// An observation is a fact: when the store cannot take it now, it is offered again.
    async fn take_at_last(&mut self, input: M::Input) {
        for pause in STORE_RETRY
            .into_iter()
            .chain(std::iter::repeat(STORE_RETRY[3]))
        {
            match self.take(input.clone()).await {
                Ok(()) | Err(Error::Refused(_) | Error::Unborn | Error::Closing) => return,
                Err(Error::Store(error)) => {
                    tracing::error!(%error, "the event log takes nothing; trying again");
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        () = self.edge.closing().cancelled() => return,
                    }
                }
            }
        }
    }

    async fn take(&mut self, input: M::Input) -> Result<(), Error> {
        if self.is_unsure {
            self.catch_up().await?;
        }
        let at = self.edge.now();
        let events = self.machine.decide(at, input).map_err(Error::Refused)?;
        if events.is_empty() {
            return Ok(());
        }
        let mut after = M::clone(&self.machine);
        let mut owed = Vec::new();
        let mut recorded = Vec::with_capacity(events.len());
        for (place, event) in events.into_iter().enumerate() {
            after.evolve(at, &event);
            owed.extend(after.effects(at, &event));
            recorded.push(Recorded {
                version: self.version + 1 + place as u64,
                at,
                event,
            });
        }
        let after = Arc::new(after);
        let (appended, ()) = tokio::join!(
            self.edge.append(self.version, &recorded, &after),
            self.edge.foresee(&after, &owed, &self.mailbox),
        );
        self.is_unsure = appended.is_err();
        appended?;
        self.go_on(after, self.version + recorded.len() as u64, owed);
        Ok(())
    }

    /// Reads what an append has stored whose answer was lost, and does what follows from it.
    async fn catch_up(&mut self) -> Result<(), Error> {
        let mut after = M::clone(&self.machine);
        let mut owed = Vec::new();
        let mut version = self.version;
        for recorded in self.edge.load().await? {
            if recorded.version > self.version {
                after.evolve(recorded.at, &recorded.event);
                owed.extend(after.effects(recorded.at, &recorded.event));
                version = recorded.version;
            }
        }
        self.is_unsure = false;
        if version > self.version {
            self.go_on(Arc::new(after), version, owed);
        }
        Ok(())
    }

    /// The events are stored: shows what they led to, and does what is to be done about them.
    fn go_on(&mut self, after: Arc<M>, version: u64, owed: Vec<M::Effect>) {
        self.machine = after;
        self.version = version;
        // The state is there for whoever asks; who only looks on is woken behind what is to be done.
        self.publish.send_if_modified(|state| {
            *state = Arc::clone(&self.machine);
            false
        });
        for effect in owed {
            self.edge.perform(&self.machine, effect, &self.mailbox);
        }
        self.publish.send_modify(|_| ());
        self.edge.announce(self.version);
    }
}
