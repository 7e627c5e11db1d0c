//! One order at a time about each deployment; orders about different ones do not wait.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use cutover_model::DeploymentId;
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard};

#[derive(Debug, Default)]
pub(crate) struct Locks(Mutex<BTreeMap<DeploymentId, Weak<AsyncMutex<()>>>>);

impl Locks {
    pub(crate) async fn take(&self, deployment: &DeploymentId) -> OwnedMutexGuard<()> {
        self.of(deployment).lock_owned().await
    }

    fn of(&self, deployment: &DeploymentId) -> Arc<AsyncMutex<()>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = all.get(deployment).and_then(Weak::upgrade) {
            return lock;
        }
        // What nobody holds or waits for is forgotten, so that it does not grow with history.
        all.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::new(AsyncMutex::new(()));
        all.insert(deployment.clone(), Arc::downgrade(&lock));
        lock
    }
}
