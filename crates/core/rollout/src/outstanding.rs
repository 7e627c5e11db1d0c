//! What is still owed after a restart.

use crate::{Deployment, Effect, effects};

/// Says what has been asked for and not answered, so that it is asked for again. Nothing here is new:
/// each effect is the one that [`crate::effects`] gave before, with the same generation, and the edge
/// answers it again when it has been done already.
///
/// A deployment that has ended owes its end as long as it holds the lock; once another holds it,
/// `RecordCurrent` would be a lie, and must not be asked for.
pub fn outstanding(deployment: &Deployment) -> Vec<Effect> {
    if deployment.spec().is_none() {
        return Vec::new();
    }
    if deployment.is_finished() {
        return effects::end(deployment);
    }
    if deployment.lock.is_none() {
        let mut owed = effects::pause(deployment);
        if deployment.may_begin() {
            owed.extend(effects::lock(deployment));
            owed.extend(effects::supersede(deployment));
        } else {
            owed.extend(effects::question(deployment));
        }
        return owed;
    }
    let mut owed = effects::start(deployment);
    owed.extend(effects::pause(deployment));
    owed.extend(effects::watch(deployment));
    owed.extend(effects::asked(deployment));
    owed
}
