//! What keeps deployments from a place: holds of rollbacks, freezes of people and of `cutover.yml`.

use std::collections::BTreeSet;

use cutover_model::{DeploymentId, Timestamp};
use serde::Serialize;

use crate::{Control, Error};

/// A service of an environment that a rollback has pinned to what it runs.
#[derive(Debug, Serialize)]
pub struct HoldView {
    /// Where.
    pub environment: String,
    /// Which service.
    pub service: String,
    /// What was taken back, or what took it back.
    pub deployment: DeploymentId,
    /// Why.
    pub reason: String,
    /// Since when.
    pub since: Timestamp,
}

/// A freeze that is in force.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FreezeView {
    /// Which environment; all of them when absent.
    pub environment: Option<String>,
    /// Why.
    pub reason: String,
    /// Who put it on; absent for a window of `cutover.yml`.
    pub by: Option<String>,
    /// Since when, for one that somebody put on.
    pub since: Option<Timestamp>,
    /// Until when; until it is lifted when absent.
    pub until: Option<Timestamp>,
}

/// All holds, by place.
pub(crate) async fn holds(control: &Control) -> Result<Vec<HoldView>, Error> {
    let held = control.holds().await?;
    Ok(held
        .into_iter()
        .map(|((environment, service), hold)| HoldView {
            environment,
            service,
            deployment: hold.deployment,
            reason: hold.reason,
            since: hold.since,
        })
        .collect())
}

/// All freezes that are in force: what people have frozen, then the windows that are open.
pub(crate) async fn freezes(control: &Control) -> Result<Vec<FreezeView>, Error> {
    let now = control.now();
    let orders = control.store().open_freezes().await?;
    let lasts = |until: Option<Timestamp>| until.is_none_or(|until| now < until);
    let mut all: Vec<FreezeView> = orders
        .into_iter()
        .filter(|row| lasts(row.until))
        .map(|row| FreezeView {
            environment: row.environment,
            reason: row.reason,
            by: Some(row.frozen_by),
            since: Some(row.since),
            until: row.until,
        })
        .collect();
    let mut windows = BTreeSet::new();
    for (environment, service) in control.store().places().await? {
        // By the rules of what serves there: a deployment that brings others is told by its own.
        let Some(current) = control.store().current(&environment, &service).await? else {
            continue;
        };
        if let Ok(Some(frozen)) = control.window_at(&environment, &current.release).await {
            windows.insert(FreezeView {
                environment: Some(environment),
                reason: frozen.reason,
                by: None,
                since: None,
                until: frozen.until,
            });
        }
    }
    all.extend(windows);
    Ok(all)
}
