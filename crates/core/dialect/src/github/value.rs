//! Values that may hold expressions: templates, conditions, names with templates. Every expression is
//! parsed here, once, with the names that are known in its place.

use std::collections::BTreeMap;

use cutover_model::{
    Position,
    plan::{ALL, Bindings, Expression, RunDefaults, Template},
};

use super::{context::Scope, model::With};
use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema, Spanned},
    suggest,
    yaml::{Entry, Kind, Node, Value},
};

/// Whether a text has an expression in it.
pub(crate) fn is_dynamic(text: &str) -> bool {
    text.contains("${{")
}

/// A text that may hold expressions.
pub(crate) fn template(node: &Node, what: &str, scope: Scope, sink: &mut Sink) -> Option<Template> {
    let text = shape::text(node, what, sink)?;
    check(node, &text, scope, sink).then_some(Template { text, at: node.at })
}

/// A text that is not empty and may hold expressions.
pub(crate) fn filled(node: &Node, what: &str, scope: Scope, sink: &mut Sink) -> Option<Template> {
    let text = shape::filled(node, what, sink)?;
    check(node, &text, scope, sink).then_some(Template { text, at: node.at })
}

/// Parses the expressions of a text that stands in `node`.
pub(crate) fn check(node: &Node, text: &str, scope: Scope, sink: &mut Sink) -> bool {
    if !is_dynamic(text) {
        return true;
    }
    match cutover_expr::template::check(text, &scope.allowed()) {
        Ok(()) => true,
        Err(error) => {
            let at = node.place_of(error.offset);
            sink.error(Code::Expression, at, error.to_string());
            false
        }
    }
}

/// A text without expressions.
pub(crate) fn literal(node: &Node, what: &str, sink: &mut Sink) -> Option<String> {
    let text = shape::text(node, what, sink)?;
    if let Some(byte) = text.find("${{") {
        let message = format!("{what} cannot hold an expression");
        sink.error(Code::Expression, node.place_of(byte), message);
        return None;
    }
    Some(text)
}

/// `true`, `false` or an expression.
pub(crate) fn truth(node: &Node, what: &str, scope: Scope, sink: &mut Sink) -> Option<Template> {
    typed(node, what, "`true` or `false`", scope, sink, |kind| {
        matches!(kind, Kind::Bool(_))
    })
}

/// A number greater than zero or an expression.
pub(crate) fn number(node: &Node, what: &str, scope: Scope, sink: &mut Sink) -> Option<Template> {
    typed(
        node,
        what,
        "a number greater than 0",
        scope,
        sink,
        |kind| matches!(kind, Kind::Number(value) if value > 0.0 && value.is_finite()),
    )
}

/// A number or an expression; what is not above zero sets no limit.
pub(crate) fn limit(node: &Node, what: &str, scope: Scope, sink: &mut Sink) -> Option<Template> {
    typed(
        node,
        what,
        "a number",
        scope,
        sink,
        |kind| matches!(kind, Kind::Number(value) if value.is_finite()),
    )
}

/// A whole number from zero or an expression.
pub(crate) fn whole(node: &Node, what: &str, scope: Scope, sink: &mut Sink) -> Option<Template> {
    typed(node, what, "a whole number from 0", scope, sink, |kind| {
        matches!(kind, Kind::Number(value)
                if value >= 0.0 && value.is_finite() && value.fract() == 0.0)
    })
}

fn typed(
    node: &Node,
    what: &str,
    wanted: &str,
    scope: Scope,
    sink: &mut Sink,
    holds: impl Fn(Kind) -> bool,
) -> Option<Template> {
    let Some(scalar) = node.scalar() else {
        shape::wrong(node, what, wanted, sink);
        return None;
    };
    if !holds(scalar.kind) && !is_dynamic(&scalar.text) {
        let message = format!("{what} must be {wanted} or an expression");
        sink.error(Code::WrongType, node.at, message);
        return None;
    }
    template(node, what, scope, sink)
}

/// An `if:`, with or without `${{ }}` around it.
pub(crate) fn condition(node: &Node, scope: Scope, sink: &mut Sink) -> Option<Expression> {
    let text = shape::text(node, "`if`", sink)?;
    let start = text.len() - text.trim_start().len();
    let trimmed = text.trim();
    let (inner, start) = match bare(trimmed) {
        Some(inner) => (inner, start + 3),
        None => (trimmed, start),
    };
    if is_dynamic(inner) {
        // A text that is not empty, which always holds; its expressions still say whether what went before
        // counts. Whoever wrote it is warned.
        let text =
            check(node, &text, scope, sink).then(|| cutover_expr::template::as_format(trimmed));
        return Some(Expression {
            text: text?.ok()?,
            at: node.at,
        });
    }
    if inner.trim().is_empty() && inner.len() < trimmed.len() {
        sink.error(Code::Expression, node.at, "An expression was expected");
        return None;
    }
    if let Err(error) = parse(inner, scope) {
        let at = node.place_of(start + error.offset);
        sink.error(Code::Expression, at, error.to_string());
        return None;
    }
    Some(Expression {
        text: inner.trim().to_owned(),
        at: node.at,
    })
}

/// An empty `if:` means `success()`.
fn parse(text: &str, scope: Scope) -> Result<(), cutover_expr::ParseError> {
    if text.trim().is_empty() {
        return Ok(());
    }
    cutover_expr::parse(text, &scope.allowed()).map(drop)
}

fn bare(text: &str) -> Option<&str> {
    text.strip_prefix("${{")?.strip_suffix("}}")
}

/// The entries of a mapping whose keys are names, each once whatever its case.
pub(crate) fn names<'a>(node: &'a Node, what: &str, sink: &mut Sink) -> Vec<&'a Entry> {
    if node.scalar().is_some_and(|scalar| is_dynamic(&scalar.text)) {
        sink.error_hint(
            Code::NotYet,
            node.at,
            format!("an expression for the whole of {what} is not there yet"),
            "write the names out, with expressions for their values".to_owned(),
        );
        return Vec::new();
    }
    let mut seen: BTreeMap<String, Position> = BTreeMap::new();
    let mut names = Vec::new();
    for entry in shape::entries(node, what, sink).unwrap_or_default() {
        if is_dynamic(&entry.key) {
            let message = format!("an expression as a key of {what} is not there yet");
            sink.error_hint(
                Code::NotYet,
                entry.at,
                message,
                "write the name out".to_owned(),
            );
        } else if entry.key.is_empty() {
            sink.error(Code::BadValue, entry.at, format!("empty name in {what}"));
        } else if let Some(first) = seen.get(&entry.key.to_ascii_uppercase()) {
            let message = format!(
                "`{}` is there twice in {what}, regardless of case; the first is in line {}",
                entry.key, first.line
            );
            sink.error(Code::DuplicateKey, entry.at, message);
        } else {
            seen.insert(entry.key.to_ascii_uppercase(), entry.at);
            names.push(entry);
        }
    }
    names
}

/// Names with templates: `env`, `outputs`.
pub(crate) fn bindings(node: &Node, what: &str, scope: Scope, sink: &mut Sink) -> Bindings {
    names(node, what, sink)
        .into_iter()
        .filter_map(|entry| {
            let what = format!("`{}` in {what}", entry.key);
            let value = template(&entry.value, &what, scope, sink)?;
            Some((entry.key.clone(), value))
        })
        .collect()
}

/// `env:`, whose names a process must be able to have.
pub(crate) fn env(node: Option<&Node>, scope: Scope, sink: &mut Sink) -> Bindings {
    let Some(node) = node else {
        return Bindings::new();
    };
    if node.scalar().is_some_and(|scalar| is_dynamic(&scalar.text)) {
        let all = template(node, "`env`", scope, sink);
        return all.map(|all| (ALL.to_owned(), all)).into_iter().collect();
    }
    if let Value::Mapping(entries) = &*node.value {
        for entry in entries
            .iter()
            .filter(|entry| entry.key.contains(['=', '\0']))
        {
            let message = format!("`{}` cannot name a variable", entry.key);
            sink.error(Code::BadValue, entry.at, message);
        }
    }
    bindings(node, "`env`", scope, sink)
}

/// `with:`.
pub(crate) fn with(node: &Node, scope: Scope, sink: &mut Sink) -> Vec<With> {
    names(node, "`with`", sink)
        .into_iter()
        .filter_map(|entry| {
            let what = format!("`{}` in `with`", entry.key);
            let value = template(&entry.value, &what, scope, sink)?;
            let name = Spanned {
                text: entry.key.clone(),
                at: entry.at,
            };
            Some(With { name, value })
        })
        .collect()
}

/// `defaults:`; without a scope no expressions are known in it.
pub(crate) fn defaults(node: Option<&Node>, scope: Option<Scope>, sink: &mut Sink) -> RunDefaults {
    const DEFAULTS: Schema = Schema {
        what: "`defaults`",
        keys: &["run"],
        required: &[],
        later: &[],
    };
    const RUN: Schema = Schema {
        what: "`defaults.run`",
        keys: &["shell", "working-directory"],
        required: &[],
        later: &[],
    };
    let Some(run) = node
        .and_then(|node| Fields::open(node, &DEFAULTS, sink))
        .and_then(|fields| fields.get("run"))
        .and_then(|node| Fields::open(node, &RUN, sink))
    else {
        return RunDefaults::default();
    };
    RunDefaults {
        shell: run.get("shell").and_then(|node| shell(node, scope, sink)),
        working_directory: run
            .get("working-directory")
            .and_then(|node| maybe(node, "`working-directory`", scope, sink)),
    }
}

fn maybe(node: &Node, what: &str, scope: Option<Scope>, sink: &mut Sink) -> Option<Template> {
    match scope {
        Some(scope) => filled(node, what, scope, sink),
        None => literal(node, what, sink).map(|text| Template { text, at: node.at }),
    }
}

/// The shells by name. Whether those of another system are there is seen when a step wants one: its
/// condition may say that it is for that system alone.
const SHELLS: [&str; 6] = ["bash", "sh", "python", "pwsh", "powershell", "cmd"];

/// `shell:`; names are known in any case and handed on in lower case.
pub(crate) fn shell(node: &Node, scope: Option<Scope>, sink: &mut Sink) -> Option<Template> {
    let mut shell = maybe(node, "`shell`", scope, sink)?;
    if is_dynamic(&shell.text) || shell.text.contains("{0}") {
        return Some(shell);
    }
    let lower = shell.text.to_ascii_lowercase();
    if SHELLS.contains(&lower.as_str()) {
        shell.text = lower;
        return Some(shell);
    }
    let hint = suggest::nearest(&lower, SHELLS).map_or_else(
        || "known are `bash`, `sh`, `python`, `pwsh`, or a command with `{0}`".to_owned(),
        |nearest| format!("did you mean `{nearest}`?"),
    );
    let message = format!("unknown shell `{}`", shell.text);
    sink.error_hint(Code::UnknownShell, node.at, message, hint);
    None
}

/// Why a text is no id of a job or a step.
pub(crate) fn id_fault(text: &str) -> Option<String> {
    let mut chars = text.chars();
    let first = chars.next();
    let holds = first.is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
        && text.len() < 100;
    if !holds {
        return Some(format!("`{text}` cannot be an id"));
    }
    text.starts_with("__")
        .then(|| format!("`{text}` cannot be an id: `__` is reserved"))
}
