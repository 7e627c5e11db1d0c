//! JUnit XML, as its many writers write it.
//!
//! A test that failed and passed when it was repeated (`flakyFailure`) has passed; one that failed
//! every time (`rerunFailure`) has failed once. A suite that claims more failures than it shows is
//! believed.

use cutover_model::evidence::TestReport;

use crate::{
    error::ReadError,
    evidence::Found,
    xml::{Document, Element, Piece},
};

/// How many failures a report lists; the others are only counted.
const LISTED: usize = 100;
/// How much of a failure's text is looked at for its first line.
const TEXT: usize = 4_096;
/// How many characters of that line are kept.
const LINE: usize = 200;

/// Reads one file.
pub fn read(bytes: &[u8]) -> Result<TestReport, ReadError> {
    let mut document = Document::new(bytes)?;
    let mut reading = Reading::default();
    while let Some(piece) = document.next_piece()? {
        match piece {
            Piece::Open(element) => reading.open(&document, &element)?,
            Piece::Text(text) => reading.text(&text),
            Piece::Close(name) => reading.close(&name),
        }
    }
    Ok(reading.report)
}

/// Reads all files of a gate. One that cannot be read spoils them all.
pub fn read_all<'a>(
    looked_for: &[String],
    files: impl IntoIterator<Item = (&'a str, &'a [u8])>,
) -> Found<TestReport> {
    Found::read_all(looked_for, files, read, merge)
}

/// Puts the reports of several files together.
pub fn merge(reports: impl IntoIterator<Item = TestReport>) -> TestReport {
    let mut sum = TestReport::default();
    for report in reports {
        sum.passed = sum.passed.saturating_add(report.passed);
        sum.failed = sum.failed.saturating_add(report.failed);
        sum.skipped = sum.skipped.saturating_add(report.skipped);
        let room = LISTED.saturating_sub(sum.failures.len());
        sum.failures.extend(report.failures.into_iter().take(room));
    }
    sum
}

#[derive(Default)]
struct Reading {
    report: TestReport,
    suites: Vec<Suite>,
    case: Option<Case>,
    /// The reason of the failure that is being read.
    why: Option<String>,
}

struct Suite {
    name: String,
    /// How many failures its attributes speak of.
    claimed: u64,
    /// How many were there, its inner suites included.
    seen: u64,
}

#[derive(Default)]
struct Case {
    name: String,
    skipped: bool,
    problem: Option<String>,
    problems: u64,
}

impl Reading {
    fn open(&mut self, document: &Document<'_>, element: &Element) -> Result<(), ReadError> {
        if self.suites.is_empty() && !is_suite(&element.name) {
            return Err(ReadError::Unexpected {
                at: document.position(element.offset),
                wanted: "`<testsuites>` or `<testsuite>` of a JUnit report",
                found: format!("`<{}>`", element.name),
            });
        }
        match element.name.as_str() {
            name if is_suite(name) => {
                let failures = document.count(element, "failures")?;
                let errors = document.count(element, "errors")?;
                self.suites.push(Suite {
                    name: element.attribute("name").unwrap_or_default().to_owned(),
                    claimed: failures.saturating_add(errors),
                    seen: 0,
                });
            }
            "testcase" if self.case.is_some() => {
                return Err(ReadError::Unexpected {
                    at: document.position(element.offset),
                    wanted: "the end of the `<testcase>`",
                    found: "another one in it".to_owned(),
                });
            }
            "testcase" => self.case = Some(self.start(element)),
            "failure" | "error" if self.why.is_none() => {
                // The text goes on from here: a message is a line of its own.
                let message = element.attribute("message").map(str::trim);
                self.why = Some(match message.unwrap_or_default() {
                    "" => String::new(),
                    message => format!("{message}\n"),
                });
            }
            "skipped" | "disabled" => {
                if let Some(case) = &mut self.case {
                    case.skipped = true;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn start(&self, element: &Element) -> Case {
        let suite = self.suites.last().map_or("", |suite| &suite.name);
        let class = element
            .attribute("classname")
            .filter(|name| !name.is_empty());
        let name = element.attribute("name").unwrap_or("(without a name)");
        let group = class.unwrap_or(suite);
        let not_run = |status: &str| matches!(status, "notrun" | "skipped" | "disabled");
        Case {
            name: match group {
                "" => name.to_owned(),
                group => format!("{group}::{name}"),
            },
            skipped: element.attribute("status").is_some_and(not_run),
            ..Case::default()
        }
    }

    fn text(&mut self, text: &str) {
        if let Some(why) = &mut self.why
            && why.len() < TEXT
        {
            why.extend(text.chars().take(TEXT));
        }
    }

    fn close(&mut self, name: &str) {
        match name {
            "failure" | "error" => {
                let why = first_line(&self.why.take().unwrap_or_default());
                if let Some(case) = &mut self.case {
                    case.problems += 1;
                    case.problem.get_or_insert(why);
                } else {
                    let suite = self.suites.last().map_or("", |suite| &suite.name);
                    let name = suite.to_owned();
                    self.fail(&name, &why, 1);
                }
            }
            "testcase" => {
                if let Some(case) = self.case.take() {
                    self.count(&case);
                }
            }
            name if is_suite(name) => self.close_suite(),
            _ => {}
        }
    }

    fn count(&mut self, case: &Case) {
        if let Some(why) = &case.problem {
            self.fail(&case.name, why, case.problems);
        } else if case.skipped {
            self.report.skipped += 1;
        } else {
            self.report.passed += 1;
        }
    }

    fn fail(&mut self, name: &str, why: &str, problems: u64) {
        self.report.failed += 1;
        if let Some(suite) = self.suites.last_mut() {
            suite.seen = suite.seen.saturating_add(problems);
        }
        if self.report.failures.len() < LISTED {
            let colon = if why.is_empty() { "" } else { ": " };
            self.report.failures.push(format!("{name}{colon}{why}"));
        }
    }

    fn close_suite(&mut self) {
        let Some(suite) = self.suites.pop() else {
            return;
        };
        let hidden = suite.claimed.saturating_sub(suite.seen);
        if let Some(outer) = self.suites.last_mut() {
            outer.seen = outer.seen.saturating_add(suite.seen.max(suite.claimed));
        }
        if hidden > 0 {
            self.report.failed = self.report.failed.saturating_add(hidden);
            if self.report.failures.len() < LISTED {
                let Suite {
                    name,
                    claimed,
                    seen,
                } = suite;
                self.report.failures.push(format!(
                    "{name}: the suite counts {claimed} failures and shows {seen}"
                ));
            }
        }
    }
}

fn is_suite(name: &str) -> bool {
    matches!(name, "testsuites" | "testsuite")
}

fn first_line(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty());
    line.unwrap_or_default().chars().take(LINE).collect()
}
