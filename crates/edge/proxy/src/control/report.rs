//! What the balancer tells: states, counts and one-second samples, as they go over the wire.

use std::{collections::BTreeMap, fmt, net::SocketAddr};

use serde::{Deserialize, Serialize};

use super::tls::CertificateStatus;

/// Upper bounds, in milliseconds, of the steps of [`SideSample::histogram`]; one more step holds
/// what took longer.
pub const LATENCY_BOUNDS_MS: [u64; 22] = [
    1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1_000, 2_000, 3_000,
    5_000, 10_000,
];

/// A route table is in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The generation in force.
    pub generation: u64,
    /// Where each service listens.
    pub listeners: BTreeMap<String, SocketAddr>,
    /// Where the previews of services listen.
    #[serde(default)]
    pub previews: BTreeMap<String, SocketAddr>,
}

/// Upstreams are out of service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drained {
    /// Requests that were still in flight at the time-out and were cut.
    pub cut_off: u64,
    /// WebSockets and streams of events that were asked to part after their grace, and did.
    #[serde(default)]
    pub closed_after_grace: u64,
}

/// How far an upstream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamState {
    /// Not yet decided: takes no requests before its checks pass.
    Adding,
    /// Takes requests.
    Healthy,
    /// Its checks fail: takes no requests.
    Unhealthy,
    /// Takes no new requests; those in flight go on.
    Draining,
}

impl fmt::Display for UpstreamState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Adding => "adding",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::Draining => "draining",
        })
    }
}

/// What the health checks of one upstream saw last: enough to say why it is not healthy.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamReport {
    /// The upstream.
    pub id: String,
    /// Whether it may take requests as far as its checks go.
    pub healthy: bool,
    /// Checks done.
    pub checks: u64,
    /// Status of the last answer to a check.
    pub last_status: Option<u16>,
    /// Why the last check failed.
    pub last_error: Option<String>,
    /// First 512 bytes of the body of the last answer to a check that failed.
    pub body_head: Option<String>,
    /// Checks that failed.
    #[serde(default)]
    pub failed: u64,
    /// Checks in a row that ended as the last one did.
    #[serde(default)]
    pub in_a_row: u64,
    /// When the last check ended, in milliseconds since 1970.
    #[serde(default)]
    pub checked_unix_ms: u64,
    /// Since when it has been as healthy as it is, in milliseconds since 1970.
    #[serde(default)]
    pub since_unix_ms: u64,
}

/// All that the balancer is doing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The generation in force.
    pub generation: u64,
    /// Process id of the balancer.
    pub pid: u32,
    /// The services, by name.
    pub services: Vec<ServiceStatus>,
}

/// One service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub name: String,
    /// Where it listens. `None` when its address could not be had again at start.
    pub listener: Option<SocketAddr>,
    /// Client connections open at its address; services that share one share them.
    pub connections: u64,
    /// Sides of the table, then those that left it and are still remembered.
    pub sides: Vec<SideStatus>,
    /// The drop ledger: requests by what befell them.
    pub ledger: BTreeMap<String, u64>,
    /// Why nobody listens at its address, when nobody does. It is tried again.
    #[serde(default)]
    pub listen_error: Option<String>,
    /// Where its preview listens.
    #[serde(default)]
    pub preview: Option<SocketAddr>,
    /// Requests that wait now until a side takes them.
    #[serde(default)]
    pub held: u64,
    /// What the rules of its routes found.
    #[serde(default)]
    pub rules: Vec<RuleCount>,
    /// Requests that were lost when no side had weight; the others stand at their sides.
    #[serde(default)]
    pub drops: Vec<Dropped>,
    /// Its access log.
    #[serde(default)]
    pub access_log: Option<AccessLogStatus>,
    /// What became of copies.
    #[serde(default)]
    pub mirror: Option<MirrorStatus>,
    /// Its certificates. None: it is plain.
    #[serde(default)]
    pub certificates: Vec<CertificateStatus>,
}

/// Requests that were lost between releases for one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// As in the ledger.
    pub cause: String,
    /// Requests since the balancer started.
    pub requests: u64,
    /// When the first was lost, in milliseconds since 1970.
    pub first_unix_ms: u64,
    /// When the last was lost.
    pub last_unix_ms: u64,
}

/// An access log, since its file was opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessLogStatus {
    /// The file.
    pub file: String,
    /// Lines written, by all services that share it.
    pub written: u64,
    /// Lines that were not, for want of time or room.
    pub dropped: u64,
}

/// How often a rule meant a request, since the table told of its route.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleCount {
    /// The host of its route.
    pub host: Option<String>,
    /// The path of its route.
    pub path: String,
    /// Its name; those of the common group begin with `common/`.
    pub rule: String,
    /// Requests.
    pub requests: u64,
}

/// What became of copies of requests, since the table told of this mirror.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MirrorStatus {
    /// The side that got them.
    pub side: String,
    /// Copies sent.
    pub sent: u64,
    /// Those without a whole answer.
    pub failed: u64,
    /// Copies that were not made, for want of room or of an upstream.
    pub skipped: u64,
}

/// One side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideStatus {
    /// Its name.
    pub name: String,
    /// Its weight in basis points.
    pub weight: u16,
    /// Its upstreams.
    pub upstreams: Vec<UpstreamStatus>,
    /// Counts since the balancer started.
    pub totals: Totals,
    /// The same of the preview and of copies, which the others leave out.
    #[serde(default)]
    pub aside: Totals,
    /// The drop ledger of this side. Nothing in it: nobody noticed.
    #[serde(default)]
    pub drops: Vec<Dropped>,
    /// Requests by time to the head of the answer, in the steps of [`LATENCY_BOUNDS_MS`].
    #[serde(default)]
    pub histogram: Vec<u64>,
}

/// One upstream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamStatus {
    /// Its id.
    pub id: String,
    /// Its address.
    pub address: String,
    /// How far it is.
    pub state: UpstreamState,
    /// Requests in flight, to their last byte.
    pub in_flight: u64,
    /// Open connections to it.
    pub connections: u64,
    /// For how much longer it gets no requests, because those of users failed. 0: it gets them.
    #[serde(default)]
    pub ejected_ms: u64,
    /// What the checks saw last.
    pub report: UpstreamReport,
}

/// Counts of one side since the balancer started.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Requests that this side answered or should have answered.
    pub requests: u64,
    /// Answers of 200 to 299, and switches of protocol.
    pub status_2xx: u64,
    /// Answers of 300 to 399.
    pub status_3xx: u64,
    /// Answers of 400 to 499.
    pub status_4xx: u64,
    /// Answers of 500 to 599, those by the balancer for want of an answer included.
    pub status_5xx: u64,
    /// Requests that went badly: 5xx, no answer, or an answer cut in the middle.
    pub bad: u64,
    /// What went wrong between balancer and upstream.
    pub errors: ErrorTotals,
    /// Clients that left before their answer was complete.
    pub client_gone: u64,
    /// Sum of the times to the head of the answer, in milliseconds.
    pub time_ms_sum: u64,
    /// Answers that were slow by the table's measure.
    #[serde(default)]
    pub slow: u64,
    /// Requests that went badly, one for each client and ten seconds.
    #[serde(default)]
    pub distinct_bad: u64,
    /// Slow answers, counted likewise.
    #[serde(default)]
    pub distinct_slow: u64,
}

/// What went wrong between balancer and upstream; retries that helped are counted too.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorTotals {
    /// Connections that could not be made.
    pub connect: u64,
    /// Answers that did not begin, or stopped, for longer than allowed.
    pub timeout: u64,
    /// Connections lost before or within an answer.
    pub reset: u64,
}

/// What happened in one second, complete.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    /// The second since 1970 that this tells of.
    pub second: u64,
    /// Each side that is in the table or was used.
    pub sides: Vec<SideSample>,
    /// Requests lost when no side had weight, by cause.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub drops: BTreeMap<String, u64>,
}

/// One side in one second. Requests count when the head of their answer is known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SideSample {
    /// The side.
    pub name: String,
    /// Requests.
    pub requests: u64,
    /// Answers of 500 to 599.
    pub errors_5xx: u64,
    /// Requests that went badly. An answer cut in the middle counts in the second of the cut.
    pub bad: u64,
    /// Sum of the times to the head of the answer, in milliseconds.
    pub time_ms_sum: u64,
    /// Upstreams that took requests at the end of the second.
    pub healthy: u32,
    /// Upstreams that the table wants to take requests.
    pub expected: u32,
    /// Requests by time to the head of the answer, in the steps of [`LATENCY_BOUNDS_MS`]; steps
    /// that are 0 to the end are left out.
    #[serde(default)]
    pub histogram: Vec<u32>,
    /// What went wrong between balancer and upstream.
    #[serde(default)]
    pub errors: ErrorTotals,
    /// Answers that were slow by the table's measure, failed ones too.
    #[serde(default)]
    pub slow: u64,
    /// Requests that went badly, one for each client and ten seconds: events that are independent
    /// of each other, as a judge needs them.
    #[serde(default)]
    pub distinct_bad: u64,
    /// Slow answers, counted likewise.
    #[serde(default)]
    pub distinct_slow: u64,
    /// Requests lost between releases, by cause.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub drops: BTreeMap<String, u64>,
}
