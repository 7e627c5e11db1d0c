//! Looking before leaping: what differs between two sides, and what a deployment would do.

use std::{collections::BTreeMap, time::Duration};

use cutover_judge::{needed, outlook};
use cutover_model::{
    delivery::{
        DeploymentSpec, JudgeSpec, OnInsufficient, Package, Release, RollbackTrigger, Strategy,
        Weight,
    },
    source::Revision,
};
use cutover_release::compare::{self, Difference};
use cutover_rollout::preview;
use serde::Serialize;

use super::{Ask, check_package, environment_of};
use crate::{Control, Error, Sources, routes, samples::Second};

/// What differs.
#[derive(Debug, Serialize)]
pub struct Compared {
    /// `production (1.3.0)`, `1.4.0`.
    pub from: String,
    /// The same for the other side.
    pub to: String,
    /// What differs, by name; nothing when they are the same.
    pub differences: Vec<Differing>,
    /// Commits that only the right side has, the newest first.
    pub commits: Vec<CommitView>,
    /// Commits that only the left side has.
    pub commits_back: Vec<CommitView>,
    /// Why commits are not told, when they are not.
    pub commits_unknown: Option<String>,
}

/// One thing that differs.
#[derive(Debug, Serialize)]
pub struct Differing {
    /// Its name.
    pub what: String,
    /// On the left; absent when it is not there.
    pub from: Option<String>,
    /// On the right.
    pub to: Option<String>,
}

/// A commit in a line.
#[derive(Debug, Serialize)]
pub struct CommitView {
    /// Its id.
    pub id: Revision,
    /// The first line of its message.
    pub subject: String,
    /// `Name <address>`, as it claims.
    pub author: String,
}

/// What a deployment would do.
#[derive(Debug, Serialize)]
pub struct DeployPlan {
    /// `hello 1.4.0`.
    pub release: String,
    /// Its digest.
    pub digest: String,
    /// Where.
    pub environment: String,
    /// What serves there now.
    pub current: Option<String>,
    /// The word of the strategy.
    pub strategy: String,
    /// What would happen, in order, if all goes well.
    pub steps: Vec<String>,
    /// Why it would be refused; empty when it would not.
    pub refused: Vec<String>,
    /// On what it would wait first.
    pub waits: Vec<String>,
    /// Whether there would be a way back, and how long which way stays open.
    pub way_back: WayBack,
    /// What is known of the traffic that it would be judged by.
    pub judgement: Vec<String>,
}

/// The way back.
#[derive(Debug, Serialize)]
pub struct WayBack {
    /// Whether there is one.
    pub possible: bool,
    /// For people.
    pub lines: Vec<String>,
}

/// One side of a comparison.
struct Side {
    name: String,
    release: Release,
    spec: Option<DeploymentSpec>,
}

/// How far back the traffic of now is measured.
const MEASURED: Duration = Duration::from_mins(5);
/// How many bad answers what serves now is taken to give.
const ASSUMED_BAD: f64 = 0.001;

impl Control {
    /// What differs between two sides, each an environment or a release. Without the second one: the
    /// newest release.
    pub async fn compare(
        &self,
        from: &str,
        to: Option<&str>,
        service: Option<&str>,
    ) -> Result<Compared, Error> {
        let mut left = self.side(from, service).await?;
        let service = left.release.service.clone();
        let to = match to {
            Some(to) => to.to_owned(),
            None => self.newest_release(&service).await?,
        };
        let mut right = self.side(&to, Some(&service)).await?;
        if right.release.service != service {
            return Err(Error::Refused(format!(
                "`{from}` and `{to}` are of different services: `{service}` and `{}`",
                right.release.service
            )));
        }
        // A release is compared as it would be in the environment on the other side.
        self.put_in_place(&mut right, &left).await;
        self.put_in_place(&mut left, &right).await;
        let (facts, others) = match (&left.spec, &right.spec) {
            (Some(left), Some(right)) => (compare::of_spec(left), compare::of_spec(right)),
            _ => (
                compare::of_release(&left.release),
                compare::of_release(&right.release),
            ),
        };
        let differences = compare::differences(&facts, &others);
        let commits = self.commits_between(&left.release, &right.release).await;
        let (commits, commits_back, commits_unknown) = match commits {
            Ok((there, back)) => (there, back, None),
            Err(error) => (Vec::new(), Vec::new(), Some(error.to_string())),
        };
        Ok(Compared {
            from: left.name,
            to: right.name,
            differences: differences.into_iter().map(differing).collect(),
            commits,
            commits_back,
            commits_unknown,
        })
    }

    async fn newest_release(&self, service: &str) -> Result<String, Error> {
        let releases = self.store().releases(service, 1).await?;
        let newest = releases.first().map(|release| release.id.to_string());
        newest.ok_or_else(|| Error::NotFound(format!("there is no release of `{service}` yet")))
    }

    async fn side(&self, text: &str, service: Option<&str>) -> Result<Side, Error> {
        let here = match service {
            Some(service) => self.store().current(text, service).await?,
            None => match self.only_service(None, text).await {
                Ok(service) => self.store().current(text, &service).await?,
                Err(Error::Refused(why)) => return Err(Error::Refused(why)),
                Err(_) => None,
            },
        };
        if let Some(current) = here {
            let deployment = self.deployment(&current.deployment).await?;
            return Ok(Side {
                name: format!("{text} ({})", current.release.version),
                release: current.release,
                spec: deployment.spec().cloned(),
            });
        }
        let release = match self.release_of_any(service, text).await {
            Err(Error::NotFound(_)) => {
                return Err(Error::NotFound(format!(
                    "`{text}` is neither an environment where something serves nor a release; \
                     `cutover releases` lists these"
                )));
            }
            other => other?,
        };
        Ok(Side {
            name: release.version.clone(),
            release,
            spec: None,
        })
    }

    /// Gives a release the rules that it would have where the other side is. One that cannot be there
    /// is compared without.
    async fn put_in_place(&self, one: &mut Side, other: &Side) {
        if let (None, Some(there)) = (&one.spec, &other.spec) {
            let ask = Ask {
                environment: there.environment.clone(),
                ..Ask::default()
            };
            one.spec = self.spec_of(&one.release, &ask, "nobody").await.ok();
        }
    }

    async fn commits_between(
        &self,
        from: &Release,
        to: &Release,
    ) -> Result<(Vec<CommitView>, Vec<CommitView>), Error> {
        let repository = match &self.options().sources {
            Sources::Hosted => {
                let run = self.run(&to.run).await?;
                let name = run.trigger().map(|trigger| trigger.repository.clone());
                self.host().repository(&name.unwrap_or_default())?
            }
            Sources::WorkingTree(path) => cutover_forge::Repository::open(path).await?,
        };
        let there = repository
            .commits(Some(&from.revision), &to.revision)
            .await?;
        let back = repository
            .commits(Some(&to.revision), &from.revision)
            .await?;
        Ok((
            there.into_iter().map(commit).collect(),
            back.into_iter().map(commit).collect(),
        ))
    }

    /// What a deployment would do, without doing it.
    pub async fn plan_deployment(&self, named: &str, ask: &Ask) -> Result<DeployPlan, Error> {
        let release = self.release_of_any(ask.service.as_deref(), named).await?;
        let spec = self.spec_of(&release, ask, "nobody").await?;
        let place = (spec.environment.clone(), release.service.clone());
        let current = self.store().current(&place.0, &place.1).await?;
        let table = self.routes().table().await;
        let route = routes::name(&release.service, &spec.environment);
        // What was taken down is not shifted away from.
        let current = current.filter(|current| {
            let route = table.routes.get(&route);
            route.is_some_and(|route| route.side(&current.deployment).is_some())
        });
        let mut refused = Vec::new();
        let project = self.project_of(&release).await?;
        let environment = environment_of(&project, &spec.environment)?;
        for said in [
            self.check_order(environment, &spec.environment, &release)
                .await,
            check_package(&spec.target, &spec.environment, &release),
            self.check_floor(&spec.environment, &release).await,
            self.check_there(&release).await,
        ] {
            match said {
                Err(Error::Refused(why) | Error::NotFound(why)) => refused.push(why),
                other => other?,
            }
        }
        let before = current.as_ref().map(|current| &current.release);
        Ok(DeployPlan {
            release: format!("{} {}", release.service, release.version),
            digest: release.package.digest().to_string(),
            environment: spec.environment.clone(),
            current: before.map(|release| release.version.clone()),
            strategy: spec.strategy.word().to_owned(),
            steps: preview::steps(&spec, current.is_some()),
            refused,
            waits: self.waits(&spec).await?,
            way_back: self.way_back(&spec, before).await?,
            judgement: self.judgement(&route, &spec).await,
        })
    }

    /// Who is there before it.
    async fn waits(&self, spec: &DeploymentSpec) -> Result<Vec<String>, Error> {
        let mut waits = Vec::new();
        let (environment, release) = (&spec.environment, &spec.release);
        if let Some(frozen) = self.frozen_at(environment, release).await? {
            let until = frozen.until.map(|until| format!(" until {until}"));
            let until = until.unwrap_or_default();
            waits.push(format!("{environment} is frozen{until}: {}", frozen.reason));
        }
        if let Some(hold) = self.hold(environment, &release.service).await? {
            waits.push(format!(
                "{} is held, and runs deploy nothing else to it: {}",
                environment, hold.reason
            ));
        }
        for place in crate::view::locks(self).await? {
            if place.environment != spec.environment || place.service != spec.release.service {
                continue;
            }
            waits.extend(
                place.holder.map(|lease| {
                    format!("{} deploys there since {}", lease.deployment, lease.since)
                }),
            );
            let turn = |it: crate::view::TurnView| format!("{} is before it", it.deployment);
            waits.extend(place.queue.into_iter().map(turn));
        }
        Ok(waits)
    }

    /// That what would run is still there.
    pub(super) async fn check_there(&self, release: &Release) -> Result<(), Error> {
        let is_there = match &release.package {
            Package::Bundle { digest } => self
                .bundles()
                .exists(digest)
                .map_err(|error| Error::Refused(format!("{}: {error}", release.version)))?,
            Package::Image { digest } => self
                .docker()
                .await?
                .image_exists(&digest.0)
                .await
                .map_err(|error| Error::Docker(error.to_string()))?,
        };
        if is_there {
            return Ok(());
        }
        Err(Error::Refused(format!(
            "what {} {} runs ({}) is gone; build it again",
            release.service,
            release.version,
            release.package.digest().short()
        )))
    }

    async fn way_back(
        &self,
        spec: &DeploymentSpec,
        before: Option<&Release>,
    ) -> Result<WayBack, Error> {
        let Some(before) = before else {
            return Ok(WayBack {
                possible: false,
                lines: vec!["nothing served before it: there is nothing to go back to".to_owned()],
            });
        };
        let mut lines = vec![format!(
            "{} stays beside it until the last bake has ended: until then traffic goes back at once",
            before.version
        )];
        let mut possible = true;
        let migrations = spec.release.contents.migrations.as_ref();
        let floor = migrations.and_then(|migrations| migrations.floor.as_deref());
        if let Some(why) = compare::below_floor(&before.version, floor) {
            possible = false;
            lines.push(why);
        }
        for (name, version) in &before.contents.secrets {
            let now = self.secret_version(name).await?;
            if let (Some(then), Some(now)) = (version, &now)
                && then != now
            {
                lines.push(format!(
                    "secret `{name}` was at version {then} then, and goes back with the value of now, \
                     version {now}: values are not kept"
                ));
            }
        }
        match self.check_there(before).await {
            Ok(()) => lines.push(format!(
                "after that `cutover rollback {}` starts {} again from what is kept ({})",
                spec.environment,
                before.version,
                before.package.digest().short()
            )),
            Err(error) => {
                possible = false;
                lines.push(error.to_string());
            }
        }
        Ok(WayBack { possible, lines })
    }

    /// The traffic of the last minutes, and what judging by it needs.
    async fn judgement(&self, route: &str, spec: &DeploymentSpec) -> Vec<String> {
        let mut lines = policy(spec);
        let Some(rate) = self.rate(route).await else {
            let why = "there is no traffic yet: how long a judgement takes is not known";
            lines.push(why.to_owned());
            return lines;
        };
        lines.push(format!(
            "{rate:.0} requests a minute in the last {} minutes",
            MEASURED.as_secs() / 60
        ));
        let judge = spec.judged_by();
        match (judge, first_share(&spec.strategy)) {
            (Some(judge), Some(weight)) => lines.extend(outlook_of(rate, weight, &judge)),
            _ => lines.push(
                "the two sides are not compared: only the triggers can take it back".to_owned(),
            ),
        }
        lines
    }

    /// Requests a minute, as the balancer counted them lately.
    async fn rate(&self, route: &str) -> Option<f64> {
        let now = u64::try_from(self.now().0 / 1_000).ok()?;
        let client = self.balancer().known().await?;
        let since = now.saturating_sub(MEASURED.as_secs());
        let seconds = client.samples(route, since).await.ok()?;
        let requests: u64 = seconds
            .iter()
            .flat_map(|second| &second.sides)
            .map(|side| side.requests)
            .sum();
        let (requests, count) = (
            u32::try_from(requests).ok()?,
            u32::try_from(seconds.len()).ok()?,
        );
        (requests > 0).then(|| f64::from(requests) * 60.0 / f64::from(count))
    }
}

/// What a bare trigger is taken to mean, and what happens when too little is known.
fn policy(spec: &DeploymentSpec) -> Vec<String> {
    let mut lines: Vec<String> = spec.triggers.iter().map(RollbackTrigger::explain).collect();
    if let Some(judge) = spec.judge.filter(|judge| judge.enabled) {
        let bound = match judge.p_max_ppm {
            Some(parts) => format!("at most {} % of bad answers", f64::from(parts) / 10_000.0),
            None => "that it is no worse".to_owned(),
        };
        let then = match judge.on_insufficient {
            OnInsufficient::Promote => "it goes on all the same",
            OnInsufficient::Pause => "it waits for a person",
            OnInsufficient::Rollback => "it goes back",
        };
        lines.push(format!(
            "at the end of a step that has not shown {bound}, {then} (`on_insufficient: {}`)",
            judge.on_insufficient.word()
        ));
    }
    lines
}

/// The candidate's share while both sides are compared for the first time.
fn first_share(strategy: &Strategy) -> Option<Weight> {
    match strategy {
        Strategy::Canary { steps, .. } => steps.first().map(|step| step.weight),
        Strategy::BlueGreen { canary, .. } => canary.first().map(|step| step.weight),
        Strategy::Linear { increment, .. } => Some(*increment),
        Strategy::Rolling { .. } | Strategy::Recreate { .. } => None,
    }
}

/// How soon a bad candidate would be found, and what would not.
fn outlook_of(rate: f64, weight: Weight, judge: &JudgeSpec) -> Vec<String> {
    let alpha = f64::from(judge.alpha_ppm) / 1_000_000.0;
    let p_max = judge.p_max_ppm.map(|parts| f64::from(parts) / 1_000_000.0);
    let needed = needed(rate, weight, p_max, alpha);
    let mut lines = Vec::new();
    if let (Some(events), Some(length)) = (needed.events, needed.duration) {
        lines.push(format!(
            "at {weight}: {events} bad answers of the candidate are enough to take it back, and no \
             judgement is done before about {length}"
        ));
    }
    for (bad, found) in outlook(rate, weight, ASSUMED_BAD, judge) {
        let percent = bad * 100.0;
        lines.push(match found {
            Some(length) => {
                format!("with {percent:.0} % of bad answers it is found after about {length}")
            }
            None => format!("with {percent:.0} % of bad answers it is not found in a day"),
        });
    }
    lines.push("these assume that 0.1 % of the answers of what serves now are bad".to_owned());
    lines
}

fn differing(it: Difference) -> Differing {
    Differing {
        what: it.what,
        from: it.from,
        to: it.to,
    }
}

fn commit(commit: cutover_forge::Commit) -> CommitView {
    let subject = commit.message.lines().next().unwrap_or_default().to_owned();
    CommitView {
        id: commit.id,
        subject,
        author: commit.author,
    }
}

/// What was counted on one side, in sum.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Counted {
    /// Requests.
    pub requests: u64,
    /// Answered 500 to 599.
    pub errors_5xx: u64,
    /// That went badly in any way.
    pub bad: u64,
}

/// What a deployment saw while it was watched.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Cost {
    /// Seconds that were counted.
    pub seconds: usize,
    /// The candidate's.
    pub candidate: Counted,
    /// The current side's.
    pub current: Counted,
    /// Its drop ledger: requests of either side that were lost while it was watched, by cause.
    pub ledger: BTreeMap<String, u64>,
}

impl Cost {
    /// One more second. What was only learnt from was there before it.
    pub(crate) fn add(&mut self, second: &Second) {
        if second.is_before() {
            return;
        }
        self.seconds += 1;
        self.candidate.add(&second.candidate);
        if let Some(current) = &second.current {
            self.current.add(current);
        }
        let sides = [Some(&second.candidate), second.current.as_ref()];
        let drops = sides.into_iter().flatten().map(|side| &side.drops);
        for (cause, requests) in drops.chain([&second.drops]).flatten() {
            *self.ledger.entry(cause.clone()).or_default() += requests;
        }
    }
}

impl Counted {
    const fn add(&mut self, sample: &cutover_proxy::SideSample) {
        self.requests += sample.requests;
        self.errors_5xx += sample.errors_5xx;
        self.bad += sample.bad;
    }
}
