//! One request, from a client to an upstream and back: tries, retries, and what is counted.
//!
//! A request is sent again only when that is safe: it never left (any method), or it carries no
//! body, may be repeated, and met a kept connection that the upstream was just closing.

use std::sync::Arc;

use http::{HeaderName, Request, Response, StatusCode, Version};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use tokio::time::Instant;

use crate::{
    connection::{ConnectError, Connection, Sent},
    errors::{BadRequest, NoAnswer},
    h1::AnswerBody,
    headers,
    metrics::{Cause, SideMetrics, Trouble},
    request::{self, BodyFate, Outbound, Peer, RequestBody},
    response::{Holds, ResponseBody},
    router::{Place, Way},
    service::{Service, Side, Waits},
    upgrade,
};

const VERSION: HeaderName = HeaderName::from_static("x-cutover-version");

/// Answers a request.
pub(crate) async fn forward(
    service: &Arc<Service>,
    peer: &Peer,
    request: Request<Incoming>,
) -> Response<ResponseBody> {
    let began = Instant::now();
    let routes = service.routes();
    let prepared = request::prepare(request, peer, &routes.trusted, routes.waits.body);
    let Outbound {
        request,
        upgrade,
        repeatable,
        body,
    } = match prepared {
        Ok(outbound) => outbound,
        Err(bad) => {
            service.ledger.enter(Cause::BadRequest, 1);
            return bad.response();
        }
    };
    let exchange = Exchange {
        service,
        began,
        waits: routes.waits,
        repeatable,
        body,
    };
    exchange.run(request, upgrade).await
}

struct Exchange<'a> {
    service: &'a Arc<Service>,
    began: Instant,
    waits: Waits,
    repeatable: bool,
    body: Arc<BodyFate>,
}

/// What came of a try at one upstream.
enum Tried {
    Answered(Response<AnswerBody>),
    /// The request is whole and may go elsewhere.
    Unsent(Request<RequestBody>),
    Failed(NoAnswer),
    Bad(BadRequest),
}

impl Exchange<'_> {
    async fn run(
        self,
        mut request: Request<RequestBody>,
        upgrade: Option<OnUpgrade>,
    ) -> Response<ResponseBody> {
        let mut way = Way::new(self.service);
        let mut left: Option<Arc<SideMetrics>> = None;
        loop {
            let Some(place) = way.next() else {
                let reason = if left.is_some() {
                    NoAnswer::ConnectFailed
                } else {
                    NoAnswer::NoUpstream
                };
                return self.no_place(reason, left.as_deref().or(way.own_metrics()));
            };
            let Some(side) = place.routes.sides.get(place.side) else {
                return self.no_place(NoAnswer::NoUpstream, None);
            };
            self.count_detour(&place, side, left.as_ref());
            match self.try_at(&place, side, request).await {
                Tried::Answered(response) => return self.answered(response, place, upgrade),
                Tried::Unsent(whole) => {
                    request = whole;
                    left = Some(Arc::clone(&side.metrics));
                    way.avoid(Arc::clone(&place.claim.upstream));
                }
                Tried::Failed(reason) => {
                    // What a drain cut, the drain has entered.
                    if !place.claim.was_cut() {
                        self.service.ledger.enter(reason.cause(), 1);
                    }
                    side.metrics.answered(reason.status(), self.began.elapsed());
                    return reason.response();
                }
                Tried::Bad(bad) => {
                    self.service.ledger.enter(Cause::BadRequest, 1);
                    return bad.response();
                }
            }
        }
    }

    /// Enters that the request does not go the straight way.
    fn count_detour(&self, place: &Place, side: &Side, left: Option<&Arc<SideMetrics>>) {
        if let Some(left) = left {
            self.service.ledger.enter(Cause::Retried, 1);
            if !Arc::ptr_eq(left, &side.metrics) {
                left.gave_up();
            }
        }
        if place.diverted {
            self.service.ledger.enter(Cause::OtherSide, 1);
        }
    }

    /// Tries one upstream: over kept connections as long as they turn out to be closed, then over
    /// a new one.
    async fn try_at(&self, place: &Place, side: &Side, mut request: Request<RequestBody>) -> Tried {
        let upstream = &place.claim.upstream;
        let mut fresh = false;
        loop {
            let connection = match self.connection(place, side, fresh).await {
                Ok(connection) => connection,
                Err(_refused) => return Tried::Unsent(request),
            };
            upstream.forgive();
            let reused = connection.reused;
            let sent = connection.send(request, self.waits.response, &self.body);
            match sent.await {
                Sent::Answered(response) => return Tried::Answered(response),
                Sent::Unsent(whole) if reused => request = whole,
                Sent::Unsent(whole) => return Tried::Unsent(whole),
                Sent::TimedOut => {
                    side.metrics.trouble(Trouble::Timeout);
                    return Tried::Failed(NoAnswer::TimedOut);
                }
                Sent::Lost(without_body) => {
                    if let Some(bad) = self.body.fault() {
                        return Tried::Bad(bad);
                    }
                    side.metrics.trouble(Trouble::Reset);
                    // What is repeatable has no body.
                    if !reused || !self.repeatable || place.claim.was_cut() {
                        return Tried::Failed(NoAnswer::Reset);
                    }
                    request = without_body;
                }
            }
            self.service.ledger.enter(Cause::Retried, 1);
            fresh = true;
        }
    }

    async fn connection(
        &self,
        place: &Place,
        side: &Side,
        fresh: bool,
    ) -> Result<Connection, ConnectError> {
        let upstream = &place.claim.upstream;
        if !fresh && let Some(kept) = upstream.connections.kept(self.waits.keep_for) {
            return Ok(kept);
        }
        let opened = upstream
            .connections
            .open(&upstream.address, self.waits.connect)
            .await;
        if opened.is_err() {
            side.metrics.trouble(Trouble::Connect);
            upstream.strike(place.routes.strikes);
        }
        opened
    }

    fn answered(
        &self,
        mut response: Response<AnswerBody>,
        place: Place,
        asked: Option<OnUpgrade>,
    ) -> Response<ResponseBody> {
        let Place {
            claim,
            routes,
            side,
            ..
        } = place;
        let Some(side) = routes.sides.get(side) else {
            return NoAnswer::NoUpstream.response();
        };
        let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        side.metrics
            .answered(response.status(), self.began.elapsed());
        let protocol = switched
            .then(|| headers::upgrade(response.headers()))
            .flatten();
        headers::strip_hop_by_hop(response.headers_mut());
        if let Some(version) = &side.version {
            response.headers_mut().insert(VERSION, version.clone());
        }
        // An upstream may speak HTTP/1.0; what the client is told is what the balancer speaks.
        *response.version_mut() = Version::HTTP_11;
        if let (Some(protocol), Some(client)) = (protocol, asked) {
            headers::set_upgrade(response.headers_mut(), protocol);
            if let Some(upstream) = response.body_mut().release() {
                tokio::spawn(upgrade::tunnel(client, upstream.switch(), claim));
            }
            return response.map(|_empty| ResponseBody::empty());
        }
        let holds = Holds {
            claim,
            side: Arc::clone(&side.metrics),
            ledger: Arc::clone(&self.service.ledger),
            request: Arc::clone(&self.body),
        };
        response.map(|body| ResponseBody::streamed(body, self.waits.body, holds))
    }

    fn no_place(&self, reason: NoAnswer, side: Option<&SideMetrics>) -> Response<ResponseBody> {
        self.service.ledger.enter(reason.cause(), 1);
        if let Some(side) = side {
            side.answered(reason.status(), self.began.elapsed());
        }
        reason.response()
    }
}
