//! The inputs of a manual trigger: what was given, held against what is declared.

use std::collections::BTreeMap;

use cutover_model::source::Trigger;
use serde_json::Value as Json;

use super::{
    super::model::{Dispatch, Input, InputKind, On},
    read_on,
};
use crate::{
    SourceTree,
    diagnostic::{Code, Sink},
    suggest,
};

/// The inputs of a manual trigger with defaults filled in and types made right.
pub(crate) fn inputs(
    tree: &SourceTree,
    path: &str,
    trigger: &Trigger,
) -> (BTreeMap<String, Json>, Vec<cutover_model::Diagnostic>) {
    let mut sink = Sink::new(path);
    let inputs = match read_on(tree, path, &mut sink) {
        Some(on) => resolve_inputs(&on, trigger, &mut sink),
        None => BTreeMap::new(),
    };
    (inputs, sink.finish())
}

/// Holds what was given against what is declared.
pub(crate) fn resolve_inputs(
    on: &On,
    trigger: &Trigger,
    sink: &mut Sink,
) -> BTreeMap<String, Json> {
    // A workflow may be started by hand for a try although it does not offer it.
    let nothing = Dispatch::default();
    let dispatch = on.dispatch.as_ref().unwrap_or(&nothing);
    for name in trigger.inputs.keys() {
        if !dispatch.inputs.contains_key(name) {
            let known = dispatch.inputs.keys().map(String::as_str);
            let message = format!("there is no input `{name}`");
            sink.error_hint(
                Code::Input,
                dispatch.at,
                message,
                suggest::hint(name, known),
            );
        }
    }
    let mut inputs = BTreeMap::new();
    for (name, input) in &dispatch.inputs {
        match value(input, trigger.inputs.get(name)) {
            Ok(value) => {
                inputs.insert(name.clone(), value);
            }
            Err(why) => sink.error(Code::Input, dispatch.at, format!("input `{name}` {why}")),
        }
    }
    inputs
}

/// Given texts become what the type says, as `--input dry-run=true` and the API both send texts.
fn value(input: &Input, given: Option<&Json>) -> Result<Json, String> {
    let Some(given) = given.filter(|given| !given.is_null()) else {
        return match &input.default {
            Some(default) => Ok(default.clone()),
            None if input.required => Err("is required".to_owned()),
            None => Ok(absent(&input.kind)),
        };
    };
    match (&input.kind, given) {
        (InputKind::Boolean, Json::Bool(_)) | (InputKind::Number, Json::Number(_)) => {
            Ok(given.clone())
        }
        (InputKind::Boolean, Json::String(text)) => text
            .parse()
            .map(Json::Bool)
            .map_err(|_| format!("must be `true` or `false`, and is `{text}`")),
        (InputKind::Number, Json::String(text)) => text
            .parse()
            .map(Json::Number)
            .map_err(|_| format!("must be a number, and is `{text}`")),
        (InputKind::Choice(options), Json::String(text)) => {
            if options.contains(text) {
                Ok(given.clone())
            } else {
                Err(format!(
                    "must be one of `{}`, and is `{text}`",
                    options.join("`, `")
                ))
            }
        }
        (InputKind::Text | InputKind::Environment, Json::String(_)) => Ok(given.clone()),
        (InputKind::Text | InputKind::Environment, Json::Bool(_) | Json::Number(_)) => {
            Ok(Json::String(given.to_string()))
        }
        _ => Err(format!("cannot be `{given}`")),
    }
}

fn absent(kind: &InputKind) -> Json {
    match kind {
        InputKind::Boolean => Json::Bool(false),
        InputKind::Number => Json::from(0),
        InputKind::Choice(options) => options.first().cloned().unwrap_or_default().into(),
        InputKind::Text | InputKind::Environment => Json::String(String::new()),
    }
}
