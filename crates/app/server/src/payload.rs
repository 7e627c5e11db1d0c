//! `github.event` where nobody supplies it: what git and we know, in the shape in which workflows look at
//! it. Nothing is asked here; what is not known is left out.

mod other;

pub use self::other::Happened;
use cutover_forge::Told;
use cutover_model::source::{GitRef, Revision};
use serde_json::{Map, Value, json};

/// What every payload repeats.
#[derive(Debug, Clone, Copy)]
pub struct Scene<'a> {
    /// `owner/name`.
    pub repository: &'a str,
    /// The branch that everything ends in.
    pub default_branch: &'a str,
    /// Who did it.
    pub actor: &'a str,
    /// Where people find us, without a slash at the end; empty when nowhere.
    pub server: &'a str,
}

/// What stands where there is no commit.
const NOTHING: &str = "0000000000000000000000000000000000000000";

impl Scene<'_> {
    /// What each event has, and what is its own.
    fn with(&self, own: Value) -> Value {
        let mut payload = match own {
            Value::Object(own) => own,
            _ => Map::new(),
        };
        payload.insert("repository".to_owned(), self.repository());
        payload.insert("sender".to_owned(), self.user());
        Value::Object(payload)
    }

    fn user(&self) -> Value {
        json!({ "login": self.actor, "type": "User" })
    }

    fn repository(&self) -> Value {
        let (owner, name) = self
            .repository
            .rsplit_once('/')
            .unwrap_or(("", self.repository));
        json!({
            "name": name,
            "full_name": self.repository,
            "owner": { "login": owner, "name": owner, "type": "User" },
            "default_branch": self.default_branch,
            "master_branch": self.default_branch,
            "html_url": self.link(""),
            "clone_url": format!("{}/git/{}.git", self.server, self.repository),
            "url": self.link(""),
            "private": true,
            "visibility": "private",
            "fork": false,
            "archived": false,
            "disabled": false,
            "is_template": false,
            "description": null,
            "homepage": null,
            "language": null,
            "topics": [],
        })
    }

    fn link(&self, path: &str) -> String {
        format!("{}/{}{path}", self.server, self.repository)
    }

    /// Commits or a tag were pushed; `commits` are those that are new, the oldest first. `forced` says that
    /// what was there before is not among what is there now.
    pub fn push(
        &self,
        git_ref: &GitRef,
        before: Option<&Revision>,
        after: &Revision,
        forced: bool,
        commits: &[Told],
    ) -> Value {
        let old = before.map_or(NOTHING, |before| before.0.as_str());
        let listed: Vec<Value> = commits.iter().map(|one| self.commit(one)).collect();
        let head = match listed.last() {
            Some(last) => last.clone(),
            None => json!({ "id": after }),
        };
        let compare = match before {
            Some(before) => self.link(&format!("/compare/{}...{}", before.0, after.0)),
            None => self.link(&format!("/compare/{}", git_ref.short())),
        };
        self.with(json!({
            "ref": git_ref.0, "before": old, "after": after, "base_ref": null,
            "created": before.is_none(), "deleted": false, "forced": forced,
            "compare": compare,
            // A tag brings no commits of its own.
            "commits": if git_ref.tag().is_some() { Vec::new() } else { listed },
            "head_commit": head,
            "pusher": { "name": self.actor },
        }))
    }

    fn commit(&self, told: &Told) -> Value {
        json!({
            "id": told.id, "tree_id": told.tree, "distinct": true,
            "message": told.message, "timestamp": told.at,
            "url": self.link(&format!("/commit/{}", told.id)),
            "author": { "name": told.author.name, "email": told.author.email },
            "committer": { "name": told.committer.name, "email": told.committer.email },
            "added": told.added, "removed": told.removed, "modified": told.modified,
        })
    }

    /// A branch wants to enter another. `head` is its last commit, when that is known, `base` where the other
    /// one is now.
    pub fn pull_request(
        &self,
        action: &str,
        number: u64,
        branches: [&str; 2],
        head: Option<&Told>,
        base: Option<&Revision>,
    ) -> Value {
        let pull = self.pull(number, branches, head, base);
        self.with(json!({ "action": action, "number": number, "pull_request": pull }))
    }

    fn pull(
        &self,
        number: u64,
        [from, into]: [&str; 2],
        head: Option<&Told>,
        base: Option<&Revision>,
    ) -> Value {
        let message = head.map_or(from, |told| told.message.as_str());
        let (title, body) = message.split_once('\n').unwrap_or((message, ""));
        let base = base.or_else(|| head.and_then(|told| told.parents.first()));
        let side = |branch: &str, sha: Option<&Revision>| {
            json!({
                "ref": branch, "sha": sha, "label": branch,
                "repo": self.repository(), "user": self.user(),
            })
        };
        let at = head.map(|told| &told.at);
        let link = self.link(&format!("/pull/{number}"));
        json!({
            "number": number, "state": "open", "title": title, "body": body.trim(),
            "draft": false, "locked": false, "merged": false, "mergeable": null,
            "merged_at": null, "merged_by": null, "closed_at": null,
            "created_at": at, "updated_at": at,
            // What the run is of.
            "merge_commit_sha": head.map(|told| &told.id),
            "labels": [], "assignees": [], "assignee": null, "milestone": null,
            "requested_reviewers": [], "requested_teams": [], "auto_merge": null,
            "author_association": "OWNER", "user": self.user(),
            "html_url": link, "diff_url": format!("{link}.diff"), "patch_url": format!("{link}.patch"),
            "head": side(from, head.map(|told| &told.id)),
            "base": side(into, base),
        })
    }

    /// A person asked for a workflow.
    pub fn workflow_dispatch(
        &self,
        git_ref: &GitRef,
        workflow: &str,
        inputs: impl Into<Value>,
    ) -> Value {
        self.with(json!({ "ref": git_ref.0, "workflow": workflow, "inputs": inputs.into() }))
    }

    /// A program asked for whatever listens to `event_type`.
    pub fn repository_dispatch(&self, event_type: &str, client_payload: &Value) -> Value {
        self.with(json!({
            "action": event_type, "branch": self.default_branch, "client_payload": client_payload,
        }))
    }

    /// It was time.
    pub fn schedule(&self, cron: &str, workflow: &str) -> Value {
        self.with(json!({ "schedule": cron, "workflow": workflow }))
    }

    /// A branch or a tag is new, or is gone.
    pub fn create_or_delete(&self, git_ref: &GitRef) -> Value {
        let kind = if git_ref.tag().is_some() {
            "tag"
        } else {
            "branch"
        };
        self.with(json!({
            "ref": git_ref.short(), "ref_type": kind, "master_branch": self.default_branch,
            "pusher_type": "user", "description": null,
        }))
    }

    /// A run began or ended; `run` is what is told of it.
    pub fn workflow_run(&self, action: &str, run: &Value) -> Value {
        let workflow = json!({ "name": run["name"], "path": run["path"], "state": "active" });
        self.with(json!({ "action": action, "workflow_run": run, "workflow": workflow }))
    }

    /// Anything else: who and where.
    pub fn bare(&self) -> Value {
        self.with(json!({}))
    }
}

#[cfg(test)]
mod tests {
    use cutover_forge::Person;

    use super::*;

    const SCENE: Scene<'static> = Scene {
        repository: "ada/hello",
        default_branch: "main",
        actor: "ada",
        server: "http://here",
    };

    fn told() -> Told {
        let ada = Person {
            name: "Ada".to_owned(),
            email: "ada@example.org".to_owned(),
        };
        Told {
            id: Revision("b".repeat(40)),
            tree: "c".repeat(40),
            parents: vec![Revision("a".repeat(40))],
            author: ada.clone(),
            committer: ada,
            at: "2026-11-21T12:00:00+00:00".to_owned(),
            message: "feat: greet\n\nAt length.".to_owned(),
            added: vec!["new".to_owned()],
            removed: vec![],
            modified: vec!["old".to_owned()],
        }
    }

    #[test]
    fn a_push_tells_what_it_brought() {
        let commits = [told()];
        let branch = GitRef("refs/heads/main".to_owned());
        let before = commits[0].parents[0].clone();
        let payload = SCENE.push(&branch, Some(&before), &commits[0].id, true, &commits);
        assert_eq!(payload["before"], before.0);
        assert_eq!(payload["created"], false);
        assert_eq!(payload["forced"], true);
        assert_eq!(
            payload["head_commit"]["message"],
            "feat: greet\n\nAt length."
        );
        assert_eq!(payload["commits"][0]["added"], json!(["new"]));
        assert_eq!(payload["commits"][0]["author"]["name"], "Ada");
        assert_eq!(payload["repository"]["owner"]["login"], "ada");
        assert_eq!(payload["sender"]["login"], "ada");
        let compare = format!("http://here/ada/hello/compare/{before}...{}", commits[0].id);
        assert_eq!(payload["compare"], compare);
        let new = SCENE.push(&branch, None, &commits[0].id, false, &commits);
        assert_eq!(new["before"], NOTHING);
        assert_eq!(new["created"], true);
        let tag = SCENE.push(
            &GitRef("refs/tags/v1".to_owned()),
            None,
            &before,
            false,
            &commits,
        );
        assert_eq!(tag["commits"], json!([]));
    }

    #[test]
    fn a_pull_request_is_titled_by_its_commit() {
        let payload = SCENE.pull_request("opened", 7, ["topic", "main"], Some(&told()), None);
        assert_eq!(payload["pull_request"]["title"], "feat: greet");
        assert_eq!(payload["pull_request"]["body"], "At length.");
        assert_eq!(payload["pull_request"]["head"]["ref"], "topic");
        assert_eq!(payload["pull_request"]["base"]["sha"], "a".repeat(40));
        assert_eq!(payload["number"], 7);
        let tip = Revision("f".repeat(40));
        let closed = SCENE.pull_request("closed", 7, ["topic", "main"], Some(&told()), Some(&tip));
        assert_eq!(closed["action"], "closed");
        assert_eq!(closed["pull_request"]["base"]["sha"], tip.0);
    }
}
