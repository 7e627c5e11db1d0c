//! Deployments as people and steps ask for them: which release, by which rules, and back again.

mod again;
mod begin;
mod find;
mod frozen;
pub(crate) mod inspect;
pub(crate) mod rejudge;
pub(crate) mod retention;
mod spec;

use std::cmp::Ordering;

use cutover_model::{
    DeploymentId, ReleaseId, RunId,
    delivery::{Cause, DeploymentSpec, Release},
    guard::OnSuperseded,
    project::{Environment, Project},
    run::Outcome,
};
use cutover_rollout::{Deployment, Input};
use cutover_store::{DeploymentFilter, DeploymentRow};

pub(crate) use self::spec::instance_env;
use self::spec::{back_at_once, check_package, environment_of, floor_over, spec, traffic_back};
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
    /// Why it may go on although the environment is frozen.
    pub(crate) break_glass: Option<String>,
    /// Whether the hold of an earlier rollback ends with it.
    pub(crate) lift_hold: bool,
    pub(crate) cause: Cause,
}

/// What a person asks for beside a release.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ask {
    /// Where.
    pub environment: String,
    /// Of which service, when a version alone does not tell.
    pub service: Option<String>,
    /// A word instead of the environment's strategy.
    pub strategy: Option<String>,
    /// Why it may go on although the environment is frozen.
    pub break_glass: Option<String>,
    /// Whether the hold of an earlier rollback ends with it.
    pub lift_hold: bool,
}

/// What somebody asked for: it was begun now, or before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Begun {
    /// The deployment.
    pub id: DeploymentId,
    /// Whether it was there.
    pub already: bool,
}

/// Which release is meant.
pub(crate) enum Which {
    /// By id, version or the beginning of a digest.
    Named(String),
    /// The one that this run built.
    BuiltBy(RunId),
}

fn request(id: DeploymentId, release: Release, ask: &Ask, by: &str) -> Request {
    Request {
        id,
        environment: ask.environment.clone(),
        release,
        strategy: ask.strategy.clone(),
        approved: false,
        break_glass: ask.break_glass.clone(),
        lift_hold: ask.lift_hold,
        cause: Cause::Person { by: by.to_owned() },
    }
}

impl Control {
    /// Begins a deployment, or finds the one that this id began before, and gives who drives it.
    pub(crate) async fn begin_deployment(
        &self,
        project: &Project,
        request: Request,
    ) -> Result<Driven<Deployment>, Error> {
        let begun = self.begin(project, request).await?;
        self.drive_deployment(&begun.id).await
    }

    async fn begin(&self, project: &Project, request: Request) -> Result<Begun, Error> {
        let id = request.id.clone();
        if self.store().deployment(&id).await?.is_some() {
            return Ok(Begun { id, already: true });
        }
        let environment = environment_of(project, &request.environment)?;
        self.check_order(environment, &request.environment, &request.release)
            .await?;
        check_package(&environment.target, &request.environment, &request.release)?;
        self.check_floor(&request.environment, &request.release)
            .await?;
        self.create_once(spec(project, environment, request)?).await
    }

    /// `after:`: what comes here must serve there, or have served there.
    async fn check_order(
        &self,
        environment: &Environment,
        name: &str,
        release: &Release,
    ) -> Result<(), Error> {
        let Some(before) = &environment.after else {
            return Ok(());
        };
        let digest = release.package.digest();
        if self
            .store()
            .has_succeeded(before, &release.service, digest)
            .await?
        {
            return Ok(());
        }
        Err(Error::Refused(format!(
            "{} {} ({}) has not succeeded in `{before}`, which comes before `{name}`; deploy it there first",
            release.service,
            release.version,
            digest.short(),
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
                "there is no release `{what}` of `{service}`; `cutover releases` lists what there is"
            ))),
            (count, _) => Err(Error::Refused(format!(
                "`{what}` names {count} different releases of `{service}`; use an id or a digest"
            ))),
        }
    }

    /// `cutover deploy`: a release that exists, by the rules that its run brought with it. The same
    /// person asking for the same once more, while it is under way, finds what there is.
    pub async fn deploy(&self, named: &str, ask: &Ask, by: &str) -> Result<Begun, Error> {
        let release = self.release_of_any(ask.service.as_deref(), named).await?;
        // Before the look: who asks for the same at the same time has the same id then.
        let id = self.id_of(&release, ask, by).await?;
        if let Some(id) = self.under_way(&release, ask, by).await? {
            return Ok(Begun { id, already: true });
        }
        let project = self.project_of(&release).await?;
        self.begin(&project, request(id, release, ask, by)).await
    }

    /// What a deployment of this release would be, by the rules that its run brought with it.
    async fn spec_of(
        &self,
        release: &Release,
        ask: &Ask,
        by: &str,
    ) -> Result<DeploymentSpec, Error> {
        let project = self.project_of(release).await?;
        let environment = environment_of(&project, &ask.environment)?;
        spec(
            &project,
            environment,
            request(self.new_deployment_id(), release.clone(), ask, by),
        )
    }

    /// The deployment that this very person began, of this very release, and that goes forward still.
    async fn under_way(
        &self,
        release: &Release,
        ask: &Ask,
        by: &str,
    ) -> Result<Option<DeploymentId>, Error> {
        let unfinished = DeploymentFilter {
            environment: Some(ask.environment.clone()),
            service: Some(release.service.clone()),
            unfinished_only: true,
            actor: Some(by.to_owned()),
            ..DeploymentFilter::default()
        };
        for row in self.store().deployments(&unfinished).await? {
            let deployment = self.deployment(&row.id).await?;
            let Some(spec) = deployment.spec() else {
                continue;
            };
            let is_same = matches!(spec.cause, Cause::Person { .. })
                && spec.release.id == release.id
                && !deployment.is_going_back()
                && ask
                    .strategy
                    .as_ref()
                    .is_none_or(|word| word == spec.strategy.word());
            if is_same && !deployment.is_finished() {
                return Ok(Some(row.id));
            }
        }
        Ok(None)
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
    ) -> Result<Begun, Error> {
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
        let id = self.id_of_way_back(&release, &current.deployment).await?;
        if let Some(id) = self.going_back_to(environment, &release).await? {
            return Ok(Begun { id, already: true });
        }
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
        let spec = self
            .way_back_to(id, release, environment, &current.deployment, by)
            .await?;
        self.create_once(spec).await
    }

    /// The way back to this very release that is under way: asking twice does not go back twice.
    async fn going_back_to(
        &self,
        environment: &str,
        release: &Release,
    ) -> Result<Option<DeploymentId>, Error> {
        let unfinished = DeploymentFilter {
            environment: Some(environment.to_owned()),
            service: Some(release.service.clone()),
            unfinished_only: true,
            ..DeploymentFilter::default()
        };
        for row in self.store().deployments(&unfinished).await? {
            let deployment = self.deployment(&row.id).await?;
            let is_it = deployment.spec().is_some_and(|spec| {
                matches!(spec.cause, Cause::Rollback { .. }) && spec.release.id == release.id
            });
            if is_it && !deployment.is_going_back() && !deployment.is_finished() {
                return Ok(Some(row.id));
            }
        }
        Ok(None)
    }

    /// All of what the release was here when it served: its environment and its rules, not today's.
    /// How many copies there are, and how the balancer brings requests here, is no part of a release:
    /// an address or a limit of today stays when what answers goes back.
    async fn way_back_to(
        &self,
        id: DeploymentId,
        release: Release,
        environment: &str,
        current: &DeploymentId,
        by: &str,
    ) -> Result<DeploymentSpec, Error> {
        let now = self.deployment(current).await?;
        let now = now
            .spec()
            .ok_or_else(|| Error::Corrupt(format!("the log of {current}")))?;
        check_package(&now.target, environment, &release)?;
        let then = self.last_of(environment, &release).await?;
        let mut then = then.unwrap_or_else(|| now.clone());
        // Whoever could say no has said yes to it before.
        then.guards.smoke = None;
        then.guards.hooks.retain(|hook| hook.on.only_tells());
        if let Some(why) = floor_over(&now.release, &release) {
            return Err(Error::Refused(why));
        }
        Ok(DeploymentSpec {
            id,
            environment: environment.to_owned(),
            release,
            target: now.target.clone(),
            listen: now.listen.clone(),
            traffic: traffic_back(now.traffic.as_deref(), then.traffic.as_deref()),
            // The known good one needs no canary: it is wanted now.
            strategy: back_at_once()?,
            approval: None,
            cause: Cause::Rollback {
                by: by.to_owned(),
                of: current.clone(),
            },
            notify: now.notify.clone(),
            rollback: now.rollback.clone(),
            on_superseded: OnSuperseded::Replace,
            lift_hold: false,
            break_glass: None,
            ..then
        })
    }

    /// The newest deployment that brought this package here with success.
    async fn last_of(
        &self,
        environment: &str,
        release: &Release,
    ) -> Result<Option<DeploymentSpec>, Error> {
        let filter = DeploymentFilter {
            environment: Some(environment.to_owned()),
            service: Some(release.service.clone()),
            version: Some(release.version.clone()),
            outcome: Some(Outcome::Succeeded),
            ..DeploymentFilter::default()
        };
        let rows = self.store().deployments(&filter).await?;
        let row = rows
            .into_iter()
            .find(|row| row.digest == *release.package.digest());
        match row {
            Some(row) => Ok(self.deployment(&row.id).await?.spec().cloned()),
            None => Ok(None),
        }
    }

    /// Stops a rollout; traffic goes back. Says what is so already, if it is.
    pub async fn abort_deployment(
        &self,
        id: &DeploymentId,
        by: &str,
    ) -> Result<Option<String>, Error> {
        let by = by.to_owned();
        self.command_deployment(id, Input::Abort { by }).await
    }

    /// Holds a rollout where it is. Says what is so already, if it is.
    pub async fn pause_deployment(
        &self,
        id: &DeploymentId,
        by: &str,
    ) -> Result<Option<String>, Error> {
        let by = by.to_owned();
        self.command_deployment(id, Input::Pause { by }).await
    }

    /// Lets a rollout go on. Says what is so already, if it is.
    pub async fn resume_deployment(
        &self,
        id: &DeploymentId,
        by: &str,
    ) -> Result<Option<String>, Error> {
        let by = by.to_owned();
        self.command_deployment(id, Input::Resume { by }).await
    }

    /// Lets the present step be enough, or with `full` all that are left; with `step`, counted from 1,
    /// only while that one lasts, so that saying it twice skips one. Says what is so already, if it is.
    pub async fn promote_deployment(
        &self,
        id: &DeploymentId,
        by: &str,
        full: bool,
        step: Option<u32>,
    ) -> Result<Option<String>, Error> {
        let by = by.to_owned();
        if let Some(step) = step
            && let Some(over) = self.past(id, step).await?
        {
            return Ok(Some(over));
        }
        self.command_deployment(id, Input::Promote { by, full })
            .await
    }

    /// That a step is over, if it is.
    async fn past(&self, id: &DeploymentId, step: u32) -> Result<Option<String>, Error> {
        let deployment = self.deployment(id).await?;
        let now = deployment.step() + 1;
        match now.cmp(&step) {
            Ordering::Greater => Ok(Some(format!("step {step} is over already"))),
            Ordering::Equal => Ok(None),
            Ordering::Less => Err(Error::Refused(format!(
                "{id} is at step {now}: step {step} is still to come"
            ))),
        }
    }

    /// Each command can be repeated: what is already so is not an error, and not done again.
    async fn command_deployment(
        &self,
        id: &DeploymentId,
        input: Input,
    ) -> Result<Option<String>, Error> {
        let deployment = self.deployment(id).await?;
        if let Some(already) = cutover_rollout::notice(&deployment, &input) {
            return Ok(Some(already));
        }
        if let Some(outcome) = deployment.state().outcome() {
            let reason = deployment.reason().unwrap_or_default();
            return Err(Error::Refused(format!(
                "{id} has ended: {outcome}: {reason}"
            )));
        }
        let driven = self.drive_deployment(id).await?;
        driven.mailbox.command(input).await?;
        Ok(None)
    }

    /// `cutover resume --environment`: what an earlier rollback pins is free again. Says what was
    /// lifted.
    pub async fn resume_environment(
        &self,
        service: Option<&str>,
        environment: &str,
    ) -> Result<Option<cutover_model::guard::Hold>, Error> {
        let service = self.only_service(service, environment).await?;
        let lifted = self.lift_hold(environment, &service).await?;
        self.locks().changed();
        Ok(lifted)
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

    /// Where a service is asked, with its scheme. `None` as for its address.
    pub async fn service_url(&self, service: &str, environment: &str) -> Option<String> {
        let name = routes::name(service, environment);
        let status = self.balancer().status().await?;
        let found = status.services.into_iter().find(|one| one.name == name)?;
        let scheme = if found.certificates.is_empty() {
            "http"
        } else {
            "https"
        };
        Some(format!("{scheme}://{}", found.listener?))
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
