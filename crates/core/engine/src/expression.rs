//! The seam to the expression language: texts of the plan, evaluated at a place of a run.

use cutover_expr::{Contexts, JobStatus, template};
use cutover_model::{
    plan::{Expression, Template},
    run::Outcome,
};

use crate::{
    Fault, call,
    condition::{self, Status},
    contexts::CONTEXTS,
    scope::Scope,
};

impl Contexts for Scope<'_> {
    fn get(&self, name: &str) -> Option<cutover_expr::Value> {
        self.context(&name.to_ascii_lowercase()).map(Into::into)
    }

    fn knows(&self, name: &str) -> bool {
        CONTEXTS.contains(&name.to_ascii_lowercase().as_str())
    }

    fn status(&self) -> JobStatus {
        match self.status {
            Status::Success => JobStatus::Success,
            Status::Failure => JobStatus::Failure,
            Status::Skipped => JobStatus::Skipped,
            Status::Cancelled => JobStatus::Cancelled,
        }
    }

    fn status_of(&self, job: &str) -> Option<JobStatus> {
        let mut needs = self.spec?.needs.iter();
        let need = needs.find(|need| call::own_id(need) == job)?;
        let conclusion = condition::conclusion(self.run, need)?;
        Some(match conclusion {
            Outcome::Succeeded => JobStatus::Success,
            Outcome::Skipped => JobStatus::Skipped,
            Outcome::Cancelled | Outcome::TimedOut | Outcome::Superseded => JobStatus::Cancelled,
            Outcome::Failed | Outcome::Faulted | Outcome::RolledBack => JobStatus::Failure,
        })
    }

    fn hash_files(&self, patterns: &[String]) -> Result<String, String> {
        match self.given {
            Some(given) => (given.hash_files)(patterns),
            None => self.known_hash(patterns),
        }
    }
}

/// Whether an `if:` holds.
pub(crate) fn condition(
    scope: &Scope<'_>,
    condition: &Expression,
    file: &str,
) -> Result<bool, Fault> {
    cutover_expr::condition(&condition.text, scope)
        .map_err(|error| Fault::new(file, condition.at, error.to_string()))
}

/// A text with its expressions replaced.
pub(crate) fn text(scope: &Scope<'_>, text: &Template, file: &str) -> Result<String, Fault> {
    template::evaluate(&text.text, scope).map_err(|error| Fault::of(file, text, error.to_string()))
}

/// The value of a text that is one expression; else the text, as YAML would read it.
pub(crate) fn json(
    scope: &Scope<'_>,
    text: &Template,
    file: &str,
) -> Result<serde_json::Value, Fault> {
    template::evaluate_value(&text.text, scope)
        .map(|value| value.to_json())
        .map_err(|error| Fault::of(file, text, error.to_string()))
}
