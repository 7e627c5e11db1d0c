//! The results service as jobs get it: opened beside the store, served on loopback, told of each job that
//! starts and ends. What a job may do there is in `job`, how containers reach it in `doors`.

mod doors;
mod job;

use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_engine::Run;
use cutover_model::{
    RunId, Secret,
    run::{Attempt, JobKey},
};
use cutover_results::{Artifact, GrantId, JobGrant, Service, Settings};
use parking_lot::Mutex;
use tokio::{net::TcpListener, task::spawn_blocking};

use self::doors::Doors;
pub(crate) use self::doors::from_inside;
use crate::{Control, Error};

/// Between two sweeps.
const INTERVAL: Duration = Duration::from_hours(1);

/// What a job has been given.
pub(crate) struct Granted {
    /// Names it to the service.
    pub(crate) id: GrantId,
    /// For the environment of each of its steps.
    pub(crate) env: BTreeMap<String, String>,
    /// What they must never print.
    pub(crate) masks: Vec<Secret>,
}

type Jobs = BTreeMap<(RunId, JobKey), (Attempt, Arc<Granted>)>;

/// The service, and which jobs of this process have been let in.
pub(crate) struct Results {
    service: Service,
    granted: Mutex<Jobs>,
    doors: Doors,
}

impl Results {
    /// Opens the folder and a listener, at the address of last time when nobody else has it: jobs that
    /// still run speak to that one.
    pub(crate) async fn open(
        data_dir: &Utf8Path,
        issuer: Option<String>,
    ) -> Result<(Self, TcpListener), Error> {
        let listener = listen(&data_dir.join("results-address")).await?;
        let here = Utf8Path::new("the listener of the results service");
        let address = listener.local_addr();
        let address = address.map_err(Error::io("read the address of", here))?;
        let dir = data_dir.join("results");
        let settings = Settings {
            issuer,
            ..Settings::at(address)
        };
        let service = blocking(move || Service::open(&dir, settings)).await?;
        let results = Self {
            service,
            granted: Mutex::default(),
            doors: Doors::default(),
        };
        Ok((results, listener))
    }

    pub(crate) fn service(&self) -> &Service {
        &self.service
    }

    /// What this process has given to a job already.
    pub(crate) fn granted(&self, run: &Run, key: &JobKey) -> Option<Arc<Granted>> {
        let place = (run.id()?.clone(), key.clone());
        let all = self.granted.lock();
        let (of, granted) = all.get(&place)?;
        (*of == attempt(run, key)).then(|| Arc::clone(granted))
    }

    /// Lets a job in, or says again what it was given.
    pub(crate) fn grant(&self, run: &Run, key: &JobKey) -> Result<Arc<Granted>, Error> {
        let unborn = || Error::NotFound("the run does not exist yet".to_owned());
        if let Some(granted) = self.granted(run, key) {
            return Ok(granted);
        }
        let place = (run.id().ok_or_else(unborn)?.clone(), key.clone());
        let attempt = attempt(run, key);
        let job: JobGrant = job::grant(run, key, attempt).ok_or_else(unborn)?;
        // A small file that nobody waits for the disk for: another thread would take longer.
        let grant = self.service.grant(job)?;
        let granted = Arc::new(Granted {
            id: grant.id,
            env: grant.env,
            masks: grant.masks,
        });
        let mut all = self.granted.lock();
        all.insert(place, (attempt, Arc::clone(&granted)));
        Ok(granted)
    }

    /// Shows a job out; also one that was let in by a process before us.
    pub(crate) async fn revoke(&self, run: &Run, key: &JobKey) -> Result<(), Error> {
        let Some(id) = run.id() else { return Ok(()) };
        self.granted.lock().remove(&(id.clone(), key.clone()));
        self.doors.leave(id, key).await;
        let grant = GrantId::of(id.as_str(), &key.0, attempt(run, key).0);
        Ok(self.service.revoke(&grant)?)
    }
}

impl Control {
    /// The artifacts of a run, oldest first, and where their bytes are: to be read, never written.
    pub async fn artifacts(&self, run: &RunId) -> Result<Vec<(Artifact, Utf8PathBuf)>, Error> {
        let (service, run) = (self.results().service().clone(), run.to_string());
        let found = blocking(move || {
            let all = service.artifacts(&run)?.into_iter();
            let with_file = |artifact: Artifact| {
                let file = service.artifact_file(&artifact);
                (artifact, file)
            };
            Ok(all.map(with_file).collect())
        });
        found.await
    }
}

fn attempt(run: &Run, key: &JobKey) -> Attempt {
    run.leg_attempt(key).unwrap_or(Attempt::FIRST)
}

/// Does what blocks where it may.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, cutover_results::Error> + Send + 'static,
) -> Result<T, Error> {
    let done = spawn_blocking(work).await;
    let done = done.map_err(|error| Error::Refused(format!("it broke off: {error}")))?;
    Ok(done?)
}

async fn listen(record: &Utf8Path) -> Result<TcpListener, Error> {
    let here = Utf8Path::new("127.0.0.1");
    let before = tokio::fs::read_to_string(record).await.ok();
    let before: Option<SocketAddr> = before.and_then(|text| text.trim().parse().ok());
    if let Some(address) = before.filter(|address| address.ip().is_loopback()) {
        match TcpListener::bind(address).await {
            Ok(listener) => return Ok(listener),
            Err(error) => tracing::warn!(
                %address, %error,
                "jobs that still run do not reach the results service any more"
            ),
        }
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.map_err(Error::io("listen on", here))?;
    let address = listener
        .local_addr()
        .map_err(Error::io("listen on", here))?;
    let written = tokio::fs::write(record, address.to_string()).await;
    written.map_err(Error::io("write", record))?;
    Ok(listener)
}

/// The component: serves as long as anything is done here.
pub(crate) async fn serve(control: Control, listener: TcpListener) {
    let service = control.results().service().clone();
    tokio::select! {
        () = control.leaving().cancelled() => {}
        served = service.serve(listener, std::future::pending()) => {
            if let Err(error) = served {
                tracing::error!(%error, "jobs have no results service any more");
            }
        }
    }
}

/// The component: removes what is over, at the start and now and then.
pub(crate) async fn sweep(control: Control) {
    loop {
        let service = control.results().service().clone();
        match blocking(move || service.sweep()).await {
            Ok(swept) => tracing::debug!(?swept, "results"),
            Err(error) => tracing::warn!(%error, "old artifacts and caches are not removed"),
        }
        tokio::select! {
            () = control.closing().cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
    }
}

/// What steps are told that the server's address is. GitHub's clients work for hosts of GitHub's and for names
/// below `.localhost` only, and every such name is this machine.
pub(crate) fn server_url(address: Option<&str>) -> String {
    // Nobody listens there; clients want an address all the same.
    let address = address.unwrap_or("http://cutover.localhost");
    let own = ["http://127.0.0.1:", "http://0.0.0.0:", "http://localhost:"];
    let port = own.iter().find_map(|prefix| address.strip_prefix(prefix));
    port.map_or_else(
        || address.to_owned(),
        |port| format!("http://cutover.localhost:{port}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn githubs_clients_take_the_address_of_a_server_on_this_machine() {
        let url = |address| server_url(Some(address));
        assert_eq!(
            url("http://127.0.0.1:7800"),
            "http://cutover.localhost:7800"
        );
        assert_eq!(url("https://ship.example"), "https://ship.example");
        assert_eq!(server_url(None), "http://cutover.localhost");
    }

    #[tokio::test]
    async fn the_address_is_the_same_the_next_time() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let address = |listener: &TcpListener| listener.local_addr().unwrap();
        let (_, first) = Results::open(dir, None).await.unwrap();
        let was = address(&first);
        drop(first);
        let (_, second) = Results::open(dir, None).await.unwrap();
        assert_eq!(address(&second), was);
        // Somebody has it: another one is better than none.
        let (_, third) = Results::open(dir, None).await.unwrap();
        assert_ne!(address(&third), was);
    }
}
