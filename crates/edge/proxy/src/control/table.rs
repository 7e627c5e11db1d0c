//! The route table: what the control plane wants the balancer to do, always as a whole.
//!
//! Plain data. What makes a table valid is in `validate`; what the balancer makes of it, in `service`.

use serde::{Deserialize, Serialize};

use super::{
    observing::{AccessLog, Evidence},
    protocol::Protocol,
    routing::{Hold, Match, Mirror, Preview, Route, Sticky},
    tls::Tls,
};

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
    /// Whether clients speak TLS with it; without it they speak plain HTTP.
    #[serde(default)]
    pub tls: Option<Tls>,
    /// Which of the requests that reach the address are this service's. None: all of them. Services
    /// that name the same address share it, each with routes of its own.
    #[serde(default)]
    pub routes: Vec<Route>,
    /// The versions that share the traffic by weight.
    pub sides: Vec<Side>,
    /// Whether clients stay with the side that they got first.
    #[serde(default)]
    pub sticky: Option<Sticky>,
    /// A second address, for one side alone.
    #[serde(default)]
    pub preview: Option<Preview>,
    /// Whether a side gets copies of requests.
    #[serde(default)]
    pub mirror: Option<Mirror>,
    /// Whether requests wait when no side takes any; without it they are answered 503 at once.
    #[serde(default)]
    pub hold: Option<Hold>,
    /// How the upstreams are asked whether they can serve.
    #[serde(default)]
    pub health: Health,
    /// Whether upstreams that fail users are left out; without it checks alone decide.
    #[serde(default)]
    pub passive: Option<Passive>,
    /// Bounds on what a client may send.
    #[serde(default)]
    pub limits: Limits,
    /// How long to wait for what.
    #[serde(default)]
    pub timeouts: Timeouts,
    /// Peers whose `X-Forwarded-*` is believed and extended, as addresses or `address/prefix`.
    #[serde(default = "loopback")]
    pub trusted_peers: Vec<String>,
    /// What is noted of requests for whoever judges a release.
    #[serde(default)]
    pub evidence: Evidence,
    /// Whether requests are written down, one by one.
    #[serde(default)]
    pub access_log: Option<AccessLog>,
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
    /// Requests with one of these go here, whatever the weight. No two sides may have the same.
    #[serde(default, rename = "match", skip_serializing_if = "Vec::is_empty")]
    pub matches: Vec<Match>,
    /// Where its instances answer.
    pub upstreams: Vec<Upstream>,
    /// What its instances speak. Another protocol makes another upstream.
    #[serde(default)]
    pub protocol: Protocol,
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
    /// Path and query to ask for. With `/grpc.health.v1.Health/Check` an upstream that speaks
    /// HTTP/2 is asked as gRPC prescribes it, and healthy when it says that it is serving.
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

/// The passive check: an upstream that fails so many requests in a row gets none for a while, and
/// each time for twice as long. A failure is no connection, no answer in time, or a status of 500
/// to 599. When all upstreams of a side are left out, none is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Passive {
    /// Failures in a row, at least 1.
    pub failures: u32,
    /// How long it is left out for the first time.
    pub for_ms: u64,
    /// How long at most. One that was in for longer than that begins anew.
    pub at_most_ms: u64,
}

/// Bounds on what clients may send. Changes reach new connections only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Connections open at once; further ones wait in the backlog of the socket.
    pub connections: usize,
    /// Connections that one client may have open: an address, or a /64 of IPv6. Further ones are
    /// closed unheard. Trusted peers are not counted. `None`: as many as there is room for.
    pub connections_per_client: Option<usize>,
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
    /// For WebSockets and streams of events to end by themselves when their upstream is drained;
    /// then they are asked to part. A drain may name another time.
    pub stream_grace_ms: u64,
    /// After which an unused connection to an upstream is not used again. Below the five seconds
    /// that common servers keep theirs, so that a request seldom meets a closing connection.
    pub upstream_idle_ms: u64,
    /// Age after which a connection to an upstream is not used again.
    pub upstream_age_ms: u64,
}

impl RouteTable {
    /// Whether another table wants the same of every side but for its share of the traffic.
    pub(crate) fn differs_in_weights_only(&self, other: &Self) -> bool {
        self.services.len() == other.services.len()
            && self.services.iter().zip(&other.services).all(|(one, two)| {
                let mut weighed = one.clone();
                for (side, other) in weighed.sides.iter_mut().zip(&two.sides) {
                    side.weight = other.weight;
                }
                weighed == *two
            })
    }
}

impl Service {
    /// A service without sides and with the defaults everywhere.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            listen: None,
            tls: None,
            routes: Vec::new(),
            sides: Vec::new(),
            sticky: None,
            preview: None,
            mirror: None,
            hold: None,
            health: Health::default(),
            passive: None,
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            trusted_peers: loopback(),
            evidence: Evidence::default(),
            access_log: None,
            expose_version: false,
        }
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

impl Default for Passive {
    fn default() -> Self {
        Self {
            failures: 5,
            for_ms: 5_000,
            at_most_ms: 60_000,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 10_000,
            connections_per_client: None,
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
            stream_grace_ms: 5_000,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_said_has_a_default() {
        let text = r#"{"name":"s","sides":[{"name":"1","weight":0,"upstreams":[{"id":"a","address":"h:1"}]}]}"#;
        let service: Service = serde_json::from_str(text).unwrap();
        assert!(service.sides[0].upstreams[0].accepting);
        assert_eq!(service.health, Health::default());
        assert_eq!(service.trusted_peers, loopback());
    }

    #[test]
    fn a_share_is_told_from_everything_else() {
        let service: Service = serde_json::from_str(
            r#"{"name":"s","sides":[{"name":"1","weight":10000,"upstreams":[]},{"name":"2","weight":0,"upstreams":[]}]}"#,
        )
        .unwrap();
        let table = |service: &Service, generation| RouteTable {
            generation,
            services: vec![service.clone()],
        };
        let mut shifted = service.clone();
        shifted.sides[0].weight = 9_000;
        shifted.sides[1].weight = 1_000;
        assert!(table(&service, 1).differs_in_weights_only(&table(&shifted, 2)));
        let mut more = shifted.clone();
        more.sides[1].upstreams.push(Upstream::new("a", "h:1"));
        assert!(!table(&service, 1).differs_in_weights_only(&table(&more, 2)));
        let mut fewer = shifted.clone();
        fewer.sides.pop();
        assert!(!table(&service, 1).differs_in_weights_only(&table(&fewer, 2)));
        assert!(!table(&fewer, 1).differs_in_weights_only(&table(&shifted, 2)));
        let mut other = shifted;
        other.expose_version = true;
        assert!(!table(&service, 1).differs_in_weights_only(&table(&other, 2)));
    }
}
