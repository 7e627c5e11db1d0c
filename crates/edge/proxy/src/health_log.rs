//! Writes down every change of health in a service.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use serde_json::Value;

use crate::{journal::Journal, service::Service, upstream::Upstream};

/// Follows a service until it is no more.
pub(crate) fn follow(
    service: &Arc<Service>,
    journal: Arc<Journal>,
) -> impl Future<Output = ()> + Send + use<> {
    let mut changes = service.changes();
    let service = Arc::downgrade(service);
    async move {
        let mut known = BTreeMap::new();
        while changes.changed().await.is_ok() {
            let Some(service) = service.upgrade() else {
                return;
            };
            let mut now = BTreeMap::new();
            for upstream in service.routes().upstreams() {
                let state = upstream.state();
                if known.get(&upstream.id) != Some(&state) {
                    note(&journal, &service.name, upstream);
                }
                now.insert(upstream.id.clone(), state);
            }
            known = now;
        }
    }
}

fn note(journal: &Journal, service: &str, upstream: &Upstream) {
    let report = upstream.report();
    let fields = [
        ("service", Value::from(service)),
        ("upstream", Value::from(upstream.id.as_str())),
        ("address", Value::from(upstream.address.as_str())),
        ("state", Value::from(upstream.state().to_string())),
        ("last_status", Value::from(report.last_status)),
        ("last_error", Value::from(report.last_error)),
    ];
    journal.note("upstream_changed", &fields);
}
