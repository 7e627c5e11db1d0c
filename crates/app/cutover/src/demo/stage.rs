//! The stage of the demo: a server of its own in a throw-away directory, and a user to push as.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use cutover_forge::{ActionStore, DEFAULT_ADDRESS};
use cutover_model::Secret;
use cutover_server::{Control, Options, Sources, http};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

use crate::config;

/// Who pushes and approves.
pub(crate) const USER: &str = "demo";
/// The repository's name on the server.
pub(crate) const REPOSITORY: &str = "hello";

/// A server, and what the story needs of it.
pub(crate) struct Stage {
    pub(crate) control: Control,
    pub(crate) root: Utf8PathBuf,
    address: String,
    token: Secret,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<Result<(), cutover_server::Error>>,
}

impl Stage {
    pub(crate) async fn open(root: &Utf8Path) -> anyhow::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let executable = config::executable()?;
        let control = Control::open(Options {
            data_dir: root.join("server"),
            vars: BTreeMap::from([("CUTOVER_BIN".to_owned(), executable.to_string())]),
            executable,
            numbers: None,
            runners: config::processors().max(2),
            secrets: BTreeMap::new(),
            sources: Sources::Hosted,
            // Nothing in the demo comes from elsewhere.
            actions: ActionStore::new(root.join("actions"), DEFAULT_ADDRESS, Vec::new()),
            docker_host: None,
            address: Some(address.clone()),
            base_env: config::base_env()?,
            recover: true,
            power_safe: true,
            supervisors: None,
        })
        .await?;
        let token = control.add_user(USER).await?;
        let (stop, stopped) = oneshot::channel();
        let serving = http::serve(
            control.clone(),
            listener,
            async move { drop(stopped.await) },
        );
        Ok(Self {
            control,
            root: root.to_owned(),
            address,
            token,
            stop: Some(stop),
            server: tokio::spawn(serving),
        })
    }

    /// The page's address.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Where git pushes to.
    pub(crate) fn remote(&self) -> String {
        format!("{}/git/{REPOSITORY}.git", self.address)
    }

    /// What git shows at the door: as a header through the environment, not in the command line.
    pub(crate) fn authorization(&self) -> String {
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        let pair = format!("{USER}:{}", self.token.expose());
        format!("Authorization: Basic {}", BASE64_STANDARD.encode(pair))
    }

    /// Takes everything down, and waits until it is.
    pub(crate) async fn close(mut self) -> anyhow::Result<()> {
        let down = self.control.take_down().await;
        if let Some(stop) = self.stop.take() {
            // A server that has ended by itself hears nothing any more.
            stop.send(()).ok();
        }
        self.server.await??;
        self.control.settle().await;
        self.control.store().close().await;
        Ok(down?)
    }
}
