//! Small things to store.

use std::collections::BTreeMap;

use cutover_model::{
    DeploymentId, GateId, NotificationId, ReleaseId, RunId, Timestamp,
    delivery::{Contents, Digest, Package, Release, Weight},
    event::{DeploymentEvent, Recorded, RunEvent},
    run::Outcome,
    source::{GitRef, Revision},
};
use cutover_store::{ApprovalRow, DeploymentRow, Notification, RunRow, StreamKind};
use tempfile::TempDir;

pub(crate) fn run_id(n: u64) -> RunId {
    RunId::from_parts(n, 7)
}

pub(crate) fn deployment_id(n: u64) -> DeploymentId {
    DeploymentId::from_parts(n, 7)
}

pub(crate) fn release_id(n: u64) -> ReleaseId {
    ReleaseId::from_parts(n, 7)
}

pub(crate) fn gate_id(n: u64) -> GateId {
    GateId::from_parts(n, 7)
}

/// The address of a file in a directory.
pub(crate) fn url(directory: &TempDir, file: &str) -> String {
    format!("sqlite://{}", directory.path().join(file).display())
}

/// The n-th run of `demo/hello`, pending.
pub(crate) fn run_row(n: u64) -> RunRow {
    RunRow {
        id: run_id(n),
        number: n,
        repository: "demo/hello".to_owned(),
        workflow: ".github/workflows/ci.yml".to_owned(),
        name: "ci".to_owned(),
        git_ref: GitRef("refs/heads/main".to_owned()),
        revision: Revision("0123456789abcdef0123456789abcdef01234567".to_owned()),
        actor: "demo".to_owned(),
        trigger: "push".to_owned(),
        state: "pending".to_owned(),
        outcome: None,
        waiting_on: None,
        created_at: Timestamp(i64::try_from(n).unwrap()),
        finished_at: None,
    }
}

/// The same, ended.
pub(crate) fn finished(mut row: RunRow, outcome: Outcome) -> RunRow {
    outcome.word().clone_into(&mut row.state);
    row.outcome = Some(outcome);
    row.finished_at = Some(Timestamp(row.created_at.0 + 1_000));
    row
}

/// The n-th deployment of `hello`, shifting.
pub(crate) fn deployment_row(n: u64) -> DeploymentRow {
    DeploymentRow {
        id: deployment_id(n),
        environment: "production".to_owned(),
        service: "hello".to_owned(),
        release: release_id(1),
        version: "1.0.0".to_owned(),
        digest: digest(1),
        strategy: "canary".to_owned(),
        state: "shifting".to_owned(),
        outcome: None,
        weight: Weight::from_percent(10).unwrap(),
        reason: None,
        cause: "run #1".to_owned(),
        actor: "demo".to_owned(),
        run: Some(run_id(1)),
        created_at: Timestamp(i64::try_from(n).unwrap()),
        finished_at: None,
    }
}

pub(crate) fn digest(n: u64) -> Digest {
    Digest(format!("sha256:{n:04x}{}", "ab".repeat(30)))
}

/// The n-th release of `hello`: version 1.n.0.
pub(crate) fn release(n: u64) -> Release {
    Release {
        id: release_id(n),
        service: "hello".to_owned(),
        version: format!("1.{n}.0"),
        package: Package::Bundle { digest: digest(n) },
        revision: Revision("0123456789abcdef0123456789abcdef01234567".to_owned()),
        command: vec!["./hello".to_owned()],
        port: None,
        env: BTreeMap::from([("GREETING".to_owned(), "grüß dich".to_owned())]),
        contents: Contents::default(),
        run: run_id(1),
        created_at: Timestamp(i64::try_from(n).unwrap()),
    }
}

pub(crate) fn question(n: u64, stream: &RunId) -> ApprovalRow {
    ApprovalRow {
        gate: gate_id(n),
        stream: stream.to_string(),
        kind: StreamKind::Run,
        subject: "production ← hello 1.1.0".to_owned(),
        environment: Some("production".to_owned()),
        asked_at: Timestamp(5),
        expires_at: Timestamp(500),
    }
}

pub(crate) fn notification(n: u64) -> Notification {
    Notification {
        id: NotificationId::from_parts(n, 7),
        topic: "run.failed".to_owned(),
        url: "http://127.0.0.1:9/${{ secrets.HOOK }}".to_owned(),
        body: serde_json::json!({ "run": n }),
        created_at: Timestamp(i64::try_from(n).unwrap()),
    }
}

/// An event with some text in it, at a version.
pub(crate) fn event(version: u64) -> Recorded<RunEvent> {
    Recorded {
        version,
        at: Timestamp(1_000 + i64::try_from(version).unwrap()),
        event: RunEvent::JobSkipped {
            job: format!("job-{version}"),
            reason: "line one\nline two: 'quoted' \"too\" \u{1f680}".to_owned(),
        },
    }
}

/// Events of these versions.
pub(crate) fn events(versions: std::ops::RangeInclusive<u64>) -> Vec<Recorded<RunEvent>> {
    versions.map(event).collect()
}

pub(crate) fn deployment_event(version: u64) -> Recorded<DeploymentEvent> {
    Recorded {
        version,
        at: Timestamp(9),
        event: DeploymentEvent::ShiftRequested {
            weight: Weight::from_percent(50).unwrap(),
            generation: version,
        },
    }
}
