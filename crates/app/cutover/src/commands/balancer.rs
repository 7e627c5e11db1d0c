//! The hidden `cutover balancer`: the process that holds the sockets.

use cutover_proxy::Options;

use crate::{cli, exit::Exit};

pub(crate) async fn run(args: cli::Balancer) -> anyhow::Result<Exit> {
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
