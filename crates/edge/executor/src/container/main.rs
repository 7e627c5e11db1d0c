//! The process that stands for what happens in a container: from its order to its exit code.

use std::{
    fs,
    io::{self, Read as _, Write as _},
};

use cutover_docker::Engine;

use super::{
    call,
    order::{Order, Task},
    script, set_up,
    signals::Signals,
};

/// Exit code when it is not the program inside that said no, as the engine's own client has it.
const FAULT: u8 = 125;

/// Why it could not be done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// The engine's word.
    #[error(transparent)]
    Engine(#[from] cutover_docker::Error),
    /// Our own pipes and files.
    #[error("between the engine and us: {0}")]
    Io(#[from] io::Error),
    /// A service is not as it should be.
    #[error("{0}")]
    Service(String),
    /// It was told to end before there was anything that could have.
    #[error("cancelled")]
    Cancelled,
}

/// Runs what stands in standard input; says with which code to end.
pub(crate) fn main() -> i32 {
    match order().and_then(|order| Ok((runtime()?, order))) {
        Ok((runtime, order)) => runtime.block_on(perform(order)),
        Err(error) => {
            say(&format!("no order: {error}"));
            i32::from(FAULT)
        }
    }
}

fn order() -> io::Result<Order> {
    let mut text = Vec::new();
    io::stdin().read_to_end(&mut text)?;
    Ok(serde_json::from_slice(&text)?)
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

async fn perform(order: Order) -> i32 {
    let fault = order.fault.clone();
    match task(order).await {
        Ok(code) => i32::try_from(code).unwrap_or(i32::from(FAULT)),
        Err(Fault::Cancelled) => 130,
        Err(error) => {
            say(&error.to_string());
            // Without it the exit code and the log still tell.
            fs::write(fault, error.to_string()).ok();
            i32::from(FAULT)
        }
    }
}

async fn task(order: Order) -> Result<i64, Fault> {
    // From the first moment on: what is told to end before anything has begun does not begin.
    let mut signals = Signals::listen(order.patience)?;
    if let Task::SetUp { order, output, .. } = &order.task
        && order.services.is_empty()
        && order.container.is_none()
    {
        set_up::nothing(output)?;
        return Ok(0);
    }
    let engine = Engine::connect(order.engine.as_deref()).await;
    let engine = engine.map_err(|error| Fault::Service(without_engine(&error)))?;
    match order.task {
        Task::Script {
            container,
            argv,
            env,
            directory,
            mark,
            signal_as,
        } => {
            let program = script::Program {
                container,
                argv,
                env,
                directory,
                mark,
                signal_as,
            };
            script::run(&engine, program, &mut signals).await
        }
        Task::Call {
            order,
            env,
            volumes,
        } => call::run(&engine, *order, env, volumes, &mut signals).await,
        Task::SetUp {
            order,
            volumes,
            output,
        } => {
            let set_up = set_up::run(&engine, *order, volumes, &output);
            tokio::select! {
                done = set_up => done.map(|()| 0),
                () = signals.any() => Err(Fault::Cancelled),
            }
        }
    }
}

fn without_engine(error: &cutover_docker::Error) -> String {
    format!(
        "this needs a container, and {error}; on Debian: `apt-get install docker.io`, and \
         membership in the group `docker` for whoever runs cutover"
    )
}

/// A line for the log of the step.
pub(super) fn say(line: &str) {
    let line = format!("{line}\n");
    hand_on(line.as_bytes()).ok();
}

/// Bytes for the log of the step.
pub(super) fn hand_on(bytes: &[u8]) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()
}
