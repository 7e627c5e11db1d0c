//! The load balancer as a child that outlives us: found again or started, told the whole route table
//! each time, started anew when it dies.

use std::{process::Stdio, sync::Arc, time::Duration};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_proxy::{Client, Status};
use tokio::{process::Command, sync::Mutex};

use crate::Error;

/// How long a balancer may take to come up before we say that it did not.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long it may take to finish what is in flight.
const END_LIMIT: Duration = Duration::from_secs(15);

/// What the name of a socket may have in bytes, and the longest one in the balancer's directory.
const SOCKET_LIMIT: usize = 107;
const SOCKET: &str = "control.sock";

/// Refuses a directory in which no socket could be: a server there would take deployments and never
/// bring one to its end.
pub(crate) fn check_length(state_dir: &Utf8Path) -> Result<(), Error> {
    let length = state_dir.join(SOCKET).as_str().len();
    if length <= SOCKET_LIMIT {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "the data directory's name is too long by {} bytes: sockets are kept below it, and the system \
         takes {SOCKET_LIMIT} bytes for the name of one; choose a shorter one with --data-dir",
        length - SOCKET_LIMIT
    )))
}

/// The way to the balancer.
#[derive(Clone)]
pub(crate) struct Balancer {
    client: Client,
    state_dir: Utf8PathBuf,
    executable: Utf8PathBuf,
    starting: Arc<Mutex<()>>,
}

impl Balancer {
    pub(crate) fn new(state_dir: &Utf8Path, executable: &Utf8Path) -> Self {
        Self {
            client: Client::new(state_dir),
            state_dir: state_dir.to_owned(),
            executable: executable.to_owned(),
            starting: Arc::default(),
        }
    }

    /// A client of a balancer that answers; starts one when none does.
    pub(crate) async fn ready(&self) -> Result<&Client, Error> {
        let _one_at_a_time = self.starting.lock().await;
        if self.client.status().await.is_err() {
            self.start().await?;
        }
        Ok(&self.client)
    }

    /// The one that runs, when there is one; none is started.
    pub(crate) async fn known(&self) -> Option<&Client> {
        self.status().await.map(|_| &self.client)
    }

    /// What it does now; `None` when there is none.
    pub(crate) async fn status(&self) -> Option<Status> {
        self.client.status().await.ok()
    }

    /// Waits until the balancer that answers now has ended.
    pub(crate) async fn gone(&self) -> Result<(), Error> {
        self.client.gone().await.map_err(Error::balancer)
    }

    /// Ends it, and waits until it has ended. Only for taking everything down.
    pub(crate) async fn shut_down(&self) {
        let client = &self.client;
        let ended = async {
            let gone = client.gone();
            let (_, _) = tokio::join!(gone, client.shutdown());
        };
        drop(tokio::time::timeout(END_LIMIT, ended).await);
    }

    async fn start(&self) -> Result<(), Error> {
        tokio::fs::create_dir_all(&self.state_dir)
            .await
            .map_err(Error::io("create", &self.state_dir))?;
        let mut child = Command::new(&self.executable)
            .args(["balancer", "--state-dir", self.state_dir.as_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(Error::io("start", &self.executable))?;
        let answered = self.client.ready(START_LIMIT).await;
        // Reaps it when it ends while we live; when we end first, init does.
        drop(tokio::spawn(async move { drop(child.wait().await) }));
        answered.map(drop).map_err(|error| {
            Error::Balancer(format!(
                "{error}; what it said is in {}/balancer.log",
                self.state_dir
            ))
        })
    }
}
