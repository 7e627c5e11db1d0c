//! Deployments as protocols: what is said to them, and what they ask for.

mod approval;
mod first;
mod fixture;
mod pause;
mod rollback;
mod stale;
mod strategy;
