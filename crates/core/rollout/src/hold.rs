//! Hold after rollback: what was taken back pins the service until somebody lifts it.
//!
//! The hold is a fact of a place (a service of an environment), not of a deployment. It is made by the
//! end of one and met by the next ones when they get the lock; the edge keeps it beside what is current.

use cutover_model::{
    Timestamp,
    delivery::{Cause, DeploymentSpec},
    guard::Hold,
    run::Outcome,
};

use crate::Deployment;

/// Why a deployment may not go on past this hold, if it may not.
pub fn objection(hold: &Hold, spec: &DeploymentSpec) -> Option<String> {
    let serves = hold.current.as_ref() == Some(spec.release.package.digest());
    let lifts = spec.lift_hold
        || matches!(spec.cause, Cause::Rollback { .. } | Cause::Retry { .. })
        || hold.deployment == spec.id;
    if serves || lifts {
        return None;
    }
    let place = format!("{} at {}", spec.release.service, spec.environment);
    let how = if spec.cause.is_automatic() {
        "lift it with `cutover resume --environment`, or deploy by hand with `--lift-hold`"
    } else {
        "deploy with `--lift-hold`"
    };
    Some(format!(
        "{place} is held since {}: {}; {how}",
        hold.since, hold.reason
    ))
}

/// Whether a deployment that has the lock ends the hold that it finds.
pub(crate) const fn lifts(spec: &DeploymentSpec) -> bool {
    spec.lift_hold || matches!(spec.cause, Cause::Retry { .. })
}

/// The hold that the end of a deployment makes, if it makes one.
pub(crate) fn made_by(
    deployment: &Deployment,
    outcome: Outcome,
    reason: &str,
    at: Timestamp,
) -> Option<Hold> {
    let spec = deployment.spec()?;
    if !spec.rollback.hold {
        return None;
    }
    let release = &spec.release;
    let is_rollback = matches!(spec.cause, Cause::Rollback { .. });
    let (current, reason) = match outcome {
        Outcome::RolledBack => {
            let current = deployment.current()?;
            let said = format!("{} was taken back: {reason}", release.version);
            (current.package.digest(), said)
        }
        Outcome::Succeeded if is_rollback => {
            let said = format!("a person went back to {}", release.version);
            (release.package.digest(), said)
        }
        _ => return None,
    };
    Some(Hold {
        deployment: spec.id.clone(),
        current: Some(current.clone()),
        reason,
        since: at,
    })
}
