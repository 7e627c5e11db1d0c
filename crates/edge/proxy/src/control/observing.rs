//! What is written down about requests: the access log. Plain data.

use camino::Utf8Path;
use http::HeaderName;
use serde::{Deserialize, Serialize};

use super::{
    table::Service,
    validate::{InvalidTable, check},
};

/// One JSON line for each request. Never waited for: what the disk does not take in time is
/// dropped, and counted.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct AccessLog {
    /// The file, as an absolute path. `None`: `access.log` in the state folder. Services may share
    /// one when they say the same of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// Bytes after which the file is put aside as `.1`, that as `.2`, and so on.
    pub max_bytes: u64,
    /// Files put aside that are kept.
    pub keep: u32,
    /// What is told of the query.
    pub query: QueryLog,
}

/// What the access log tells of the query.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueryLog {
    /// All of it.
    Whole,
    /// The names, without the values.
    #[default]
    Names,
    /// Nothing.
    Nothing,
}

impl Default for AccessLog {
    fn default() -> Self {
        Self {
            file: None,
            max_bytes: 64 * 1024 * 1024,
            keep: 4,
            query: QueryLog::default(),
        }
    }
}

/// What the seconds of a service tell besides its counts.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// Answers whose head takes longer are slow. `None`: none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slow_ms: Option<u64>,
    /// By what clients are told apart, of whom each counts once in ten seconds.
    pub client: ClientKey,
}

/// By what clients are told apart. One that does not bring it is told by address and user agent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientKey {
    /// Its address, past trusted peers, and its user agent.
    #[default]
    Address,
    /// The cookie of the service's [`super::Sticky`].
    Sticky,
    /// This header field.
    Header(String),
}

/// Checks what a service writes down.
pub(super) fn usable(place: &str, service: &Service) -> Result<(), InvalidTable> {
    match &service.evidence.client {
        ClientKey::Address => {}
        ClientKey::Sticky => {
            let expected = "a service with `sticky`, by which `evidence` tells clients apart";
            check(place, &service.name, expected, |_| service.sticky.is_some())?;
        }
        ClientKey::Header(name) => check(place, name, "the name of a header field", |name| {
            name.parse::<HeaderName>().is_ok()
        })?,
    }
    let Some(log) = &service.access_log else {
        return Ok(());
    };
    if let Some(file) = &log.file {
        check(place, file, "an absolute path for the access log", |path| {
            Utf8Path::new(path).is_absolute()
        })?;
    }
    let bounds = format!("{} bytes and {} files", log.max_bytes, log.keep);
    check(
        place,
        &bounds,
        "at least 65536 bytes and at most 100 files",
        |_| log.max_bytes >= 65_536 && log.keep <= 100,
    )
}

/// Checks that services which share a file say the same of it.
pub(super) fn agree(services: &[Service]) -> Result<(), InvalidTable> {
    let logs = || {
        services
            .iter()
            .filter_map(|service| Some((service, service.access_log.as_ref()?)))
    };
    for (service, log) in logs() {
        let differs = |other: &AccessLog| {
            other.file == log.file && (other.max_bytes, other.keep) != (log.max_bytes, log.keep)
        };
        if let Some((other, _)) = logs().find(|(_, other)| differs(other)) {
            let place = format!("service `{}`", service.name);
            let expected = "of one size with the access log of others in the same file";
            return check(&place, &other.name, expected, |_| false);
        }
    }
    Ok(())
}
