//! `traffic:` of a service or an environment: what the balancer does with requests besides sharing
//! them out. Plain words; what the balancer makes of them is its own business.

use serde::{Deserialize, Serialize};

use crate::{Duration, delivery::Weight};

/// All of it. What is absent is as the balancer has it by itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TrafficSpec {
    /// Which requests are for this service, when several share an address.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<RouteSpec>,
    /// Whoever has met a side stays with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sticky: Option<Sticky>,
    /// Requests that go to the candidate whatever its share.
    #[serde(skip_serializing_if = "Vec::is_empty", rename = "match")]
    pub matches: Vec<RequestMatch>,
    /// The share of GET and HEAD requests that the candidate gets a copy of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mirror: Option<Weight>,
    /// `host:port` at which the candidate alone answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preview: Option<String>,
    /// What the instances speak.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// Certificates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSpec>,
    /// Bounds on what clients may send.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsSpec>,
    /// Requests that are refused or noted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rules: Vec<RuleSpec>,
    /// A line for each request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_log: Option<AccessLogSpec>,
    /// How long the balancer waits for what.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TimeoutsSpec>,
    /// How many requests wait while a service is being recreated, and for how long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hold: Option<HoldSpec>,
}

impl TrafficSpec {
    /// This, with what the other one says in its place: an environment over a service.
    #[must_use]
    pub fn under(self, over: &Self) -> Self {
        fn list<T: Clone>(mine: Vec<T>, theirs: &[T]) -> Vec<T> {
            if theirs.is_empty() {
                mine
            } else {
                theirs.to_vec()
            }
        }
        Self {
            routes: list(self.routes, &over.routes),
            sticky: over.sticky.clone().or(self.sticky),
            matches: list(self.matches, &over.matches),
            mirror: over.mirror.or(self.mirror),
            preview: over.preview.clone().or(self.preview),
            protocol: over.protocol.or(self.protocol),
            tls: over.tls.clone().or(self.tls),
            limits: over.limits.clone().or(self.limits),
            rules: list(self.rules, &over.rules),
            access_log: over.access_log.clone().or(self.access_log),
            timeouts: over.timeouts.clone().or(self.timeouts),
            hold: over.hold.clone().or(self.hold),
        }
    }
}

/// Which requests are for a service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteSpec {
    /// `api.example.org` or `*.example.org`; any when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The beginning of the path; any when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whether that beginning is taken away before the instance is asked.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub strip_prefix: bool,
}

/// Whoever has met a side stays with it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sticky {
    /// The name of the cookie; made from the service's when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cookie: Option<String>,
    /// How long a browser keeps it; until it is closed when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifetime: Option<Duration>,
}

/// A sign by which a request is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum RequestMatch {
    /// A header has this value.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
    /// A cookie has this value.
    Cookie {
        /// Its name.
        name: String,
        /// Its value.
        value: String,
    },
}

/// What instances speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    H1,
    /// HTTP/2 without TLS, as gRPC wants it.
    H2,
}

/// `tls:`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TlsSpec {
    /// From files, read again when they change; the first one answers who names no host.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateFiles>,
    /// From an authority that speaks ACME.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub acme: Option<AcmeSpec>,
    /// `host:port` at which plain requests are sent on to the address with TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_from: Option<String>,
}

/// A certificate with its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateFiles {
    /// PEM, the chain after it.
    pub cert_file: String,
    /// PEM.
    pub key_file: String,
}

/// `acme:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcmeSpec {
    /// For which hosts.
    pub hosts: Vec<String>,
    /// Whom the authority writes to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contact: Vec<String>,
    /// The authority's directory; Let's Encrypt when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<String>,
    /// PEM of who vouches for the directory, when that is nobody the machine knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<String>,
}

/// `limits:`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LimitsSpec {
    /// Connections at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// Connections at once of one client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections_per_client: Option<u32>,
    /// Header fields of a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_fields: Option<u32>,
    /// Bytes of a request's head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_bytes: Option<u32>,
    /// Bytes of a request's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
    /// Requests of one client.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<RateSpec>,
}

/// `rate:`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateSpec {
    /// How many requests …
    pub requests: u32,
    /// … in how long.
    pub per: Duration,
    /// How many at once; as many as `requests` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burst: Option<u32>,
    /// The header that tells clients apart; their address when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by_header: Option<String>,
}

/// A rule. All that it names must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RuleSpec {
    /// What it is counted by.
    pub name: String,
    /// Rules that come with the balancer: `common`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// One of these methods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub methods: Vec<String>,
    /// A path, with `*` for anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<RuleHeader>,
    /// A client from one of these networks, as address or `address/prefix`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// What is done about it.
    pub action: RuleAction,
}

/// A header that a rule looks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleHeader {
    /// Its name.
    pub name: String,
    /// Its value, with `*` for anything; any when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
}

/// What a rule does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RuleAction {
    /// 403.
    #[default]
    Deny,
    /// It is counted, and goes on.
    Log,
}

/// `access_log:`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AccessLogSpec {
    /// The file; beside the balancer's own when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// What is written of the query.
    pub query: QueryShown,
    /// Bytes after which a new file is begun.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rotate_bytes: Option<u64>,
    /// How many old files stay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep: Option<u32>,
}

/// What an access log tells of the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryShown {
    /// All of it.
    Whole,
    /// The names, without the values.
    #[default]
    Names,
    /// Nothing.
    Nothing,
}

/// `timeouts:`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TimeoutsSpec {
    /// For the first head of a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Duration>,
    /// For the next head of a connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle: Option<Duration>,
    /// For the next piece of a body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<Duration>,
    /// For a connection to an instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect: Option<Duration>,
    /// For the head of an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Duration>,
    /// For streams and WebSockets, once their instance is to go.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Duration>,
}

/// `hold:`, what waits while a service is being recreated.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct HoldSpec {
    /// How many requests at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests: Option<u32>,
    /// How many bytes of them at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
}
