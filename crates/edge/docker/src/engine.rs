//! The connection to an engine. Each request opens its own; nothing is kept but the address.

use std::time::Duration;

use bollard::{API_DEFAULT_VERSION, Docker, query_parameters::RemoveImageOptions};

use crate::error::{Error, is_absent, with_causes};

/// Where an engine listens when nobody says otherwise.
pub const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// How long an engine may take to say that it is there.
const GREETING: Duration = Duration::from_secs(3);
/// How long it may take to begin the answer to an ordinary request.
const ANSWER: Duration = Duration::from_mins(1);

/// An engine that has answered once, in a version of the API that both sides speak.
#[derive(Debug, Clone)]
pub struct Engine {
    docker: Docker,
    host: String,
}

impl Engine {
    /// Greets the engine at `host` (`unix://…` or `tcp://…`; the caller reads `DOCKER_HOST`), or at
    /// the default socket.
    pub async fn connect(host: Option<&str>) -> Result<Self, Error> {
        let host = host.unwrap_or(DEFAULT_HOST);
        let unreachable = |detail: String| Error::Unreachable {
            host: host.to_owned(),
            detail,
        };
        let timeout = ANSWER.as_secs();
        let docker = if host.starts_with("unix://") {
            Docker::connect_with_unix(host, timeout, API_DEFAULT_VERSION)
        } else if host.starts_with("tcp://") || host.starts_with("http://") {
            Docker::connect_with_http(host, timeout, API_DEFAULT_VERSION)
        } else {
            return Err(Error::Address {
                host: host.to_owned(),
            });
        }
        .map_err(|error| unreachable(with_causes(&error)))?;
        let docker = tokio::time::timeout(GREETING, docker.negotiate_version())
            .await
            .map_err(|_| unreachable(format!("no answer within {} s", GREETING.as_secs())))?
            .map_err(|error| unreachable(with_causes(&error)))?;
        Ok(Self {
            docker,
            host: host.to_owned(),
        })
    }

    /// Whether it still answers.
    pub async fn ping(&self) -> Result<(), Error> {
        let unreachable = |detail: String| Error::Unreachable {
            host: self.host.clone(),
            detail,
        };
        match tokio::time::timeout(GREETING, self.docker.ping()).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(unreachable(with_causes(&error))),
            Err(_) => Err(unreachable(format!(
                "no answer within {} s",
                GREETING.as_secs()
            ))),
        }
    }

    /// The address as it was given.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether the image with this id (`sha256:…`) is there.
    pub async fn image_exists(&self, digest: &str) -> Result<bool, Error> {
        match self.docker.inspect_image(digest).await {
            Ok(_) => Ok(true),
            Err(error) if is_absent(&error) => Ok(false),
            Err(error) => Err(Error::from_client("look at an image", error)),
        }
    }

    /// Takes an image away, with all its names; one that is not there is as good as taken away, and one
    /// that a container uses is refused.
    pub async fn remove_image(&self, digest: &str) -> Result<(), Error> {
        const VERB: &str = "remove an image";
        let image = match self.docker.inspect_image(digest).await {
            Ok(image) => image,
            Err(error) if is_absent(&error) => return Ok(()),
            Err(error) => return Err(Error::from_client(VERB, error)),
        };
        // By its names first: an engine takes an image that has several only by force, and force would
        // also take one that a stopped container needs.
        let names = image.repo_tags.unwrap_or_default();
        let gently = None::<RemoveImageOptions>;
        for name in names.iter().map(String::as_str).chain([digest]) {
            match self.docker.remove_image(name, gently.clone(), None).await {
                Ok(_) => {}
                Err(error) if is_absent(&error) => {}
                Err(error) => return Err(Error::from_client(VERB, error)),
            }
        }
        Ok(())
    }

    /// The client, for ordinary requests.
    pub(crate) const fn client(&self) -> &Docker {
        &self.docker
    }

    /// A client that waits longer for the answer to begin.
    pub(crate) fn patient(&self, more: Duration) -> Docker {
        self.docker.clone().with_timeout(ANSWER + more)
    }
}
