//! JUnit files as different tools write them.

use cutover_model::evidence::TestReport;
use cutover_quality::{Found, junit};

fn counts(text: &str) -> (u64, u64, u64, Vec<String>) {
    let report = junit::read(text.as_bytes()).unwrap();
    (
        report.passed,
        report.failed,
        report.skipped,
        report.failures,
    )
}

fn error(text: &str) -> String {
    junit::read(text.as_bytes()).unwrap_err().to_string()
}

#[test]
fn a_report_of_nextest() {
    let text = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="nextest-run" tests="4" failures="1" errors="0" uuid="x" time="0.1">
  <testsuite name="model" tests="4" disabled="0" errors="0" failures="1">
    <testcase name="id::parses" classname="model" time="0.01"/>
    <testcase name="flaky" classname="model">
      <flakyFailure message="first try" type="test failure">x</flakyFailure>
    </testcase>
    <testcase name="run::starts" classname="model">
      <failure type="test failure">
thread 'run::starts' panicked at a.rs:1:
left &lt; right</failure>
      <rerunFailure type="test failure">again</rerunFailure>
      <system-out><![CDATA[<failure> in the output]]></system-out>
    </testcase>
    <testcase name="later" classname="model"><skipped/></testcase>
  </testsuite>
</testsuites>"#;
    let why = "model::run::starts: thread 'run::starts' panicked at a.rs:1:";
    assert_eq!(counts(text), (2, 1, 1, vec![why.to_owned()]));
}

#[test]
fn a_report_of_pytest_with_an_error_after_a_failure() {
    let text = r#"<testsuites><testsuite name="pytest" errors="1" failures="1" skipped="1" tests="3">
<testcase classname="t" name="a"><failure message="assert 1 == 2">trace</failure>
<error message="teardown"/></testcase>
<testcase classname="t" name="b"><skipped type="pytest.skip" message="no net"/></testcase>
<testcase classname="t" name="c"/>
</testsuite></testsuites>"#;
    assert_eq!(
        counts(text),
        (1, 1, 1, vec!["t::a: assert 1 == 2".to_owned()])
    );
}

#[test]
fn nested_suites_and_problems_of_a_suite_itself() {
    let text = r#"<testsuite name="outer" failures="2" errors="1">
<testsuite name="inner" failures="1"><testcase name="x"><failure>&lt;no&gt; &#x62;</failure></testcase></testsuite>
<testsuite name="empty"/>
<error message="cannot load"/>
<testcase name="gtest" status="notrun"/>
</testsuite>"#;
    let failures = [
        "inner::x: <no> b",
        "outer: cannot load",
        "outer: the suite counts 3 failures and shows 2",
    ];
    assert_eq!(
        counts(text),
        (0, 3, 1, failures.map(str::to_owned).to_vec())
    );
}

#[test]
fn an_empty_report_is_read_and_holds_nothing() {
    assert_eq!(counts("<testsuites/>"), (0, 0, 0, vec![]));
    assert_eq!(counts("\u{feff}<testsuite></testsuite>"), (0, 0, 0, vec![]));
}

#[test]
fn errors_have_a_place() {
    let cases = [
        ("", "1:1: not well-formed XML: the file has no element"),
        (
            "<testsuite>\n<testcase name='a'/>",
            "2:21: the report is cut off: `<testsuite>` is not closed",
        ),
        (
            "<coverage/>",
            "1:1: expected `<testsuites>` or `<testsuite>` of a JUnit report, found `<coverage>`",
        ),
        (
            "<testsuite failures='many'/>",
            "1:1: `failures` must be a whole number, found `many`",
        ),
        (
            "<testsuite/>\n<testsuite/>",
            "2:1: not well-formed XML: a second root element",
        ),
        (
            "<testsuite/> x",
            "1:13: not well-formed XML: text outside of the root element",
        ),
        (
            "<testsuite><testcase><testcase/></testcase></testsuite>",
            "1:22: expected the end of the `<testcase>`, found another one in it",
        ),
    ];
    for (text, wanted) in cases {
        assert_eq!(error(text), wanted, "{text}");
    }
    assert!(error("<testsuite>\n  </testcase>").starts_with("2:3: not well-formed XML: "));
    assert!(error("<testsuite name=x/>").starts_with("1:1: not well-formed XML: "));
    assert_eq!(
        junit::read(b"<testsuite \xff/>").unwrap_err().to_string(),
        "not UTF-8 at byte 11"
    );
}

#[test]
fn no_entity_is_ever_expanded() {
    let text = r#"<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b SYSTEM "file:///etc/passwd">]>
<testsuite><testcase name="t"><failure>&b;</failure></testcase></testsuite>"#;
    assert_eq!(error(text), "2:40: not well-formed XML: `&b;` is not known");
    let attribute = text.replace("name=\"t\"", "name=\"&a;\"");
    assert!(error(&attribute).starts_with("2:12: not well-formed XML: "));
}

#[test]
fn what_is_kept_of_failures_is_bounded() {
    let case = format!(
        "<testcase name='n'><failure>{}</failure></testcase>",
        "é".repeat(100_000)
    );
    let report =
        junit::read(format!("<testsuite>{}</testsuite>", case.repeat(150)).as_bytes()).unwrap();
    assert_eq!((report.failed, report.failures.len()), (150, 100));
    assert!(
        report
            .failures
            .iter()
            .all(|failure| failure.chars().count() <= 210)
    );
    let sum = junit::merge([report.clone(), report]);
    assert_eq!((sum.failed, sum.failures.len()), (300, 100));
}

#[test]
fn several_files_are_one_report_and_one_bad_one_spoils_it() {
    let (good, bad): (&[u8], &[u8]) = (b"<testsuite><testcase/></testsuite>", b"<testsuite>");
    let looked_for = ["*.xml".to_owned()];
    let missing = Found::Missing {
        looked_for: looked_for.to_vec(),
    };
    assert_eq!(junit::read_all(&looked_for, []), missing);
    let two = TestReport {
        passed: 2,
        ..TestReport::default()
    };
    assert_eq!(
        junit::read_all(&looked_for, [("a.xml", good), ("b.xml", good)]),
        Found::Read(two)
    );
    assert_eq!(
        junit::read_all(&looked_for, [("a.xml", good), ("b.xml", bad)]),
        Found::Unreadable {
            file: "b.xml".to_owned(),
            why: "1:12: the report is cut off: `<testsuite>` is not closed".to_owned(),
        }
    );
}
