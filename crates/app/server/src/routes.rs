//! The routes as we want them: for each service of an environment its sides, instances and weights.
//!
//! Stored before the balancer hears of them, so that a restart of either side ends at the same table.
//! A change is applied to the stored table as a whole; its generation only grows.

mod wire;

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use cutover_model::{
    DeploymentId,
    delivery::{DeploymentSpec, HealthCheck, Weight},
    traffic::{RequestMatch, TrafficSpec},
};
use cutover_proxy::{self as proxy, Applied, ClientError, Refusal};
use cutover_store::Store;
use cutover_target::Instance;
use serde::{Deserialize, Serialize};
use tokio::{
    sync::{Mutex, watch},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{Error, balancer::Balancer};

pub(crate) use wire::step_matches;

/// Where the table lies in the store.
const SETTING: &str = "routes";

/// All routes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Table {
    pub(crate) generation: u64,
    /// By `service@environment`.
    pub(crate) routes: BTreeMap<String, Route>,
}

/// One service of one environment.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Route {
    pub(crate) listen: Option<String>,
    pub(crate) health: HealthCheck,
    /// Of the newest holder of the place that has changed it.
    #[serde(default)]
    pub(crate) fence: u64,
    pub(crate) sides: Vec<RouteSide>,
    /// What else the balancer is to do with its requests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) traffic: Option<Box<TrafficSpec>>,
    /// Requests that go to the newest side by the step that it is at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) matches: Vec<RequestMatch>,
    /// Requests wait, each for so long at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) park: Option<cutover_model::Duration>,
    /// What counts as slow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) slow: Option<Slow>,
}

/// The bound beyond which an answer is slow, as a deployment has learnt it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Slow {
    /// Which deployment.
    pub(crate) by: DeploymentId,
    /// In milliseconds.
    pub(crate) ms: u64,
    /// The first second in all of which the balancer counts by it.
    pub(crate) since: u64,
}

/// The instances that one deployment made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RouteSide {
    pub(crate) deployment: DeploymentId,
    /// What metrics go by, for as long as the side lives: the version, and the deployment's end
    /// where two sides share one.
    pub(crate) name: String,
    pub(crate) weight: Weight,
    pub(crate) upstreams: Vec<RouteUpstream>,
}

/// One instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RouteUpstream {
    pub(crate) id: String,
    pub(crate) address: SocketAddr,
    pub(crate) accepting: bool,
}

/// `service@environment`.
pub(crate) fn name(service: &str, environment: &str) -> String {
    format!("{service}@{environment}")
}

impl Route {
    /// Lets a change pass that does not come from a holder of before, and remembers its fence.
    pub(crate) fn admit(&mut self, fence: Option<u64>) -> bool {
        let fence = fence.unwrap_or_default();
        let is_late = fence < self.fence;
        self.fence = fence.max(self.fence);
        if is_late {
            tracing::warn!(
                fence,
                newest = self.fence,
                "an order of an earlier holder is not carried out"
            );
        }
        !is_late
    }

    /// Takes over what a deployment says of how requests are brought to it.
    pub(crate) fn follow(&mut self, spec: &DeploymentSpec) {
        self.traffic.clone_from(&spec.traffic);
        self.listen.clone_from(&spec.listen);
        self.health = spec.health.clone();
    }

    pub(crate) fn side(&self, deployment: &DeploymentId) -> Option<&RouteSide> {
        self.sides
            .iter()
            .find(|side| side.deployment == *deployment)
    }

    /// Changes the side of this deployment, which comes to be when it is not there yet.
    pub(crate) fn change_side(
        &mut self,
        deployment: &DeploymentId,
        version: &str,
        change: impl FnOnce(&mut RouteSide),
    ) {
        let place = self
            .sides
            .iter()
            .position(|side| side.deployment == *deployment);
        let place = place.unwrap_or_else(|| {
            let tail = &deployment.as_str()[deployment.as_str().len() - 6..];
            let taken = self.sides.iter().any(|side| side.name == version);
            let name = if taken {
                format!("{version}~{tail}")
            } else {
                version.to_owned()
            };
            self.sides.push(RouteSide {
                deployment: deployment.clone(),
                name,
                weight: Weight::NONE,
                upstreams: Vec::new(),
            });
            self.sides.len() - 1
        });
        change(&mut self.sides[place]);
    }

    fn to_wire(&self, name: &str) -> proxy::Service {
        let sides = self
            .sides
            .iter()
            .map(|side| proxy::Side {
                name: side.name.clone(),
                weight: side.weight.basis_points(),
                matches: Vec::new(),
                upstreams: side.upstreams.iter().map(RouteUpstream::to_wire).collect(),
                protocol: proxy::Protocol::default(),
            })
            .collect();
        let mut service = proxy::Service {
            listen: self.listen.clone(),
            sides,
            health: proxy::Health {
                path: self.health.path.clone(),
                interval_ms: self.health.interval.as_millis(),
                timeout_ms: self.health.timeout.as_millis(),
                healthy: self.health.healthy,
                unhealthy: self.health.unhealthy,
            },
            expose_version: true,
            ..proxy::Service::new(name)
        };
        wire::fill(&mut service, self);
        service
    }
}

impl RouteSide {
    /// Instances that are there, in the order of their numbers: what is to keep serving when some of
    /// them leave are always the first ones.
    pub(crate) fn show(&mut self, instances: &[Instance]) {
        self.upstreams
            .retain(|old| !instances.iter().any(|new| new.id == old.id));
        self.upstreams
            .extend(instances.iter().map(|instance| RouteUpstream {
                id: instance.id.clone(),
                address: instance.address,
                accepting: true,
            }));
        self.upstreams.sort_by_key(RouteUpstream::index);
    }
}

impl RouteUpstream {
    /// Its number, which stands at the end of its id.
    fn index(&self) -> u32 {
        let tail = self.id.rsplit('-').next().unwrap_or_default();
        tail.parse().unwrap_or(u32::MAX)
    }

    fn to_wire(&self) -> proxy::Upstream {
        proxy::Upstream {
            id: self.id.clone(),
            address: self.address.to_string(),
            accepting: self.accepting,
        }
    }
}

impl Table {
    fn to_wire(&self) -> proxy::RouteTable {
        let services = self
            .routes
            .iter()
            .map(|(name, route)| route.to_wire(name))
            .collect();
        proxy::RouteTable {
            generation: self.generation,
            services,
        }
    }
}

fn text(table: &Table) -> Result<String, Error> {
    serde_json::to_string(table)
        .map_err(|error| Error::Corrupt(format!("the route table: {error}")))
}

/// The keeper of the table.
#[derive(Clone)]
pub(crate) struct Routes {
    table: Arc<Mutex<Table>>,
    store: Store,
    balancer: Balancer,
    /// Whether there is anything to balance.
    wanted: watch::Sender<bool>,
}

impl Routes {
    pub(crate) async fn open(store: Store, balancer: Balancer) -> Result<Self, Error> {
        let table: Table = match store.setting(SETTING).await? {
            Some(text) => serde_json::from_str(&text)
                .map_err(|error| Error::Corrupt(format!("the stored route table: {error}")))?,
            None => Table::default(),
        };
        Ok(Self {
            wanted: watch::Sender::new(!table.routes.is_empty()),
            table: Arc::new(Mutex::new(table)),
            store,
            balancer,
        })
    }

    /// The table as it stands.
    pub(crate) async fn table(&self) -> Table {
        self.table.lock().await.clone()
    }

    /// Changes the table: stored first, then in force at the balancer when this returns. A change
    /// that changes nothing is applied all the same: the balancer may have been started anew.
    ///
    /// One that the balancer refuses is taken back, or no other change would ever come through; the
    /// error is then [`Error::Refused`].
    pub(crate) async fn change(&self, change: impl FnOnce(&mut Table)) -> Result<Applied, Error> {
        let mut table = self.table.lock().await;
        let before = table.clone();
        change(&mut table);
        table.generation = before.generation + 1;
        if let Err(error) = self.keep(&table).await {
            *table = before;
            return Err(error);
        }
        self.wanted.send_replace(!table.routes.is_empty());
        let client = self.balancer.ready().await?;
        let mut applied = client.apply(&table.to_wire()).await;
        if let Err(ClientError::Refused(Refusal::StaleGeneration { current, .. })) = applied {
            // The database is older than what the balancer knows: it was restored from a backup.
            table.generation = current + 1;
            self.keep(&table).await?;
            applied = client.apply(&table.to_wire()).await;
        }
        match applied {
            Err(ClientError::Refused(refusal)) if is_about_the_table(&refusal) => {
                let generation = table.generation;
                *table = Table {
                    generation,
                    ..before
                };
                self.keep(&table).await?;
                Err(Error::Refused(format!("the balancer: {refusal}")))
            }
            applied => applied.map_err(Error::balancer),
        }
    }

    async fn keep(&self, table: &Table) -> Result<(), Error> {
        Ok(self.store.set_setting(SETTING, &text(table)?).await?)
    }

    /// The balancer is about to be ended on purpose; it stays down until the next change.
    pub(crate) fn rest(&self) {
        self.wanted.send_replace(false);
    }

    /// Forgets all routes: everything was taken down.
    pub(crate) async fn forget(&self) -> Result<(), Error> {
        let mut table = self.table.lock().await;
        table.routes.clear();
        self.keep(&table).await
    }

    /// Brings a balancer that was started anew to the table, when there is one to bring.
    async fn restore(&self) -> Result<(), Error> {
        self.change(|_| ()).await.map(drop)
    }

    /// Sees to it that there is a balancer that works by the table as long as there are routes:
    /// whenever it ends, it is started anew at once.
    pub(crate) async fn run(self, leaving: CancellationToken) {
        tokio::select! {
            () = leaving.cancelled() => {}
            () = self.stand_by() => {}
        }
    }

    async fn stand_by(&self) {
        let mut wanted = self.wanted.subscribe();
        let mut pause = SHORTEST;
        while wanted.wait_for(|wanted| *wanted).await.is_ok() {
            let begun = Instant::now();
            match self.restore().await {
                Ok(()) => {
                    drop(self.balancer.gone().await);
                    if *wanted.borrow() {
                        tracing::error!("the balancer has ended; starting it again");
                    }
                }
                Err(error) => tracing::error!(%error, "the balancer does not come up"),
            }
            // One that dies at once is not started a thousand times a second.
            pause = if begun.elapsed() < LONGEST {
                (pause * 2).min(LONGEST)
            } else {
                SHORTEST
            };
            tokio::time::sleep(pause).await;
        }
    }
}

/// Pauses between two starts of the balancer.
const SHORTEST: Duration = Duration::from_millis(25);
const LONGEST: Duration = Duration::from_secs(5);

/// Whether it is the table that is wrong, so that another one may be right.
const fn is_about_the_table(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::InvalidTable { .. } | Refusal::Listen { .. } | Refusal::Certificate { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route() -> Route {
        Route {
            listen: None,
            health: HealthCheck::default(),
            fence: 0,
            sides: Vec::new(),
            traffic: None,
            matches: Vec::new(),
            park: None,
            slow: None,
        }
    }

    #[test]
    fn an_earlier_holder_changes_nothing_any_more() {
        let mut route = route();
        assert!(route.admit(Some(2)));
        assert!(route.admit(Some(2)));
        assert!(!route.admit(Some(1)));
        assert!(!route.admit(None));
        assert!(route.admit(Some(3)));
    }

    #[test]
    fn sides_of_one_version_are_told_apart() {
        let (old, new) = (
            DeploymentId::derived(&["old"]),
            DeploymentId::derived(&["new"]),
        );
        let mut route = route();
        route.change_side(&old, "1.0.0", |side| side.weight = Weight::ALL);
        route.change_side(&new, "1.0.0", |_| ());
        route.change_side(&new, "1.0.0", |_| ());
        let names: Vec<&str> = route.sides.iter().map(|side| side.name.as_str()).collect();
        assert_eq!(names.len(), 2);
        assert_eq!(names[0], "1.0.0", "the older one keeps its name");
        assert!(names[1].starts_with("1.0.0~"));
    }

    #[test]
    fn instances_stand_in_the_order_of_their_numbers() {
        let instance = |index: u32| Instance {
            id: format!("abc-{index}"),
            address: SocketAddr::from(([127, 0, 0, 1], 80)),
            index,
        };
        let mut route = route();
        let all: Vec<Instance> = (0..11).map(instance).collect();
        route.change_side(&DeploymentId::derived(&["d"]), "1.0.0", |side| {
            side.show(&all);
            // Asked for again, some of them: their places stay.
            side.show(&all[..2]);
            let order: Vec<u32> = side.upstreams.iter().map(RouteUpstream::index).collect();
            assert_eq!(order, (0..11).collect::<Vec<_>>());
        });
    }
}
