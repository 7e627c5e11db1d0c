//! The life of the process: take the folder, go on with what it remembers, serve, finish.

use std::{io, sync::Arc, time::Duration};

use camino::Utf8PathBuf;
use serde_json::Value;
use tokio::{
    net::UnixListener,
    signal::unix::{Signal, SignalKind, signal},
};

use crate::{
    acme,
    balancer::Balancer,
    control::server,
    journal::Journal,
    seconds,
    state::{CONTROL_SOCKET, Loaded, StateError, StateFolder},
    successor::{self, Inherited, TakeOverError},
    worker::Workers,
};

/// How long requests in flight may go on after the end was asked for.
const FINISH_PATIENCE: Duration = Duration::from_secs(30);

/// What the balancer must be told at its start. The rest comes through the control socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Folder of the control socket, the remembered table and the log. One balancer each.
    pub state_dir: Utf8PathBuf,
    /// Whether to take the place of a balancer that runs on the folder, with its sockets, without a
    /// gap. Where none runs this is an ordinary start.
    pub take_over: bool,
}

/// Why the balancer could not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its state folder cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// Its control socket cannot be opened.
    #[error("cannot open the control socket `{path}`")]
    Control {
        /// The socket.
        path: Utf8PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// It cannot take the place of the one that runs, which goes on.
    #[error(transparent)]
    TakeOver(#[from] TakeOverError),
    /// It cannot hear signals.
    #[error("cannot listen for signals")]
    Signals(#[source] io::Error),
    /// It cannot start its threads.
    #[error("cannot start the threads that carry requests")]
    Workers(#[source] io::Error),
}

/// Runs a balancer until it is asked to end, by SIGTERM, SIGINT or [`crate::Client::shutdown`].
///
/// It serves the table that the folder remembers, and looks neither at its parent nor at its
/// standard streams: the control plane may die and come back. SIGHUP is ignored for the same reason.
pub async fn run(options: Options) -> Result<(), Error> {
    let mut signals = Signals::new().map_err(Error::Signals)?;
    let inherited = if options.take_over {
        successor::take_over(&options.state_dir).await?
    } else {
        None
    };
    let path = options.state_dir.join(CONTROL_SOCKET);
    let (balancer, listener) = match inherited {
        Some(Inherited {
            balancer,
            control,
            sockets,
        }) => {
            balancer.open_doors(sockets).await;
            (balancer, control)
        }
        None => start(&options).await?,
    };
    balancer
        .set_control(&listener)
        .map_err(|source| Error::Control {
            path: path.clone(),
            source,
        })?;
    tokio::select! {
        () = server::serve(listener, Arc::clone(&balancer)) => {}
        () = seconds::tick(|| balancer.services()) => {}
        () = balancer.relisten() => {}
        () = balancer.follow_files() => {}
        () = acme::keep(&balancer) => {}
        () = balancer.ended() => {}
        () = signals.end() => {}
    }
    // The socket is closed: from here on clients are told that nobody is there, or a successor
    // listens at it.
    if !balancer.is_leaving() {
        let _gone = std::fs::remove_file(&path);
    }
    balancer.journal.note("finishing", &[]);
    balancer.finish(FINISH_PATIENCE).await;
    balancer.journal.note("ended", &[]);
    Ok(())
}

/// Starts with nothing but what the folder remembers.
async fn start(options: &Options) -> Result<(Arc<Balancer>, UnixListener), Error> {
    let folder = StateFolder::take(&options.state_dir)?;
    let journal = Journal::new(&options.state_dir);
    journal.note("started", &[("pid", Value::from(std::process::id()))]);
    let loaded = folder.load()?;
    let path = folder.socket();
    let listener = server::bind(&path).map_err(|source| Error::Control { path, source })?;
    let workers = Workers::start().map_err(Error::Workers)?;
    let balancer = Arc::new(Balancer::new(folder, journal, workers));
    match loaded {
        Loaded::Nothing => {}
        Loaded::Remembered(remembered) => balancer.restore(*remembered).await,
        Loaded::PutAside { aside, reason } => balancer.journal.note(
            "state_put_aside",
            &[
                ("path", Value::from(aside.as_str())),
                ("reason", Value::from(reason)),
            ],
        ),
    }
    Ok((balancer, listener))
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hang_up: Signal,
}

impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hang_up: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for one that asks for the end.
    async fn end(&mut self) {
        loop {
            tokio::select! {
                _asked = self.terminate.recv() => return,
                _asked = self.interrupt.recv() => return,
                _ignored = self.hang_up.recv() => {}
            }
        }
    }
}
