//! The specimen: a service that is as good or as bad as `specimen.json` beside it says. It is what the
//! tests from outside deploy; nothing of it reaches a user.
//!
//! How it may be is in `settings.rs`, what it answers in `answers.rs`, what goes on for longer in
//! `lasting.rs`.

mod answers;
mod lasting;
mod settings;

use std::{error::Error, future::pending, net::SocketAddr, process::ExitCode, time::Duration};

use hyper::service::service_fn;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::{conn::auto, graceful::GracefulShutdown},
};
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    time::sleep,
};

use crate::{
    answers::Service,
    settings::{Listen, OnTerm, Settings},
};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(code) => code,
        Err(error) => {
            say(&format!("the specimen ends: {error}"));
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "what a service says is its log")]
fn say(line: &str) {
    println!("{line}");
}

#[expect(
    clippy::disallowed_methods,
    reason = "a service is told by its environment"
)]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

async fn run() -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let settings: Settings = serde_json::from_str(&std::fs::read_to_string("specimen.json")?)?;
    for line in &settings.says {
        say(line);
    }
    let port: u16 = environment("PORT").unwrap_or_default().parse()?;
    let version = environment("CUTOVER_VERSION").unwrap_or_default();
    // A container is reached from outside of its own network.
    let host = if environment("CUTOVER_ANYWHERE").is_some() {
        [0, 0, 0, 0]
    } else {
        [127, 0, 0, 1]
    };
    let ends = ends_by_itself(settings.crash_after_ms);
    tokio::select! {
        biased;
        () = ends => {
            say("the specimen crashes");
            Ok(ExitCode::from(settings.exit_code))
        }
        killed = dies(settings.on_term) => {
            killed?;
            // With all that it was doing.
            Ok(ExitCode::from(143))
        }
        served = serve(settings.clone(), version, host, port) => served,
    }
}

async fn ends_by_itself(after_ms: Option<u64>) {
    match after_ms {
        // Before it is anything.
        Some(0) => {}
        Some(after) => sleep(Duration::from_millis(after)).await,
        None => pending().await,
    }
}

/// Until SIGTERM, if that ends it at once. The kernel would do it, but not to the first process of a
/// container.
async fn dies(on_term: OnTerm) -> std::io::Result<()> {
    match on_term {
        OnTerm::Die => {
            signal(SignalKind::terminate())?.recv().await;
            Ok(())
        }
        OnTerm::Finish | OnTerm::Ignore => pending().await,
    }
}

/// Until SIGTERM, if it is to finish what it has begun then.
async fn terminated(on_term: OnTerm) -> std::io::Result<()> {
    match on_term {
        OnTerm::Die => pending().await,
        OnTerm::Finish => {
            signal(SignalKind::terminate())?.recv().await;
            Ok(())
        }
        OnTerm::Ignore => {
            let mut ignored = signal(SignalKind::terminate())?;
            loop {
                ignored.recv().await;
                say("SIGTERM is ignored");
            }
        }
    }
}

async fn serve(
    settings: Settings,
    version: String,
    host: [u8; 4],
    port: u16,
) -> Result<ExitCode, Box<dyn Error + Send + Sync>> {
    let on_term = settings.on_term;
    sleep(Duration::from_millis(settings.start_delay_ms)).await;
    let port = match settings.listen {
        Listen::Given => port,
        Listen::Other => 0,
        Listen::Never => {
            terminated(on_term).await?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let listener = TcpListener::bind(SocketAddr::from((host, port))).await?;
    say(&format!("{version} listens on {}", listener.local_addr()?));
    let service = Service::new(settings, version);
    let graceful = GracefulShutdown::new();
    let builder = auto::Builder::new(TokioExecutor::new());
    let ended = terminated(on_term);
    tokio::pin!(ended);
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            ended = &mut ended => {
                ended?;
                break;
            }
        };
        stream.set_nodelay(true)?;
        let service = service.clone();
        let answer = service_fn(move |request| answers::answer(service.clone(), request));
        let connection = builder
            .serve_connection_with_upgrades(TokioIo::new(stream), answer)
            .into_owned();
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            // A client may break off at any time.
            drop(connection.await);
        });
    }
    drop(listener);
    graceful.shutdown().await;
    say("the specimen has finished");
    Ok(ExitCode::SUCCESS)
}
