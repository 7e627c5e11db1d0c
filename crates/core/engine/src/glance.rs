//! Short looks at a run, for those who look after every event: what has begun, and one step alone. The
//! whole of a job is in `view`.

use cutover_model::run::{Attempt, JobKey, Outcome, State, StepPath};

use crate::{
    run::{Group, Run},
    step,
    view::{self, StepView},
};

impl Run {
    /// The legs that have started, in the order of the plan, with their names.
    pub fn started_legs(&self) -> impl Iterator<Item = (&JobKey, &str)> {
        let keys = self.specs().into_iter();
        let keys = keys.flat_map(|spec| self.legs_of(&spec.id));
        let started = keys.filter_map(|key| Some((key, self.leg(key)?)));
        started
            .filter(|(_, leg)| leg.has_started())
            .map(|(key, leg)| (key, leg.spec.name.as_str()))
    }

    /// Whether it has more than one leg, or will have.
    pub fn has_many_legs(&self) -> bool {
        let specs = self.specs();
        specs.len() > 1 || specs.iter().any(|spec| self.legs_of(&spec.id).len() > 1)
    }

    /// Whether a leg may begin that has not begun yet.
    pub fn has_jobs_to_begin(&self) -> bool {
        let waits = |key: &JobKey| {
            let leg = self.leg(key);
            leg.is_some_and(|leg| !leg.has_started() && !leg.state.is_finished())
        };
        let may_begin = |job: &str| match self.groups.get(job) {
            Some(Group::Expanded { legs, .. }) => legs.iter().any(waits),
            Some(Group::Ended { .. }) => false,
            None => true,
        };
        !self.state().is_finished() && self.specs().iter().any(|spec| may_begin(&spec.id))
    }

    /// Which try of a leg it is, once it has started.
    pub fn leg_attempt(&self, key: &JobKey) -> Option<Attempt> {
        let leg = self.leg(key)?;
        leg.has_started().then_some(leg.attempt)
    }

    /// How a leg has ended.
    pub fn leg_outcome(&self, key: &JobKey) -> Option<Outcome> {
        self.leg(key)?.state.outcome()
    }

    /// The steps of a leg that have begun or were skipped, in the order in which they are shown, each with
    /// its try.
    pub fn begun_steps(&self, key: &JobKey) -> impl Iterator<Item = (&StepPath, Attempt)> {
        let steps = self.leg(key).into_iter().flat_map(|leg| &leg.steps);
        steps
            .filter(|(_, step)| view::has_begun(step) || step.state.outcome().is_some())
            .map(|(path, step)| (path, step.attempt))
    }

    /// Those of them that go on now.
    pub fn running_steps(&self, key: &JobKey) -> impl Iterator<Item = &StepPath> {
        let steps = self.leg(key).into_iter().flat_map(|leg| &leg.steps);
        steps
            .filter(|(_, step)| matches!(step.state, State::Running { .. }))
            .map(|(path, _)| path)
    }

    /// One step whose turn has come.
    pub fn step_view<'a>(&'a self, key: &JobKey, path: &StepPath) -> Option<StepView<'a>> {
        let step = self.step(key, path)?;
        Some(view::begun_view(
            path,
            step,
            self.is_in_background(key, path),
        ))
    }

    /// Whether a step has others inside it that have had their turn.
    pub fn has_steps_inside(&self, key: &JobKey, path: &StepPath) -> bool {
        self.step(key, &path.child(0)).is_some()
    }

    /// Whether the step, or an action around it, goes in the background.
    fn is_in_background(&self, key: &JobKey, path: &StepPath) -> bool {
        let spec = self.spec(key.job());
        let mut level = spec.map_or(&[][..], |spec| spec.steps.as_slice());
        // What an action does before and after all steps is waited for.
        for index in &path.0 {
            let Some(spec) = level.get(usize::from(*index)) else {
                return false;
            };
            if spec.background {
                return true;
            }
            level = step::children(spec).unwrap_or_default();
        }
        false
    }
}
