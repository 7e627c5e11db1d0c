//! Waiting for upstreams to get healthy.

use std::time::Duration;

use tokio::time::timeout;

use crate::{
    control::{Refusal, UpstreamReport},
    service::Service,
    upstream::Condition,
};

/// Waits until these upstreams are healthy, at most for so long; then tells about each.
pub(crate) async fn wait_healthy(
    service: &Service,
    ids: &[String],
    patience: Duration,
) -> Result<Vec<UpstreamReport>, Refusal> {
    let routes = service.routes();
    if let Some(unknown) = ids.iter().find(|id| routes.find(id).is_none()) {
        let (service, upstream) = (service.name.clone(), unknown.clone());
        return Err(Refusal::UnknownUpstream { service, upstream });
    }
    // Running out of time is an answer like any other.
    let _in_time = timeout(patience, all_healthy(service, ids)).await;
    Ok(ids.iter().map(|id| report(service, id)).collect())
}

async fn all_healthy(service: &Service, ids: &[String]) {
    let mut changes = service.changes();
    let healthy = |id: &String| {
        let upstream = service.routes().find(id);
        upstream.is_some_and(|upstream| upstream.condition() == Condition::Healthy)
    };
    while !ids.iter().all(healthy) {
        if changes.changed().await.is_err() {
            return;
        }
    }
}

fn report(service: &Service, id: &str) -> UpstreamReport {
    match service.routes().find(id) {
        Some(upstream) => upstream.report(),
        None => UpstreamReport {
            id: id.to_owned(),
            last_error: Some("it left the route table meanwhile".to_owned()),
            ..UpstreamReport::default()
        },
    }
}
