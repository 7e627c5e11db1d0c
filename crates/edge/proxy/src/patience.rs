//! A deadline that is put off far more often than it passes, such as one for each request.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::time::{Instant, Sleep, sleep_until};

/// A deadline. To put it off costs nothing: the timer goes off at the time once set, is found to be
/// too early, and only then set anew.
#[derive(Debug)]
pub(crate) struct Patience {
    deadline: Instant,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Patience {
    pub(crate) fn until(deadline: Instant) -> Self {
        Self {
            deadline,
            sleep: None,
        }
    }

    /// Sets another deadline.
    pub(crate) fn set(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }

    /// Ready when the deadline has passed.
    pub(crate) fn poll_over(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let deadline = self.deadline;
        let sleep = self
            .sleep
            .get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        if deadline < sleep.deadline() {
            sleep.as_mut().reset(deadline);
        }
        loop {
            ready!(sleep.as_mut().poll(context));
            if sleep.deadline() >= deadline || Instant::now() >= deadline {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(deadline);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, time::Duration};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_ends_when_the_deadline_last_set_does() {
        let began = Instant::now();
        let seconds = |count| began + Duration::from_secs(count);
        let mut patience = Patience::until(seconds(5));
        let pending = poll_fn(|context| Poll::Ready(patience.poll_over(context))).await;
        assert!(pending.is_pending());
        patience.set(seconds(60));
        poll_fn(|context| patience.poll_over(context)).await;
        assert_eq!(began.elapsed().as_secs(), 60);
        patience.set(seconds(90));
        let pending = poll_fn(|context| Poll::Ready(patience.poll_over(context))).await;
        assert!(pending.is_pending());
        patience.set(seconds(70));
        poll_fn(|context| patience.poll_over(context)).await;
        assert_eq!(began.elapsed().as_secs(), 70);
    }
}
