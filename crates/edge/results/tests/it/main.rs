//! The service from outside: by hand-written requests, and by the clients that it is made for.
#![expect(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test stops at the first surprise, and says what it could not try"
)]

mod artifacts;
mod caches;
mod clients;
mod direct;
mod glob;
mod id_tokens;
mod protobuf;
mod service;
mod world;
