//! All doors: which addresses a table needs, opening them, and who is behind each.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use serde_json::Value;
use tokio::net::TcpListener;

use crate::{
    control::{self, Refusal, RouteTable},
    door::{Behind, Door, Entry},
    journal::Journal,
    listener::{self, Acceptor},
    service::Service,
};

/// The doors that are open, by the address that they really have.
#[derive(Debug, Default)]
pub(crate) struct Doors(BTreeMap<SocketAddr, Open>);

#[derive(Debug)]
struct Open {
    door: Arc<Door>,
    /// Closes the socket when dropped.
    _acceptor: Acceptor,
}

/// Where each service of a table listens.
pub(crate) type Listeners = BTreeMap<String, SocketAddr>;

/// Sockets that were opened for a table, by their address.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    sockets: BTreeMap<SocketAddr, TcpListener>,
    pub(crate) listeners: Listeners,
}

impl Opened {
    pub(crate) fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// A socket for a service, which it may share with others.
    fn take(&mut self, service: &str, wanted: SocketAddr) -> std::io::Result<()> {
        let address = if self.sockets.contains_key(&wanted) {
            wanted
        } else {
            let socket = listener::bind(wanted)?;
            let address = socket.local_addr()?;
            self.sockets.insert(address, socket);
            address
        };
        self.listeners.insert(service.to_owned(), address);
        Ok(())
    }
}

impl Doors {
    /// Opens the sockets that a table needs and are not open yet.
    pub(crate) fn open(&self, table: &RouteTable, known: &Listeners) -> Result<Opened, Refusal> {
        let mut opened = Opened::default();
        for service in &table.services {
            let known = known.get(&service.name).copied();
            let wanted = wanted(service, known);
            let open = known
                .filter(|known| serves(*known, wanted))
                .unwrap_or(wanted);
            if self.0.contains_key(&open) {
                opened.listeners.insert(service.name.clone(), open);
                continue;
            }
            let taken = opened.take(&service.name, wanted);
            taken.map_err(|error| Refusal::Listen {
                service: service.name.clone(),
                address: wanted.to_string(),
                reason: error.to_string(),
            })?;
        }
        Ok(opened)
    }

    /// Opens again what a process before had open. What cannot be had is written down and left
    /// out, so that the others are served.
    pub(crate) fn reopen(listeners: &Listeners, journal: &Journal) -> Opened {
        let mut opened = Opened::default();
        for (service, address) in listeners {
            if let Err(error) = opened.take(service, *address) {
                journal.note(
                    "listener_lost",
                    &[
                        ("service", Value::from(service.as_str())),
                        ("address", Value::from(address.to_string())),
                        ("reason", Value::from(error.to_string())),
                    ],
                );
            }
        }
        opened
    }

    /// Puts services behind their doors. Doors that nobody is behind any more are closed, and
    /// their connections asked to finish.
    pub(crate) fn set(&mut self, services: &BTreeMap<String, Arc<Service>>, opened: Opened) {
        let Opened {
            mut sockets,
            listeners,
        } = opened;
        let mut behind = BTreeMap::<SocketAddr, Vec<Entry>>::new();
        for (name, address) in &listeners {
            if let Some(service) = services.get(name) {
                behind.entry(*address).or_default().extend(entries(service));
            }
        }
        let before = std::mem::take(&mut self.0);
        for (address, open) in before {
            match behind.remove(&address) {
                Some(entries) => {
                    open.door.set(Behind::new(entries));
                    self.0.insert(address, open);
                }
                None => open.door.clients.call(),
            }
        }
        for (address, entries) in behind {
            let Some(socket) = sockets.remove(&address) else {
                continue;
            };
            let door = Arc::new(Door::new(Behind::new(entries)));
            let _acceptor = Acceptor::start(socket, &door);
            self.0.insert(address, Open { door, _acceptor });
        }
    }

    /// The address and the open connections of the door that a service is behind.
    pub(crate) fn of(&self, service: &Arc<Service>) -> Option<(SocketAddr, u64)> {
        let mut doors = self.0.iter();
        doors
            .find(|(_, open)| open.door.has(service))
            .map(|(address, open)| (*address, open.door.clients.present()))
    }

    /// Closes all doors, and gives them to whoever waits for their clients.
    pub(crate) fn close(&mut self) -> Vec<Arc<Door>> {
        let doors = std::mem::take(&mut self.0).into_values();
        doors.map(|open| open.door).collect()
    }
}

fn entries(service: &Arc<Service>) -> Vec<Entry> {
    let routes = service.routes();
    let entry = |route: &Arc<_>| Entry {
        service: Arc::clone(service),
        route: Arc::clone(route),
    };
    routes.routes.iter().map(entry).collect()
}

/// Where a service is to listen. One that asks for any port keeps that which it once got.
fn wanted(service: &control::Service, known: Option<SocketAddr>) -> SocketAddr {
    let told = match &service.listen {
        Some(address) => address.parse().ok(),
        None => known,
    };
    told.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// Whether a socket open at one address is what is wanted; port 0 is any port.
fn serves(open: SocketAddr, wanted: SocketAddr) -> bool {
    open.ip() == wanted.ip() && (wanted.port() == 0 || open.port() == wanted.port())
}
