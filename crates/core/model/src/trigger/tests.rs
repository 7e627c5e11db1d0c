//! Triggers as people write and read them.

use super::*;

fn seed() -> [RollbackTrigger; 3] {
    [
        RollbackTrigger::bare(Metric::TargetResponseTime, 5_000, Duration::from_secs(300)),
        RollbackTrigger::bare(Metric::Target5xxCount, 10_000, Duration::from_secs(60)),
        RollbackTrigger::bare(Metric::HealthyHostCount, 1_000, Duration::from_secs(120)),
    ]
}

#[test]
fn a_trigger_says_its_operator() {
    let trigger =
        RollbackTrigger::bare(Metric::TargetResponseTime, 5_500, Duration::from_secs(300));
    assert_eq!(trigger.to_string(), "TargetResponseTime > 5.5 for 5m");
}

#[test]
fn the_bare_block_says_what_it_was_taken_to_mean() {
    let said: Vec<String> = seed().iter().map(RollbackTrigger::explain).collect();
    assert_eq!(
        said,
        [
            "TargetResponseTime > 5 for 5m; assumed: operator `>` (the threshold is a maximum), statistic \
             `mean`, window `1s`, a second without data ends a breach (`not_breaching`)",
            "HTTPCode_Target_5XX_Count > 10 for 1m; assumed: operator `>` (the threshold is a maximum), \
             statistic `sum`, window `1m`, a second without data ends a breach (`not_breaching`)",
            "HealthyHostCount < 1 for 2m; assumed: operator `<` (the threshold is a minimum), statistic \
             `mean`, window `1s`, a second without data ends a breach (`not_breaching`)",
        ]
    );
}

#[test]
fn what_is_written_is_said_and_not_assumed() {
    let trigger = RollbackTrigger {
        operator: Some(Operator::AtLeast),
        statistic: Some(Statistic::P95),
        window: Some(Duration::from_secs(30)),
        missing: Missing::Ignore,
        min_requests: 100,
        scope: Scope::All,
        ..seed()[0].clone()
    };
    assert_eq!(
        trigger.explain(),
        "p95 of TargetResponseTime over 30s >= 5 for 5m, missing data aside, with at least 100 requests, on \
         both sides; everything is written"
    );
    let text = serde_json::to_string(&trigger).unwrap();
    assert!(text.contains(r#""operator":">=","statistic":"p95","window":"30s""#));
    assert_eq!(
        serde_json::from_str::<RollbackTrigger>(&text).unwrap(),
        trigger
    );
}

#[test]
fn the_three_keys_are_written_as_ever() {
    assert_eq!(
        serde_json::to_string(&seed()[1]).unwrap(),
        r#"{"metric":"HTTPCode_Target_5XX_Count","threshold_milli":10000,"duration":"1m"}"#
    );
}

#[test]
fn what_means_nothing_is_refused_with_what_would() {
    let [slow, errors, hosts] = seed();
    for trigger in [&slow, &errors, &hosts] {
        assert_eq!(trigger.check(), Ok(()));
    }
    let refused = |trigger: RollbackTrigger| trigger.check().unwrap_err().to_string();
    assert_eq!(
        refused(RollbackTrigger {
            statistic: Some(Statistic::Sum),
            ..hosts.clone()
        }),
        "`HealthyHostCount` has no statistic `sum`; it has `mean`, `p50`, `p90`, `p95`, `p99`, `max`"
    );
    assert_eq!(
        refused(RollbackTrigger {
            metric: Metric::External,
            ..hosts
        }),
        "`External` needs a `source`: `prometheus`, `http` or `command`"
    );
    let source = ExternalMetric {
        name: "queue".to_owned(),
        from: MetricSource::Command {
            argv: vec!["./depth".to_owned()],
        },
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(2),
    };
    assert!(
        refused(RollbackTrigger {
            source: Some(source.clone()),
            ..errors.clone()
        })
        .starts_with("`HTTPCode_Target_5XX_Count` is counted by the balancer")
    );
    let external = RollbackTrigger {
        metric: Metric::External,
        source: Some(source),
        ..slow.clone()
    };
    assert_eq!(external.check(), Ok(()));
    assert_eq!(external.to_string(), "queue > 5 for 5m");
    for window in [0, 1_500, 3_601_000] {
        let window = Some(Duration::from_millis(window));
        assert!(
            refused(RollbackTrigger {
                window,
                ..slow.clone()
            })
            .starts_with("`window`")
        );
    }
    assert!(
        refused(RollbackTrigger {
            duration: Duration::from_mins(1_441),
            ..slow
        })
        .starts_with("`duration`")
    );
}
