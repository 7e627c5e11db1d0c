//! Waiting until a container is well, as its engine sees it. The engine tells when that changes;
//! nobody asks again and again.

use std::collections::HashMap;

use bollard::{models::HealthStatusEnum, query_parameters::EventsOptionsBuilder};
use futures_util::StreamExt as _;

use crate::{
    engine::Engine,
    error::{Error, is_absent},
};

/// How a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wellness {
    /// It runs, and nobody has said how to find out more.
    Running,
    /// It says that it is well.
    Healthy,
    /// It is not, and what its check said last.
    Unhealthy(String),
    /// It has ended, with this code.
    Ended(i64),
}

impl Engine {
    /// Waits until it is known how a container is: one that is still starting is waited for.
    pub async fn wellness(&self, container: &str) -> Result<Wellness, Error> {
        let filters = HashMap::from([
            ("container", vec![container]),
            ("event", vec!["health_status", "die"]),
        ]);
        // From long ago: what happens between the look and the first word is told as well.
        let options = EventsOptionsBuilder::default()
            .since("1")
            .filters(&filters)
            .build();
        let mut events = Box::pin(self.client().events(Some(options)));
        loop {
            if let Some(wellness) = self.look(container).await? {
                return Ok(wellness);
            }
            match events.next().await {
                Some(Ok(_)) => {}
                Some(Err(error)) => return Err(Error::from_client("watch a container", error)),
                None => {
                    return Err(Error::Broken {
                        verb: "watch a container",
                        detail: "the connection ended".to_owned(),
                    });
                }
            }
        }
    }

    async fn look(&self, container: &str) -> Result<Option<Wellness>, Error> {
        let answer = match self.client().inspect_container(container, None).await {
            Err(error) if is_absent(&error) => {
                return Err(Error::Absent {
                    name: container.to_owned(),
                });
            }
            answer => answer.map_err(|error| Error::from_client("look at a container", error))?,
        };
        let state = answer.state.unwrap_or_default();
        if !state.running.unwrap_or(false) {
            return Ok(Some(Wellness::Ended(state.exit_code.unwrap_or(0))));
        }
        let Some(health) = state.health else {
            return Ok(Some(Wellness::Running));
        };
        Ok(match health.status {
            None | Some(HealthStatusEnum::EMPTY | HealthStatusEnum::NONE) => {
                Some(Wellness::Running)
            }
            Some(HealthStatusEnum::HEALTHY) => Some(Wellness::Healthy),
            Some(HealthStatusEnum::STARTING) => None,
            Some(HealthStatusEnum::UNHEALTHY) => {
                let said = health.log.unwrap_or_default().pop();
                let said = said.and_then(|last| last.output).unwrap_or_default();
                Some(Wellness::Unhealthy(said.trim().to_owned()))
            }
        })
    }
}
