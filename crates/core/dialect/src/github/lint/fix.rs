//! What can be mended in a workflow or in an action: edits of the text in its place, so that comments and
//! the form of everything else stay. In doubt nothing is changed.

mod inject;
mod outputs;
mod pin;
mod shell;
mod source;

use cutover_model::{Diagnostic, Severity};

use self::source::Source;
use super::{
    model::{Step, Text},
    rules,
    syntax::Syntax,
    taint,
};
use crate::{
    Fix, SourceTree,
    diagnostic::{Code, Sink},
    yaml::{self, Node, Value},
};

/// A step whose script is one of a shell that is known.
struct Scripted<'a> {
    step: Step<'a>,
    /// Variables of what is around it.
    around: Vec<String>,
}

/// What can be mended of what was said of a file.
pub(crate) fn fixes(tree: &SourceTree, path: &str, diagnostics: &[Diagnostic]) -> Vec<Fix> {
    let said: Vec<&Diagnostic> = diagnostics.iter().filter(|it| it.path == path).collect();
    let bytes = tree.get(path).unwrap_or_default();
    let (Ok(text), false) = (str::from_utf8(bytes), said.is_empty()) else {
        return Vec::new();
    };
    let document = yaml::as_written(bytes);
    let Some(root) = document
        .root
        .as_ref()
        .filter(|_| document.faults.is_empty())
    else {
        return Vec::new();
    };
    let source = Source::new(path, text);
    let mut found = Vec::new();
    for scripted in scripted(root) {
        let Some(run) = scripted.step.run else {
            continue;
        };
        found.extend(inject::fix(&source, &scripted, run, &said));
        found.extend(outputs::fixes(&source, run, &said));
    }
    found.extend(pin::fixes(&source, tree, &said));
    found.extend(permissions(&source, root, &said));
    found
}

/// The steps of a workflow or of an action with a shell that is known to be `bash` or `sh`.
fn scripted(root: &Node) -> Vec<Scripted<'_>> {
    let mut aside = Sink::new("");
    let mut syntax = Syntax { sink: &mut aside };
    if let Some(steps) = taint::steps_of_action(&mut syntax, root) {
        let is_known = |step: &Step<'_>| step.shell.is_some_and(|shell| is_posix(shell.text()));
        let steps = steps.into_iter().filter(is_known);
        return steps
            .map(|step| Scripted {
                step,
                around: Vec::new(),
            })
            .collect();
    }
    let workflow = syntax.workflow(root);
    let mut found = Vec::new();
    for job in workflow.jobs {
        let around: Vec<String> = [workflow.env.as_ref(), job.env.as_ref()]
            .into_iter()
            .flat_map(inject::names)
            .collect();
        let default = job.defaults.shell.or(workflow.defaults.shell);
        let is_unix = rules::is_unix(&job.runs_on);
        for step in job.steps {
            let is_known = match step.shell.or(default).map(Text::text) {
                Some(shell) => is_posix(shell),
                None => is_unix,
            };
            if is_known {
                let around = around.clone();
                found.push(Scripted { step, around });
            }
        }
    }
    found
}

fn is_posix(shell: &str) -> bool {
    let command = shell.split_whitespace().next().unwrap_or_default();
    matches!(command, "bash" | "sh")
}

/// `permissions` where there are none. What the jobs did with more ends, so that this is for people to
/// look at.
fn permissions(source: &Source<'_>, root: &Node, said: &[&Diagnostic]) -> Option<Fix> {
    let is_it =
        |it: &&&Diagnostic| it.code == Code::Permissions.id() && it.severity == Severity::Note;
    let it = said.iter().find(is_it)?;
    let Value::Mapping(entries) = &*root.value else {
        return None;
    };
    let jobs = entries.iter().find(|entry| entry.key == "jobs")?;
    let start = source.byte(jobs.at)?;
    if jobs.at.column != 1 {
        return None;
    }
    let text = "permissions:\n  contents: read\n\n".to_owned();
    Some(Fix {
        code: it.code.clone(),
        path: it.path.clone(),
        mends: vec![it.at],
        title: "lets the token read the sources and nothing else".to_owned(),
        is_safe: false,
        edits: vec![source.edit(start, start, text)?],
    })
}
