//! Actions of which it is known what they do with text, without looking at their files.

/// Inputs that are scripts.
const SCRIPTS: [(&str, &str); 14] = [
    ("actions/github-script", "script"),
    ("addnab/docker-run-action", "run"),
    ("amadevus/pwsh-script", "script"),
    ("appleboy/ssh-action", "script"),
    ("azure/cli", "inlinescript"),
    ("azure/powershell", "inlinescript"),
    ("cardinalby/js-eval-action", "expression"),
    ("jannekem/run-python-script-action", "script"),
    ("mikefarah/yq", "cmd"),
    ("nick-fields/retry", "command"),
    ("nick-fields/retry", "on_retry_command"),
    ("nick-invision/retry", "command"),
    ("reactivecircus/android-emulator-runner", "script"),
    ("satackey/action-js-inline", "script"),
];

/// What strangers write and actions give on: the action, how the output ends, what it is.
const OUTPUTS: [(&str, &str, &str); 6] = [
    ("dorny/paths-filter", "_files", "the names of changed files"),
    (
        "tj-actions/branch-names",
        "current_branch",
        "github.head_ref",
    ),
    (
        "tj-actions/branch-names",
        "head_ref_branch",
        "github.head_ref",
    ),
    (
        "tj-actions/changed-files",
        "_files",
        "the names of changed files",
    ),
    (
        "xt0rted/pull-request-comment-branch",
        "head_ref",
        "github.event.pull_request.head.ref",
    ),
    (
        "potiuk/get-workflow-origin",
        "sourceheadbranch",
        "github.event.workflow_run.head_branch",
    ),
];

/// The action that a step uses, without its ref and in lower case.
pub(super) fn name(uses: &str) -> String {
    uses.split('@').next().unwrap_or_default().to_lowercase()
}

/// Whether an input of an action is a script.
pub(super) fn is_script(action: &str, input: &str) -> bool {
    let is_it = |(own, name): &(&str, &str)| *own == action && name.eq_ignore_ascii_case(input);
    SCRIPTS.iter().any(is_it)
}

/// The outputs that an action takes from strangers, by the ends of their names, with what they are.
pub(super) fn outputs(action: &str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let own = OUTPUTS.iter().filter(move |(own, ..)| *own == action);
    own.map(|(_, end, what)| (*end, *what))
}
