//! The state of a service, put together for who asks.

use std::{net::SocketAddr, sync::Arc};

use crate::{
    control::{RuleCount, ServiceStatus, SideStatus, Totals},
    route::Route,
    rules::Rules,
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
    let mut totals = service.history.totals();
    let mut sides = Vec::new();
    for side in &routes.sides {
        let mut counted = (Totals::default(), Totals::default());
        let found = totals.iter().position(|(name, ..)| *name == side.name);
        if let Some(index) = found {
            let (_, totals, aside) = totals.remove(index);
            counted = (totals, aside);
        }
        sides.push(SideStatus {
            name: side.name.clone(),
            weight: side.weight,
            upstreams: side
                .upstreams
                .iter()
                .map(|upstream| upstream.status())
                .collect(),
            totals: counted.0,
            aside: counted.1,
        });
    }
    let left = totals.into_iter().map(|(name, totals, aside)| SideStatus {
        name,
        weight: 0,
        upstreams: Vec::new(),
        totals,
        aside,
    });
    sides.extend(left);
    ServiceStatus {
        name: service.name.clone(),
        listener,
        connections,
        sides,
        ledger: service.ledger.entries(),
        preview,
        rules: rules(&routes),
        held: service.waiting.requests() as u64,
        mirror: routes.mirror.as_ref().map(|mirror| mirror.status()),
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
