//! The results service for steps in containers: it listens where their network meets this machine, for as
//! long as a job is there. At the port that it has on loopback, so that a step which is there before a
//! restart finds it again.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::SocketAddr,
};

use camino::Utf8Path;
use cutover_executor::StepKey;
use cutover_model::{RunId, run::JobKey};
use tokio::{net::TcpListener, sync::Mutex};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::{Control, Error};

/// The network of the engine for containers of which nothing is said.
const USUAL: &str = "bridge";
/// That of the machine itself: loopback is loopback there.
const HOST: &str = "host";

/// Where it listens, by the name of the network.
#[derive(Default)]
pub(crate) struct Doors(Mutex<BTreeMap<String, Door>>);

struct Door {
    url: String,
    jobs: BTreeSet<(RunId, JobKey)>,
    /// Closes it.
    _open: DropGuard,
}

impl Doors {
    /// Opens it to a network, on behalf of a job; says at which address it is there.
    async fn open(&self, control: &Control, network: &str, key: &StepKey) -> Result<String, Error> {
        let job = (key.run.clone(), key.job.clone());
        let mut doors = self.0.lock().await;
        if let Some(door) = doors.get_mut(network) {
            door.jobs.insert(job);
            return Ok(door.url.clone());
        }
        let (url, closing) = listen(control, network).await?;
        let door = Door {
            url: url.clone(),
            jobs: BTreeSet::from([job]),
            _open: closing.drop_guard(),
        };
        doors.insert(network.to_owned(), door);
        Ok(url)
    }

    /// A job is over: the last one closes the door.
    pub(super) async fn leave(&self, run: &RunId, job: &JobKey) {
        let job = (run.clone(), job.clone());
        self.0.lock().await.retain(|_, door| {
            door.jobs.remove(&job);
            !door.jobs.is_empty()
        });
    }
}

async fn listen(control: &Control, network: &str) -> Result<(String, CancellationToken), Error> {
    let refused = |why: String| Error::Refused(format!("network `{network}` {why}"));
    let engine = control.docker().await?;
    let bridge = engine.bridge(network).await;
    let bridge = bridge.map_err(|error| Error::Docker(error.to_string()))?;
    let bridge = bridge.ok_or_else(|| refused("has no address of this machine".to_owned()))?;
    let service = control.results().service().clone();
    let port = service
        .url()
        .rsplit(':')
        .next()
        .and_then(|port| port.parse().ok());
    let port: u16 = port.ok_or_else(|| refused("has no port".to_owned()))?;
    let address = SocketAddr::new(bridge.gateway, port);
    let listener = TcpListener::bind(address).await;
    let place = address.to_string();
    let listener = listener.map_err(Error::io("listen on", Utf8Path::new(&place)))?;
    let (closing, leaving) = (CancellationToken::new(), control.leaving().clone());
    let closed = closing.clone();
    tokio::spawn(async move {
        let end = async move {
            tokio::select! {
                () = closed.cancelled() => {}
                () = leaving.cancelled() => {}
            }
        };
        let served = service.serve_network(listener, bridge.addresses, end).await;
        if let Err(error) = served {
            tracing::error!(%error, "containers have no results service any more");
        }
    });
    Ok((format!("http://{address}"), closing))
}

/// Makes the addresses of the service in the environment of a step those of the network that it is in.
/// What comes back is for its log: why it cannot be reached from there.
pub(crate) async fn from_inside(
    control: &Control,
    key: &StepKey,
    network: Option<&str>,
    env: &mut BTreeMap<String, String>,
) -> Option<String> {
    let network = network.filter(|name| !name.is_empty()).unwrap_or(USUAL);
    if network == HOST {
        return None;
    }
    let results = control.results();
    match results.doors.open(control, network, key).await {
        Ok(url) => {
            let own = results.service().url();
            for value in env.values_mut() {
                if let Some(rest) = value.strip_prefix(own).filter(|rest| rest.starts_with('/')) {
                    *value = format!("{url}{rest}");
                }
            }
            None
        }
        Err(error) => Some(format!(
            "artifacts, caches and id tokens cannot be reached from this container: {error}"
        )),
    }
}
