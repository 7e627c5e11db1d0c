//! The load balancer: holds the sockets, shares traffic by weight, checks health, drains.
//!
//! It runs as its own process ([`run`]) and outlives the control plane, which speaks to it through
//! [`Client`] over a Unix socket. It decides nothing about releases, and imports nothing of ours.

mod access_log;
mod acme;
mod answer;
mod balancer;
mod body_fate;
mod client_address;
mod clock;
mod connection;
mod control;
mod cookies;
mod crowd;
mod distinct;
mod door;
mod doors;
mod drain;
mod drops;
mod ejection;
mod entered;
mod errors;
mod events;
mod exposition;
mod farewell;
mod forward;
mod framing;
mod guard;
mod guarded;
mod h1;
mod handover;
mod head_timer;
mod headers;
mod health;
mod health_log;
mod hold;
mod idle;
mod journal;
mod listener;
mod lock;
mod log_file;
mod matches;
mod metrics;
mod mirror;
mod multiplex;
mod patience;
mod plain_path;
mod pool;
mod predecessor;
mod probe;
mod rate;
mod redirect;
mod request;
mod response;
mod roster;
mod route;
mod router;
mod rules;
mod run;
mod seconds;
mod service;
mod shape;
mod split;
mod stall;
mod state;
mod status;
mod sticky;
mod successor;
mod tls;
mod trust;
mod upgrade;
mod upstream;
mod waiting;
mod websocket;
mod worker;

pub use self::{
    control::{
        AccessLog, AccessLogStatus, Acme, Action, Applied, Bucket, CertificateFiles,
        CertificateSource, CertificateStatus, Client, ClientError, ClientKey, Drained, Dropped,
        ErrorTotals, Evidence, FULL_WEIGHT, Health, Hold, InvalidTable, LATENCY_BOUNDS_MS, Limits,
        Match, Mirror, MirrorStatus, Passive, Preview, Property, Protocol, QueryLog, RateLimit,
        Refusal, Reloaded, Route, RouteTable, Rule, RuleCount, Service, ServiceStatus, Side,
        SideSample, SideStatus, Status, Sticky, Subscription, Timeouts, Tls, Totals, Upstream,
        UpstreamReport, UpstreamState, UpstreamStatus,
    },
    exposition::exposition,
    run::{Error, Options, run},
    state::StateError,
    successor::TakeOverError,
};
