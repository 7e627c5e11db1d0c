//! Copies of requests to a side whose answers nobody gets. They never delay or fail the request
//! they were made of, and keep no upstream from being drained: they hold no claim.

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use http::{HeaderName, HeaderValue, Method, Request};
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};

use crate::{
    body_fate::BodyFate,
    connection::Vain,
    control::{self, MirrorStatus},
    metrics::{SideMetrics, Trouble},
    request::{self, RequestBody},
    service::{Routes, Waits},
    split::Split,
    upstream::Upstream,
};

const MARK: HeaderName = HeaderName::from_static("x-cutover-mirror");

/// The mirror of a service, for as long as its table says the same of it.
#[derive(Debug)]
pub(crate) struct Mirror {
    pub(crate) told: control::Mirror,
    split: Split,
    places: Arc<Semaphore>,
    sent: AtomicU64,
    failed: AtomicU64,
    skipped: AtomicU64,
}

impl Mirror {
    pub(crate) fn new(told: &control::Mirror) -> Self {
        let rest = 10_000 - told.share.min(10_000);
        Self {
            told: told.clone(),
            split: Split::new(&[rest, told.share], rand::random()),
            places: Arc::new(Semaphore::new(told.at_once.min(Semaphore::MAX_PERMITS))),
            sent: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
        }
    }

    /// Sends a copy, when it is this request's turn and there is room.
    pub(crate) fn reflect(
        self: &Arc<Self>,
        routes: &Routes,
        served_by: usize,
        request: &Request<RequestBody>,
    ) {
        let Some((index, side)) = routes
            .sides
            .iter()
            .enumerate()
            .find(|(_, side)| side.name == self.told.side)
        else {
            return;
        };
        let safe = matches!(*request.method(), Method::GET | Method::HEAD)
            && request::is_empty(request)
            && !request.headers().contains_key(http::header::UPGRADE);
        if !safe || index == served_by || self.split.deal() != Some(1) {
            return;
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        let upstream = side.upstreams.iter().find(|one| one.takes_requests());
        let (Ok(place), Some(upstream)) = (place, upstream) else {
            self.skipped.fetch_add(1, Ordering::Relaxed);
            return;
        };
        self.sent.fetch_add(1, Ordering::Relaxed);
        let copy = Copy {
            upstream: Arc::clone(upstream),
            counts: Arc::clone(&side.aside),
            waits: routes.waits,
        };
        let (mirror, request) = (Arc::clone(self), copy_of(request));
        tokio::spawn(async move {
            let _place = place;
            if copy.send(request).await.is_none() {
                mirror.failed.fetch_add(1, Ordering::Relaxed);
            }
        });
    }

    pub(crate) fn status(&self) -> MirrorStatus {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        MirrorStatus {
            side: self.told.side.clone(),
            sent: read(&self.sent),
            failed: read(&self.failed),
            skipped: read(&self.skipped),
        }
    }
}

fn copy_of(request: &Request<RequestBody>) -> Request<RequestBody> {
    let mut copy = request::repeat(request);
    copy.headers_mut()
        .insert(MARK, HeaderValue::from_static("1"));
    copy
}

struct Copy {
    upstream: Arc<Upstream>,
    counts: Arc<SideMetrics>,
    waits: Waits,
}

impl Copy {
    /// Sends, and reads the answer to its end. `None` when there was none, or not in time.
    async fn send(&self, mut request: Request<RequestBody>) -> Option<()> {
        let began = Instant::now();
        let patience = self.waits.response.min(Duration::from_mins(1));
        let exchange = async {
            let connections = &self.upstream.connections;
            let (address, keep_for) = (&self.upstream.address, self.waits.keep_for);
            let taken = connections.take(address, self.waits.connect, keep_for, false);
            let connection = taken.await.map_err(|_refused| Trouble::Connect)?;
            let no_body = BodyFate::default();
            let sent = connection.send(&mut request, false, patience, &no_body, Instant::now());
            let answer = sent.await.map_err(|vain| match vain {
                Vain::TimedOut => Trouble::Timeout,
                Vain::Unsent | Vain::Lost => Trouble::Reset,
            })?;
            self.counts.answered(answer.status(), began.elapsed());
            let mut body = answer.into_body();
            while let Some(frame) = poll_fn(|context| body.poll(context)).await {
                frame.map_err(|_cut| Trouble::Reset)?;
            }
            if let Some(connection) = body.release() {
                connections.keep(connection);
            }
            Ok(())
        };
        let sent = timeout(patience, exchange).await;
        match sent.unwrap_or(Err(Trouble::Timeout)) {
            Ok(()) => Some(()),
            Err(trouble) => {
                self.counts.trouble(trouble);
                None
            }
        }
    }
}
