//! One job.

use super::{
    super::{
        Reading,
        ids::Ids,
        permissions::Permissions,
        schema::{JOB_IF, SNAPSHOT_IF},
        token::{Token, Value},
    },
    Job, condition, step,
};

const DOCKER: &str = "docker://";
/// The longest name of a concurrency group, in characters.
const MAX_GROUP: usize = 400;
/// Who may own a group of runners.
const OWNERS: [&str; 4] = ["org", "organization", "ent", "enterprise"];

/// A job, with what is wrong in it told.
pub(super) fn convert(id: &Token, body: &Token, reading: &mut Reading<'_>) -> Job {
    if let Err(message) = Ids::default().take(&id.print()) {
        reading.error(id, &message);
    }
    let mut job = Job {
        id: id.clone(),
        name: id.clone(),
        needs: Vec::new(),
        condition: condition(None, JOB_IF, reading),
        reference: None,
        inherits_secrets: false,
        permissions: None,
        fields: Vec::new(),
        jobs: Vec::new(),
        steps: Vec::new(),
    };
    for (key, value) in body.entries() {
        property(&mut job, key.text().unwrap_or_default(), value, reading);
    }
    job
}

fn property(job: &mut Job, key: &str, value: &Token, reading: &mut Reading<'_>) {
    let field = match key {
        "if" => {
            job.condition = condition(Some(value), JOB_IF, reading);
            return;
        }
        "name" => {
            if value.text() != Some("") {
                job.name = value.clone();
            }
            return;
        }
        "needs" => {
            job.needs = match &value.value {
                Value::Sequence(items) => items.clone(),
                _ => vec![value.clone()],
            };
            return;
        }
        "permissions" => {
            job.permissions = Some(Permissions::convert(value));
            return;
        }
        "uses" => {
            job.reference = Some(value.clone());
            return;
        }
        "steps" => {
            job.steps = step::convert(value, reading);
            return;
        }
        "secrets" if value.text() == Some("inherit") => {
            job.inherits_secrets = true;
            return;
        }
        "secrets" => "secret-values",
        "with" => "input-values",
        "runs-on" => {
            runs_on(value, reading);
            "runs-on"
        }
        "strategy" => {
            strategy(value, reading);
            "strategy"
        }
        "container" => {
            container(value, false, reading);
            "container"
        }
        "services" => {
            services(value, reading);
            "services"
        }
        "concurrency" => {
            concurrency(value, reading);
            "concurrency"
        }
        "snapshot" => {
            snapshot(value, reading);
            "snapshot"
        }
        "continue-on-error" => "continue-on-error",
        "timeout-minutes" => "timeout-minutes",
        "cancel-timeout-minutes" => "cancel-timeout-minutes",
        "env" => "env",
        "environment" => "environment",
        "outputs" => "outputs",
        "defaults" => "defaults",
        _ => return,
    };
    job.fields.push((field, value.clone()));
}

fn runs_on(token: &Token, reading: &mut Reading<'_>) {
    let Some(group) = token.get("group") else {
        return;
    };
    let Some(name) = group.text() else {
        return;
    };
    let parts: Vec<&str> = name.split('/').collect();
    match parts.as_slice() {
        [_] => {}
        [_, ""] => reading.error(group, &format!("Invalid runs-on group name '{name}'.")),
        [owner, _] if OWNERS.contains(owner) => {}
        _ => {
            let message = format!(
                "Invalid runs-on group name '{name}'. Please use 'organization/' or 'enterprise/' prefix to target a single runner group."
            );
            reading.error(group, &message);
        }
    }
}

fn strategy(token: &Token, reading: &mut Reading<'_>) {
    let Some(matrix) = token.get("matrix") else {
        return;
    };
    if matrix.is_expression() {
        return;
    }
    let mut has_vector = false;
    for (key, value) in matrix.entries() {
        match key.text() {
            Some("exclude") => {}
            Some("include") => {
                has_vector |= value.has_expression() || !value.items().is_empty();
            }
            name => {
                has_vector = true;
                if matches!(&value.value, Value::Sequence(items) if items.is_empty()) {
                    let name = name.unwrap_or_default();
                    let message = format!("Matrix vector '{name}' does not contain any values");
                    reading.error(value, &message);
                }
            }
        }
    }
    if !has_vector {
        reading.error(matrix, "Matrix must define at least one vector");
    }
}

fn services(token: &Token, reading: &mut Reading<'_>) {
    if token.has_expression() {
        return;
    }
    for (_, service) in token.entries() {
        container(service, true, reading);
    }
}

/// An image must not be empty, but a job may have none.
fn container(token: &Token, is_service: bool, reading: &mut Reading<'_>) {
    if token.has_expression() {
        return;
    }
    let image = match token.text() {
        Some(image) => image,
        None => token.get("image").and_then(Token::text).unwrap_or_default(),
    };
    let bare = image.strip_prefix(DOCKER);
    if bare.unwrap_or(image).is_empty() && (bare.is_some() || is_service) {
        reading.error(token, "Container image cannot be empty");
    }
}

/// A concurrency group of a job or a workflow.
pub(super) fn concurrency(token: &Token, reading: &mut Reading<'_>) {
    let group = token
        .text()
        .or_else(|| token.get("group").and_then(Token::text));
    if group.is_some_and(|group| group.chars().count() > MAX_GROUP) {
        let message = format!("Concurrency group name must be less than {MAX_GROUP} characters");
        reading.error(token, &message);
    }
    let cancels = token
        .get("cancel-in-progress")
        .is_some_and(|cancels| matches!(cancels.value, Value::Boolean(true)));
    if cancels && token.get("queue").and_then(Token::text) == Some("max") {
        let message = "'queue: max' cannot be used together with 'cancel-in-progress: true'";
        reading.error(token, message);
    }
}

fn snapshot(token: &Token, reading: &mut Reading<'_>) {
    if let Some(own) = token.get("if") {
        condition(Some(own), SNAPSHOT_IF, reading);
    }
    let Some(version) = token.get("version").and_then(Token::text) else {
        return;
    };
    let major = version.strip_suffix(".*").unwrap_or_default();
    if major.is_empty() || !major.bytes().all(|byte| byte.is_ascii_digit()) {
        let message = format!("Expected format '{{major-version}}.*' Actual '{version}'");
        reading.error(token, &message);
    }
}
