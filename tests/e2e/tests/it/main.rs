//! The whole way, from outside: the real binary, real processes, real traffic, on loopback and in
//! directories that are gone afterwards. How parts behave is tested beside them.

#![expect(
    clippy::disallowed_methods,
    reason = "a test drives a world with its own clock and environment"
)]
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::unwrap_used,
    reason = "these are tests; the lint does not see that their helpers are too"
)]

mod actions;
mod actions_built_in;
mod at_once;
mod aws_double;
mod aws_pipeline;
mod bad_input;
mod binary;
mod browser;
mod calls;
mod canary;
mod candidates;
mod checkouts;
mod chrome;
mod clients;
mod containers;
mod docker;
mod events;
mod exit_codes;
mod hooks;
mod in_flight;
mod judged;
mod kill_nine;
mod killed;
mod load;
mod looking_back;
mod operating;
mod queue;
mod registry;
mod repository;
mod results;
mod retry;
mod routing;
mod run;
mod secured;
mod server;
mod setup_tools;
mod slow_clients;
mod smuggling;
mod specimen;
mod stage;
mod strategies;
mod succession;
mod switching;
mod talk;
mod triggers;
mod verbs;
mod webhook;
mod wire;
mod without_networks;
mod world;
