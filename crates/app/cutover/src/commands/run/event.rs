//! What a run is told from the command line: the event as somebody else recorded it, and variables.

use anyhow::{Context as _, bail};
use camino::Utf8Path;
use cutover_model::{
    plan::{Plan, Template},
    source::{GitRef, Revision, Trigger, TriggerKind},
};
use serde_json::Value;

use crate::config;

/// Puts what a file says in the place of what git knows, also where the trigger repeats it: filters
/// look there.
pub(crate) fn from_file(trigger: &mut Trigger, file: &Utf8Path) -> anyhow::Result<()> {
    let what = "what the event says (`github.event`), a JSON object";
    let text = config::file("--event-file", file, what)?;
    let payload: Value = serde_json::from_str(&text)
        .with_context(|| format!("the event in `{file}` is not JSON"))?;
    if !payload.is_object() {
        bail!("the event in `{file}` is not an object");
    }
    let at = |path: &str| payload.pointer(path).and_then(Value::as_str);
    match trigger.kind {
        TriggerKind::Push => {
            if let Some(name) = at("/ref") {
                trigger.git_ref = GitRef(name.to_owned());
            }
            trigger.before = at("/before").map(|id| Revision(id.to_owned()));
        }
        TriggerKind::PullRequest | TriggerKind::PullRequestTarget => {
            if let Some(base) = at("/pull_request/base/ref") {
                trigger.base_ref = Some(base.to_owned());
            }
            if let Some(head) = at("/pull_request/head/ref") {
                trigger.head_ref = Some(head.to_owned());
            }
            let number = payload.pointer("/number").and_then(Value::as_u64);
            if trigger.kind == TriggerKind::PullRequestTarget {
                if let Some(base) = &trigger.base_ref {
                    trigger.git_ref = GitRef(format!("refs/heads/{base}"));
                }
            } else if let Some(number) = number {
                trigger.git_ref = GitRef(format!("refs/pull/{number}/merge"));
            }
        }
        TriggerKind::WorkflowDispatch => {
            if let Some(name) = at("/ref") {
                trigger.git_ref = GitRef(name.to_owned());
            }
            // What was said by hand is meant.
            let said = std::mem::take(&mut trigger.inputs);
            if let Some(Value::Object(inputs)) = payload.pointer("/inputs") {
                trigger.inputs.extend(inputs.clone());
            }
            trigger.inputs.extend(said);
        }
        TriggerKind::RepositoryDispatch
        | TriggerKind::Schedule
        | TriggerKind::WorkflowRun
        | TriggerKind::Other(_) => {}
    }
    if let Some(name) = at("/repository/full_name") {
        name.clone_into(&mut trigger.repository);
    }
    trigger.payload = payload;
    Ok(())
}

/// Adds variables below those of the workflow: what it says itself holds.
pub(super) fn environment(plan: &mut Plan, variables: &[(String, String)]) {
    let given = variables.iter().map(|(name, value)| {
        // A value is what it is, also when it looks like an expression.
        let text = value.replace("${{", "${{ '${{' }}");
        (name.clone(), Template::plain(text))
    });
    plan.env.splice(0..0, given);
}

#[cfg(test)]
pub(super) mod tests {
    use std::collections::BTreeMap;

    use camino::Utf8PathBuf;
    use cutover_model::source::Trust;
    use serde_json::json;

    use super::*;

    /// A push, of which nothing else is said.
    pub(in super::super) fn push() -> Trigger {
        Trigger {
            kind: TriggerKind::Push,
            repository: "local/x".to_owned(),
            git_ref: GitRef("refs/heads/main".to_owned()),
            revision: Revision("0".repeat(40)),
            before: None,
            actor: "ada".to_owned(),
            base_ref: None,
            head_ref: None,
            changed_paths: None,
            inputs: BTreeMap::new(),
            payload: json!({}),
            trust: Trust::Trusted,
        }
    }

    #[test]
    fn a_recorded_event_also_moves_what_filters_look_at() {
        let mut trigger = Trigger {
            kind: TriggerKind::PullRequest,
            git_ref: GitRef("refs/pull/1/merge".to_owned()),
            base_ref: Some("main".to_owned()),
            ..push()
        };
        let place = tempfile::tempdir().unwrap();
        let file = Utf8PathBuf::from_path_buf(place.path().join("event.json")).unwrap();
        let event = json!({
            "action": "labeled", "number": 7, "repository": { "full_name": "ada/hello" },
            "pull_request": { "base": { "ref": "release" }, "head": { "ref": "fix" } },
        });
        std::fs::write(&file, event.to_string()).unwrap();
        from_file(&mut trigger, &file).unwrap();
        assert_eq!(trigger.base_ref.as_deref(), Some("release"));
        assert_eq!(trigger.head_ref.as_deref(), Some("fix"));
        assert_eq!(trigger.git_ref.0, "refs/pull/7/merge");
        assert_eq!(trigger.repository, "ada/hello");
        assert_eq!(trigger.payload["action"], "labeled");
        std::fs::write(&file, "[]").unwrap();
        let refused = from_file(&mut trigger, &file).unwrap_err().to_string();
        assert!(refused.contains("not an object"), "{refused}");
    }
}
