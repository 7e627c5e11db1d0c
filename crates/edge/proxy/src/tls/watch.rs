//! Looks at certificate files from time to time. Nothing else tells of a change on every kind of
//! disk, and the tools that renew certificates do not say when they have.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use super::keyring::Keyring;
use crate::control::Reloaded;

/// Time between two looks.
const EVERY: Duration = Duration::from_secs(5);

/// Waits until files have changed, and says what came of it. Looks at nothing while tables name no
/// files.
pub(crate) async fn changed(keyring: &Arc<Keyring>) -> Reloaded {
    loop {
        while !keyring.has_files() {
            keyring.named.notified().await;
        }
        sleep(EVERY).await;
        let reloaded = look(keyring).await;
        if reloaded.changed > 0 {
            return reloaded;
        }
    }
}

/// Looks now.
pub(crate) async fn look(keyring: &Arc<Keyring>) -> Reloaded {
    let keyring = Arc::clone(keyring);
    let looked = tokio::task::spawn_blocking(move || keyring.look()).await;
    looked.unwrap_or_default()
}
