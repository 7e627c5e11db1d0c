//! The crate from outside: sources in, plans and diagnostics out.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests fail the test that called them"
)]

mod actions;
mod advice;
mod at_once;
mod calls;
mod conformance;
mod containers;
mod delivery;
mod events;
mod fixing;
mod foreign;
mod fuzzing;
mod hostile;
mod judging;
mod language;
mod matrix;
mod plans;
mod projects;
mod reading;
mod refusals;
mod rules;
mod taint;
mod text;

use std::collections::BTreeMap;

use cutover_dialect::{Options, SourceTree, compile, lint};
use cutover_model::{
    Diagnostic, Severity,
    plan::Plan,
    source::{GitRef, Revision, Trigger, TriggerKind, Trust},
};

const PATH: &str = ".github/workflows/ci.yml";

/// A tree from texts; their common indentation is taken away.
fn tree(files: &[(&str, &str)]) -> SourceTree {
    files
        .iter()
        .map(|(path, text)| (*path, dedent(text)))
        .collect()
}

fn dedent(text: &str) -> String {
    let text = text.strip_prefix('\n').unwrap_or(text);
    let indent = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(|line| line.len() - line.trim_start().len())
        .min()
        .unwrap_or(0);
    let lines: Vec<&str> = text
        .lines()
        .map(|line| line.get(indent..).unwrap_or_default())
        .collect();
    lines.join("\n").trim_end().to_owned() + "\n"
}

/// One line for each diagnostic: place, `W` for warnings, code, message, hint. Labels of runners are left
/// out, since `x` is short, and so are notes.
fn render(diagnostics: &[Diagnostic]) -> String {
    let is_told = |it: &&Diagnostic| it.code != "CUT-1082" && it.severity != Severity::Note;
    lines(diagnostics.iter().filter(is_told))
}

/// What lint says of some code, in the same form; notes have an `N`.
#[track_caller]
fn check_code(files: &[(&str, &str)], code: &str, expected: &str) {
    let found = lint(&tree(files), PATH);
    let said = lines(found.iter().filter(|it| it.code == code));
    let expected = dedent(expected);
    assert!(
        said.trim_end() == expected.trim_end(),
        "said:\n{said}\nexpected:\n{expected}\nall: {found:#?}"
    );
}

fn lines<'d>(diagnostics: impl Iterator<Item = &'d Diagnostic>) -> String {
    let mut text = String::new();
    for diagnostic in diagnostics {
        let path = match diagnostic.path.as_str() {
            PATH => "",
            path => &format!("{path}:"),
        };
        let warning = match diagnostic.severity {
            Severity::Note => "N ",
            Severity::Warning => "W ",
            Severity::Error => "",
        };
        let hint = match &diagnostic.hint {
            Some(hint) => format!(" | {hint}"),
            None => String::new(),
        };
        let code = diagnostic.code.trim_start_matches("CUT-");
        let line = format!(
            "{path}{} {warning}{code} {}{hint}\n",
            diagnostic.at, diagnostic.message
        );
        text.push_str(&line);
    }
    text
}

/// What lint says of a workflow.
#[track_caller]
fn check(workflow: &str, expected: &str) {
    check_tree(&[(PATH, workflow)], expected);
}

#[track_caller]
fn check_tree(files: &[(&str, &str)], expected: &str) {
    let said = render(&lint(&tree(files), PATH));
    let expected = dedent(expected);
    assert!(
        said.trim_end() == expected.trim_end(),
        "said:\n{said}\nexpected:\n{expected}"
    );
}

/// A push to `main`.
fn push() -> Trigger {
    Trigger {
        kind: TriggerKind::Push,
        repository: "acme/hello".to_owned(),
        git_ref: GitRef("refs/heads/main".to_owned()),
        revision: Revision("0123456789abcdef0123456789abcdef01234567".to_owned()),
        before: None,
        actor: "ada".to_owned(),
        base_ref: None,
        head_ref: None,
        changed_paths: None,
        inputs: BTreeMap::new(),
        payload: serde_json::Value::Null,
        trust: Trust::Trusted,
    }
}

/// The plan of a workflow that has nothing wrong with it.
#[track_caller]
fn plan(files: &[(&str, &str)]) -> Plan {
    let compiled = compile(&tree(files), PATH, &push(), Options::default());
    let said = render(&compiled.diagnostics);
    compiled.plan.unwrap_or_else(|| panic!("{said}"))
}
