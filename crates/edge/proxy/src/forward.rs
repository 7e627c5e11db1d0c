//! One request, from a client to an upstream and back: tries, retries, and what is counted.
//!
//! A request is sent again only when that is safe: it never left (any method), or it carries no
//! body, may be repeated, and met a kept connection that the upstream was just closing.

use std::{sync::Arc, time::Duration};

use http::{HeaderName, Request, Response, StatusCode, Version, header};
use hyper::upgrade::OnUpgrade;
use tokio::time::Instant;

use crate::{
    access_log::{Note, Pending},
    answer::AnswerBody,
    body_fate::BodyFate,
    connection::{ConnectError, Connection, Vain},
    distinct::Client,
    entered::logged,
    errors::{self, BadRequest, NoAnswer},
    events,
    headers::{self, Kinds},
    hold,
    metrics::{Cause, SideMetrics, Trouble},
    request::{Outbound, RequestBody},
    response::{Holds, ResponseBody},
    router::{Place, Way},
    service::{Side, Waits},
    upgrade,
};

const VERSION: HeaderName = HeaderName::from_static("x-cutover-version");

/// A request and all that is known of it. Stays where it is while it waits; what it does borrows
/// from it.
pub(crate) struct Exchange {
    way: Way,
    /// Without its body while that is under way.
    request: Request<RequestBody>,
    /// The client's half of a switch of protocol, when it asked for one.
    upgrade: Option<OnUpgrade>,
    began: Instant,
    /// The time, as long as nothing was waited for: to read the clock costs as much as to take a
    /// connection.
    now: Option<Instant>,
    waits: Waits,
    repeatable: bool,
    body: BodyFate,
    /// Its line in the access log, when there is one.
    log: Option<Box<Pending>>,
    note: Option<Arc<Note>>,
    /// Who sent it.
    client: Client,
    slow: Option<Duration>,
}

/// Why a try at one upstream brought no answer.
enum NotThere {
    /// The request is whole and may go elsewhere.
    Unsent,
    Failed(NoAnswer),
    Bad(BadRequest),
}

/// Whether the upstream failed the request. `None`: the client did.
fn failed(tried: &Result<Response<AnswerBody>, NotThere>) -> Option<bool> {
    match tried {
        Ok(response) => Some(response.status().is_server_error()),
        Err(NotThere::Unsent | NotThere::Failed(_)) => Some(true),
        Err(NotThere::Bad(_)) => None,
    }
}

/// Why there is no place after all.
enum Waited {
    /// It only asks for health, and is told that the service holds.
    Healthy,
    InVain(NoAnswer),
}

impl Exchange {
    pub(crate) fn new(outbound: Outbound, way: Way, client: Client, began: Instant) -> Self {
        let Outbound {
            request,
            upgrade,
            repeatable,
            body,
        } = outbound;
        let routes = way.routes();
        Self {
            began,
            now: Some(began),
            waits: routes.waits,
            slow: routes.slow,
            way,
            request,
            upgrade,
            repeatable,
            body,
            log: None,
            note: None,
            client,
        }
    }

    /// It goes into the access log when it ends.
    pub(crate) fn log(&mut self, pending: Box<Pending>) {
        let note = pending.note();
        note.body(&self.body);
        self.note = Some(note);
        self.log = Some(pending);
    }

    /// The answer, once.
    pub(crate) async fn answer(&mut self) -> Response<ResponseBody> {
        let answer = self.run().await;
        logged(self.log.take(), answer)
    }

    async fn run(&mut self) -> Response<ResponseBody> {
        let mut left: Option<Arc<SideMetrics>> = None;
        loop {
            let place = match self.way.next() {
                Some(place) => place,
                // What is rare is put aside, here and below: every request moves and keeps the room
                // for all that it might have to do.
                None => match Box::pin(self.wait(left.is_some())).await {
                    Ok(place) => place,
                    Err(Waited::Healthy) => return errors::holding(),
                    Err(Waited::InVain(reason)) => {
                        return self.no_place(reason, left.as_deref().or(self.way.own_metrics()));
                    }
                },
            };
            self.set_out(&place, left.as_ref());
            let tried = self.try_at(&place).await;
            if let (Some(rule), Some(failed)) = (&self.way.routes().passive, failed(&tried)) {
                place.claim.upstream.ejection.note(rule, failed);
            }
            match tried {
                Ok(response) => return self.answered(response, place),
                Err(NotThere::Unsent) => {
                    left = self.counts(&place).cloned();
                    self.way.avoid(Arc::clone(&place.claim.upstream));
                }
                Err(NotThere::Failed(reason)) => return self.failed(reason, &place),
                Err(NotThere::Bad(bad)) => {
                    self.way.service().ledger.enter(Cause::BadRequest, 1);
                    return bad.response();
                }
            }
        }
    }

    fn side(&self, place: &Place) -> Option<&Side> {
        self.way.routes().sides.get(place.side)
    }

    /// Where the request counts.
    fn counts(&self, place: &Place) -> Option<&Arc<SideMetrics>> {
        Some(place.counts(self.side(place)?))
    }

    fn trouble(&self, place: &Place, trouble: Trouble) {
        if let Some(counts) = self.counts(place) {
            counts.trouble(trouble);
        }
    }

    /// No side takes the request: it waits for one if it may.
    async fn wait(&mut self, refused: bool) -> Result<Place, Waited> {
        self.now = None;
        let service = Arc::clone(self.way.service());
        let routes = service.routes();
        let Some(hold) = &routes.hold else {
            let reason = if refused {
                NoAnswer::ConnectFailed
            } else {
                NoAnswer::NoUpstream
            };
            return Err(Waited::InVain(reason));
        };
        if hold::asks_for_health(&self.request, &routes.health_path) {
            return Err(Waited::Healthy);
        }
        let bytes = hold::head_bytes(&self.request);
        hold::place(&service, &mut self.way, hold, bytes)
            .await
            .map_err(Waited::InVain)
    }

    /// Enters where the request goes now, and whether that is the straight way.
    fn set_out(&self, place: &Place, left: Option<&Arc<SideMetrics>>) {
        let (Some(side), routes) = (self.side(place), self.way.routes()) else {
            return;
        };
        if let Some(note) = &self.note {
            note.place(&side.name, &place.claim.upstream.id);
        }
        let ledger = &self.way.service().ledger;
        if let Some(left) = left {
            ledger.enter(Cause::Retried, 1);
            if !Arc::ptr_eq(left, place.counts(side)) {
                left.gave_up();
                left.bad_for(self.client);
            }
        }
        if place.diverted {
            ledger.enter(Cause::OtherSide, 1);
        }
        if left.is_none()
            && !place.aside
            && let Some(mirror) = &routes.mirror
        {
            mirror.reflect(routes, place.side, &self.request);
        }
    }

    /// Tries one upstream: over kept connections as long as they turn out to be closed, then over
    /// a new one.
    async fn try_at(&mut self, place: &Place) -> Result<Response<AnswerBody>, NotThere> {
        let upstream = &place.claim.upstream;
        let mut fresh = false;
        loop {
            let now = self.now.take().unwrap_or_else(Instant::now);
            let keep_for = self.waits.keep_for;
            let kept = (!fresh).then(|| upstream.connections.take_kept(keep_for, now));
            let (connection, now) = match kept.flatten() {
                Some(kept) => (kept, now),
                None => match Box::pin(self.connection(place, fresh)).await {
                    Ok(connection) => (connection, Instant::now()),
                    Err(_refused) => return Err(NotThere::Unsent),
                },
            };
            upstream.forgive();
            let reused = connection.reused;
            let again = reused && self.repeatable;
            let (limit, body) = (self.waits.response, &self.body);
            let sent = connection.send(&mut self.request, again, limit, body, now);
            let vain = match sent.await {
                Ok(response) => return Ok(response),
                Err(vain) => vain,
            };
            // A body that broke off is the client's fault, and nothing to try elsewhere, even if
            // it broke off before anything left.
            if let Some(bad) = self.body.fault() {
                return Err(NotThere::Bad(bad));
            }
            match vain {
                Vain::Unsent if reused => {}
                Vain::Unsent => return Err(NotThere::Unsent),
                Vain::TimedOut => {
                    self.trouble(place, Trouble::Timeout);
                    return Err(NotThere::Failed(NoAnswer::TimedOut));
                }
                Vain::Lost => {
                    self.trouble(place, Trouble::Reset);
                    if !again || place.claim.was_cut() {
                        return Err(NotThere::Failed(NoAnswer::Reset));
                    }
                }
            }
            self.way.service().ledger.enter(Cause::Retried, 1);
            fresh = true;
        }
    }

    async fn connection(&self, place: &Place, fresh: bool) -> Result<Connection, ConnectError> {
        let upstream = &place.claim.upstream;
        let (connect, keep_for) = (self.waits.connect, self.waits.keep_for);
        let opened = upstream
            .connections
            .take(&upstream.address, connect, keep_for, fresh)
            .await;
        if opened.is_err() {
            self.trouble(place, Trouble::Connect);
            upstream.strike(self.way.routes().strikes);
        }
        opened
    }

    fn answered(
        &mut self,
        mut response: Response<AnswerBody>,
        place: Place,
    ) -> Response<ResponseBody> {
        let Some(side) = self.side(&place) else {
            return NoAnswer::NoUpstream.response();
        };
        let counts = Arc::clone(place.counts(side));
        let version = side.version.clone();
        let Place { claim, cookie, .. } = place;
        self.count(&counts, response.status());
        let switched = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let kinds = Kinds::of(response.headers());
        let protocol = switched
            .then(|| headers::upgrade(response.headers(), kinds))
            .flatten();
        headers::strip_hop_by_hop(response.headers_mut(), kinds);
        if let Some(version) = version {
            response.headers_mut().insert(VERSION, version);
        }
        if let Some(cookie) = cookie {
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
        // An upstream may speak HTTP/1.0; what the client is told is what the balancer speaks.
        *response.version_mut() = Version::HTTP_11;
        if let (Some(protocol), Some(client)) = (protocol, self.upgrade.take()) {
            headers::set_upgrade(response.headers_mut(), protocol.clone());
            if let Some(upstream) = response.body_mut().release().and_then(Connection::switch) {
                tokio::spawn(upgrade::tunnel(client, upstream, protocol, claim, counts));
            }
            return response.map(|_empty| ResponseBody::empty());
        }
        let events =
            events::are_in(response.headers()).then(|| claim.upstream.farewell.join(&counts));
        let holds = Holds {
            claim,
            side: counts,
            client: self.client,
            ledger: Arc::clone(&self.way.service().ledger),
            request: self.body.clone(),
        };
        response.map(|body| ResponseBody::streamed(body, self.waits.body, holds, events))
    }

    fn failed(&self, reason: NoAnswer, place: &Place) -> Response<ResponseBody> {
        if let Some(counts) = self.counts(place) {
            // What a drain cut, the drain has entered.
            if place.claim.was_cut() {
                counts.drops.enter(Cause::DrainCut);
            } else {
                self.way.service().ledger.enter(reason.cause(), 1);
                counts.drops.enter(reason.cause());
            }
            self.count(counts, reason.status());
        }
        reason.response()
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
        let service = self.way.service();
        service.ledger.enter(reason.cause(), 1);
        if let Some(side) = side {
            side.drops.enter(reason.cause());
            self.count(side, reason.status());
        } else {
            service.drops.enter(reason.cause());
        }
        reason.response()
    }
}
