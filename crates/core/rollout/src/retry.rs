//! The same once more: a new deployment of what a finished one could not bring about.

use cutover_model::{
    DeploymentId,
    delivery::{Cause, DeploymentSpec},
    run::Outcome,
};

use crate::{Deployment, Refusal};

/// The deployment that tries again what this one tried. Its id follows from this one's, so that asking
/// twice finds the first. It lifts the hold that this one left.
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
    Ok(DeploymentSpec {
        id: DeploymentId::derived(&[spec.id.as_str(), "retry"]),
        cause: Cause::Retry {
            by: by.to_owned(),
            of: spec.id.clone(),
        },
        lift_hold: true,
        break_glass: None,
        ..spec.clone()
    })
}
