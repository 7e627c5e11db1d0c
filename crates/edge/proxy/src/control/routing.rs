//! Which requests are a service's: hosts and path prefixes at an address that several may share.
//!
//! Plain data; what makes it valid is in `validate`, how a request finds its route in `door`.

use serde::{Deserialize, Serialize};

use super::guards::{Action, RateLimit, Rule};

/// Requests that belong to a service, among those that reach its address.
///
/// Of several that fit, the most specific one counts: an exact host before a wildcard, a longer
/// wildcard before a shorter one, any host last; then the longest path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Route {
    /// `shop.example.org`, or `*.example.org` for whatever stands before it. `None`: any host.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Prefix of the path that ends where a segment does: `/api` has `/api` and `/api/x`, but not
    /// `/apis`. `/` has all.
    pub path: String,
    /// Whether the upstream gets the path without that prefix. It is told in
    /// `X-Forwarded-Prefix` what was taken away.
    pub strip_prefix: bool,
    /// How often a client may ask.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<RateLimit>,
    /// Bytes that the body of a request may have; more are answered 413.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
    /// Requests that are not wanted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<Rule>,
    /// What is done with what scanners ask of everybody: path traversal, null bytes, well-known
    /// probe paths, targets of more than 8,192 bytes. `None`: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub common: Option<Action>,
}

impl Default for Route {
    fn default() -> Self {
        Self {
            host: None,
            path: "/".to_owned(),
            strip_prefix: false,
            rate: None,
            body_bytes: None,
            rules: Vec::new(),
            common: None,
        }
    }
}

impl Route {
    /// The path without a slash at its end, so that `/api` and `/api/` are one. Empty for all.
    pub(crate) fn prefix(&self) -> &str {
        self.path.trim_end_matches('/')
    }

    /// The host as it is compared.
    pub(crate) fn host_key(&self) -> Option<String> {
        let host = self.host.as_ref()?;
        Some(host.trim_end_matches('.').to_ascii_lowercase())
    }
}

/// A property of requests that sends them to a side whatever its weight, also at none.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// A header field.
    Header(Property),
    /// A cookie.
    Cookie(Property),
}

/// A name and a value. Names of header fields are compared in any case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Property {
    /// Name of the field or cookie.
    pub name: String,
    /// Its whole value. `None`: any value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// Keeps a client with its side by a cookie, which says nothing to others and cannot be forged.
///
/// The sides must stand in the order in which they came, the newest last. Who has seen a newer side
/// stays with it for as long as it has weight; who has not is moved to it as its weight grows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sticky {
    /// Name of the cookie.
    pub cookie: String,
    /// Seconds that clients keep it. `None`: until the browser is closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_age_s: Option<u64>,
    /// Whether clients send it over TLS only.
    #[serde(default)]
    pub secure: bool,
}

/// A second address of a service, where everything goes to one side. Its requests are counted
/// apart: they are no evidence of how the side fares with users.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preview {
    /// As in [`super::Service::listen`], shared with nobody.
    #[serde(default)]
    pub listen: Option<String>,
    /// Name of the side.
    pub side: String,
}

/// Copies of requests to a side whose answers nobody gets. `GET` and `HEAD` only, marked by
/// `X-Cutover-Mirror: 1`, and counted apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// Name of the side. What it serves itself is not copied to it.
    pub side: String,
    /// Share of those requests in basis points.
    pub share: u16,
    /// Copies under way at once; further ones are not made.
    #[serde(default = "few")]
    pub at_once: usize,
}

/// Lets requests wait when no side takes any, for the time between two instances that must not
/// run together. The health path is answered meanwhile.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Hold {
    /// Requests that may wait at once; further ones are answered 503.
    pub requests: usize,
    /// Bytes that the heads of waiting requests may have together. Bodies wait at their clients.
    pub bytes: usize,
    /// How long one may wait before it is answered 503.
    pub for_ms: u64,
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            requests: 1_000,
            bytes: 16 * 1024 * 1024,
            for_ms: 10_000,
        }
    }
}

fn few() -> usize {
    16
}
