//! The balancer as a whole: the table in force, and how another one takes its place.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::{
    sync::{Mutex as AsyncMutex, Notify},
    time::timeout,
};

use crate::{
    control::{Applied, Drained, Refusal, RouteTable, Status, UpstreamReport},
    door::Door,
    doors::{Doors, Listeners, Opened},
    drain, health_log,
    journal::Journal,
    lock::locked,
    log_file::LogFiles,
    service::{Origin, Service},
    state::{Remembered, StateFolder},
    status,
    sticky::Key,
    waiting,
    worker::Workers,
};

/// How long the access logs may take for their last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Everything live.
#[derive(Debug)]
pub(crate) struct Balancer {
    folder: Arc<StateFolder>,
    key: Key,
    logs: Arc<LogFiles>,
    pub(crate) journal: Arc<Journal>,
    workers: Arc<Workers>,
    /// Held while a table takes the place of another; requests do not come by here.
    in_force: AsyncMutex<InForce>,
    live: Mutex<Live>,
    ending: AtomicBool,
    end: Notify,
}

#[derive(Debug, Default)]
struct InForce {
    table: RouteTable,
    listeners: Listeners,
    previews: Listeners,
    drained: BTreeMap<String, BTreeSet<String>>,
}

#[derive(Debug, Default)]
struct Live {
    generation: u64,
    services: BTreeMap<String, Arc<Service>>,
    doors: Doors,
}

impl Balancer {
    pub(crate) fn new(folder: StateFolder, journal: Journal, workers: Workers) -> Self {
        Self {
            workers: Arc::new(workers),
            key: folder.key(),
            logs: Arc::new(LogFiles::new(folder.path().to_owned())),
            folder: Arc::new(folder),
            journal: Arc::new(journal),
            in_force: AsyncMutex::default(),
            live: Mutex::default(),
            ending: AtomicBool::new(false),
            end: Notify::new(),
        }
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
        let opened = Doors::reopen(&listeners, &previews, &self.journal);
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
        let opened =
            locked(&self.live)
                .doors
                .open(&table, &in_force.listeners, &in_force.previews)?;
        let (listeners, previews) = (opened.listeners.clone(), opened.previews.clone());
        if repeated && opened.is_empty() {
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
        self.store(&next).await?;
        let mut effective = table;
        close_drained(&mut effective, &next.drained);
        *in_force = next;
        self.put_in_force(&effective, opened, Origin::Told);
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
        let InForce {
            table,
            listeners,
            previews,
            drained,
        } = in_force;
        let remembered = Remembered::new(
            table.clone(),
            listeners.clone(),
            previews.clone(),
            drained.clone(),
        );
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
        live.doors.set(&services, opened, &self.workers);
        let removed = std::mem::replace(&mut live.services, services);
        for service in removed.into_values() {
            service.dismiss_all();
        }
        live.generation = table.generation;
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
            status::service_status(service, listener, preview, connections.unwrap_or_default())
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

    fn is_ending(&self) -> bool {
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

    /// Accepts nothing more, and lets what is in flight finish, at most for so long.
    pub(crate) async fn finish(&self, patience: Duration) {
        self.end();
        let doors = locked(&self.live).doors.close();
        call_all(&doors);
        let finished = async {
            for door in &doors {
                door.clients.below(1).await;
            }
        };
        if timeout(patience, finished).await.is_err() {
            call_all(&doors);
        }
        // A disk that hangs must not keep the process.
        let _written = timeout(LAST_LINES, self.logs.flush()).await;
    }
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
