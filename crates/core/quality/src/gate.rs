//! Evidence against the rules of a gate. Every reason says what was found and what was wanted.

use std::fmt;

use cutover_model::{
    evidence::{Coverage, TestReport},
    gate::{CoverageRule, GateSpec, TestsRule, Verdict},
};

use crate::evidence::{Evidence, Found};

/// How many failed tests a reason names.
const NAMED: usize = 10;

/// Whether the evidence satisfies every rule. What is missing or cannot be read satisfies none, and
/// a gate without rules does not open either.
pub fn evaluate(spec: &GateSpec, evidence: &Evidence) -> Verdict {
    let mut answers = Vec::new();
    if let Some(rule) = &spec.tests {
        answers.extend(tests(rule, &evidence.tests));
    }
    if let Some(rule) = &spec.coverage {
        answers.push(coverage(rule, &evidence.coverage));
    }
    if answers.is_empty() {
        let reason = "the gate has no rule; give it `tests:` or `coverage:`";
        answers.push(Err(reason.to_owned()));
    }
    let (good, bad): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    if bad.is_empty() {
        Verdict::Pass(good.into_iter().filter_map(Result::ok).collect())
    } else {
        Verdict::Fail(bad.into_iter().filter_map(Result::err).collect())
    }
}

/// What holds, or what does not.
type Answer = Result<String, String>;

fn tests(rule: &TestsRule, found: &Found<TestReport>) -> Vec<Answer> {
    let report = match read(found, "test report") {
        Ok(report) => report,
        Err(reason) => return vec![Err(reason)],
    };
    let ran = report.passed.saturating_add(report.failed);
    let Some(rate) = report.pass_rate() else {
        let skipped = report.skipped;
        let least = rule.min_tests.max(1);
        return vec![Err(format!(
            "no test ran ({skipped} skipped), at least {least} wanted"
        ))];
    };
    let mut answers = Vec::new();
    if ran < rule.min_tests {
        answers.push(Err(format!(
            "{ran} tests ran ({} skipped) < {} wanted",
            report.skipped, rule.min_tests
        )));
    }
    let (found, wanted) = (Percent(rate), Percent(rule.pass_rate));
    answers.push(if rate < rule.pass_rate {
        let failed = failed_tests(report);
        Err(format!(
            "{found} of {ran} tests passed < {wanted}; {failed}"
        ))
    } else {
        Ok(format!("{found} of {ran} tests passed ≥ {wanted}"))
    });
    answers
}

fn failed_tests(report: &TestReport) -> String {
    let named: Vec<&str> = report
        .failures
        .iter()
        .take(NAMED)
        .map(String::as_str)
        .collect();
    let more = report
        .failed
        .saturating_sub(u64::try_from(named.len()).unwrap_or(u64::MAX));
    let named = named.join("; ");
    match more {
        0 => format!("failed: {named}"),
        more => format!("failed: {named} and {more} more"),
    }
}

fn coverage(rule: &CoverageRule, found: &Found<Coverage>) -> Answer {
    let report = read(found, "coverage report")?;
    let wanted = Percent(rule.line);
    let Some(rate) = report.line_rate() else {
        return Err(format!(
            "the coverage report has no lines, {wanted} of them wanted"
        ));
    };
    let found = Percent(rate);
    let Coverage { lines, covered } = report;
    if rate < rule.line {
        Err(format!(
            "line coverage {found} < {wanted} ({covered} of {lines} lines)"
        ))
    } else {
        Ok(format!(
            "line coverage {found} ≥ {wanted} ({covered} of {lines} lines)"
        ))
    }
}

fn read<'a, T>(found: &'a Found<T>, what: &str) -> Result<&'a T, String> {
    match found {
        Found::Read(report) => Ok(report),
        Found::Unreadable { file, why } => Err(format!("{what} `{file}` cannot be read: {why}")),
        Found::Missing { looked_for } if looked_for.is_empty() => {
            Err(format!("no {what}: the gate names no file to look for"))
        }
        Found::Missing { looked_for } => Err(format!(
            "no {what}: looked for `{}`",
            looked_for.join("`, `")
        )),
    }
}

/// Hundredths of a percent, printed without needless zeros.
#[derive(Clone, Copy)]
struct Percent(u32);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, hundredths) = (self.0 / 100, self.0 % 100);
        match (hundredths, hundredths % 10) {
            (0, _) => write!(f, "{whole} %"),
            (_, 0) => write!(f, "{whole}.{} %", hundredths / 10),
            _ => write!(f, "{whole}.{hundredths:02} %"),
        }
    }
}
