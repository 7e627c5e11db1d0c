//! How long something may be waited for on the way forward, and what to say when it was too long.
//!
//! Instances have a time of their own (`start_timeout`), and steps are watched for as long as they are
//! to be. On the way back, and while tidying up once all the traffic has moved, a deadline does not turn
//! anything back: instances that do not stop are left behind, so that an engine that hangs does not keep
//! the place for ever, and for all else there is nothing better to do than to try again. In both cases a
//! person is told.

use cutover_model::{
    Duration, Timestamp,
    delivery::{Side, Weight},
    event::DeploymentEvent as Event,
};

use crate::{Deployment, check, decide::Draft, deployment::Ask};

/// An ask that is waited for, until when, and what for in words.
pub(crate) struct Deadline {
    pub(crate) generation: u64,
    pub(crate) at: Timestamp,
    pub(crate) waited_for: String,
    /// Whether the way leads forward, and back when it has passed.
    pub(crate) turns_back: bool,
}

/// The deadline of the open ask, where it has one.
pub(crate) fn of(deployment: &Deployment) -> Option<Deadline> {
    let spec = deployment.spec()?;
    if deployment.is_finished() {
        return None;
    }
    let mut turns_back = deployment.undo.is_none();
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
            turns_back &= *side != Side::Current || deployment.weight() != Weight::ALL;
            if !turns_back {
                // What they may take by themselves comes first.
                let own = spec.drain_timeout.as_millis() + spec.stop_grace.as_millis();
                limit = Duration::from_millis(limit.as_millis().saturating_add(own));
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
            if !turns_back {
                // It has a time-out of its own, and nothing to turn back from.
                return None;
            }
            limit = limit.max(terms.timeout);
            (*generation, format!("an answer of {}", terms.name))
        }
    };
    // Once said is enough.
    (deployment.overdue != Some(generation)).then(|| Deadline {
        generation,
        at: deployment.asked_at + limit,
        waited_for,
        turns_back,
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
        if deadline.turns_back {
            self.push(Event::DeadlinePassed { waited_for });
            return self.turn_back();
        }
        let left_behind = match self.deployment.ask {
            Some(Ask::Stop { side, .. }) => Some(side),
            _ => None,
        };
        self.push(Event::Overdue {
            waited_for,
            left_behind,
        });
    }
}
