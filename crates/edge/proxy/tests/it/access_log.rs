//! The access log: what stands in it, what does not, and that nobody waits for it.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use cutover_proxy::{AccessLog, QueryLog, Route, Service};
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use serde_json::Value;

use crate::support::{Answer, Balancer, Browser, Origin, SERVICE, get, owned, service, side};

fn logged(log: AccessLog, origin: &Origin) -> Service {
    Service {
        access_log: Some(log),
        ..service(vec![side("1.0.0", 10_000, &[("a", origin.address)])])
    }
}

/// Waits until so many lines were written, and reads them.
async fn lines(balancer: &Balancer, count: u64, file: &Path) -> Vec<Value> {
    let mut seconds = balancer.client.subscribe(SERVICE).await.unwrap();
    loop {
        let status = balancer.client.status().await.unwrap();
        let log = status.services[0].access_log.clone().unwrap();
        assert_eq!(log.dropped, 0);
        let text = std::fs::read_to_string(file).unwrap_or_default();
        if log.written >= count && text.ends_with('\n') {
            return text
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect();
        }
        seconds.next().await.unwrap();
    }
}

fn file(balancer: &Balancer) -> PathBuf {
    balancer.folder.path().join("access.log")
}

#[tokio::test]
async fn a_line_tells_who_got_what_and_no_secret() {
    let balancer = Balancer::start().await;
    let origin = Origin::start(|request| async move {
        let trace = request.headers()["traceparent"].clone();
        let mut answer = Answer::new(Full::new(Bytes::from_static(b"hello")).boxed());
        answer.headers_mut().insert("x-trace", trace);
        answer
    })
    .await;
    let address = balancer
        .serve(1, logged(AccessLog::default(), &origin), &["a"])
        .await;
    let mut browser = Browser::connect(address).await;
    let given = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";
    let request = Request::post("/x/y?user=me&token=hidden")
        .header("host", "shop.example:8080")
        .header("authorization", "Bearer hidden")
        .header("cookie", "session=hidden")
        .header("x-forwarded-for", "198.51.100.7")
        .header("traceparent", given);
    let got = browser
        .send(request.body(Full::from("12345678")).unwrap())
        .await
        .unwrap();
    assert_eq!(got.headers["x-trace"], given);
    let begun = get(address, "/plain").await;
    let lines = lines(&balancer, 2, &file(&balancer)).await;
    assert!(
        !lines.iter().any(|line| line.to_string().contains("hidden")),
        "{lines:?}"
    );
    let line = &lines[0];
    for (field, value) in [
        ("service", Value::from(SERVICE)),
        ("side", Value::from("1.0.0")),
        ("upstream", Value::from("a")),
        ("method", Value::from("POST")),
        ("host", Value::from("shop.example")),
        ("path", Value::from("/x/y")),
        ("query", Value::from("user=*&token=*")),
        ("status", Value::from(200)),
        ("bytes_in", Value::from(8)),
        ("bytes_out", Value::from(5)),
        ("client", Value::from("198.51.100.7")),
        ("trace_id", Value::from("4bf92f3577b34da6a3ce929d0e0e4736")),
    ] {
        assert_eq!(line[field], value, "{field}");
    }
    assert!(line["duration_us"].as_u64() >= line["head_us"].as_u64());
    assert!(line.get("cause").is_none() && line["unix_ms"].as_u64() > Some(0));
    let trace = lines[1]["trace_id"].as_str().unwrap();
    assert!(begun.headers["x-trace"].to_str().unwrap().contains(trace));
}

#[tokio::test]
async fn a_line_tells_why_there_was_no_answer() {
    let balancer = Balancer::start().await;
    let origin = Origin::start(|request| async move {
        if request.uri().path() == "/slow" {
            std::future::pending::<()>().await;
        }
        crate::support::text("a")
    })
    .await;
    let mut entry = logged(AccessLog::default(), &origin);
    entry.routes = vec![Route {
        common: Some(cutover_proxy::Action::Deny),
        ..Route::default()
    }];
    let address = balancer.serve(1, entry, &["a"]).await;
    assert_eq!(get(address, "/.env").await.status, StatusCode::FORBIDDEN);
    let mut browser = Browser::connect(address).await;
    let request = Request::get("/slow")
        .header("host", "h")
        .body(Full::default())
        .unwrap();
    let impatient = tokio::time::timeout(
        std::time::Duration::from_millis(100),
        browser.begin(request),
    );
    impatient.await.unwrap_err();
    drop(browser);
    let written = lines(&balancer, 2, &file(&balancer)).await;
    assert_eq!(
        (&written[0]["cause"], &written[0]["status"]),
        (&"denied".into(), &403.into())
    );
    assert_eq!(written[1]["cause"], "client_gone");
    assert_eq!(
        (written[1].get("status"), &written[1]["upstream"]),
        (None, &"a".into())
    );
    balancer
        .client
        .drain(SERVICE, &owned(&["a"]), 1_000)
        .await
        .unwrap();
    assert_eq!(
        get(address, "/").await.status,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let written = lines(&balancer, 3, &file(&balancer)).await;
    assert_eq!(written[2]["cause"], "no_upstream");
}

#[tokio::test]
async fn an_end_in_good_order_loses_no_line() {
    let balancer = Balancer::start().await;
    let origin = Origin::named("a").await;
    let address = balancer
        .serve(1, logged(AccessLog::default(), &origin), &["a"])
        .await;
    let mut browser = Browser::connect(address).await;
    for _ in 0..50 {
        browser.get("/").await.unwrap();
    }
    drop(browser);
    let file = file(&balancer);
    let _folder = balancer.stop().await;
    assert_eq!(std::fs::read_to_string(file).unwrap().lines().count(), 50);
}

#[tokio::test]
async fn files_are_put_aside_when_they_are_full() {
    let balancer = Balancer::start().await;
    let origin = Origin::named("a").await;
    let file = balancer.folder.path().join("requests.log");
    let log = AccessLog {
        file: Some(file.to_str().unwrap().to_owned()),
        max_bytes: 65_536,
        keep: 2,
        query: QueryLog::Whole,
    };
    let address = balancer.serve(1, logged(log, &origin), &["a"]).await;
    let mut browser = Browser::connect(address).await;
    let target = format!("/?{}", "q".repeat(1_900));
    for _ in 0..120 {
        browser.get(&target).await.unwrap();
    }
    let last = lines(&balancer, 120, &file).await;
    assert_eq!(
        last.last().unwrap()["query"].as_str().map(str::len),
        Some(1_900)
    );
    let size = |path: &Path| std::fs::metadata(path).map(|found| found.len()).ok();
    let aside = |number: u32| file.with_extension(format!("log.{number}"));
    for path in [&file, &aside(1), &aside(2)] {
        assert!(size(path).is_some_and(|bytes| bytes <= 65_536), "{path:?}");
    }
    assert_eq!(size(&aside(3)), None);
}
