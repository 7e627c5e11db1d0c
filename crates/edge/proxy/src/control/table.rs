//! The route table: what the control plane wants the balancer to do, always as a whole.
//!
//! Plain data and its validation. What the balancer makes of it lives in `router` and `service`.

use std::{collections::BTreeSet, net::SocketAddr};

use http::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::trust::Network;

/// The sum of the weights of a service that takes traffic: 100 % in basis points.
pub const FULL_WEIGHT: u32 = 10_000;

/// Everything the balancer shall do. Sent whole every time; the generation only grows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// Number of this table. An older one than that in force is refused; the same number with the
    /// same content is acknowledged again, so that a sender may repeat itself.
    pub generation: u64,
    /// The services, by unique name.
    pub services: Vec<Service>,
}

/// One service: an address to listen at and the sides that share its traffic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Unique name, for example `hello@production`.
    pub name: String,
    /// Address to listen at, `host:port` with a literal address. `None`: a free port of the
    /// loopback is chosen once and kept for as long as the service exists, over restarts too.
    #[serde(default)]
    pub listen: Option<String>,
    /// The versions that share the traffic by weight.
    pub sides: Vec<Side>,
    /// How the upstreams are asked whether they can serve.
    #[serde(default)]
    pub health: Health,
    /// Bounds on what a client may send.
    #[serde(default)]
    pub limits: Limits,
    /// How long to wait for what.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Peers whose `X-Forwarded-*` is believed and extended, as addresses or `address/prefix`.
    #[serde(default = "loopback")]
    pub trusted_peers: Vec<String>,
    /// Whether answers carry `x-cutover-version` with the name of their side.
    #[serde(default)]
    pub expose_version: bool,
}

/// One version of a service. Metrics are kept by its name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Side {
    /// Label of the release, for example `1.4.0`. Unique in the service.
    pub name: String,
    /// Share of the traffic in basis points. The sides sum up to 10,000, or all are 0.
    pub weight: u16,
    /// Where its instances answer.
    pub upstreams: Vec<Upstream>,
}

/// One address that requests may be sent to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// Unique in the service. Same id and same address in the next table: the same upstream, with
    /// its health, connections and counts.
    pub id: String,
    /// `host:port`.
    pub address: String,
    /// Whether new requests may go there.
    #[serde(default = "yes")]
    pub accepting: bool,
}

/// The active health check: `GET path`, healthy when the answer is 2xx.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// Path and query to ask for.
    pub path: String,
    /// Time between two checks of one upstream.
    pub interval_ms: u64,
    /// Time after which a check has failed.
    pub timeout_ms: u64,
    /// Successes in a row that make an upstream healthy.
    pub healthy: u32,
    /// Failures in a row that make an upstream unhealthy.
    pub unhealthy: u32,
}

/// Bounds on what clients may send. Changes reach new connections only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Connections open at once; further ones wait in the backlog of the socket.
    pub connections: usize,
    /// Header fields of one request; more are answered 431.
    pub header_fields: usize,
    /// Bytes of one request head, at least 8,192; more are answered 431.
    pub header_bytes: usize,
}

/// How long the balancer waits for what.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timeouts {
    /// For the first whole request head on a new connection.
    pub header_ms: u64,
    /// For the next whole request head on a kept connection, its idle time included.
    pub idle_ms: u64,
    /// For the next piece of a body, from the client as from the upstream.
    pub body_ms: u64,
    /// For a connection to an upstream.
    pub connect_ms: u64,
    /// For the head of an upstream's answer, once the request was handed over.
    pub response_ms: u64,
    /// After which an unused connection to an upstream is not used again. Below the five seconds
    /// that common servers keep theirs, so that a request seldom meets a closing connection.
    pub upstream_idle_ms: u64,
    /// Age after which a connection to an upstream is not used again.
    pub upstream_age_ms: u64,
}

/// Why a route table cannot be applied. The sender's fault; nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTable {
    /// Two of a kind have one name.
    #[error("{place}: the name `{name}` appears twice; give each its own")]
    Duplicate {
        /// Where in the table.
        place: String,
        /// The name in question.
        name: String,
    },
    /// The weights of a service make no whole.
    #[error(
        "service `{service}`: the weights of its sides sum up to {sum}; they must make 10000, or all be 0"
    )]
    Weights {
        /// The service.
        service: String,
        /// What they sum up to.
        sum: u32,
    },
    /// A value that cannot be used.
    #[error("{place}: `{value}` is not {expected}")]
    Value {
        /// Where in the table.
        place: String,
        /// The value in question.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

impl RouteTable {
    /// Checks everything that can be known without touching the network.
    pub fn validate(&self) -> Result<(), InvalidTable> {
        unique("table", self.services.iter().map(|service| &service.name))?;
        self.services.iter().try_for_each(Service::validate)
    }
}

impl Service {
    /// A service without sides and with the defaults everywhere.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            listen: None,
            sides: Vec::new(),
            health: Health::default(),
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            trusted_peers: loopback(),
            expose_version: false,
        }
    }

    fn validate(&self) -> Result<(), InvalidTable> {
        let place = format!("service `{}`", self.name);
        if let Some(listen) = &self.listen {
            check(&place, listen, "an address like `127.0.0.1:8080`", |text| {
                text.parse::<SocketAddr>().is_ok()
            })?;
        }
        check(
            &place,
            &self.health.path,
            "a path that begins with `/`",
            |path| path.starts_with('/') && path.parse::<http::uri::PathAndQuery>().is_ok(),
        )?;
        let header_bytes = self.limits.header_bytes.to_string();
        check(
            &place,
            &header_bytes,
            "a header limit of at least 8192",
            |_| self.limits.header_bytes >= 8192,
        )?;
        for peer in &self.trusted_peers {
            check(&place, peer, "an address or `address/prefix`", |text| {
                text.parse::<Network>().is_ok()
            })?;
        }
        self.validate_sides(&place)
    }

    fn validate_sides(&self, place: &str) -> Result<(), InvalidTable> {
        unique(place, self.sides.iter().map(|side| &side.name))?;
        let upstreams = || self.sides.iter().flat_map(|side| &side.upstreams);
        unique(place, upstreams().map(|upstream| &upstream.id))?;
        for side in &self.sides {
            check(
                place,
                &side.name,
                "a name that fits into a header",
                |name| !name.is_empty() && HeaderValue::from_str(name).is_ok(),
            )?;
        }
        for upstream in upstreams() {
            check(
                place,
                &upstream.address,
                "an address like `host:port`",
                is_host_and_port,
            )?;
        }
        let sum = self.sides.iter().map(|side| u32::from(side.weight)).sum();
        if sum == 0 || sum == FULL_WEIGHT {
            return Ok(());
        }
        Err(InvalidTable::Weights {
            service: self.name.clone(),
            sum,
        })
    }
}

impl Upstream {
    /// An upstream that accepts requests.
    pub fn new(id: impl Into<String>, address: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            address: address.into(),
            accepting: true,
        }
    }
}

impl Default for Health {
    fn default() -> Self {
        Self {
            path: "/health".to_owned(),
            interval_ms: 2_000,
            timeout_ms: 2_000,
            healthy: 2,
            unhealthy: 3,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            header_fields: 100,
            header_bytes: 64 * 1024,
        }
    }
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            header_ms: 10_000,
            idle_ms: 60_000,
            body_ms: 60_000,
            connect_ms: 2_000,
            response_ms: 60_000,
            upstream_idle_ms: 4_000,
            upstream_age_ms: 300_000,
        }
    }
}

fn yes() -> bool {
    true
}

fn loopback() -> Vec<String> {
    vec!["127.0.0.0/8".to_owned(), "::1".to_owned()]
}

fn unique<'a>(place: &str, names: impl Iterator<Item = &'a String>) -> Result<(), InvalidTable> {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name) {
            return Err(InvalidTable::Duplicate {
                place: place.to_owned(),
                name: name.clone(),
            });
        }
    }
    Ok(())
}

fn check(
    place: &str,
    value: &str,
    expected: &'static str,
    holds: impl Fn(&str) -> bool,
) -> Result<(), InvalidTable> {
    if holds(value) {
        return Ok(());
    }
    Err(InvalidTable::Value {
        place: place.to_owned(),
        value: value.to_owned(),
        expected,
    })
}

fn is_host_and_port(text: &str) -> bool {
    text.parse::<SocketAddr>().is_ok()
        || text.rsplit_once(':').is_some_and(|(host, port)| {
            let named = !host.is_empty() && !host.contains([':', '/', ' ', '@']);
            named && port.parse::<u16>().is_ok_and(|port| port > 0)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(weights: &[u16]) -> Service {
        let side = |(index, weight): (usize, &u16)| Side {
            name: format!("1.{index}.0"),
            weight: *weight,
            upstreams: vec![Upstream::new(format!("u{index}"), "127.0.0.1:9000")],
        };
        Service {
            sides: weights.iter().enumerate().map(side).collect(),
            ..Service::new("s")
        }
    }

    fn refusal(service: Service) -> String {
        let table = RouteTable {
            generation: 1,
            services: vec![service],
        };
        table.validate().unwrap_err().to_string()
    }

    #[test]
    fn weights_make_a_whole_or_nothing() {
        for good in [&[10_000][..], &[9_000, 1_000], &[0, 0], &[]] {
            let table = RouteTable {
                generation: 1,
                services: vec![service(good)],
            };
            assert_eq!(table.validate(), Ok(()), "{good:?}");
        }
        assert!(refusal(service(&[9_000, 999])).contains("sum up to 9999"));
    }

    #[test]
    fn names_are_unique() {
        let mut twice = service(&[5_000, 5_000]);
        twice.sides[1].name = "1.0.0".to_owned();
        assert!(refusal(twice).contains("`1.0.0` appears twice"));
        let mut twice = service(&[5_000, 5_000]);
        twice.sides[1].upstreams[0].id = "u0".to_owned();
        assert!(refusal(twice).contains("`u0` appears twice"));
    }

    #[test]
    fn values_that_cannot_be_used_are_named() {
        let mut bad = service(&[10_000]);
        bad.sides[0].upstreams[0].address = "nowhere".to_owned();
        assert!(refusal(bad).contains("`nowhere` is not an address"));
        let bad = Service {
            listen: Some("8080".to_owned()),
            ..service(&[10_000])
        };
        assert!(refusal(bad).contains("`8080` is not an address"));
        let mut bad = service(&[10_000]);
        bad.health.path = "health".to_owned();
        assert!(refusal(bad).contains("begins with `/`"));
        let bad = Service {
            trusted_peers: vec!["10.0.0.0/40".to_owned()],
            ..service(&[])
        };
        assert!(refusal(bad).contains("10.0.0.0/40"));
    }

    #[test]
    fn what_is_not_said_has_a_default() {
        let text = r#"{"name":"s","sides":[{"name":"1","weight":0,"upstreams":[{"id":"a","address":"h:1"}]}]}"#;
        let service: Service = serde_json::from_str(text).unwrap();
        assert!(service.sides[0].upstreams[0].accepting);
        assert_eq!(service.health, Health::default());
        assert_eq!(service.trusted_peers, loopback());
    }
}
