//! The containers of a leg: what they are to be, with all expressions replaced, and what the step that
//! made them ready has said of them. How they are made is no matter of a run.

use std::{collections::BTreeMap, fmt};

use cutover_model::{
    Secret,
    plan::{
        Bindings, StepBody, StepSpec, Template,
        container::{
            ContainerImage, ContainerOptions, ContainerSpec, ContainerStep, ContainerUse,
            Credentials, Services,
        },
    },
    run::{JobKey, Phase, StepPath},
};
use serde_json::{Map, Value, json};

use crate::{
    Fault, expression,
    resolve::{Given, Kind},
    run::Run,
    scope::Scope,
    step,
};

/// The output of the step that makes containers ready: all that later steps need to know of them, as
/// `{"container": {…}, "services": {"NAME": {…}}}`.
pub const SET_UP_OUTPUT: &str = "containers";

/// What a leg needs beside itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobContainers {
    /// In which its steps run; absent: on the machine.
    pub container: Option<ContainerFacts>,
    /// By the names under which they are reached, in the order written.
    pub services: Vec<(String, ContainerFacts)>,
}

/// One container. Its values may hold secrets.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct ContainerFacts {
    /// The image's reference.
    pub image: String,
    /// Its environment, over that of the image.
    pub env: BTreeMap<String, String>,
    /// `[HOST:]INSIDE[/tcp|/udp]`.
    pub ports: Vec<String>,
    /// `[SOURCE:]PATH[:ro]`.
    pub volumes: Vec<String>,
    /// What its flags say.
    pub options: ContainerOptions,
    /// Who asks the registry: a name and a password.
    pub credentials: Option<(String, Secret)>,
    /// In place of the image's.
    pub entrypoint: Option<String>,
    /// In place of the image's, not split yet.
    pub command: Option<String>,
}

impl fmt::Debug for ContainerFacts {
    /// Only what cannot hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ContainerFacts")
            .field("env", &self.env.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// A step that is a container, with all expressions replaced. Its values may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct ContainerCall {
    /// What it is made of.
    pub image: ContainerImage,
    /// In place of the image's.
    pub entrypoint: Option<String>,
    /// In place of the image's command.
    pub args: Vec<String>,
}

/// The container in which the steps of a leg run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunningContainer {
    /// The engine's id.
    pub id: String,
    /// Its own `PATH`.
    pub path: String,
    /// The network that it is in.
    pub network: String,
}

/// Where a step of a leg runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the machine.
    Machine,
    /// Where the steps of its job run: in the container of the job, if it has one.
    Job,
    /// In a container of its own.
    Own,
}

/// Where a step runs.
pub fn place(run: &Run, job: &JobKey, path: &StepPath) -> Place {
    let spec = run
        .spec(job.job())
        .and_then(|spec| step::spec(&spec.steps, path));
    match spec.filter(|spec| !spec.on_machine).map(|spec| &spec.body) {
        Some(StepBody::Container(_)) => Place::Own,
        Some(StepBody::Run { .. } | StepBody::Action(_)) => Place::Job,
        Some(
            StepBody::Builtin { .. }
            | StepBody::Composite { .. }
            | StepBody::Lacking { .. }
            | StepBody::SetUpContainers
            | StepBody::Wait { .. }
            | StepBody::WaitAll
            | StepBody::CancelStep { .. },
        )
        | None => Place::Machine,
    }
}

/// What is to be made ready for a leg.
pub(crate) fn of_leg(scope: &Scope<'_>) -> Result<JobContainers, Fault> {
    let Some(spec) = scope.spec else {
        return Ok(JobContainers::default());
    };
    let file = scope.run.file_of(&spec.id);
    let written = match &spec.container {
        Some(container) => used(scope, container, file)?,
        None => mapped_image(scope).map(|image| ContainerFacts {
            image,
            ..ContainerFacts::default()
        }),
    };
    let services = match &spec.services {
        None => Vec::new(),
        Some(Services::Named(named)) => {
            let mut services = Vec::new();
            for (name, service) in named {
                let service = used(scope, service, file)?;
                services.extend(service.map(|service| (name.clone(), service)));
            }
            services
        }
        Some(Services::Expression(template)) => services_of(scope, template, file)?,
    };
    Ok(JobContainers {
        container: written,
        services,
    })
}

/// The image that stands for one of the labels of a leg.
fn mapped_image(scope: &Scope<'_>) -> Option<String> {
    let images = &scope.spec?.runner_images;
    let leg = scope.run.leg(scope.key?)?;
    leg.spec
        .runs_on
        .iter()
        .find_map(|label| images.get(label).cloned())
}

/// The container in which the steps of a leg run, once it is there; `None` when they run on the
/// machine.
pub fn running(
    run: &Run,
    job: &JobKey,
    given: &Given<'_>,
) -> Result<Option<RunningContainer>, Fault> {
    let scope = Scope::step(run, job, &StepPath::default(), Some(given))?;
    let Some(set_up) = set_up_of(&scope) else {
        return Ok(None);
    };
    let Some(said) = said(&scope) else {
        let message = "the containers of the job are not there: they could not be made ready";
        return Err(Fault::new(
            run.file_of(job.job()),
            set_up.at,
            message.to_owned(),
        ));
    };
    let text = |name: &str| said["container"][name].as_str().map(str::to_owned);
    Ok(text("id").map(|id| RunningContainer {
        id,
        path: text("path").unwrap_or_default(),
        network: text("network").unwrap_or_default(),
    }))
}

/// Whether the job may have a container, or services: something is made ready before its steps.
pub fn may_be_inside(run: &Run, job: &JobKey) -> bool {
    Scope::job(run, job).is_ok_and(|scope| set_up_of(&scope).is_some())
}

/// Whether the job has a container that is there.
pub(crate) fn is_inside(scope: &Scope<'_>) -> bool {
    said(scope).is_some_and(|said| said["container"]["id"].is_string())
}

/// The network in which the containers of a leg are, once it is there.
pub fn network(run: &Run, job: &JobKey, given: &Given<'_>) -> Option<String> {
    let scope = Scope::step(run, job, &StepPath::default(), Some(given)).ok()?;
    said(&scope)?["network"].as_str().map(str::to_owned)
}

/// What must not be seen wherever a step of a leg writes: the passwords for its registries.
pub fn passwords(run: &Run, job: &JobKey, given: &Given<'_>) -> Result<Vec<Secret>, Fault> {
    let scope = Scope::step(run, job, &StepPath::default(), Some(given))?;
    if set_up_of(&scope).is_none() {
        return Ok(Vec::new());
    }
    let leg = of_leg(&scope)?;
    let all = leg.container.into_iter();
    let all = all.chain(leg.services.into_iter().map(|(_, service)| service));
    let credentials = all.filter_map(|one| one.credentials);
    Ok(credentials.map(|(_, password)| password).collect())
}

/// The first step of a leg, when it makes containers ready.
fn set_up_of<'a>(scope: &Scope<'a>) -> Option<&'a StepSpec> {
    scope
        .steps()
        .first()
        .filter(|first| matches!(first.body, StepBody::SetUpContainers))
}

/// What the step that made containers ready has said of them.
fn said(scope: &Scope<'_>) -> Option<Value> {
    set_up_of(scope)?;
    let path = StepPath::top(0);
    let step = scope.run.step(scope.key?, &path)?;
    let value = step.report.outputs.get(SET_UP_OUTPUT)?;
    let text = scope.seen(&path, Kind::Output, SET_UP_OUTPUT, value);
    serde_json::from_str(&text).ok()
}

/// What the `job` context says of containers: `container` and `services`.
pub(crate) fn context(scope: &Scope<'_>, job: &mut Map<String, Value>) {
    let Some(said) = said(scope) else {
        return;
    };
    if let Some(container) = said.get("container") {
        let facts = json!({ "id": container["id"], "network": container["network"] });
        job.insert("container".to_owned(), facts);
    }
    let services = said.get("services").cloned();
    job.insert("services".to_owned(), services.unwrap_or_else(|| json!({})));
}

/// A container as used; `None` when its image comes to nothing.
fn used(
    scope: &Scope<'_>,
    container: &ContainerUse,
    file: &str,
) -> Result<Option<ContainerFacts>, Fault> {
    match container {
        ContainerUse::Spec(spec) => written(scope, spec, file),
        ContainerUse::Expression(template) => {
            let value = expression::json(scope, template, file)?;
            of_value(&value).map_err(|message| Fault::of(file, template, message))
        }
    }
}

fn written(
    scope: &Scope<'_>,
    spec: &ContainerSpec,
    file: &str,
) -> Result<Option<ContainerFacts>, Fault> {
    let image = expression::text(scope, &spec.image, file)?;
    if image.trim().is_empty() {
        return Ok(None);
    }
    let text = |template: &Option<Template>| {
        template
            .as_ref()
            .map(|template| expression::text(scope, template, file))
            .transpose()
            .map(|text| text.filter(|text| !text.is_empty()))
    };
    let options = match &spec.options {
        Some(template) => {
            let text = expression::text(scope, template, file)?;
            ContainerOptions::parse(&text)
                .map_err(|error| Fault::of(file, template, error.message))?
        }
        None => ContainerOptions::default(),
    };
    Ok(Some(ContainerFacts {
        image: reference(&image),
        env: scope.evaluate(&spec.env, file)?,
        ports: list(scope, &spec.ports, file)?,
        volumes: list(scope, &spec.volumes, file)?,
        options,
        credentials: credentials(scope, spec.credentials.as_ref(), file)?,
        entrypoint: text(&spec.entrypoint)?,
        command: text(&spec.command)?,
    }))
}

/// People write `docker://` here, too.
fn reference(image: &str) -> String {
    let image = image.trim();
    image.strip_prefix("docker://").unwrap_or(image).to_owned()
}

/// Texts, of which an expression may give several at once.
fn list(scope: &Scope<'_>, templates: &[Template], file: &str) -> Result<Vec<String>, Fault> {
    let mut found = Vec::new();
    for template in templates {
        match expression::json(scope, template, file)? {
            Value::Array(items) => found.extend(items.iter().filter_map(plain)),
            _ => found.push(expression::text(scope, template, file)?),
        }
    }
    found.retain(|text| !text.is_empty());
    Ok(found)
}

fn credentials(
    scope: &Scope<'_>,
    credentials: Option<&Credentials>,
    file: &str,
) -> Result<Option<(String, Secret)>, Fault> {
    let pair = match credentials {
        None => return Ok(None),
        Some(Credentials::Pair { username, password }) => (
            expression::text(scope, username, file)?,
            expression::text(scope, password, file)?,
        ),
        Some(Credentials::Expression(template)) => {
            let value = expression::json(scope, template, file)?;
            let text = |name: &str| value.get(name).and_then(plain).unwrap_or_default();
            (text("username"), text("password"))
        }
    };
    // Without secrets, in a run of strangers, the registry is asked without a name.
    let is_there = !pair.0.is_empty() && !pair.1.is_empty();
    Ok(is_there.then(|| (pair.0, Secret::new(pair.1))))
}

fn services_of(
    scope: &Scope<'_>,
    template: &Template,
    file: &str,
) -> Result<Vec<(String, ContainerFacts)>, Fault> {
    let fault = |message: String| Fault::of(file, template, message);
    match expression::json(scope, template, file)? {
        Value::Object(services) => {
            let mut found = Vec::new();
            for (name, value) in &services {
                let service = of_value(value).map_err(fault)?;
                found.extend(service.map(|service| (name.clone(), service)));
            }
            Ok(found)
        }
        Value::Null => Ok(Vec::new()),
        Value::String(text) if text.is_empty() => Ok(Vec::new()),
        _ => Err(fault("`services` must come to a mapping".to_owned())),
    }
}

/// A container that an expression has come to.
fn of_value(value: &Value) -> Result<Option<ContainerFacts>, String> {
    let fields = match value {
        Value::Null => return Ok(None),
        Value::Object(fields) => fields,
        _ => {
            let image = plain(value).ok_or("a container must come to a text or a mapping")?;
            return Ok((!image.trim().is_empty()).then(|| ContainerFacts {
                image: reference(&image),
                ..ContainerFacts::default()
            }));
        }
    };
    let mut facts = ContainerFacts::default();
    for (name, value) in fields {
        let text = || plain(value).ok_or_else(|| format!("`{name}` must come to a text"));
        match name.as_str() {
            "image" => facts.image = reference(&text()?),
            "env" => facts.env = pairs(name, value)?,
            "ports" => facts.ports = texts(name, value)?,
            "volumes" => facts.volumes = texts(name, value)?,
            "options" => {
                facts.options = ContainerOptions::parse(&text()?).map_err(|error| error.message)?;
            }
            "credentials" => {
                let mut pair = pairs(name, value)?;
                let (user, password) = (pair.remove("username"), pair.remove("password"));
                facts.credentials = user.zip(password.map(Secret::new));
            }
            "entrypoint" => facts.entrypoint = Some(text()?).filter(|text| !text.is_empty()),
            "command" => facts.command = Some(text()?).filter(|text| !text.is_empty()),
            _ => return Err(format!("unknown key `{name}` in a container")),
        }
    }
    Ok((!facts.image.trim().is_empty()).then_some(facts))
}

fn plain(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some(String::new()),
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Array(_) | Value::Object(_) => None,
    }
}

fn texts(name: &str, value: &Value) -> Result<Vec<String>, String> {
    let items = value.as_array().map_or_else(Vec::new, Clone::clone);
    let found: Option<Vec<String>> = items.iter().map(plain).collect();
    found
        .filter(|_| value.is_array() || value.is_null())
        .ok_or_else(|| format!("`{name}` must come to a list of texts"))
}

/// A mapping of texts that an expression has come to.
pub(crate) fn pairs(name: &str, value: &Value) -> Result<BTreeMap<String, String>, String> {
    let fields = value.as_object().cloned().unwrap_or_default();
    let found: Option<_> = fields
        .iter()
        .map(|(key, value)| Some((key.clone(), plain(value)?)))
        .collect();
    found
        .filter(|_| value.is_object() || value.is_null())
        .ok_or_else(|| format!("`{name}` must come to a mapping of texts"))
}

/// A step that is a container, and the variables that it gets beside those of every step.
pub(crate) fn call(
    scope: &mut Scope<'_>,
    phase: Phase,
    step: &ContainerStep,
    file: &str,
) -> Result<(ContainerCall, BTreeMap<String, String>), Fault> {
    let inputs = scope.evaluate(&step.inputs, file)?;
    let mut env = inputs_as_env(&inputs);
    let input = |name: &str| {
        let found = inputs
            .iter()
            .find(|(key, _)| key.eq_ignore_ascii_case(name));
        found
            .map(|(_, value)| value.clone())
            .filter(|value| !value.is_empty())
    };
    let (given_entrypoint, given_args) = (input("entrypoint"), input("args"));
    // What the action says may speak of its inputs.
    scope.inputs = Some(inputs);
    for (name, value) in evaluated(scope, &step.env, file)? {
        if !scope.env.contains_key(&name) {
            env.entry(name).or_insert(value);
        }
    }
    let is_main = phase == Phase::Main;
    let (given_entrypoint, given_args) = (
        given_entrypoint.filter(|_| is_main),
        given_args.filter(|_| is_main),
    );
    let own = match phase {
        Phase::Pre => &step.pre_entrypoint,
        Phase::Main => &step.entrypoint,
        Phase::Post => &step.post_entrypoint,
    };
    let entrypoint = match (given_entrypoint, own) {
        (Some(given), _) => Some(given),
        (None, Some(template)) => {
            Some(expression::text(scope, template, file)?).filter(|text| !text.is_empty())
        }
        (None, None) => None,
    };
    let args = match given_args {
        Some(line) => split(&line).map_err(|message| Fault::new(file, position(step), message))?,
        None => list(scope, &step.args, file)?,
    };
    let call = ContainerCall {
        image: step.image.clone(),
        entrypoint,
        args,
    };
    Ok((call, env))
}

fn position(step: &ContainerStep) -> cutover_model::Position {
    let args = step
        .inputs
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("args"));
    args.map(|(_, template)| template.at).unwrap_or_default()
}

fn evaluated(
    scope: &Scope<'_>,
    bindings: &Bindings,
    file: &str,
) -> Result<Vec<(String, String)>, Fault> {
    Ok(scope.evaluate(bindings, file)?.into_iter().collect())
}

/// `INPUT_NAME`, in capitals, with `_` for blanks.
fn inputs_as_env(inputs: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    inputs
        .iter()
        .map(|(name, value)| {
            let name = name.replace(' ', "_").to_uppercase();
            (format!("INPUT_{name}"), value.clone())
        })
        .collect()
}

/// The words of a line.
pub fn split(line: &str) -> Result<Vec<String>, String> {
    let words = cutover_model::plan::container::words(line);
    let words = words.ok_or_else(|| format!("a quote is not closed in `{line}`"))?;
    Ok(words.into_iter().map(|(_, word)| word).collect())
}
