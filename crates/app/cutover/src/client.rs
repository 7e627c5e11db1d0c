//! The way to a server: finds it, speaks JSON with it, says clearly what went wrong.

use std::{fmt::Write as _, io::ErrorKind};

use anyhow::{Context as _, bail};
use camino::Utf8Path;
use reqwest::{Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{cli::Connection, config, exit::Exit};

/// What a server that runs leaves in its data directory, so that the command line finds it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Beacon {
    /// `http://127.0.0.1:7800`.
    pub(crate) address: String,
    /// Its process.
    pub(crate) pid: u32,
}

impl Beacon {
    /// The file's name.
    pub(crate) const FILE: &'static str = "server.json";

    fn read(data_dir: &Utf8Path) -> anyhow::Result<Self> {
        let path = data_dir.join(Self::FILE);
        let none = format!(
            "no server runs on `{data_dir}`; start one with `cutover serve`, or say where with --server"
        );
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => bail!(none),
            read => read.context(none)?,
        };
        serde_json::from_str(&text).with_context(|| format!("`{path}` is damaged"))
    }
}

/// The path of a run in the API. What people say (`owner/hello#12`) has characters that mean something
/// else in an address.
pub(crate) fn run_path(said: &str) -> String {
    let mut path = "/api/v1/runs/".to_owned();
    for byte in said.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') {
            path.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            write!(path, "%{byte:02X}").ok();
        }
    }
    path
}

/// What a server refused, with the code to leave with.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub(crate) struct Refused {
    pub(crate) message: String,
    pub(crate) exit: Exit,
    /// Whether what was named is not there.
    pub(crate) is_missing: bool,
}

/// A server, and who we are to it.
pub(crate) struct Client {
    http: reqwest::Client,
    address: String,
    token: Option<String>,
}

impl Client {
    pub(crate) fn new(connection: &Connection) -> anyhow::Result<Self> {
        let data_dir = config::server_dir(connection.data_dir.as_deref())?;
        let beacon = Beacon::read(&data_dir);
        // The token in the data directory is for the server on it. One that is elsewhere does not get
        // to see it.
        let is_this_one = match (&connection.server, &beacon) {
            (None, _) => true,
            (Some(address), Ok(beacon)) => address.trim_end_matches('/') == beacon.address,
            (Some(_), Err(_)) => connection.data_dir.is_some(),
        };
        let address = match &connection.server {
            Some(address) => address.trim_end_matches('/').to_owned(),
            None => beacon?.address,
        };
        let token = connection.token.clone().or_else(|| {
            let path = is_this_one.then(|| data_dir.join("token"))?;
            let text = std::fs::read_to_string(path).ok()?;
            Some(text.trim().to_owned())
        });
        let mut http = reqwest::Client::builder();
        if is_this_one {
            // On this machine; a proxy would look for it on its own.
            http = http.no_proxy();
        }
        let http = http.build().context("could not build the HTTP client")?;
        Ok(Self {
            http,
            address,
            token,
        })
    }

    /// Whether anybody is there.
    pub(crate) async fn answers(&self) -> bool {
        self.http.get(self.link("/healthz")).send().await.is_ok()
    }

    /// The page about something.
    pub(crate) fn link(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    pub(crate) async fn get(&self, path: &str, query: &[(&str, String)]) -> anyhow::Result<Value> {
        let response = self.send(Method::GET, path, query, None).await?;
        response
            .json()
            .await
            .context("the server's answer is not JSON")
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        let response = self.send(Method::POST, path, &[], Some(body)).await?;
        response
            .json()
            .await
            .context("the server's answer is not JSON")
    }

    /// An answer whose body comes bit by bit.
    pub(crate) async fn stream(
        &self,
        path: &str,
        query: &[(&str, String)],
    ) -> anyhow::Result<Response> {
        self.send(Method::GET, path, query, None).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        query: &[(&str, String)],
        body: Option<&Value>,
    ) -> anyhow::Result<Response> {
        let mut request = self.http.request(method, self.link(path)).query(query);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token);
        }
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(|| {
            format!(
                "the server at {} does not answer; is `cutover serve` running?",
                self.address
            )
        })?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let text = response.text().await.unwrap_or_default();
        let said: Option<Value> = serde_json::from_str(&text).ok();
        let message = said
            .as_ref()
            .and_then(|said| said["error"].as_str())
            .map_or_else(
                || format!("the server answered {status}"),
                ToOwned::to_owned,
            );
        let exit = match status {
            StatusCode::CONFLICT => Exit::Refused,
            StatusCode::NOT_FOUND
            | StatusCode::UNPROCESSABLE_ENTITY
            | StatusCode::BAD_REQUEST
            | StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN => Exit::Usage,
            _ => Exit::Fault,
        };
        let is_missing = status == StatusCode::NOT_FOUND;
        bail!(Refused {
            message,
            exit,
            is_missing
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_one_part_of_a_path_whatever_it_is_called() {
        assert_eq!(run_path("12"), "/api/v1/runs/12");
        assert_eq!(run_path("o/h.x#1"), "/api/v1/runs/o%2Fh.x%231");
    }
}
