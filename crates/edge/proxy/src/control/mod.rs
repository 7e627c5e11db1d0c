//! The control side: how the control plane tells the balancer what to do, and hears what it does.
//!
//! JSON lines over a Unix socket: one request with an id, one answer with the same id. Traffic
//! never passes here, and nothing here is needed for traffic to go on.

mod client;
mod guards;
mod observing;
mod protocol;
mod report;
mod routes;
mod routing;
pub(crate) mod server;
mod sides;
mod table;
mod tls;
mod validate;
pub(crate) mod wire;

pub use self::{
    client::{Client, ClientError, Subscription},
    guards::{Action, RateLimit, Rule},
    observing::{AccessLog, ClientKey, Evidence, QueryLog},
    protocol::Protocol,
    report::{
        AccessLogStatus, Applied, Bucket, Drained, Dropped, ErrorTotals, LATENCY_BOUNDS_MS,
        MirrorStatus, RuleCount, ServiceStatus, SideSample, SideStatus, Status, Totals,
        UpstreamReport, UpstreamState, UpstreamStatus,
    },
    routing::{Hold, Match, Mirror, Preview, Property, Route, Sticky},
    table::{FULL_WEIGHT, Health, Limits, Passive, RouteTable, Service, Side, Timeouts, Upstream},
    tls::{Acme, CertificateFiles, CertificateSource, CertificateStatus, Reloaded, Tls},
    validate::InvalidTable,
    wire::Refusal,
};
