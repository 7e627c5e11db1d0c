//! Stories of the rows that follow from the log.

use cutover_model::{Timestamp, run::Outcome};
use cutover_store::{ApprovalChange, DeploymentFilter, RunFilter, Store};

use crate::sample::{
    deployment_event, deployment_id, deployment_row, events, finished, gate_id, question, run_id,
    run_row,
};

pub(crate) async fn a_run_is_listed_as_it_last_was(store: Store) {
    for n in 1..=5 {
        store
            .append_run(&run_id(n), 0, &events(1..=1), &run_row(n), &[])
            .await
            .unwrap();
    }
    let mut other = run_row(6);
    "demo/other".clone_into(&mut other.repository);
    other.number = 2;
    store
        .append_run(&other.id, 0, &events(1..=1), &other, &[])
        .await
        .unwrap();
    let ended = finished(run_row(2), Outcome::TimedOut);
    store
        .append_run(&ended.id, 1, &events(2..=2), &ended, &[])
        .await
        .unwrap();

    let numbers = async |filter: RunFilter| -> Vec<u64> {
        let rows = store.runs(&filter).await.unwrap();
        rows.iter().map(|row| row.number).collect()
    };
    let of_hello = || RunFilter {
        repository: Some("demo/hello".to_owned()),
        ..RunFilter::default()
    };
    assert_eq!(numbers(RunFilter::default()).await, [2, 5, 4, 3, 2, 1]);
    assert_eq!(numbers(of_hello()).await, [5, 4, 3, 2, 1]);
    assert_eq!(
        numbers(RunFilter {
            unfinished_only: true,
            ..of_hello()
        })
        .await,
        [5, 4, 3, 1]
    );
    let page = RunFilter {
        before: Some(run_id(4)),
        limit: 2,
        ..of_hello()
    };
    assert_eq!(numbers(page).await, [3, 2]);
    let none = RunFilter {
        workflow: Some("no.yml".to_owned()),
        ..of_hello()
    };
    assert_eq!(numbers(none).await, [0_u64; 0]);

    assert_eq!(store.run(&run_id(2)).await.unwrap(), Some(ended.clone()));
    let by_number = async |repository, number| {
        let rows = store.runs_by_number(repository, number).await.unwrap();
        rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
    };
    assert_eq!(by_number(Some("demo/hello"), 2).await, [run_id(2)]);
    assert_eq!(by_number(Some("hello"), 2).await, [run_id(2)]);
    assert_eq!(by_number(Some("ello"), 2).await, []);
    assert_eq!(by_number(Some("x/demo/hello"), 2).await, []);
    assert_eq!(by_number(None, 2).await, [other.id, run_id(2)]);
    assert_eq!(by_number(None, 99).await, []);
    let unfinished = [1, 3, 4, 5, 6].map(run_id);
    assert_eq!(store.unfinished_runs().await.unwrap(), unfinished);
}

pub(crate) async fn a_deployment_is_listed_as_it_last_was(store: Store) {
    for n in 1..=3 {
        let mut row = deployment_row(n);
        if n == 2 {
            "staging".clone_into(&mut row.environment);
        }
        let event = [deployment_event(1)];
        store
            .append_deployment(&row.id, 0, &event, &row, &[])
            .await
            .unwrap();
    }
    let mut ended = deployment_row(1);
    ended.outcome = Some(Outcome::RolledBack);
    "rolled_back".clone_into(&mut ended.state);
    ended.reason = Some("HTTPCode_Target_5XX_Count > 10 for 1m".to_owned());
    ended.finished_at = Some(Timestamp(99));
    let event = [deployment_event(2)];
    store
        .append_deployment(&ended.id, 1, &event, &ended, &[])
        .await
        .unwrap();

    assert_eq!(
        store.deployment(&ended.id).await.unwrap(),
        Some(ended.clone())
    );
    assert_eq!(store.deployment(&deployment_id(9)).await.unwrap(), None);
    let production = DeploymentFilter {
        environment: Some("production".to_owned()),
        service: Some("hello".to_owned()),
        ..DeploymentFilter::default()
    };
    assert_eq!(
        store.deployments(&production).await.unwrap(),
        [deployment_row(3), ended]
    );
    let one = DeploymentFilter {
        limit: 1,
        ..DeploymentFilter::default()
    };
    assert_eq!(store.deployments(&one).await.unwrap(), [deployment_row(3)]);
    let unfinished = store.unfinished_deployments().await.unwrap();
    assert_eq!(unfinished, [deployment_id(2), deployment_id(3)]);
}

pub(crate) async fn questions_open_and_close_with_their_events(store: Store) {
    let row = run_row(1);
    let changes = [1, 2].map(|n| ApprovalChange::Opened(question(n, &row.id)));
    store
        .append_run(&row.id, 0, &events(1..=1), &row, &changes)
        .await
        .unwrap();
    let open = store.open_approvals().await.unwrap();
    assert_eq!(open, [question(1, &row.id), question(2, &row.id)]);

    let changes = [
        ApprovalChange::Closed(gate_id(1)),
        ApprovalChange::Closed(gate_id(77)),
    ];
    store
        .append_run(&row.id, 1, &events(2..=2), &row, &changes)
        .await
        .unwrap();
    assert_eq!(
        store.open_approvals().await.unwrap(),
        [question(2, &row.id)]
    );
    let answered = store.approval(&gate_id(1)).await.unwrap();
    assert_eq!(
        answered,
        Some(question(1, &row.id)),
        "its stream can still be found"
    );
    assert_eq!(store.approval(&gate_id(9)).await.unwrap(), None);
}
