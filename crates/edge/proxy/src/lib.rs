//! The load balancer: holds the sockets, shares traffic by weight, checks health, drains.
//!
//! It runs as its own process and outlives the control plane, which speaks to it through
//! [`Client`] over a Unix socket. It decides nothing about releases, and imports nothing of ours.

mod control;
mod state;
mod trust;

pub use self::control::{
    Applied, Bucket, Client, ClientError, Drained, ErrorTotals, FULL_WEIGHT, Health, InvalidTable,
    LATENCY_BOUNDS_MS, Limits, Refusal, RouteTable, Service, ServiceStatus, Side, SideSample,
    SideStatus, Status, Subscription, Timeouts, Totals, Upstream, UpstreamReport, UpstreamState,
    UpstreamStatus,
};
