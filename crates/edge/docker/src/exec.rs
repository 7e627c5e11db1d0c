//! Programs in containers, with their output as it comes: one more in a container that runs, or the
//! one for which a container was made.

use std::pin::Pin;

use bollard::{
    container::LogOutput,
    exec::StartExecResults,
    models::ExecConfig,
    query_parameters::{AttachContainerOptionsBuilder, KillContainerOptionsBuilder},
};
use bytes::Bytes;
use futures_util::{Stream, StreamExt as _};

use crate::{
    engine::Engine,
    error::{Error, is_absent},
};

const EXEC: &str = "run a program in a container";

/// A program for a container that runs.
#[derive(Clone, Default)]
pub struct ExecOrder {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// `NAME=VALUE`, over what the container has.
    pub env: Vec<String>,
    /// Where it runs; the container's own when absent.
    pub directory: Option<String>,
    /// As whom; the container's own when absent.
    pub user: Option<String>,
}

/// What a program prints, both streams in one.
pub struct Output(Pin<Box<dyn Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>);

impl Output {
    /// The next piece; `None` when it has ended.
    pub async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        let piece = self.0.next().await?;
        Some(
            piece
                .map(LogOutput::into_bytes)
                .map_err(|error| Error::from_client(EXEC, error)),
        )
    }
}

impl Engine {
    /// Starts a program in a container that runs; says by which id it is asked for.
    pub async fn exec(
        &self,
        container: &str,
        order: &ExecOrder,
    ) -> Result<(String, Output), Error> {
        let config = ExecConfig {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(order.argv.clone()),
            env: Some(order.env.clone()),
            working_dir: order.directory.clone(),
            user: order.user.clone(),
            ..ExecConfig::default()
        };
        let made = match self.client().create_exec(container, config).await {
            Err(error) if is_absent(&error) => {
                return Err(Error::Absent {
                    name: container.to_owned(),
                });
            }
            made => made.map_err(|error| Error::from_client(EXEC, error))?,
        };
        let started = self.client().start_exec(&made.id, None).await;
        match started.map_err(|error| Error::from_client(EXEC, error))? {
            StartExecResults::Attached { output, .. } => Ok((made.id, Output(output))),
            StartExecResults::Detached => Err(Error::Broken {
                verb: EXEC,
                detail: "nothing of its output comes here".to_owned(),
            }),
        }
    }

    /// How a program that was started with `exec` has ended; `None` when it runs.
    pub async fn exec_exit(&self, id: &str) -> Result<Option<i64>, Error> {
        let answer = self.client().inspect_exec(id).await;
        let answer = answer.map_err(|error| Error::from_client(EXEC, error))?;
        Ok(answer
            .exit_code
            .filter(|_| !answer.running.unwrap_or(false)))
    }

    /// What a container prints from now on; to be asked before it is started.
    pub async fn attach(&self, container: &str) -> Result<Output, Error> {
        let options = AttachContainerOptionsBuilder::default()
            .stream(true)
            .stdout(true)
            .stderr(true)
            .build();
        let answer = self.client().attach_container(container, Some(options));
        let answer = answer
            .await
            .map_err(|error| Error::from_client("listen to a container", error))?;
        Ok(Output(answer.output))
    }

    /// Sends a signal (`SIGINT`) to the first process of a container; one that has ended or is gone
    /// hears nothing, and that is fine.
    pub async fn signal(&self, container: &str, signal: &str) -> Result<(), Error> {
        let options = KillContainerOptionsBuilder::default()
            .signal(signal)
            .build();
        match self.client().kill_container(container, Some(options)).await {
            Ok(())
            | Err(bollard::errors::Error::DockerResponseServerError {
                status_code: 404 | 409,
                ..
            }) => Ok(()),
            Err(error) => Err(Error::from_client("signal a container", error)),
        }
    }
}
