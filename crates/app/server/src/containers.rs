//! Containers of jobs: what the engine of runs has evaluated becomes orders for the executor, and what
//! is left of them is removed, at the end of a job and when we come back. Strangers get less.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use cutover_docker::{Listed, ListedNetwork};
use cutover_engine::{
    Run,
    containers::{self, ContainerCall, ContainerFacts, JobContainers, Place, RunningContainer},
    resolve::{Given, RunnerFacts, ServerFacts, Withheld},
};
use cutover_executor::{
    CallOrder, CallSource, ContainerWork, HandedKind, InContainers, JobPlace, Mounts, SetUpOrder,
    SetUpService, StepKey,
};
use cutover_model::{
    RunId, Secret,
    plan::container::{ContainerImage, ContainerOptions},
    run::JobKey,
};
use futures_util::future::join_all;

use crate::{Control, Error};

/// Whose they are: the data directory.
const HOME: &str = "cutover.home";
/// `RUN/JOB`.
const JOB: &str = "cutover.job";
/// In a data directory: containers of jobs were made, so there may be some to remove.
const USED: &str = "containers-of-jobs";

/// A step, and where its job is.
#[derive(Clone, Copy)]
pub(crate) struct At<'a> {
    pub(crate) control: &'a Control,
    pub(crate) run: &'a Run,
    pub(crate) key: &'a StepKey,
    pub(crate) place: &'a JobPlace,
}

impl At<'_> {
    fn engine(&self) -> Option<String> {
        self.control.options().docker_host.clone()
    }

    fn repository(&self) -> &str {
        self.run.trigger().map_or("", |trigger| &trigger.repository)
    }

    fn labels(&self) -> BTreeMap<String, String> {
        [
            (HOME, self.control.data_dir().to_string()),
            (JOB, job_label(&self.key.run, &self.key.job)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// A name that no other job has; `of` says which of its containers.
    fn name(&self, of: &str) -> String {
        let name = format!("cutover-{}-{}{of}", self.key.run, self.key.job);
        let fits = |c: char| c.is_ascii_alphanumeric() || ['-', '_', '.'].contains(&c);
        name.chars()
            .map(|c| if fits(c) { c } else { '.' })
            .collect()
    }

    /// From now on there is something to remove.
    fn note(&self) -> Result<(), String> {
        let path = self.control.data_dir().join(USED);
        fs::write(&path, "").map_err(|error| format!("could not write `{path}`: {error}"))
    }
}

fn job_label(run: &RunId, job: &JobKey) -> String {
    format!("{run}/{job}")
}

/// In what a step runs, when it is not on the machine; what it does there may be added.
pub(crate) fn around(at: At<'_>, given: &Given<'_>) -> Result<Option<InContainers>, String> {
    let mounts = match containers::place(at.run, &at.key.job, &at.key.step) {
        Place::Machine => return Ok(None),
        Place::Own => {
            let network = containers::network(at.run, &at.key.job, given);
            return Ok(Some(InContainers {
                engine: at.engine(),
                mounts: Mounts::of_call(at.place),
                network,
                work: ContainerWork::Call(Box::default()),
            }));
        }
        Place::Job => Mounts::of_job(at.place, at.repository()),
    };
    let running = containers::running(at.run, &at.key.job, given);
    let running = running.map_err(|fault| fault.to_string())?;
    Ok(running.map(|running| InContainers {
        engine: at.engine(),
        mounts,
        network: Some(running.network),
        work: ContainerWork::Script {
            container: running.id,
            path: running.path,
            limited: !at.run.may_see_secrets(),
        },
    }))
}

/// The same by the names of the container that a job may have.
pub(crate) fn names_inside(
    run: &Run,
    job: &JobKey,
    place: &JobPlace,
    outside: &RunnerFacts,
) -> Option<RunnerFacts> {
    let repository = run.trigger().map_or("", |trigger| &trigger.repository);
    containers::may_be_inside(run, job)
        .then(|| facts_inside(&Mounts::of_job(place, repository), outside))
}

/// The container in which the scripts of a job run, for what is done on the machine and asks what is in
/// it; `None` also when it could not be made ready.
pub(crate) fn of_scripts(at: At<'_>) -> Option<RunningContainer> {
    let (run, job) = (at.run, &at.key.job);
    if !run.spec(job.job())?.uses_containers() {
        return None;
    }
    let executor = at.control.executor();
    let withheld = |wanted: Withheld<'_>| {
        let kind = HandedKind::Output;
        let found = executor.withheld(&at.key.run, job, wanted.step, kind, wanted.name);
        found.ok().flatten()
    };
    let given = Given {
        secrets: &BTreeMap::new(),
        withheld: &withheld,
        hash_files: &|_| Ok(String::new()),
        runner: &RunnerFacts::default(),
        server: &ServerFacts::default(),
    };
    containers::running(run, job, &given).ok().flatten()
}

/// What expressions see of the runner in there.
pub(crate) fn facts_inside(mounts: &Mounts, outside: &RunnerFacts) -> RunnerFacts {
    RunnerFacts {
        temp: mounts.inside(&outside.temp),
        tool_cache: mounts.inside(&outside.tool_cache),
        workspace: mounts.inside(&outside.workspace),
        actions: mounts.inside(&outside.actions),
        exchange: mounts.inside(&outside.exchange),
        ..outside.clone()
    }
}

/// What must not be seen beside the secrets: passwords for registries.
pub(crate) fn passwords(run: &Run, job: &JobKey, given: &Given<'_>) -> Result<Vec<Secret>, String> {
    containers::passwords(run, job, given).map_err(|fault| fault.to_string())
}

/// The order for a step that is a container.
pub(crate) fn of_call(
    at: At<'_>,
    call: &ContainerCall,
    around: Option<InContainers>,
) -> Result<Box<InContainers>, String> {
    at.note()?;
    let (mounts, network) = match around {
        Some(InContainers {
            mounts,
            network,
            work: ContainerWork::Call(_),
            ..
        }) => (mounts, network),
        _ => (Mounts::of_call(at.place), None),
    };
    let source = match &call.image {
        ContainerImage::Reference { reference } => CallSource::Image(reference.clone()),
        ContainerImage::Dockerfile {
            source,
            directory,
            file,
        } => {
            let around = match source.place() {
                None => at.place.workspace.clone(),
                Some(place) => at.place.actions.join(place),
            };
            let directory = around.join(directory);
            CallSource::Build {
                file: directory.join(file),
                directory,
            }
        }
    };
    let order = CallOrder {
        name: at.name(&format!("-step-{}.{}", at.key.step, at.key.attempt)),
        labels: at.labels(),
        source,
        entrypoint: call.entrypoint.clone(),
        args: call.args.clone(),
        network: network.clone(),
        options: limits(at, ContainerOptions::default()),
    };
    Ok(Box::new(InContainers {
        engine: at.engine(),
        mounts,
        network,
        work: ContainerWork::Call(Box::new(order)),
    }))
}

/// The order for the containers of a job.
pub(crate) fn of_job(at: At<'_>, wanted: &JobContainers) -> Result<Box<InContainers>, String> {
    at.note()?;
    let one = |alias: &str, suffix: &str, facts: &ContainerFacts| {
        if !at.run.may_see_secrets() {
            check(alias, facts)?;
        }
        let command = facts.command.as_deref().map(containers::split);
        Ok::<_, String>(SetUpService {
            alias: alias.to_owned(),
            name: at.name(suffix),
            image: facts.image.clone(),
            credentials: facts
                .credentials
                .as_ref()
                .map(|(name, password)| (name.clone(), password.expose().to_owned())),
            env: facts.env.clone(),
            ports: facts.ports.clone(),
            volumes: facts.volumes.clone(),
            options: limits(at, facts.options.clone()),
            entrypoint: facts.entrypoint.clone(),
            command: command.transpose()?.unwrap_or_default(),
        })
    };
    let services = wanted.services.iter();
    let services = services.map(|(alias, facts)| one(alias, &format!("-service-{alias}"), facts));
    let mounts = Mounts::of_job(at.place, at.repository());
    let order = SetUpOrder {
        network: at.name(""),
        labels: at.labels(),
        services: services.collect::<Result<_, _>>()?,
        container: match &wanted.container {
            Some(facts) => Some(one("job", "-job", facts)?),
            None => None,
        },
        workdir: mounts.inside(at.place.workspace.as_str()),
    };
    Ok(Box::new(InContainers {
        engine: at.engine(),
        mounts,
        network: None,
        work: ContainerWork::SetUp(Box::new(order)),
    }))
}

/// Whoever may ask an engine for containers owns the machine: strangers are no more in a container than
/// they are on the machine, which is whoever runs us.
fn limits(at: At<'_>, mut options: ContainerOptions) -> ContainerOptions {
    if !at.run.may_see_secrets() {
        let (user, group) = (rustix::process::getuid(), rustix::process::getgid());
        options.user = Some(format!("{}:{}", user.as_raw(), group.as_raw()));
        options.cap_drop = vec!["ALL".to_owned()];
        options.security_opt = vec!["no-new-privileges".to_owned()];
    }
    options
}

/// What strangers may not ask for.
fn check(alias: &str, facts: &ContainerFacts) -> Result<(), String> {
    let options = &facts.options;
    let mut volumes = facts.volumes.iter().chain(&options.volumes);
    let asked = [
        (
            "volumes with a source",
            volumes.any(|one| one.contains(':')),
        ),
        ("`--privileged`", options.privileged),
        ("`--cap-add`", !options.cap_add.is_empty()),
        ("`--device`", !options.devices.is_empty()),
        ("`--ipc`", options.ipc.is_some()),
        ("`--pid`", options.pid.is_some()),
        ("`--security-opt`", !options.security_opt.is_empty()),
        ("`--user`", options.user.is_some()),
        ("`--userns`", options.userns.is_some()),
        ("`--group-add`", !options.group_add.is_empty()),
        ("`--name`", options.name.is_some()),
    ];
    match asked.iter().find(|(_, asked)| *asked) {
        Some((what, _)) => Err(format!(
            "container `{alias}`: {what} is not for runs that strangers may have written"
        )),
        None => Ok(()),
    }
}

/// Removes what is left of a job's containers and their network.
pub(crate) async fn remove(control: &Control, run: &Run, job: &JobKey) {
    let uses = run
        .spec(job.job())
        .is_some_and(cutover_model::plan::JobSpec::uses_containers);
    let Some(id) = run.id().filter(|_| uses && was_used(control)) else {
        return;
    };
    let label = format!("{JOB}={}", job_label(id, job));
    let removed = async {
        let left = Left::find(control, &label).await?;
        left.remove(|_| true).await
    };
    if let Err(error) = removed.await {
        tracing::warn!(%error, %job, "could not remove the containers of a job");
    }
}

fn was_used(control: &Control) -> bool {
    control.data_dir().join(USED).exists()
}

/// Removes what jobs have left that are over, whatever happened to us meanwhile.
pub(crate) async fn sweep(control: Control) {
    if !was_used(&control) {
        return;
    }
    let swept = async {
        let left = Left::find(&control, &format!("{HOME}={}", control.data_dir())).await?;
        // Only then: what begins meanwhile is not among what was found.
        let live = control.store().unfinished_runs().await?;
        let live: BTreeSet<String> = live.iter().map(ToString::to_string).collect();
        let is_over = |job: &str| {
            let run = job.split_once('/').map_or(job, |(run, _)| run);
            !live.contains(run)
        };
        left.remove(is_over).await
    };
    if let Err(error) = swept.await {
        tracing::warn!(%error, "could not look for containers of jobs that are over");
    }
}

/// What jobs have left.
struct Left {
    engine: cutover_docker::Engine,
    containers: Vec<Listed>,
    networks: Vec<ListedNetwork>,
}

impl Left {
    async fn find(control: &Control, label: &str) -> Result<Self, Error> {
        let engine = control.docker().await?;
        let containers = engine.list(label).await.map_err(docker_error)?;
        let networks = engine.networks(label).await.map_err(docker_error)?;
        Ok(Self {
            engine,
            containers,
            networks,
        })
    }

    /// Removes what belongs to the jobs (`RUN/JOB`) that are wanted, containers first.
    async fn remove(self, wanted: impl Fn(&str) -> bool) -> Result<(), Error> {
        let is_wanted =
            |labels: &BTreeMap<String, String>| labels.get(JOB).is_some_and(|job| wanted(job));
        let containers = self.containers.iter().filter(|one| is_wanted(&one.labels));
        let removed = join_all(containers.map(|one| self.engine.remove(&one.name))).await;
        for one in removed {
            one.map_err(docker_error)?;
        }
        for network in self.networks.iter().filter(|one| is_wanted(&one.labels)) {
            let removed = self.engine.remove_network(&network.name).await;
            removed.map_err(docker_error)?;
        }
        Ok(())
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "`map_err` hands the error over"
)]
fn docker_error(error: cutover_docker::Error) -> Error {
    Error::Docker(error.to_string())
}

impl Control {
    /// Whether containers can be run here; if not, why, and what to do.
    pub async fn check_containers(&self) -> Result<(), Error> {
        self.docker().await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_do_not_reach_beyond_their_container() {
        let asks = |volumes: &[&str], flags: &str| ContainerFacts {
            volumes: volumes.iter().map(|&one| one.to_owned()).collect(),
            options: ContainerOptions::parse(flags).unwrap(),
            ..ContainerFacts::default()
        };
        assert_eq!(check("x", &asks(&["/data"], "--cpus 1 --init")), Ok(()));
        for (volumes, flags) in [
            (&["/etc:/etc"][..], ""),
            (&["shared:/data"], ""),
            (&[], "--volume /:/machine"),
            (&[], "--privileged"),
            (&[], "--user 0"),
            (&[], "--pid host"),
            (&[], "--cap-add SYS_ADMIN"),
        ] {
            let refused = check("x", &asks(volumes, flags)).unwrap_err();
            assert!(
                refused.contains("strangers"),
                "{volumes:?} {flags}: {refused}"
            );
        }
    }
}
