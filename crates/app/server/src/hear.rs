//! A trigger meets the workflows of its revision: which ones run, which ones do not and why.

use std::collections::BTreeMap;

use cutover_dialect::{self as dialect, SourceTree, Triggered};
use cutover_engine::Input;
use cutover_forge::{RefUpdate, Repository};
use cutover_model::{
    Diagnostic, Position, RunId, Severity,
    plan::{JobSpec, Plan, StepBody, StepSpec, Template},
    source::{GitRef, Revision, Trigger, TriggerKind, Trust},
};
use cutover_store::RunFilter;

use crate::{Control, Error, Sources, Understanding, drive::hooks, past, payload::Scene};

/// What a trigger led to.
#[derive(Debug, Default)]
pub struct Heard {
    /// Runs that were created.
    pub runs: Vec<Started>,
    /// Workflows that do not want this trigger, each with why.
    pub passed_over: Vec<(String, String)>,
}

/// Where a default branch stands.
pub(crate) struct Head {
    pub(crate) branch: String,
    pub(crate) revision: Revision,
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
        let unwanted = dialect::asks_for_nothing(trigger);
        for path in dialect::workflows(tree) {
            if started.contains(&path) {
                continue;
            }
            match dialect::triggered_by(tree, &path, trigger) {
                Triggered::Yes if unwanted.is_some() => {
                    let words = unwanted.unwrap_or_default();
                    let reason = format!("the message of the commit says `{words}`");
                    heard.passed_over.push((path, reason));
                }
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

    /// The branch that everything ends in: the one that a clone gets.
    pub(crate) async fn default_branch(&self, repository: &Repository) -> Result<String, Error> {
        let branch = repository.default_branch().await?;
        Ok(branch.unwrap_or_else(|| "main".to_owned()))
    }

    /// What payloads of this server repeat.
    pub(crate) fn scene<'a>(
        &'a self,
        repository: &'a str,
        actor: &'a str,
        default_branch: &'a str,
    ) -> Scene<'a> {
        Scene {
            repository,
            default_branch,
            actor,
            server: self.options().address.as_deref().unwrap_or_default(),
        }
    }

    /// The branch that everything ends in and where it stands; `None` before the first push.
    pub(crate) async fn head_of(&self, name: &str) -> Result<Option<Head>, Error> {
        let repository = self.host().repository(name)?;
        let branch = self.default_branch(&repository).await?;
        let refs = repository.refs().await?;
        let revision = refs.get(&GitRef(format!("refs/heads/{branch}"))).cloned();
        Ok(revision.map(|revision| Head { branch, revision }))
    }

    /// Starts a workflow under an id of its own, unless that has been done before. A workflow that is
    /// wrong becomes a run that says so.
    pub(crate) async fn start_once(
        &self,
        id: &RunId,
        tree: &SourceTree,
        path: &str,
        trigger: &Trigger,
    ) -> Result<Option<Started>, Error> {
        if self.store().run(id).await?.is_some() {
            return Ok(None);
        }
        let reach = Understanding::reach_of(trigger);
        let compiled = Understanding::new(self.actions(), tree, reach)
            .compile(path, trigger, dialect::Options::default())
            .await;
        let plan = compiled
            .plan
            .unwrap_or_else(|| refused(path, &compiled.diagnostics));
        let started = self.start_run_as(id.clone(), plan, trigger.clone()).await?;
        Ok(Some(started))
    }

    /// Creates a run of a plan.
    pub async fn start_run(&self, plan: Plan, trigger: Trigger) -> Result<Started, Error> {
        self.start_run_as(self.new_run_id(), plan, trigger).await
    }

    async fn start_run_as(
        &self,
        run: RunId,
        mut plan: Plan,
        trigger: Trigger,
    ) -> Result<Started, Error> {
        hooks::put_around(&mut plan, self.base_env());
        let numbers = self.options().numbers.as_ref().unwrap_or(self.store());
        let number = numbers.next_run_number(&trigger.repository).await?;
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
        let (control, state) = (self.clone(), driven.state.borrow().clone());
        self.spawn(async move {
            control.tell_workflows(&state, "requested").await;
            control.tell_workflows(&state, "in_progress").await;
        });
        if let Sources::WorkingTree(_) = self.options().sources {
            self.spawn(past::sweep(self.clone()));
        }
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
        let commits = repository.told(update.before.as_ref(), &revision).await?;
        let default_branch = self.default_branch(&repository).await?;
        let payload = self.scene(name, actor, &default_branch).push(
            &update.git_ref,
            update.before.as_ref(),
            &revision,
            repository.is_forced(update).await?,
            &commits,
        );
        let trigger = Trigger {
            kind: TriggerKind::Push,
            repository: name.to_owned(),
            payload,
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
        let heard = self.hear_all_but(started, &tree, &trigger).await?;
        if update.git_ref.branch() == Some(default_branch.as_str()) {
            self.schedules_moved(name);
        }
        Ok(heard)
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
