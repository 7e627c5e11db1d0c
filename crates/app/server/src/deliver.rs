//! Deployments as people and steps ask for them: which release, by which rules, and back again.

use std::collections::BTreeMap;

use cutover_model::{
    DeploymentId, ReleaseId, RunId,
    delivery::{Cause, DeploymentSpec, Package, Release, Strategy},
    project::{Environment, Project, TargetSpec},
};
use cutover_rollout::{Deployment, Input};
use cutover_store::{DeploymentFilter, DeploymentRow};

use crate::{Control, Error, drive::Driven, routes};

/// What somebody wants deployed.
pub(crate) struct Request {
    pub(crate) id: DeploymentId,
    pub(crate) environment: String,
    pub(crate) release: Release,
    /// A word instead of the environment's strategy.
    pub(crate) strategy: Option<String>,
    /// Whether people have agreed already.
    pub(crate) approved: bool,
    pub(crate) cause: Cause,
}

/// Which release is meant.
pub(crate) enum Which {
    /// By id, version or the beginning of a digest.
    Named(String),
    /// The one that this run built.
    BuiltBy(RunId),
}

impl Control {
    /// Begins a deployment, or finds the one that this id began before.
    pub(crate) async fn begin_deployment(
        &self,
        project: &Project,
        request: Request,
    ) -> Result<Driven<Deployment>, Error> {
        if self.store().deployment(&request.id).await?.is_some() {
            return self.drive_deployment(&request.id).await;
        }
        let environment = environment_of(project, &request.environment)?;
        self.check_order(environment, &request).await?;
        check_package(&environment.target, &request.environment, &request.release)?;
        let spec = spec(project, environment, request)?;
        let driven = self.drive_deployment(&spec.id).await?;
        driven
            .mailbox
            .command(Input::Create {
                spec: Box::new(spec),
            })
            .await?;
        Ok(driven)
    }

    /// `after:`: what comes here must serve there, or have served there.
    async fn check_order(&self, environment: &Environment, request: &Request) -> Result<(), Error> {
        let Some(before) = &environment.after else {
            return Ok(());
        };
        let digest = request.release.package.digest();
        if self
            .store()
            .has_succeeded(before, &request.release.service, digest)
            .await?
        {
            return Ok(());
        }
        Err(Error::Refused(format!(
            "{} {} ({}) has not succeeded in `{before}`, which comes before `{}`; deploy it there first",
            request.release.service,
            request.release.version,
            digest.short(),
            request.environment
        )))
    }

    /// The release that is meant, of this service.
    pub(crate) async fn find_release(
        &self,
        service: &str,
        which: &Which,
    ) -> Result<Release, Error> {
        let (found, what) = match which {
            Which::Named(text) => (
                self.store().find_release(service, text).await?,
                text.clone(),
            ),
            Which::BuiltBy(run) => {
                let built = self.store().releases_of_run(service, run).await?;
                (built, format!("built by {run}"))
            }
        };
        let mut digests: Vec<_> = found
            .iter()
            .map(|release| release.package.digest())
            .collect();
        digests.dedup();
        match (digests.len(), found.first()) {
            (1, Some(release)) => Ok(release.clone()),
            (0, _) | (_, None) => Err(Error::NotFound(format!(
                "there is no release `{what}` of `{service}`; `cutover history` lists what there is"
            ))),
            (count, _) => Err(Error::Refused(format!(
                "`{what}` names {count} different releases of `{service}`; use an id or a digest"
            ))),
        }
    }

    /// `cutover deploy`: a release that exists, by the rules that its run brought with it.
    pub async fn deploy(
        &self,
        service: Option<&str>,
        release: &str,
        environment: &str,
        strategy: Option<&str>,
        by: &str,
    ) -> Result<DeploymentId, Error> {
        let release = self.release_of_any(service, release).await?;
        let project = self.project_of(&release).await?;
        let id = self.new_deployment_id();
        let request = Request {
            id: id.clone(),
            environment: environment.to_owned(),
            release,
            strategy: strategy.map(ToOwned::to_owned),
            approved: false,
            cause: Cause::Person { by: by.to_owned() },
        };
        self.begin_deployment(&project, request).await?;
        Ok(id)
    }

    /// Waits until it is recorded what is current: a deployment that has ended holds the lock until
    /// then.
    async fn settled(&self, environment: &str, service: &str) -> Result<(), Error> {
        let place = (environment.to_owned(), service.to_owned());
        if let Some(holder) = self.locks().holder(&place).await?
            && self.deployment(&holder).await?.is_finished()
        {
            self.locks().freed_by(&place, &holder).await?;
        }
        Ok(())
    }

    /// `cutover rollback`: a new deployment of the release before the current one.
    pub async fn rollback(
        &self,
        service: Option<&str>,
        environment: &str,
        to: Option<&str>,
        by: &str,
    ) -> Result<DeploymentId, Error> {
        let service = self.only_service(service, environment).await?;
        self.settled(environment, &service).await?;
        let current = self
            .store()
            .current(environment, &service)
            .await?
            .ok_or_else(|| {
                Error::NotFound(format!(
                    "nothing serves at {}",
                    routes::name(&service, environment)
                ))
            })?;
        let release = match to {
            Some(named) => {
                self.find_release(&service, &Which::Named(named.to_owned()))
                    .await?
            }
            None => self
                .store()
                .previous(environment, &service)
                .await?
                .ok_or_else(|| {
                    Error::Refused(format!(
                        "{} is the first release at {}: there is nothing to go back to",
                        current.release.version,
                        routes::name(&service, environment)
                    ))
                })?,
        };
        // Back is where it has been: anything else would get past approvals and the order of
        // environments this way.
        let digest = release.package.digest();
        if to.is_some()
            && !self
                .store()
                .has_succeeded(environment, &service, digest)
                .await?
        {
            return Err(Error::Refused(format!(
                "{} has never served at {}: deploy it",
                release.version,
                routes::name(&service, environment)
            )));
        }
        let project = self.project_of(&current.release).await?;
        let id = self.new_deployment_id();
        let target = environment_of(&project, environment)?;
        check_package(&target.target, environment, &release)?;
        let request = Request {
            id: id.clone(),
            environment: environment.to_owned(),
            release,
            // The known good one needs no canary: it is wanted now.
            strategy: Some("blue_green".to_owned()),
            approved: true,
            cause: Cause::Rollback {
                by: by.to_owned(),
                of: current.deployment,
            },
        };
        let mut spec = spec(&project, target, request)?;
        if let Strategy::BlueGreen { bake } = &mut spec.strategy {
            *bake = cutover_model::Duration::ZERO;
        }
        let driven = self.drive_deployment(&id).await?;
        driven
            .mailbox
            .command(Input::Create {
                spec: Box::new(spec),
            })
            .await?;
        Ok(id)
    }

    /// Stops a rollout; traffic goes back. Harmless when it is being stopped.
    pub async fn abort_deployment(&self, id: &DeploymentId, by: &str) -> Result<(), Error> {
        self.command_deployment(id, Input::Abort { by: by.to_owned() })
            .await
    }

    /// Holds a rollout where it is.
    pub async fn pause_deployment(&self, id: &DeploymentId, by: &str) -> Result<(), Error> {
        self.command_deployment(id, Input::Pause { by: by.to_owned() })
            .await
    }

    /// Lets a rollout go on.
    pub async fn resume_deployment(&self, id: &DeploymentId, by: &str) -> Result<(), Error> {
        self.command_deployment(id, Input::Resume { by: by.to_owned() })
            .await
    }

    async fn command_deployment(&self, id: &DeploymentId, input: Input) -> Result<(), Error> {
        let deployment = self.deployment(id).await?;
        if let Some(outcome) = deployment.state().outcome() {
            return Err(Error::Refused(format!("{id} has ended: {outcome}")));
        }
        Ok(self
            .drive_deployment(id)
            .await?
            .mailbox
            .command(input)
            .await?)
    }

    async fn release_of_any(&self, service: Option<&str>, named: &str) -> Result<Release, Error> {
        if let Ok(id) = named.parse::<ReleaseId>() {
            let release = self.store().release(&id).await?;
            return release.ok_or_else(|| Error::NotFound(format!("there is no release `{id}`")));
        }
        // `hello@1.4.0` names both.
        let (service, named) = match named.split_once('@') {
            Some((service, version)) => (service.to_owned(), version),
            None => (self.some_service(service).await?, named),
        };
        self.find_release(&service, &Which::Named(named.to_owned()))
            .await
    }

    async fn some_service(&self, service: Option<&str>) -> Result<String, Error> {
        if let Some(service) = service {
            return Ok(service.to_owned());
        }
        let mut services = self.store().services().await?;
        match (services.pop(), services.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) => Err(Error::NotFound("nothing has been built yet".to_owned())),
            (Some(last), false) => Err(Error::Refused(format!(
                "say which service: `{}`, `{last}`",
                services.join("`, `")
            ))),
        }
    }

    async fn only_service(
        &self,
        service: Option<&str>,
        environment: &str,
    ) -> Result<String, Error> {
        if let Some(service) = service {
            return Ok(service.to_owned());
        }
        let table = self.routes().table().await;
        let here = format!("@{environment}");
        let mut names: Vec<String> = table
            .routes
            .keys()
            .filter_map(|name| name.strip_suffix(&here))
            .map(str::to_owned)
            .collect();
        match (names.pop(), names.is_empty()) {
            (Some(only), true) => Ok(only),
            (None, _) => Err(Error::NotFound(format!(
                "nothing serves at `{environment}`"
            ))),
            (Some(last), false) => Err(Error::Refused(format!(
                "say which with --service: `{}`, `{last}`",
                names.join("`, `")
            ))),
        }
    }

    /// `cutover.yml` as it was when the release was built.
    async fn project_of(&self, release: &Release) -> Result<Project, Error> {
        let run = self.run(&release.run).await?;
        run.plan()
            .and_then(|plan| plan.project.clone())
            .ok_or_else(|| {
                Error::NotFound(format!(
                    "the run that built {} had no `cutover.yml`",
                    release.version
                ))
            })
    }

    /// Where the balancer answers for a service of an environment.
    pub async fn service_address(
        &self,
        service: &str,
        environment: &str,
    ) -> Option<std::net::SocketAddr> {
        let name = routes::name(service, environment);
        let status = self.balancer().status().await?;
        status
            .services
            .into_iter()
            .find(|service| service.name == name)?
            .listener
    }

    /// What the balancer does now, when there is one.
    pub async fn balancer_status(&self) -> Option<cutover_proxy::Status> {
        self.balancer().status().await
    }

    /// Deployments, newest first.
    pub async fn deployments(
        &self,
        filter: &DeploymentFilter,
    ) -> Result<Vec<DeploymentRow>, Error> {
        Ok(self.store().deployments(filter).await?)
    }
}

fn environment_of<'a>(project: &'a Project, name: &str) -> Result<&'a Environment, Error> {
    project.environments.get(name).ok_or_else(|| {
        let names: Vec<&str> = project.environments.keys().map(String::as_str).collect();
        Error::NotFound(format!(
            "no environment `{name}` in `cutover.yml`; there is `{}`",
            names.join("`, `")
        ))
    })
}

fn check_package(target: &TargetSpec, environment: &str, release: &Release) -> Result<(), Error> {
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

/// By a word, with the figures that such a strategy has by default.
fn strategy(word: &str) -> Result<Strategy, Error> {
    cutover_dialect::default_strategy(word).ok_or_else(|| {
        Error::Refused(format!(
            "`{word}` is not a strategy; there is `rolling`, `blue_green` and `canary`"
        ))
    })
}

fn spec(
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
        health: service.health.clone(),
        start_timeout: service.start_timeout,
        drain_timeout: service.drain_timeout,
        stop_grace: service.stop_grace,
        env: environment.env.clone(),
        listen: environment.listen.clone(),
        approval: environment.approvals.clone().filter(|_| !request.approved),
        cause: request.cause,
        notify: project.notify.clone(),
    })
}

/// What the instances of a deployment find in their environment over that of their release.
pub(crate) fn instance_env(spec: &DeploymentSpec) -> BTreeMap<String, String> {
    let mut env = spec.env.clone();
    env.insert("CUTOVER_DEPLOYMENT".to_owned(), spec.id.to_string());
    env
}
