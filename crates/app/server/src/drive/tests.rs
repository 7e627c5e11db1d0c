//! The loop, with a machine that counts and a log whose answers get lost.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use cutover_model::{Timestamp, event::Recorded};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Driven, Edge, Error, Machine, Mailbox, start};

/// Counts to three. `0` is refused.
#[derive(Debug, Clone, Default)]
struct Count(u32);

impl Machine for Count {
    type Input = u32;
    type Event = u32;
    type Effect = u32;

    fn decide(&self, _: Timestamp, input: u32) -> Result<Vec<u32>, String> {
        match input {
            0 => Err("nothing comes of nothing".to_owned()),
            // An observation that comes twice changes nothing.
            seen if seen <= self.0 => Ok(Vec::new()),
            next => Ok(vec![next]),
        }
    }
    fn evolve(&mut self, _: Timestamp, event: &u32) {
        self.0 = *event;
    }
    fn effects(&self, _: Timestamp, event: &u32) -> Vec<u32> {
        vec![*event]
    }
    fn outstanding(&self) -> Vec<u32> {
        Vec::new()
    }
    fn is_finished(&self) -> bool {
        self.0 >= 3
    }
}

#[derive(Clone, Default)]
struct World {
    log: Arc<Mutex<Vec<Recorded<u32>>>>,
    done: Arc<Mutex<Vec<u32>>>,
    /// How many appends are stored, and say that they failed.
    lost_answers: Arc<Mutex<u32>>,
    closing: CancellationToken,
}

impl Edge<Count> for World {
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
    async fn load(&self) -> Result<Vec<Recorded<u32>>, Error> {
        Ok(self.log.lock().unwrap().clone())
    }
    async fn append(
        &self,
        expected: u64,
        events: &[Recorded<u32>],
        _: &Count,
    ) -> Result<(), Error> {
        let mut log = self.log.lock().unwrap();
        let found = log.len() as u64;
        if found != expected {
            return Err(Error::Store(cutover_store::Error::Conflict {
                stream: "count".to_owned(),
                expected,
                found,
            }));
        }
        log.extend_from_slice(events);
        let mut lost = self.lost_answers.lock().unwrap();
        if *lost > 0 {
            *lost -= 1;
            return Err(Error::Store(cutover_store::Error::Full(
                "after all".to_owned(),
            )));
        }
        Ok(())
    }
    fn perform(&self, _: &Arc<Count>, effect: u32, _: &Mailbox<Count>) {
        self.done.lock().unwrap().push(effect);
    }
    fn announce(&self, _: u64) {}
    fn closing(&self) -> &CancellationToken {
        &self.closing
    }
}

async fn driven(world: &World) -> Driven<Count> {
    start(world.clone(), &TaskTracker::new()).await.unwrap()
}

#[tokio::test]
async fn an_append_whose_answer_was_lost_is_found_and_not_repeated() {
    let world = World::default();
    *world.lost_answers.lock().unwrap() = 1;
    let count = driven(&world).await;
    count.mailbox.observe(1);
    count.mailbox.observe(3);
    let last = tokio::time::timeout(Duration::from_secs(10), count.finished()).await;
    assert_eq!(last.expect("it goes on").0, 3);
    assert_eq!(*world.done.lock().unwrap(), [1, 3], "each once");
    assert_eq!(world.log.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn what_is_refused_its_beginning_is_not_driven_for_ever() {
    let count = driven(&World::default()).await;
    let refused = count.mailbox.command(0).await;
    assert!(matches!(refused, Err(Error::Refused(_))));
    // The channel of states closes with the driver.
    count.finished().await;
}

#[tokio::test]
async fn when_the_server_goes_down_nothing_is_left_waiting() {
    let (world, tasks) = (World::default(), TaskTracker::new());
    let count = start(world.clone(), &tasks).await.unwrap();
    count.mailbox.command(1).await.unwrap();
    count
        .mailbox
        .wake_after(Duration::from_hours(1), "late".to_owned(), 3);
    world.closing.cancel();
    tasks.close();
    tokio::time::timeout(Duration::from_secs(10), tasks.wait())
        .await
        .expect("neither the driver nor its timer goes on");
    assert!(matches!(
        count.mailbox.command(2).await,
        Err(Error::Refused(_) | Error::Closing)
    ));
}
