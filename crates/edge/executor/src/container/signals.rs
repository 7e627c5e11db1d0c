//! The signals by which a supervisor ends a step, and the last one, which it could not send into a
//! container: that comes from here, a moment before the supervisor's own.

use std::{io, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, sleep_until},
};

/// What to pass on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Interrupt,
    Terminate,
    Kill,
}

impl Told {
    /// As `kill` takes it.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Interrupt => "INT",
            Self::Terminate => "TERM",
            Self::Kill => "KILL",
        }
    }
}

pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    patience: Duration,
    kill_at: Option<Instant>,
}

impl Signals {
    pub(super) fn listen(patience: u64) -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            patience: Duration::from_millis(patience),
            kill_at: None,
        })
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Told {
        let kill = async {
            match self.kill_at {
                Some(at) => sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Told::Interrupt,
            _ = self.terminate.recv() => {
                self.kill_at = Some(Instant::now() + self.patience);
                Told::Terminate
            }
            () = kill => {
                self.kill_at = None;
                Told::Kill
            }
        }
    }

    /// Waits for any.
    pub(super) async fn any(&mut self) {
        self.next().await;
    }
}
