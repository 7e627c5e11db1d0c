//! What must hold before going on: rules, verdicts, and the questions that people answer.

use serde::{Deserialize, Serialize};

use crate::{Duration, GateId, Timestamp};

/// A named rule of `gates:` in `cutover.yml`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct GateSpec {
    /// What the tests must show.
    pub tests: Option<TestsRule>,
    /// What the coverage must show.
    pub coverage: Option<CoverageRule>,
}

/// `tests:`. Without a report the gate fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestsRule {
    /// The least share of tests that must pass, in hundredths of a percent (10 000 = all).
    pub pass_rate: u32,
    /// Paths or globs of JUnit files in the workspace.
    pub junit: Vec<String>,
    /// How many tests there must be at least: a suite that ran nothing proves nothing.
    pub min_tests: u64,
}

/// `coverage:`. Without a report the gate fails.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CoverageRule {
    /// The least share of lines that must be covered, in hundredths of a percent.
    pub line: u32,
    /// Paths or globs of lcov or Cobertura files in the workspace.
    pub files: Vec<String>,
}

/// What a gate answers; never a bare yes or no.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "verdict", content = "reasons")]
pub enum Verdict {
    /// Go on; what was seen.
    Pass(Vec<String>),
    /// Do not; each reason with what was found and what was wanted.
    Fail(Vec<String>),
    /// Not yet; on what.
    Wait(Vec<String>),
}

impl Verdict {
    /// The reasons, whatever the answer.
    pub fn reasons(&self) -> &[String] {
        match self {
            Self::Pass(reasons) | Self::Fail(reasons) | Self::Wait(reasons) => reasons,
        }
    }
}

/// `approvals:` of an environment, or what a major release asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRule {
    /// How many different people must say yes.
    pub required: u32,
    /// Who may: user names; empty means any user of this server.
    pub from: Vec<String>,
    /// After how long the question lapses (and counts as refused).
    pub expires: Duration,
}

/// A question that was put to people, and what they said so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approval {
    /// Its id; `cutover approve` takes it.
    pub gate: GateId,
    /// What it is about, bound to what is approved (`production ← hello 1.4.0 sha256:…`).
    pub subject: String,
    /// Who may answer and how many must.
    pub rule: ApprovalRule,
    /// When it was put.
    pub asked_at: Timestamp,
    /// Who said yes, in order.
    pub given: Vec<Answer>,
}

impl Approval {
    /// Whether enough people said yes.
    pub fn is_open(&self) -> bool {
        u32::try_from(self.given.len()).is_ok_and(|count| count >= self.rule.required)
    }

    /// Why this person's answer does not count, if it does not.
    pub fn objection(&self, by: &str) -> Option<String> {
        if !self.rule.from.is_empty() && !self.rule.from.iter().any(|user| user == by) {
            return Some(format!(
                "`{by}` is not among those asked: {}",
                self.rule.from.join(", ")
            ));
        }
        let twice = self.given.iter().any(|answer| answer.by == by);
        twice.then(|| format!("`{by}` has already approved"))
    }
}

/// One person's yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
    /// Why.
    pub comment: Option<String>,
}
