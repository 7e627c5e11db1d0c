//! One file a verb. Each says how the program leaves.

mod answer;
mod artifacts;
mod balancer;
mod deployments;
mod diff;
mod dispatch;
mod explain;
mod expr;
mod freeze;
mod gc;
mod history;
mod lint;
mod load;
mod lock;
mod logs;
mod plan;
mod rejudge;
mod releases;
mod retry;
mod run;
mod runs;
mod serve;
mod status;
mod tree;
mod user;

pub(crate) use run::places;

use std::future::Future;

use clap::CommandFactory as _;
use cutover_server::Mistake;
use tokio::runtime::Builder;

use crate::{
    cli::{Cli, Command},
    client::Refused,
    demo,
    exit::Exit,
    render,
};

/// Does what was asked. With `as_json` what a server refused is said in JSON too, for whoever reads stdout.
pub(crate) fn run(cli: Cli, as_json: bool) -> Exit {
    // reqwest and everything else that speaks TLS takes the process's provider; there is one.
    drop(rustls::crypto::ring::default_provider().install_default());
    let done = match cli.command {
        Command::Explain(args) => on_runtime(explain::run(args)),
        Command::Expr(args) => expr::run(&args),
        Command::Completions(args) => {
            completions(args.shell);
            Ok(Exit::Ok)
        }
        Command::Lint(args) => on_runtime(lint::lint(args)),
        Command::Lock(args) => on_runtime(lock::run(args)),
        Command::Plan(args) => on_runtime(plan::run(args)),
        Command::Demo(args) => on_runtime(demo::run(args)),
        Command::DemoService(args) => on_runtime(demo::service::run(args)),
        Command::Run(args) => on_one_thread(run::run(args)),
        Command::Serve(args) => on_runtime(serve::run(args)),
        Command::Status(args) => on_runtime(status::run(args)),
        Command::Down(args) => on_runtime(status::down(args)),
        Command::Runs(args) => on_runtime(runs::list(args)),
        Command::Dispatch(args) => on_runtime(dispatch::run(args)),
        Command::Cancel(args) => on_runtime(runs::cancel(args)),
        Command::Releases(args) => on_runtime(releases::run(args)),
        Command::Logs(args) => on_runtime(logs::run(args)),
        Command::Artifacts(args) => on_runtime(artifacts::run(args)),
        Command::History(args) => on_runtime(history::run(args)),
        Command::Diff(args) => on_runtime(diff::run(args)),
        Command::Deploy(args) => on_runtime(deployments::deploy(args)),
        Command::Rollback(args) => on_runtime(deployments::rollback(args)),
        Command::Abort(args) => on_runtime(deployments::verb(args, "abort")),
        Command::Pause(args) => on_runtime(deployments::verb(args, "pause")),
        Command::Resume(args) => on_runtime(deployments::resume(args)),
        Command::Promote(args) => on_runtime(deployments::promote(args)),
        Command::Retry(args) => on_runtime(retry::run(args)),
        Command::Rejudge(args) => on_runtime(rejudge::run(args)),
        Command::Freeze(args) => on_runtime(freeze::freeze(args)),
        Command::Unfreeze(args) => on_runtime(freeze::unfreeze(args)),
        Command::Gc(args) => on_runtime(gc::run(args)),
        Command::Approve(args) => on_runtime(answer::run(args, "approve")),
        Command::Reject(args) => on_runtime(answer::run(args, "reject")),
        Command::User(args) => on_runtime(user::run(args)),
        Command::Balancer(args) => on_runtime(balancer::run(args)),
        Command::Load(args) => on_runtime(load::run(args)),
    };
    match done {
        Ok(exit) => exit,
        Err(error) => {
            let refused = error.downcast_ref::<Refused>();
            let exit = refused.map_or_else(|| exit_of(&error), |refused| refused.exit);
            render::error(&error);
            if as_json && refused.is_some() {
                render::json(&serde_json::json!({ "error": render::chain(&error) }));
            }
            exit
        }
    }
}

/// Whose fault an error is.
fn exit_of(error: &anyhow::Error) -> Exit {
    let Some(error) = error.downcast_ref::<cutover_server::Error>() else {
        return Exit::Usage;
    };
    match error.mistake() {
        Some(Mistake::Refused) => Exit::Refused,
        Some(Mistake::NotThere | Mistake::Wrong) => Exit::Usage,
        None => Exit::Fault,
    }
}

fn on_runtime(work: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    finish(Builder::new_multi_thread(), work)
}

/// For what mostly waits for itself: a second thread would only have to be woken.
fn on_one_thread(work: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    finish(Builder::new_current_thread(), work)
}

fn finish(
    mut runtime: Builder,
    work: impl Future<Output = anyhow::Result<Exit>>,
) -> anyhow::Result<Exit> {
    let runtime = runtime.enable_all().build()?;
    let done = runtime.block_on(work);
    // Steps and instances have processes of their own; nothing here is worth waiting for.
    runtime.shutdown_background();
    done
}

fn completions(shell: clap_complete::Shell) {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "cutover", &mut text);
    render::data(String::from_utf8_lossy(&text).trim_end());
}
