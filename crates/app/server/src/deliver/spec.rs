//! What a deployment is told when it is created: the file's rules and the release, put together.

use std::collections::BTreeMap;

use cutover_model::{
    delivery::{DeploymentSpec, Package, Release, Strategy},
    guard::{Guards, Hook, HookAct, HookPoint, OnError},
    project::{Environment, Project, Service, TargetSpec},
    traffic::TrafficSpec,
};
use cutover_release::compare;

use super::Request;
use crate::{Control, Error};

pub(super) fn environment_of<'a>(
    project: &'a Project,
    name: &str,
) -> Result<&'a Environment, Error> {
    project.environments.get(name).ok_or_else(|| {
        let names: Vec<&str> = project.environments.keys().map(String::as_str).collect();
        Error::NotFound(format!(
            "no environment `{name}` in `cutover.yml`; there is `{}`",
            names.join("`, `")
        ))
    })
}

pub(super) fn check_package(
    target: &TargetSpec,
    environment: &str,
    release: &Release,
) -> Result<(), Error> {
    let (wanted, fits) = match (target, &release.package) {
        (TargetSpec::Process { .. }, package) => (
            "a process bundle",
            matches!(package, Package::Bundle { .. }),
        ),
        (TargetSpec::Docker { .. }, package) => {
            ("an image", matches!(package, Package::Image { .. }))
        }
    };
    if fits {
        return Ok(());
    }
    Err(Error::Refused(format!(
        "`{environment}` needs {wanted}, and {} is none; see `build:` of the service and `target:` of the environment",
        release.version
    )))
}

/// Why the database that this one has left behind is too new for a release.
pub(super) fn floor_over(now: &Release, release: &Release) -> Option<String> {
    let migrations = now.contents.migrations.as_ref()?;
    compare::below_floor(&release.version, migrations.floor.as_deref())
}

/// Everything at once, and nothing to wait for.
pub(super) fn back_at_once() -> Result<Strategy, Error> {
    let mut strategy = strategy("blue_green")?;
    if let Strategy::BlueGreen { bake, .. } = &mut strategy {
        *bake = cutover_model::Duration::ZERO;
    }
    Ok(strategy)
}

/// By a word, with the figures that such a strategy has by default.
fn strategy(word: &str) -> Result<Strategy, Error> {
    cutover_dialect::default_strategy(word).ok_or_else(|| {
        Error::NotFound(format!(
            "`{word}` is not a strategy; there is `rolling`, `blue_green`, `canary`, `linear` and \
             `recreate`"
        ))
    })
}

pub(super) fn spec(
    project: &Project,
    environment: &Environment,
    request: Request,
) -> Result<DeploymentSpec, Error> {
    let name = &request.release.service;
    let service = project
        .services
        .get(name)
        .ok_or_else(|| Error::NotFound(format!("no service `{name}` in `cutover.yml` any more")))?;
    Ok(DeploymentSpec {
        strategy: match &request.strategy {
            Some(word) if word != environment.strategy.word() => strategy(word)?,
            _ => environment.strategy.clone(),
        },
        id: request.id,
        environment: request.environment,
        release: request.release,
        target: environment.target.clone(),
        triggers: environment.rollback_triggers.clone(),
        judge: environment.judge,
        health: service.health.clone(),
        start_timeout: service.start_timeout,
        drain_timeout: service.drain_timeout,
        stop_grace: service.stop_grace,
        env: environment.env.clone(),
        listen: environment.listen.clone(),
        approval: environment.approvals.clone().filter(|_| !request.approved),
        cause: request.cause,
        notify: project.notify.clone(),
        guards: guards(service, environment),
        rollback: environment.rollback.clone(),
        on_superseded: environment.on_superseded,
        lift_hold: request.lift_hold,
        break_glass: request.break_glass,
        traffic: traffic(service, environment),
    })
}

/// What the environment asks for, and before it what the service does to its database.
fn guards(service: &Service, environment: &Environment) -> Guards {
    let mut guards = environment.guards.clone();
    let expand = service.migrations.as_ref().map(|it| it.expand.clone());
    if let Some(argv) = expand.filter(|argv| !argv.is_empty()) {
        let hook = Hook {
            name: "migrations.expand".to_owned(),
            on: HookPoint::BeforeStart,
            act: HookAct::Command {
                argv,
                env: BTreeMap::new(),
            },
            timeout: guards.progress_deadline,
            retries: 0,
            required: true,
            on_error: OnError::Rollback,
        };
        guards.hooks.insert(0, hook);
    }
    guards
}

/// How requests are brought to a release that comes back: as they are brought to what serves now. What its
/// instances speak is its own.
pub(super) fn traffic_back(
    now: Option<&TrafficSpec>,
    then: Option<&TrafficSpec>,
) -> Option<Box<TrafficSpec>> {
    let traffic = TrafficSpec {
        protocol: then.and_then(|then| then.protocol),
        ..now.cloned().unwrap_or_default()
    };
    (traffic != TrafficSpec::default()).then(|| Box::new(traffic))
}

/// What the environment says of the balancer, over what the service says.
fn traffic(service: &Service, environment: &Environment) -> Option<Box<TrafficSpec>> {
    match (&service.traffic, &environment.traffic) {
        (Some(service), Some(over)) => Some(Box::new(service.as_ref().clone().under(over))),
        (one, other) => one.clone().or_else(|| other.clone()),
    }
}

/// What the instances of a deployment find in their environment over that of their release.
/// Secrets are put in here and now; they lie in no store.
///
/// # Errors
/// When a secret that the release asks for is not set.
pub(crate) fn instance_env(
    control: &Control,
    spec: &DeploymentSpec,
) -> Result<BTreeMap<String, String>, Error> {
    let mut env = spec.env.clone();
    env.insert("CUTOVER_DEPLOYMENT".to_owned(), spec.id.to_string());
    for name in spec.release.contents.secrets.keys() {
        let secret = control.secrets().get(name).ok_or_else(|| {
            Error::Refused(format!(
                "secret `{name}`, which {} asks for, is not set",
                spec.release.service
            ))
        })?;
        env.insert(name.clone(), secret.expose().to_owned());
    }
    Ok(env)
}
