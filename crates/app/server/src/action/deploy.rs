//! `cutover/deploy@v1`: a release → an environment, through a deployment that this step waits for.

use cutover_executor::BuiltinLog;
use cutover_model::{
    DeploymentId,
    delivery::{Cause, Release},
    run::Outcome,
};
use tokio_util::sync::CancellationToken;

use super::{Context, Done, Left};
use crate::{
    Error,
    deliver::{Request, Which},
    view,
};

pub(super) async fn perform(
    context: &Context,
    log: &mut BuiltinLog,
    cancelled: &CancellationToken,
) -> Result<Done, Error> {
    let control = &context.control;
    let environment = context.input("environment").unwrap_or_default().to_owned();
    let release = release(context).await?;
    let id = DeploymentId::derived(&[
        context.key.run.as_str(),
        &context.key.job.0,
        &context.key.step.to_string(),
    ]);
    let request = Request {
        id: id.clone(),
        environment: environment.clone(),
        release,
        strategy: context.input("strategy").map(ToOwned::to_owned),
        // The leg has asked already when it works in this very environment.
        approved: view::leg_environment(&context.run, &context.key.job).as_deref()
            == Some(environment.as_str()),
        break_glass: None,
        lift_hold: false,
        cause: Cause::Step {
            run: context.key.run.clone(),
            job: context.key.job.clone(),
            step: context.key.step.clone(),
            attempt: context.key.attempt,
        },
    };
    let project = context.project()?;
    let driven = control.begin_deployment(project, request).await?;
    log.line(&format!("deployment {id}"));
    let mut said = String::new();
    let mut state = driven.state.clone();
    let mut told_to_abort = false;
    loop {
        let now = state.borrow_and_update().clone();
        let line = view::deployment_line(&now);
        if line != said {
            log.line(&line);
            said = line;
        }
        if now.state().outcome().is_some() {
            break;
        }
        tokio::select! {
            changed = state.changed() => if changed.is_err() { break },
            () = cancelled.cancelled(), if !told_to_abort => {
                told_to_abort = true;
                log.line("cancelled: the deployment is told to abort");
                match control.abort_deployment(&id, "the run").await {
                    // It ends already, or goes back already: that is waited for.
                    Err(Error::Refused(why)) => log.line(&why),
                    told => drop(told?),
                }
            }
        }
    }
    finish(context, log, &id, told_to_abort).await
}

async fn finish(
    context: &Context,
    log: &mut BuiltinLog,
    id: &DeploymentId,
    aborted: bool,
) -> Result<Done, Error> {
    let deployment = context.control.deployment(id).await?;
    let spec = deployment
        .spec()
        .ok_or_else(|| Error::NotFound(format!("deployment {id} does not exist yet")))?;
    let url = context
        .control
        .service_url(&spec.release.service, &spec.environment)
        .await;
    let left = Left::default()
        .output("deployment", id.as_str())
        .output("version", spec.release.version.as_str())
        .output("url", url.unwrap_or_default())
        .summary(format!("{}\n", view::deployment_line(&deployment)));
    for line in deployment.detail() {
        log.line(line);
    }
    let reason = view::deployment_line(&deployment);
    Ok(match deployment.state().outcome() {
        Some(Outcome::Succeeded) => Done::Succeeded(left),
        _ if aborted => Done::Failed(left, vec![format!("cancelled: {reason}")]),
        _ => Done::Failed(left, vec![reason]),
    })
}

/// The release that is meant: the one named by id, version or digest, else the one this run built.
async fn release(context: &Context) -> Result<Release, Error> {
    let (service, _) = context.service()?;
    let which = match context.input("release") {
        Some(text) => Which::Named(text.to_owned()),
        None => Which::BuiltBy(context.key.run.clone()),
    };
    context.control.find_release(service, &which).await
}
