//! Starts, ends, and what lies between two lives.

use std::{os::unix::fs::PermissionsExt as _, time::Duration};

use cutover_proxy::{Client, ClientError, Error, Options, StateError, run};
use http::StatusCode;
use tokio::{sync::Notify, time::sleep};

use crate::support::{Balancer, Browser, Origin, SERVICE, get, owned, path, service, side, text};

#[tokio::test]
async fn a_restart_serves_the_same_table_at_the_same_port() {
    let balancer = Balancer::start().await;
    let origin = Origin::named("same").await;
    let sides = vec![side("1", 10_000, &[("a", origin.address)])];
    let address = balancer.serve(3, service(sides), &["a"]).await;
    let folder = balancer.stop().await;
    let balancer = Balancer::start_on(folder).await;
    // Restored upstreams are checked before they are trusted.
    balancer.wait_healthy(&["a"]).await;
    assert_eq!(get(address, "/").await.body, "same");
    let status = balancer.client.status().await.unwrap();
    assert_eq!(
        (status.generation, status.services[0].listener),
        (3, Some(address))
    );
}

#[tokio::test]
async fn restored_upstreams_are_not_taken_for_healthy() {
    let balancer = Balancer::start().await;
    let origin = Origin::named("same").await;
    let place = origin.address;
    let sides = vec![side("1", 10_000, &[("a", place)])];
    let address = balancer.serve(3, service(sides), &["a"]).await;
    let folder = balancer.stop().await;
    drop(origin);
    let balancer = Balancer::start_on(folder).await;
    assert_eq!(
        get(address, "/").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let _back = Origin::start_at(place, |_request| Box::pin(async { text("back") })).await;
    balancer.wait_healthy(&["a"]).await;
    assert_eq!(get(address, "/").await.body, "back");
}

#[tokio::test]
async fn what_was_drained_stays_drained() {
    let balancer = Balancer::start().await;
    let (old, new) = (Origin::named("old").await, Origin::named("new").await);
    let sides = vec![
        side("1", 5_000, &[("a", old.address)]),
        side("2", 5_000, &[("b", new.address)]),
    ];
    let address = balancer.serve(1, service(sides), &["a", "b"]).await;
    balancer
        .client
        .drain(SERVICE, &owned(&["a"]), 1_000)
        .await
        .unwrap();
    let folder = balancer.stop().await;
    let balancer = Balancer::start_on(folder).await;
    balancer.wait_healthy(&["a", "b"]).await;
    for _ in 0..4 {
        assert_eq!(get(address, "/").await.body, "new");
    }
}

#[tokio::test]
async fn a_folder_serves_one_balancer() {
    let balancer = Balancer::start().await;
    let second = run(Options {
        state_dir: path(&balancer.folder),
        take_over: false,
    })
    .await
    .unwrap_err();
    assert!(
        matches!(second, Error::State(StateError::Taken { .. })),
        "{second}"
    );
    balancer.client.status().await.unwrap();
}

#[tokio::test]
async fn the_socket_is_the_owners_and_a_stale_one_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    drop(std::os::unix::net::UnixListener::bind(folder.path().join("control.sock")).unwrap());
    let balancer = Balancer::start_on(folder).await;
    let socket = balancer.folder.path().join("control.sock");
    assert_eq!(
        socket.metadata().unwrap().permissions().mode() & 0o777,
        0o600
    );
    let folder = balancer.stop().await;
    let gone = Client::new(&path(&folder)).status().await.unwrap_err();
    assert!(matches!(gone, ClientError::Unreachable { .. }), "{gone}");
    let log = std::fs::read_to_string(folder.path().join("balancer.log")).unwrap();
    assert!(
        log.lines().count() >= 3 && log.contains("\"event\":\"ended\""),
        "{log}"
    );
}

#[tokio::test]
async fn the_end_waits_for_what_is_in_flight() {
    let balancer = Balancer::start().await;
    let arrived = std::sync::Arc::new(Notify::new());
    let told = std::sync::Arc::clone(&arrived);
    let slow = Origin::start(move |_request| {
        told.notify_one();
        async {
            sleep(Duration::from_millis(300)).await;
            text("whole")
        }
    })
    .await;
    let sides = vec![side("1", 10_000, &[("a", slow.address)])];
    let address = balancer.serve(1, service(sides), &["a"]).await;
    let request = tokio::spawn(async move { get(address, "/").await });
    let mut idle = Browser::connect(address).await;
    arrived.notified().await;
    let _folder = balancer.stop().await;
    assert_eq!(request.await.unwrap().body, "whole");
    idle.get("/").await.unwrap_err();
}

#[tokio::test]
async fn an_address_that_was_taken_meanwhile_keeps_nothing_else_back() {
    let balancer = Balancer::start().await;
    let origin = Origin::named("one").await;
    let sides = || vec![side("1", 10_000, &[("a", origin.address)])];
    let address = balancer.serve(1, service(sides()), &["a"]).await;
    let folder = balancer.stop().await;
    let thief = tokio::net::TcpListener::bind(address).await.unwrap();
    let balancer = Balancer::start_on(folder).await;
    let silent = balancer.client.status().await.unwrap();
    assert_eq!(silent.services[0].listener, None);
    let reason = silent.services[0].listen_error.clone().unwrap();
    assert!(reason.contains(&address.to_string()), "{reason}");
    // The table goes on changing, another service among it.
    let other = cutover_proxy::Service {
        name: "other@test".to_owned(),
        ..service(sides())
    };
    let both = |generation| cutover_proxy::RouteTable {
        generation,
        services: vec![service(sides()), other.clone()],
    };
    let applied = balancer.client.apply(&both(2)).await.unwrap();
    assert_eq!(applied.listeners[SERVICE], address);
    balancer
        .client
        .wait_healthy("other@test", &owned(&["a"]), 5_000)
        .await
        .unwrap();
    assert_eq!(get(applied.listeners["other@test"], "/").await.body, "one");
    // What is new or moves must be able to listen.
    let moved = cutover_proxy::Service {
        listen: Some(address.to_string()),
        name: "new@test".to_owned(),
        ..service(sides())
    };
    let mut table = both(3);
    table.services[0] = moved;
    let refused = balancer.client.apply(&table).await.unwrap_err();
    assert!(matches!(refused, ClientError::Refused(_)), "{refused}");
    // As soon as it is free, it is served again, without anybody asking.
    drop(thief);
    let back = async {
        loop {
            let status = balancer.client.status().await.unwrap();
            let service = status
                .services
                .iter()
                .find(|service| service.name == SERVICE);
            let service = service.unwrap();
            if service.listener == Some(address) {
                assert_eq!(service.listen_error, None);
                break;
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), back)
        .await
        .unwrap();
    balancer.wait_healthy(&["a"]).await;
    assert_eq!(get(address, "/").await.body, "one");
}
