//! The balancer in process, against small upstreams of every character.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "these are tests; the lint does not see that their helpers are too"
)]

mod access_log;
mod acme;
mod acme_double;
mod certificates;
mod control;
mod evidence;
mod guards;
mod hardening;
mod http2;
mod lifecycle;
mod passive;
mod routes;
mod sides;
mod streams;
mod support;
mod switching;
mod takeover;
mod tls;
mod tls_reload;
mod traffic;
mod upstream_bytes;
