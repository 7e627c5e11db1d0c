//! Triggers at their edges.

use std::collections::BTreeMap;

use cutover_model::{
    Duration, Timestamp,
    delivery::{
        ExternalMetric, Metric, MetricSource, Missing, Operator, RollbackTrigger, Scope, Statistic,
        Weight,
    },
};

use crate::{Fired, Latency, Sample, SideSample, Watch};

fn watch(metric: Metric, threshold_milli: u64, seconds: u64) -> Watch {
    let trigger = RollbackTrigger::bare(metric, threshold_milli, Duration::from_secs(seconds));
    Watch::new(&[trigger], None)
}

/// The triggers of the seeds.
fn slow() -> Watch {
    watch(Metric::TargetResponseTime, 5_000, 300)
}

fn errors() -> Watch {
    watch(Metric::Target5xxCount, 10_000, 60)
}

fn hosts() -> Watch {
    watch(Metric::HealthyHostCount, 1_000, 120)
}

fn sample(second: i64, candidate: SideSample) -> Sample {
    Sample {
        at: Timestamp(second * 1_000),
        candidate,
        current: None,
        weight: Weight::ALL,
        external: BTreeMap::new(),
    }
}

fn taking(ms: u64) -> SideSample {
    SideSample {
        requests: 2,
        time_ms_sum: 2 * ms,
        ..SideSample::default()
    }
}

fn with_errors(count: u64) -> SideSample {
    SideSample {
        requests: 100,
        errors_5xx: count,
        ..SideSample::default()
    }
}

fn healthy(count: u32) -> SideSample {
    SideSample {
        healthy_hosts: count,
        expected_hosts: 2,
        ..SideSample::default()
    }
}

/// Feeds each second of a range the same; says at which it fired first.
#[expect(clippy::needless_pass_by_value, reason = "reads better at the calls")]
fn first(
    watch: &mut Watch,
    seconds: std::ops::RangeInclusive<i64>,
    side: SideSample,
) -> Option<(i64, Fired)> {
    seconds
        .into_iter()
        .find_map(|second| Some((second, watch.sample(&sample(second, side.clone()))?)))
}

#[test]
fn slow_for_the_whole_duration_fires_at_its_last_second() {
    let (second, fired) = first(&mut slow(), 1..=400, taking(5_001)).unwrap();
    assert_eq!(second, 300);
    assert_eq!(fired.trigger, "TargetResponseTime > 5 for 5m");
    assert_eq!(fired.observed, "a mean of 5.001 s in the last second");
}

#[test]
fn one_second_less_does_not_fire() {
    let mut watch = slow();
    assert_eq!(first(&mut watch, 1..=299, taking(9_000)), None);
    assert_eq!(first(&mut watch, 300..=300, taking(10)), None);
    assert_eq!(first(&mut watch, 301..=599, taking(9_000)), None);
    assert!(watch.sample(&sample(600, taking(9_000))).is_some());
}

#[test]
fn the_threshold_itself_is_no_breach() {
    assert_eq!(first(&mut slow(), 1..=400, taking(5_000)), None);
    assert_eq!(first(&mut hosts(), 1..=400, healthy(1)), None);
    // Ten errors in a minute, again and again.
    let mut watch = errors();
    for second in 1..=400 {
        let count = u64::from(second % 6 == 0);
        assert_eq!(watch.sample(&sample(second, with_errors(count))), None);
    }
}

#[test]
fn a_second_without_traffic_ends_a_breach() {
    let mut watch = slow();
    assert_eq!(first(&mut watch, 1..=200, taking(9_000)), None);
    assert_eq!(watch.sample(&sample(201, SideSample::default())), None);
    let (second, _) = first(&mut watch, 202..=600, taking(9_000)).unwrap();
    assert_eq!(second, 501);
}

#[test]
fn errors_are_counted_over_the_last_minute() {
    // Two a second: the eleventh falls in second 6; from there a minute must pass.
    let (second, fired) = first(&mut errors(), 1..=400, with_errors(2)).unwrap();
    assert_eq!(second, 65);
    assert_eq!(fired.trigger, "HTTPCode_Target_5XX_Count > 10 for 1m");
    assert_eq!(fired.observed, "120 in the last minute");
}

#[test]
fn one_burst_counts_for_a_minute_and_no_longer() {
    // Seconds 1 to 60 have it in their last minute: exactly the duration.
    let mut watch = errors();
    assert_eq!(watch.sample(&sample(1, with_errors(50))), None);
    let (second, _) = first(&mut watch, 2..=400, with_errors(0)).unwrap();
    assert_eq!(second, 60);
    let mut longer = Watch::new(
        &[RollbackTrigger::bare(
            Metric::Target5xxCount,
            10_000,
            Duration::from_secs(61),
        )],
        None,
    );
    assert_eq!(longer.sample(&sample(1, with_errors(50))), None);
    assert_eq!(first(&mut longer, 2..=400, with_errors(0)), None);
}

#[test]
fn no_healthy_host_fires_after_two_minutes() {
    let (second, fired) = first(&mut hosts(), 1..=400, healthy(0)).unwrap();
    assert_eq!(second, 120);
    assert_eq!(fired.trigger, "HealthyHostCount < 1 for 2m");
    assert_eq!(fired.observed, "0 of 2 healthy");
    // Where none is expected, none is missed.
    assert_eq!(first(&mut hosts(), 1..=400, SideSample::default()), None);
}

#[test]
fn a_gap_ends_a_breach_and_late_samples_are_ignored() {
    let mut watch = hosts();
    assert_eq!(first(&mut watch, 1..=100, healthy(0)), None);
    // 101 is missing; what comes late or twice changes nothing.
    assert_eq!(first(&mut watch, 102..=150, healthy(0)), None);
    assert_eq!(first(&mut watch, 50..=150, healthy(2)), None);
    let (second, _) = first(&mut watch, 151..=400, healthy(0)).unwrap();
    assert_eq!(second, 221);
}

#[test]
fn it_fires_as_long_as_it_holds() {
    let mut watch = hosts();
    assert!(first(&mut watch, 1..=120, healthy(0)).is_some());
    assert!(watch.sample(&sample(121, healthy(0))).is_some());
    assert!(watch.sample(&sample(122, healthy(1))).is_none());
}

/// A trigger on slow answers for ten seconds, changed.
fn changed(change: impl FnOnce(&mut RollbackTrigger)) -> Watch {
    let mut trigger =
        RollbackTrigger::bare(Metric::TargetResponseTime, 1_000, Duration::from_secs(10));
    change(&mut trigger);
    assert_eq!(trigger.check(), Ok(()));
    Watch::new(&[trigger], None)
}

fn fires_at(
    watch: &mut Watch,
    seconds: std::ops::RangeInclusive<i64>,
    side: SideSample,
) -> Option<i64> {
    first(watch, seconds, side).map(|(second, _)| second)
}

#[test]
fn each_operator_has_its_own_side_of_the_threshold() {
    for (operator, below, at, above) in [
        (Operator::Above, false, false, true),
        (Operator::AtLeast, false, true, true),
        (Operator::Below, true, false, false),
        (Operator::AtMost, true, true, false),
    ] {
        for (ms, wanted) in [(999, below), (1_000, at), (1_001, above)] {
            let mut watch = changed(|trigger| trigger.operator = Some(operator));
            let fired = fires_at(&mut watch, 1..=20, taking(ms));
            assert_eq!(fired, wanted.then_some(10), "{operator} {ms}");
        }
    }
}

#[test]
fn missing_data_is_what_the_trigger_says() {
    for (missing, wanted) in [
        // Five seconds of breach, three without traffic, then breach again.
        (Missing::NotBreaching, Some(18)),
        (Missing::Breaching, Some(10)),
        (Missing::Ignore, Some(10)),
    ] {
        let mut watch = changed(|trigger| trigger.missing = missing);
        assert_eq!(fires_at(&mut watch, 1..=5, taking(2_000)), None);
        assert_eq!(fires_at(&mut watch, 6..=8, SideSample::default()), None);
        assert_eq!(
            fires_at(&mut watch, 9..=30, taking(2_000)),
            wanted,
            "{missing:?}"
        );
        // The same with seconds that nobody told of.
        let mut watch = changed(|trigger| trigger.missing = missing);
        assert_eq!(fires_at(&mut watch, 1..=5, taking(2_000)), None);
        assert_eq!(
            fires_at(&mut watch, 9..=30, taking(2_000)),
            wanted,
            "{missing:?}"
        );
    }
    // Nothing at all is a breach only for who says so.
    for (missing, wanted) in [
        (Missing::NotBreaching, None),
        (Missing::Breaching, Some(10)),
        (Missing::Ignore, None),
    ] {
        let mut watch = changed(|trigger| trigger.missing = missing);
        let fired = first(&mut watch, 1..=30, SideSample::default());
        assert_eq!(fired.as_ref().map(|(second, _)| *second), wanted);
        assert!(fired.is_none_or(|(_, fired)| fired.observed == "no data"));
    }
    // What is ignored keeps a state that was good, too.
    let mut watch = changed(|trigger| trigger.missing = Missing::Ignore);
    assert_eq!(fires_at(&mut watch, 1..=1, taking(10)), None);
    assert_eq!(fires_at(&mut watch, 2..=60, SideSample::default()), None);
}

#[test]
fn little_traffic_does_not_fire_when_a_minimum_is_asked_for() {
    // Two requests a second: twenty in ten seconds, never twenty-one.
    let with = |minimum| changed(|trigger| trigger.min_requests = minimum);
    assert_eq!(fires_at(&mut with(20), 1..=60, taking(2_000)), Some(10));
    assert_eq!(fires_at(&mut with(21), 1..=60, taking(2_000)), None);
}

#[test]
fn a_percentile_is_of_the_answers_of_the_window() {
    let slow_tenth = || {
        let mut latency = Latency::default();
        latency.record(100, 18);
        latency.record(2_000, 2);
        SideSample {
            requests: 20,
            time_ms_sum: 5_000,
            latency,
            ..SideSample::default()
        }
    };
    for (statistic, wanted) in [
        (Statistic::Mean, false),
        (Statistic::P50, false),
        (Statistic::P90, false),
        (Statistic::P95, true),
        (Statistic::P99, true),
        (Statistic::Max, true),
        (Statistic::Sum, true),
        (Statistic::Count, true),
        (Statistic::Rate, true),
    ] {
        let mut watch = changed(|trigger| trigger.statistic = Some(statistic));
        let fired = fires_at(&mut watch, 1..=20, slow_tenth());
        assert_eq!(fired, wanted.then_some(10), "{statistic:?}");
    }
    // Over three seconds: one slow second is in the window for three.
    let mut watch = changed(|trigger| {
        trigger.statistic = Some(Statistic::Max);
        trigger.window = Some(Duration::from_secs(3));
        trigger.duration = Duration::from_secs(3);
    });
    let fast = || SideSample {
        latency: Latency::of_steps(&[100], &[20]),
        ..taking(100)
    };
    assert_eq!(fires_at(&mut watch, 1..=5, fast()), None);
    assert_eq!(fires_at(&mut watch, 6..=6, slow_tenth()), None);
    assert_eq!(fires_at(&mut watch, 7..=7, SideSample::default()), None);
    let (second, fired) = first(&mut watch, 8..=8, SideSample::default()).unwrap();
    assert_eq!(second, 8);
    assert_eq!(
        fired.trigger,
        "max of TargetResponseTime over 3s > 1 for 3s"
    );
    assert_eq!(fired.observed, "a max of 2.000 s in the last 3s");
    // Without a histogram nobody knows.
    let mut watch = changed(|trigger| trigger.statistic = Some(Statistic::P95));
    assert_eq!(fires_at(&mut watch, 1..=20, taking(9_000)), None);
}

#[test]
fn an_error_rate_is_of_the_last_minute_in_percent() {
    let trigger = RollbackTrigger::bare(Metric::ErrorRate, 5_000, Duration::from_secs(30));
    let mut watch = Watch::new(std::slice::from_ref(&trigger), None);
    assert_eq!(fires_at(&mut watch, 1..=100, with_errors(5)), None);
    let (second, fired) = first(&mut watch, 101..=200, with_errors(6)).unwrap();
    assert_eq!(second, 130);
    assert_eq!(fired.observed, "5.500 % in the last minute");
    let mut silent = Watch::new(&[trigger], None);
    assert_eq!(fires_at(&mut silent, 1..=100, SideSample::default()), None);
}

#[test]
fn too_few_requests_are_so_only_in_a_whole_window() {
    let trigger = RollbackTrigger::bare(Metric::RequestCount, 100_000, Duration::from_secs(5));
    let mut watch = Watch::new(std::slice::from_ref(&trigger), None);
    // Two a second are 120 a minute; the first minute is not over before its end.
    assert_eq!(fires_at(&mut watch, 1..=100, taking(10)), None);
    let mut quiet = Watch::new(&[trigger], None);
    assert_eq!(
        fires_at(&mut quiet, 1..=100, SideSample::default()),
        Some(64)
    );
}

#[test]
fn all_is_both_sides_together() {
    let with = |scope| {
        Watch::new(
            &[RollbackTrigger {
                scope,
                ..RollbackTrigger::bare(Metric::Target5xxCount, 10_000, Duration::from_secs(5))
            }],
            None,
        )
    };
    let both = |second| Sample {
        current: Some(with_errors(20)),
        ..sample(second, with_errors(0))
    };
    let fired = |mut watch: Watch| (1..=20).find(|&second| watch.sample(&both(second)).is_some());
    assert_eq!(fired(with(Scope::Candidate)), None);
    assert_eq!(fired(with(Scope::All)), Some(5));
}

#[test]
fn a_number_of_somebody_elses_has_gaps() {
    let source = ExternalMetric {
        name: "queue".to_owned(),
        from: MetricSource::Command {
            argv: vec!["./depth".to_owned()],
        },
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(2),
    };
    let trigger = RollbackTrigger {
        source: Some(source),
        ..RollbackTrigger::bare(Metric::External, 2_500, Duration::from_secs(5))
    };
    let told = |second, value: Option<f64>| Sample {
        external: value
            .map(|value| ("queue".to_owned(), value))
            .into_iter()
            .collect(),
        ..sample(second, SideSample::default())
    };
    let mut watch = Watch::new(&[trigger], None);
    for second in 1..=4 {
        assert_eq!(watch.sample(&told(second, Some(2.6))), None);
    }
    assert_eq!(watch.sample(&told(5, None)), None);
    for second in 6..=9 {
        assert_eq!(watch.sample(&told(second, Some(2.6))), None);
    }
    let fired = watch.sample(&told(10, Some(2.6))).unwrap();
    assert_eq!(fired.trigger, "queue > 2.5 for 5s");
    assert_eq!(fired.observed, "a mean of 2.600 in the last second");
    assert_eq!(watch.sample(&told(11, Some(f64::NAN))), None);
}
