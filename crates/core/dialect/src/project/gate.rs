//! One entry of `gates:`.

use cutover_model::gate::{CoverageRule, GateSpec, TestsRule};

use super::value;
use crate::{
    diagnostic::{Code, Sink},
    shape::{self, Fields, Schema},
    yaml::{Entry, Node},
};

const GATE: Schema = Schema {
    what: "a gate",
    keys: &["tests", "coverage"],
    required: &[],
    later: &[(
        "findings",
        "remove it, and let a `run` step fail on findings",
    )],
};
const TESTS: Schema = Schema {
    what: "`tests`",
    keys: &["pass_rate", "junit", "min_tests"],
    required: &[],
    later: &[],
};
const COVERAGE: Schema = Schema {
    what: "`coverage`",
    keys: &["line", "files"],
    required: &["line"],
    later: &[("diff", "remove it, and ask for `line`")],
};
const USUAL_JUNIT: [&str; 2] = ["**/junit*.xml", "**/TEST-*.xml"];
const USUAL_COVERAGE: [&str; 3] = ["**/lcov.info", "**/coverage.xml", "**/cobertura.xml"];
/// All of them, in hundredths of a percent.
const ALL: u32 = 10_000;

pub(super) fn gate(entry: &Entry, sink: &mut Sink) -> Option<GateSpec> {
    let fields = Fields::open(&entry.value, &GATE, sink)?;
    if entry.value.is_empty() {
        let message = format!("gate `{}` asks for nothing", entry.key);
        let hint = "add `tests` or `coverage`".to_owned();
        sink.error_hint(Code::MissingKey, entry.at, message, hint);
    }
    Some(GateSpec {
        // `tests:` alone asks for the usual, so that a null is not nothing here.
        tests: fields.present("tests").and_then(|node| tests(node, sink)),
        coverage: fields
            .present("coverage")
            .and_then(|node| coverage(node, sink)),
    })
}

fn tests(node: &Node, sink: &mut Sink) -> Option<TestsRule> {
    let fields = if node.is_null() {
        None
    } else {
        Some(Fields::open(node, &TESTS, sink)?)
    };
    let get = |key| fields.as_ref().and_then(|fields| fields.get(key));
    Some(TestsRule {
        pass_rate: get("pass_rate")
            .and_then(|node| shape::percent(node, "`pass_rate`", sink))
            .unwrap_or(ALL),
        junit: files(get("junit"), "`junit`", &USUAL_JUNIT, sink),
        min_tests: get("min_tests")
            .and_then(|node| shape::whole(node, "`min_tests`", 0..=u32::MAX, sink))
            .map_or(1, u64::from),
    })
}

fn coverage(node: &Node, sink: &mut Sink) -> Option<CoverageRule> {
    let fields = Fields::open(node, &COVERAGE, sink)?;
    let files = files(fields.get("files"), "`files`", &USUAL_COVERAGE, sink);
    let line = shape::percent(fields.present("line")?, "`line`", sink)?;
    Some(CoverageRule { line, files })
}

fn files(node: Option<&Node>, what: &str, usual: &[&str], sink: &mut Sink) -> Vec<String> {
    let Some(node) = node else {
        return usual.iter().map(|&glob| glob.to_owned()).collect();
    };
    if node.is_empty() {
        sink.error(
            Code::BadValue,
            node.at,
            format!("{what} needs at least one path"),
        );
    }
    value::texts(node, what, sink)
}
