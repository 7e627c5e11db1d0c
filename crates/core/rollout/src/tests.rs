//! Deployments as protocols: what is said to them, and what they ask for.

mod fixture;
mod strategy;
