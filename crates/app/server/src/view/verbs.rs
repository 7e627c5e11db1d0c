//! What a deployment was asked and what it can be told: its checks, and the verbs that make sense now.

use cutover_model::{
    Timestamp,
    delivery::{DeploymentSpec, DeploymentState},
    event::Check,
    guard::HookVerdict,
    run::Outcome,
};
use cutover_rollout::Deployment;
use serde::Serialize;

/// What a hook or the smoke test has said.
#[derive(Debug, Serialize)]
pub struct CheckView {
    /// `smoke test`, or the hook by its name and point.
    pub name: String,
    /// Which try, from 1.
    pub attempt: u32,
    /// When it answered.
    pub at: Timestamp,
    /// `success`, `failure`, `inconclusive`, `error`, `later`.
    pub verdict: &'static str,
    /// Whether that was a yes.
    pub is_yes: bool,
    /// Why.
    pub reason: String,
}

/// All answers, oldest first.
pub(super) fn checks(deployment: &Deployment) -> Vec<CheckView> {
    let Some(spec) = deployment.spec() else {
        return Vec::new();
    };
    let said = deployment.said().iter();
    said.map(|said| CheckView {
        name: name(&said.check, Some(spec)),
        attempt: said.attempt,
        at: said.at,
        verdict: said.verdict.word(),
        is_yes: matches!(said.verdict, HookVerdict::Success),
        reason: said.reason.clone(),
    })
    .collect()
}

/// A check by the name that its file gives it.
pub(super) fn name(check: &Check, spec: Option<&DeploymentSpec>) -> String {
    match check {
        Check::Smoke => "smoke test".to_owned(),
        Check::Hook {
            point,
            index,
            weight,
        } => {
            let hooks = spec.map(|spec| spec.guards.hooks.as_slice());
            let index = usize::try_from(*index).unwrap_or(usize::MAX);
            let hook = hooks.and_then(|hooks| hooks.get(index));
            match hook {
                Some(hook) => format!("hook `{}` ({point}, {weight})", hook.name),
                None => format!("hook {index} ({point}, {weight})"),
            }
        }
    }
}

/// The verbs of the API that would do something now, in the order in which they are shown.
pub(super) fn verbs(deployment: &Deployment) -> Vec<&'static str> {
    if let Some(outcome) = deployment.state().outcome() {
        let has_failed = outcome != Outcome::Succeeded;
        return if has_failed {
            vec!["retry"]
        } else {
            Vec::new()
        };
    }
    if deployment.is_going_back() {
        return Vec::new();
    }
    let is_paused = deployment.paused_by().is_some();
    let mut verbs = Vec::new();
    let has_place = deployment.fence().is_some();
    let is_step = matches!(deployment.state(), DeploymentState::Baking { .. });
    if has_place && (is_step || is_paused) {
        verbs.push("promote");
    }
    verbs.push(if is_paused { "resume" } else { "pause" });
    verbs.push("abort");
    verbs
}
