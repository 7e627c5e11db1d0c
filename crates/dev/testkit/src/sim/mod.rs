//! Seeded simulations: one seed, one course of the world, the same each time.

pub mod engine;
pub mod rollout;
