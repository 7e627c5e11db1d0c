//! The state of a service, put together for who asks.

use std::{net::SocketAddr, sync::Arc};

use crate::{
    control::{RuleCount, ServiceStatus, SideStatus},
    route::Route,
    rules::Rules,
    seconds::Counted,
    service::{Routes, Service},
};

/// What a service is doing. Sides that left the table come last.
pub(crate) fn service_status(
    service: &Service,
    listener: Option<SocketAddr>,
    preview: Option<SocketAddr>,
    connections: u64,
) -> ServiceStatus {
    let routes = service.routes();
    let mut counted = service.history.totals();
    let mut sides = Vec::new();
    for side in &routes.sides {
        let found = counted.iter().position(|other| other.name == side.name);
        let counted = found.map_or_else(Counted::default, |index| counted.remove(index));
        let upstreams = side.upstreams.iter().map(|upstream| upstream.status());
        sides.push(SideStatus {
            name: side.name.clone(),
            weight: side.weight,
            upstreams: upstreams.collect(),
            ..side_status(counted)
        });
    }
    sides.extend(counted.into_iter().map(side_status));
    ServiceStatus {
        name: service.name.clone(),
        listener,
        connections,
        sides,
        ledger: service.ledger.entries(),
        listen_error: None,
        preview,
        rules: rules(&routes),
        drops: service.drops.entries(),
        access_log: routes.access_log.as_ref().map(|log| log.file.status()),
        held: service.waiting.requests() as u64,
        mirror: routes.mirror.as_ref().map(|mirror| mirror.status()),
        certificates: Vec::new(),
    }
}

/// A side that left the table, as it is remembered.
fn side_status(counted: Counted) -> SideStatus {
    SideStatus {
        name: counted.name,
        weight: 0,
        upstreams: Vec::new(),
        totals: counted.totals,
        aside: counted.aside,
        drops: counted.drops,
        histogram: counted.histogram,
    }
}

fn rules(routes: &Routes) -> Vec<RuleCount> {
    let of_route = |route: &Arc<Route>| {
        let counts = route.rules.as_ref().map(Rules::counts).unwrap_or_default();
        let told = route.told.clone();
        counts.into_iter().map(move |(rule, requests)| RuleCount {
            host: told.host.clone(),
            path: told.path.clone(),
            rule,
            requests,
        })
    };
    routes.entries.iter().flat_map(of_route).collect()
}
