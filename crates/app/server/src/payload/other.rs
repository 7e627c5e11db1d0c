//! Events that nobody but GitHub has, as far as git knows something about them: a release is of a tag, a
//! finished workflow was of a commit. Titles, comments and numbers nobody here knows are not made up.

use cutover_forge::Told;
use cutover_model::source::{GitRef, Revision};
use serde_json::{Value, json};

use super::Scene;

/// What happened, and to what.
#[derive(Debug, Clone, Copy)]
pub struct Happened<'a> {
    /// The name of the event.
    pub event: &'a str,
    /// Of which type; what is usual when absent.
    pub action: Option<&'a str>,
    /// The name of the workflow that has ended, of `workflow_run`.
    pub workflow: Option<&'a str>,
    /// The branch or the tag.
    pub git_ref: &'a GitRef,
    /// The commit that it is of, when there is one.
    pub head: Option<&'a Told>,
    /// Where the default branch is now.
    pub base: Option<&'a Revision>,
}

impl Scene<'_> {
    /// Any event, with its type and what git knows of it.
    pub fn other(&self, happened: Happened<'_>) -> Value {
        let Happened { event, head, .. } = happened;
        let sha = head.map(|told| &told.id);
        let action = happened.action.or_else(|| usual(event));
        let branch = happened.git_ref.short();
        let mut own = match event {
            "release" => json!({ "release": self.release(happened.git_ref.tag(), head) }),
            "merge_group" => json!({ "merge_group": self.group(happened) }),
            "workflow_run" => {
                let run = self.finished(happened);
                let workflow = json!({ "name": run["name"], "path": null, "state": "active" });
                json!({ "workflow_run": run, "workflow": workflow })
            }
            "repository_dispatch" => {
                json!({ "branch": self.default_branch, "client_payload": {} })
            }
            "check_run" | "check_suite" => {
                let suite = json!({
                    "head_sha": sha, "head_branch": branch, "status": "completed",
                    "conclusion": "success", "pull_requests": [],
                });
                json!({ event: suite })
            }
            "deployment" | "deployment_status" => json!({
                "deployment": { "sha": sha, "ref": branch, "task": "deploy", "payload": {} },
                "deployment_status": (event == "deployment_status").then(|| json!({ "state": "success" })),
            }),
            "status" => json!({
                "sha": sha, "state": "success", "context": "default", "description": null,
                "branches": [{ "name": branch, "commit": { "sha": sha } }],
                "commit": { "sha": sha, "commit": head.map(|told| self.commit(told)) },
            }),
            "pull_request_review" | "pull_request_review_comment" | "pull_request_comment" => {
                let branches = [branch, self.default_branch];
                json!({ "pull_request": self.pull(1, branches, head, happened.base) })
            }
            _ => json!({}),
        };
        if let Some(action) = action {
            own["action"] = json!(action);
        }
        self.with(own)
    }

    fn release(&self, tag: Option<&str>, head: Option<&Told>) -> Value {
        let at = head.map(|told| &told.at);
        let link = tag.map(|tag| self.link(&format!("/releases/tag/{tag}")));
        json!({
            "tag_name": tag, "name": tag, "body": "", "target_commitish": self.default_branch,
            "draft": false, "prerelease": false, "created_at": at, "published_at": at,
            "author": self.user(), "assets": [],
            "html_url": link,
        })
    }

    fn group(&self, happened: Happened<'_>) -> Value {
        let into = format!("refs/heads/{}", self.default_branch);
        let base = happened.base;
        let base = base.or_else(|| happened.head.and_then(|told| told.parents.first()));
        json!({
            "head_sha": happened.head.map(|told| &told.id), "head_ref": happened.git_ref.0,
            "base_sha": base, "base_ref": into,
            "head_commit": happened.head.map(|told| self.commit(told)),
        })
    }

    /// A run that went well, of the commit that is there.
    fn finished(&self, happened: Happened<'_>) -> Value {
        let title = happened.head.and_then(|told| told.message.lines().next());
        json!({
            "name": happened.workflow, "display_title": title, "event": "push",
            "status": "completed", "conclusion": "success", "run_number": 1, "run_attempt": 1,
            "head_branch": happened.git_ref.short(), "head_sha": happened.head.map(|told| &told.id),
            "head_commit": happened.head.map(|told| self.commit(told)),
            "repository": self.repository(), "head_repository": self.repository(),
            "actor": self.user(), "triggering_actor": self.user(), "pull_requests": [],
        })
    }
}

/// The type that most workflows mean, of an event that has types.
fn usual(event: &str) -> Option<&'static str> {
    Some(match event {
        "issues" | "pull_request" | "pull_request_target" => "opened",
        "pull_request_review" => "submitted",
        "release" | "registry_package" => "published",
        "merge_group" => "checks_requested",
        "check_suite" | "check_run" | "workflow_run" => "completed",
        "watch" => "started",
        "branch_protection_rule"
        | "discussion"
        | "discussion_comment"
        | "image_version"
        | "issue_comment"
        | "label"
        | "milestone"
        | "project"
        | "project_card"
        | "project_column"
        | "pull_request_comment"
        | "pull_request_review_comment" => "created",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_git_knows_of_an_event_is_told() {
        let scene = Scene {
            repository: "ada/hello",
            default_branch: "trunk",
            actor: "ada",
            server: "http://here",
        };
        let tag = GitRef("refs/tags/v2".to_owned());
        let tip = Revision("f".repeat(40));
        let other = |event, action| {
            scene.other(Happened {
                event,
                action,
                workflow: Some("CI"),
                git_ref: &tag,
                head: None,
                base: Some(&tip),
            })
        };
        let release = other("release", None);
        assert_eq!(release["action"], "published");
        assert_eq!(release["release"]["tag_name"], "v2");
        let ran = other("workflow_run", Some("requested"));
        assert_eq!(ran["action"], "requested");
        assert_eq!(ran["workflow_run"]["name"], "CI");
        assert_eq!(ran["workflow_run"]["conclusion"], "success");
        let group = other("merge_group", None);
        assert_eq!(group["merge_group"]["base_ref"], "refs/heads/trunk");
        assert_eq!(group["merge_group"]["base_sha"], tip.0);
        assert_eq!(other("issues", None)["action"], "opened");
        let fork = other("fork", None);
        assert_eq!(fork.get("action"), None);
        assert_eq!(fork["repository"]["default_branch"], "trunk");
    }
}
