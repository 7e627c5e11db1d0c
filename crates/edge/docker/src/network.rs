//! Networks of containers that find each other by name.

use std::{
    collections::{BTreeMap, HashMap},
    net::IpAddr,
};

use bollard::{
    errors::Error as Bollard, models::NetworkCreateRequest,
    query_parameters::ListNetworksOptionsBuilder,
};
use ipnet::IpNet;

use crate::{
    engine::Engine,
    error::{Error, is_absent},
};

/// A network with a label that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedNetwork {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// Where a network of containers meets the machine of the engine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bridge {
    /// The machine, as the containers see it.
    pub gateway: IpAddr,
    /// The addresses of the containers.
    pub addresses: IpNet,
}

impl Engine {
    /// Where a network of this name meets the machine; `None` when it does not, or does not say where.
    pub async fn bridge(&self, name: &str) -> Result<Option<Bridge>, Error> {
        let there = self.client().inspect_network(name, None).await;
        let there = there.map_err(|error| Error::from_client("look at a network", error))?;
        if there.driver.as_deref() != Some("bridge") || there.internal == Some(true) {
            return Ok(None);
        }
        let configs = there.ipam.and_then(|ipam| ipam.config).unwrap_or_default();
        let mut bridges = configs.into_iter().filter_map(|config| {
            let addresses: IpNet = config.subnet?.parse().ok()?;
            // Some say it with the length of the network behind it.
            let gateway = config.gateway?;
            let gateway = gateway.split('/').next()?.parse().ok()?;
            Some(Bridge { gateway, addresses })
        });
        Ok(bridges.find(|bridge| bridge.gateway.is_ipv4()))
    }

    /// Makes a network, unless there is one of that name; says its id.
    pub async fn ensure_network(
        &self,
        name: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<String, Error> {
        const VERB: &str = "make a network";
        match self.client().inspect_network(name, None).await {
            Ok(there) => return Ok(there.id.unwrap_or_default()),
            Err(error) if is_absent(&error) => {}
            Err(error) => return Err(Error::from_client(VERB, error)),
        }
        let request = NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            labels: Some(labels.clone().into_iter().collect()),
            ..NetworkCreateRequest::default()
        };
        let made = self.client().create_network(request).await;
        Ok(made.map_err(|error| Error::from_client(VERB, error))?.id)
    }

    /// Takes a network away; one that is absent is fine.
    pub async fn remove_network(&self, name: &str) -> Result<(), Error> {
        match self.client().remove_network(name).await {
            Ok(())
            | Err(Bollard::DockerResponseServerError {
                status_code: 404, ..
            }) => Ok(()),
            Err(error) => Err(Error::from_client("remove a network", error)),
        }
    }

    /// All networks with this label (`key` or `key=value`).
    pub async fn networks(&self, label: &str) -> Result<Vec<ListedNetwork>, Error> {
        let filters = HashMap::from([("label", vec![label])]);
        let options = ListNetworksOptionsBuilder::default()
            .filters(&filters)
            .build();
        let answer = self.client().list_networks(Some(options)).await;
        let mut list: Vec<_> = answer
            .map_err(|error| Error::from_client("list networks", error))?
            .into_iter()
            .filter_map(|network| {
                Some(ListedNetwork {
                    name: network.name?,
                    labels: network.labels.unwrap_or_default().into_iter().collect(),
                })
            })
            .collect();
        list.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(list)
    }
}
