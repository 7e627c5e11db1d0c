//! `uses:` of the actions that the binary has built in: which version, which inputs.

use cutover_model::{
    Position,
    plan::{Bindings, Builtin, Template},
    project::Project,
};

use super::{model::With, value};
use crate::{
    diagnostic::{Code, Sink},
    shape::Spanned,
    suggest,
};

/// Actions of ours that are planned.
const LATER: [&str; 7] = [
    "scan",
    "terraform",
    "cloudformation",
    "migrate",
    "smoke",
    "notify",
    "approve",
];

/// What a `uses:` names, when it is no path.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// A built-in action.
    Builtin(Builtin),
    /// Refused; it has been said why.
    Refused,
    /// An action of somebody else.
    Foreign,
}

/// Looks a reference up.
pub(crate) fn find(reference: &Spanned, sink: &mut Sink) -> Named {
    let (name, version) = match reference.text.split_once('@') {
        Some((name, version)) => (name, Some(version)),
        None => (reference.text.as_str(), None),
    };
    let at = reference.at;
    let lower = name.to_ascii_lowercase();
    let builtin = Builtin::ALL
        .into_iter()
        .find(|action| action.name() == lower);
    match (builtin, lower.strip_prefix("cutover/")) {
        (Some(action), ours) => version_of(action, ours.is_some(), version, at, sink),
        (None, Some(short)) => {
            unknown(name, short, at, sink);
            Named::Refused
        }
        (None, None) => Named::Foreign,
    }
}

fn version_of(
    action: Builtin,
    is_ours: bool,
    version: Option<&str>,
    at: Position,
    sink: &mut Sink,
) -> Named {
    let name = action.name();
    match version {
        None | Some("") => {
            let message = format!("`{name}` needs a version");
            let example = if is_ours { "v1" } else { "v4" };
            sink.error_hint(
                Code::ActionVersion,
                at,
                message,
                format!("write `{name}@{example}`"),
            );
            Named::Refused
        }
        Some(version) if is_ours && version != "v1" => {
            let message = format!("`{name}` is not there in version `{version}`");
            sink.error_hint(
                Code::ActionVersion,
                at,
                message,
                format!("write `{name}@v1`"),
            );
            Named::Refused
        }
        Some(_) => Named::Builtin(action),
    }
}

fn unknown(name: &str, short: &str, at: Position, sink: &mut Sink) {
    if LATER.contains(&short) {
        let message = format!("built-in action `{name}` is not there yet");
        sink.error(Code::NotYet, at, message);
        return;
    }
    let known = Builtin::ALL.into_iter().map(Builtin::name);
    sink.error_hint(
        Code::LackingAction,
        at,
        format!("there is no built-in action `{name}`"),
        suggest::hint(name, known),
    );
}

/// Holds `with:` against what the action knows; the names come out as the action spells them. What the
/// action of somebody else does not have changes nothing, as on the hosted service: it is told.
pub(crate) fn bind(
    action: Builtin,
    reference: &Spanned,
    with: &[With],
    is_lint: bool,
    sink: &mut Sink,
) -> Bindings {
    let at = reference.at;
    let mut bindings = Bindings::new();
    let version = reference.text.split_once('@').map(|(_, version)| version);
    if let Some(version) = version
        && let Some(input) = action.input_of_version(version)
    {
        let text = version.to_owned();
        bindings.push((input.to_owned(), Template { text, at }));
    }
    let lenient: &[Code] = if is_lint || action.is_ours() {
        &[]
    } else {
        &[Code::ActionInput]
    };
    for entry in with {
        let name = &entry.name.text;
        if let Some(input) = find_name(action.inputs(), name) {
            bindings.push((input.to_owned(), entry.value.clone()));
        } else {
            let mut advice = sink.aside();
            unbound(action, entry, &mut advice);
            sink.take_in(advice, lenient);
        }
    }
    for required in action.required_inputs() {
        if !with
            .iter()
            .any(|entry| entry.name.text.eq_ignore_ascii_case(required))
        {
            let message = format!("`{}` needs the input `{required}`", action.name());
            sink.error(Code::ActionInput, at, message);
        }
    }
    bindings
}

fn find_name(names: &'static [&'static str], name: &str) -> Option<&'static str> {
    let same = |known: &&str| known.eq_ignore_ascii_case(name);
    names.iter().copied().find(same)
}

/// An input that nothing here does anything about.
fn unbound(action: Builtin, entry: &With, sink: &mut Sink) {
    let (at, name, whose) = (entry.name.at, &entry.name.text, action.name());
    if find_name(action.idle_inputs(), name).is_some() {
        let message = format!("input `{name}` of `{whose}` changes nothing here");
        sink.warning(Code::NotYet, at, message, None);
    } else if find_name(action.later_inputs(), name).is_some() {
        let message = format!("input `{name}` of `{whose}` is not there yet");
        sink.error(Code::NotYet, at, message);
    } else {
        let hint = suggest::hint(name, action.inputs().iter().copied());
        let message = format!("`{whose}` has no input `{name}`");
        sink.error_hint(Code::ActionInput, at, message, hint);
    }
}

/// Names of `cutover.yml` that stand in `with:` as fixed texts must be there.
pub(crate) fn check_names(with: &Bindings, project: Option<&Project>, sink: &mut Sink) {
    let Some(project) = project else {
        return;
    };
    for (input, template) in with {
        if value::is_dynamic(&template.text) {
            continue;
        }
        let known: Vec<&str> = match input.as_str() {
            "environment" => project.environments.keys().map(String::as_str).collect(),
            "service" => project.services.keys().map(String::as_str).collect(),
            "gate" => project.gates.keys().map(String::as_str).collect(),
            _ => continue,
        };
        if !known.contains(&template.text.as_str()) {
            let message = format!("`cutover.yml` has no {input} `{}`", template.text);
            let hint = suggest::hint(&template.text, known.iter().copied());
            sink.error_hint(Code::UnknownName, template.at, message, hint);
        }
    }
}
