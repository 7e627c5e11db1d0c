//! Triggers at their edges.

use cutover_model::{
    Duration, Timestamp,
    delivery::{Metric, RollbackTrigger, Weight},
};

use crate::watch::{Fired, Sample, SideSample, Watch};

fn watch(metric: Metric, threshold_milli: u64, seconds: u64) -> Watch {
    let trigger = RollbackTrigger {
        metric,
        threshold_milli,
        duration: Duration::from_secs(seconds),
    };
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
fn first(
    watch: &mut Watch,
    seconds: std::ops::RangeInclusive<i64>,
    side: SideSample,
) -> Option<(i64, Fired)> {
    seconds
        .into_iter()
        .find_map(|second| Some((second, watch.sample(&sample(second, side))?)))
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
        &[RollbackTrigger {
            metric: Metric::Target5xxCount,
            threshold_milli: 10_000,
            duration: Duration::from_secs(61),
        }],
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
