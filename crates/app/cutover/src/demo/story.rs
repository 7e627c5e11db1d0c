//! What happens in the demo, in order, and what must have held in the end.

use std::time::Duration;

use anyhow::{Context as _, bail};
use cutover_model::{GateId, RunId, run::Outcome};
use cutover_server::{Control, view::RunView};
use cutover_store::{DeploymentFilter, DeploymentRow, RunFilter};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    load::{Load, Settings, Tally},
    repository::Repository,
    stage::{Stage, USER},
};
use crate::render;

/// Longer than this nothing in the story may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// One line of the table.
#[derive(Debug)]
struct Moment {
    after: Duration,
    what: String,
    version: String,
    how: String,
}

/// What happened.
#[derive(Debug)]
pub(crate) struct Report {
    moments: Vec<Moment>,
    tally: Tally,
    took: Duration,
    address: String,
    /// The promises of the story that were broken; empty when all held.
    broken: Vec<String>,
}

struct Teller<'a> {
    stage: &'a Stage,
    begun: Instant,
    moments: Vec<Moment>,
    quiet: bool,
}

pub(crate) async fn tell(stage: &Stage, rate: u32, quiet: bool) -> anyhow::Result<Report> {
    let mut teller = Teller {
        stage,
        begun: Instant::now(),
        moments: Vec::new(),
        quiet,
    };
    teller.say(&format!("the page: {}", stage.address()));
    let repository = Repository::create(stage).await?;
    teller.push(&repository, "the first version").await?;
    let first = teller.ship(None).await?;
    let address = service_address(&stage.control).await?;

    let load = Load::start(Settings {
        url: format!("http://{address}/"),
        rate,
        keep_alive: true,
    });
    teller.say(&format!(
        "{rate} requests a second go to http://{address}/ from now on"
    ));
    repository
        .change("hello, you", 0, "feat: say it to somebody")
        .await?;
    teller.push(&repository, "a good version").await?;
    let second = teller.ship(Some(Outcome::Succeeded)).await?;

    repository
        .change("hello, you", 34, "fix: use the new cache")
        .await?;
    teller
        .push(&repository, "a version that fails a third of its requests")
        .await?;
    let third = teller.ship(Some(Outcome::RolledBack)).await?;
    // The old version must be seen to serve alone again.
    let before = load.tally();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = load.tally();
    let tally = load.stop().await;
    let broken = broken(&tally, &before, &after, &[&first, &second, &third]);
    Ok(Report {
        moments: teller.moments,
        tally,
        took: teller.begun.elapsed(),
        address: stage.address().to_owned(),
        broken,
    })
}

/// What the story promises; each sentence that does not hold.
fn broken(
    tally: &Tally,
    before: &Tally,
    after: &Tally,
    shipped: &[&DeploymentRow; 3],
) -> Vec<String> {
    let [first, second, third] = shipped;
    let failed = |version: &str| tally.failed.get(version).copied().unwrap_or_default();
    let failed_after = |tally: &Tally| tally.failed.values().sum::<u64>();
    let promises = [
        (
            first.outcome == Some(Outcome::Succeeded),
            "the first version is deployed",
        ),
        (
            second.outcome == Some(Outcome::Succeeded),
            "the good version is deployed as a canary",
        ),
        (
            third.outcome == Some(Outcome::RolledBack),
            "the bad version is rolled back by itself",
        ),
        (tally.lost == 0, "no request is lost by a deployment"),
        (
            failed(&second.version) == 0,
            "the good version fails no request",
        ),
        (
            failed(&third.version) > 0,
            "the bad version is seen to fail",
        ),
        (
            failed_after(before) == failed_after(after),
            "nothing fails after the rollback",
        ),
        (
            after.sent > before.sent,
            "traffic goes on after the rollback",
        ),
    ];
    promises
        .iter()
        .filter(|(held, _)| !held)
        .map(|(_, promise)| (*promise).to_owned())
        .collect()
}

impl Teller<'_> {
    fn say(&self, text: &str) {
        if !self.quiet {
            render::talk(&format!(
                "{:>5.1} s  {text}",
                self.begun.elapsed().as_secs_f64()
            ));
        }
    }

    fn note(&mut self, what: &str, version: &str, how: &str) {
        self.say(&format!("{what} {version} {how}").replace("  ", " "));
        self.moments.push(Moment {
            after: self.begun.elapsed(),
            what: what.to_owned(),
            version: version.to_owned(),
            how: how.to_owned(),
        });
    }

    async fn push(&mut self, repository: &Repository, what: &str) -> anyhow::Result<()> {
        repository.push().await?;
        self.note("git push", "", what);
        Ok(())
    }

    /// Follows the newest run through its stations, gives the approval that it waits for, and
    /// returns its deployment to production.
    async fn ship(&mut self, wanted: Option<Outcome>) -> anyhow::Result<DeploymentRow> {
        let mut notices = self.stage.control.subscribe();
        let deadline = Instant::now() + PATIENCE;
        let mut told: Vec<String> = Vec::new();
        let mut approved: Option<GateId> = None;
        loop {
            if let Some(id) = self.newest_run().await? {
                let run = self.stage.control.run(&id).await?;
                let Some(view) = RunView::of(&run) else {
                    continue;
                };
                self.tell_jobs(&view, &mut told);
                self.approve(&mut approved).await?;
                if view.outcome.is_some() {
                    return self.delivered(&view, wanted).await;
                }
            }
            let heard = tokio::time::timeout_at(deadline, notices.recv()).await;
            heard.context("the run did not end in time")?.ok();
        }
    }

    async fn newest_run(&self) -> anyhow::Result<Option<RunId>> {
        let filter = RunFilter {
            limit: 1,
            ..RunFilter::default()
        };
        let rows = self.stage.control.store().runs(&filter).await?;
        let pushes = self
            .moments
            .iter()
            .filter(|moment| moment.what == "git push")
            .count();
        let newest = rows.into_iter().next();
        Ok(newest
            .filter(|row| row.number == pushes as u64)
            .map(|row| row.id))
    }

    fn tell_jobs(&mut self, view: &RunView, told: &mut Vec<String>) {
        for job in &view.jobs {
            let Some(outcome) = job.outcome else { continue };
            if told.contains(&job.name) {
                continue;
            }
            told.push(job.name.clone());
            let version = job
                .outputs
                .get("version")
                .map(String::as_str)
                .unwrap_or_default();
            let took = match (job.started_at, job.finished_at) {
                (Some(from), Some(to)) => format!("{outcome} in {}", to.since(from)),
                _ => outcome.to_string(),
            };
            self.note(&format!("#{} {}", view.number, job.name), version, &took);
        }
    }

    async fn approve(&mut self, approved: &mut Option<GateId>) -> anyhow::Result<()> {
        let control = &self.stage.control;
        let open = control.store().open_approvals().await?;
        let Some(question) = open.into_iter().next() else {
            return Ok(());
        };
        if approved.as_ref() == Some(&question.gate) {
            return Ok(());
        }
        let comment = Some("looks good on staging".to_owned());
        control
            .answer(
                &question.gate,
                cutover_server::Answer::Approve,
                USER,
                comment,
            )
            .await?;
        self.note(
            "approval",
            "",
            &format!("given by {USER}: {}", question.subject),
        );
        *approved = Some(question.gate);
        Ok(())
    }

    async fn delivered(
        &mut self,
        view: &RunView,
        wanted: Option<Outcome>,
    ) -> anyhow::Result<DeploymentRow> {
        let filter = DeploymentFilter {
            environment: Some("production".to_owned()),
            limit: 1,
            ..DeploymentFilter::default()
        };
        let rows = self.stage.control.deployments(&filter).await?;
        let Some(row) = rows
            .into_iter()
            .find(|row| row.run.as_ref() == Some(&view.id))
        else {
            bail!(
                "run #{} {} without reaching production: {}",
                view.number,
                view.state,
                why(view)
            );
        };
        let reason = row.reason.clone().unwrap_or_default();
        self.note(
            "→ production",
            &row.version,
            &format!("{}: {reason}", row.state),
        );
        if wanted.is_some() && row.outcome != wanted {
            self.say(&format!("expected {wanted:?}"));
        }
        Ok(row)
    }
}

fn why(view: &RunView) -> String {
    let steps = view.jobs.iter().flat_map(|job| &job.steps);
    let reasons: Vec<&str> = steps
        .flat_map(|step| &step.reasons)
        .map(String::as_str)
        .collect();
    reasons.join("; ")
}

async fn service_address(control: &Control) -> anyhow::Result<std::net::SocketAddr> {
    let address = control.service_address("hello", "production").await;
    address.context("the balancer does not serve `hello@production`")
}

impl Report {
    /// Whether everything held.
    pub(crate) fn held(&self) -> bool {
        self.broken.is_empty()
    }

    pub(crate) fn to_text(&self) -> String {
        let rows = self
            .moments
            .iter()
            .map(|moment| {
                vec![
                    format!("{:.1} s", moment.after.as_secs_f64()),
                    moment.what.clone(),
                    moment.version.clone(),
                    moment.how.clone(),
                ]
            })
            .collect();
        let mut text = format!(
            "\n{}\n\n",
            render::table(&["at", "what", "version", "how"], rows)
        );
        let mut rows = Vec::new();
        for (version, good) in &self.tally.good {
            let failed = self.tally.failed.get(version).copied().unwrap_or_default();
            rows.push(vec![version.clone(), good.to_string(), failed.to_string()]);
        }
        text.push_str(&render::table(&["version", "answered", "failed"], rows));
        let mut lines = vec![String::new(), String::new()];
        lines.push(format!(
            "{} requests sent · {} lost by the deployments themselves · slowest answer {} ms · all of it in {:.1} s",
            self.tally.sent,
            self.tally.lost,
            self.tally.slowest.as_millis(),
            self.took.as_secs_f64()
        ));
        lines.extend(
            self.tally
                .reasons
                .iter()
                .map(|reason| format!("  lost: {reason}")),
        );
        lines.extend(
            self.broken
                .iter()
                .map(|promise| format!("DID NOT HOLD: {promise}")),
        );
        text.push_str(&lines.join("\n"));
        if self.held() {
            text.push_str("\neverything held");
        }
        text
    }

    pub(crate) fn to_json(&self) -> Value {
        let moments: Vec<Value> = self
            .moments
            .iter()
            .map(|moment| {
                json!({
                    "after_ms": u64::try_from(moment.after.as_millis()).unwrap_or(u64::MAX),
                    "what": moment.what, "version": moment.version, "how": moment.how,
                })
            })
            .collect();
        json!({
            "held": self.held(), "broken": self.broken, "moments": moments,
            "requests": self.tally.to_json(),
            "took_ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
            "address": self.address,
        })
    }
}
