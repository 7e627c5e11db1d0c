//! Who asks for a run by name: a workflow with its inputs, or whatever listens to a word.

use std::collections::BTreeMap;

use axum::{Extension, Json, extract::State};
use cutover_dialect as dialect;
use cutover_forge::Repository;
use cutover_model::{
    Severity,
    source::{GitRef, Revision, Trigger, TriggerKind, Trust},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{api::Answered, auth::User};
use crate::{Control, Error, Understanding};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dispatch {
    repository: String,
    workflow: String,
    #[serde(rename = "ref")]
    git_ref: String,
    #[serde(default)]
    inputs: BTreeMap<String, Value>,
}

/// `workflow_dispatch`: a person asks for one workflow.
pub(super) async fn workflow(
    State(control): State<Control>,
    Extension(User(user)): Extension<User>,
    Json(wanted): Json<Dispatch>,
) -> Answered {
    let repository = find_repository(&control, &wanted.repository)?;
    let (revision, git_ref) = match repository.find(&wanted.git_ref).await {
        Err(cutover_forge::Error::Revision(said)) => {
            return Err(no_revision(&repository, &wanted.repository, &said)
                .await
                .into());
        }
        found => found?,
    };
    let tree = crate::hear::tree_of(&repository, &revision).await?;
    let path = workflow_path(&tree, &wanted.workflow)?;
    let default_branch = control.default_branch(&repository).await?;
    let scene = control.scene(&wanted.repository, &user, &default_branch);
    let inputs = serde_json::to_value(&wanted.inputs).unwrap_or_default();
    let payload = scene.workflow_dispatch(&git_ref, &path, inputs);
    let asked = Asked {
        kind: TriggerKind::WorkflowDispatch,
        repository: wanted.repository,
        user,
        payload,
    };
    let mut trigger = asked.trigger(revision, git_ref);
    trigger.inputs = wanted.inputs;
    if let dialect::Triggered::No(reason) = dialect::triggered_by(&tree, &path, &trigger) {
        return Err(Error::Refused(reason).into());
    }
    let (inputs, diagnostics) = dialect::inputs(&tree, &path, &trigger);
    if diagnostics
        .iter()
        .any(|one| one.severity == Severity::Error)
    {
        return Err(Error::Invalid(diagnostics).into());
    }
    trigger.take_inputs(inputs);
    let reach = Understanding::reach_of(&trigger);
    let compiled = Understanding::new(control.actions(), &tree, reach)
        .compile(&path, &trigger, dialect::Options::default())
        .await;
    let plan = compiled.plan.ok_or(Error::Invalid(compiled.diagnostics))?;
    let started = control.start_run(plan, trigger).await?;
    Ok(Json(
        json!({ "run": started.run, "number": started.number }),
    ))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RepositoryDispatch {
    repository: String,
    event_type: String,
    #[serde(default)]
    client_payload: Value,
}

/// The longest `event_type`, and the most names in `client_payload`; as on the hosted service.
const MAX_TYPE: usize = 100;
const MAX_NAMES: usize = 10;

/// `repository_dispatch`: a program asks for whatever listens to a word, on the default branch.
pub(super) async fn repository(
    State(control): State<Control>,
    Extension(User(user)): Extension<User>,
    Json(wanted): Json<RepositoryDispatch>,
) -> Answered {
    let event_type = wanted.event_type.trim();
    if event_type.is_empty() || event_type.chars().count() > MAX_TYPE {
        let message = format!("`event_type` has 1 to {MAX_TYPE} characters");
        return Err(Error::Malformed(message).into());
    }
    let names = match &wanted.client_payload {
        Value::Null => 0,
        Value::Object(object) => object.len(),
        _ => {
            let message = "`client_payload` must be an object".to_owned();
            return Err(Error::Malformed(message).into());
        }
    };
    if names > MAX_NAMES {
        let message = format!("`client_payload` may have {MAX_NAMES} names, and has {names}");
        return Err(Error::Malformed(message).into());
    }
    let repository = find_repository(&control, &wanted.repository)?;
    let Some(head) = control.head_of(&wanted.repository).await? else {
        let message = format!("`{}` has no commit yet", wanted.repository);
        return Err(Error::Refused(message).into());
    };
    let tree = crate::hear::tree_of(&repository, &head.revision).await?;
    let scene = control.scene(&wanted.repository, &user, &head.branch);
    let payload = scene.repository_dispatch(event_type, &wanted.client_payload);
    let asked = Asked {
        kind: TriggerKind::RepositoryDispatch,
        repository: wanted.repository.clone(),
        user,
        payload,
    };
    let git_ref = GitRef(format!("refs/heads/{}", head.branch));
    let trigger = asked.trigger(head.revision, git_ref);
    let heard = control.hear(&tree, &trigger).await?;
    let runs: Vec<Value> = heard
        .runs
        .iter()
        .map(|run| json!({ "run": run.run, "number": run.number, "name": run.name }))
        .collect();
    let passed_over: Vec<Value> = heard
        .passed_over
        .iter()
        .map(|(workflow, reason)| json!({ "workflow": workflow, "reason": reason }))
        .collect();
    Ok(Json(json!({ "runs": runs, "passed_over": passed_over })))
}

/// Somebody who has shown who they are asks for something.
struct Asked {
    kind: TriggerKind,
    repository: String,
    user: String,
    payload: Value,
}

impl Asked {
    fn trigger(self, revision: Revision, git_ref: GitRef) -> Trigger {
        Trigger {
            kind: self.kind,
            repository: self.repository,
            payload: self.payload,
            git_ref,
            revision,
            before: None,
            actor: self.user,
            base_ref: None,
            head_ref: None,
            changed_paths: None,
            inputs: BTreeMap::new(),
            trust: Trust::Trusted,
        }
    }
}

/// How many names are shown of what there is.
const SHOWN: usize = 20;

/// What there is in the place of what was named: the nearest name, else all of them.
fn there_is(wanted: &str, all: &[&str]) -> String {
    if let Some(nearest) = dialect::nearest(wanted, all.iter().copied()) {
        return format!("did you mean `{nearest}`?");
    }
    match all {
        [] => "there is none".to_owned(),
        _ if all.len() > SHOWN => {
            let (shown, more) = (&all[..SHOWN], all.len() - SHOWN);
            format!("there is `{}`, and {more} more", shown.join("`, `"))
        }
        _ => format!("there is `{}`", all.join("`, `")),
    }
}

fn find_repository(control: &Control, name: &str) -> Result<Repository, Error> {
    match control.host().repository(name) {
        Err(cutover_forge::Error::NoRepository(name)) => {
            let all = control.host().list()?;
            let all: Vec<&str> = all.iter().map(String::as_str).collect();
            Err(Error::NotFound(format!(
                "there is no repository `{name}`: {}",
                there_is(&name, &all)
            )))
        }
        found => Ok(found?),
    }
}

async fn no_revision(repository: &Repository, name: &str, said: &str) -> Error {
    let refs = match repository.refs().await {
        Ok(refs) => refs,
        Err(error) => return error.into(),
    };
    let all: Vec<&str> = refs.keys().map(GitRef::short).collect();
    Error::NotFound(format!(
        "`{name}` has no branch, tag or whole commit id `{said}`: {}",
        there_is(said, &all)
    ))
}

/// A workflow by its path, its file's name, or its file's name without the ending.
fn workflow_path(tree: &dialect::SourceTree, wanted: &str) -> Result<String, Error> {
    let all = dialect::workflows(tree);
    all.iter()
        .find(|path| {
            let name = file_name(path);
            let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
            [path.as_str(), name, stem].contains(&wanted)
        })
        .cloned()
        .ok_or_else(|| {
            let names: Vec<&str> = all.iter().map(|path| file_name(path)).collect();
            Error::NotFound(format!(
                "there is no workflow `{wanted}` at that revision: {}",
                there_is(wanted, &names)
            ))
        })
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_told_with_what_is() {
        assert_eq!(there_is("x", &[]), "there is none");
        assert_eq!(there_is("x", &["main", "v1"]), "there is `main`, `v1`");
        assert_eq!(there_is("mian", &["main", "v1"]), "did you mean `main`?");
        let many: Vec<String> = (0..SHOWN + 2).map(|tag| format!("v{tag}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!(there_is("release", &many).ends_with("`v19`, and 2 more"));
        assert!(there_is("release", &many[..SHOWN]).ends_with("`v19`"));
    }
}
