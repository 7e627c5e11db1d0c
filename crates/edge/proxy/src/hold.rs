//! Requests that wait while no side takes any: bounded in number, memory and time.

use std::{
    mem::size_of,
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use http::{HeaderMap, Method, Request};
use tokio::time::timeout;

use crate::{
    control,
    errors::NoAnswer,
    router::{Place, Way},
    service::Service,
};

/// What one header field takes beside its text, roughly.
const FIELD_BYTES: usize = 2 * size_of::<usize>() * 4;

/// The requests of a service that wait now.
#[derive(Debug, Default)]
pub(crate) struct Waiting {
    requests: AtomicUsize,
    bytes: AtomicUsize,
}

impl Waiting {
    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    fn enter(&self, hold: &control::Hold, bytes: usize) -> Option<Held<'_>> {
        let held = Held {
            waiting: self,
            bytes,
        };
        let requests = self.requests.fetch_add(1, Ordering::Relaxed) + 1;
        let bytes = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        (requests <= hold.requests && bytes <= hold.bytes).then_some(held)
    }
}

/// One that waits. It leaves when dropped, also when its client has gone.
struct Held<'a> {
    waiting: &'a Waiting,
    bytes: usize,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.waiting.requests.fetch_sub(1, Ordering::Relaxed);
        self.waiting.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Waits for a place, at most for as long as the table says.
pub(crate) async fn place(
    service: &Service,
    way: &mut Way,
    hold: &control::Hold,
    bytes: usize,
) -> Result<Place, NoAnswer> {
    let held = service.waiting.enter(hold, bytes);
    let _held = held.ok_or(NoAnswer::HoldFull)?;
    let mut changes = service.changes();
    let place = async {
        loop {
            if let Some(place) = way.anew() {
                return Some(place);
            }
            if changes.changed().await.is_err() {
                return None;
            }
        }
    };
    let waited = timeout(Duration::from_millis(hold.for_ms), place).await;
    waited.ok().flatten().ok_or(NoAnswer::HoldTimedOut)
}

/// What the head of a request takes in memory while it waits, roughly.
pub(crate) fn head_bytes<B>(request: &Request<B>) -> usize {
    fn fields(headers: &HeaderMap) -> usize {
        let field = |(name, value): (&http::HeaderName, &http::HeaderValue)| {
            name.as_str().len() + value.len() + FIELD_BYTES
        };
        headers.iter().map(field).sum()
    }
    let target = request.uri().path_and_query();
    fields(request.headers()) + target.map_or(0, |target| target.as_str().len())
}

/// Whether a request asks how the service is. Whoever asks from outside must not take a service
/// that holds for one that is gone.
pub(crate) fn asks_for_health<B>(request: &Request<B>, path: &str) -> bool {
    let target = request.uri().path_and_query();
    matches!(*request.method(), Method::GET | Method::HEAD)
        && target.is_some_and(|target| target.as_str() == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_wait_are_bounded_in_number_and_memory() {
        let hold = control::Hold {
            requests: 2,
            bytes: 100,
            for_ms: 1,
        };
        let waiting = Waiting::default();
        let first = waiting.enter(&hold, 60).unwrap();
        assert!(waiting.enter(&hold, 60).is_none(), "too many bytes");
        let second = waiting.enter(&hold, 40).unwrap();
        assert!(waiting.enter(&hold, 0).is_none(), "too many requests");
        assert_eq!(waiting.requests(), 2);
        drop((first, second));
        assert_eq!(waiting.requests(), 0);
        assert!(waiting.enter(&hold, 100).is_some());
    }
}
