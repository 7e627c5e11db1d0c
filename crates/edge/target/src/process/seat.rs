//! What is on disk about one instance: its record, its copy of the bundle, its supervisor's places.

use std::{
    fs, io,
    net::{Ipv4Addr, SocketAddr},
};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_supervisor::{instance, record};
use serde::{Deserialize, Serialize};

use crate::error::Error;

const FILE: &str = "record.json";

/// Whether it should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Wanted {
    Running,
    Stopped,
}

/// Written before anything is done, so that a successor of ours finds what we began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    /// Where it is to listen.
    pub(super) port: u16,
    /// Which start, from 1: a supervisor's place is good for one.
    pub(super) run: u32,
    pub(super) wanted: Wanted,
}

impl Record {
    pub(super) fn address(self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }
}

/// The directory of one instance.
#[derive(Debug, Clone)]
pub(super) struct Seat {
    pub(super) index: u32,
    directory: Utf8PathBuf,
}

impl Seat {
    pub(super) fn new(deployment: &Utf8Path, index: u32) -> Self {
        Self {
            index,
            directory: deployment.join(index.to_string()),
        }
    }

    /// All that were ever made for a deployment and not removed, by index.
    pub(super) fn all(deployment: &Utf8Path) -> Result<Vec<Self>, Error> {
        let entries = match deployment.read_dir_utf8() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            other => other.map_err(Error::io(deployment))?,
        };
        let mut seats = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Error::io(deployment))?;
            if let Ok(index) = entry.file_name().parse() {
                seats.push(Self::new(deployment, index));
            }
        }
        seats.sort_by_key(|seat| seat.index);
        Ok(seats)
    }

    pub(super) fn read(&self) -> Result<Option<Record>, Error> {
        Ok(record::read(&self.directory.join(FILE))?)
    }

    pub(super) fn write(&self, record: Record) -> Result<(), Error> {
        fs::create_dir_all(&self.directory).map_err(Error::io(&self.directory))?;
        Ok(record::write(&self.directory.join(FILE), &record)?)
    }

    /// The instance's own copy of the bundle; also where it runs, and its home.
    pub(super) fn app(&self) -> Utf8PathBuf {
        self.directory.join("app")
    }

    /// The supervisor's place for one start.
    pub(super) fn run(&self, number: u32) -> Utf8PathBuf {
        self.directory.join(format!("run-{number}"))
    }

    /// Throws away the places of earlier starts, so that they do not pile up.
    pub(super) fn forget_before(&self, number: u32) {
        for earlier in (1..number).rev() {
            if fs::remove_dir_all(self.run(earlier)).is_err() {
                return;
            }
        }
    }

    pub(super) fn state(&self, record: Record) -> Result<instance::InstanceState, Error> {
        Ok(instance::state(&self.run(record.run))?)
    }

    pub(super) fn remove(&self) -> Result<(), Error> {
        match fs::remove_dir_all(&self.directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::io(&self.directory)(error))
            }
            _ => Ok(()),
        }
    }
}
