//! One route, live: whether a request is its, and what is done to the path.

use http::{HeaderValue, Request, Uri, header, uri::PathAndQuery};

use crate::{control, rate::Rate, rules::Rules};

/// A route as requests meet it. Stays the same as long as the table says the same of it.
#[derive(Debug)]
pub(crate) struct Route {
    /// What the table says.
    pub(crate) told: control::Route,
    host: HostPattern,
    /// Without a slash at its end.
    prefix: String,
    /// What upstreams are told of a prefix that was taken away.
    pub(crate) stripped: Option<HeaderValue>,
    pub(crate) rate: Option<Rate>,
    pub(crate) rules: Option<Rules>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum HostPattern {
    Any,
    Exact(String),
    /// With the dot that it begins with.
    Below(String),
}

impl Route {
    pub(crate) fn new(told: &control::Route) -> Self {
        let host = match told.host_key() {
            None => HostPattern::Any,
            Some(host) => match host.strip_prefix('*') {
                Some(below) => HostPattern::Below(below.to_owned()),
                None => HostPattern::Exact(host),
            },
        };
        let prefix = told.prefix().to_owned();
        let stripped = (told.strip_prefix && !prefix.is_empty())
            .then(|| HeaderValue::from_str(&prefix).ok())
            .flatten();
        Self {
            rate: told.rate.as_ref().map(Rate::new),
            rules: Rules::new(&told.rules, told.common),
            told: told.clone(),
            host,
            prefix,
            stripped,
        }
    }

    /// Larger for what is to be asked first.
    pub(crate) fn rank(&self) -> (u8, usize, usize) {
        let (kind, length) = match &self.host {
            HostPattern::Any => (0, 0),
            HostPattern::Below(below) => (1, below.len()),
            HostPattern::Exact(host) => (2, host.len()),
        };
        (kind, length, self.prefix.len())
    }

    /// Whether it takes everything that there is.
    pub(crate) fn takes_all(&self) -> bool {
        self.host == HostPattern::Any && self.prefix.is_empty()
    }

    /// Whether it is for this host. The host is without port, in any case.
    pub(crate) fn has_host(&self, host: &str) -> bool {
        match &self.host {
            HostPattern::Any => true,
            HostPattern::Exact(exact) => host.eq_ignore_ascii_case(exact),
            HostPattern::Below(below) => {
                let start = host.len().checked_sub(below.len());
                start.is_some_and(|start| {
                    start > 0
                        && host
                            .get(start..)
                            .is_some_and(|tail| tail.eq_ignore_ascii_case(below))
                })
            }
        }
    }

    /// Whether it is for this path.
    pub(crate) fn has_path(&self, path: &[u8]) -> bool {
        path.strip_prefix(self.prefix.as_bytes())
            .is_some_and(|rest| matches!(rest, [] | [b'/', ..]) || self.prefix.is_empty())
    }

    /// The target without the prefix, when it is to be taken away.
    pub(crate) fn strip(&self, uri: &Uri) -> Option<Uri> {
        self.stripped.as_ref()?;
        let target = uri.path_and_query().map_or("/", PathAndQuery::as_str);
        let rest = target.strip_prefix(&self.prefix)?;
        let rest = if rest.starts_with('/') {
            rest.to_owned()
        } else {
            format!("/{rest}")
        };
        Uri::try_from(rest).ok()
    }
}

/// For which host a request is, without port. Empty when it does not say, or not in text.
pub(crate) fn host_of<B>(request: &Request<B>) -> &str {
    let authority = match request.uri().authority() {
        Some(authority) => authority.as_str(),
        None => request
            .headers()
            .get(header::HOST)
            .and_then(|host| host.to_str().ok())
            .unwrap_or_default(),
    };
    let host = if authority.starts_with('[') {
        authority.split_inclusive(']').next().unwrap_or_default()
    } else {
        authority.split(':').next().unwrap_or_default()
    };
    host.strip_suffix('.').unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(host: Option<&str>, path: &str) -> Route {
        Route::new(&control::Route {
            host: host.map(str::to_owned),
            path: path.to_owned(),
            strip_prefix: true,
            ..control::Route::default()
        })
    }

    #[test]
    fn hosts_are_exact_or_below_a_star() {
        let cases = [
            (None, "anything", true),
            (Some("Shop.example.org"), "shop.EXAMPLE.org", true),
            (Some("shop.example.org"), "a.shop.example.org", false),
            (Some("*.example.org"), "a.b.Example.org", true),
            (Some("*.example.org"), "example.org", false),
            (Some("*.example.org"), ".example.org", false),
            (Some("*.example.org"), "badexample.org", false),
            (Some("*.example.org"), "ü.example.org", true),
            (Some("*.example.org"), "", false),
        ];
        for (pattern, host, expected) in cases {
            let found = route(pattern, "/").has_host(host);
            assert_eq!(found, expected, "{pattern:?} {host}");
        }
    }

    #[test]
    fn prefixes_end_where_segments_do() {
        let cases = [
            ("/api", "/api", true),
            ("/api", "/api/x", true),
            ("/api/", "/api", true),
            ("/api", "/apis", false),
            ("/api", "/", false),
            ("/", "/anything", true),
            ("/", "*", true),
        ];
        for (prefix, path, expected) in cases {
            assert_eq!(
                route(None, prefix).has_path(path.as_bytes()),
                expected,
                "{prefix} {path}"
            );
        }
    }

    #[test]
    fn a_prefix_is_taken_away_and_the_query_stays() {
        let cases = [
            ("/api/x?y=1", "/x?y=1"),
            ("/api", "/"),
            ("/api?y", "/?y"),
            ("/api/", "/"),
        ];
        for (given, left) in cases {
            let stripped = route(None, "/api").strip(&given.parse().unwrap()).unwrap();
            assert_eq!(stripped.to_string(), left);
        }
        assert!(route(None, "/").strip(&Uri::from_static("/x")).is_none());
    }

    #[test]
    fn hosts_lose_their_port_and_last_dot() {
        for (given, host) in [
            ("a.example:80", "a.example"),
            ("a.example.", "a.example"),
            ("[::1]:80", "[::1]"),
            ("", ""),
        ] {
            let request = Request::get("/").header("host", given).body(()).unwrap();
            assert_eq!(host_of(&request), host);
        }
        let request = Request::get("http://b.example:1/x").header("host", "a");
        assert_eq!(host_of(&request.body(()).unwrap()), "b.example");
    }
}
