//! A request as it is taken in: whether it is let in, and what it needs for its way.
//!
//! All of this is done at once, before anything is waited for. The way itself is in `forward`.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use tokio::time::Instant;

use crate::{
    access_log::Pending,
    client_address::client_address,
    errors::{BadRequest, NotLetIn},
    forward::Exchange,
    guard,
    metrics::Cause,
    request::{self, Peer},
    response::ResponseBody,
    route::Route,
    router::{Way, Wish},
    service::Service,
};

/// A request that was taken in.
pub(crate) enum Entered {
    /// It goes no further.
    Answered(Response<ResponseBody>),
    OnItsWay(Box<Exchange>),
}

impl Entered {
    /// The answer.
    pub(crate) async fn answer(self) -> Response<ResponseBody> {
        match self {
            Self::Answered(answer) => answer,
            Self::OnItsWay(mut exchange) => exchange.answer().await,
        }
    }
}

/// Makes a request ready for its way, or answers it at once.
pub(crate) fn begin(
    service: &Arc<Service>,
    route: &Route,
    preview: Option<&Arc<str>>,
    peer: &Peer,
    mut request: Request<Incoming>,
) -> Entered {
    let routes = service.routes();
    let log = routes.access_log.as_ref();
    let log = log.map(|log| Box::new(log.begin(&mut request, peer, &routes.trusted)));
    let began = Instant::now();
    let noted = match guard::admit(route, &request, peer, &routes.trusted) {
        Ok(noted) => noted,
        Err(reason) => return refuse(service, log, &reason.into()),
    };
    if let (Some(rule), Some(log)) = (noted, &log) {
        log.note().rule(rule);
    }
    let client = client_address(request.headers(), peer.ip(), &routes.trusted);
    let client = routes.apart.client(request.headers(), client);
    let wish = Wish::new(&routes, preview, request.headers());
    let prepared = request::prepare(request, peer, &routes.trusted, route, routes.waits.body);
    let outbound = match prepared {
        Ok(outbound) => outbound,
        Err(bad) => return refuse(service, log, &bad.into()),
    };
    let way = Way::new(Arc::clone(service), routes, wish);
    let mut exchange = Box::new(Exchange::new(outbound, way, client, began));
    if let Some(pending) = log {
        exchange.log(pending);
    }
    Entered::OnItsWay(exchange)
}

fn refuse(service: &Service, log: Option<Box<Pending>>, refused: &Refused) -> Entered {
    service.ledger.enter(refused.cause(), 1);
    Entered::Answered(logged(log, refused.response()))
}

/// Why a request goes no further.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    NotLetIn(#[from] NotLetIn),
    #[error(transparent)]
    Bad(#[from] BadRequest),
}

impl Refused {
    fn cause(&self) -> Cause {
        match self {
            Self::NotLetIn(reason) => reason.cause(),
            Self::Bad(_) => Cause::BadRequest,
        }
    }

    fn response(&self) -> Response<ResponseBody> {
        match self {
            Self::NotLetIn(reason) => reason.response(),
            Self::Bad(bad) => bad.response(),
        }
    }
}

/// An answer that goes into the access log, when there is one.
pub(crate) fn logged(
    log: Option<Box<Pending>>,
    answer: Response<ResponseBody>,
) -> Response<ResponseBody> {
    match log {
        Some(pending) => pending.answered(answer),
        None => answer,
    }
}
