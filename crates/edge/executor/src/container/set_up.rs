//! The containers of a job: their network, the services, which must be well before any step, and the
//! one in which the steps run.

use std::fs;

use camino::Utf8Path;
use cutover_docker::{Engine, ImageWish, JobContainer, JobContainerOrder, Wellness};
use serde_json::{Map, Value, json};

use super::{
    OUTPUT,
    main::{Fault, say},
    order::{SetUpOrder, SetUpService},
};

/// How much of the log of a service that is not well is shown.
const LAST_LINES: usize = 50;
/// The network of the machine itself.
const HOST: &str = "host";

/// A job without any: what is said of them is nothing.
pub(super) fn nothing(output: &Utf8Path) -> Result<(), Fault> {
    say("this job needs no containers");
    tell(output, &json!({}))
}

pub(super) async fn run(
    engine: &Engine,
    order: SetUpOrder,
    volumes: Vec<String>,
    output: &Utf8Path,
) -> Result<(), Fault> {
    let network = network(engine, &order).await;
    let maker = Maker {
        engine,
        order: &order,
        network: &network,
    };
    let mut services = Vec::new();
    for service in &order.services {
        services.push((service, maker.make(service, None).await?));
    }
    let mut known = Map::new();
    for (service, made) in services {
        let there = maker.await_service(service, &made).await?;
        known.insert(
            service.alias.clone(),
            json!({ "id": there.id, "network": network, "ports": there.ports }),
        );
    }
    let mut said = json!({ "network": network, "services": known });
    if let Some(container) = &order.container {
        let id = maker.make(container, Some(&volumes)).await?;
        let there = engine.reached(&id).await?;
        say(&format!(
            "the steps run in a container of `{}`",
            container.image
        ));
        said["container"] = json!({ "id": there.id, "network": network, "path": there.path });
    }
    tell(output, &said)
}

fn tell(output: &Utf8Path, said: &Value) -> Result<(), Fault> {
    Ok(fs::write(output, format!("{OUTPUT}={said}\n"))?)
}

/// The network of the job, or that of the machine where there can be none.
async fn network(engine: &Engine, order: &SetUpOrder) -> String {
    match engine.ensure_network(&order.network, &order.labels).await {
        Ok(_) => order.network.clone(),
        Err(error) => {
            say(&format!(
                "the containers share the network of this machine: {error}. Services are reached at \
                 their own ports of `localhost`, also by their names, and two jobs with the same \
                 ports do not go side by side"
            ));
            HOST.to_owned()
        }
    }
}

struct Maker<'a> {
    engine: &'a Engine,
    order: &'a SetUpOrder,
    network: &'a str,
}

impl Maker<'_> {
    /// Fetches, makes and starts one; with volumes it is the one in which the steps run.
    async fn make(
        &self,
        service: &SetUpService,
        volumes: Option<&[String]>,
    ) -> Result<String, Fault> {
        let credentials = service.credentials.as_ref();
        let wish = ImageWish {
            reference: &service.image,
            credentials: credentials.map(|(name, password)| (name.as_str(), password.as_str())),
            platform: service.options.platform.as_deref(),
        };
        let what = match volumes {
            Some(_) => "the job's container".to_owned(),
            None => format!("service `{}`", service.alias),
        };
        let mut on_line = |line: &str| say(&format!("{what}: {line}"));
        self.engine.ensure_image(wish, &mut on_line).await?;
        // What a predecessor of ours has left, killed in the middle.
        self.engine.remove(&service.name).await?;
        let id = self.engine.make(&self.container(service, volumes)).await?;
        say(&format!("{what}: starts from `{}`", service.image));
        self.engine.begin(&id).await?;
        Ok(id)
    }

    fn container(&self, service: &SetUpService, volumes: Option<&[String]>) -> JobContainerOrder {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        let is_for_steps = volumes.is_some();
        let own = service.entrypoint.clone().map(|program| vec![program]);
        let command = (!service.command.is_empty()).then(|| service.command.clone());
        let on_host = self.network == HOST;
        let mut options = service.options.clone();
        if on_host {
            let names = self.order.services.iter().map(|other| &other.alias);
            options
                .add_hosts
                .extend(names.map(|name| format!("{name}:127.0.0.1")));
            // There, ports are where they are.
            options.publish.clear();
        }
        let given = volumes.unwrap_or_default().iter();
        let aliases = Some(&service.alias).filter(|_| !is_for_steps);
        JobContainerOrder {
            name: service.name.clone(),
            image: service.image.clone(),
            env: service
                .env
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            labels: self.order.labels.clone(),
            // It waits for its steps.
            entrypoint: if is_for_steps {
                Some(words(&["tail"]))
            } else {
                own
            },
            command: if is_for_steps {
                Some(words(&["-f", "/dev/null"]))
            } else {
                command
            },
            workdir: is_for_steps.then(|| self.order.workdir.clone()),
            volumes: given.chain(&service.volumes).cloned().collect(),
            ports: if on_host {
                Vec::new()
            } else {
                service.ports.clone()
            },
            network: Some((
                self.network.to_owned(),
                aliases.into_iter().cloned().collect(),
            )),
            options,
        }
    }

    /// Waits until a service is well; one that is not says why.
    async fn await_service(&self, service: &SetUpService, id: &str) -> Result<JobContainer, Fault> {
        let alias = &service.alias;
        let trouble = match self.engine.wellness(id).await? {
            Wellness::Running => {
                say(&format!("service `{alias}` runs; it has no health check"));
                None
            }
            Wellness::Healthy => {
                say(&format!("service `{alias}` is healthy"));
                None
            }
            Wellness::Unhealthy(said) => Some(format!(
                "service `{alias}` is not healthy; its check said: {}",
                if said.is_empty() { "nothing" } else { &said }
            )),
            Wellness::Ended(code) => Some(format!(
                "service `{alias}` ended with exit code {code} before any step"
            )),
        };
        if let Some(trouble) = trouble {
            say(&format!("the last lines of service `{alias}`:"));
            for line in self.engine.logs_tail(id, LAST_LINES).await? {
                say(&format!("  {line}"));
            }
            return Err(Fault::Service(trouble));
        }
        let mut there = self.engine.reached(id).await?;
        if self.network == HOST {
            let inside = service
                .ports
                .iter()
                .filter_map(|port| port.rsplit(':').next());
            there.ports = inside
                .map(|port| (port.to_owned(), port.to_owned()))
                .collect();
        }
        Ok(there)
    }
}
