//! How far a rollout has come, in numbers, and the moves that change them.
//!
//! A strategy is a function from [`Progress`] to the next [`Move`]; it sees nothing else. The preview
//! runs the same functions on numbers alone, so that what is announced is what happens.

use cutover_model::delivery::{Side, Weight};

/// One thing to do, after which the next is asked for. Only one is under way at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Move {
    /// Have this many healthy instances.
    Ensure { side: Side, count: u32 },
    /// Give the candidate this share.
    Shift(Weight),
    /// Watch this step.
    Bake { step: u32 },
    /// Let requests end on all but `keep` instances.
    Drain { side: Side, keep: u32 },
    /// Stop all but `keep` instances.
    Stop { side: Side, keep: u32 },
    /// Let requests wait in the balancer, or no longer.
    Park(bool),
}

/// The instances of one side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Count {
    /// Healthy when last heard of, and not draining: they can be given traffic.
    pub(crate) serving: u32,
    /// May be given a request, healthy or not: asked for and not drained since. An ask that failed may
    /// have brought back some.
    pub(crate) accepting: u32,
    /// May exist: asked for and not known to be gone.
    pub(crate) running: u32,
}

/// Where a rollout stands.
#[expect(
    clippy::struct_excessive_bools,
    reason = "facts that do not exclude each other"
)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Progress {
    /// How many instances a whole side has; at least 1.
    pub(crate) instances: u32,
    /// Whether there is a side to go back to.
    pub(crate) has_current: bool,
    /// How many instances that side had when we came.
    pub(crate) before: u32,
    /// The new side.
    pub(crate) candidate: Count,
    /// The serving side.
    pub(crate) current: Count,
    /// The candidate's share in force.
    pub(crate) weight: Weight,
    /// The candidate's share that was asked for last.
    pub(crate) requested: Weight,
    /// How many steps have been watched to the end.
    pub(crate) baked: u32,
    /// Somebody wants the rest of the steps skipped.
    pub(crate) is_full: bool,
    /// Requests wait in the balancer, or may.
    pub(crate) is_parked: bool,
    /// The candidate has lost an instance that did not come back.
    pub(crate) candidate_is_sick: bool,
    /// The current side has lost an instance that did not come back.
    pub(crate) current_is_sick: bool,
    /// How often a rollback has tried in vain to bring the current side back.
    pub(crate) failed_restores: u32,
}

impl Progress {
    pub(crate) fn new(instances: u32) -> Self {
        Self {
            instances,
            ..Self::default()
        }
    }

    /// The current side is there, whole as far as we know. It may be of another size than the
    /// candidate is to be.
    pub(crate) fn meet_current(&mut self, instances: u32) {
        self.has_current = true;
        self.before = instances;
        self.current = Count {
            serving: instances,
            accepting: instances,
            running: instances,
        };
    }

    pub(crate) const fn side(&self, side: Side) -> Count {
        match side {
            Side::Current => self.current,
            Side::Candidate => self.candidate,
        }
    }

    pub(crate) const fn side_mut(&mut self, side: Side) -> &mut Count {
        match side {
            Side::Current => &mut self.current,
            Side::Candidate => &mut self.candidate,
        }
    }

    /// Whether the candidate has, or may soon have, a share of traffic.
    pub(crate) fn has_traffic(&self) -> bool {
        self.requested != Weight::NONE || self.weight != Weight::NONE
    }

    /// Brings a side down to `keep` instances: first their requests end, then they stop.
    pub(crate) fn reduce(&self, side: Side, keep: u32) -> Option<Move> {
        let count = self.side(side);
        if count.accepting > keep {
            Some(Move::Drain { side, keep })
        } else if count.running > keep {
            Some(Move::Stop { side, keep })
        } else {
            None
        }
    }
}
