//! What runs of a working tree leave to be looked at, and for how long: a server keeps all of it.

use cutover_executor::LogLimits;

use crate::{Control, Error};

/// Throws away the logs of runs of long ago, while a new one does its work. Not while an old one goes on:
/// that one may be as old as they are.
pub(crate) async fn sweep(control: Control) {
    match control.forget_logs(LogLimits::default()).await {
        Ok(runs) => tracing::debug!(runs, "old logs"),
        Err(error) => tracing::warn!(%error, "old logs are not removed"),
    }
}

impl Control {
    /// Throws away logs of runs that have ended, beyond these limits; says of how many runs.
    async fn forget_logs(&self, limits: LogLimits) -> Result<usize, Error> {
        if !self.executor().has_old_logs(limits).await? {
            return Ok(0);
        }
        // They may be gone on with.
        let unfinished = self.store().unfinished_runs().await?;
        let spared = unfinished.into_iter().collect();
        Ok(self.executor().forget_logs(limits, spared).await?)
    }
}
