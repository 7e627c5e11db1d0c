//! Being told to end: Ctrl-C, SIGTERM, or a terminal that is closed, which mean the same here.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// Hears every wish to end from when it was made, also while nobody waits for one.
pub(crate) struct Wishes(Vec<Signal>);

impl Wishes {
    pub(crate) fn listen() -> Self {
        let mut kinds = vec![SignalKind::interrupt(), SignalKind::terminate()];
        // Under `nohup` the end of the terminal is not meant.
        if !is_ignored(SignalKind::hangup()) {
            kinds.push(SignalKind::hangup());
        }
        // Without a handler a signal does what it always does: it ends the program.
        Self(kinds.into_iter().flat_map(signal).collect())
    }

    /// Waits until somebody wants the program to end.
    pub(crate) async fn next(&mut self) {
        let heard = std::future::poll_fn(|context| {
            let mut all = self.0.iter_mut();
            if all.any(|signal| signal.poll_recv(context).is_ready()) {
                std::task::Poll::Ready(())
            } else {
                std::task::Poll::Pending
            }
        });
        heard.await;
    }
}

/// Waits until somebody wants the program to end.
pub(crate) async fn stop() {
    Wishes::listen().next().await;
}

/// Whether whoever started us has told us not to hear a signal.
fn is_ignored(kind: SignalKind) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    mask.is_some_and(|mask| mask >> (kind.as_raw_value() - 1) & 1 == 1)
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn a_wish_that_nobody_waited_for_is_heard() {
        let mut wishes = Wishes::listen();
        kill_process(getpid(), Signal::TERM).unwrap();
        tokio::time::timeout(std::time::Duration::from_secs(10), wishes.next())
            .await
            .expect("it is heard");
    }
}
