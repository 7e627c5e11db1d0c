//! The trigger that a working tree stands for: what would be heard of it if it were pushed, or if
//! something else happened to it.

use std::collections::BTreeMap;

use cutover_dialect as dialect;
use cutover_model::source::{GitRef, Revision, Trigger, TriggerKind, Trust};
use cutover_server::payload::{Happened, Scene};
use serde_json::json;

use super::super::tree::Tree;
use crate::config;

/// What is said about it on the command line.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Said<'a> {
    /// The event; without one, push, else the first that the workflow wants.
    pub(crate) event: Option<TriggerKind>,
    /// The branch or tag instead of the one that is checked out.
    pub(crate) git_ref: Option<&'a str>,
    /// Who did it.
    pub(crate) actor: Option<&'a str>,
    /// The inputs.
    pub(crate) inputs: &'a [(String, String)],
}

/// The trigger for a workflow.
pub(crate) fn trigger(tree: &Tree, path: &str, said: Said<'_>) -> Trigger {
    let event = said.event.unwrap_or_else(|| {
        let mut all = TriggerKind::all();
        all.find(|event| {
            let trigger = one(tree, path, *event, said);
            dialect::triggered_by(&tree.files, path, &trigger) == dialect::Triggered::Yes
        })
        .unwrap_or(TriggerKind::Push)
    });
    one(tree, path, event, said)
}

/// The type of a pull request that starts most workflows.
const OPENED: &str = "opened";

fn one(tree: &Tree, path: &str, kind: TriggerKind, said: Said<'_>) -> Trigger {
    let revision = tree
        .head
        .clone()
        .unwrap_or_else(|| Revision("0".repeat(40)));
    let name = tree.root.file_name().unwrap_or("repository");
    let actor = said.actor.map_or_else(config::user, ToOwned::to_owned);
    // Many a condition asks whether this is the repository itself, and not a fork of it.
    let here = || format!("local/{name}");
    let repository = tree.origin.clone().unwrap_or_else(here);
    let pushed = pushed_ref(tree, said.git_ref);
    let default_branch = tree.default_branch.as_str();
    let branch = pushed.branch().unwrap_or(default_branch).to_owned();
    let git_ref = match kind {
        TriggerKind::PullRequest => GitRef("refs/pull/1/merge".to_owned()),
        TriggerKind::PullRequestTarget => GitRef(format!("refs/heads/{default_branch}")),
        _ => pushed,
    };
    let inputs: BTreeMap<String, serde_json::Value> = said
        .inputs
        .iter()
        .map(|(name, value)| (name.clone(), json!(value)))
        .collect();
    let before = tree.told.as_ref().and_then(|told| told.parents.first());
    let before = before.filter(|_| git_ref.branch().is_some()).cloned();
    let scene = Scene {
        repository: &repository,
        default_branch,
        actor: &actor,
        server: "",
    };
    let told = tree.told.as_slice();
    let named = || dialect::named(&tree.files, path, kind);
    let payload = match kind {
        TriggerKind::Push => scene.push(&git_ref, before.as_ref(), &revision, false, told),
        TriggerKind::PullRequest | TriggerKind::PullRequestTarget => {
            let named = named();
            let is_usual = named.types.is_empty() || named.types.iter().any(|it| it == OPENED);
            let action = named.types.first().filter(|_| !is_usual);
            let action = action.map_or(OPENED, String::as_str);
            let branches = [branch.as_str(), default_branch];
            let base = tree.default_tip.as_ref();
            scene.pull_request(action, 1, branches, told.first(), base)
        }
        TriggerKind::WorkflowDispatch => scene.workflow_dispatch(&git_ref, path, json!(inputs)),
        TriggerKind::Schedule => match dialect::schedules(&tree.files, path).first() {
            Some(time) => scene.schedule(&time.cron, path),
            None => scene.bare(),
        },
        TriggerKind::Other(_) if matches!(kind.event_name(), "create" | "delete") => {
            scene.create_or_delete(&git_ref)
        }
        TriggerKind::RepositoryDispatch | TriggerKind::WorkflowRun | TriggerKind::Other(_) => {
            let named = named();
            scene.other(Happened {
                event: kind.event_name(),
                action: named.types.first().map(String::as_str),
                workflow: named.workflows.first().map(String::as_str),
                git_ref: &git_ref,
                head: told.first(),
                base: tree.default_tip.as_ref(),
            })
        }
    };
    let pulls = kind.is_pull_request();
    Trigger {
        kind,
        payload,
        git_ref,
        revision,
        before: before.filter(|_| kind == TriggerKind::Push),
        actor,
        base_ref: pulls.then(|| default_branch.to_owned()),
        head_ref: pulls.then(|| branch.clone()),
        changed_paths: tree.changed_paths.clone(),
        inputs,
        repository,
        // Whoever sits at the keyboard could run anything here anyway.
        trust: Trust::Trusted,
    }
}

/// A full ref, a branch's name, or the branch that is checked out.
fn pushed_ref(tree: &Tree, said: Option<&str>) -> GitRef {
    match said {
        Some(full) if full.starts_with("refs/") => GitRef(full.to_owned()),
        Some(branch) => GitRef(format!("refs/heads/{branch}")),
        None => {
            let branch = tree.branch.as_deref().unwrap_or(&tree.default_branch);
            GitRef(format!("refs/heads/{branch}"))
        }
    }
}
