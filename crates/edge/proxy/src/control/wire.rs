//! The lines of the control socket: requests and answers.

use std::net::SocketAddr;

use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::{
    report::{Applied, Bucket, Drained, Status, UpstreamReport},
    table::RouteTable,
    tls::Reloaded,
};
use crate::state::Remembered;

/// Longest line that either end reads.
pub(crate) const MAX_LINE: u64 = 16 * 1024 * 1024;

/// One line to the balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Chosen by the sender, repeated in the answer.
    pub(crate) id: u64,
    /// What to do.
    pub(crate) command: Command,
}

/// What the balancer can be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    /// Put a table in force.
    Apply { table: RouteTable },
    /// Answer when all these upstreams are healthy, at the time-out at the latest.
    WaitHealthy {
        service: String,
        upstreams: Vec<String>,
        timeout_ms: u64,
    },
    /// Take upstreams out of service; answer when nothing is in flight there.
    Drain {
        service: String,
        upstreams: Vec<String>,
        timeout_ms: u64,
        #[serde(default)]
        grace_ms: Option<u64>,
    },
    /// Tell everything.
    Status,
    /// The complete seconds since the given one.
    Samples { service: String, since: u64 },
    /// One answer for every second from now on, until the connection ends.
    Subscribe { service: String },
    /// Look at all certificate files anew, and ask authorities again that failed.
    Reload,
    /// Finish what is in flight and end.
    Shutdown,
    /// Send all sockets to a successor that listens at this path, and go on as before.
    HandOver { socket: Utf8PathBuf },
    /// The successor is ready: stop accepting, finish what is in flight and end.
    TakenOver { revision: u64 },
}

/// One line from the balancer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Answer {
    /// The id of the request; 0 when it could not be read.
    pub(crate) id: u64,
    /// What came of it.
    pub(crate) outcome: Outcome,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Outcome {
    Done(Reply),
    Refused(Refusal),
}

/// The answers, one for each command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    Applied(Applied),
    Health(Vec<UpstreamReport>),
    Drained(Drained),
    Status(Status),
    Samples(Vec<Bucket>),
    /// One second of a subscription.
    Second(Bucket),
    /// The subscription stands; seconds follow.
    Subscribed,
    Reloaded(Reloaded),
    ShuttingDown,
    HandingOver(HandingOver),
    TakenOver,
}

/// What a successor must know beside the sockets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HandingOver {
    /// What would be remembered over a restart.
    pub(crate) remembered: Remembered,
    /// Grows with every change of it.
    pub(crate) revision: u64,
    /// Whose sockets come behind that of the lock and that of the control socket.
    pub(crate) addresses: Vec<SocketAddr>,
    /// Upstreams that are well, by service.
    pub(crate) healthy: Vec<(String, Vec<String>)>,
}

/// Why the balancer did not do what it was asked for. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case", tag = "code")]
#[non_exhaustive]
pub enum Refusal {
    /// The table is older than the one in force, or another one has its number.
    #[error(
        "table generation {offered} is refused: generation {current} is in force; send a higher one"
    )]
    StaleGeneration {
        /// What was sent.
        offered: u64,
        /// What is in force.
        current: u64,
    },
    /// The table contradicts itself.
    #[error("the route table is invalid: {reason}")]
    InvalidTable {
        /// What is wrong with it.
        reason: String,
    },
    /// No such service.
    #[error("there is no service `{service}` in generation {generation}")]
    UnknownService {
        /// What was asked for.
        service: String,
        /// The generation in force.
        generation: u64,
    },
    /// No such upstream.
    #[error("there is no upstream `{upstream}` in service `{service}`")]
    UnknownUpstream {
        /// The service.
        service: String,
        /// What was asked for.
        upstream: String,
    },
    /// The address of a service cannot be had.
    #[error(
        "service `{service}` cannot listen at `{address}`: {reason}; free it or choose another"
    )]
    Listen {
        /// The service.
        service: String,
        /// The address.
        address: String,
        /// What the system said.
        reason: String,
    },
    /// A certificate that the balancer has not shown before cannot be used.
    #[error("service `{service}` has a certificate that cannot be used: {reason}")]
    Certificate {
        /// The service.
        service: String,
        /// What is wrong with it, and what to do.
        reason: String,
    },
    /// The table could not be written down, so it was not put in force.
    #[error("the route table could not be stored: {reason}; make room in the state folder")]
    Store {
        /// What the system said.
        reason: String,
    },
    /// Its place cannot be taken now.
    #[error("the balancer cannot be taken over: {reason}")]
    HandOver {
        /// Why.
        reason: String,
    },
    /// The balancer is ending.
    #[error("the balancer is shutting down")]
    ShuttingDown,
    /// The request could not be read.
    #[error("the request could not be read: {reason}")]
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
}
