//! `workflow_run`: a run that begins or ends starts workflows of the default branch that wait for it.

use std::collections::BTreeMap;

use cutover_dialect as dialect;
use cutover_engine::Run;
use cutover_model::{
    RunId,
    run::Outcome,
    source::{GitRef, Trigger, TriggerKind, Trust},
};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::{Control, Error, Sources, hear::tree_of};

/// How many runs may follow each other in this way; as on the hosted service.
const MAX_CHAIN: usize = 3;

impl Control {
    /// Tells the workflows that wait for a run what has become of it. It may be told twice: each follows
    /// once.
    ///
    /// What follows may be followed itself, so that the future has to be of a kind that is known.
    pub(crate) fn tell_workflows<'a>(
        &'a self,
        run: &'a Run,
        action: &'static str,
    ) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            if let Sources::WorkingTree(_) = self.options().sources {
                return;
            }
            if let Err(error) = self.try_tell_workflows(run, action).await {
                tracing::error!(%error, "workflows that wait for a run were not told");
            }
        })
    }

    async fn try_tell_workflows(&self, run: &Run, action: &str) -> Result<(), Error> {
        let (Some(id), Some(before)) = (run.id(), run.trigger()) else {
            return Ok(());
        };
        let name = &before.repository;
        let Some(head) = self.head_of(name).await? else {
            return Ok(());
        };
        let repository = self.host().repository(name)?;
        let tree = tree_of(&repository, &head.revision).await?;
        let scene = self.scene(name, &before.actor, &head.branch);
        let trigger = Trigger {
            kind: TriggerKind::WorkflowRun,
            repository: name.clone(),
            payload: scene.workflow_run(action, &told(self, run)),
            git_ref: GitRef(format!("refs/heads/{}", head.branch)),
            revision: head.revision,
            before: None,
            actor: before.actor.clone(),
            base_ref: None,
            head_ref: None,
            changed_paths: None,
            inputs: BTreeMap::new(),
            trust: trust(run),
        };
        for path in dialect::workflows(&tree) {
            if dialect::triggered_by(&tree, &path, &trigger) != dialect::Triggered::Yes {
                continue;
            }
            if self.depth(before).await? >= MAX_CHAIN {
                tracing::warn!(
                    workflow = path,
                    "does not follow: {MAX_CHAIN} runs have already"
                );
                continue;
            }
            let follower = RunId::derived(&["workflow_run", id.as_str(), &path, action]);
            self.start_once(&follower, &tree, &path, &trigger).await?;
        }
        Ok(())
    }

    /// How many runs came one after the other before this one.
    async fn depth(&self, trigger: &Trigger) -> Result<usize, Error> {
        let mut depth = 0;
        let mut trigger = trigger.clone();
        while trigger.kind == TriggerKind::WorkflowRun && depth < MAX_CHAIN {
            depth += 1;
            let id = trigger.payload["workflow_run"]["id"].as_str();
            let Some(id) = id.and_then(|id| id.parse::<RunId>().ok()) else {
                break;
            };
            match self.run(&id).await?.trigger() {
                Some(before) => trigger = before.clone(),
                None => break,
            }
        }
        Ok(depth)
    }
}

/// Whoever follows an untrusted run works with what that has left.
fn trust(run: &Run) -> Trust {
    if run.may_see_secrets() {
        Trust::Trusted
    } else {
        Trust::Untrusted("the run that it follows may not see secrets".to_owned())
    }
}

/// `github.event.workflow_run`.
fn told(control: &Control, run: &Run) -> Value {
    let (Some(id), Some(trigger), Some(plan)) = (run.id(), run.trigger(), run.plan()) else {
        return json!({});
    };
    let outcome = run.state().outcome();
    let conclusion = outcome.map(Outcome::github_word);
    let head = trigger.head_ref.as_deref();
    let head_commit = &trigger.payload["head_commit"];
    let message = head_commit["message"].as_str();
    let message = message.and_then(|text| text.lines().next());
    let title = match (&plan.run_name, message) {
        (None, Some(message)) => message,
        _ => run.title(),
    };
    json!({
        "id": id, "name": plan.name, "path": plan.path,
        "display_title": title, "run_number": run.number(), "run_attempt": run.attempt(),
        "event": trigger.kind.event_name(),
        "status": if outcome.is_some() { "completed" } else { "in_progress" },
        "conclusion": conclusion,
        "head_branch": head.unwrap_or_else(|| trigger.git_ref.short()),
        "head_sha": trigger.revision, "head_commit": head_commit,
        "actor": { "login": trigger.actor }, "triggering_actor": { "login": trigger.actor },
        "repository": { "full_name": trigger.repository },
        "head_repository": { "full_name": trigger.repository },
        "pull_requests": [],
        "created_at": run.created_at().map(|at| at.to_string()),
        "html_url": control.link(&format!("/runs/{id}")),
    })
}
