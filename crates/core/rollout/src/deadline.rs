//! How long something may be waited for on the way forward, and what to say when it was too long.
//!
//! Instances have a time of their own (`start_timeout`), and steps are watched for as long as they are
//! to be. The way back has no deadline: there is nothing better to do than to try again. Nor has the
//! tidying up once all the traffic has moved.

use cutover_model::{
    Timestamp,
    delivery::{Side, Weight},
    event::DeploymentEvent as Event,
};

use crate::{Deployment, check, decide::Draft, deployment::Ask};

/// An ask that is waited for, until when, and what for in words.
pub(crate) struct Deadline {
    pub(crate) generation: u64,
    pub(crate) at: Timestamp,
    pub(crate) waited_for: String,
}

/// The deadline of the open ask, where it has one.
pub(crate) fn of(deployment: &Deployment) -> Option<Deadline> {
    let spec = deployment.spec()?;
    if deployment.undo.is_some() || deployment.is_finished() {
        return None;
    }
    let mut limit = spec.guards.progress_deadline;
    let (generation, waited_for) = match deployment.ask.as_ref()? {
        Ask::Instances { .. } | Ask::Bake { .. } => return None,
        Ask::Shift { weight, generation } => (
            *generation,
            format!("the balancer to send {weight} of the traffic to the candidate"),
        ),
        Ask::Drain {
            side, generation, ..
        }
        | Ask::Stop {
            side, generation, ..
        } => {
            if *side == Side::Current && deployment.weight() == Weight::ALL {
                return None;
            }
            (
                *generation,
                format!("instances of the {side} side to leave"),
            )
        }
        Ask::Park { parked, generation } => {
            let what = if *parked {
                "hold requests back"
            } else {
                "let requests go"
            };
            (*generation, format!("the balancer to {what}"))
        }
        Ask::Check {
            check, generation, ..
        }
        | Ask::CheckAgain {
            check, generation, ..
        } => {
            let terms = check::terms(&spec.guards, check);
            limit = limit.max(terms.timeout);
            (*generation, format!("an answer of {}", terms.name))
        }
    };
    Some(Deadline {
        generation,
        at: deployment.asked_at + limit,
        waited_for,
    })
}

impl Draft {
    /// Nothing has come of it. A ring in a pause is not the end: the time begins to count again with
    /// its end.
    pub(crate) fn deadline_rang(&mut self, generation: u64) {
        let Some(deadline) = of(&self.deployment) else {
            return;
        };
        if deadline.generation != generation || self.deployment.paused.is_some() {
            return;
        }
        let limit = deadline.at.since(self.deployment.asked_at);
        let waited_for = format!("{}, for {limit}", deadline.waited_for);
        self.push(Event::DeadlinePassed { waited_for });
        self.turn_back();
    }
}
