//! What the balancer tells, in the text format of Prometheus. Nothing is asked or counted here.

use std::fmt::Write as _;

use crate::control::{LATENCY_BOUNDS_MS, ServiceStatus, SideStatus, Status, Totals, UpstreamState};

/// The text for a status, in the text format 0.0.4 of Prometheus.
#[must_use]
pub fn exposition(status: &Status) -> String {
    let mut page = Page(String::new());
    page.family(
        "cutover_balancer_generation",
        "gauge",
        "Generation of the table in force.",
    );
    page.sample("cutover_balancer_generation", &[], status.generation);
    services(&mut page, status);
    sides(&mut page, status);
    histograms(&mut page, status);
    upstreams(&mut page, status);
    page.0
}

struct Page(String);

type Labels<'a> = [(&'static str, &'a str)];

impl Page {
    fn family(&mut self, name: &str, kind: &str, help: &str) {
        // Writing to a string does not fail.
        let _written = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n");
    }

    fn sample(&mut self, name: &str, labels: &Labels<'_>, value: impl std::fmt::Display) {
        self.0.push_str(name);
        for (index, (label, text)) in labels.iter().enumerate() {
            self.0.push(if index == 0 { '{' } else { ',' });
            let _written = write!(self.0, "{label}=\"");
            for letter in text.chars() {
                match letter {
                    '\\' => self.0.push_str("\\\\"),
                    '"' => self.0.push_str("\\\""),
                    '\n' => self.0.push_str("\\n"),
                    other => self.0.push(other),
                }
            }
            self.0.push('"');
        }
        if !labels.is_empty() {
            self.0.push('}');
        }
        let _written = writeln!(self.0, " {value}");
    }
}

fn services(page: &mut Page, status: &Status) {
    type Read = fn(&ServiceStatus) -> u64;
    let gauges: [(&str, &str, Read); 2] = [
        (
            "cutover_service_connections",
            "Client connections open.",
            |service| service.connections,
        ),
        (
            "cutover_service_held",
            "Requests that wait for a side.",
            |service| service.held,
        ),
    ];
    for (name, help, read) in gauges {
        page.family(name, "gauge", help);
        for service in &status.services {
            page.sample(name, &[("service", &service.name)], read(service));
        }
    }
    let name = "cutover_service_ledger_total";
    page.family(
        name,
        "counter",
        "Requests that did not go the straight way, by what befell them.",
    );
    for service in &status.services {
        for (cause, count) in &service.ledger {
            page.sample(name, &[("service", &service.name), ("cause", cause)], count);
        }
    }
    let name = "cutover_service_rule_total";
    page.family(name, "counter", "Requests that a rule meant.");
    for service in &status.services {
        for count in &service.rules {
            let labels = [
                ("service", service.name.as_str()),
                ("host", count.host.as_deref().unwrap_or_default()),
                ("path", &count.path),
                ("rule", &count.rule),
            ];
            page.sample(name, &labels, count.requests);
        }
    }
    let name = "cutover_service_mirror_total";
    page.family(
        name,
        "counter",
        "Copies of requests, by what became of them.",
    );
    for service in &status.services {
        let Some(mirror) = &service.mirror else {
            continue;
        };
        for (fate, count) in [
            ("sent", mirror.sent),
            ("failed", mirror.failed),
            ("skipped", mirror.skipped),
        ] {
            let labels = [
                ("service", service.name.as_str()),
                ("side", &mirror.side),
                ("fate", fate),
            ];
            page.sample(name, &labels, count);
        }
    }
    let name = "cutover_service_access_log_total";
    page.family(
        name,
        "counter",
        "Lines of the access log's file, by what became of them.",
    );
    for service in &status.services {
        let Some(log) = &service.access_log else {
            continue;
        };
        for (fate, count) in [("written", log.written), ("dropped", log.dropped)] {
            page.sample(name, &[("service", &service.name), ("fate", fate)], count);
        }
    }
}

fn all_sides(status: &Status) -> impl Iterator<Item = (&ServiceStatus, &SideStatus)> {
    let of_service = |service| {
        let service: &ServiceStatus = service;
        service.sides.iter().map(move |side| (service, side))
    };
    status.services.iter().flat_map(of_service)
}

type ReadTotal = fn(&Totals) -> u64;

fn sides(page: &mut Page, status: &Status) {
    let name = "cutover_side_weight_basis_points";
    page.family(name, "gauge", "Share of the traffic that the table gives.");
    for (service, side) in all_sides(status) {
        let labels = [("service", service.name.as_str()), ("side", &side.name)];
        page.sample(name, &labels, side.weight);
    }
    let counters: [(&str, &str, ReadTotal); 7] = [
        ("cutover_side_requests_total", "Requests.", |totals| {
            totals.requests
        }),
        (
            "cutover_side_bad_total",
            "Requests that went badly.",
            |totals| totals.bad,
        ),
        (
            "cutover_side_distinct_bad_total",
            "Requests that went badly, one for each client and ten seconds.",
            |totals| totals.distinct_bad,
        ),
        ("cutover_side_slow_total", "Slow answers.", |totals| {
            totals.slow
        }),
        (
            "cutover_side_distinct_slow_total",
            "Slow answers, one for each client and ten seconds.",
            |totals| totals.distinct_slow,
        ),
        (
            "cutover_side_client_gone_total",
            "Clients that left before the end of their answer.",
            |totals| totals.client_gone,
        ),
        (
            "cutover_side_time_ms_total",
            "Time to the heads of answers.",
            |totals| totals.time_ms_sum,
        ),
    ];
    for (name, help, read) in counters {
        page.family(name, "counter", help);
        for (service, side) in all_sides(status) {
            for (traffic, totals) in [("users", &side.totals), ("aside", &side.aside)] {
                let labels = [
                    ("service", service.name.as_str()),
                    ("side", &side.name),
                    ("traffic", traffic),
                ];
                page.sample(name, &labels, read(totals));
            }
        }
    }
    by_kind(page, status);
}

fn by_kind(page: &mut Page, status: &Status) {
    type Kinds<'a> = fn(&'a SideStatus) -> Vec<(&'a str, u64)>;
    let families: [(&str, &str, &'static str, Kinds<'_>); 3] = [
        (
            "cutover_side_answers_total",
            "Answers by class of status.",
            "class",
            |side| {
                let totals = &side.totals;
                vec![
                    ("2xx", totals.status_2xx),
                    ("3xx", totals.status_3xx),
                    ("4xx", totals.status_4xx),
                    ("5xx", totals.status_5xx),
                ]
            },
        ),
        (
            "cutover_side_errors_total",
            "Errors between balancer and upstream.",
            "kind",
            |side| {
                let errors = &side.totals.errors;
                vec![
                    ("connect", errors.connect),
                    ("timeout", errors.timeout),
                    ("reset", errors.reset),
                ]
            },
        ),
        (
            "cutover_side_dropped_total",
            "Requests lost between releases.",
            "cause",
            |side| {
                let entries = side.drops.iter();
                entries
                    .map(|entry| (entry.cause.as_str(), entry.requests))
                    .collect()
            },
        ),
    ];
    for (name, help, label, read) in families {
        page.family(name, "counter", help);
        for (service, side) in all_sides(status) {
            for (kind, count) in read(side) {
                let labels = [
                    ("service", service.name.as_str()),
                    ("side", &side.name),
                    (label, kind),
                ];
                page.sample(name, &labels, count);
            }
        }
    }
}

fn histograms(page: &mut Page, status: &Status) {
    let name = "cutover_side_answer_seconds";
    page.family(name, "histogram", "Time to the head of the answer.");
    for (service, side) in all_sides(status) {
        let own = [
            ("service", service.name.as_str()),
            ("side", side.name.as_str()),
        ];
        let mut sum = 0;
        let bounds = LATENCY_BOUNDS_MS.iter().map(|bound| seconds(*bound));
        for (bound, count) in bounds.chain(["+Inf".to_owned()]).zip(&side.histogram) {
            sum += count;
            let labels = [own[0], own[1], ("le", &bound)];
            page.sample(&format!("{name}_bucket"), &labels, sum);
        }
        if !side.histogram.is_empty() {
            let spent = seconds(side.totals.time_ms_sum);
            page.sample(&format!("{name}_sum"), &own, spent);
            page.sample(&format!("{name}_count"), &own, sum);
        }
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

fn upstreams(page: &mut Page, status: &Status) {
    type Read = fn(&crate::control::UpstreamStatus) -> u64;
    let families: [(&str, &str, &str, Read); 6] = [
        (
            "cutover_upstream_up",
            "gauge",
            "Whether it takes requests.",
            |upstream| {
                u64::from(upstream.state == UpstreamState::Healthy && upstream.ejected_ms == 0)
            },
        ),
        (
            "cutover_upstream_ejected",
            "gauge",
            "Whether it is left out.",
            |upstream| u64::from(upstream.ejected_ms > 0),
        ),
        (
            "cutover_upstream_in_flight",
            "gauge",
            "Requests in flight.",
            |upstream| upstream.in_flight,
        ),
        (
            "cutover_upstream_connections",
            "gauge",
            "Open connections.",
            |upstream| upstream.connections,
        ),
        (
            "cutover_upstream_checks_total",
            "counter",
            "Health checks.",
            |upstream| upstream.report.checks,
        ),
        (
            "cutover_upstream_checks_failed_total",
            "counter",
            "Health checks that failed.",
            |upstream| upstream.report.failed,
        ),
    ];
    for (name, kind, help, read) in families {
        page.family(name, kind, help);
        for (service, side) in all_sides(status) {
            for upstream in &side.upstreams {
                let labels = [
                    ("service", service.name.as_str()),
                    ("side", &side.name),
                    ("upstream", &upstream.id),
                ];
                page.sample(name, &labels, read(upstream));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_escaped_and_numbers_are_plain() {
        let mut page = Page(String::new());
        page.sample("a", &[("x", "q\"u\\o\nte"), ("y", "")], 1);
        page.sample("b", &[], seconds(1_050));
        assert_eq!(page.0, "a{x=\"q\\\"u\\\\o\\nte\",y=\"\"} 1\nb 1.050\n");
    }
}
