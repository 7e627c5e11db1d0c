//! The state of a service, put together for who asks.

use std::net::SocketAddr;

use crate::{
    control::{ServiceStatus, SideStatus},
    service::Service,
};

/// What a service is doing. Sides that left the table come last.
pub(crate) fn service_status(
    service: &Service,
    listener: Option<SocketAddr>,
    connections: u64,
) -> ServiceStatus {
    let routes = service.routes();
    let mut totals = service.history.totals();
    let mut sides = Vec::new();
    for side in &routes.sides {
        let found = totals.iter().position(|(name, _)| *name == side.name);
        sides.push(SideStatus {
            name: side.name.clone(),
            weight: side.weight,
            upstreams: side
                .upstreams
                .iter()
                .map(|upstream| upstream.status())
                .collect(),
            totals: found
                .map(|index| totals.remove(index).1)
                .unwrap_or_default(),
        });
    }
    let left = totals.into_iter().map(|(name, totals)| SideStatus {
        name,
        weight: 0,
        upstreams: Vec::new(),
        totals,
    });
    sides.extend(left);
    ServiceStatus {
        name: service.name.clone(),
        listener,
        connections,
        sides,
        ledger: service.ledger.entries(),
    }
}
