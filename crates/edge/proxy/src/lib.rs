//! The load balancer: holds the sockets, shares traffic by weight, checks health, drains.
//!
//! It runs as its own process ([`run`]) and outlives the control plane, which speaks to it through
//! [`Client`] over a Unix socket. It decides nothing about releases, and imports nothing of ours.

mod balancer;
mod clock;
mod connection;
mod control;
mod drain;
mod errors;
mod forward;
mod h1;
mod head_timer;
mod headers;
mod health;
mod health_log;
mod idle;
mod journal;
mod listener;
mod lock;
mod metrics;
mod patience;
mod pool;
mod probe;
mod request;
mod response;
mod roster;
mod router;
mod run;
mod seconds;
mod service;
mod split;
mod stall;
mod state;
mod status;
mod trust;
mod upgrade;
mod upstream;
mod waiting;
mod worker;

pub use self::{
    control::{
        Applied, Bucket, Client, ClientError, Drained, ErrorTotals, FULL_WEIGHT, Health,
        InvalidTable, LATENCY_BOUNDS_MS, Limits, Refusal, RouteTable, Service, ServiceStatus, Side,
        SideSample, SideStatus, Status, Subscription, Timeouts, Totals, Upstream, UpstreamReport,
        UpstreamState, UpstreamStatus,
    },
    run::{Error, Options, run},
    state::StateError,
};
