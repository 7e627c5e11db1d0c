//! The balancer as a whole: the table in force, and how another one takes its place.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    net::SocketAddr,
    os::{fd::OwnedFd, unix::net::UnixStream},
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::{
    net::{TcpListener, UnixListener},
    sync::{Mutex as AsyncMutex, Notify, RwLock, watch},
    time::{Instant, sleep, timeout},
};

use crate::{
    acme::Authority,
    control::{
        Applied, Drained, Refusal, Reloaded, RouteTable, ServiceStatus, Status, UpstreamReport,
    },
    door::Door,
    doors::{Doors, Listeners, Opened},
    drain, health_log,
    journal::Journal,
    lock::locked,
    log_file::LogFiles,
    predecessor::handle,
    service::{Origin, Service},
    state::{Remembered, StateFolder},
    status,
    sticky::Key,
    tls::{Care, Keyring, watch as watch_files},
    waiting,
    worker::Workers,
};

/// How long the access logs may take for their last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Pause before an address that could not be had is tried again, and the longest one.
const RELISTEN: Duration = Duration::from_millis(500);
const RELISTEN_SELDOM: Duration = Duration::from_secs(30);
/// How long connections may wait for their next request when a successor has taken over.
const NEXT_ANSWER: Duration = Duration::from_secs(5);

/// Everything live.
#[derive(Debug)]
pub(crate) struct Balancer {
    pub(crate) folder: Arc<StateFolder>,
    key: Key,
    logs: Arc<LogFiles>,
    pub(crate) journal: Arc<Journal>,
    workers: Arc<Workers>,
    pub(crate) keyring: Arc<Keyring>,
    /// Held while a table takes the place of another; requests do not come by here.
    pub(crate) in_force: AsyncMutex<InForce>,
    pub(crate) live: Mutex<Live>,
    /// Counts the changes of what is in force, for a successor.
    revision: AtomicU64,
    /// Held by each drain that runs. Whoever hands over waits for them.
    pub(crate) drains: RwLock<()>,
    control: OnceLock<OwnedFd>,
    /// Open to a successor until this process has nothing in flight.
    pub(crate) successor: Mutex<Option<UnixStream>>,
    /// Whether a predecessor is gone, if there was one.
    predecessor: Option<watch::Receiver<bool>>,
    /// Told when an address cannot be had.
    lost: Notify,
    leaving: AtomicBool,
    ending: AtomicBool,
    end: Notify,
}

#[derive(Debug, Default)]
pub(crate) struct InForce {
    table: RouteTable,
    listeners: Listeners,
    previews: Listeners,
    drained: BTreeMap<String, BTreeSet<String>>,
}

impl InForce {
    /// What would be remembered over a restart.
    pub(crate) fn remembered(&self) -> Remembered {
        Remembered::new(
            self.table.clone(),
            self.listeners.clone(),
            self.previews.clone(),
            self.drained.clone(),
        )
    }
}

impl From<Remembered> for InForce {
    fn from(remembered: Remembered) -> Self {
        let Remembered {
            table,
            listeners,
            previews,
            drained,
            ..
        } = remembered;
        Self {
            table,
            listeners,
            previews,
            drained,
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Live {
    generation: u64,
    pub(crate) services: BTreeMap<String, Arc<Service>>,
    pub(crate) doors: Doors,
}

impl Balancer {
    pub(crate) fn new(folder: StateFolder, journal: Journal, workers: Workers) -> Self {
        let journal = Arc::new(journal);
        let authority = Authority::new(folder.path(), Arc::clone(&journal));
        Self {
            workers: Arc::new(workers),
            keyring: Arc::new(Keyring::new(authority, Arc::clone(&journal))),
            key: folder.key(),
            logs: Arc::new(LogFiles::new(folder.path().to_owned())),
            folder: Arc::new(folder),
            journal,
            in_force: AsyncMutex::default(),
            live: Mutex::default(),
            revision: AtomicU64::new(0),
            drains: RwLock::default(),
            control: OnceLock::new(),
            successor: Mutex::default(),
            predecessor: None,
            lost: Notify::new(),
            leaving: AtomicBool::new(false),
            ending: AtomicBool::new(false),
            end: Notify::new(),
        }
    }

    /// One that follows on another process, which still has requests in flight.
    pub(crate) fn after(self, predecessor: watch::Receiver<bool>) -> Self {
        Self {
            predecessor: Some(predecessor),
            ..self
        }
    }

    /// Keeps a handle of the control socket, for a successor.
    pub(crate) fn set_control(&self, control: &UnixListener) -> io::Result<()> {
        let _set_once = self.control.set(handle(control)?);
        Ok(())
    }

    pub(crate) fn control_handle(&self) -> io::Result<OwnedFd> {
        handle(self.control.get().ok_or(io::ErrorKind::NotConnected)?)
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision.load(Ordering::SeqCst)
    }

    /// Takes on what a predecessor had in force. Its doors are opened by [`Self::open_doors`].
    pub(crate) async fn inherit(&self, remembered: Remembered) {
        let mut in_force = self.in_force.lock().await;
        let mut table = remembered.table.clone();
        // Lenient: it refuses nothing.
        let _admitted = self.admit(&table, Care::Lenient).await;
        close_drained(&mut table, &remembered.drained);
        *in_force = InForce::from(remembered);
        let (listeners, previews) = (in_force.listeners.clone(), in_force.previews.clone());
        let closed = Doors::inherited(BTreeMap::new(), &table, listeners, previews);
        self.put_in_force(&table, closed, Origin::Restored);
    }

    /// Opens doors with sockets that a predecessor had.
    pub(crate) async fn open_doors(&self, sockets: BTreeMap<SocketAddr, TcpListener>) {
        let in_force = self.in_force.lock().await;
        let (listeners, previews) = (in_force.listeners.clone(), in_force.previews.clone());
        let opened = Doors::inherited(sockets, &in_force.table, listeners, previews);
        let mut live = locked(&self.live);
        let services = live.services.clone();
        live.doors
            .set(&services, opened, &self.workers, &self.keyring);
    }

    /// Tries from time to time to listen where another process does. Nothing tells when such an
    /// address gets free.
    pub(crate) async fn relisten(&self) {
        loop {
            // Only a start or a table can lose one.
            self.lost.notified().await;
            let mut pause = RELISTEN;
            while !self.try_lost().await {
                sleep(pause).await;
                pause = (pause * 2).min(RELISTEN_SELDOM);
            }
        }
    }

    /// Opens what could not be had, as far as it can be now. Whether nothing is left.
    async fn try_lost(&self) -> bool {
        let in_force = self.in_force.lock().await;
        let mut live = locked(&self.live);
        if !live.doors.has_lost() || self.is_ending() {
            return true;
        }
        let opened = live
            .doors
            .retry(&in_force.table, &in_force.listeners, &in_force.previews);
        if !opened.is_empty() {
            self.journal.note("listener_back", &[]);
        }
        let services = live.services.clone();
        live.doors
            .set(&services, opened, &self.workers, &self.keyring);
        !live.doors.has_lost()
    }

    /// Goes on where the last process ended. A service whose address cannot be had is left out,
    /// so that the others are served; the next table tries again.
    pub(crate) async fn restore(&self, remembered: Remembered) {
        let mut in_force = self.in_force.lock().await;
        let Remembered {
            mut table,
            listeners,
            previews,
            drained,
            ..
        } = remembered;
        // Lenient: it refuses nothing.
        let _admitted = self.admit(&table, Care::Lenient).await;
        let opened = Doors::reopen(&table, &listeners, &previews, &self.journal);
        *in_force = InForce {
            table: table.clone(),
            listeners,
            previews,
            drained,
        };
        close_drained(&mut table, &in_force.drained);
        self.put_in_force(&table, opened, Origin::Restored);
    }

    /// Puts a table in force.
    pub(crate) async fn apply(&self, table: RouteTable) -> Result<Applied, Refusal> {
        table.validate().map_err(|invalid| Refusal::InvalidTable {
            reason: invalid.to_string(),
        })?;
        let mut in_force = self.in_force.lock().await;
        if self.is_ending() {
            return Err(Refusal::ShuttingDown);
        }
        let current = in_force.table.generation;
        let repeated = in_force.table == table;
        if table.generation < current || (table.generation == current && !repeated) {
            return Err(Refusal::StaleGeneration {
                offered: table.generation,
                current,
            });
        }
        let weights_only = in_force.table.differs_in_weights_only(&table);
        // Weights need no certificate, and must not wait for a disk.
        let admitted = if weights_only {
            Ok(())
        } else {
            self.admit(&table, Care::Strict).await
        };
        if let Err(refusal) = admitted {
            self.keyring.retain(&in_force.table);
            return Err(refusal);
        }
        let opened = locked(&self.live)
            .doors
            .open(&table, &in_force.listeners, &in_force.previews)
            .inspect_err(|_refusal| self.keyring.retain(&in_force.table))?;
        let (listeners, previews) = (opened.listeners.clone(), opened.previews.clone());
        if repeated && opened.is_empty() {
            self.choose_certificates();
            return Ok(Applied {
                generation: current,
                listeners,
                previews,
            });
        }
        let drained = if repeated {
            in_force.drained.clone()
        } else {
            BTreeMap::new()
        };
        let next = InForce {
            table: table.clone(),
            listeners: listeners.clone(),
            previews: previews.clone(),
            drained,
        };
        let mut effective = table;
        close_drained(&mut effective, &next.drained);
        if opened.is_empty() && weights_only {
            // Traffic that must move waits for no disk. Who sent the table is told only when it is
            // stored as well; one that is lost in between is sent again.
            self.put_in_force(&effective, opened, Origin::Told);
            if let Err(refusal) = self.store(&next).await {
                let mut before = in_force.table.clone();
                close_drained(&mut before, &in_force.drained);
                let (listeners, previews) = (in_force.listeners.clone(), in_force.previews.clone());
                let opened = Doors::inherited(BTreeMap::new(), &before, listeners, previews);
                self.put_in_force(&before, opened, Origin::Told);
                return Err(refusal);
            }
        } else {
            let stored = self.store(&next).await;
            stored.inspect_err(|_refusal| self.keyring.retain(&in_force.table))?;
            self.put_in_force(&effective, opened, Origin::Told);
        }
        *in_force = next;
        self.journal.note(
            "table_applied",
            &[
                ("generation", Value::from(effective.generation)),
                (
                    "services",
                    serde_json::to_value(&effective.services).unwrap_or_default(),
                ),
            ],
        );
        Ok(Applied {
            generation: effective.generation,
            listeners,
            previews,
        })
    }

    async fn store(&self, in_force: &InForce) -> Result<(), Refusal> {
        self.revision.fetch_add(1, Ordering::SeqCst);
        let remembered = in_force.remembered();
        let folder = Arc::clone(&self.folder);
        let stored = tokio::task::spawn_blocking(move || folder.store(&remembered)).await;
        let reason = match stored {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => error.to_string(),
            Err(panicked) => panicked.to_string(),
        };
        Err(Refusal::Store { reason })
    }

    fn put_in_force(&self, table: &RouteTable, opened: Opened, origin: Origin) {
        let mut live = locked(&self.live);
        let mut services = BTreeMap::new();
        for entry in &table.services {
            let known = live.services.remove(&entry.name);
            let service = known.unwrap_or_else(|| self.new_service(&entry.name));
            service.update(entry, origin);
            services.insert(entry.name.clone(), service);
        }
        live.doors
            .set(&services, opened, &self.workers, &self.keyring);
        if live.doors.has_lost() {
            self.lost.notify_one();
        }
        let removed = std::mem::replace(&mut live.services, services);
        for service in removed.into_values() {
            service.dismiss_all();
        }
        live.generation = table.generation;
        self.keyring.retain(table);
    }

    /// Reads the certificates that a table names.
    async fn admit(&self, table: &RouteTable, care: Care) -> Result<(), Refusal> {
        // Most tables name none, and need not wait for another thread.
        if table.services.iter().all(|service| service.tls.is_none()) {
            return Ok(());
        }
        let (keyring, table) = (Arc::clone(&self.keyring), table.clone());
        let admitted = tokio::task::spawn_blocking(move || keyring.admit(&table, care)).await;
        admitted.map_err(|_panicked| Refusal::ShuttingDown)?
    }

    /// Shows the certificates that there are now.
    pub(crate) fn choose_certificates(&self) {
        locked(&self.live).doors.choose(&self.keyring);
    }

    /// Looks at all certificate files now.
    pub(crate) async fn reload(&self) -> Reloaded {
        let reloaded = watch_files::look(&self.keyring).await;
        self.choose_certificates();
        self.keyring.authority.hurry();
        reloaded
    }

    /// Shows certificates whose files change from time to time. Does not come back.
    pub(crate) async fn follow_files(&self) {
        loop {
            watch_files::changed(&self.keyring).await;
            self.choose_certificates();
        }
    }

    fn new_service(&self, name: &str) -> Arc<Service> {
        let service = Arc::new(Service::new(name, self.key, Arc::clone(&self.logs)));
        let followed = health_log::follow(&service, Arc::clone(&self.journal));
        tokio::spawn(followed);
        service
    }

    /// Waits until these upstreams are healthy, at most for so long.
    pub(crate) async fn wait_healthy(
        &self,
        name: &str,
        ids: &[String],
        patience: Duration,
    ) -> Result<Vec<UpstreamReport>, Refusal> {
        let service = self.service(name)?;
        waiting::wait_healthy(&service, ids, patience).await
    }

    /// Takes upstreams out of service, and remembers that they are.
    pub(crate) async fn drain(
        &self,
        name: &str,
        ids: &[String],
        patience: Duration,
        grace: Option<Duration>,
    ) -> Result<Drained, Refusal> {
        let _running = self.drains.read().await;
        if self.is_ending() {
            return Err(Refusal::ShuttingDown);
        }
        let began = Instant::now();
        let service = self.service(name)?;
        let upstreams = service.with_ids(ids);
        let grace = grace.unwrap_or(service.routes().waits.grace);
        {
            let mut in_force = self.in_force.lock().await;
            // A full disk must not keep traffic on what is to be stopped: closed first, and drained
            // though it may not be remembered.
            for upstream in &upstreams {
                upstream.set_accepting(false);
            }
            let drained = in_force.drained.entry(name.to_owned()).or_default();
            drained.extend(upstreams.iter().map(|upstream| upstream.id.clone()));
            if let Err(refusal) = self.store(&in_force).await {
                let reason = Value::from(refusal.to_string());
                self.journal
                    .note("drain_not_remembered", &[("reason", reason)]);
            }
        }
        let drained = drain::drain(&upstreams, &service.ledger, patience, grace).await;
        if let Some(mut gone) = self.predecessor.clone() {
            // It may have requests in flight at the same upstreams, and counts them itself.
            let left = patience.saturating_sub(began.elapsed());
            let _in_time = timeout(left, gone.wait_for(|gone| *gone)).await;
        }
        self.journal.note(
            "drained",
            &[
                ("service", Value::from(name)),
                ("upstreams", Value::from(ids)),
                ("cut_off", Value::from(drained.cut_off)),
                (
                    "closed_after_grace",
                    Value::from(drained.closed_after_grace),
                ),
            ],
        );
        Ok(drained)
    }

    pub(crate) fn status(&self) -> Status {
        let live = locked(&self.live);
        let service = |service: &Arc<Service>| {
            let (listener, connections) = live.doors.of(service).unzip();
            let preview = live.doors.preview_of(service);
            let connections = connections.unwrap_or_default();
            ServiceStatus {
                listen_error: live.doors.why_lost(&service.name).cloned(),
                certificates: service
                    .routes()
                    .tls
                    .as_ref()
                    .map_or_else(Vec::new, |tls| self.keyring.statuses(tls)),
                ..status::service_status(service, listener, preview, connections)
            }
        };
        Status {
            generation: live.generation,
            pid: std::process::id(),
            services: live.services.values().map(service).collect(),
        }
    }

    pub(crate) fn service(&self, name: &str) -> Result<Arc<Service>, Refusal> {
        let live = locked(&self.live);
        live.services
            .get(name)
            .cloned()
            .ok_or_else(|| Refusal::UnknownService {
                service: name.to_owned(),
                generation: live.generation,
            })
    }

    pub(crate) fn services(&self) -> Vec<Arc<Service>> {
        locked(&self.live).services.values().cloned().collect()
    }

    /// Asks the balancer to end.
    pub(crate) fn end(&self) {
        self.ending.store(true, Ordering::SeqCst);
        self.end.notify_waiters();
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    /// Waits until the balancer is asked to end.
    pub(crate) async fn ended(&self) {
        loop {
            let end = self.end.notified();
            if self.is_ending() {
                return;
            }
            end.await;
        }
    }

    /// A successor has taken over: what is open ends with its next answer.
    pub(crate) fn leave(&self) {
        self.leaving.store(true, Ordering::SeqCst);
        self.ending.store(true, Ordering::SeqCst);
    }

    /// The successor was gone before it heard that it is one.
    pub(crate) fn stay(&self) {
        self.leaving.store(false, Ordering::SeqCst);
        self.ending.store(false, Ordering::SeqCst);
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::SeqCst)
    }

    /// Accepts nothing more, and lets what is in flight finish, at most for so long.
    pub(crate) async fn finish(&self, patience: Duration) {
        self.end();
        let (doors, services) = {
            let mut live = locked(&self.live);
            let services: Vec<_> = live.services.values().cloned().collect();
            (live.doors.close(), services)
        };
        if self.is_leaving() {
            for door in &doors {
                door.leave();
            }
            call_all(&doors);
            let _all_left = timeout(NEXT_ANSWER, all_gone(&doors)).await;
        }
        call_all(&doors);
        tokio::select! {
            () = all_finished(&doors, &services) => {}
            () = part(&services) => {}
            () = sleep(patience) => call_all(&doors),
        }
        // A disk that hangs must not keep the process.
        let _written = timeout(LAST_LINES, self.logs.flush()).await;
    }
}

/// Waits until no client is connected, and no tunnel is open.
async fn all_finished(doors: &[Arc<Door>], services: &[Arc<Service>]) {
    all_gone(doors).await;
    for service in services {
        let upstreams = service.all();
        // Nobody is left to send requests; now the end of the last one is told.
        for upstream in &upstreams {
            upstream.set_accepting(false);
        }
        drain::all_emptied(&upstreams).await;
    }
}

async fn all_gone(doors: &[Arc<Door>]) {
    for door in doors {
        door.clients.below(1).await;
    }
}

/// Asks the long streams to part when the longest grace is over. Does not come back.
async fn part(services: &[Arc<Service>]) {
    let grace = services.iter().map(|service| service.routes().waits.grace);
    sleep(grace.max().unwrap_or_default()).await;
    for upstream in services.iter().flat_map(|service| service.all()) {
        upstream.farewell.ask();
    }
    std::future::pending::<()>().await;
}

fn call_all(doors: &[Arc<Door>]) {
    for door in doors {
        door.clients.call();
    }
}

fn close_drained(table: &mut RouteTable, drained: &BTreeMap<String, BTreeSet<String>>) {
    for service in &mut table.services {
        let Some(drained) = drained.get(&service.name) else {
            continue;
        };
        for upstream in service
            .sides
            .iter_mut()
            .flat_map(|side| &mut side.upstreams)
        {
            upstream.accepting &= !drained.contains(&upstream.id);
        }
    }
}
