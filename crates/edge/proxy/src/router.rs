//! Where a request goes: its side by weight, then an upstream of it, then other sides for want.

use std::sync::Arc;

use crate::{
    metrics::SideMetrics,
    pool,
    service::{Routes, Service},
    upstream::{Claim, Upstream},
};

/// The way of one request. It is dealt a side once, however often it must be tried.
#[derive(Debug)]
pub(crate) struct Way<'a> {
    service: &'a Service,
    routes: Arc<Routes>,
    own: Option<usize>,
    tried: Vec<Arc<Upstream>>,
}

/// A place for a request.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) claim: Claim,
    pub(crate) routes: Arc<Routes>,
    pub(crate) side: usize,
    /// Whether the request's own side had no place.
    pub(crate) diverted: bool,
}

impl<'a> Way<'a> {
    pub(crate) fn new(service: &'a Service) -> Self {
        let routes = service.routes();
        let own = routes.split.deal();
        Self {
            service,
            routes,
            own,
            tried: Vec::new(),
        }
    }

    /// Finds a place that was not tried yet.
    pub(crate) fn next(&mut self) -> Option<Place> {
        loop {
            if let Some(place) = self.own.and_then(|own| self.place(own)) {
                return Some(place);
            }
            // Since the table was read it may have been swapped, and everything in it closed.
            // Only the table in force may say that there is no place.
            let now = self.service.routes();
            if Arc::ptr_eq(&now, &self.routes) {
                return None;
            }
            self.own = now.split.deal();
            self.routes = now;
        }
    }

    /// That place is not to be had.
    pub(crate) fn avoid(&mut self, upstream: Arc<Upstream>) {
        self.tried.push(upstream);
    }

    /// The counts of the side that the request was dealt, if any side has weight.
    pub(crate) fn own_metrics(&self) -> Option<&SideMetrics> {
        Some(&self.routes.sides.get(self.own?)?.metrics)
    }

    fn place(&self, own: usize) -> Option<Place> {
        let others = (0..self.routes.sides.len()).filter(|side| *side != own);
        std::iter::once(own).chain(others).find_map(|side| {
            let candidate = self.routes.sides.get(side).filter(|side| side.weight > 0)?;
            let claim = pool::claim(&candidate.upstreams, &self.tried)?;
            let routes = Arc::clone(&self.routes);
            Some(Place {
                claim,
                routes,
                side,
                diverted: side != own,
            })
        })
    }
}
