//! What upstreams speak.

use serde::{Deserialize, Serialize};

/// The protocol between balancer and upstream. Clients speak what they like: see `listener`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Protocol {
    /// HTTP/1.1, one request at a time on each connection.
    #[default]
    H1,
    /// HTTP/2 with prior knowledge, without TLS (`h2c`): what gRPC servers speak. Many requests
    /// share few connections. A switch of protocol (WebSocket) is not passed on.
    H2,
}
