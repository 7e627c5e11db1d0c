//! `cutover/build@v1`: the workspace → an image or a bundle, known by its digest; a release of it.

use std::collections::BTreeMap;

use cutover_executor::BuiltinLog;
use cutover_model::{
    ReleaseId,
    delivery::{Contents, Digest, Release},
    project::Service,
};
use cutover_target::{BuildError, BuildOrder};
use sha2::{Digest as _, Sha256};

use super::{Context, Done, Left, checkout::inside};
use crate::Error;

pub(super) async fn perform(context: &Context, log: &mut BuiltinLog) -> Result<Done, Error> {
    let (name, service) = context.service()?;
    let trigger = context.trigger()?;
    let version = match context.input("version") {
        Some(version) => checked(version)?,
        None => format!("0.0.0-run.{}", context.run.number().unwrap_or_default()),
    };
    let order = BuildOrder {
        context: inside(&context.place.workspace, &service.build.context)?,
        dockerfile: match &service.build.dockerfile {
            Some(path) => Some(inside(&context.place.workspace, path)?),
            None => None,
        },
        service: name.to_owned(),
        command: service.command.clone(),
        labels: BTreeMap::from([
            (
                "org.opencontainers.image.revision".to_owned(),
                trigger.revision.0.clone(),
            ),
            (
                "org.opencontainers.image.version".to_owned(),
                version.clone(),
            ),
        ]),
    };
    let engine = match &order.dockerfile {
        Some(_) => context.control.docker().await.ok(),
        None => None,
    };
    let (lines, mut heard) = tokio::sync::mpsc::unbounded_channel::<String>();
    let mut note = move |line: &str| drop(lines.send(line.to_owned()));
    let bundles = context.control.bundles();
    let building = async {
        let built = cutover_target::build(&order, engine.as_ref(), bundles, &mut note).await;
        drop(note);
        built
    };
    let telling = async {
        while let Some(line) = heard.recv().await {
            log.line(&line);
        }
    };
    let (built, ()) = tokio::join!(building, telling);
    let package = match built {
        Ok(package) => package,
        Err(BuildError::Failed(why)) => return Ok(Done::Failed(Left::default(), vec![why])),
        Err(BuildError::Faulted(why)) => return Err(Error::Docker(why)),
    };
    let digest = package.digest().clone();
    let release = Release {
        id: ReleaseId::derived(&[name, &version, &digest.0, context.key.run.as_str()]),
        service: name.to_owned(),
        version: version.clone(),
        package,
        revision: trigger.revision.clone(),
        command: service.command.clone(),
        port: service.port,
        env: service.env.clone(),
        contents: contents(context, service).await?,
        run: context.key.run.clone(),
        created_at: context.run.created_at().unwrap_or_default(),
    };
    context.control.store().put_release(&release).await?;
    log.line(&format!("{name} {version} is {digest}"));
    let left = Left::default()
        .output("release", release.id.as_str())
        .output("version", version.as_str())
        .output("digest", digest.0.as_str())
        .summary(format!("Built `{name}` {version}: `{digest}`\n"));
    Ok(Done::Succeeded(left))
}

/// What belongs to the release beside its package: digests of the files that the service names.
async fn contents(context: &Context, service: &Service) -> Result<Contents, Error> {
    let mut contents = Contents {
        migrations: service.migrations.clone(),
        ..Contents::default()
    };
    for name in &service.secrets {
        let version = context.control.secret_version(name).await?;
        contents.secrets.insert(name.clone(), version);
    }
    for path in &service.config {
        contents
            .config
            .insert(path.clone(), file_digest(context, path).await?);
    }
    if let Some(path) = &service.flags {
        contents.flags = Some(file_digest(context, path).await?);
    }
    Ok(contents)
}

async fn file_digest(context: &Context, path: &str) -> Result<Digest, Error> {
    let file = inside(&context.place.workspace, path)?;
    let bytes = tokio::fs::read(&file)
        .await
        .map_err(|error| Error::Refused(format!("`{path}` cannot be read: {error}")))?;
    let sum = hex::encode(Sha256::digest(&bytes));
    Ok(Digest(format!("sha256:{sum}")))
}

/// Versions go into file names, tags and pages: letters, digits and `.-+_`, as semver and tags have.
fn checked(version: &str) -> Result<String, Error> {
    let fine = version
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || ".-+_".contains(c));
    if fine && version.len() <= 64 {
        return Ok(version.to_owned());
    }
    Err(Error::Refused(format!(
        "`{version}` is not a version; write for example `1.4.0`"
    )))
}
