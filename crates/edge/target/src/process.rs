//! Instances as processes of this machine, each kept by a supervisor that outlives us.
//!
//! On disk: `ROOT/<deployment>/<index>/` holds the record, the copy of the bundle and the places of
//! the supervisor; `ROOT/<deployment>/logs/` stays when the rest is removed.

mod seat;

use std::{collections::BTreeMap, io};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_model::{Duration, delivery::Package};
use cutover_supervisor::{instance, tree};
use futures_util::future::join_all;
use tokio::task::spawn_blocking;

use self::seat::{Record, Seat, Wanted};
use crate::{
    bundle::{BundleError, Bundles},
    error::Error,
    fence::{self, Generation},
    listening,
    locks::Locks,
    ports::Ports,
    tail::tail,
    target::{Exit, Instance, InstanceState, InstancesOrder, Place},
};

/// What a service inherits of us: nothing but this and a home.
const BASE_ENV: [(&str, &str); 2] = [
    (
        "PATH",
        "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    ),
    ("LANG", "C.UTF-8"),
];
/// Of one instance's log; the older half goes first.
const LOG_LIMIT: u64 = 20 * 1024 * 1024;
/// For what a stop that was interrupted has left running.
const LEFTOVER_GRACE: std::time::Duration = std::time::Duration::from_secs(10);

/// What becomes of an instance that has ended by itself.
#[derive(Debug, Clone, Copy)]
enum Ended {
    Stays,
    StartsAgain,
}

/// Runs bundles as processes.
#[derive(Debug)]
pub struct ProcessTarget {
    root: Utf8PathBuf,
    bundles: Bundles,
    supervisor: Vec<String>,
    ports: Ports,
    locks: Locks,
}

impl ProcessTarget {
    /// A target that keeps its records below `root`; `supervisor` is the command line of the hidden
    /// subcommand (`[own executable, "supervise"]`).
    pub fn open(root: &Utf8Path, bundles: Bundles, supervisor: Vec<String>) -> Result<Self, Error> {
        std::fs::create_dir_all(root).map_err(Error::io(root))?;
        let root = root.canonicalize_utf8().map_err(Error::io(root))?;
        let target = Self {
            bundles,
            supervisor,
            ports: Ports::default(),
            locks: Locks::default(),
            root,
        };
        target.keep_ports()?;
        Ok(target)
    }

    /// Ports that were promised before our start are not promised again.
    fn keep_ports(&self) -> Result<(), Error> {
        for entry in self.root.read_dir_utf8().map_err(Error::io(&self.root))? {
            let entry = entry.map_err(Error::io(&self.root))?;
            for seat in Seat::all(entry.path())? {
                if let Some(record) = seat.read()?
                    && record.wanted == Wanted::Running
                {
                    self.ports.keep(record.port);
                }
            }
        }
        Ok(())
    }

    fn directory(&self, place: &Place) -> Utf8PathBuf {
        self.root.join(place.deployment.as_str())
    }

    /// Where the log of an instance is.
    pub fn log_path(&self, place: &Place, index: u32) -> Utf8PathBuf {
        log_path(&self.directory(place), index)
    }

    /// See [`crate::Target::ensure`].
    pub async fn ensure(&self, order: &InstancesOrder) -> Result<Vec<Instance>, Error> {
        self.make(order, Ended::Stays).await
    }

    /// See [`crate::Target::revive`].
    pub async fn revive(&self, order: &InstancesOrder) -> Result<Vec<Instance>, Error> {
        self.make(order, Ended::StartsAgain).await
    }

    async fn make(&self, order: &InstancesOrder, ended: Ended) -> Result<Vec<Instance>, Error> {
        let place = &order.place;
        let directory = self.directory(place);
        let _one_at_a_time = self.locks.take(&place.deployment).await;
        fence::admit(&directory, &place.deployment, order.generation, true)?;
        let mut instances = Vec::new();
        for index in 0..order.count {
            let seat = Seat::new(&directory, index);
            let record = self.make_one(order, &seat, ended).await?;
            instances.push(instance_of(place, &seat, record));
        }
        Ok(instances)
    }

    async fn make_one(
        &self,
        order: &InstancesOrder,
        seat: &Seat,
        ended: Ended,
    ) -> Result<Record, Error> {
        let record = match seat.read()? {
            None => self.next_run(order, seat, None)?,
            Some(before) if before.wanted == Wanted::Stopped => {
                instance::stop(&seat.run(before.run), LEFTOVER_GRACE).await?;
                self.next_run(order, seat, Some(before))?
            }
            Some(before) => match seat.state(before)? {
                instance::InstanceState::Running { .. } => return Ok(before),
                instance::InstanceState::Exited { .. } => match ended {
                    Ended::Stays => return Ok(before),
                    Ended::StartsAgain => self.next_run(order, seat, Some(before))?,
                },
                // We died between the record and the start: the same run, on the same port.
                instance::InstanceState::Absent => before,
                instance::InstanceState::Lost => {
                    instance::stop(&seat.run(before.run), LEFTOVER_GRACE).await?;
                    self.next_run(order, seat, Some(before))?
                }
            },
        };
        self.start(order, seat, record).await?;
        seat.forget_before(record.run);
        Ok(record)
    }

    /// Writes down that there will be a run and on which port: its last one when that is free.
    fn next_run(
        &self,
        order: &InstancesOrder,
        seat: &Seat,
        before: Option<Record>,
    ) -> Result<Record, Error> {
        let port = before.map(|before| before.port);
        if let Some(port) = port {
            self.ports.give_back(port);
        }
        let name = order.place.instance_id(seat.index);
        let record = Record {
            port: self.ports.take(&name, port)?,
            run: before.map_or(1, |before| before.run + 1),
            wanted: Wanted::Running,
        };
        seat.write(record)
            .inspect_err(|_| self.ports.give_back(record.port))?;
        Ok(record)
    }

    async fn start(
        &self,
        order: &InstancesOrder,
        seat: &Seat,
        record: Record,
    ) -> Result<(), Error> {
        let Package::Bundle { digest } = &order.release.package else {
            return Err(order.wrong_package("process bundles"));
        };
        let app = seat.app();
        let (bundles, digest, into) = (self.bundles.clone(), digest.clone(), app.clone());
        spawn_blocking(move || bundles.unpack(&digest, &into))
            .await?
            .map_err(|error| match error {
                BundleError::Absent { digest } => Error::PackageGone { digest },
                other => Error::Bundle(other),
            })?;
        let mut env: BTreeMap<String, String> = BASE_ENV
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        env.insert("HOME".to_owned(), app.to_string());
        env.extend(order.environment(record.port));
        let child = instance::Order {
            argv: command(order, &app)?,
            env,
            env_clear: true,
            directory: app,
            log: self.log_path(&order.place, seat.index),
            log_limit_bytes: LOG_LIMIT,
        };
        Ok(instance::start(&seat.run(record.run), &self.supervisor, &child).await?)
    }

    /// See [`crate::Target::observe`].
    pub async fn observe(&self, place: &Place) -> Result<Vec<InstanceState>, Error> {
        let (place, directory) = (place.clone(), self.directory(place));
        spawn_blocking(move || {
            let mut states = Vec::new();
            for seat in Seat::all(&directory)? {
                if let Some(record) = seat.read()?
                    && record.wanted == Wanted::Running
                {
                    states.push(look(&place, &directory, &seat, record)?);
                }
            }
            Ok(states)
        })
        .await?
    }

    /// See [`crate::Target::stop`].
    pub async fn stop(
        &self,
        place: &Place,
        keep: u32,
        grace: Duration,
        generation: Generation,
    ) -> Result<(), Error> {
        let directory = self.directory(place);
        let _one_at_a_time = self.locks.take(&place.deployment).await;
        fence::admit(&directory, &place.deployment, generation, false)?;
        let seats = Seat::all(&directory)?;
        let ended = seats
            .iter()
            .filter(|seat| seat.index >= keep)
            .map(|seat| self.stop_one(seat, grace.to_std()));
        join_all(ended).await.into_iter().collect()
    }

    async fn stop_one(&self, seat: &Seat, grace: std::time::Duration) -> Result<(), Error> {
        let Some(record) = seat.read()? else {
            return Ok(());
        };
        // First the wish: what is not wanted is neither reported nor brought back.
        seat.write(Record {
            wanted: Wanted::Stopped,
            ..record
        })?;
        instance::stop(&seat.run(record.run), grace).await?;
        self.ports.give_back(record.port);
        Ok(())
    }

    /// See [`crate::Target::remove`].
    pub async fn remove(&self, place: &Place) -> Result<(), Error> {
        let directory = self.directory(place);
        let _one_at_a_time = self.locks.take(&place.deployment).await;
        fence::close(&directory)?;
        let seats = Seat::all(&directory)?;
        let ended = seats
            .iter()
            .map(|seat| self.stop_one(seat, std::time::Duration::ZERO));
        join_all(ended)
            .await
            .into_iter()
            .collect::<Result<(), _>>()?;
        spawn_blocking(move || seats.iter().try_for_each(Seat::remove)).await?
    }
}

fn log_path(directory: &Utf8Path, index: u32) -> Utf8PathBuf {
    directory.join("logs").join(format!("{index}.log"))
}

fn instance_of(place: &Place, seat: &Seat, record: Record) -> Instance {
    Instance {
        id: place.instance_id(seat.index),
        address: record.address(),
        index: seat.index,
    }
}

/// The command line: a program that the bundle has goes before one of the machine.
fn command(order: &InstancesOrder, app: &Utf8Path) -> Result<Vec<String>, Error> {
    let [program, arguments @ ..] = order.release.command.as_slice() else {
        return Err(Error::NoCommand {
            service: order.release.service.clone(),
        });
    };
    let own = app.join(program);
    let program = if own.is_file() {
        own.into_string()
    } else if program.contains('/') && !Utf8Path::new(program).is_absolute() {
        return Err(Error::NoProgram {
            program: program.clone(),
        });
    } else {
        program.clone()
    };
    Ok([&[program], arguments].concat())
}

fn look(
    place: &Place,
    directory: &Utf8Path,
    seat: &Seat,
    record: Record,
) -> Result<InstanceState, Error> {
    let mut pids = Vec::new();
    let (alive, exit) = match seat.state(record)? {
        instance::InstanceState::Running { child, .. } => {
            pids.push(child);
            pids.extend(tree::descendants(child).iter().map(|found| found.pid));
            (true, None)
        }
        instance::InstanceState::Exited {
            signal: Some(signal),
            ..
        } => (false, Some(Exit::Signal(signal))),
        instance::InstanceState::Exited {
            code: Some(code), ..
        } => (false, Some(Exit::Code(code.into()))),
        instance::InstanceState::Exited { .. } | instance::InstanceState::Lost => {
            (false, Some(Exit::Lost))
        }
        instance::InstanceState::Absent => (false, None),
    };
    let log = log_path(directory, seat.index);
    let log_tail = match tail(&log) {
        // A log that cannot be read is not worth the rest of the answer.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Vec::new(),
        other => other.map_err(Error::io(log))?,
    };
    Ok(InstanceState {
        instance: instance_of(place, seat, record),
        alive,
        exit,
        restarts: 0,
        log_tail,
        listening_ports: listening::of_processes(&pids),
    })
}
