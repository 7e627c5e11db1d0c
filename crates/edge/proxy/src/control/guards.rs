//! What a route keeps away from its service: too many requests, bodies too large, unwanted ones.
//!
//! Plain data; what is done with it is in `rate` and `rules`.

use std::net::IpAddr;

use http::{HeaderName, Method};
use serde::{Deserialize, Serialize};

use super::{
    routing::{Property, Route},
    validate::{InvalidTable, check},
};
use crate::trust::Network;

/// How often a client may ask: a bucket of `burst` requests that fills by `requests` in each
/// `per_ms`. Beyond it the answer is 429 with `Retry-After`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// Requests that come back in `per_ms`.
    pub requests: u32,
    /// The time for that.
    #[serde(default = "second")]
    pub per_ms: u64,
    /// Requests at once. 0: as many as `requests`.
    #[serde(default)]
    pub burst: u32,
    /// The header field whose values each have a bucket. `None`: each client address has one, past
    /// trusted peers. Requests without the field share one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Clients remembered at once, at least; some of those seen longest ago are forgotten beyond.
    #[serde(default = "many")]
    pub keys: usize,
}

/// What is done with requests that a rule means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Answered 403, or 414 for a target that is too long.
    Deny,
    /// Counted, and named in the access log.
    Log,
}

/// One rule. It means the requests that have all of what it names; at least one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// What it is counted by. Unique in the route.
    pub name: String,
    /// What is done.
    pub action: Action,
    /// Any of these methods.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// The whole path, percent-decoded, where `*` stands for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A header field; `*` in its value stands for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<Property>,
    /// A client address in any of these networks, past trusted peers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
}

/// Checks what a route keeps away.
pub(super) fn usable(place: &str, route: &Route) -> Result<(), InvalidTable> {
    let place = &format!("{place}, route `{}`", route.path);
    if let Some(rate) = &route.rate {
        let said = format!(
            "{} in {} ms for {} keys",
            rate.requests, rate.per_ms, rate.keys
        );
        let expected = "a rate of at least one request in at least 1 ms for 1 to 1000000 keys";
        check(place, &said, expected, |_| {
            rate.requests > 0 && rate.per_ms > 0 && (1..=1_000_000).contains(&rate.keys)
        })?;
        if let Some(header) = &rate.header {
            check(place, header, HEADER, is_header)?;
        }
    }
    super::validate::unique(place, route.rules.iter().map(|rule| &rule.name))?;
    route
        .rules
        .iter()
        .try_for_each(|rule| usable_rule(place, rule))
}

const HEADER: &str = "the name of a header field";

fn is_header(name: &str) -> bool {
    name.parse::<HeaderName>().is_ok()
}

fn usable_rule(place: &str, rule: &Rule) -> Result<(), InvalidTable> {
    check(place, &rule.name, "a name for a rule without `/`", |name| {
        !name.is_empty() && !name.contains('/')
    })?;
    let names_some = !rule.methods.is_empty()
        || rule.path.is_some()
        || rule.header.is_some()
        || !rule.from.is_empty();
    check(place, &rule.name, "a rule that names what it means", |_| {
        names_some
    })?;
    for method in &rule.methods {
        check(place, method, "a method like `TRACE`", |text| {
            text.parse::<Method>().is_ok() && text.chars().all(|letter| letter.is_ascii_uppercase())
        })?;
    }
    if let Some(path) = &rule.path {
        check(place, path, "a path that begins with `/` or `*`", |path| {
            path.starts_with(['/', '*'])
        })?;
    }
    if let Some(header) = &rule.header {
        check(place, &header.name, HEADER, is_header)?;
    }
    for network in &rule.from {
        check(place, network, "an address or `address/prefix`", |text| {
            text.parse::<Network>().is_ok() || text.parse::<IpAddr>().is_ok()
        })?;
    }
    Ok(())
}

const fn second() -> u64 {
    1_000
}

const fn many() -> usize {
    16_384
}
