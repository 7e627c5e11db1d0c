//! Being told to end: Ctrl-C or SIGTERM, which mean the same here.

use tokio::signal::unix::{SignalKind, signal};

/// Waits until somebody wants the program to end.
pub(crate) async fn stop() {
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        // Without handlers the signals do what they always do: they end the program.
        return std::future::pending().await;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
}
