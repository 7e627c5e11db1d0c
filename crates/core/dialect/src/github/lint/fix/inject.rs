//! Text of strangers in a script → a variable of its step.

use std::{collections::BTreeSet, ops::Range};

use cutover_expr::{Part, Tree};
use cutover_model::{Diagnostic, Position};

use super::{
    Scripted, shell,
    source::{Quote, Source},
};
use crate::{
    Edit, Fix,
    diagnostic::Code,
    github::lint::{
        model::{Env, Text},
        untrusted::{self, Segment},
    },
    yaml::{Entry, Layout, Value},
};

/// Names that mean something to shells and programs.
const TAKEN: [&str; 14] = [
    "BASH", "CI", "DISPLAY", "EDITOR", "ENV", "HOME", "IFS", "LANG", "PAGER", "PATH", "PWD",
    "SHELL", "TERM", "USER",
];

/// An expression of a script that is to become a variable.
struct Place<'a> {
    /// With its `${{` and `}}`.
    range: Range<usize>,
    /// As it is written, with its `${{` and `}}`.
    written: &'a str,
    tree: Tree,
    mends: Vec<Position>,
}

/// All of a step at once: each of its variables comes to the same place.
pub(super) fn fix(
    source: &Source<'_>,
    scripted: &Scripted<'_>,
    run: Text<'_>,
    said: &[&Diagnostic],
) -> Option<Fix> {
    let places = places(run, said);
    let step = &scripted.step;
    let quote = source.quote(run)?;
    let ranges: Vec<Range<usize>> = places.iter().map(|place| place.range.clone()).collect();
    let contexts = shell::contexts(run.text(), &ranges);
    let mut names = Names::new(scripted, run);
    let (mut edits, mut mends) = (Vec::new(), Vec::new());
    for (place, context) in places.into_iter().zip(contexts) {
        let Some(context) = context else {
            continue;
        };
        if step.env.is_some() && asks_env(&place.tree) {
            // `env` of the step's own variables is what is around the step.
            continue;
        }
        let Some(name) = names.of(&place) else {
            continue;
        };
        let replacement = context.variable(&name);
        let fits = match quote {
            Quote::Block => true,
            Quote::Plain => place.range.start > 0,
            Quote::Single => !replacement.contains('\''),
            Quote::Double => !replacement.contains('"'),
        };
        let length = place.range.len();
        let Some(start) = source
            .byte_of(run, place.range.start, length)
            .filter(|_| fits)
        else {
            names.forget(&name);
            continue;
        };
        edits.push(source.edit(start, start + length, replacement)?);
        mends.extend(place.mends);
    }
    if edits.is_empty() {
        return None;
    }
    if !names.new.is_empty() {
        edits.push(variables(source, step.node, &names.new)?);
    }
    let shown: Vec<&str> = names.new.iter().map(|(name, _)| name.as_str()).collect();
    let title = match shown.as_slice() {
        [] => "takes the text from the variable that is there".to_owned(),
        names => format!("hands the text over as `{}`", names.join("`, `")),
    };
    Some(Fix {
        code: Code::Untrusted.id().to_owned(),
        path: source.path.to_owned(),
        mends,
        title,
        is_safe: true,
        edits,
    })
}

/// The names of variables.
pub(super) fn names(env: Option<&Env<'_>>) -> Vec<String> {
    match env {
        None | Some(Env::Expression(_)) => Vec::new(),
        Some(Env::Variables(variables)) => {
            let names = variables.iter().map(|(name, _)| name.text().to_owned());
            names.collect()
        }
    }
}

/// The expressions of which something was said.
fn places<'a>(run: Text<'a>, said: &[&Diagnostic]) -> Vec<Place<'a>> {
    let text = run.text();
    let mut found = Vec::new();
    for (start, expression) in cutover_expr::template::expressions(text).unwrap_or_default() {
        let end = start + expression.len();
        let (first, last) = (run.place(start), run.place(end));
        let is_in = |at: Position| first <= at && at < last;
        let own = said
            .iter()
            .filter(|it| it.code == Code::Untrusted.id() && is_in(it.at));
        let mends: Vec<Position> = own.map(|it| it.at).collect();
        let open = text[..start].rfind("${{");
        let close = text[end..].find("}}").map(|at| end + at + 2);
        if let (Some(open), Some(close), Ok(Some(tree)), false) = (
            open,
            close,
            cutover_expr::tree(expression),
            mends.is_empty(),
        ) && !expression.contains('\n')
        {
            let written = &text[open..close];
            let range = open..close;
            found.push(Place {
                range,
                written,
                tree,
                mends,
            });
        }
    }
    found
}

/// The variables of a step, those that are there and those that come.
struct Names {
    used: BTreeSet<String>,
    own: Vec<(String, String)>,
    new: Vec<(String, String)>,
}

impl Names {
    fn new(scripted: &Scripted<'_>, run: Text<'_>) -> Self {
        let mut used: BTreeSet<String> = scripted.around.iter().cloned().collect();
        let own: Vec<(String, String)> = match &scripted.step.env {
            None | Some(Env::Expression(_)) => Vec::new(),
            Some(Env::Variables(variables)) => variables
                .iter()
                .map(|(name, value)| (name.text().to_owned(), value.text().trim().to_owned()))
                .collect(),
        };
        used.extend(own.iter().map(|(name, _)| name.clone()));
        // Whatever the script calls so is its own.
        let words = run
            .text()
            .split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
        used.extend(words.map(str::to_owned));
        used.extend(TAKEN.map(str::to_owned));
        let new = Vec::new();
        Self { used, own, new }
    }

    /// The name for an expression: one that has it already, or a new one.
    fn of(&mut self, place: &Place<'_>) -> Option<String> {
        let mut known = self.own.iter().chain(&self.new);
        if let Some((name, _)) = known.find(|(_, value)| value == place.written) {
            return Some(name.clone());
        }
        let wanted = wanted(&place.tree);
        let numbered = (2..10).map(|number| format!("{wanted}_{number}"));
        let name = std::iter::once(wanted.clone())
            .chain(numbered)
            .find(|name| !self.used.contains(name))?;
        self.used.insert(name.clone());
        self.new.push((name.clone(), place.written.to_owned()));
        Some(name)
    }

    fn forget(&mut self, name: &str) {
        // Another expression may have it already; then it is used.
        self.new.retain(|(own, _)| own != name);
    }
}

/// What a variable for an expression is best called: after the last two names of its first chain.
fn wanted(tree: &Tree) -> String {
    let mut names: Vec<String> = Vec::new();
    first_chain(tree, &mut names);
    names.retain(|name| {
        !matches!(
            name.as_str(),
            "github" | "event" | "outputs" | "inputs" | "env"
        )
    });
    let from = names.len().saturating_sub(2);
    let name: String = names[from..]
        .join("_")
        .to_uppercase()
        .chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '_'
            }
        })
        .collect();
    let is_ours = ["GITHUB_", "RUNNER_", "ACTIONS_", "INPUT_"]
        .iter()
        .any(|start| name.starts_with(start));
    if name.is_empty() || is_ours || name.starts_with(|first: char| first.is_ascii_digit()) {
        return format!("TEXT_{name}").trim_end_matches('_').to_owned();
    }
    name
}

fn first_chain(tree: &Tree, names: &mut Vec<String>) {
    if matches!(
        tree.part,
        Part::Property(..) | Part::Index(..) | Part::Filter(_)
    ) {
        let (segments, _) = untrusted::segments(tree);
        names.extend(segments.into_iter().filter_map(|segment| match segment {
            Segment::Name(name) => Some(name.to_lowercase()),
            Segment::Item | Segment::Each => None,
        }));
    }
    for child in tree.children() {
        if names.is_empty() {
            first_chain(child, names);
        }
    }
}

fn asks_env(tree: &Tree) -> bool {
    let (segments, others) = untrusted::segments(tree);
    let is_env =
        matches!(segments.first(), Some(Segment::Name(name)) if name.eq_ignore_ascii_case("env"));
    // What is no chain is the only other part of itself.
    let others = others
        .into_iter()
        .filter(|other| !std::ptr::eq(*other, tree));
    is_env || others.chain(tree.children()).any(asks_env)
}

/// The lines that make variables of a step.
fn variables(
    source: &Source<'_>,
    step: &crate::yaml::Node,
    new: &[(String, String)],
) -> Option<Edit> {
    let Value::Mapping(entries) = &*step.value else {
        return None;
    };
    let column = own_column(source, entries)?;
    if entries.first()?.at != step.at {
        return None;
    }
    let lines: Option<Vec<String>> = new.iter().map(|(name, value)| line(name, value)).collect();
    let lines = lines?;
    let env = entries.iter().find(|entry| entry.key == "env");
    let (start, text) = if let Some(env) = env {
        let Value::Mapping(variables) = &*env.value.value else {
            return None;
        };
        let indent = " ".repeat(own_column(source, variables)?);
        let first = variables.first()?;
        // Behind an alias it is the variables of others, too.
        let is_own = first.at == env.value.at
            && first.at.line > env.at.line
            && first.at.column > env.at.column;
        if !is_own {
            return None;
        }
        let lines = lines.iter().map(|line| format!("{line}\n{indent}"));
        let lines: Vec<String> = lines.collect();
        (source.byte(first.at)?, lines.concat())
    } else {
        let run = entries.iter().find(|entry| entry.key == "run")?;
        let indent = " ".repeat(column);
        let lines = lines.iter().map(|line| format!("{indent}  {line}\n"));
        let lines: Vec<String> = lines.collect();
        let lines = lines.concat();
        (source.byte(run.at)?, format!("env:\n{lines}{indent}"))
    };
    source.edit(start, start, text)
}

/// The blanks before the keys of a mapping whose keys stand in lines of their own.
fn own_column(source: &Source<'_>, entries: &[Entry]) -> Option<usize> {
    let first = entries.first()?;
    let column = usize::try_from(first.at.column).ok()? - 1;
    for entry in entries {
        let before = source.line_before(source.byte(entry.at)?)?;
        let is_plain = matches!(entry.node.scalar()?.layout, Layout::Line(_));
        let has_own_line = before.chars().all(|letter| letter == ' ' || letter == '-');
        if !is_plain || !has_own_line || entry.at.column != first.at.column {
            return None;
        }
    }
    Some(column)
}

/// `NAME: ${{ … }}`, quoted where YAML would take it for something else.
fn line(name: &str, value: &str) -> Option<String> {
    if value.contains('\n') {
        return None;
    }
    if value.contains(" #") || value.contains(": ") || value.ends_with(':') {
        return Some(format!("{name}: '{}'", value.replace('\'', "''")));
    }
    Some(format!("{name}: {value}"))
}
