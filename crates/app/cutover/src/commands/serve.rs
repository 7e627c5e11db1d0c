//! `cutover serve`: the server on a data directory.

use std::{collections::BTreeMap, io::IsTerminal as _};

use anyhow::Context as _;
use cutover_server::{Control, Options, Sources, http};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::{cli, client::Beacon, config, exit::Exit, render, signals, space};

/// How long the store may take to close.
const CLOSE_LIMIT: std::time::Duration = std::time::Duration::from_secs(5);

pub(crate) async fn run(args: cli::Serve) -> anyhow::Result<Exit> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::try_new(&args.log).context("--log")?)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
    let data_dir = config::server_dir(args.data_dir.as_deref())?;
    let secrets = match &args.secret_file {
        Some(path) => config::secret_file(path)?,
        None => BTreeMap::new(),
    };
    // The port comes first: a second server must not touch the first one's runs.
    let listener = TcpListener::bind(args.listen)
        .await
        .with_context(|| format!("could not listen on {}", args.listen))?;
    let address = format!("http://{}", listener.local_addr()?);
    let control = Control::open(Options {
        data_dir: data_dir.clone(),
        executable: config::executable()?,
        numbers: None,
        runners: args.jobs.map_or_else(config::processors, usize::from),
        secrets,
        vars: args.vars.into_iter().collect(),
        sources: Sources::Hosted,
        actions: args.actions.store(data_dir.join("actions"))?,
        docker_host: config::environment("DOCKER_HOST"),
        address: Some(address.clone()),
        base_env: config::base_env()?,
        recover: true,
        power_safe: true,
        supervisors: None,
    })
    .await?;
    control.ensure_owner(&config::user()).await?;
    let beacon = data_dir.join(Beacon::FILE);
    let said = Beacon {
        address: address.clone(),
        pid: std::process::id(),
    };
    tokio::fs::write(&beacon, serde_json::to_vec(&said)?)
        .await
        .with_context(|| format!("could not write `{beacon}`"))?;
    render::talk(&format!(
        "cutover serves at {address}\n  data    {data_dir}\n  token   {data_dir}/token\n  push    \
         git push http://{}:TOKEN@{}/git/NAME.git HEAD:main",
        config::user(),
        address.trim_start_matches("http://")
    ));
    tokio::select! {
        served = http::serve(control.clone(), listener, signals::stop()) => served?,
        never = space::tell(&data_dir, false, "") => match never {},
    }
    // Writes what lies in the write-ahead log into the database, so that it is whole by itself.
    tokio::time::timeout(CLOSE_LIMIT, control.store().close())
        .await
        .ok();
    drop(tokio::fs::remove_file(&beacon).await);
    render::talk("stopped; jobs, instances and the balancer go on, and the next start finds them");
    Ok(Exit::Ok)
}
