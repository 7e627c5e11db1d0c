//! The steps of a job, each with an id.

use std::collections::BTreeSet;

use super::{
    super::{
        Reading,
        ids::Ids,
        schema::STEP_IF,
        token::{Token, Value},
    },
    Step, condition,
};

const DOCKER: &str = "docker://";
/// What of a step is kept as it is written.
const FIELDS: [&str; 14] = [
    "name",
    "continue-on-error",
    "timeout-minutes",
    "env",
    "working-directory",
    "shell",
    "run",
    "uses",
    "with",
    "background",
    "wait",
    "wait-all",
    "cancel",
    "parallel",
];

/// The steps of a list; those without an id get one that says what they do.
pub(super) fn convert(list: &Token, reading: &mut Reading<'_>) -> Vec<Step> {
    let mut ids = Ids::default();
    let mut known = BTreeSet::new();
    let mut steps: Vec<Step> = list
        .items()
        .iter()
        .map(|body| step(body, &mut ids, &mut known, reading))
        .collect();
    for step in &mut steps {
        if step.id.is_empty() {
            step.id = ids.make(&speaking(&step.fields));
        }
    }
    steps
}

fn step(
    body: &Token,
    ids: &mut Ids,
    known: &mut BTreeSet<String>,
    reading: &mut Reading<'_>,
) -> Step {
    let mut step = Step {
        id: String::new(),
        condition: None,
        fields: Vec::new(),
    };
    let mut own_condition = None;
    for (key, value) in body.entries() {
        match key.text().unwrap_or_default() {
            "id" => {
                step.id = value.print();
                take(value, ids, known, reading);
            }
            "if" => own_condition = Some(value),
            name => {
                if let Some(name) = FIELDS.iter().find(|known| **known == name) {
                    step.fields.push((name, value.clone()));
                }
                match name {
                    "uses" => reference(value, reading),
                    "wait" | "cancel" => targets(value, &step.id, known, reading),
                    "wait-all" if matches!(value.value, Value::Boolean(false)) => {
                        reading.error(value, "The value of 'wait-all' must be true or omitted");
                    }
                    "parallel" => parallel(value, ids, known, reading),
                    _ => {}
                }
            }
        }
    }
    let has = |name: &str| step.fields.iter().any(|(own, _)| *own == name);
    if has("run") || has("uses") {
        step.condition = Some(condition(own_condition, STEP_IF, reading));
    }
    step
}

/// The steps of a group; their ids are those of the job.
fn parallel(list: &Token, ids: &mut Ids, known: &mut BTreeSet<String>, reading: &mut Reading<'_>) {
    for body in list.items() {
        step(body, ids, known, reading);
    }
}

fn take(id: &Token, ids: &mut Ids, known: &mut BTreeSet<String>, reading: &mut Reading<'_>) {
    let text = id.print();
    match ids.take(&text) {
        Ok(()) => {
            known.insert(text);
        }
        Err(message) => reading.error(id, &message),
    }
}

/// What `wait` and `cancel` name must stand above.
fn targets(value: &Token, own: &str, known: &BTreeSet<String>, reading: &mut Reading<'_>) {
    let all = match &value.value {
        Value::Sequence(items) => items.as_slice(),
        _ => std::slice::from_ref(value),
    };
    for target in all {
        let id = target.print();
        let message = if id.starts_with("__") {
            format!("The identifier '{id}' is invalid. IDs starting with '__' are reserved.")
        } else if !own.is_empty() && id.eq_ignore_ascii_case(own) {
            format!("Step '{own}' cannot reference itself")
        } else if !known.contains(&id) {
            format!("Step references unknown step ID '{id}'")
        } else {
            continue;
        };
        reading.error(target, &message);
    }
}

fn is_local(uses: &str) -> bool {
    uses.starts_with("./") || uses.starts_with(".\\") || uses.starts_with("$/")
}

/// Owner and repository of an action of another repository.
fn repository(uses: &str) -> Option<(&str, &str)> {
    let (path, git_ref) = uses.split_once('@')?;
    if git_ref.is_empty() || git_ref.contains('@') {
        return None;
    }
    let mut parts = path.split(['/', '\\']).filter(|part| !part.is_empty());
    Some((parts.next()?, parts.next()?))
}

fn reference(value: &Token, reading: &mut Reading<'_>) {
    let uses = value.print();
    if uses.starts_with("$/") && uses.contains('@') {
        let message = format!("Expected format $/path without a ref. Actual '{uses}'");
        reading.error(value, &message);
    } else if !uses.starts_with(DOCKER) && !is_local(&uses) && repository(&uses).is_none() {
        let message = format!("Expected format {{org}}/{{repo}}[/path]@ref. Actual '{uses}'");
        reading.error(value, &message);
    }
}

/// What an id may be made of.
fn speaking(fields: &[(&'static str, Token)]) -> String {
    for (name, value) in fields {
        match *name {
            "uses" => {
                let uses = value.print();
                if let Some(image) = uses.strip_prefix(DOCKER) {
                    return image.to_owned();
                }
                if is_local(&uses) {
                    return "self".to_owned();
                }
                if let Some((owner, name)) = repository(&uses) {
                    return format!("{owner}/{name}");
                }
            }
            "wait" | "wait-all" | "cancel" => return (*name).to_owned(),
            _ => {}
        }
    }
    "run".to_owned()
}
