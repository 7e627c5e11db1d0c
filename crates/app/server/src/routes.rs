//! The routes as we want them: for each service of an environment its sides, instances and weights.
//!
//! Stored before the balancer hears of them, so that a restart of either side ends at the same table.
//! A change is applied to the stored table as a whole; its generation only grows.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use cutover_model::{
    DeploymentId,
    delivery::{HealthCheck, Weight},
};
use cutover_proxy::{self as proxy, Applied};
use cutover_store::Store;
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use crate::{Error, balancer::Balancer};

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Route {
    pub(crate) listen: Option<String>,
    pub(crate) health: HealthCheck,
    pub(crate) sides: Vec<RouteSide>,
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
                upstreams: side.upstreams.iter().map(RouteUpstream::to_wire).collect(),
            })
            .collect();
        proxy::Service {
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
        }
    }
}

impl RouteUpstream {
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
}

impl Routes {
    pub(crate) async fn open(store: Store, balancer: Balancer) -> Result<Self, Error> {
        let table = match store.setting(SETTING).await? {
            Some(text) => serde_json::from_str(&text)
                .map_err(|error| Error::Corrupt(format!("the stored route table: {error}")))?,
            None => Table::default(),
        };
        Ok(Self {
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
    pub(crate) async fn change(&self, change: impl FnOnce(&mut Table)) -> Result<Applied, Error> {
        let mut table = self.table.lock().await;
        let mut next = table.clone();
        change(&mut next);
        next.generation += 1;
        self.store.set_setting(SETTING, &text(&next)?).await?;
        *table = next;
        let client = self.balancer.ready().await?;
        client
            .apply(&table.to_wire())
            .await
            .map_err(Error::balancer)
    }

    /// Forgets all routes: everything was taken down.
    pub(crate) async fn forget(&self) -> Result<(), Error> {
        let mut table = self.table.lock().await;
        let generation = table.generation;
        *table = Table {
            generation,
            ..Table::default()
        };
        self.store.set_setting(SETTING, &text(&table)?).await?;
        Ok(())
    }

    /// Brings a balancer that was started anew to the table, when there is one to bring.
    pub(crate) async fn restore(&self) -> Result<(), Error> {
        if self.table.lock().await.routes.is_empty() {
            return Ok(());
        }
        self.change(|_| ()).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route() -> Route {
        Route {
            listen: None,
            health: HealthCheck::default(),
            sides: Vec::new(),
        }
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
}
