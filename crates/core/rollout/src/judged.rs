//! What the judge says of a step: at its end, by the policy for what is not known, and in its middle,
//! when more goes badly than is accepted of anybody.
//!
//! An accusation does not come this way: that one is told like a trigger's.

use cutover_model::{Timestamp, delivery::Judgement, event::DeploymentEvent as Event};

use crate::{advance, decide::Draft, deployment::Ask};

impl Draft {
    /// The answer about the end of a step.
    pub(crate) fn judged(
        &mut self,
        judged: u32,
        about: Timestamp,
        judgement: Judgement,
        reason: &str,
    ) {
        let Some(Ask::Bake { step, until }) = self.deployment.ask else {
            return;
        };
        if step != judged || until != about || self.deployment.paused.is_some() {
            return;
        }
        if self.at < until {
            // The clock was set back: it is asked again.
            return advance::bake_until(self, step, until);
        }
        self.push(Event::StepJudged {
            step,
            judgement,
            reason: reason.to_owned(),
        });
        match judgement {
            Judgement::Promote => advance::end_bake(self, step),
            // Whoever resumes it has seen what there was to see.
            Judgement::Pause => {
                self.push(Event::BakeEnded { step });
                self.push(Event::Paused {
                    by: format!("the judge: {reason}"),
                });
            }
            Judgement::Rollback => self.turn_back(),
        }
    }

    /// Holds a step that is being watched; once for each step, for a person has seen it then.
    pub(crate) fn guard_held(&mut self, reason: &str) {
        let deployment = &self.deployment;
        let Some(Ask::Bake { step, .. }) = deployment.ask else {
            return;
        };
        if deployment.paused.is_some() || deployment.held_step == Some(step) {
            return;
        }
        self.push(Event::StepJudged {
            step,
            judgement: Judgement::Pause,
            reason: reason.to_owned(),
        });
        self.push(Event::Paused {
            by: format!("the judge: {reason}"),
        });
    }
}
