//! The hidden `cutover balancer`: the process that holds the sockets.

use camino::Utf8Path;
use cutover_proxy::{Client, Options};

use crate::{cli, exit::Exit, render};

pub(crate) async fn run(args: cli::Balancer) -> anyhow::Result<Exit> {
    if args.reload {
        return reload(&args.state_dir).await;
    }
    // Its own session: whatever ends the control plane's terminal does not end the balancer.
    // It fails only for the leader of a group, which has no terminal to lose.
    rustix::process::setsid().ok();
    cutover_proxy::run(Options {
        state_dir: args.state_dir,
        take_over: args.take_over,
    })
    .await?;
    Ok(Exit::Ok)
}

/// Has the balancer that runs look at its certificates.
async fn reload(state_dir: &Utf8Path) -> anyhow::Result<Exit> {
    let reloaded = Client::new(state_dir).reload().await?;
    for error in &reloaded.errors {
        render::talk(&format!("not taken: {error}"));
    }
    render::data(&format!("{} changed", reloaded.changed));
    Ok(if reloaded.errors.is_empty() {
        Exit::Ok
    } else {
        Exit::Failed
    })
}
