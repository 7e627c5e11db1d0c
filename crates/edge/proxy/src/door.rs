//! One address that clients connect to, and whose each request is: by host, then by path.
//!
//! What is done with a request that has found its service is in `forward`.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use arc_swap::ArcSwap;
use http::{Request, Response, Version};
use hyper::body::Incoming;

use crate::{
    errors::Misdirected,
    forward::forward,
    request::Peer,
    response::ResponseBody,
    roster::Roster,
    route::{Route, host_of},
    service::{Routes, Service},
};

/// An address for as long as tables name it.
#[derive(Debug)]
pub(crate) struct Door {
    /// The connections of clients. They may speak to any service behind the address.
    pub(crate) clients: Arc<Roster>,
    behind: ArcSwap<Behind>,
    /// Whether its connections are to end, each with its next answer.
    leaving: AtomicBool,
}

/// What one table says about an address: its entries, the most specific first.
#[derive(Debug)]
pub(crate) struct Behind(Vec<Entry>);

/// One route of one service.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) service: Arc<Service>,
    pub(crate) route: Arc<Route>,
    /// The only side that requests go to, where this is a preview.
    pub(crate) preview: Option<Arc<str>>,
}

impl Behind {
    /// Puts entries in the order in which they are asked. There must be one at least.
    pub(crate) fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by_key(|entry| std::cmp::Reverse(entry.route.rank()));
        Self(entries)
    }

    /// Whose this request is.
    fn find<B>(&self, request: &Request<B>) -> Result<&Entry, Misdirected> {
        // The common case: nobody shares the address, and nothing needs to be read.
        if let [entry] = &self.0[..]
            && entry.route.takes_all()
        {
            return Ok(entry);
        }
        let (host, path) = (host_of(request), request.uri().path());
        let of_host = || self.0.iter().filter(|entry| entry.route.has_host(host));
        if let Some(entry) = of_host().find(|entry| entry.route.has_path(path)) {
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

impl Door {
    pub(crate) fn new(behind: Behind) -> Self {
        Self {
            clients: Arc::default(),
            behind: ArcSwap::from_pointee(behind),
            leaving: AtomicBool::new(false),
        }
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
    pub(crate) fn set(&self, behind: Behind) {
        self.behind.store(Arc::new(behind));
    }

    /// Whether a service is behind it, with all of its sides or with its preview.
    pub(crate) fn has(&self, service: &Arc<Service>, preview: bool) -> bool {
        let behind = self.behind.load();
        behind
            .0
            .iter()
            .any(|entry| Arc::ptr_eq(&entry.service, service) && entry.preview.is_some() == preview)
    }

    /// What counts for connections, before a request says whose it is: that of the most general
    /// service, since every connection may come to it.
    pub(crate) fn routes(&self) -> Arc<Routes> {
        let behind = self.behind.load();
        behind
            .0
            .last()
            .map_or_else(|| Arc::new(Routes::none()), |entry| entry.service.routes())
    }

    /// Answers a request.
    pub(crate) async fn enter(
        &self,
        peer: &Peer,
        request: Request<Incoming>,
    ) -> Response<ResponseBody> {
        // The guard must not live as long as the request: it is one of few.
        let found = self.behind.load().find(&request).cloned();
        match found {
            Ok(Entry {
                service,
                route,
                preview,
            }) => forward(&service, &route, preview, peer, request).await,
            Err(misdirected) => misdirected.response(),
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
            let found = behind.find(&request).unwrap();
            assert_eq!(found.service.name, expected, "{host} {target}");
        }
    }

    #[test]
    fn who_is_not_known_is_told_how_far_it_came() {
        let behind = Behind::new(vec![entry("a", Some("a.example"), "/api")]);
        let ask = |host: &str, target: &str, version| {
            let request = Request::get(target)
                .header(header::HOST, host)
                .version(version);
            let request = request.body(()).unwrap();
            behind.find(&request).err()
        };
        let (one, two) = (Version::HTTP_11, Version::HTTP_2);
        assert_eq!(ask("b.example", "/api", one), Some(Misdirected::Host));
        assert_eq!(ask("b.example", "/api", two), Some(Misdirected::Connection));
        assert_eq!(ask("a.example", "/", two), Some(Misdirected::Path));
        assert_eq!(ask("a.example", "/api", one), None);
    }
}
