//! Where a request goes: its side, then an upstream of it, then other sides for want.

use std::sync::Arc;

use http::{HeaderMap, HeaderValue};

use crate::{
    metrics::SideMetrics,
    pool,
    service::{Routes, Service, Side},
    sticky::{self, Seen},
    upstream::{Claim, Upstream},
};

/// What a request asks for, before weights do.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    /// Whatever it is dealt.
    Any,
    /// This side and no other: it came to the preview address.
    Only(Arc<str>),
    /// The side with this name for what the request carries, at any weight.
    Matched(String),
    /// As the client's cookie says, if it has one.
    Sticky(Option<Seen>),
}

impl Wish {
    /// What a request with these headers asks for.
    pub(crate) fn new(routes: &Routes, preview: Option<&Arc<str>>, headers: &HeaderMap) -> Self {
        if let Some(side) = preview {
            return Self::Only(Arc::clone(side));
        }
        if routes.has_matches {
            let fits = |side: &&Side| side.matches.iter().any(|one| one.fits(headers));
            if let Some(side) = routes.sides.iter().find(fits) {
                return Self::Matched(side.name.clone());
            }
        }
        match &routes.sticky {
            Some(sticky) => Self::Sticky(sticky.read(headers, &routes.sides)),
            None => Self::Any,
        }
    }

    /// Index of the side that a request with this wish is to have.
    fn side(&self, routes: &Routes) -> Option<usize> {
        let named = |name: &str| routes.sides.iter().position(|side| side.name == name);
        match self {
            Self::Any | Self::Sticky(None) => routes.split.deal(),
            Self::Only(name) => named(name),
            Self::Matched(name) => named(name).or_else(|| routes.split.deal()),
            Self::Sticky(Some(seen)) => sticky::belongs(*seen, &routes.sides),
        }
    }
}

/// The way of one request. It is given a side once, however often it must be tried.
#[derive(Debug)]
pub(crate) struct Way {
    service: Arc<Service>,
    routes: Arc<Routes>,
    wish: Wish,
    own: Option<usize>,
    tried: Vec<Arc<Upstream>>,
}

/// A place for a request.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) claim: Claim,
    /// Index in the table of the way, as long as no other place was looked for.
    pub(crate) side: usize,
    /// Whether the request's own side had no place.
    pub(crate) diverted: bool,
    /// Whether it is counted apart from what users do.
    pub(crate) aside: bool,
    /// The cookie that the client gets with the answer.
    pub(crate) cookie: Option<HeaderValue>,
}

impl Place {
    /// Where a request in this place counts.
    pub(crate) fn counts<'s>(&self, side: &'s Side) -> &'s Arc<SideMetrics> {
        side.counts(self.aside)
    }
}

impl Way {
    /// The way by a table, which is that of the wish.
    pub(crate) fn new(service: Arc<Service>, routes: Arc<Routes>, wish: Wish) -> Self {
        Self {
            own: wish.side(&routes),
            service,
            routes,
            wish,
            tried: Vec::new(),
        }
    }

    pub(crate) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// The table by which the last place was found.
    pub(crate) fn routes(&self) -> &Arc<Routes> {
        &self.routes
    }

    /// Finds a place that was not tried yet.
    pub(crate) fn next(&mut self) -> Option<Place> {
        loop {
            if let Some(place) = self.own.and_then(|own| self.place(own)) {
                return Some(place);
            }
            // Since the table was read it may have been swapped, and everything in it closed.
            // Only the table in force may say that there is no place.
            if !self.take_table_in_force() {
                return None;
            }
        }
    }

    /// Finds a place, wherever it was tried before.
    pub(crate) fn anew(&mut self) -> Option<Place> {
        self.tried.clear();
        self.take_table_in_force();
        self.next()
    }

    fn take_table_in_force(&mut self) -> bool {
        let now = self.service.routes();
        if Arc::ptr_eq(&now, &self.routes) {
            return false;
        }
        if let Wish::Sticky(Some(seen)) = &mut self.wish {
            // The index is one of the old table.
            let side = self.routes.sides.get(seen.side);
            let found = side.and_then(|old| now.sides.iter().position(|new| new.name == old.name));
            self.wish = Wish::Sticky(found.map(|side| Seen { side, ..*seen }));
        }
        self.own = self.wish.side(&now);
        self.routes = now;
        true
    }

    /// That place is not to be had.
    pub(crate) fn avoid(&mut self, upstream: Arc<Upstream>) {
        self.tried.push(upstream);
    }

    /// Whether the request is counted apart from what users do.
    fn aside(&self) -> bool {
        matches!(self.wish, Wish::Only(_))
    }

    /// The counts of the side that the request was given, if any side has weight.
    pub(crate) fn own_metrics(&self) -> Option<&SideMetrics> {
        Some(self.routes.sides.get(self.own?)?.counts(self.aside()))
    }

    fn place(&self, own: usize) -> Option<Place> {
        std::iter::once(own)
            .chain(self.others(own))
            .find_map(|side| {
                let candidate = self.routes.sides.get(side)?;
                let claim = pool::claim(&candidate.upstreams, &self.tried)?;
                let diverted = side != own;
                Some(Place {
                    claim,
                    cookie: self.cookie(side).filter(|_| !diverted),
                    side,
                    diverted,
                    aside: self.aside(),
                })
            })
    }

    /// Sides that answer for the request's own: those that have weight, then those that have none
    /// (the version before, as long as it is there). While requests are held, only weight says who
    /// may answer: whoever holds them has not let the new side have any yet.
    fn others(&self, own: usize) -> impl Iterator<Item = usize> + '_ {
        let sides = &self.routes.sides;
        let (all, none) = (0..sides.len(), 0..0);
        let all = if self.aside() { none } else { all };
        let weightless = all.clone().filter(|side| {
            let is_let_in = self.routes.hold.is_none();
            is_let_in && sides[*side].weight == 0
        });
        let weighty = all.filter(|side| sides[*side].weight > 0);
        weighty.chain(weightless).filter(move |side| *side != own)
    }

    fn cookie(&self, side: usize) -> Option<HeaderValue> {
        let Wish::Sticky(seen) = self.wish else {
            return None;
        };
        let sticky = self.routes.sticky.as_ref()?;
        sticky.renewed(seen, side, &self.routes.sides)
    }
}
