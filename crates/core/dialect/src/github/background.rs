//! Steps that go at once → steps in the background and those that wait for them.

use cutover_model::{
    Position,
    plan::{StepBody, StepSpec, Template},
};

use crate::shape::Spanned;

/// What the step is called that waits for what nobody waits for: as with the official runner.
const WAIT_FOR_ALL: &str = "Wait for all background steps";

/// A `parallel:` group.
pub(super) struct Group {
    id: Option<Spanned>,
    name: Option<Template>,
    at: Position,
}

impl Group {
    pub(super) fn of(id: Option<Spanned>, name: Option<Template>, at: Position) -> Self {
        Self { id, name, at }
    }

    /// Its steps go in the background, and one that waits for them stands behind. It has what is
    /// said of the group.
    pub(super) fn spread(self, inside: Vec<StepSpec>, into: &mut Vec<StepSpec>) {
        let place = into.len();
        let mut ids = Vec::with_capacity(inside.len());
        for (index, mut step) in inside.into_iter().enumerate() {
            // Nobody else may have an id that begins so.
            let id = step.id.get_or_insert(format!("__parallel_{place}_{index}"));
            ids.push(id.clone());
            step.background = true;
            into.push(step);
        }
        into.push(StepSpec {
            id: self.id.map(|id| id.text),
            name: Some(
                self.name
                    .unwrap_or_else(|| Template::plain("Wait for the parallel steps")),
            ),
            at: self.at,
            ..StepSpec::new(StepBody::Wait { steps: ids })
        });
    }
}

/// A job does not end before its steps have: what is in the background, and nobody waits for, is
/// waited for in the end, where people see it.
pub(super) fn wait_for_the_rest(steps: &mut Vec<StepSpec>) {
    let is_awaited = |index: usize, step: &StepSpec| {
        steps[index..].iter().any(|later| match &later.body {
            StepBody::WaitAll => true,
            StepBody::Wait { steps } => step.id.as_ref().is_some_and(|id| steps.contains(id)),
            StepBody::CancelStep { step: ended } => step.id.as_ref() == Some(ended),
            _ => false,
        })
    };
    let rest = steps
        .iter()
        .enumerate()
        .any(|(index, step)| step.background && !is_awaited(index, step));
    if rest {
        steps.push(StepSpec {
            name: Some(Template::plain(WAIT_FOR_ALL)),
            ..StepSpec::new(StepBody::WaitAll)
        });
    }
}
