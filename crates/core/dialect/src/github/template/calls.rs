//! Jobs that call workflows: the files are read, inputs and secrets held against what they declare,
//! permissions narrowed, and so on inwards.

use std::collections::BTreeMap;

use super::{
    super::call::path_from,
    Reading,
    convert::{Job, Workflow},
    permissions,
    reader::Reader,
    schema::{BOOLEAN_INPUT, Definition, NUMBER_INPUT, STRING_INPUT},
    token::{Token, Value},
};

/// Follows the calls of all jobs until something is wrong.
pub(super) fn follow(jobs: &mut [Job], reading: &mut Reading<'_>) {
    for job in jobs {
        call(job, 1, reading);
        if !reading.errors.is_empty() {
            return;
        }
    }
}

fn call(job: &mut Job, depth: usize, reading: &mut Reading<'_>) {
    let Some(reference) = job.reference.clone() else {
        return;
    };
    let limit = reading.options.max_call_depth;
    if depth > limit {
        let message = format!("Nested reusable workflow depth exceeded {limit}.");
        reading.refuse(None, None, &message);
        return;
    }
    let target = reference.text().unwrap_or_default();
    let here = reference
        .place
        .and_then(|place| reading.files.get(place.file - 1));
    let path = path_from(here.map_or("", String::as_str), target);
    if let Some(token) = reading.load(&path) {
        take_in(job, &token, reading);
    }
    name_caller(&reference, reading);
    if !reading.errors.is_empty() {
        return;
    }
    for nested in &mut job.jobs {
        call(nested, depth + 1, reading);
        if !reading.errors.is_empty() {
            return;
        }
    }
}

/// Errors of a called file say who called it.
fn name_caller(reference: &Token, reading: &mut Reading<'_>) {
    let Some(place) = reference.place else {
        return;
    };
    let caller = reading.files[place.file - 1].clone();
    for error in &mut reading.errors {
        if !error.message.starts_with(&caller) {
            error.message = format!(
                "In {caller} (Line: {}, Col: {}): Error from called workflow {}",
                place.at.line, place.at.column, error.message
            );
        }
    }
}

/// Puts a called workflow into the job that calls it.
fn take_in(job: &mut Job, token: &Token, reading: &mut Reading<'_>) {
    let most = job.permissions.clone();
    let workflow = Workflow::convert(token, reading);
    declared(job, token, reading);
    for key in ["defaults", "env"] {
        job.fields.extend(
            workflow
                .fields
                .iter()
                .find(|(name, _)| *name == key)
                .cloned(),
        );
    }
    if let Some((_, concurrency)) = workflow
        .fields
        .iter()
        .find(|(name, _)| *name == "concurrency")
    {
        job.fields
            .push(("embedded-concurrency", concurrency.clone()));
    }
    if let Some(own) = workflow.permissions {
        permissions::check(job, None, &own, most.as_ref(), reading);
        job.permissions = Some(own);
    }
    job.jobs = workflow.jobs;
    for index in 0..job.jobs.len() {
        let nested = &job.jobs[index];
        if let Some(own) = &nested.permissions {
            permissions::check(job, Some(nested), own, most.as_ref(), reading);
        } else {
            let inherited = job.permissions.clone();
            job.jobs[index].permissions = inherited;
        }
    }
}

/// Finds `workflow_call` and holds the job's inputs and secrets against it.
fn declared(job: &mut Job, root: &Token, reading: &mut Reading<'_>) {
    const CALL: &str = "workflow_call";
    let Some(on) = root.get("on") else {
        return;
    };
    let trigger = on.get(CALL);
    let is_called = on.text() == Some(CALL)
        || on.items().iter().any(|item| item.text() == Some(CALL))
        || trigger.is_some();
    if !is_called {
        reading.error(
            on,
            "workflow_call key is not defined in the referenced workflow.",
        );
        return;
    }
    for (key, field) in [
        ("inputs", "input-definitions"),
        ("secrets", "secret-definitions"),
        ("outputs", "outputs"),
    ] {
        if let Some(token) = trigger.and_then(|trigger| trigger.get(key)) {
            job.fields.push((field, token.clone()));
        }
    }
    inputs(
        job,
        trigger.and_then(|trigger| trigger.get("inputs")),
        reading,
    );
    secrets(
        job,
        trigger.and_then(|trigger| trigger.get("secrets")),
        reading,
    );
}

fn inputs(job: &Job, definitions: Option<&Token>, reading: &mut Reading<'_>) {
    let values = named(job.field("input-values"));
    for (name, definition) in definitions.map_or(&[][..], Token::entries) {
        let name = name.print();
        let wanted = match definition.get("type").and_then(Token::text) {
            Some("boolean") => &BOOLEAN_INPUT,
            Some("number") => &NUMBER_INPUT,
            _ => &STRING_INPUT,
        };
        if let Some(default) = definition.get("default") {
            of_type(default, wanted, reading);
        }
        match values.get(&name.to_ascii_lowercase()) {
            Some(value) => of_type(value, wanted, reading),
            None if is_required(definition) => {
                let message = format!("Input {name} is required, but not provided while calling.");
                reading.error_at(job.reference.as_ref().and_then(|it| it.place), &message);
            }
            None => {}
        }
    }
    undefined(job.field("input-values"), definitions, "input", reading);
}

fn of_type(token: &Token, wanted: &'static Definition, reading: &mut Reading<'_>) {
    let file = token.place.map_or(1, |place| place.file);
    let mut reader = Reader::new(file, &mut reading.memory);
    reader.again(token.clone(), wanted);
    for (_, message) in reader.errors {
        reading.error(token, &message);
    }
}

fn secrets(job: &Job, definitions: Option<&Token>, reading: &mut Reading<'_>) {
    if job.inherits_secrets {
        return;
    }
    let values = named(job.field("secret-values"));
    for (name, definition) in definitions.map_or(&[][..], Token::entries) {
        let name = name.print();
        if is_required(definition) && !values.contains_key(&name.to_ascii_lowercase()) {
            let message = format!("Secret {name} is required, but not provided while calling.");
            reading.error_at(job.reference.as_ref().and_then(|it| it.place), &message);
        }
    }
    undefined(job.field("secret-values"), definitions, "secret", reading);
}

/// The entries of a mapping by their names in lower case.
fn named(mapping: Option<&Token>) -> BTreeMap<String, &Token> {
    let entries = mapping.map_or(&[][..], Token::entries);
    let name = |key: &Token| key.print().to_ascii_lowercase();
    entries
        .iter()
        .map(|(key, value)| (name(key), value))
        .collect()
}

fn is_required(definition: &Token) -> bool {
    definition
        .get("required")
        .is_some_and(|required| matches!(required.value, Value::Boolean(true)))
}

fn undefined(
    values: Option<&Token>,
    definitions: Option<&Token>,
    what: &str,
    reading: &mut Reading<'_>,
) {
    let known = named(definitions);
    for (name, value) in values.map_or(&[][..], Token::entries) {
        let Some(name) = name.text() else {
            continue;
        };
        if !known.contains_key(&name.to_ascii_lowercase()) {
            let message =
                format!("Invalid {what}, {name} is not defined in the referenced workflow.");
            reading.error(value, &message);
        }
    }
}
