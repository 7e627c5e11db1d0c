//! A listener that lets in the containers of one network. What else reaches the address that this machine has
//! there, as other networks may, is shown out before it has said a word.

use std::{io, net::SocketAddr};

use axum::serve::Listener;
use ipnet::IpNet;
use tokio::net::{TcpListener, TcpStream};

/// A network of containers is not larger than `10.0.0.0/8`.
const SHORTEST_PREFIX: u8 = 8;

/// The listener, and who may come in.
pub(crate) struct Door {
    listener: TcpListener,
    network: IpNet,
}

impl Door {
    /// `None` for a listener that is at all addresses, or at one outside of the network.
    pub(crate) fn new(listener: TcpListener, network: IpNet) -> Option<Self> {
        let own = listener.local_addr().ok()?.ip();
        let is_one = !own.is_unspecified()
            && network.contains(&own)
            && network.prefix_len() >= SHORTEST_PREFIX;
        is_one.then_some(Self { listener, network })
    }
}

impl Listener for Door {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            // It looks after errors of its own.
            let (stream, address) = Listener::accept(&mut self.listener).await;
            if self.network.contains(&address.ip()) {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}
