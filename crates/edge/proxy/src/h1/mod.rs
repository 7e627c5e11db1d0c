//! HTTP/1.1 as the balancer speaks it to upstreams.
//!
//! The task of the client's request writes and reads the upstream's socket itself. A client library
//! has a task of its own for each connection, and so two more wake-ups for each request, which cost
//! more than all that is done here. What comes from clients is read by hyper, not here.

mod chunks;
mod head;
mod request;
mod wire;

pub(crate) use self::{
    chunks::Decoder,
    wire::{BrokenOff, Fault, Switched, Wire},
};

#[cfg(test)]
mod tests;
