//! What is kept to go back to, and what is thrown away: packages of releases that served long ago.
//!
//! Kept is what served last in each environment, as many releases as its window has; what was built
//! last, so that it can still be deployed; what a deployment that has not ended needs; and whatever is
//! younger than a day. Only packages go: releases and deployments stay in the history.

use std::{collections::BTreeSet, time::Duration};

use cutover_executor::KeepLimits;
use cutover_model::{
    Timestamp,
    delivery::{Digest, Package, Release},
};
use serde::Serialize;

use crate::{Control, Error};

/// How many releases of each environment, and how many builds of each service, are kept.
pub(crate) const WINDOW: u32 = 5;
/// Whatever is younger is kept.
const YOUNG: cutover_model::Duration = cutover_model::Duration::from_mins(24 * 60);
/// How many releases of a service are looked at.
const LOOKED_AT: u32 = 10_000;
/// Between two cleanings.
const INTERVAL: Duration = Duration::from_hours(6);

/// What was thrown away, or would be.
#[derive(Debug, Default, Serialize)]
pub struct Collected {
    /// Packages that stay.
    pub kept: usize,
    /// What goes.
    pub removed: Vec<Removed>,
    /// What could not be thrown away, and why.
    pub failed: Vec<String>,
}

/// A package that is thrown away.
#[derive(Debug, Serialize)]
pub struct Removed {
    /// Of which service.
    pub service: String,
    /// The newest version that it was.
    pub version: String,
    /// Which.
    pub digest: Digest,
}

/// The component: cleans now and then until the server goes down.
pub(crate) async fn run(control: Control) {
    loop {
        tokio::select! {
            () = control.closing().cancelled() => return,
            () = tokio::time::sleep(INTERVAL) => {}
        }
        match control.collect(false).await {
            Ok(collected) => tracing::info!(removed = collected.removed.len(), "packages"),
            Err(error) => tracing::warn!(%error, "old packages are not thrown away"),
        }
        let (limits, now) = (KeepLimits::default(), control.now());
        if let Err(error) = control.executor().forget_kept(limits, now).await {
            tracing::warn!(%error, "what old jobs left is not removed");
        }
    }
}

impl Control {
    /// Throws away the packages that nobody goes back to; with `dry` only says which.
    pub async fn collect(&self, dry: bool) -> Result<Collected, Error> {
        // Nothing is begun meanwhile, and what is begun later finds that it is gone.
        let _alone = self.packages().write().await;
        let needed = self.needed().await?;
        let mut collected = Collected::default();
        for service in self.store().services().await? {
            let releases = self.store().releases(&service, LOOKED_AT).await?;
            let (kept, gone) = divide(&releases, &needed, self.now());
            collected.kept += kept;
            for release in gone {
                if self.check_there(release).await.is_err() {
                    continue;
                }
                let done = if dry {
                    Ok(())
                } else {
                    self.throw_away(&release.package).await
                };
                match done {
                    Ok(()) => collected.removed.push(Removed {
                        service: service.clone(),
                        version: release.version.clone(),
                        digest: release.package.digest().clone(),
                    }),
                    Err(error) => collected
                        .failed
                        .push(format!("{service} {}: {error}", release.version)),
                }
            }
        }
        Ok(collected)
    }

    /// What has instances, what served last, and what deployments that have not ended are about.
    async fn needed(&self) -> Result<BTreeSet<Digest>, Error> {
        let mut needed = BTreeSet::new();
        let mut need = |release: &Release| {
            needed.insert(release.package.digest().clone());
        };
        for (environment, service) in self.store().places().await? {
            let window = self.window(&environment, &service).await?;
            let served = self.store().served_last(&environment, &service, window);
            served.await?.iter().for_each(&mut need);
        }
        for id in self.store().unfinished_deployments().await? {
            let deployment = self.deployment(&id).await?;
            let candidate = deployment.spec().map(|spec| &spec.release);
            candidate
                .into_iter()
                .chain(deployment.current())
                .for_each(&mut need);
        }
        // What could only be held at a share serves although it is not current.
        for route in self.routes().table().await.routes.into_values() {
            for side in route.sides {
                match self.deployment(&side.deployment).await {
                    Ok(deployment) => deployment.spec().map(|spec| need(&spec.release)),
                    Err(Error::NotFound(_)) => None,
                    Err(error) => return Err(error),
                };
            }
        }
        Ok(needed)
    }

    /// `rollback.window` of the environment, as what serves there has it; with what serves itself.
    async fn window(&self, environment: &str, service: &str) -> Result<u32, Error> {
        let Some(current) = self.store().current(environment, service).await? else {
            return Ok(WINDOW);
        };
        Ok(match self.deployment(&current.deployment).await {
            Ok(deployment) => deployment
                .spec()
                .map_or(WINDOW, |spec| spec.rollback.window.saturating_add(1)),
            // Whoever is not sure keeps what there is usually.
            Err(Error::NotFound(_)) => WINDOW,
            Err(error) => return Err(error),
        })
    }

    async fn throw_away(&self, package: &Package) -> Result<(), Error> {
        match package {
            Package::Bundle { digest } => {
                let (bundles, digest) = (self.bundles().clone(), digest.clone());
                let removed = tokio::task::spawn_blocking(move || bundles.remove(&digest)).await;
                let removed = removed.map_err(cutover_target::Error::from)?;
                Ok(removed.map_err(cutover_target::Error::from)?)
            }
            Package::Image { digest } => {
                let removed = self.docker().await?.remove_image(&digest.0).await;
                removed.map_err(|error| Error::Docker(error.to_string()))
            }
        }
    }
}

/// How many packages stay, and one release for each package that goes. `releases` begins with the
/// newest.
fn divide<'a>(
    releases: &'a [Release],
    needed: &BTreeSet<Digest>,
    now: Timestamp,
) -> (usize, Vec<&'a Release>) {
    let mut seen = BTreeSet::new();
    let mut gone = Vec::new();
    for release in releases {
        let digest = release.package.digest();
        let is_young = now.since(release.created_at) < YOUNG;
        let is_new = seen.len() < WINDOW as usize;
        if !seen.insert(digest) || is_young || is_new || needed.contains(digest) {
            continue;
        }
        gone.push(release);
    }
    (seen.len() - gone.len(), gone)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use camino::Utf8Path;
    use cutover_model::{DeploymentId, ReleaseId, RunId, source::Revision};

    use super::*;
    use crate::{Options, Sources};

    fn release(number: i64, digest: &Digest) -> Release {
        let version = format!("1.{number}.0");
        let json = serde_json::json!({
            "id": ReleaseId::derived(&[&version]), "service": "hello", "version": version,
            "package": Package::Bundle { digest: digest.clone() }, "revision": Revision("a".repeat(40)),
            "command": ["./hello"], "port": null, "env": {}, "run": RunId::derived(&["run"]),
            "created_at": Timestamp(number),
        });
        serde_json::from_value(json).unwrap()
    }

    async fn control(dir: &Utf8Path) -> Control {
        Control::open(Options {
            data_dir: dir.to_owned(),
            executable: "/nowhere".into(),
            numbers: None,
            runners: 1,
            secrets: BTreeMap::new(),
            vars: BTreeMap::new(),
            sources: Sources::Hosted,
            actions: cutover_forge::ActionStore::new(dir.join("actions"), dir.as_str(), Vec::new()),
            docker_host: None,
            address: None,
            base_env: BTreeMap::new(),
            recover: false,
            power_safe: true,
            supervisors: None,
        })
        .await
        .unwrap()
    }

    /// A bundle of its own for each number.
    fn bundle(control: &Control, dir: &Utf8Path, number: i64) -> Digest {
        let content = dir.join(format!("content-{number}"));
        std::fs::create_dir_all(&content).unwrap();
        std::fs::write(content.join("hello"), number.to_string()).unwrap();
        control.bundles().pack(&content).unwrap()
    }

    #[tokio::test]
    async fn what_one_may_go_back_to_is_never_thrown_away() {
        let kept = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(kept.path()).unwrap();
        let control = control(&dir.join("data")).await;
        let mut digests = Vec::new();
        for number in 1..=20 {
            let digest = bundle(&control, dir, number);
            let release = release(number, &digest);
            control.store().put_release(&release).await.unwrap();
            digests.push(digest);
            // The first ten have served, one after the other.
            if number <= 10 {
                let fence = u64::try_from(number).unwrap();
                let id = DeploymentId::derived(&[&release.version]);
                let at = Timestamp(number);
                control
                    .store()
                    .set_current("production", "hello", &release.id, &id, fence, at)
                    .await
                    .unwrap();
            }
        }
        let dry = control.collect(true).await.unwrap();
        assert_eq!((dry.kept, dry.removed.len()), (10, 10));
        assert!(control.bundles().exists(&digests[0]).unwrap(), "only said");
        let done = control.collect(false).await.unwrap();
        assert_eq!(done.failed, [""; 0]);
        let there: Vec<usize> = (1..=20)
            .filter(|number| control.bundles().exists(&digests[number - 1]).unwrap())
            .collect();
        // What served last, and what was built last.
        assert_eq!(there, [6, 7, 8, 9, 10, 16, 17, 18, 19, 20]);
        let again = control.collect(false).await.unwrap();
        assert_eq!(again.removed.len(), 0);
        control.settle().await;
    }

    #[test]
    fn a_package_of_two_releases_stays_for_either_and_what_is_young_stays() {
        let digest = |n: i64| Digest(format!("sha256:{n:064x}"));
        // The newest first; each number's package, and the oldest one shared with a newer one.
        let mut releases: Vec<Release> = (1..=9).rev().map(|n| release(n, &digest(n))).collect();
        releases.push(release(0, &digest(9)));
        let now = Timestamp(0) + YOUNG + YOUNG;
        let (kept, gone) = divide(&releases, &BTreeSet::from([digest(2)]), now);
        let gone: Vec<&str> = gone
            .iter()
            .map(|release| release.version.as_str())
            .collect();
        assert_eq!((kept, gone), (6, vec!["1.4.0", "1.3.0", "1.1.0"]));
        let (kept, gone) = divide(&releases, &BTreeSet::new(), Timestamp(5));
        assert_eq!((kept, gone.len()), (9, 0));
    }
}
