//! Building a package: an image when there is a Dockerfile and an engine, else a bundle.

use std::{collections::BTreeMap, io};

use camino::Utf8PathBuf;
use cutover_docker::{BuildRequest, Engine, Error as EngineError};
use cutover_model::delivery::{Digest, Package};

use crate::bundle::{BundleError, Bundles};

/// What is to be built.
#[derive(Debug, Clone)]
pub struct BuildOrder {
    /// The directory that is built or bundled.
    pub context: Utf8PathBuf,
    /// The Dockerfile, when the service has one.
    pub dockerfile: Option<Utf8PathBuf>,
    /// The service's name.
    pub service: String,
    /// How a bundle of it is started; empty when it runs only as an image.
    pub command: Vec<String>,
    /// Labels of an image.
    pub labels: BTreeMap<String, String>,
}

/// Why there is no package.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// Their Dockerfile or their files said no; building again gives the same.
    #[error("{0}")]
    Failed(String),
    /// We could not; building again may help.
    #[error("{0}")]
    Faulted(String),
}

impl From<EngineError> for BuildError {
    fn from(error: EngineError) -> Self {
        let text = error.to_string();
        match error {
            EngineError::BuildFailed { .. } | EngineError::Pattern { .. } => Self::Failed(text),
            EngineError::Context { source, .. } if is_theirs(&source) => Self::Failed(text),
            _ => Self::Faulted(text),
        }
    }
}

impl From<BundleError> for BuildError {
    fn from(error: BundleError) -> Self {
        let text = error.to_string();
        match error {
            BundleError::Refused { .. } => Self::Failed(text),
            BundleError::Io { source, .. } if is_theirs(&source) => Self::Failed(text),
            _ => Self::Faulted(text),
        }
    }
}

/// A path that is wrong, and not a disk that fails.
fn is_theirs(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::IsADirectory
    )
}

/// Builds the package of a service. Each line for people goes to `log`.
pub async fn build(
    order: &BuildOrder,
    engine: Option<&Engine>,
    bundles: &Bundles,
    log: &mut (dyn FnMut(&str) + Send),
) -> Result<Package, BuildError> {
    match (&order.dockerfile, engine) {
        (Some(dockerfile), Some(engine)) => {
            let request = BuildRequest {
                context: order.context.clone().into(),
                dockerfile: dockerfile.clone().into(),
                labels: order.labels.clone(),
                repository: Some(repository(&order.service)),
            };
            let digest = Digest(engine.build(&request, log).await?);
            log(&format!("image {digest}"));
            Ok(Package::Image { digest })
        }
        (Some(dockerfile), None) if order.command.is_empty() => Err(BuildError::Faulted(format!(
            "`{dockerfile}` needs a Docker engine and none answers; start one, or give service \
             `{}` a `command` with which it runs as a process",
            order.service
        ))),
        (Some(dockerfile), None) => {
            log(&format!(
                "no Docker engine answers: `{dockerfile}` is not used, a process bundle is built"
            ));
            bundle(order, bundles, log).await
        }
        (None, _) if order.command.is_empty() => Err(BuildError::Failed(format!(
            "service `{}` has neither a Dockerfile nor a `command`; give it one of them",
            order.service
        ))),
        (None, _) => bundle(order, bundles, log).await,
    }
}

async fn bundle(
    order: &BuildOrder,
    bundles: &Bundles,
    log: &mut (dyn FnMut(&str) + Send),
) -> Result<Package, BuildError> {
    let (store, context) = (bundles.clone(), order.context.clone());
    let digest = tokio::task::spawn_blocking(move || store.pack(&context))
        .await
        .map_err(|error| BuildError::Faulted(format!("packing ended early: {error}")))??;
    log(&format!("bundle {digest}"));
    Ok(Package::Bundle { digest })
}

/// The name under which an engine keeps the images of a service: in lower case, as it wants.
fn repository(service: &str) -> String {
    let plain: String = service
        .chars()
        .map(|c| match c.to_ascii_lowercase() {
            c if c.is_ascii_alphanumeric() => c,
            _ => '-',
        })
        .collect();
    match plain.trim_matches('-') {
        "" => "cutover/service".to_owned(),
        plain => format!("cutover/{plain}"),
    }
}

#[cfg(test)]
mod tests {
    use camino::Utf8Path;

    use super::*;

    fn order(root: &Utf8Path) -> BuildOrder {
        std::fs::create_dir_all(root.join("app")).unwrap();
        std::fs::write(root.join("app/run"), "#!/bin/sh").unwrap();
        BuildOrder {
            context: root.join("app"),
            dockerfile: None,
            service: "Web Shop".to_owned(),
            command: vec!["run".to_owned()],
            labels: BTreeMap::new(),
        }
    }

    async fn built(change: impl FnOnce(&mut BuildOrder)) -> (Result<Package, BuildError>, String) {
        let kept = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(kept.path()).unwrap();
        let mut order = order(root);
        change(&mut order);
        let mut log = String::new();
        let bundles = Bundles::new(root.join("store"));
        let result = build(&order, None, &bundles, &mut |line: &str| {
            log.push_str(line);
            log.push('\n');
        })
        .await;
        (result, log)
    }

    #[tokio::test]
    async fn without_a_dockerfile_it_is_a_bundle() {
        let (result, log) = built(|_| {}).await;
        let Ok(Package::Bundle { digest }) = result else {
            panic!("{result:?}")
        };
        assert_eq!(log, format!("bundle {digest}\n"));
    }

    #[tokio::test]
    async fn without_an_engine_a_command_helps_and_the_log_says_so() {
        let (result, log) = built(|order| order.dockerfile = Some("Dockerfile".into())).await;
        assert!(matches!(result, Ok(Package::Bundle { .. })), "{result:?}");
        assert!(
            log.starts_with("no Docker engine answers: `Dockerfile` is not used"),
            "{log}"
        );
    }

    #[tokio::test]
    async fn failing_is_not_faulting() {
        let (result, _) = built(|order| {
            order.dockerfile = Some("Dockerfile".into());
            order.command.clear();
        })
        .await;
        assert!(matches!(result, Err(BuildError::Faulted(_))), "{result:?}");
        let (result, _) = built(|order| order.command.clear()).await;
        assert!(matches!(result, Err(BuildError::Failed(_))), "{result:?}");
        let (result, _) = built(|order| order.context = "/nonexistent/x".into()).await;
        assert!(matches!(result, Err(BuildError::Failed(_))), "{result:?}");
    }

    #[test]
    fn a_repository_has_a_name_that_engines_take() {
        assert_eq!(repository("Web Shop"), "cutover/web-shop");
        assert_eq!(repository("_"), "cutover/service");
    }
}
