//! The timer that hyper takes for its time-out of heads, made for one connection.
//!
//! hyper sets a timer before each head and drops it after. Here the timer stays, and only its
//! deadline is put off.

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::rt::{Sleep, Timer};

use crate::{lock::locked, patience::Patience};

/// The timer of one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeadTimer {
    resting: Arc<Mutex<Option<Patience>>>,
}

/// A wait for one head. Gives its timer back.
struct Waiting {
    patience: Option<Patience>,
    home: Arc<Mutex<Option<Patience>>>,
}

impl Timer for HeadTimer {
    fn sleep(&self, duration: Duration) -> Pin<Box<dyn Sleep>> {
        self.sleep_until(self.now() + duration)
    }

    fn sleep_until(&self, deadline: Instant) -> Pin<Box<dyn Sleep>> {
        let deadline = deadline.into();
        let mut patience = locked(&self.resting)
            .take()
            .unwrap_or_else(|| Patience::until(deadline));
        patience.set(deadline);
        Box::pin(Waiting {
            patience: Some(patience),
            home: Arc::clone(&self.resting),
        })
    }

    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}

impl Sleep for Waiting {}

impl Future for Waiting {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.patience {
            Some(patience) => patience.poll_over(context),
            None => Poll::Pending,
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        *locked(&self.home) = self.patience.take();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn each_head_has_its_whole_time() {
        let timer = HeadTimer::default();
        let began = tokio::time::Instant::now();
        let first = timer.sleep(Duration::from_secs(5));
        let early = tokio::time::timeout(Duration::from_secs(4), first).await;
        assert!(early.is_err());
        timer.sleep(Duration::from_secs(5)).await;
        assert_eq!(began.elapsed().as_secs(), 9);
        timer.sleep(Duration::from_secs(1)).await;
        assert_eq!(began.elapsed().as_secs(), 10);
    }
}
