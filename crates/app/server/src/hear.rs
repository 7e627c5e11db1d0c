//! A trigger meets the workflows of its revision: which ones run, which ones do not and why.

use std::collections::BTreeMap;

use cutover_dialect::{self as dialect, SourceTree, Triggered};
use cutover_engine::Input;
use cutover_forge::{RefUpdate, Repository};
use cutover_model::{
    Diagnostic, Position, RunId, Severity,
    plan::{JobSpec, Plan, StepBody, StepSpec, Template},
    source::{Trigger, TriggerKind, Trust},
};
use cutover_store::RunFilter;
use serde_json::json;

use crate::{Control, Error, Understanding};

/// What a trigger led to.
#[derive(Debug, Default)]
pub struct Heard {
    /// Runs that were created.
    pub runs: Vec<Started>,
    /// Workflows that do not want this trigger, each with why.
    pub passed_over: Vec<(String, String)>,
}

/// A run that was created.
#[derive(Debug, Clone)]
pub struct Started {
    /// Its id.
    pub run: RunId,
    /// The number people say aloud.
    pub number: u64,
    /// The workflow's name.
    pub name: String,
    /// Why it cannot be done, when its workflow is wrong.
    pub diagnostics: Vec<Diagnostic>,
}

impl Control {
    /// Starts every workflow of the sources that wants this trigger. A workflow that is wrong
    /// becomes a run too, one that ends at once and says where the file is wrong: a push must not
    /// vanish because of a slip.
    pub async fn hear(&self, tree: &SourceTree, trigger: &Trigger) -> Result<Heard, Error> {
        self.hear_all_but(&[], tree, trigger).await
    }

    async fn hear_all_but(
        &self,
        started: &[String],
        tree: &SourceTree,
        trigger: &Trigger,
    ) -> Result<Heard, Error> {
        let mut heard = Heard::default();
        for path in dialect::workflows(tree) {
            if started.contains(&path) {
                continue;
            }
            match dialect::triggered_by(tree, &path, trigger) {
                Triggered::Yes => {
                    let reach = Understanding::reach_of(trigger);
                    let compiled = Understanding::new(self.actions(), tree, reach)
                        .compile(&path, trigger, dialect::Options::default())
                        .await;
                    let started = match compiled.plan {
                        Some(plan) => self.start_run(plan, trigger.clone()).await?,
                        None => {
                            self.start_refused(&path, compiled.diagnostics, trigger)
                                .await?
                        }
                    };
                    heard.runs.push(started);
                }
                Triggered::No(reason) => heard.passed_over.push((path, reason)),
                Triggered::Invalid(diagnostics) => {
                    heard
                        .runs
                        .push(self.start_refused(&path, diagnostics, trigger).await?);
                }
            }
        }
        Ok(heard)
    }

    /// Creates a run of a plan.
    pub async fn start_run(&self, plan: Plan, trigger: Trigger) -> Result<Started, Error> {
        let run = self.new_run_id();
        let number = self.store().next_run_number(&trigger.repository).await?;
        let name = plan.name.clone();
        let driven = self.drive_run(&run).await?;
        let create = Input::Create {
            run: run.clone(),
            number,
            plan: Box::new(plan),
            trigger: Box::new(trigger),
            vars: self.options().vars.clone(),
            secrets: self.options().secrets.keys().cloned().collect(),
        };
        driven.mailbox.command(create).await?;
        Ok(Started {
            run,
            number,
            name,
            diagnostics: Vec::new(),
        })
    }

    async fn start_refused(
        &self,
        path: &str,
        diagnostics: Vec<Diagnostic>,
        trigger: &Trigger,
    ) -> Result<Started, Error> {
        let started = self
            .start_run(refused(path, &diagnostics), trigger.clone())
            .await?;
        Ok(Started {
            diagnostics,
            ..started
        })
    }

    /// Pushes that were taken and not acted upon before we ended: they must not be forgotten. What
    /// has led to a run already is not heard twice.
    pub(crate) async fn hear_forgotten_pushes(&self) -> Result<(), Error> {
        for name in self.host().list()? {
            // One repository that is damaged must not keep the others, and the server, from going on.
            if let Err(error) = self.hear_forgotten_pushes_of(&name).await {
                tracing::error!(%error, repository = name, "forgotten pushes were not heard");
            }
        }
        Ok(())
    }

    async fn hear_forgotten_pushes_of(&self, name: &str) -> Result<(), Error> {
        let filter = RunFilter {
            repository: Some(name.to_owned()),
            ..RunFilter::default()
        };
        for update in self.host().unacknowledged(name).await? {
            let runs = self.store().runs(&filter).await?.into_iter();
            let started: Vec<String> = runs
                .filter(|row| {
                    row.git_ref == update.git_ref && Some(&row.revision) == update.after.as_ref()
                })
                .map(|row| row.workflow)
                .collect();
            self.hear_push_but(&started, name, "unknown", &update)
                .await?;
            self.host().acknowledge(name, &[update]).await?;
        }
        Ok(())
    }

    /// What a push to a hosted repository leads to.
    pub async fn hear_push(
        &self,
        name: &str,
        actor: &str,
        update: &RefUpdate,
    ) -> Result<Heard, Error> {
        self.hear_push_but(&[], name, actor, update).await
    }

    /// The same, but for the workflows that it has started already.
    async fn hear_push_but(
        &self,
        started: &[String],
        name: &str,
        actor: &str,
        update: &RefUpdate,
    ) -> Result<Heard, Error> {
        let Some(after) = update.after.clone() else {
            return Ok(Heard::default());
        };
        let repository = self.host().repository(name)?;
        let revision = after;
        let tree = tree_of(&repository, &revision).await?;
        let changed_paths = match &update.before {
            Some(before) => repository.changed_paths(before, &revision).await?,
            None => None,
        };
        let trigger = Trigger {
            kind: TriggerKind::Push,
            repository: name.to_owned(),
            payload: json!({
                "ref": update.git_ref.0, "before": update.before, "after": revision,
                "created": update.before.is_none(), "deleted": false,
                "pusher": { "name": actor },
                "repository": { "full_name": name, "name": name.rsplit('/').next() },
            }),
            git_ref: update.git_ref.clone(),
            revision,
            before: update.before.clone(),
            actor: actor.to_owned(),
            base_ref: None,
            head_ref: None,
            changed_paths,
            inputs: BTreeMap::new(),
            // Whoever pushes here has shown a token of this server.
            trust: Trust::Trusted,
        };
        self.hear_all_but(started, &tree, &trigger).await
    }
}

/// The files of a revision that compiling needs.
pub(crate) async fn tree_of(
    repository: &Repository,
    revision: &cutover_model::source::Revision,
) -> Result<SourceTree, Error> {
    let mut tree = SourceTree::default();
    for (path, bytes) in repository.tree(revision).await? {
        tree.insert(path, bytes);
    }
    Ok(tree)
}

/// A plan that says what is wrong with the workflow, as its only step.
fn refused(path: &str, diagnostics: &[Diagnostic]) -> Plan {
    let errors: Vec<&Diagnostic> = diagnostics
        .iter()
        .filter(|one| one.severity == Severity::Error)
        .collect();
    let message = errors
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    let at = errors
        .first()
        .map_or_else(Position::default, |first| first.at);
    let step = StepSpec {
        name: Some(Template::plain("compile the workflow")),
        at,
        ..StepSpec::new(StepBody::Lacking {
            uses: path.to_owned(),
            message,
        })
    };
    let job = JobSpec {
        runs_on: vec![Template::plain("local")],
        at,
        ..JobSpec::new("workflow", vec![step])
    };
    Plan {
        jobs: vec![job],
        ..Plan::new(path)
    }
}
