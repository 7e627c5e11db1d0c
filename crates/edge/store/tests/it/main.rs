//! The store's suite: what holds of every database, told once and run against SQLite and PostgreSQL;
//! and what only a file can suffer.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "tests"
)]

mod crash;
mod file;
mod lock;
mod measure;
mod postgres;
mod sample;
mod stories;
