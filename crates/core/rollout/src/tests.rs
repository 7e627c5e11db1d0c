//! Deployments as protocols: what is said to them, and what they ask for.

mod approval;
mod check;
mod first;
mod fixture;
mod judged;
mod limits;
mod pause;
mod rollback;
mod stale;
mod strategy;
mod ways;
