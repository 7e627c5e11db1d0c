//! The same once more: a new deployment of what a finished one could not bring about.

use cutover_model::{
    DeploymentId,
    delivery::{Cause, DeploymentSpec},
    run::Outcome,
};

use crate::{Deployment, Refusal};

/// The deployment that tries again what this one tried. Its id follows from this one's, so that asking
/// twice finds the first. It lifts the hold that this one left. A way back that is tried again is a way
/// back: as urgent, and open in a freeze.
///
/// # Errors
/// When there is nothing to try again: it is under way, or it has succeeded.
pub fn retry(deployment: &Deployment, by: &str) -> Result<DeploymentSpec, Refusal> {
    let refuse = |why: &str| Err(Refusal(why.to_owned()));
    let Some(spec) = deployment.spec() else {
        return refuse("it has not begun");
    };
    match deployment.state().outcome() {
        None => return refuse("it is under way; abort it first, or let it end"),
        Some(Outcome::Succeeded) => {
            return refuse("it has succeeded; to deploy the same again, use `cutover deploy`");
        }
        Some(_) => {}
    }
    let by = by.to_owned();
    let cause = match &spec.cause {
        Cause::Rollback { of, .. } => Cause::Rollback { by, of: of.clone() },
        Cause::Step { .. } | Cause::Person { .. } | Cause::Retry { .. } => Cause::Retry {
            by,
            of: spec.id.clone(),
        },
    };
    Ok(DeploymentSpec {
        id: DeploymentId::derived(&[spec.id.as_str(), "retry"]),
        lift_hold: matches!(cause, Cause::Retry { .. }),
        cause,
        // Whoever breaks the glass says why, each time.
        break_glass: None,
        ..spec.clone()
    })
}
