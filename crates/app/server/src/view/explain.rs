//! Why jobs and steps of a run did or did not run, as lines for people.

use cutover_engine::explain::{Explanation, explain};
use cutover_model::{
    RunId,
    run::{JobKey, StepPath},
};
use cutover_store::Store;

use crate::{Control, Error};

/// What is asked about: all jobs; or one job, or leg, with its steps; or one step of it.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// A job's id, the key of a leg, or the name that people see.
    pub job: Option<String>,
    /// A step by its place.
    pub step: Option<StepPath>,
}

impl Control {
    /// Why things did or did not run.
    pub async fn explain(&self, id: &RunId, about: &About) -> Result<Vec<Explanation>, Error> {
        about.explain(self.store(), id).await
    }
}

impl About {
    pub(crate) async fn explain(
        &self,
        store: &Store,
        id: &RunId,
    ) -> Result<Vec<Explanation>, Error> {
        let events = store.read_run(id).await?;
        let found = explain(&events, |job, step| self.is_about(job, step));
        if found.is_empty() && (self.job.is_some() || self.step.is_some()) {
            let message =
                "nothing has been decided about that yet, or there is no such job or step";
            return Err(Error::NotFound(message.to_owned()));
        }
        Ok(found)
    }

    fn is_about(&self, job: &str, step: Option<&StepPath>) -> bool {
        let Some(wanted) = &self.job else {
            // All steps of all jobs are too much at once.
            return step.is_none();
        };
        let key = JobKey(job.to_owned());
        // People see `package / build`; its key is `package.build`.
        let said = wanted.replace(" / ", ".");
        let is_job = said == job || said == key.job();
        let is_step = self.step.is_none() || self.step.as_ref() == step;
        is_job && is_step
    }
}

/// As text, one paragraph each.
pub fn text(explanations: &[Explanation]) -> String {
    let paragraphs: Vec<String> = explanations.iter().map(paragraph).collect();
    paragraphs.join("\n")
}

fn paragraph(one: &Explanation) -> String {
    let what = match &one.step {
        Some(step) => format!("{} step {step} `{}`", one.job, one.name),
        None => format!("{} `{}`", one.job, one.name),
    };
    let mut lines = vec![format!("{what}: {}", one.decided)];
    if let Some(reason) = &one.reason {
        lines.push(format!("  because {reason}"));
    }
    if !one.needs.is_empty() {
        let needs = one.needs.iter();
        let needs: Vec<String> = needs.map(|(job, end)| format!("{job} = {end}")).collect();
        lines.push(format!("  needs: {}", needs.join(", ")));
    }
    lines.push(format!("  what went before it: {}", one.status));
    match &one.condition {
        None => lines.push("  no `if`: it runs when what went before it succeeded".to_owned()),
        Some(looked) => {
            lines.push(format!("  if: {}  ({})", looked.text, looked.at));
            if looked.implied_success {
                lines.push(format!(
                    "    success() = {}  (it is put in front, since no other status is asked for)",
                    one.status == "success"
                ));
            }
            for part in &looked.parts {
                let indent = "  ".repeat(part.depth + 2);
                lines.push(format!("{indent}{} = {}", part.text, part.value));
            }
        }
    }
    lines.push(String::new());
    lines.join("\n")
}
