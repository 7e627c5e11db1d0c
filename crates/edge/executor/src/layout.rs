//! Where everything of a job lies on disk.

use std::{fmt, fmt::Write as _};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_model::{
    RunId,
    run::{Attempt, JobKey, StepPath},
};

/// One try of one step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StepKey {
    /// The run.
    pub run: RunId,
    /// The leg of the job.
    pub job: JobKey,
    /// The step in it.
    pub step: StepPath,
    /// Which try.
    pub attempt: Attempt,
}

impl StepKey {
    /// Its name inside its job: the last number is the attempt.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.step, self.attempt)
    }
}

impl fmt::Display for StepKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}.{}",
            self.run, self.job, self.step, self.attempt
        )
    }
}

/// The directories of a job that steps see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPlace {
    /// All of the job: also its logs and its records.
    pub dir: Utf8PathBuf,
    /// What it works in.
    pub workspace: Utf8PathBuf,
    /// What it may litter.
    pub temp: Utf8PathBuf,
    /// The files of actions that are not in the workspace.
    pub actions: Utf8PathBuf,
}

impl JobPlace {
    /// The directory with the files by which a step hands values on.
    pub fn exchange(&self, key: &StepKey) -> Utf8PathBuf {
        exchange(&self.temp, &key.name())
    }
}

fn exchange(temp: &Utf8Path, step: &str) -> Utf8PathBuf {
    temp.join(format!("_{step}"))
}

/// The directory of a job.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    pub(crate) dir: Utf8PathBuf,
}

impl Layout {
    pub(crate) fn new(root: &Utf8Path, run: &RunId, job: &JobKey) -> Self {
        Self {
            dir: root.join(run.as_str()).join(safe(&job.0)),
        }
    }

    pub(crate) fn place(&self) -> JobPlace {
        JobPlace {
            dir: self.dir.clone(),
            workspace: self.workspace(),
            temp: self.temp(),
            actions: self.actions(),
        }
    }

    pub(crate) fn workspace(&self) -> Utf8PathBuf {
        self.dir.join("workspace")
    }

    pub(crate) fn temp(&self) -> Utf8PathBuf {
        self.dir.join("temp")
    }

    pub(crate) fn actions(&self) -> Utf8PathBuf {
        self.dir.join("actions")
    }

    /// What only we may read: values with secrets in them.
    pub(crate) fn private(&self) -> Utf8PathBuf {
        self.dir.join("private")
    }

    pub(crate) fn records(&self) -> Utf8PathBuf {
        self.dir.join("records")
    }

    pub(crate) fn logs(&self) -> Utf8PathBuf {
        self.dir.join("logs")
    }

    pub(crate) fn log(&self, step: &str) -> Utf8PathBuf {
        self.logs().join(format!("{step}.log"))
    }

    /// That it was started.
    pub(crate) fn started(&self, step: &str) -> Utf8PathBuf {
        self.records().join(format!("{step}.start.json"))
    }

    /// How it ended.
    pub(crate) fn ended(&self, step: &str) -> Utf8PathBuf {
        self.records().join(format!("{step}.exit.json"))
    }

    /// What it handed on and must not be seen.
    pub(crate) fn withheld(&self, step: &str) -> Utf8PathBuf {
        self.private().join(format!("{step}.json"))
    }

    /// Secrets that steps have added.
    pub(crate) fn masks(&self) -> Utf8PathBuf {
        self.private().join("masks.json")
    }

    /// Problem matchers that steps have added or removed.
    pub(crate) fn matchers(&self) -> Utf8PathBuf {
        self.private().join("matchers.json")
    }

    /// Secrets that built-in steps have added.
    pub(crate) fn builtin_masks(&self) -> Utf8PathBuf {
        self.private().join("builtin-masks.json")
    }

    /// What its steps say to have made.
    pub(crate) fn subjects(&self) -> Utf8PathBuf {
        self.private().join("subjects.json")
    }

    /// Copies of the workspace before its steps.
    pub(crate) fn borders(&self) -> Utf8PathBuf {
        self.dir.join("borders")
    }

    /// What it leaves to the next job of its run.
    pub(crate) fn left(&self) -> Utf8PathBuf {
        self.dir.join("left")
    }

    /// For which try of the run all this was made.
    pub(crate) fn prepared(&self) -> Utf8PathBuf {
        self.dir.join("attempt.json")
    }

    pub(crate) fn supervisor(&self) -> Utf8PathBuf {
        self.dir.join("supervisor.json")
    }

    /// The files by which a step hands values on.
    pub(crate) fn exchange(&self, step: &str) -> Utf8PathBuf {
        exchange(&self.temp(), step)
    }
}

/// `test#1` is `test.1`; what else is not a letter, a digit, `-` or `_` is written as its number, so
/// that two keys never meet and none leaves the directory.
fn safe(key: &str) -> String {
    let mut name = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(char::from(byte)),
            b'#' => name.push('.'),
            _ => {
                // Writing to a string does not fail.
                write!(name, "%{byte:02x}").ok();
            }
        }
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_safe_names() {
        assert_eq!(safe("test#1"), "test.1");
        assert_eq!(safe("../x"), "%2e%2e%2fx");
        assert_ne!(safe("a.1"), safe("a#1"));
    }
}
