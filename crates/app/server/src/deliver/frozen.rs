//! Freezes: who put them on, who lifted them, and what they mean for a deployment that wants to begin.

use std::collections::BTreeSet;

use cutover_model::{
    Duration, Timestamp,
    delivery::{Cause, DeploymentSpec, Release},
};
use cutover_release::freeze::{self, Frozen, Order};
use cutover_store::FreezeRow;

use crate::{Control, Error};

/// Who says the same within this time says it again.
const SAID_AGAIN: Duration = Duration::from_secs(60);

impl Control {
    /// Lets nothing be deployed to an environment, or to any, until then or until it is lifted. Way
    /// back is always allowed. The same freeze once more is the one that there is, which is then told.
    pub async fn freeze(
        &self,
        environment: Option<&str>,
        reason: &str,
        until: Option<Timestamp>,
        by: &str,
    ) -> Result<(FreezeRow, bool), Error> {
        if reason.trim().is_empty() {
            return Err(Error::Refused("say why with --reason".to_owned()));
        }
        let now = self.now();
        if until.is_some_and(|until| until <= now) {
            return Err(Error::Refused(
                "the freeze would be over already".to_owned(),
            ));
        }
        if let Some(environment) = environment {
            self.check_known(environment).await?;
        }
        let there = self.store().open_freezes().await?;
        let same = there.into_iter().find(|row| {
            let is_like_it = row.environment.as_deref() == environment && row.reason == reason;
            is_like_it && is_same_end(row, until, now)
        });
        if let Some(row) = same {
            return Ok((row, true));
        }
        let row = self
            .store()
            .freeze(environment, reason, by, now, until)
            .await?;
        tracing::warn!(
            environment = environment.unwrap_or("all"),
            by,
            reason,
            "frozen"
        );
        self.locks().changed();
        Ok((row, false))
    }

    /// Lifts the freezes of an environment, or those of all environments; gives those that were
    /// lifted. One of all environments is not lifted for a single one.
    pub async fn unfreeze(
        &self,
        environment: Option<&str>,
        by: &str,
    ) -> Result<Vec<FreezeRow>, Error> {
        let mut lifted = Vec::new();
        for row in self.store().open_freezes().await? {
            if row.environment.as_deref() == environment
                && self.store().lift_freeze(row.id, by, self.now()).await?
            {
                lifted.push(row);
            }
        }
        self.locks().changed();
        Ok(lifted)
    }

    /// What keeps a deployment from beginning now, when something does. It has a turn then, and lets
    /// others pass. A way back is always open, and so is what somebody has broken the glass for.
    pub(crate) async fn frozen_before(
        &self,
        spec: &DeploymentSpec,
        urgent: bool,
    ) -> Result<Option<Frozen>, Error> {
        if matches!(spec.cause, Cause::Rollback { .. }) || spec.break_glass.is_some() {
            return Ok(None);
        }
        let frozen = self.frozen_at(&spec.environment, &spec.release).await?;
        if frozen.is_some() {
            let place = (spec.environment.clone(), spec.release.service.clone());
            self.locks().wait_frozen(&place, &spec.id, urgent).await?;
        }
        Ok(frozen)
    }

    /// By people, and by the windows of the environment as the release knows it.
    pub(crate) async fn frozen_at(
        &self,
        environment: &str,
        release: &Release,
    ) -> Result<Option<Frozen>, Error> {
        let rows = self.store().open_freezes().await?;
        let orders: Vec<Order> = rows.into_iter().map(order).collect();
        let by_order = freeze::by_order(environment, &orders, self.now());
        let by_window = self.window_at(environment, release).await?;
        Ok(match (by_order, by_window) {
            (Some(one), Some(other)) => Some(freeze::longer(one, other)),
            (one, other) => one.or(other),
        })
    }

    /// By the windows of the environment alone, as the release knows it.
    pub(crate) async fn window_at(
        &self,
        environment: &str,
        release: &Release,
    ) -> Result<Option<Frozen>, Error> {
        let project = self.project_of(release).await?;
        let windows = match project.environments.get(environment) {
            Some(environment) => environment.freeze.as_slice(),
            None => &[],
        };
        freeze::by_window(windows, self.now()).map_err(Error::Refused)
    }

    /// A slip of the pen freezes nothing: better to say so.
    async fn check_known(&self, environment: &str) -> Result<(), Error> {
        let mut known: BTreeSet<String> = self
            .store()
            .places()
            .await?
            .into_iter()
            .map(|(environment, _)| environment)
            .collect();
        for service in self.store().services().await? {
            for release in self.store().releases(&service, 1).await? {
                if let Ok(project) = self.project_of(&release).await {
                    known.extend(project.environments.into_keys());
                }
            }
        }
        if known.contains(environment) {
            return Ok(());
        }
        let known: Vec<String> = known.into_iter().collect();
        let there_is = match &*known {
            [] => "no `cutover.yml` that was pushed names one".to_owned(),
            known => format!("there is `{}`", known.join("`, `")),
        };
        Err(Error::NotFound(format!(
            "no environment `{environment}` is known; {there_is}"
        )))
    }
}

/// Whether a freeze that there is ends as the one does that is wanted now. A length (`for 1h`) is
/// counted from when it is said: said again at once it means the same.
fn is_same_end(row: &FreezeRow, until: Option<Timestamp>, now: Timestamp) -> bool {
    match (row.until, until) {
        (None, None) => true,
        (Some(there), Some(wanted)) => {
            there == wanted
                || (now.since(row.since) < SAID_AGAIN
                    && there.since(row.since) == wanted.since(now))
        }
        _ => false,
    }
}

fn order(row: FreezeRow) -> Order {
    Order {
        environment: row.environment,
        reason: format!("{} (by {})", row.reason, row.frozen_by),
        since: row.since,
        until: row.until,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_said_again_at_once_is_the_same_freeze_and_an_hour_later_another() {
        let row = FreezeRow {
            id: 1,
            environment: None,
            reason: "the fair".to_owned(),
            frozen_by: "ada".to_owned(),
            since: Timestamp(1_000),
            until: Some(Timestamp(61_000)),
            lifted_by: None,
            lifted_at: None,
        };
        let at = |now, until| is_same_end(&row, until, Timestamp(now));
        assert!(at(9_000, Some(Timestamp(61_000))), "the same instant");
        assert!(at(9_000, Some(Timestamp(69_000))), "a minute, said again");
        assert!(!at(9_000, Some(Timestamp(70_000))), "another length");
        assert!(
            !at(70_000, Some(Timestamp(130_000))),
            "a minute more, later"
        );
        assert!(!at(9_000, None));
    }
}
