//! The load balancer: holds the sockets, shares traffic by weight, checks health, drains.
//!
//! It runs as its own process ([`run`]) and outlives the control plane, which speaks to it through
//! [`Client`] over a Unix socket. It decides nothing about releases, and imports nothing of ours.

mod access_log;
mod balancer;
mod client_address;
mod clock;
mod connection;
mod control;
mod cookies;
mod distinct;
mod door;
mod doors;
mod drain;
mod drops;
mod ejection;
mod errors;
mod exposition;
mod forward;
mod guard;
mod headers;
mod health;
mod health_log;
mod hold;
mod journal;
mod listener;
mod lock;
mod log_file;
mod matches;
mod metrics;
mod mirror;
mod pool;
mod probe;
mod rate;
mod request;
mod response;
mod roster;
mod route;
mod router;
mod rules;
mod run;
mod seconds;
mod service;
mod split;
mod stall;
mod state;
mod status;
mod sticky;
mod trust;
mod upgrade;
mod upstream;
mod waiting;

pub use self::{
    control::{
        AccessLog, AccessLogStatus, Action, Applied, Bucket, Client, ClientError, ClientKey,
        Drained, Dropped, ErrorTotals, Evidence, FULL_WEIGHT, Health, Hold, InvalidTable,
        LATENCY_BOUNDS_MS, Limits, Match, Mirror, MirrorStatus, Passive, Preview, Property,
        QueryLog, RateLimit, Refusal, Route, RouteTable, Rule, RuleCount, Service, ServiceStatus,
        Side, SideSample, SideStatus, Status, Sticky, Subscription, Timeouts, Totals, Upstream,
        UpstreamReport, UpstreamState, UpstreamStatus,
    },
    exposition::exposition,
    run::{Error, Options, run},
    state::StateError,
};
