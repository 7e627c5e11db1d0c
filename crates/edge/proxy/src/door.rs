//! One address that clients connect to, and whose each request is: by host, then by path.
//!
//! What is done with a request that has found its service is in `forward`.

use std::{
    collections::BTreeMap,
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use arc_swap::{ArcSwap, ArcSwapOption};
use http::{Request, Version};
use hyper::body::Incoming;

use crate::{
    acme::Challenges,
    control::Tls,
    crowd::{Crowd, Crowded, Seat},
    entered::{Entered, begin},
    errors::Misdirected,
    plain_path::cleaned,
    redirect,
    request::Peer,
    roster::Roster,
    route::{Route, host_of},
    service::{Routes, Service},
    tls::{Keyring, Secured, Terminator},
};

/// An address for as long as tables name it.
#[derive(Debug)]
pub(crate) struct Door {
    /// The connections of clients. They may speak to any service behind the address.
    pub(crate) clients: Arc<Roster>,
    /// The same by client, where that is bounded.
    crowd: Arc<Crowd>,
    behind: ArcSwap<Behind>,
    /// Where its TLS ends. None: it is plain.
    tls: ArcSwapOption<Terminator>,
    challenges: Arc<Challenges>,
    /// Whether its connections are to end, each with its next answer.
    leaving: AtomicBool,
}

/// What one table says about an address: its entries, the most specific first.
#[derive(Debug)]
pub(crate) struct Behind {
    entries: Vec<Entry>,
    /// Whether they are of more than one service.
    shared: bool,
}

/// One route of one service.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) service: Arc<Service>,
    pub(crate) route: Arc<Route>,
    /// The only side that requests go to, where this is a preview.
    pub(crate) preview: Option<Arc<str>>,
    /// The port with TLS that requests are sent on to, where this is the plain address of a service
    /// that has TLS.
    pub(crate) redirect: Option<u16>,
}

impl Behind {
    /// Puts entries in the order in which they are asked. There must be one at least.
    pub(crate) fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.route.rank()));
        let shared = entries
            .windows(2)
            .any(|pair| pair[0].service.name != pair[1].service.name);
        Self { entries, shared }
    }

    /// What the services say of TLS, if any does.
    fn tls(&self) -> Option<Vec<Tls>> {
        let mut told = BTreeMap::new();
        for entry in &self.entries {
            if let (None, None, Some(tls)) =
                (&entry.preview, entry.redirect, &entry.service.routes().tls)
            {
                told.insert(&entry.service.name, tls.clone());
            }
        }
        (!told.is_empty()).then(|| told.into_values().collect())
    }

    /// Whose this request is.
    fn find<B>(
        &self,
        request: &Request<B>,
        secured: Option<&Secured>,
    ) -> Result<&Entry, Misdirected> {
        // The common case: nobody shares the address, and nothing needs to be read.
        if let [entry] = &self.entries[..]
            && entry.route.takes_all()
        {
            return Ok(entry);
        }
        let (host, path) = (host_of(request), request.uri().path());
        if self.shared && secured.is_some_and(|secured| !secured.is_for(host)) {
            return Err(Misdirected::Uncovered);
        }
        let of_host = || {
            self.entries
                .iter()
                .filter(|entry| entry.route.has_host(host))
        };
        let of_path = |path: &[u8]| of_host().find(|entry| entry.route.has_path(path));
        let found = of_path(path.as_bytes());
        // Whoever writes a path so that it is one route's here and another one's further on may
        // want to get past what the other route keeps away.
        if let Some(clean) = cleaned(path) {
            let other = of_path(&clean);
            if !same(found, other) {
                return Err(Misdirected::Ambiguous);
            }
        }
        if let Some(entry) = found {
            return Ok(entry);
        }
        // A client that shares one connection among hosts is to try another one: RFC 9110, 7.4.
        let coalesced = request.version() == Version::HTTP_2;
        Err(match of_host().next() {
            Some(_) => Misdirected::Path,
            None if coalesced => Misdirected::Connection,
            None => Misdirected::Host,
        })
    }
}

/// Whether two looks found the same entry, or none.
fn same(one: Option<&Entry>, other: Option<&Entry>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => std::ptr::eq(one, other),
        (None, None) => true,
        _ => false,
    }
}

impl Door {
    pub(crate) fn new(behind: Behind, keyring: &Keyring) -> Self {
        let door = Self {
            clients: Arc::default(),
            crowd: Arc::default(),
            behind: ArcSwap::from_pointee(behind),
            tls: ArcSwapOption::empty(),
            challenges: Arc::clone(&keyring.authority.challenges),
            leaving: AtomicBool::new(false),
        };
        door.choose(keyring);
        door
    }

    /// Shows the certificates that there are now to who connects from now on.
    pub(crate) fn choose(&self, keyring: &Keyring) {
        let Some(told) = self.behind.load().tls() else {
            return self.tls.store(None);
        };
        let known = self.tls();
        let terminator = known.unwrap_or_else(|| Arc::new(keyring.terminator()));
        terminator.set(keyring.certificates(told.iter()));
        self.tls.store(Some(terminator));
    }

    /// Where the TLS of a new connection ends, if it has any.
    pub(crate) fn tls(&self) -> Option<Arc<Terminator>> {
        self.tls.load_full()
    }

    /// Lets its connections end, each with its next answer: to close one while its client may be
    /// sending would lose a request.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Puts in force what another table says.
    pub(crate) fn set(&self, behind: Behind, keyring: &Keyring) {
        self.behind.store(Arc::new(behind));
        self.choose(keyring);
    }

    /// Whether a service is behind it, with all of its sides or with its preview.
    pub(crate) fn has(&self, service: &Arc<Service>, preview: bool) -> bool {
        let is_it = |entry: &Entry| {
            Arc::ptr_eq(&entry.service, service)
                && entry.preview.is_some() == preview
                && entry.redirect.is_none()
        };
        self.behind.load().entries.iter().any(is_it)
    }

    /// What counts for connections, before a request says whose it is: that of the most general
    /// service, since every connection may come to it.
    pub(crate) fn routes(&self) -> Arc<Routes> {
        let behind = self.behind.load();
        behind
            .entries
            .last()
            .map_or_else(|| Arc::new(Routes::none()), |entry| entry.service.routes())
    }

    /// Lets a connection of this peer in, with a seat where their number is bounded.
    pub(crate) fn admit(&self, peer: IpAddr) -> Result<Option<Seat>, Crowded> {
        let routes = self.routes();
        let trusted = routes.trusted.iter().any(|network| network.contains(peer));
        match routes.limits.connections_per_client {
            Some(limit) if !trusted => self.crowd.seat(peer, limit).map(Some),
            _ => Ok(None),
        }
    }

    /// Takes a request in: finds out whose it is, and makes it ready for its way.
    pub(crate) fn enter(&self, peer: &Peer, request: Request<Incoming>) -> Entered {
        if let Some(answer) = self.challenges.answer(&request) {
            return Entered::Answered(answer);
        }
        let behind = self.behind.load();
        match behind.find(&request, peer.secured.as_ref()) {
            Ok(Entry {
                redirect: Some(port),
                ..
            }) => Entered::Answered(redirect::answer(&request, *port)),
            Ok(Entry {
                service,
                route,
                preview,
                redirect: None,
            }) => begin(service, route, preview.as_ref(), peer, request),
            Err(misdirected) => Entered::Answered(misdirected.response()),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::header;

    use super::*;
    use crate::{control, sticky::Key};

    fn entry(name: &str, host: Option<&str>, path: &str) -> Entry {
        let route = control::Route {
            host: host.map(str::to_owned),
            path: path.to_owned(),
            ..control::Route::default()
        };
        Entry {
            service: Arc::new(Service::new(name, Key([0; 32]), Arc::default())),
            route: Arc::new(Route::new(&route)),
            preview: None,
            redirect: None,
        }
    }

    #[test]
    fn the_most_specific_route_wins() {
        let behind = Behind::new(vec![
            entry("any", None, "/"),
            entry("any-api", None, "/api"),
            entry("below", Some("*.example.org"), "/"),
            entry("far-below", Some("*.eu.example.org"), "/"),
            entry("exact", Some("shop.example.org"), "/"),
            entry("exact-api", Some("shop.example.org"), "/api"),
            entry("exact-api-v2", Some("shop.example.org"), "/api/v2"),
        ]);
        let cases = [
            ("other", "/", "any"),
            ("other", "/api/x", "any-api"),
            ("a.example.org", "/api", "below"),
            ("a.eu.example.org", "/", "far-below"),
            ("shop.example.org:8080", "/apis", "exact"),
            ("SHOP.example.org", "/api?x", "exact-api"),
            ("shop.example.org", "/api/v2/y", "exact-api-v2"),
        ];
        for (host, target, expected) in cases {
            let request = Request::get(target).header(header::HOST, host).body(());
            let request = request.unwrap();
            let found = behind.find(&request, None).unwrap();
            assert_eq!(found.service.name, expected, "{host} {target}");
        }
    }

    #[test]
    fn a_path_that_is_two_routes_is_refused() {
        let behind = Behind::new(vec![
            entry("all", None, "/"),
            entry("admin", None, "/admin"),
        ]);
        let ask = |target: &str| {
            let request = Request::get(target).header(header::HOST, "h");
            let request = request.body(()).unwrap();
            let found = behind.find(&request, None);
            found.map(|entry| entry.service.name.clone())
        };
        for target in [
            "//admin",
            "/./admin",
            "/%2fadmin",
            "/admin/../x",
            "/%61dmin",
        ] {
            assert_eq!(ask(target), Err(Misdirected::Ambiguous), "{target}");
        }
        assert_eq!(ask("/admin/%61//b"), Ok("admin".to_owned()));
        assert_eq!(ask("/a//b/%20"), Ok("all".to_owned()));
    }

    #[test]
    fn who_is_not_known_is_told_how_far_it_came() {
        let behind = Behind::new(vec![entry("a", Some("a.example"), "/api")]);
        let ask = |host: &str, target: &str, version| {
            let request = Request::get(target)
                .header(header::HOST, host)
                .version(version);
            let request = request.body(()).unwrap();
            behind.find(&request, None).err()
        };
        let (one, two) = (Version::HTTP_11, Version::HTTP_2);
        assert_eq!(ask("b.example", "/api", one), Some(Misdirected::Host));
        assert_eq!(ask("b.example", "/api", two), Some(Misdirected::Connection));
        assert_eq!(ask("a.example", "/", two), Some(Misdirected::Path));
        assert_eq!(ask("a.example", "/api", one), None);
    }
}
