//! Keeps what serves alive: instances that end by themselves, and those that a reboot has ended, are
//! started again. Only of places where nobody deploys: a rollout decides about its instances itself.

use std::{collections::BTreeMap, time::Duration};

use cutover_model::{DeploymentId, delivery::Weight};
use cutover_target::{Generation, InstancesOrder, Place};
use tokio::time::Instant;

use crate::{Control, Error, deliver::instance_env, routes::RouteSide};

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(2);
/// One that ends again and again is started after 1 s, 2 s, 4 s … at most so long.
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// One that has lived so long is forgiven.
const FORGIVEN: Duration = Duration::from_mins(2);

/// What is known of a side whose instances have ended before.
struct Patient {
    tries: u32,
    last: Instant,
}

impl Patient {
    fn pause(&self) -> Duration {
        Duration::from_secs(1 << self.tries.min(6)).min(LONGEST_PAUSE)
    }
}

/// The component: looks until the server goes down.
pub(crate) async fn run(control: Control) {
    let mut patients = BTreeMap::new();
    loop {
        look(&control, &mut patients).await;
        tokio::select! {
            () = control.closing().cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

async fn look(control: &Control, patients: &mut BTreeMap<DeploymentId, Patient>) {
    patients.retain(|_, patient| patient.last.elapsed() < FORGIVEN);
    for route in control.routes().table().await.routes.into_values() {
        for side in route
            .sides
            .into_iter()
            .filter(|side| side.weight > Weight::NONE)
        {
            if let Some(patient) = patients.get(&side.deployment)
                && patient.last.elapsed() < patient.pause()
            {
                continue;
            }
            match keep(control, &side).await {
                Ok(None) => {}
                Ok(Some(ended)) => {
                    tracing::warn!(deployment = %side.deployment, ended, "started again");
                    let tries = patients
                        .get(&side.deployment)
                        .map_or(0, |patient| patient.tries);
                    let patient = Patient {
                        tries: tries + 1,
                        last: Instant::now(),
                    };
                    patients.insert(side.deployment.clone(), patient);
                }
                Err(error) => {
                    tracing::error!(%error, deployment = %side.deployment, "cannot be kept alive");
                }
            }
        }
    }
}

/// Starts again what has ended; says how it ended, when something had.
async fn keep(control: &Control, side: &RouteSide) -> Result<Option<String>, Error> {
    let deployment = control.deployment(&side.deployment).await?;
    let Some(spec) = deployment.spec() else {
        return Ok(None);
    };
    let (environment, service) = (&spec.environment, &spec.release.service);
    let held = (environment.clone(), service.clone());
    if control.locks().holder(&held).await?.is_some() {
        return Ok(None);
    }
    let place = Place {
        deployment: spec.id.clone(),
        environment: environment.clone(),
        service: service.clone(),
    };
    let target = control.target(&spec.target).await?;
    let states = target.observe(&place).await?;
    let Some(ended) = states.iter().find(|state| !state.alive) else {
        return Ok(None);
    };
    let current = control.store().current(environment, service).await?;
    let Some(current) = current.filter(|current| current.deployment == spec.id) else {
        return Ok(None);
    };
    let how = ended
        .exit
        .map_or_else(|| "is gone".to_owned(), |exit| exit.to_string());
    let order = InstancesOrder {
        place,
        release: spec.release.clone(),
        count: u32::try_from(side.upstreams.len()).unwrap_or(u32::MAX),
        env: instance_env(control, spec)?,
        // Younger than what its own deployment ordered, older than what the next one will.
        generation: Generation {
            fence: current.fence,
            ask: u64::MAX,
        },
    };
    target.revive(&order).await?;
    Ok(Some(format!("{}: {how}", ended.instance.id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_pause_grows_and_has_an_end() {
        let pause = |tries| {
            Patient {
                tries,
                last: Instant::now(),
            }
            .pause()
        };
        assert_eq!(pause(1), Duration::from_secs(2));
        assert_eq!(pause(3), Duration::from_secs(8));
        assert_eq!(pause(40), LONGEST_PAUSE);
    }
}
