//! What people ask of a deployment that is under way. What is so already changes nothing; what makes no
//! sense is refused, with what to do instead.

use cutover_model::{
    delivery::{Cause, DeploymentState},
    event::DeploymentEvent as Event,
    run::Outcome,
};

use crate::{
    Deployment, Input, Refusal, advance,
    decide::Draft,
    deployment::{Ask, Paused},
    strategy,
};

/// Why a command has nothing to do, because what it wants is so already; for people. Such a command is
/// not refused and changes nothing.
pub fn notice(deployment: &Deployment, input: &Input) -> Option<String> {
    match input {
        Input::Abort { .. } => ended_otherwise(deployment).or_else(|| goes_back(deployment)),
        Input::Pause { .. } => {
            let by = under_way(deployment).and(deployment.paused_by())?;
            Some(format!("it is paused already, by {}", quoted(by)))
        }
        Input::Resume { .. } => (under_way(deployment).is_some() && deployment.paused.is_none())
            .then(|| "it is not paused".to_owned()),
        Input::Promote { full: true, .. } => {
            let has_all = deployment.state().outcome() == Some(Outcome::Succeeded);
            if has_all {
                return Some("it has succeeded already".to_owned());
            }
            let is_full = under_way(deployment).is_some() && deployment.progress.is_full;
            is_full.then(|| "it goes straight to the end already".to_owned())
        }
        Input::Promote { full: false, .. } => (deployment.state().outcome()
            == Some(Outcome::Succeeded))
        .then(|| "it has succeeded already".to_owned()),
        _ => None,
    }
}

fn under_way(deployment: &Deployment) -> Option<()> {
    let is_under_way =
        deployment.spec.is_some() && deployment.undo.is_none() && !deployment.is_finished();
    is_under_way.then_some(())
}

fn ended_otherwise(deployment: &Deployment) -> Option<String> {
    let outcome = deployment.state().outcome()?;
    (outcome != Outcome::Succeeded).then(|| format!("it has ended already: {}", outcome.word()))
}

fn goes_back(deployment: &Deployment) -> Option<String> {
    let undo = deployment.undo.as_ref()?;
    (!deployment.is_finished()).then(|| format!("it goes back already: {}", undo.reason))
}

/// A name in backticks, if it is one: strategies and hooks say a sentence.
fn quoted(by: &str) -> String {
    if by.contains(' ') {
        by.to_owned()
    } else {
        format!("`{by}`")
    }
}

impl Draft {
    /// That it exists, has not ended, and does not go back.
    fn check_under_way(&self) -> Result<(), Refusal> {
        if self.deployment.spec.is_none() {
            return Err(Refusal("it has not begun".to_owned()));
        }
        if let Some(outcome) = self.deployment.state().outcome() {
            let hint = match outcome {
                Outcome::Succeeded => "to go back, use `cutover rollback`",
                _ => "to try again, use `cutover retry`",
            };
            return Err(Refusal(format!("it has ended: {}; {hint}", outcome.word())));
        }
        match &self.deployment.undo {
            Some(undo) => Err(Refusal(format!("it goes back already: {}", undo.reason))),
            None => Ok(()),
        }
    }

    pub(crate) fn abort(&mut self, by: String) -> Result<(), Refusal> {
        self.check_under_way()?;
        self.push(Event::AbortRequested { by });
        self.turn_back();
        Ok(())
    }

    pub(crate) fn pause(&mut self, by: String) -> Result<(), Refusal> {
        self.check_under_way()?;
        self.push(Event::Paused { by });
        Ok(())
    }

    pub(crate) fn resume(&mut self, by: String) -> Result<(), Refusal> {
        self.check_under_way()?;
        self.push(Event::Resumed { by });
        // What was seen before the pause is no proof of what is there after it.
        if let Some(Ask::Bake { step, .. }) = self.deployment.ask {
            advance::bake(self, step);
        }
        Ok(())
    }

    pub(crate) fn promote(&mut self, by: String, full: bool) -> Result<(), Refusal> {
        self.check_under_way()?;
        if self.deployment.lock.is_none() {
            let on = match self.deployment.state() {
                DeploymentState::Waiting { on, .. } => on.to_string(),
                _ => "its turn".to_owned(),
            };
            return Err(Refusal(format!(
                "it has not begun to move: it waits on {on}"
            )));
        }
        let bakes = match self.deployment.ask {
            Some(Ask::Bake { step, .. }) => Some(step),
            _ => None,
        };
        if !full && bakes.is_none() && self.deployment.paused.is_none() {
            return Err(Refusal(format!(
                "there is no step to skip now: it is {}; `--full` skips all that are to come",
                self.deployment.state().word()
            )));
        }
        self.push(Event::Promoted { by, full });
        if let Some(step) = bakes {
            self.push(Event::BakeEnded { step });
        }
        Ok(())
    }

    /// One that only tidies up is let go on: nothing is faster. A rollback is what somebody wanted
    /// instead of something newer.
    pub(crate) fn supersede(&mut self, by: String) {
        let deployment = &self.deployment;
        let Some(spec) = deployment.spec.clone() else {
            return;
        };
        let progress = &deployment.progress;
        let is_nearly_done = deployment.has_taken_over()
            && strategy::stage(&spec.strategy, progress.has_current, progress.baked).is_none();
        let is_rollback = matches!(spec.cause, Cause::Rollback { .. });
        if under_way(deployment).is_none() || is_nearly_done || is_rollback {
            return;
        }
        self.push(Event::Superseded { by });
        self.turn_back();
    }

    /// A pause that began then has been long enough.
    pub(crate) fn pause_rang(&mut self, since: cutover_model::Timestamp) {
        let is_it =
            matches!(&self.deployment.paused, Some(Paused { since: begun, .. }) if *begun == since);
        if !is_it || !self.may_go_back() {
            return;
        }
        let limit = self.deployment.spec().map(|spec| spec.guards.pause_limit);
        let by = self.deployment.paused_by().unwrap_or_default();
        let waited_for = format!(
            "somebody to resume it for {}, the `pause_limit`; it was paused by {}",
            limit.unwrap_or_default(),
            quoted(by)
        );
        self.push(Event::DeadlinePassed { waited_for });
        self.turn_back();
    }
}
