//! One service, live: what requests need to know, swapped as a whole when the table changes.

use std::{
    sync::{Arc, Mutex, Weak},
    time::Duration,
};

use arc_swap::ArcSwap;
use http::HeaderValue;
use tokio::sync::watch;

use crate::{
    access_log::AccessLog,
    connection::KeepFor,
    control::{self, Health},
    distinct::Apart,
    drops::Drops,
    health,
    hold::Waiting,
    lock::locked,
    log_file::LogFiles,
    matches::Match,
    metrics::{Ledger, SideMetrics},
    mirror::Mirror,
    route::Route,
    seconds::History,
    split::Split,
    sticky::{Key, Sticky},
    trust::Network,
    upstream::Upstream,
};

/// A service for as long as tables name it.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) name: String,
    /// Counts by side, and the seconds gone by.
    pub(crate) history: History,
    pub(crate) ledger: Arc<Ledger>,
    /// Requests that were lost when there was no side for them.
    pub(crate) drops: Drops,
    /// Requests that wait for a side.
    pub(crate) waiting: Waiting,
    key: Key,
    logs: Arc<LogFiles>,
    routes: ArcSwap<Routes>,
    /// Counts changes of health, for those who wait for one.
    changes: watch::Sender<u64>,
    health: watch::Sender<Health>,
    /// Upstreams that left the table with requests in flight.
    leaving: Mutex<Vec<Weak<Upstream>>>,
}

/// What one table says about a service.
#[derive(Debug)]
pub(crate) struct Routes {
    /// Which requests are the service's; at least one.
    pub(crate) entries: Vec<Arc<Route>>,
    pub(crate) tls: Option<control::Tls>,
    pub(crate) sides: Vec<Side>,
    pub(crate) split: Arc<Split>,
    /// Whether any side has matches.
    pub(crate) has_matches: bool,
    pub(crate) sticky: Option<Sticky>,
    /// The side that the preview shows.
    pub(crate) preview: Option<Arc<str>>,
    pub(crate) mirror: Option<Arc<Mirror>>,
    pub(crate) hold: Option<control::Hold>,
    pub(crate) access_log: Option<AccessLog>,
    /// By what clients are told apart.
    pub(crate) apart: Apart,
    /// How long an answer may take that is not slow.
    pub(crate) slow: Option<Duration>,
    /// Where health is asked for.
    pub(crate) health_path: String,
    pub(crate) limits: control::Limits,
    pub(crate) waits: Waits,
    pub(crate) trusted: Vec<Network>,
    pub(crate) passive: Option<control::Passive>,
    /// Failures to connect in a row that make an upstream unhealthy.
    pub(crate) strikes: u32,
}

/// One side of a service.
#[derive(Debug)]
pub(crate) struct Side {
    pub(crate) name: String,
    pub(crate) weight: u16,
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    /// Requests that go here for what they carry.
    pub(crate) matches: Vec<Match>,
    pub(crate) metrics: Arc<SideMetrics>,
    /// What the preview and copies cause.
    pub(crate) aside: Arc<SideMetrics>,
    /// What answers say about their version, when they shall.
    pub(crate) version: Option<HeaderValue>,
}

impl Side {
    /// Where requests count: with users, or apart.
    pub(crate) fn counts(&self, aside: bool) -> &Arc<SideMetrics> {
        if aside { &self.aside } else { &self.metrics }
    }
}

/// How long to wait for what.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Waits {
    pub(crate) header: Duration,
    pub(crate) idle: Duration,
    pub(crate) body: Duration,
    pub(crate) connect: Duration,
    pub(crate) response: Duration,
    pub(crate) grace: Duration,
    pub(crate) keep_for: KeepFor,
}

/// Where the upstreams of a table come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Just told: as many checks must pass as the table says.
    Told,
    /// Read from the state folder: they have served before, one check shall do.
    Restored,
}

impl Service {
    /// A service that serves nobody until its table is set.
    pub(crate) fn new(name: &str, key: Key, logs: Arc<LogFiles>) -> Self {
        Self {
            name: name.to_owned(),
            history: History::default(),
            ledger: Arc::default(),
            drops: Drops::default(),
            waiting: Waiting::default(),
            key,
            logs,
            routes: ArcSwap::from_pointee(Routes::none()),
            changes: watch::Sender::new(0),
            health: watch::Sender::new(Health::default()),
            leaving: Mutex::default(),
        }
    }

    /// What is in force now.
    pub(crate) fn routes(&self) -> Arc<Routes> {
        self.routes.load_full()
    }

    /// Hears of every change of health from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Puts in force what a table says. Upstreams with the same id and address stay as they are,
    /// but for whether they accept.
    pub(crate) fn update(&self, table: &control::Service, origin: Origin) {
        self.health.send_if_modified(|health| {
            let changed = *health != table.health;
            health.clone_from(&table.health);
            changed
        });
        let before = self.routes();
        let sides: Vec<_> = table
            .sides
            .iter()
            .map(|side| self.side(side, table, &before, origin))
            .collect();
        let weights: Vec<_> = table.sides.iter().map(|side| side.weight).collect();
        let split = if before.split.has_weights(&weights) {
            Arc::clone(&before.split)
        } else {
            Arc::new(Split::new(&weights, rand::random()))
        };
        let routes = Routes {
            entries: routes(table, &before),
            tls: table.tls.clone(),
            sides,
            split,
            has_matches: table.sides.iter().any(|side| !side.matches.is_empty()),
            sticky: table
                .sticky
                .as_ref()
                .map(|told| Sticky::new(&self.name, told, self.key)),
            preview: table
                .preview
                .as_ref()
                .map(|preview| preview.side.as_str().into()),
            mirror: table.mirror.as_ref().map(|told| mirror(told, &before)),
            hold: table.hold.clone(),
            access_log: table.access_log.as_ref().map(|told| AccessLog {
                file: self.logs.open(told),
                query: told.query,
                service: self.name.clone(),
            }),
            apart: Apart::new(table),
            slow: table.evidence.slow_ms.map(Duration::from_millis),
            health_path: table.health.path.clone(),
            limits: table.limits.clone(),
            waits: Waits::from(&table.timeouts),
            trusted: table
                .trusted_peers
                .iter()
                .filter_map(|peer| peer.parse().ok())
                .collect(),
            passive: table.passive.clone(),
            strikes: table.health.unhealthy,
        };
        let after = Arc::new(routes);
        self.routes.store(Arc::clone(&after));
        self.dismiss(&before, &after);
        self.changes.send_modify(|count| *count += 1);
    }

    fn side(
        &self,
        side: &control::Side,
        service: &control::Service,
        before: &Routes,
        origin: Origin,
    ) -> Side {
        let upstream = |upstream: &control::Upstream| {
            let live = before.find(&upstream.id).filter(|live| {
                live.address == upstream.address && live.connections.protocol() == side.protocol
            });
            let live = live.unwrap_or_else(|| self.add(upstream, side.protocol, origin));
            live.set_accepting(upstream.accepting);
            live
        };
        let version = service
            .expose_version
            .then(|| HeaderValue::from_str(&side.name).ok());
        let (metrics, aside) = self.history.side(&side.name);
        Side {
            name: side.name.clone(),
            weight: side.weight,
            upstreams: side.upstreams.iter().map(upstream).collect(),
            matches: side.matches.iter().filter_map(Match::new).collect(),
            metrics,
            aside,
            version: version.flatten(),
        }
    }

    fn add(
        &self,
        upstream: &control::Upstream,
        protocol: control::Protocol,
        origin: Origin,
    ) -> Arc<Upstream> {
        let live = Upstream::new(&upstream.id, &upstream.address, self.changes.clone());
        let live = Arc::new(live.speaking(protocol));
        tokio::spawn(health::watch(&live, self.health.subscribe(), origin));
        live
    }

    /// Closes the upstreams that are in the table no more. Their requests go on.
    fn dismiss(&self, before: &Routes, after: &Routes) {
        let mut leaving = locked(&self.leaving);
        leaving.retain(|upstream| upstream.strong_count() > 0);
        for upstream in before.upstreams() {
            if !after.upstreams().any(|other| Arc::ptr_eq(other, upstream)) {
                upstream.set_accepting(false);
                upstream.connections.close_kept();
                leaving.push(Arc::downgrade(upstream));
            }
        }
    }

    /// Closes every upstream, because the service is no more.
    pub(crate) fn dismiss_all(&self) {
        let before = self.routes.swap(Arc::new(Routes::none()));
        self.dismiss(&before, &Routes::none());
        self.changes.send_modify(|count| *count += 1);
    }

    /// All upstreams, those that already left included.
    pub(crate) fn all(&self) -> Vec<Arc<Upstream>> {
        let routes = self.routes();
        let leaving = locked(&self.leaving);
        let left = leaving.iter().filter_map(Weak::upgrade);
        routes.upstreams().cloned().chain(left).collect()
    }

    /// Everything with one of these ids, upstreams that already left included.
    pub(crate) fn with_ids(&self, ids: &[String]) -> Vec<Arc<Upstream>> {
        let routes = self.routes();
        let leaving = locked(&self.leaving);
        let left = leaving.iter().filter_map(Weak::upgrade);
        let all = routes.upstreams().cloned().chain(left);
        all.filter(|upstream| ids.contains(&upstream.id)).collect()
    }
}

impl Routes {
    pub(crate) fn none() -> Self {
        Self {
            entries: Vec::new(),
            tls: None,
            sides: Vec::new(),
            split: Arc::new(Split::new(&[], 0)),
            has_matches: false,
            sticky: None,
            preview: None,
            mirror: None,
            hold: None,
            access_log: None,
            apart: Apart::Address,
            slow: None,
            health_path: String::new(),
            limits: control::Limits::default(),
            waits: Waits::from(&control::Timeouts::default()),
            trusted: Vec::new(),
            passive: None,
            strikes: 1,
        }
    }

    /// All upstreams of all sides.
    pub(crate) fn upstreams(&self) -> impl Iterator<Item = &Arc<Upstream>> {
        self.sides.iter().flat_map(|side| &side.upstreams)
    }

    /// The upstream with this id.
    pub(crate) fn find(&self, id: &str) -> Option<Arc<Upstream>> {
        self.upstreams().find(|upstream| upstream.id == id).cloned()
    }
}

/// The mirror of a table. One that was there before goes on counting.
fn mirror(told: &control::Mirror, before: &Routes) -> Arc<Mirror> {
    let known = before.mirror.as_ref().filter(|known| known.told == *told);
    known.map_or_else(|| Arc::new(Mirror::new(told)), Arc::clone)
}

/// The routes of a table. One that was there before stays as it is, with what it has counted.
fn routes(table: &control::Service, before: &Routes) -> Vec<Arc<Route>> {
    let all = [control::Route::default()];
    let told = if table.routes.is_empty() {
        &all[..]
    } else {
        &table.routes[..]
    };
    let route = |told: &control::Route| {
        let known = before.entries.iter().find(|route| route.told == *told);
        known.map_or_else(|| Arc::new(Route::new(told)), Arc::clone)
    };
    told.iter().map(route).collect()
}

impl From<&control::Timeouts> for Waits {
    fn from(timeouts: &control::Timeouts) -> Self {
        let keep_for = KeepFor {
            idle: Duration::from_millis(timeouts.upstream_idle_ms),
            age: Duration::from_millis(timeouts.upstream_age_ms),
        };
        Self {
            header: Duration::from_millis(timeouts.header_ms),
            idle: Duration::from_millis(timeouts.idle_ms),
            body: Duration::from_millis(timeouts.body_ms),
            connect: Duration::from_millis(timeouts.connect_ms),
            response: Duration::from_millis(timeouts.response_ms),
            grace: Duration::from_millis(timeouts.stream_grace_ms),
            keep_for,
        }
    }
}
