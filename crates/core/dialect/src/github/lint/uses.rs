//! `uses:` of steps and jobs: the forms that references have.

use super::model::{JobCall, Step, Text, Workflow};
use crate::{
    Lock,
    diagnostic::{Code, Sink},
    foreign,
};

/// Well-known actions with the last major version that runs on a node which the service has removed.
const OUTDATED: [(&str, u32); 36] = [
    ("actions/cache", 3),
    ("actions/checkout", 3),
    ("actions/configure-pages", 3),
    ("actions/create-release", 1),
    ("actions/delete-package-versions", 4),
    ("actions/dependency-review-action", 3),
    ("actions/deploy-pages", 2),
    ("actions/download-artifact", 3),
    ("actions/first-interaction", 1),
    ("actions/github-script", 6),
    ("actions/labeler", 4),
    ("actions/setup-dotnet", 3),
    ("actions/setup-go", 4),
    ("actions/setup-java", 3),
    ("actions/setup-node", 3),
    ("actions/setup-python", 4),
    ("actions/stale", 8),
    ("actions/upload-artifact", 3),
    ("actions/upload-release-asset", 1),
    ("aws-actions/configure-aws-credentials", 3),
    ("azure/login", 1),
    ("codecov/codecov-action", 3),
    ("docker/build-push-action", 4),
    ("docker/login-action", 2),
    ("docker/metadata-action", 4),
    ("docker/setup-buildx-action", 2),
    ("docker/setup-qemu-action", 2),
    ("github/codeql-action/analyze", 2),
    ("github/codeql-action/init", 2),
    ("golangci/golangci-lint-action", 3),
    ("google-github-actions/auth", 1),
    ("google-github-actions/setup-gcloud", 1),
    ("hashicorp/setup-terraform", 2),
    ("peaceiris/actions-gh-pages", 3),
    ("pnpm/action-setup", 2),
    ("softprops/action-gh-release", 1),
];

pub(super) fn check(workflow: &Workflow<'_>, sink: &mut Sink) {
    for job in &workflow.jobs {
        if let Some(call) = &job.call {
            check_call(call, sink);
        }
        for step in &job.steps {
            check_step(step, sink);
        }
    }
}

/// Says which actions are named by what can move, although the lock knows their commits.
pub(super) fn movable(lock: &Lock, workflow: &Workflow<'_>, sink: &mut Sink) {
    let calls = workflow.jobs.iter().filter_map(|job| job.call.as_ref());
    let calls = calls.map(|call| call.uses);
    let steps = workflow.jobs.iter().flat_map(|job| &job.steps);
    for uses in steps.filter_map(|step| step.uses).chain(calls) {
        let Some(named) = foreign::reference(uses.text()) else {
            continue;
        };
        let locked = lock.get(&named.repository, named.git_ref);
        if locked.is_some_and(|locked| locked.commit != named.git_ref) {
            let message = format!(
                "`{}` is what the lock says only here; elsewhere it is what `{}` names then",
                uses.text(),
                named.git_ref
            );
            let hint = "`cutover lint --fix` writes the commit".to_owned();
            sink.note(Code::Movable, uses.at(), message, hint);
        }
    }
}

fn check_step(step: &Step<'_>, sink: &mut Sink) {
    let Some(uses) = step.uses else {
        return;
    };
    let text = uses.text();
    if uses.has_expression()
        || ["./", "docker://", "$/", "../"]
            .iter()
            .any(|start| text.starts_with(start))
        || text == "."
    {
        if let Some(image) = text.strip_prefix("docker://") {
            image_name(uses, image, sink);
        }
        return;
    }
    let repository = text.split_once('@').and_then(|(path, git_ref)| {
        let (owner, rest) = path.split_once('/')?;
        let name = rest.split('/').next()?;
        Some(![owner, name, git_ref].contains(&""))
    });
    if let Some((name, version)) = text.split_once('@')
        && let Some((_, last)) = OUTDATED
            .iter()
            .find(|(own, _)| own.eq_ignore_ascii_case(name))
        && let Ok(major) = version
            .trim_start_matches('v')
            .split('.')
            .next()
            .unwrap_or_default()
            .parse::<u32>()
        && major <= *last
    {
        let message = format!("`{text}` runs on a node that the hosted service no longer has");
        let hint = format!("version {} or later does not", last + 1);
        sink.warning(Code::OutdatedAction, uses.at(), message, hint);
    }
    if repository != Some(true) {
        let hint = "for example `actions/checkout@v5` or `./path`".to_owned();
        let message = format!("`{text}` names no action");
        sink.error_hint(Code::BadReference, uses.at(), message, hint);
    }
}

fn image_name(uses: Text<'_>, image: &str, sink: &mut Sink) {
    let name = image.rsplit('/').next().unwrap_or(image);
    if image.is_empty() || name.ends_with(':') {
        let message = format!("`{}` names no image", uses.text());
        sink.error(Code::BadReference, uses.at(), message);
    }
}

fn check_call(call: &JobCall<'_>, sink: &mut Sink) {
    let text = call.uses.text();
    if text.contains("${{") {
        return;
    }
    let local = text
        .strip_prefix("./")
        .is_some_and(|path| !path.is_empty() && !path.contains('@'));
    let mut parts = text.splitn(3, '/');
    let remote = match (parts.next(), parts.next(), parts.next()) {
        (Some(owner), Some(name), Some(rest)) if !text.starts_with('.') => {
            let (path, git_ref) = rest.split_once('@').unwrap_or_default();
            ![owner, name, path, git_ref].contains(&"")
        }
        _ => false,
    };
    if !local && !remote {
        let hint =
            "`owner/repository/.github/workflows/file.yml@ref` or `./.github/workflows/file.yml`";
        let message = format!("`{text}` names no workflow");
        sink.error_hint(Code::WorkflowCall, call.uses.at(), message, hint.to_owned());
    }
}
