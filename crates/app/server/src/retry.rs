//! Doing more of a run that has ended: what is wished, what is still there to go on from, and what that
//! comes to.

use cutover_engine::{Input, Run, Wish};
use cutover_executor::Kept;
use cutover_model::{
    RunId,
    event::RetriedLeg,
    run::{Attempt, JobKey, StepPath},
};
use serde::Serialize;

use crate::{Control, Error};

/// A run that goes on.
#[derive(Debug, Serialize)]
pub struct Retried {
    /// Which.
    pub run: RunId,
    /// The number people say aloud.
    pub number: u64,
    /// Which try of it begins.
    pub attempt: Attempt,
    /// What goes on, and from where.
    pub legs: Vec<RetriedJob>,
}

/// A leg of it.
#[derive(Debug, Serialize)]
pub struct RetriedJob {
    /// Its key.
    pub key: JobKey,
    /// Its name.
    pub name: String,
    /// The step at which it goes on; absent when it begins anew.
    pub from: Option<StepPath>,
    /// The name of that step.
    pub step: Option<String>,
    /// What it works in: the workspace as it was before that step, or as the job left it.
    pub workspace: Kept,
}

impl RetriedJob {
    /// For people.
    pub fn line(&self) -> String {
        let name = &self.name;
        let (Some(from), Some(step)) = (&self.from, &self.step) else {
            return format!("{name} begins anew");
        };
        let workspace = match self.workspace {
            Kept::Border => "with the workspace as it was before it",
            Kept::AsLeft | Kept::Nothing => {
                "in the workspace as the job left it: it was too large to be copied before each step"
            }
        };
        format!("{name} goes on at step {from}, `{step}`, {workspace}")
    }
}

impl Control {
    /// Does more of a run that has ended. What failed and left nothing to go on from begins anew; a step
    /// that was named and cannot be gone on from is refused.
    pub async fn retry_run(&self, id: &RunId, wish: &Wish, by: &str) -> Result<Retried, Error> {
        let run = self.run(id).await?;
        if !run.state().is_finished() {
            return Err(Error::Refused(format!(
                "run {id} has not ended yet; `cutover cancel` ends it"
            )));
        }
        let mut legs = run.wished(wish).map_err(refused)?;
        let mut jobs = Vec::new();
        for leg in &mut legs {
            jobs.push(self.look_at(&run, id, wish, leg)?);
        }
        let input = Input::Retry {
            by: by.to_owned(),
            legs,
        };
        self.revive_run(id, input).await?;
        Ok(Retried {
            run: id.clone(),
            number: run.number().unwrap_or_default(),
            attempt: run.attempt().next(),
            legs: jobs,
        })
    }

    /// What is there for a leg to go on from; it begins anew when there is nothing, and that will do.
    fn look_at(
        &self,
        run: &Run,
        id: &RunId,
        wish: &Wish,
        leg: &mut RetriedLeg,
    ) -> Result<RetriedJob, Error> {
        let workspace = match &leg.from {
            None => Kept::Nothing,
            Some(from) => self.executor().kept(id, &leg.key, from)?,
        };
        let (key, is_named) = (leg.key.clone(), matches!(wish, Wish::From { .. }));
        if let Some(from) = leg.from.clone() {
            match workspace {
                Kept::Border => {}
                Kept::AsLeft if !is_named || failed_at(run, &key) == Some(from.clone()) => {}
                Kept::AsLeft => {
                    return Err(Error::Refused(format!(
                        "the workspace of `{key}` before step {from} was too large to be copied; there is \
                         what the job left: go on with what failed, or begin anew with `--job {key}`"
                    )));
                }
                Kept::Nothing if is_named => {
                    return Err(Error::Refused(format!(
                        "what `{key}` worked in is gone; `--job {key}` begins it anew"
                    )));
                }
                Kept::Nothing => leg.from = None,
            }
        }
        let view = run.jobs().find(|job| job.key == key);
        let steps = view.iter().flat_map(|job| &job.steps);
        let step = leg.from.as_ref().and_then(|from| {
            let mut steps = steps.filter(|step| step.path == *from);
            steps.next().map(|step| step.name.clone())
        });
        Ok(RetriedJob {
            name: view.map_or_else(|| key.0.clone(), |job| job.name.to_owned()),
            from: leg.from.clone(),
            step,
            workspace,
            key,
        })
    }
}

/// The step at which a leg would go on if nothing were said.
fn failed_at(run: &Run, key: &JobKey) -> Option<StepPath> {
    let failed = run.wished(&Wish::Failed).ok()?;
    failed.into_iter().find(|leg| leg.key == *key)?.from
}

fn refused(refusal: cutover_engine::Refusal) -> Error {
    Error::Refused(refusal.0)
}
