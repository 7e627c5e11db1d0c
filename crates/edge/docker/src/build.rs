//! Building an image from a directory, with the classic builder: every engine has it, and it needs
//! no session with us while it works.

use std::{
    collections::{BTreeMap, HashMap},
    path::PathBuf,
    time::Duration,
};

use bollard::{
    body_try_stream,
    errors::Error as Bollard,
    models::BuildInfo,
    query_parameters::{BuildImageOptionsBuilder, TagImageOptionsBuilder},
};
use futures_util::StreamExt as _;

use crate::{context::Context, engine::Engine, error::Error};

const VERB: &str = "build an image";
/// The engine takes the whole context before it begins to answer.
const UPLOAD: Duration = Duration::from_hours(1);
/// A line of the log beyond this is handed on in pieces.
const LINE_LIMIT: usize = 16 * 1024;

/// What is to be built.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// The directory whose content is sent, less what its `.dockerignore` names.
    pub context: PathBuf,
    /// The Dockerfile; may lie outside the directory.
    pub dockerfile: PathBuf,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// A name under which the image is kept as `NAME:<first twelve digits>`. An image without one is
    /// taken by the next `docker image prune`, and with it the way back to its release.
    pub repository: Option<String>,
}

impl Engine {
    /// Builds, and returns the image's id: `sha256:` and 64 digits.
    ///
    /// Each line of the engine's log goes to `on_line`. [`Error::BuildFailed`] is the Dockerfile's
    /// own answer; everything else is not its fault. Dropping the future ends the build.
    pub async fn build(
        &self,
        request: &BuildRequest,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<String, Error> {
        let opened = request.clone();
        let context =
            tokio::task::spawn_blocking(move || Context::open(&opened.context, &opened.dockerfile))
                .await
                .map_err(|error| Error::Broken {
                    verb: VERB,
                    detail: error.to_string(),
                })??;
        let options = BuildImageOptionsBuilder::default()
            .dockerfile(context.dockerfile())
            .labels(
                &request
                    .labels
                    .clone()
                    .into_iter()
                    .collect::<HashMap<_, _>>(),
            )
            .rm(true)
            .forcerm(true)
            .build();
        let (stream, walk) = context.stream();
        let client = self.patient(UPLOAD);
        let mut lines = Lines::default();
        let mut answer = Box::pin(client.build_image(options, None, Some(body_try_stream(stream))));
        let mut built = Ok(None);
        while let Some(item) = answer.next().await {
            match item
                .map_err(failure)
                .and_then(|info| lines.take(info, on_line))
            {
                Ok(None) => {}
                Ok(Some(digest)) => built = Ok(Some(digest)),
                Err(error) => {
                    built = Err(error);
                    break;
                }
            }
        }
        drop(answer);
        lines.end(on_line);
        // When the disk was the reason, the engine knows only that the stream broke.
        match walk.await {
            Ok(Err(error)) if !hung_up(&error) => return Err(error),
            Ok(_) | Err(_) => {}
        }
        let digest = built?.ok_or(Error::Broken {
            verb: VERB,
            detail: "it stopped without naming an image".to_owned(),
        })?;
        if let Some(repository) = &request.repository {
            self.tag(&digest, repository).await?;
        }
        Ok(digest)
    }

    /// Builds unless the same was built before: the image's name is made of what is sent. Returns that
    /// name.
    pub async fn build_once(
        &self,
        request: &BuildRequest,
        repository: &str,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<String, Error> {
        let opened = request.clone();
        let digest = tokio::task::spawn_blocking(move || {
            Context::open(&opened.context, &opened.dockerfile)?.digest()
        });
        let digest = digest.await.map_err(|error| Error::Broken {
            verb: VERB,
            detail: error.to_string(),
        })??;
        let tag = digest.get(..32).unwrap_or(&digest);
        let name = format!("{repository}:{tag}");
        if self.image_exists(&name).await? {
            on_line(&format!("`{name}` was built before"));
            return Ok(name);
        }
        let built = self.build(request, on_line).await?;
        self.tag_as(&built, repository, tag).await?;
        Ok(name)
    }

    async fn tag(&self, digest: &str, repository: &str) -> Result<(), Error> {
        let hex = digest.strip_prefix("sha256:").unwrap_or(digest);
        self.tag_as(digest, repository, hex.get(..12).unwrap_or(hex))
            .await
    }

    async fn tag_as(&self, digest: &str, repository: &str, tag: &str) -> Result<(), Error> {
        let options = TagImageOptionsBuilder::default()
            .repo(repository)
            .tag(tag)
            .build();
        self.client()
            .tag_image(digest, Some(options))
            .await
            .map_err(|error| Error::from_client("name an image", error))
    }
}

/// The engine stopped listening: its own error says why.
fn hung_up(error: &Error) -> bool {
    matches!(error, Error::Context { source, .. } if source.kind() == std::io::ErrorKind::BrokenPipe)
}

/// Whose fault it is. The engine has one channel for all; only its words tell them apart.
fn failure(error: Bollard) -> Error {
    match error {
        Bollard::DockerStreamError { error } => said(error),
        Bollard::DockerResponseServerError {
            status_code,
            message,
        } if status_code == 400 || message.to_ascii_lowercase().contains("dockerfile") => {
            Error::BuildFailed { message }
        }
        other => Error::from_client(VERB, other),
    }
}

fn said(message: String) -> Error {
    if message.contains("no space left on device") {
        Error::Broken {
            verb: VERB,
            detail: message,
        }
    } else {
        Error::BuildFailed { message }
    }
}

/// Puts the pieces of the log together again.
#[derive(Default)]
struct Lines {
    partial: String,
}

impl Lines {
    /// Returns the image's id when this piece carries it.
    fn take(
        &mut self,
        info: BuildInfo,
        on_line: &mut (dyn FnMut(&str) + Send),
    ) -> Result<Option<String>, Error> {
        if let Some(detail) = info.error_detail {
            return Err(said(detail.message.unwrap_or_default()));
        }
        if let Some(text) = info.stream {
            self.partial.push_str(&text);
            while let Some(end) = self.partial.find('\n') {
                on_line(self.partial[..end].trim_end_matches('\r'));
                self.partial.drain(..=end);
            }
            if self.partial.len() > LINE_LIMIT {
                self.end(on_line);
            }
        }
        // Progress bars of a pull are not log lines.
        let bar = info.progress_detail.is_some_and(|bar| bar.total.is_some());
        if let Some(status) = info.status.filter(|_| !bar) {
            match info.id {
                Some(id) => on_line(&format!("{id}: {status}")),
                None => on_line(&status),
            }
        }
        Ok(info.aux.and_then(|image| image.id))
    }

    fn end(&mut self, on_line: &mut (dyn FnMut(&str) + Send)) {
        if !self.partial.is_empty() {
            on_line(&std::mem::take(&mut self.partial));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_become_lines() {
        let mut lines = Lines::default();
        let mut seen = Vec::new();
        for piece in ["Step 1", "/2 : FROM x\n ---> ", "abc\r\n", "tail"] {
            let info = BuildInfo {
                stream: Some(piece.to_owned()),
                ..BuildInfo::default()
            };
            let digest = lines.take(info, &mut |line: &str| seen.push(line.to_owned()));
            assert_eq!(digest.unwrap(), None);
        }
        lines.end(&mut |line: &str| seen.push(line.to_owned()));
        assert_eq!(seen, ["Step 1/2 : FROM x", " ---> abc", "tail"]);
    }

    #[test]
    fn a_full_disk_is_not_the_fault_of_the_dockerfile() {
        let full = "write /x: no space left on device".to_owned();
        assert!(matches!(said(full), Error::Broken { .. }));
        let no = "The command '/bin/sh -c false' returned a non-zero code: 1".to_owned();
        assert!(matches!(said(no), Error::BuildFailed { .. }));
    }
}
