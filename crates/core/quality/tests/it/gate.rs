//! Verdicts and their reasons.

use cutover_model::{
    evidence::{Coverage, TestReport},
    gate::{CoverageRule, GateSpec, TestsRule, Verdict},
};
use cutover_quality::{Evidence, Found, gate::evaluate};

fn spec() -> GateSpec {
    let files = vec!["report/*.xml".to_owned()];
    GateSpec {
        tests: Some(TestsRule {
            pass_rate: 10_000,
            junit: files.clone(),
            min_tests: 1,
        }),
        coverage: Some(CoverageRule { line: 8_000, files }),
    }
}

fn report(passed: u64, failed: u64) -> TestReport {
    let failures = (0..failed.min(100))
        .map(|n| format!("t::{n}: no"))
        .collect();
    TestReport {
        passed,
        failed,
        skipped: 1,
        failures,
    }
}

fn evidence(tests: TestReport, lines: u64, covered: u64) -> Evidence {
    Evidence {
        tests: Found::Read(tests),
        coverage: Found::Read(Coverage { lines, covered }),
    }
}

fn fails(spec: &GateSpec, evidence: &Evidence, reasons: &[&str]) {
    let reasons = reasons.iter().map(|&reason| reason.to_owned()).collect();
    assert_eq!(evaluate(spec, evidence), Verdict::Fail(reasons));
}

#[test]
fn a_gate_that_holds_says_why() {
    let Verdict::Pass(reasons) = evaluate(&spec(), &evidence(report(40, 0), 10_000, 8_000)) else {
        panic!("must pass");
    };
    assert_eq!(
        reasons,
        [
            "100 % of 40 tests passed ≥ 100 %",
            "line coverage 80 % ≥ 80 % (8000 of 10000 lines)",
        ]
    );
}

#[test]
fn each_rule_that_does_not_hold_is_a_reason() {
    fails(
        &spec(),
        &evidence(report(39, 1), 10_000, 7_812),
        &[
            "97.5 % of 40 tests passed < 100 %; failed: t::0: no",
            "line coverage 78.12 % < 80 % (7812 of 10000 lines)",
        ],
    );
    let reasons = evaluate(&spec(), &evidence(report(0, 12), 1, 1));
    assert!(
        reasons
            .reasons()
            .iter()
            .any(|reason| reason.ends_with("t::9: no and 2 more"))
    );
}

#[test]
fn nearly_is_not_enough() {
    // 79.9999 % is rounded down, never up.
    fails(
        &spec(),
        &evidence(report(1, 0), 1_000_000, 799_999),
        &["line coverage 79.99 % < 80 % (799999 of 1000000 lines)"],
    );
}

#[test]
fn nothing_is_no_evidence() {
    fails(
        &spec(),
        &evidence(report(0, 0), 0, 0),
        &[
            "no test ran (1 skipped), at least 1 wanted",
            "the coverage report has no lines, 80 % of them wanted",
        ],
    );
    let lenient = GateSpec {
        tests: Some(TestsRule {
            pass_rate: 0,
            junit: vec![],
            min_tests: 0,
        }),
        coverage: None,
    };
    fails(
        &lenient,
        &evidence(report(0, 0), 0, 0),
        &["no test ran (1 skipped), at least 1 wanted"],
    );
    fails(
        &GateSpec::default(),
        &evidence(report(1, 0), 1, 1),
        &["the gate has no rule; give it `tests:` or `coverage:`"],
    );
}

#[test]
fn fewer_tests_than_wanted() {
    let spec = GateSpec {
        tests: Some(TestsRule {
            pass_rate: 10_000,
            junit: vec![],
            min_tests: 20,
        }),
        coverage: None,
    };
    fails(
        &spec,
        &evidence(report(12, 0), 0, 0),
        &["12 tests ran (1 skipped) < 20 wanted"],
    );
}

#[test]
fn missing_and_unreadable_reports_fail() {
    let evidence = Evidence {
        tests: Found::Missing {
            looked_for: vec!["a.xml".to_owned(), "b/*.xml".to_owned()],
        },
        coverage: Found::Unreadable {
            file: "lcov.info".to_owned(),
            why: "3:1: cut off".to_owned(),
        },
    };
    fails(
        &spec(),
        &evidence,
        &[
            "no test report: looked for `a.xml`, `b/*.xml`",
            "coverage report `lcov.info` cannot be read: 3:1: cut off",
        ],
    );
}
