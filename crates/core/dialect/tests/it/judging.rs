//! `judge` and `rollback_triggers`, good and bad.

use cutover_dialect::project;
use cutover_model::{
    Duration,
    delivery::{
        JudgeSpec, MetricSource, Missing, OnInsufficient, Operator, RollbackTrigger, Scope, Split,
        Statistic,
    },
    project::Environment,
};

use crate::{dedent, render, tree};

fn environment(text: &str) -> Environment {
    let (project, said) = project(&tree(&[("cutover.yml", text)]));
    assert_eq!(render(&said), "");
    project.unwrap().environments["production"].clone()
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let (project, said) = project(&tree(&[("cutover.yml", text)]));
    let said = render(&said).replace("cutover.yml:", "");
    assert_eq!(said.trim_end(), dedent(expected).trim_end());
    assert_eq!(project.is_none(), !said.is_empty());
}

/// As the founding document has it, comments included.
const SEED: &str = r#"
environments:
  production:
    rollback_triggers:
      - metric: "TargetResponseTime"
        threshold: 5.0  # seconds
        duration: 300   # 5 minutes

      - metric: "HTTPCode_Target_5XX_Count"
        threshold: 10   # errors per minute
        duration: 60    # 1 minute

      - metric: "HealthyHostCount"
        threshold: 1    # minimum healthy hosts
        duration: 120   # 2 minutes
"#;

#[test]
fn the_bare_block_means_what_its_comments_say() {
    let triggers = environment(SEED).rollback_triggers;
    let said: Vec<String> = triggers.iter().map(RollbackTrigger::explain).collect();
    assert_eq!(
        said,
        [
            "TargetResponseTime > 5 for 5m; assumed: operator `>` (the threshold is a maximum), \
             statistic `mean`, window `1s`, a second without data ends a breach (`not_breaching`)",
            "HTTPCode_Target_5XX_Count > 10 for 1m; assumed: operator `>` (the threshold is a \
             maximum), statistic `sum`, window `1m`, a second without data ends a breach \
             (`not_breaching`)",
            "HealthyHostCount < 1 for 2m; assumed: operator `<` (the threshold is a minimum), \
             statistic `mean`, window `1s`, a second without data ends a breach (`not_breaching`)",
        ]
    );
}

#[test]
fn all_that_a_trigger_can_say_is_understood() {
    let environment = environment(
        r#"
        environments:
          production:
            rollback_triggers:
              - { metric: TargetResponseTime, threshold: 0.3, duration: 1m, operator: ">=",
                  statistic: p95, window: 30s, missing: breaching, min_requests: 100, scope: all }
              - metric: External
                threshold: 100
                duration: 30
                missing: ignore
                source:
                  name: queue depth
                  prometheus:
                    url: http://prometheus:9090
                    query: max(queue_depth{service="hello"})
                    headers: { Authorization: "Bearer ${{ secrets.PROMETHEUS }}" }
                  interval: 10s
              - metric: External
                threshold: 5
                duration: 1m
                source: { name: lag, http: { url: "https://x/${{ secrets.PATH }}", pointer: /lag/0 } }
              - metric: External
                threshold: 5
                duration: 1m
                source: { name: heat, command: [./heat, --celsius], timeout: 2s }
        "#,
    );
    let [slow, depth, lag, heat] = environment.rollback_triggers.as_slice() else {
        panic!("{:?}", environment.rollback_triggers);
    };
    assert_eq!(
        slow,
        &RollbackTrigger {
            operator: Some(Operator::AtLeast),
            statistic: Some(Statistic::P95),
            window: Some(Duration::from_secs(30)),
            missing: Missing::Breaching,
            min_requests: 100,
            scope: Scope::All,
            ..RollbackTrigger::bare(slow.metric, 300, Duration::from_mins(1))
        }
    );
    let source = depth.source.as_ref().unwrap();
    assert_eq!(
        (source.name.as_str(), source.interval, source.timeout),
        (
            "queue depth",
            Duration::from_secs(10),
            Duration::from_secs(5)
        )
    );
    let MetricSource::Prometheus { headers, .. } = &source.from else {
        panic!("{source:?}");
    };
    assert_eq!(headers["authorization"], "Bearer ${{ secrets.PROMETHEUS }}");
    assert!(matches!(
        &lag.source.as_ref().unwrap().from,
        MetricSource::Http { pointer, .. } if pointer == "/lag/0"
    ));
    assert!(matches!(
        &heat.source.as_ref().unwrap().from,
        MetricSource::Command { argv } if argv.len() == 2
    ));
}

#[test]
fn the_judge_takes_its_parameters_or_a_word() {
    let judge = |text: &str| {
        let text = format!("environments:\n  production:\n    {text}\n");
        environment(&text).judge
    };
    assert_eq!(judge("target: process"), None);
    assert_eq!(judge("judge: true"), Some(JudgeSpec::default()));
    assert!(!judge("judge: false").unwrap().enabled);
    assert_eq!(
        judge(
            "judge: { alpha: 0.001, min_ratio: 2, p_max: 0.01, split: { errors: 100 }, dedupe: 0s, \
             on_insufficient: pause }"
        ),
        Some(JudgeSpec {
            enabled: true,
            alpha_ppm: 1_000,
            min_ratio_milli: 2_000,
            p_max_ppm: Some(10_000),
            split: Split {
                errors: 100,
                latency: 0,
                restarts: 0
            },
            dedupe: Duration::ZERO,
            on_insufficient: OnInsufficient::Pause,
        })
    );
}

#[test]
fn what_nothing_feeds_is_refused_with_its_place() {
    check(
        "
        environments:
          a: { judge: { split: { errors: 60, restarts: 10 } } }
          b: { traffic: { slow_start: 30s } }
        ",
        "
            2:38 1014 `restarts` in `split` is not there yet | remove it: an instance of the candidate that ends takes it back at once, without being weighed
            3:19 1014 `slow_start` in `traffic` is not there yet | a new instance gets its part at once: let a smoke test warm it, or begin with a small step of `canary`
        ",
    );
}

#[test]
fn each_slip_is_told_with_its_place() {
    check(
        r#"
        environments:
          a: { judge: { alpha: 0, min_ratio: 2 } }
          b: { judge: { alpha: 0.00000001 } }
          c: { judge: { min_ratio: 0.5 } }
          d: { judge: { p_max: 1 } }
          e: { judge: { split: { errors: 60, latency: 50 } } }
          f: { judge: { dedupe: 1m, on_insufficient: wait, alfa: 1 } }
          g: { judge: { split: { errors: 101, error: 1 } } }
          h: { judge: sometimes }
          i:
            rollback_triggers:
              - { metric: HealthyHostCount, threshold: 1, duration: 1, statistic: sum }
              - { metric: ErrorRate, threshold: 1, duration: 1, operator: "=>", missing: bad, scope: al }
              - { metric: ErrorRate, threshold: 1, duration: 25h, window: 500ms }
              - { metric: External, threshold: 1, duration: 1 }
              - { metric: ErrorRate, threshold: 1, duration: 1, source: { name: x, command: y } }
              - { metric: External, threshold: 1, duration: 1, source: { name: x } }
              - { metric: External, threshold: 1, duration: 1, source: { name: x, command: y, http: {} } }
              - { metric: External, threshold: 1, duration: 1, source: { name: x, command: y, interval: 100ms } }
              - { metric: External, threshold: 1, duration: 1, source: { name: y, http: { url: ftp://x, pointer: a } } }
              - { metric: External, threshold: 1, duration: 1, source: { name: x, cloudwatch: y } }
              - { metric: External, threshold: 1, duration: 1, source: { name: z, command: y } }
              - { metric: External, threshold: 2, duration: 1, source: { name: z, command: y } }
              - { metric: External, threshold: 2, duration: 1, source: { name: z, command: other } }
              - metric: External
                threshold: 1
                duration: 1
                source: { name: up, prometheus: { url: http://x, query: up, headers: { a: "${{ env.X }}" } } }
        "#,
        "
            2:24 1013 `alpha` is a chance above 0 and up to 0.5; write for example `0.01`
            3:24 1013 `alpha` must be 0 or more, with at most six decimals
            4:28 1013 `min_ratio` is how many times as bad is too bad, from 1 to 100; write for example `1.5`
            5:24 1013 `p_max` is a share of bad answers above 0 and below 1; write for example `0.01`
            6:24 1013 the shares of `split` are together 110 %; they must be from 1 to 100
            7:25 1013 `dedupe` cannot be `1m` | use `10s`, in which the balancer counts a client once, or `0s` to count each bad answer
            7:46 1013 `on_insufficient` cannot be `wait` | known here: `pause`, `promote`, `rollback`
            7:52 1010 unknown key `alfa` in `judge` | known here: `alpha`, `dedupe`, `enabled`, `min_ratio`, `on_insufficient`, `p_max`, `split`
            8:24 1013 the shares of `split` are together 0 %; they must be from 1 to 100
            8:34 1013 `errors` must be a whole number from 0 to 100
            8:39 1010 unknown key `error` in `split` | did you mean `errors`?
            9:15 1012 `judge` must be a mapping, and is a text
            12:9 1013 `HealthyHostCount` has no statistic `sum`; it has `mean`, `p50`, `p90`, `p95`, `p99`, `max`
            13:67 1013 `operator` cannot be `=>` | known here: `<=`, `<`, `>=`, `>`
            13:82 1013 `missing` cannot be `bad` | known here: `breaching`, `ignore`, `not_breaching`
            13:94 1013 `scope` cannot be `al` | did you mean `all`?
            14:9 1013 `window` is a whole number of seconds from `1s` to `1h`, not `500ms`
            15:9 1013 `External` needs a `source`: `prometheus`, `http` or `command`
            16:9 1013 `ErrorRate` is counted by the balancer and takes no `source`; write `metric: External`
            17:64 1011 `source` needs `prometheus`, `http` or `command`
            18:75 1015 `source` must name exactly one of `prometheus`, `http` and `command`
            19:97 1013 `interval` is from `1s` to `1h`, not `100ms`
            20:88 1013 `url` must begin with `https://` or `http://`
            20:106 1013 `a` is no JSON pointer | write `/a`
            21:64 1011 `source` needs `prometheus`, `http` or `command`
            21:75 1014 `cloudwatch` in `source` is not there yet | ask for it with a `command`
            24:9 1015 `z` is asked for in two different ways | give one of them another `name`
            28:88 1030 Unrecognized named-value: 'env'. Located at position 1 within expression: env.X
        ",
    );
}
