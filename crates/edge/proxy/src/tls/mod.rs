//! TLS towards clients: which certificates there are, which one a client is shown, the handshake.
//!
//! Certificates come from files (here) or from an authority (`acme`). What is negotiated ends here:
//! the rest of the balancer sees a stream of bytes and a [`Secured`].

mod certificate;
mod choice;
mod handshake;
mod keyring;
pub(crate) mod watch;

pub(crate) use self::{
    certificate::{Certificate, Fault},
    handshake::{Secured, Terminator},
    keyring::{Care, Keyring},
};
