//! All doors: which addresses a table needs, opening them, and who is behind each.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
    os::fd::OwnedFd,
    sync::Arc,
};

use serde_json::Value;
use tokio::net::TcpListener;

use crate::{
    control::{self, Refusal, RouteTable},
    door::{Behind, Door, Entry},
    journal::Journal,
    listener::{self, Acceptor},
    predecessor,
    route::Route,
    service::Service,
    tls::Keyring,
    worker::Workers,
};

/// The doors that are open, by the address that they really have.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    open: BTreeMap<SocketAddr, Open>,
    /// Addresses that are needed and cannot be had now, with what the system said.
    lost: BTreeMap<SocketAddr, String>,
    /// The same by service.
    silent: BTreeMap<String, String>,
    /// Plain addresses of services with TLS.
    redirects: BTreeSet<SocketAddr>,
}

#[derive(Debug)]
struct Open {
    door: Arc<Door>,
    socket: Arc<TcpListener>,
    /// Closes the socket when dropped.
    _acceptor: Acceptor,
}

/// Where each service of a table listens.
pub(crate) type Listeners = BTreeMap<String, SocketAddr>;

/// Sockets that were opened for a table, by their address.
#[derive(Debug, Default)]
pub(crate) struct Opened {
    sockets: BTreeMap<SocketAddr, TcpListener>,
    /// What services had and cannot have now.
    lost: BTreeMap<SocketAddr, String>,
    pub(crate) listeners: Listeners,
    pub(crate) previews: Listeners,
    /// Where plain requests are sent on from.
    redirects: Listeners,
}

/// Where the services of a table have plain addresses that send on to those with TLS.
fn redirects(table: &RouteTable) -> Listeners {
    let redirect = |service: &control::Service| {
        let from = service.tls.as_ref()?.redirects()?;
        Some((service.name.clone(), from))
    };
    table.services.iter().filter_map(redirect).collect()
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
        let mut opened = Opened {
            redirects: redirects(table),
            ..Opened::default()
        };
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
            if let Some(from) = opened.redirects.get(name).copied() {
                // What has served before may be lost for a while.
                let known = self.redirects.contains(&from).then_some(from);
                self.address(&mut opened, name, Some(&from.to_string()), known)?;
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
        if self.open.contains_key(&open) {
            return Ok(open);
        }
        let error = match opened.take(wanted) {
            Ok(address) => return Ok(address),
            Err(error) => error,
        };
        // Another process took the address while nobody listened there. That is no reason to refuse
        // what a table says about everything else.
        if let Some(known) = known.filter(|known| serves(*known, wanted)) {
            opened.lost.insert(known, error.to_string());
            return Ok(known);
        }
        Err(Refusal::Listen {
            service: service.to_owned(),
            address: wanted.to_string(),
            reason: error.to_string(),
        })
    }

    /// Opens again what a process before had open. What cannot be had is written down and left
    /// out, so that the others are served.
    pub(crate) fn reopen(
        table: &RouteTable,
        listeners: &Listeners,
        previews: &Listeners,
        journal: &Journal,
    ) -> Opened {
        let mut opened = Opened::default();
        let redirects = redirects(table);
        for (service, address) in listeners.iter().chain(previews).chain(&redirects) {
            if let Err(error) = opened.take(*address) {
                opened.lost.insert(*address, error.to_string());
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
        opened.redirects = redirects;
        opened
    }

    /// Sockets of a predecessor.
    pub(crate) fn inherited(
        sockets: BTreeMap<SocketAddr, TcpListener>,
        table: &RouteTable,
        listeners: Listeners,
        previews: Listeners,
    ) -> Opened {
        Opened {
            sockets,
            lost: BTreeMap::new(),
            listeners,
            previews,
            redirects: redirects(table),
        }
    }

    /// Whether there are addresses that could not be had.
    pub(crate) fn has_lost(&self) -> bool {
        !self.lost.is_empty()
    }

    /// Why nobody listens for a service.
    pub(crate) fn why_lost(&self, service: &str) -> Option<&String> {
        self.silent.get(service)
    }

    /// Tries again to open what could not be had.
    pub(crate) fn retry(
        &self,
        table: &RouteTable,
        listeners: &Listeners,
        previews: &Listeners,
    ) -> Opened {
        let mut opened = Opened {
            redirects: redirects(table),
            ..Opened::default()
        };
        for address in self.lost.keys() {
            if let Err(error) = opened.take(*address) {
                opened.lost.insert(*address, error.to_string());
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
        keyring: &Keyring,
    ) {
        let Opened {
            mut sockets,
            lost,
            listeners,
            previews,
            redirects,
        } = opened;
        let mut behind = BTreeMap::<SocketAddr, Vec<Entry>>::new();
        for (name, address) in &listeners {
            if let Some(service) = services.get(name) {
                behind.entry(*address).or_default().extend(entries(service));
            }
        }
        for (name, address) in &redirects {
            if let (Some(service), Some(to)) = (services.get(name), listeners.get(name)) {
                let sent_on = entries(service).into_iter().map(|entry| Entry {
                    redirect: Some(to.port()),
                    ..entry
                });
                behind.entry(*address).or_default().extend(sent_on);
            }
        }
        for (name, address) in &previews {
            let preview = services.get(name).and_then(preview);
            behind.entry(*address).or_default().extend(preview);
        }
        let before = std::mem::take(&mut self.open);
        for (address, open) in before {
            match behind.remove(&address) {
                Some(entries) => {
                    open.door.set(Behind::new(entries), keyring);
                    self.open.insert(address, open);
                }
                None => open.door.clients.call(),
            }
        }
        for (address, entries) in behind {
            let Some(socket) = sockets.remove(&address) else {
                continue;
            };
            let door = Arc::new(Door::new(Behind::new(entries), keyring));
            let socket = Arc::new(socket);
            let acceptor = Acceptor::start(Arc::clone(&socket), &door, workers);
            self.open.insert(
                address,
                Open {
                    door,
                    socket,
                    _acceptor: acceptor,
                },
            );
        }
        let silent = |(name, address): (&String, &SocketAddr)| {
            let reason = lost.get(address)?;
            Some((
                name.clone(),
                format!("cannot listen at `{address}`: {reason}"),
            ))
        };
        self.silent = listeners
            .iter()
            .chain(&previews)
            .chain(&redirects)
            .filter_map(silent)
            .collect();
        self.redirects = redirects.into_values().collect();
        self.lost = lost;
    }

    /// The address and the open connections of the door that a service is behind.
    pub(crate) fn of(&self, service: &Arc<Service>) -> Option<(SocketAddr, u64)> {
        let (address, open) = self
            .open
            .iter()
            .find(|(_, open)| open.door.has(service, false))?;
        Some((*address, open.door.clients.present()))
    }

    /// The address of a service's preview.
    pub(crate) fn preview_of(&self, service: &Arc<Service>) -> Option<SocketAddr> {
        let (address, _) = self
            .open
            .iter()
            .find(|(_, open)| open.door.has(service, true))?;
        Some(*address)
    }

    /// Shows the certificates that there are now at every door.
    pub(crate) fn choose(&self, keyring: &Keyring) {
        for open in self.open.values() {
            open.door.choose(keyring);
        }
    }

    /// The sockets of all doors, for a successor.
    pub(crate) fn handles(&self) -> std::io::Result<Vec<(SocketAddr, OwnedFd)>> {
        let handle = |(address, open): (&SocketAddr, &Open)| {
            Ok((*address, predecessor::handle(&open.socket)?))
        };
        self.open.iter().map(handle).collect()
    }

    /// Closes all doors, and gives them to whoever waits for their clients.
    pub(crate) fn close(&mut self) -> Vec<Arc<Door>> {
        let doors = std::mem::take(&mut self.open).into_values();
        doors.map(|open| open.door).collect()
    }
}

fn entries(service: &Arc<Service>) -> Vec<Entry> {
    let routes = service.routes();
    let entry = |route: &Arc<_>| Entry {
        service: Arc::clone(service),
        route: Arc::clone(route),
        preview: None,
        redirect: None,
    };
    routes.entries.iter().map(entry).collect()
}

fn preview(service: &Arc<Service>) -> Option<Entry> {
    let side = service.routes().preview.clone()?;
    Some(Entry {
        service: Arc::clone(service),
        route: Arc::new(Route::new(&control::Route::default())),
        preview: Some(side),
        redirect: None,
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
