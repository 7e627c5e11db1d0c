//! What we understood from reports.

use serde::{Deserialize, Serialize};

/// The result of test suites.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TestReport {
    /// Tests that ran and passed.
    pub passed: u64,
    /// Tests that ran and failed, or ended in an error.
    pub failed: u64,
    /// Tests that did not run.
    pub skipped: u64,
    /// `suite::test` and the first line of why, for each that failed.
    pub failures: Vec<String>,
}

impl TestReport {
    /// Share of the tests that ran and passed, in hundredths of a percent, rounded down;
    /// `None` when none ran.
    pub fn pass_rate(&self) -> Option<u32> {
        share(self.passed, self.passed + self.failed)
    }
}

/// How much of the sources the tests touched.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Coverage {
    /// Lines that could be covered.
    pub lines: u64,
    /// Lines that were.
    pub covered: u64,
}

impl Coverage {
    /// Share of lines covered, in hundredths of a percent, rounded down; `None` without lines.
    pub fn line_rate(&self) -> Option<u32> {
        share(self.covered, self.lines)
    }
}

fn share(part: u64, whole: u64) -> Option<u32> {
    let hundredths = (u128::from(part) * 10_000).checked_div(u128::from(whole))?;
    u32::try_from(hundredths).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_round_down_and_nothing_is_no_share() {
        let report = TestReport {
            passed: 2,
            failed: 1,
            ..TestReport::default()
        };
        assert_eq!(report.pass_rate(), Some(6_666));
        assert_eq!(TestReport::default().pass_rate(), None);
        assert_eq!(
            Coverage {
                lines: 4,
                covered: 4
            }
            .line_rate(),
            Some(10_000)
        );
    }
}
