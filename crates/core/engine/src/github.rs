//! The `github` context, and the variables of the same facts that every step finds in its
//! environment.

use std::collections::BTreeMap;

use cutover_model::{
    plan::{ActionSource, StepBody, StepSpec},
    run::{Phase, StepPath},
    source::Trigger,
};
use serde_json::{Map, Value, json};

use crate::{call, contexts::WITHHELD, resolve, scope::Scope, step};

/// Where the payload of the event lies, from the temporary directory of a job.
pub const EVENT_FILE: &str = "_github_workflow/event.json";

/// The secret that is the token of a job, too, when somebody gives one.
pub(crate) const TOKEN: &str = "GITHUB_TOKEN";

/// The files by which a step hands values on: as `github` calls them, and in their directory.
const EXCHANGE: [(&str, &str); 5] = [
    ("env", "env"),
    ("output", "output"),
    ("path", "path"),
    ("state", "state"),
    ("step_summary", "summary"),
];

/// The whole context.
pub(crate) fn context(scope: &Scope<'_>) -> Value {
    let mut object: Map<String, Value> = facts(scope)
        .into_iter()
        .map(|(name, value)| (name.to_owned(), Value::String(value)))
        .collect();
    if let Some(trigger) = scope.run.trigger() {
        object.insert("event".to_owned(), trigger.payload.clone());
    }
    object.insert("token".to_owned(), json!(token(scope)));
    object.insert("ref_protected".to_owned(), json!(false));
    if let Some(given) = scope.given {
        let directory = &given.runner.exchange;
        for (name, file) in EXCHANGE {
            object.insert(name.to_owned(), json!(format!("{directory}/{file}")));
        }
    }
    if let (Some(trigger), Some(spec)) = (scope.run.trigger(), scope.spec) {
        let file = scope.run.file_of(&spec.id);
        let commit = scope.run.workflow_sha_of(&spec.id);
        object.insert("job_workflow_sha".to_owned(), json!(commit));
        if scope.run.frame(&spec.id).is_some() {
            let (repository, path, at) = written_in(trigger, file);
            let job_ref = format!("{repository}/{path}@{at}");
            object.insert("job_workflow_ref".to_owned(), json!(job_ref));
        }
    }
    let repository = object.get("repository").and_then(Value::as_str);
    let url = repository.map(|name| format!("git://{name}.git"));
    object.insert("repositoryUrl".to_owned(), json!(url));
    object.insert("secret_source".to_owned(), json!("Actions"));
    Value::Object(object)
}

/// The variables of a step: the facts as `GITHUB_…`, those of the runner as `RUNNER_…`.
pub(crate) fn variables(scope: &Scope<'_>) -> BTreeMap<String, String> {
    let mut found: BTreeMap<String, String> = facts(scope)
        .into_iter()
        .map(|(name, value)| (format!("GITHUB_{}", name.to_uppercase()), value))
        .collect();
    found.insert("GITHUB_ACTIONS".to_owned(), "true".to_owned());
    found.insert("CUTOVER".to_owned(), "true".to_owned());
    if let Some(given) = scope.given {
        let runner = given.runner;
        let facts = [
            ("NAME", runner.name.as_str()),
            ("OS", &runner.os),
            ("ARCH", &runner.arch),
            ("TEMP", &runner.temp),
            ("TOOL_CACHE", &runner.tool_cache),
            ("WORKSPACE", &runner.workspace),
            ("ENVIRONMENT", "self-hosted"),
        ];
        for (name, value) in facts {
            found.insert(format!("RUNNER_{name}"), value.to_owned());
        }
        if wants_debug(scope) {
            found.insert("RUNNER_DEBUG".to_owned(), "1".to_owned());
        }
    }
    found
}

/// The repository, the path and the ref of a file that a run consists of: one of its own sources, or
/// a whole reference to somewhere else.
pub(crate) fn written_in(trigger: &Trigger, file: &str) -> (String, String, String) {
    let own = || {
        let at = trigger.git_ref.to_string();
        (trigger.repository.clone(), file.to_owned(), at)
    };
    let Some((place, at)) = file.rsplit_once('@') else {
        return own();
    };
    let mut parts = place.splitn(3, '/');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(owner), Some(name), Some(path)) if owner != ".github" => {
            (format!("{owner}/{name}"), path.to_owned(), at.to_owned())
        }
        _ => own(),
    }
}

/// Whether steps are to tell more than usual: a variable, or a secret of a trusted run, says so.
pub(crate) fn wants_debug(scope: &Scope<'_>) -> bool {
    const NAME: &str = "ACTIONS_STEP_DEBUG";
    let run = scope.run;
    let by_variable = run.head.as_ref().and_then(|head| head.vars.get(NAME));
    let given = scope.given.filter(|_| run.may_see_secrets());
    let by_secret = given.and_then(|given| given.secrets.get(NAME));
    by_variable.is_some_and(|value| value == "true")
        || by_secret.is_some_and(|value| value.expose() == "true")
}

/// The token of the job: the secret of that name, as far as it may be seen.
fn token(scope: &Scope<'_>) -> String {
    let known = scope.has_secret(Some(&TOKEN.to_owned()));
    match scope.given {
        _ if !scope.run.may_see_secrets() || !known => String::new(),
        None => WITHHELD.to_owned(),
        Some(given) => {
            let token = given.secrets.get(TOKEN);
            token.map_or_else(String::new, |secret| secret.expose().to_owned())
        }
    }
}

/// What only the hosted service counts. A recorded payload may say it; else it is empty.
fn numbers(trigger: &Trigger) -> [(&'static str, String); 4] {
    let at = |path: &str| match trigger.payload.pointer(path) {
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => {
            String::new()
        }
    };
    let visibility = match trigger.payload.pointer("/repository/private") {
        Some(Value::Bool(true)) => "private".to_owned(),
        Some(Value::Bool(false)) => "public".to_owned(),
        _ => at("/repository/visibility"),
    };
    [
        ("actor_id", at("/sender/id")),
        ("repository_id", at("/repository/id")),
        ("repository_owner_id", at("/repository/owner/id")),
        ("repository_visibility", visibility),
    ]
}

/// What GitHub calls a step: its id, else what it does, with a number from the second one on.
pub(crate) fn action_name(siblings: &[StepSpec], index: usize) -> Option<String> {
    let spec = siblings.get(index)?;
    if let Some(id) = &spec.id {
        return Some(id.clone());
    }
    let own = unnamed(spec);
    let before = siblings.iter().take(index);
    let before = before.filter(|one| one.id.is_none() && unnamed(one) == own);
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let own: String = own.chars().map(plain).collect();
    Some(match before.count() {
        0 => format!("__{own}"),
        more => format!("__{own}_{}", more + 1),
    })
}

/// What a step without an id is called after.
fn unnamed(spec: &StepSpec) -> &str {
    fn of_source(source: &ActionSource) -> &str {
        match source {
            ActionSource::Workspace | ActionSource::Own => "self",
            ActionSource::Foreign(tree) => &tree.repository,
        }
    }
    match &spec.body {
        StepBody::Run { .. }
        | StepBody::SetUpContainers
        | StepBody::Wait { .. }
        | StepBody::WaitAll
        | StepBody::CancelStep { .. } => "run",
        StepBody::Composite { source, .. } => of_source(source),
        StepBody::Action(action) => of_source(&action.source),
        StepBody::Builtin { action, .. } => {
            let name = action.name();
            let end = name.match_indices('/').nth(1).map(|(end, _)| end);
            end.and_then(|end| name.get(..end)).unwrap_or(name)
        }
        StepBody::Lacking { uses, .. } => uses,
        StepBody::Container(step) => step.uses.trim_start_matches("docker://"),
    }
}

/// The same of the step from which it is looked.
fn own_action(scope: &Scope<'_>, path: &StepPath) -> Option<String> {
    let path = path.in_phase(Phase::Main);
    let (last, _) = path.indices().split_last()?;
    let siblings = match path.parent().filter(|parent| !parent.0.is_empty()) {
        Some(parent) => step::children(step::spec(scope.steps(), &parent)?)?,
        None => scope.steps(),
    };
    action_name(siblings, usize::from(*last))
}

/// What is both in the context and in the environment, in lower case without a prefix.
fn facts(scope: &Scope<'_>) -> Vec<(&'static str, String)> {
    let run = scope.run;
    let (Some(plan), Some(trigger), Some(id)) = (run.plan(), run.trigger(), run.id()) else {
        return Vec::new();
    };
    let owner = trigger
        .repository
        .split_once('/')
        .map_or("", |(owner, _)| owner);
    let git_ref = &trigger.git_ref;
    let ref_type = if git_ref.tag().is_some() {
        "tag"
    } else {
        "branch"
    };
    let place = scope.place();
    let server = place.as_ref().map_or("", |place| &place.server);
    let workspace = place.as_ref().map_or("", |place| &place.workspace);
    let mut facts = vec![
        ("actor", trigger.actor.clone()),
        ("api_url", format!("{server}/api")),
        ("graphql_url", format!("{server}/api/graphql")),
        ("base_ref", trigger.base_ref.clone().unwrap_or_default()),
        ("event_name", trigger.kind.event_name().to_owned()),
        ("head_ref", trigger.head_ref.clone().unwrap_or_default()),
        ("ref", git_ref.0.clone()),
        ("ref_name", git_ref.short().to_owned()),
        ("ref_protected", "false".to_owned()),
        ("ref_type", ref_type.to_owned()),
        ("repository", trigger.repository.clone()),
        ("repository_owner", owner.to_owned()),
        ("retention_days", "90".to_owned()),
        ("run_attempt", run.attempt().to_string()),
        ("run_id", id.to_string()),
        ("run_number", run.number().unwrap_or_default().to_string()),
        ("server_url", server.to_owned()),
        ("sha", trigger.revision.0.clone()),
        (
            "triggering_actor",
            run.wanted_by().unwrap_or_default().to_owned(),
        ),
        ("workflow", plan.name.clone()),
        (
            "workflow_ref",
            format!("{}/{}@{git_ref}", trigger.repository, plan.path),
        ),
        ("workflow_sha", trigger.revision.0.clone()),
        ("workspace", workspace.to_owned()),
    ];
    if let Some(place) = &place {
        facts.push(("event_path", format!("{}/{EVENT_FILE}", place.temp)));
    }
    if let Some(spec) = scope.spec {
        facts.push(("job", call::own_id(&spec.id).to_owned()));
    }
    facts.extend(numbers(trigger));
    if let Some(name) = scope.at.as_ref().and_then(|path| own_action(scope, path)) {
        facts.push(("action", name));
    }
    facts.extend([
        ("action_ref", String::new()),
        ("action_repository", String::new()),
    ]);
    if let Some((source, path)) = scope.action {
        facts.extend(of_action(scope, source, path));
    }
    facts
}

/// What is known of an action: where it lies, and what it is of.
pub(crate) fn of_action(
    scope: &Scope<'_>,
    source: &ActionSource,
    path: &str,
) -> Vec<(&'static str, String)> {
    let directory = scope.place().map_or_else(
        || format!("/{path}"),
        |place| resolve::action_path(&place, source, path),
    );
    let mut facts = vec![("action_path", directory)];
    if let ActionSource::Foreign(tree) = source {
        facts.push(("action_repository", tree.repository.clone()));
        facts.push(("action_ref", tree.git_ref.clone()));
    }
    facts
}
