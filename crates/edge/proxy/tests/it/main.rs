//! The balancer in process, against small upstreams of every character.

mod control;
mod hardening;
mod lifecycle;
mod support;
mod switching;
mod traffic;
