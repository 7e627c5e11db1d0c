//! Whether a request is let in: what its route's rules and rate say, before anything else is done.

use http::Request;

use crate::{
    client_address::client_address, errors::NotLetIn, request::Peer, route::Route, trust::Network,
};

/// Lets a request in, or says why not. The name of the first rule that only notes it comes back.
pub(crate) fn admit<B>(
    route: &Route,
    request: &Request<B>,
    peer: &Peer,
    trusted: &[Network],
) -> Result<Option<String>, NotLetIn> {
    if route.rules.is_none() && route.rate.is_none() {
        return Ok(None);
    }
    let headers = request.headers();
    let client = client_address(headers, peer.ip(), trusted);
    let hit = route
        .rules
        .as_ref()
        .and_then(|rules| rules.judge(request.method(), request.uri(), headers, client));
    match hit {
        Some(hit) if hit.too_long && hit.denied => return Err(NotLetIn::TargetTooLong),
        Some(hit) if hit.denied => return Err(NotLetIn::Denied),
        _ => {}
    }
    if let Some(rate) = &route.rate {
        rate.take(headers, client)
            .map_err(|wait| NotLetIn::TooOften { wait })?;
    }
    Ok(hit.map(|hit| hit.rule))
}
