//! One request, from a client to an upstream and back: tries, retries, and what is counted.
//!
//! A request is sent again only when that is safe: it never left (any method), or it carries no
//! body, may be repeated, and met a kept connection that the upstream was just closing.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, Request, Response, StatusCode, Version, header};
use hyper::{body::Incoming, upgrade::OnUpgrade};
use tokio::time::Instant;

use crate::{
    access_log::Note,
    answer::AnswerBody,
    client_address::client_address,
    connection::{ConnectError, Connection, Sent},
    distinct::Client,
    errors::{self, BadRequest, NoAnswer},
    events, guard, headers, hold,
    metrics::{Cause, SideMetrics, Trouble},
    request::{self, BodyFate, Outbound, Peer, RequestBody},
    response::{Holds, ResponseBody},
    route::Route,
    router::{Place, Way, Wish},
    service::{Routes, Service, Side, Waits},
    upgrade,
};

const VERSION: HeaderName = HeaderName::from_static("x-cutover-version");

/// Answers a request.
pub(crate) async fn forward(
    service: &Arc<Service>,
    route: &Route,
    preview: Option<Arc<str>>,
    peer: &Peer,
    mut request: Request<Incoming>,
) -> Response<ResponseBody> {
    let routes = service.routes();
    let Some(log) = &routes.access_log else {
        return answer(service, &routes, route, preview, peer, request, None).await;
    };
    let pending = log.begin(&mut request, peer, &routes.trusted);
    let note = Some(pending.note());
    pending.answered(answer(service, &routes, route, preview, peer, request, note).await)
}

async fn answer(
    service: &Arc<Service>,
    routes: &Arc<Routes>,
    route: &Route,
    preview: Option<Arc<str>>,
    peer: &Peer,
    request: Request<Incoming>,
    note: Option<Arc<Note>>,
) -> Response<ResponseBody> {
    let began = Instant::now();
    match guard::admit(route, &request, peer, &routes.trusted) {
        Ok(Some(rule)) => note.iter().for_each(|note| note.rule(rule.clone())),
        Ok(None) => {}
        Err(reason) => {
            service.ledger.enter(reason.cause(), 1);
            return reason.response();
        }
    }
    let client = client_address(request.headers(), peer.ip(), &routes.trusted);
    let client = routes.apart.client(request.headers(), client);
    let wish = Wish::new(routes, preview, request.headers());
    let prepared = request::prepare(request, peer, &routes.trusted, route, routes.waits.body);
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
    if let Some(note) = &note {
        note.body(&body);
    }
    let exchange = Exchange {
        service,
        began,
        waits: routes.waits,
        repeatable,
        body,
        note,
        client,
        slow: routes.slow,
    };
    let way = Way::new(service, routes, wish);
    exchange.run(request, upgrade, way).await
}

struct Exchange<'a> {
    service: &'a Arc<Service>,
    began: Instant,
    waits: Waits,
    repeatable: bool,
    body: Arc<BodyFate>,
    /// For the access log, when there is one.
    note: Option<Arc<Note>>,
    /// Who sent it.
    client: Client,
    slow: Option<Duration>,
}

/// What came of a try at one upstream.
enum Tried {
    Answered(Response<AnswerBody>),
    /// The request is whole and may go elsewhere.
    Unsent(Request<RequestBody>),
    Failed(NoAnswer),
    Bad(BadRequest),
}

impl Tried {
    /// Whether the upstream failed the request. `None`: the client did.
    fn failed(&self) -> Option<bool> {
        match self {
            Self::Answered(response) => Some(response.status().is_server_error()),
            Self::Unsent(_) | Self::Failed(_) => Some(true),
            Self::Bad(_) => None,
        }
    }
}

/// Why there is no place after all.
enum Waited {
    /// It only asks for health, and is told that the service holds.
    Healthy,
    Vain(NoAnswer),
}

impl Exchange<'_> {
    async fn run(
        self,
        mut request: Request<RequestBody>,
        upgrade: Option<OnUpgrade>,
        mut way: Way<'_>,
    ) -> Response<ResponseBody> {
        let mut left: Option<Arc<SideMetrics>> = None;
        loop {
            let place = match way.next() {
                Some(place) => place,
                // What is rare is put aside, here and below: every request moves and keeps the room
                // for all that it might have to do.
                None => match Box::pin(self.wait(&mut way, &request, left.is_some())).await {
                    Ok(place) => place,
                    Err(Waited::Healthy) => return errors::holding(),
                    Err(Waited::Vain(reason)) => {
                        return self.no_place(reason, left.as_deref().or(way.own_metrics()));
                    }
                },
            };
            let Some(side) = place.routes.sides.get(place.side) else {
                return self.no_place(NoAnswer::NoUpstream, None);
            };
            if let Some(note) = &self.note {
                note.place(&side.name, &place.claim.upstream.id);
            }
            self.count_detour(&place, side, left.as_ref());
            if left.is_none()
                && !place.aside
                && let Some(mirror) = &place.routes.mirror
            {
                mirror.reflect(&place.routes, place.side, &request);
            }
            let tried = self.try_at(&place, side, request).await;
            if let (Some(rule), Some(failed)) = (&place.routes.passive, tried.failed()) {
                place.claim.upstream.ejection.note(rule, failed);
            }
            match tried {
                Tried::Answered(response) => return self.answered(response, place, upgrade),
                Tried::Unsent(whole) => {
                    request = whole;
                    left = Some(Arc::clone(place.counts(side)));
                    way.avoid(Arc::clone(&place.claim.upstream));
                }
                Tried::Failed(reason) => {
                    let counts = place.counts(side);
                    // What a drain cut, the drain has entered.
                    if place.claim.was_cut() {
                        counts.drops.enter(Cause::DrainCut);
                    } else {
                        self.service.ledger.enter(reason.cause(), 1);
                        counts.drops.enter(reason.cause());
                    }
                    self.count(counts, reason.status());
                    return reason.response();
                }
                Tried::Bad(bad) => {
                    self.service.ledger.enter(Cause::BadRequest, 1);
                    return bad.response();
                }
            }
        }
    }

    /// No side takes the request: it waits for one if it may.
    async fn wait(
        &self,
        way: &mut Way<'_>,
        request: &Request<RequestBody>,
        refused: bool,
    ) -> Result<Place, Waited> {
        let routes = self.service.routes();
        let Some(hold) = &routes.hold else {
            let reason = if refused {
                NoAnswer::ConnectFailed
            } else {
                NoAnswer::NoUpstream
            };
            return Err(Waited::Vain(reason));
        };
        if hold::asks_for_health(request, &routes.health_path) {
            return Err(Waited::Healthy);
        }
        let bytes = hold::head_bytes(request);
        hold::place(self.service, way, hold, bytes)
            .await
            .map_err(Waited::Vain)
    }

    /// Enters that the request does not go the straight way.
    fn count_detour(&self, place: &Place, side: &Side, left: Option<&Arc<SideMetrics>>) {
        if let Some(left) = left {
            self.service.ledger.enter(Cause::Retried, 1);
            if !Arc::ptr_eq(left, place.counts(side)) {
                left.gave_up();
                left.bad_for(self.client);
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
            let again = reused && self.repeatable;
            let sent = connection.send(request, again, self.waits.response, &self.body);
            let sent = sent.await;
            // A body that broke off is the client's fault, and nothing to try elsewhere, even if
            // it broke off before anything left.
            if let (false, Some(bad)) = (matches!(sent, Sent::Answered(_)), self.body.fault()) {
                return Tried::Bad(bad);
            }
            match sent {
                Sent::Answered(response) => return Tried::Answered(response),
                Sent::Unsent(whole) if reused => request = whole,
                Sent::Unsent(whole) => return Tried::Unsent(whole),
                Sent::TimedOut => {
                    place.counts(side).trouble(Trouble::Timeout);
                    return Tried::Failed(NoAnswer::TimedOut);
                }
                Sent::Lost(spare) => {
                    place.counts(side).trouble(Trouble::Reset);
                    match spare {
                        Some(spare) if !place.claim.was_cut() => request = spare,
                        _ => return Tried::Failed(NoAnswer::Reset),
                    }
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
        let (connect, keep_for) = (self.waits.connect, self.waits.keep_for);
        let opened = upstream
            .connections
            .take(&upstream.address, connect, keep_for, fresh)
            .await;
        if opened.is_err() {
            place.counts(side).trouble(Trouble::Connect);
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
            aside,
            cookie,
            ..
        } = place;
        let Some(side) = routes.sides.get(side) else {
            return NoAnswer::NoUpstream.response();
        };
        let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        self.count(side.counts(aside), response.status());
        let protocol = switched
            .then(|| headers::upgrade(response.headers()))
            .flatten();
        headers::strip_hop_by_hop(response.headers_mut());
        if let Some(version) = &side.version {
            response.headers_mut().insert(VERSION, version.clone());
        }
        if let Some(cookie) = cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        // An upstream may speak HTTP/1.0; what the client is told is what the balancer speaks.
        *response.version_mut() = Version::HTTP_11;
        if let (Some(protocol), Some(client)) = (protocol, asked) {
            headers::set_upgrade(response.headers_mut(), protocol.clone());
            if let Some(upstream) = response.body_mut().release().and_then(Connection::switch) {
                let counts = Arc::clone(side.counts(aside));
                tokio::spawn(upgrade::tunnel(client, upstream, protocol, claim, counts));
            }
            return response.map(|_empty| ResponseBody::empty());
        }
        let events = events::are_in(response.headers())
            .then(|| claim.upstream.farewell.join(side.counts(aside)));
        let holds = Holds {
            claim,
            side: Arc::clone(side.counts(aside)),
            client: self.client,
            ledger: Arc::clone(&self.service.ledger),
            request: Arc::clone(&self.body),
        };
        response.map(|body| ResponseBody::streamed(body, self.waits.body, holds, events))
    }

    /// Counts an answer where it belongs.
    fn count(&self, side: &SideMetrics, status: StatusCode) {
        let took = self.began.elapsed();
        side.answered(status, took);
        if status.is_server_error() {
            side.bad_for(self.client);
        }
        if self.slow.is_some_and(|slow| took > slow) {
            side.slow_for(self.client);
        }
    }

    fn no_place(&self, reason: NoAnswer, side: Option<&SideMetrics>) -> Response<ResponseBody> {
        self.service.ledger.enter(reason.cause(), 1);
        if let Some(side) = side {
            side.drops.enter(reason.cause());
            self.count(side, reason.status());
        } else {
            self.service.drops.enter(reason.cause());
        }
        reason.response()
    }
}
