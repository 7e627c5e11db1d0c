//! All doors: which addresses a table needs, opening them, and who is behind each.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use serde_json::Value;
use tokio::net::TcpListener;

use crate::{
    control::{self, Refusal, RouteTable},
    door::{Behind, Door, Entry},
    journal::Journal,
    listener::{self, Acceptor},
    route::Route,
    service::Service,
    worker::Workers,
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
    pub(crate) previews: Listeners,
}

impl Opened {
    pub(crate) fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// A socket at an address, that one which is there already if there is one.
    fn take(&mut self, wanted: SocketAddr) -> std::io::Result<SocketAddr> {
        if self.sockets.contains_key(&wanted) {
            return Ok(wanted);
        }
        let socket = listener::bind(wanted)?;
        let address = socket.local_addr()?;
        self.sockets.insert(address, socket);
        Ok(address)
    }
}

impl Doors {
    /// Opens the sockets that a table needs and are not open yet.
    pub(crate) fn open(
        &self,
        table: &RouteTable,
        listeners: &Listeners,
        previews: &Listeners,
    ) -> Result<Opened, Refusal> {
        let mut opened = Opened::default();
        for service in &table.services {
            let name = &service.name;
            let known = listeners.get(name).copied();
            let address = self.address(&mut opened, name, service.listen.as_ref(), known)?;
            opened.listeners.insert(name.clone(), address);
            if let Some(preview) = &service.preview {
                let known = previews.get(name).copied();
                let address = self.address(&mut opened, name, preview.listen.as_ref(), known)?;
                opened.previews.insert(name.clone(), address);
            }
        }
        Ok(opened)
    }

    /// An address that is open, from now on at the latest.
    fn address(
        &self,
        opened: &mut Opened,
        service: &str,
        told: Option<&String>,
        known: Option<SocketAddr>,
    ) -> Result<SocketAddr, Refusal> {
        let wanted = wanted(told, known);
        let open = known
            .filter(|known| serves(*known, wanted))
            .unwrap_or(wanted);
        if self.0.contains_key(&open) {
            return Ok(open);
        }
        opened.take(wanted).map_err(|error| Refusal::Listen {
            service: service.to_owned(),
            address: wanted.to_string(),
            reason: error.to_string(),
        })
    }

    /// Opens again what a process before had open. What cannot be had is written down and left
    /// out, so that the others are served.
    pub(crate) fn reopen(listeners: &Listeners, previews: &Listeners, journal: &Journal) -> Opened {
        let mut opened = Opened::default();
        for (service, address) in listeners.iter().chain(previews) {
            if let Err(error) = opened.take(*address) {
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
        opened.listeners.clone_from(listeners);
        opened.previews.clone_from(previews);
        opened
    }

    /// Puts services behind their doors. Doors that nobody is behind any more are closed, and
    /// their connections asked to finish.
    pub(crate) fn set(
        &mut self,
        services: &BTreeMap<String, Arc<Service>>,
        opened: Opened,
        workers: &Arc<Workers>,
    ) {
        let Opened {
            mut sockets,
            listeners,
            previews,
        } = opened;
        let mut behind = BTreeMap::<SocketAddr, Vec<Entry>>::new();
        for (name, address) in &listeners {
            if let Some(service) = services.get(name) {
                behind.entry(*address).or_default().extend(entries(service));
            }
        }
        for (name, address) in &previews {
            let preview = services.get(name).and_then(preview);
            behind.entry(*address).or_default().extend(preview);
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
            let acceptor = Acceptor::start(socket, &door, workers);
            self.0.insert(
                address,
                Open {
                    door,
                    _acceptor: acceptor,
                },
            );
        }
    }

    /// The address and the open connections of the door that a service is behind.
    pub(crate) fn of(&self, service: &Arc<Service>) -> Option<(SocketAddr, u64)> {
        let (address, open) = self
            .0
            .iter()
            .find(|(_, open)| open.door.has(service, false))?;
        Some((*address, open.door.clients.present()))
    }

    /// The address of a service's preview.
    pub(crate) fn preview_of(&self, service: &Arc<Service>) -> Option<SocketAddr> {
        let (address, _) = self
            .0
            .iter()
            .find(|(_, open)| open.door.has(service, true))?;
        Some(*address)
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
        preview: None,
    };
    routes.entries.iter().map(entry).collect()
}

fn preview(service: &Arc<Service>) -> Option<Entry> {
    let side = service.routes().preview.clone()?;
    Some(Entry {
        service: Arc::clone(service),
        route: Arc::new(Route::new(&control::Route::default())),
        preview: Some(side),
    })
}

/// Where a service is to listen. One that asks for any port keeps that which it once got.
fn wanted(told: Option<&String>, known: Option<SocketAddr>) -> SocketAddr {
    let told = match told {
        Some(address) => address.parse().ok(),
        None => known,
    };
    told.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)))
}

/// Whether a socket open at one address is what is wanted; port 0 is any port.
fn serves(open: SocketAddr, wanted: SocketAddr) -> bool {
    open.ip() == wanted.ip() && (wanted.port() == 0 || open.port() == wanted.port())
}
