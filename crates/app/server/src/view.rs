//! What is shown: one line, one row, one JSON object for each noun. The command line, the API and the
//! page all show these, so that they never disagree.

mod deployment;
mod explain;
mod lock;
mod place;
mod run;
mod timeline;
mod verbs;

use cutover_engine::{Run, explain::Explanation};
use cutover_results::Artifact;
use serde::Serialize;
use serde_json::{Value, json};

use cutover_store::{ApprovalRow, DeploymentFilter, DeploymentRow, RunFilter, RunRow};

use crate::{Control, Error};

pub use deployment::{DeploymentView, SideView, TrafficView};
pub(crate) use deployment::{
    approvals as deployment_approvals, ended, line as deployment_line, row as deployment_row,
    unhealthy,
};
pub use explain::{About, text as explanation};
pub(crate) use lock::locks;
pub use lock::{LockView, TurnView};
pub use place::{FreezeView, HoldView};
pub use run::{JobView, RunView, StepView};
pub(crate) use run::{approvals as run_approvals, leg_environment, row as run_row};
pub use timeline::Moment;
pub use verbs::CheckView;

/// What runs, waits and bakes, and on what.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Runs that have not ended.
    pub runs: Vec<RunRow>,
    /// Deployments that have not ended.
    pub deployments: Vec<DeploymentRow>,
    /// Who deploys where, until when, and who is next.
    pub locks: Vec<LockView>,
    /// What rollbacks have pinned, until somebody lifts that.
    pub holds: Vec<HoldView>,
    /// Where nothing may be deployed now, and until when.
    pub freezes: Vec<FreezeView>,
    /// Questions that nobody has answered yet.
    pub approvals: Vec<ApprovalRow>,
    /// What serves, as the balancer sees it; as it should be, when the balancer does not answer.
    pub services: Vec<TrafficView>,
    /// Whether the balancer answers; `None` when nothing has been deployed, and there is none.
    pub balancer_answers: Option<bool>,
    /// Workflows that the clock starts, and when.
    pub schedules: Vec<crate::ScheduleView>,
    /// Notifications that wait, and those that were given up.
    pub notifications: Notifications,
}

/// The outbox in two numbers.
#[derive(Debug, Serialize)]
pub struct Notifications {
    /// Not yet taken.
    pub waiting: u64,
    /// Given up.
    pub dead: u64,
}

/// Why things of a run did or did not run, for programs.
pub fn explained(row: &RunRow, found: &[Explanation]) -> Value {
    let text = explanation(found);
    json!({ "run": row.id, "number": row.number, "explanations": found, "text": text })
}

/// What a run has kept, and what its steps say to have made, for programs.
pub fn kept(row: &RunRow, run: &Run, artifacts: &[Artifact]) -> Value {
    let view = RunView::of(run);
    let subjects: Vec<_> = view.iter().flat_map(RunView::made).collect();
    json!({ "run": row.id, "artifacts": artifacts, "subjects": subjects })
}

/// Everything that is going on.
pub async fn status(control: &Control) -> Result<Status, Error> {
    let store = control.store();
    let runs = RunFilter {
        unfinished_only: true,
        limit: 1_000,
        ..RunFilter::default()
    };
    let deployments = DeploymentFilter {
        unfinished_only: true,
        limit: 1_000,
        ..DeploymentFilter::default()
    };
    let counts = store.outbox_counts().await?;
    Ok(Status {
        runs: store.runs(&runs).await?,
        deployments: store.deployments(&deployments).await?,
        locks: lock::locks(control).await?,
        holds: place::holds(control).await?,
        freezes: place::freezes(control).await?,
        approvals: store.open_approvals().await?,
        balancer_answers: deployment::balancer_answers(control).await,
        services: deployment::traffic(control).await,
        schedules: control.scheduled(),
        notifications: Notifications {
            waiting: counts.pending,
            dead: counts.dead,
        },
    })
}
