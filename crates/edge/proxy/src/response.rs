//! An upstream's answer on its way to the client, and what its body still holds.
//!
//! The body carries the claim on the upstream and the connection: streams count as in flight to
//! their last byte, and a connection is kept only when its answer was read to the end.

use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::{
    access_log::Pending,
    answer::AnswerBody,
    body_fate::BodyFate,
    distinct::Client,
    events::Events,
    farewell::Guest,
    metrics::{Cause, Ledger, SideMetrics, Trouble},
    stall::Stall,
    upstream::Claim,
};

/// The body of an answer.
pub(crate) struct ResponseBody(Kind);

enum Kind {
    Text(Option<Bytes>),
    Streamed(Box<Streamed>),
    /// One that goes into the access log.
    Watched(Box<(ResponseBody, Pending)>),
}

/// What an answer holds while its body goes through.
pub(crate) struct Holds {
    pub(crate) claim: Claim,
    pub(crate) side: Arc<SideMetrics>,
    pub(crate) client: Client,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) request: BodyFate,
}

struct Streamed {
    body: AnswerBody,
    stall: Stall,
    /// Followed when it is a stream of events.
    events: Option<Events>,
    /// Given back as soon as the body has ended.
    holds: Option<Holds>,
}

/// The upstream's body broke off or stood still. The client sees its connection cut.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the upstream did not send the whole body")]
pub(crate) struct AnswerCut;

impl ResponseBody {
    /// A short text by the balancer itself.
    pub(crate) fn text(text: Bytes) -> Self {
        Self(Kind::Text(Some(text)))
    }

    /// Nothing, for a switch of protocol.
    pub(crate) fn empty() -> Self {
        Self(Kind::Text(None))
    }

    /// A body whose end is the end of a line in the access log.
    pub(crate) fn watched(body: Self, pending: Pending) -> Self {
        Self(Kind::Watched(Box::new((body, pending))))
    }

    /// The body that an upstream sends.
    pub(crate) fn streamed(
        body: AnswerBody,
        patience: Duration,
        holds: Holds,
        events: Option<Guest>,
    ) -> Self {
        // One whose length was told must keep it.
        let events = events.filter(|_| body.size_hint().exact().is_none());
        let mut streamed = Streamed {
            body,
            stall: Stall::new(patience),
            events: events.map(Events::new),
            holds: Some(holds),
        };
        if streamed.body.is_ended() {
            streamed.ended();
        }
        Self(Kind::Streamed(Box::new(streamed)))
    }
}

impl Streamed {
    fn ended(&mut self) {
        let Some(Holds { claim, request, .. }) = self.holds.take() else {
            return;
        };
        // An upstream may answer before it has read everything. Then the connection still belongs
        // to that request's client, who could hold up the next one on it.
        if request.is_whole()
            && let Some(connection) = self.body.release()
        {
            claim.upstream.connections.keep(connection);
        }
    }

    /// Ends the stream of events although the upstream goes on.
    fn part(&mut self) {
        if let Some(events) = &mut self.events
            && self.holds.is_some()
        {
            events.part();
        }
        self.holds = None;
        let _closed = self.body.release();
    }

    fn cut(&mut self, trouble: Trouble) -> AnswerCut {
        if let Some(Holds {
            claim,
            side,
            client,
            ledger,
            ..
        }) = self.holds.take()
        {
            side.cut();
            side.bad_for(client);
            side.trouble(trouble);
            if claim.was_cut() {
                side.drops.enter(Cause::DrainCut);
            } else {
                side.drops.enter(Cause::AnswerCut);
                ledger.enter(Cause::AnswerCut, 1);
            }
        }
        AnswerCut
    }
}

impl Drop for Streamed {
    fn drop(&mut self) {
        if self.body.is_ended() {
            self.ended();
        }
        if let Some(Holds { side, .. }) = self.holds.take() {
            side.client_gone();
        }
    }
}

impl Body for ResponseBody {
    type Data = Bytes;
    type Error = AnswerCut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, AnswerCut>>> {
        let streamed = match &mut self.0 {
            Kind::Text(text) => return Poll::Ready(text.take().map(|text| Ok(Frame::data(text)))),
            Kind::Streamed(streamed) => streamed,
            Kind::Watched(watched) => {
                let (body, pending) = &mut **watched;
                let piece = ready!(Pin::new(&mut *body).poll_frame(context));
                pending.saw(piece.as_ref(), body.is_end_stream());
                return Poll::Ready(piece);
            }
        };
        if let Some(events) = &mut streamed.events
            && events.is_over(context)
        {
            streamed.part();
            return Poll::Ready(None);
        }
        match streamed.body.poll(context) {
            Poll::Ready(Some(Ok(mut frame))) => {
                streamed.stall.moved();
                if let Some(events) = &mut streamed.events {
                    frame = frame.map_data(|data| events.pass(data, context));
                }
                if streamed.body.is_ended() {
                    streamed.ended();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(None) => {
                streamed.ended();
                Poll::Ready(None)
            }
            Poll::Ready(Some(Err(_))) => Poll::Ready(Some(Err(streamed.cut(Trouble::Reset)))),
            Poll::Pending => {
                ready!(streamed.stall.poll_stalled(context));
                Poll::Ready(Some(Err(streamed.cut(Trouble::Timeout))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Text(text) => text.is_none(),
            Kind::Streamed(streamed) => streamed.body.is_ended(),
            Kind::Watched(watched) => watched.0.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Text(text) => SizeHint::with_exact(text.as_ref().map_or(0, Bytes::len) as u64),
            Kind::Streamed(streamed) => streamed.body.size_hint(),
            Kind::Watched(watched) => watched.0.size_hint(),
        }
    }
}

impl fmt::Debug for ResponseBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Kind::Text(_) => "ResponseBody(text)",
            Kind::Streamed(_) => "ResponseBody(streamed)",
            Kind::Watched(_) => "ResponseBody(watched)",
        })
    }
}
