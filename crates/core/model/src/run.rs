//! A run and its parts: their states and how they end.

mod step_path;

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Serialize};

pub use self::step_path::{ParseStepPathError, Phase, StepPath};
use crate::{GateId, Position, Timestamp};

/// How something ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It did what it should.
    Succeeded,
    /// Their script said no.
    Failed,
    /// We, or the machine, could not.
    Faulted,
    /// A person or a rule ended it.
    Cancelled,
    /// It took longer than it may.
    TimedOut,
    /// A condition or an earlier failure said that it need not run.
    Skipped,
    /// A newer one took its place.
    Superseded,
    /// A deployment only: traffic is back on the release before it.
    RolledBack,
}

impl Outcome {
    /// The word in the log, in the API and on the page.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Faulted => "faulted",
            Self::Cancelled => "cancelled",
            Self::TimedOut => "timed_out",
            Self::Skipped => "skipped",
            Self::Superseded => "superseded",
            Self::RolledBack => "rolled_back",
        }
    }

    /// The word that GitHub's `outcome` and `conclusion` have for it, of a step or of a whole run.
    pub const fn github_word(self) -> &'static str {
        match self {
            Self::Succeeded => "success",
            Self::Cancelled | Self::Superseded => "cancelled",
            Self::Skipped => "skipped",
            Self::Failed | Self::Faulted | Self::TimedOut | Self::RolledBack => "failure",
        }
    }

    /// The word that GitHub's `result` has for a job that ended so: what has had its time is cancelled
    /// there, while a step that has had it has failed.
    pub const fn github_result(self) -> &'static str {
        match self {
            Self::TimedOut => "cancelled",
            Self::Succeeded
            | Self::Cancelled
            | Self::Superseded
            | Self::Skipped
            | Self::Failed
            | Self::Faulted
            | Self::RolledBack => self.github_word(),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The state of a run, a job or a step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state")]
pub enum State {
    /// Nothing has happened yet.
    Pending,
    /// It could go on but for this.
    Waiting {
        /// On what.
        on: WaitingOn,
        /// Since when.
        since: Timestamp,
    },
    /// It is being done.
    Running {
        /// Since when.
        since: Timestamp,
    },
    /// It has ended.
    Finished {
        /// How.
        outcome: Outcome,
        /// When.
        at: Timestamp,
    },
}

impl State {
    /// How it ended, when it has.
    pub const fn outcome(&self) -> Option<Outcome> {
        match self {
            Self::Finished { outcome, .. } => Some(*outcome),
            Self::Pending | Self::Waiting { .. } | Self::Running { .. } => None,
        }
    }

    /// Whether it has ended.
    pub const fn is_finished(&self) -> bool {
        self.outcome().is_some()
    }
}

/// On what something waits. Every wait says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum WaitingOn {
    /// A free runner with these labels.
    Runner {
        /// The labels asked for.
        labels: Vec<String>,
    },
    /// Other jobs.
    Needs {
        /// Their names.
        jobs: Vec<String>,
    },
    /// Other legs of the same matrix (`max-parallel`).
    MaxParallel,
    /// A person.
    Approval {
        /// Which question.
        gate: GateId,
        /// What it is about, for people.
        subject: String,
    },
    /// The deployment before this one in the same environment.
    Lock {
        /// The environment.
        environment: String,
        /// Who holds it.
        holder: String,
    },
    /// The end of a freeze.
    Freeze {
        /// The environment.
        environment: String,
        /// Why, for people.
        reason: String,
        /// Until when, when that is known.
        until: Option<Timestamp>,
    },
    /// One of the steps in the background: as many as may go at once do.
    Background,
    /// Who holds a concurrency group.
    Group {
        /// The group's name.
        group: String,
        /// Who holds it, for people, when that is known.
        holder: Option<String>,
    },
}

impl fmt::Display for WaitingOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Runner { labels } => write!(f, "a runner ({})", labels.join(", ")),
            Self::Needs { jobs } => write!(f, "{}", jobs.join(", ")),
            Self::MaxParallel => f.write_str("other legs of the matrix"),
            Self::Approval { gate, subject } => write!(f, "an approval of {subject} ({gate})"),
            Self::Lock {
                environment,
                holder,
            } => write!(f, "{environment}, held by {holder}"),
            Self::Freeze {
                environment,
                reason,
                until,
            } => {
                write!(f, "{environment}, frozen: {reason}")?;
                match until {
                    Some(until) => write!(f, " (until {until})"),
                    None => Ok(()),
                }
            }
            Self::Background => f.write_str("other steps in the background"),
            Self::Group {
                group,
                holder: Some(holder),
            } => write!(f, "concurrency group {group}, held by {holder}"),
            Self::Group {
                group,
                holder: None,
            } => write!(f, "concurrency group {group}"),
        }
    }
}

/// The n-th try, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Attempt(pub u32);

impl Attempt {
    /// The first try.
    pub const FIRST: Self = Self(1);

    /// The try after this one.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One leg of a job inside a run: the job's id, and for a matrix the number of the combination:
/// `test`, `test#0`, `test#1`; `build#1.test#0` is a leg of a job that the leg `build#1` calls. Ids that
/// people write have neither `#` nor `.` in them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct JobKey(pub String);

impl JobKey {
    /// The only leg of a job without a matrix.
    pub fn single(job: &str) -> Self {
        Self(job.to_owned())
    }

    /// One leg of a matrix.
    pub fn leg(job: &str, index: usize) -> Self {
        Self(format!("{job}#{index}"))
    }

    /// The job's id in its run: as the workflow writes it, behind the leg that calls it, if any.
    pub fn job(&self) -> &str {
        match self.0.rsplit_once('#') {
            Some((job, index)) if !index.contains('.') => job,
            Some(_) | None => &self.0,
        }
    }

    /// The id in this run of a job that this leg calls.
    pub fn called(&self, job: &str) -> String {
        format!("{self}.{job}")
    }

    /// All that this leg calls, as that which asks for the concurrency group of the called file.
    #[must_use]
    pub fn frame(&self) -> Self {
        Self(self.called(""))
    }

    /// The leg that calls, when all that it calls is meant.
    pub fn framed(&self) -> Option<Self> {
        let caller = self.0.strip_suffix('.');
        caller.map(|caller| Self(caller.to_owned()))
    }

    /// The leg that calls this one, if any.
    pub fn caller(&self) -> Option<Self> {
        let (caller, _) = split_job_id(&self.0);
        caller.map(|caller| Self(caller.to_owned()))
    }
}

/// The leg that calls a job, and the job's id as its file writes it.
pub fn split_job_id(job: &str) -> (Option<&str>, &str) {
    match job.rsplit_once('.') {
        Some((caller, own)) => (Some(caller), own),
        None => (None, job),
    }
}

impl fmt::Display for JobKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a runner is, as far as conditions may ask: the `runner` context.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Runner {
    /// Its name.
    pub name: String,
    /// `Linux`, `macOS` or `Windows`.
    pub os: String,
    /// `X64` or `ARM64`.
    pub arch: String,
    /// Where the job is on it; logs of earlier versions do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<RunnerPlace>,
    /// The same by the names of the job's container, when it may have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<RunnerPlace>,
}

/// Where a job is on its runner: what conditions and outputs may ask for when no step runs.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RunnerPlace {
    /// The address of whoever runs it, without a slash at the end.
    pub server: String,
    /// The directory for files that may go when the job has ended.
    pub temp: String,
    /// The directory for tools that stay.
    pub tool_cache: String,
    /// The directory it works in.
    pub workspace: String,
    /// The directory for the actions that are not in its workspace.
    pub actions: String,
}

/// A value that a step handed on. What contains a secret is withheld from the event log: the
/// executor keeps it beside the job, and whoever resolves the next step asks for it there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HandedOn {
    /// The value.
    Plain(String),
    /// It exists, and contains a secret.
    Withheld,
}

/// What is left of a step when its process has ended.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StepReport {
    /// The exit code; absent when a signal or we ended it, or there was no process.
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// `GITHUB_OUTPUT`.
    pub outputs: BTreeMap<String, HandedOn>,
    /// `GITHUB_ENV`: for the steps after it.
    pub env: BTreeMap<String, HandedOn>,
    /// `GITHUB_PATH`: in the order added.
    pub path: Vec<String>,
    /// `GITHUB_STATE`.
    pub state: BTreeMap<String, HandedOn>,
    /// `GITHUB_STEP_SUMMARY`, in Markdown; masked.
    pub summary: Option<String>,
    /// `::error::`, `::warning::`, `::notice::`.
    pub annotations: Vec<Annotation>,
    /// Why, in one or more lines, when it did not succeed: for people.
    pub reasons: Vec<String>,
    /// Bytes of log that it wrote.
    pub log_bytes: u64,
    /// `GITHUB_ARTIFACTS`: what it says to have made, and no step of the job said before it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<Subject>,
}

/// Something that a step says to have made, by what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The name of the file, or the reference of the image without its digest.
    pub name: String,
    /// `sha256:…`, in lower case; of an image also `sha384:…` or `sha512:…`.
    pub digest: String,
    /// What it is.
    pub kind: SubjectKind,
}

/// What it is that was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubjectKind {
    /// A file of the job.
    File,
    /// An image, or whatever else a registry has.
    Oci,
}

impl SubjectKind {
    /// The word in the list that steps read, in the API and on the page.
    pub const fn word(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Oci => "oci",
        }
    }
}

/// How loud an annotation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Worth knowing.
    Notice,
    /// May be wrong.
    Warning,
    /// Is wrong.
    Error,
}

/// One remark of a step, with the place it is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Annotation {
    /// How loud.
    pub level: Level,
    /// The remark; masked.
    pub message: String,
    /// Its title.
    pub title: Option<String>,
    /// The file it is about.
    pub file: Option<String>,
    /// The place in the file.
    pub at: Option<Position>,
    /// The last line that it is about, when that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_line: Option<u32>,
    /// The last column of the one line that it is about, when that is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_column: Option<u32>,
}

impl Annotation {
    /// A remark about no place.
    pub const fn new(level: Level, message: String) -> Self {
        Self {
            level,
            message,
            title: None,
            file: None,
            at: None,
            end_line: None,
            end_column: None,
        }
    }

    /// The file with the place in it, as compilers write it: `src/a.rs:3:7`, `src/a.rs:3:7-9`, `src/a.rs:3-5`.
    pub fn place(&self) -> Option<String> {
        let file = self.file.as_ref()?;
        let Some(at) = self.at else {
            return Some(file.clone());
        };
        let several = self.end_line.filter(|end| *end != at.line);
        Some(match (several, self.end_column) {
            (Some(end), _) => format!("{file}:{}-{end}", at.line),
            (None, Some(end)) => format!("{file}:{}:{}-{end}", at.line, at.column),
            (None, None) => format!("{file}:{}:{}", at.line, at.column),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remark_names_its_place_as_compilers_do() {
        let mut remark = Annotation::new(Level::Error, "no".to_owned());
        remark.at = Some(Position::new(3, 7));
        assert_eq!(remark.place(), None);
        remark.file = Some("a.rs".to_owned());
        assert_eq!(remark.place().as_deref(), Some("a.rs:3:7"));
        remark.end_column = Some(9);
        assert_eq!(remark.place().as_deref(), Some("a.rs:3:7-9"));
        remark.end_line = Some(3);
        assert_eq!(remark.place().as_deref(), Some("a.rs:3:7-9"));
        (remark.end_line, remark.end_column) = (Some(5), None);
        assert_eq!(remark.place().as_deref(), Some("a.rs:3-5"));
        remark.at = None;
        assert_eq!(remark.place().as_deref(), Some("a.rs"));
    }

    #[test]
    fn a_leg_knows_its_job() {
        assert_eq!(JobKey::leg("test", 2).job(), "test");
        assert_eq!(JobKey::single("test").job(), "test");
        let inner = JobKey::leg(&JobKey::leg("build", 1).called("test"), 0);
        assert_eq!(inner.0, "build#1.test#0");
        assert_eq!(inner.job(), "build#1.test");
        assert_eq!(inner.caller(), Some(JobKey::leg("build", 1)));
        assert_eq!(JobKey::single(inner.job()).job(), "build#1.test");
        assert_eq!(split_job_id(inner.job()), (Some("build#1"), "test"));
        assert_eq!(JobKey::leg("test", 2).caller(), None);
        let frame = JobKey::leg("build", 1).frame();
        assert_eq!(frame.framed(), Some(JobKey::leg("build", 1)));
        assert_eq!(inner.framed(), None);
    }

    #[test]
    fn a_report_of_before_there_were_subjects_is_read_and_written_as_it_was() {
        let mut report = StepReport::default();
        let before = serde_json::to_value(&report).unwrap();
        assert!(before.get("subjects").is_none());
        assert_eq!(
            serde_json::from_value::<StepReport>(before).unwrap(),
            report
        );
        report.subjects.push(Subject {
            name: "app.tar".to_owned(),
            digest: "sha256:ab".to_owned(),
            kind: SubjectKind::File,
        });
        let now = serde_json::to_value(&report).unwrap();
        assert_eq!(
            now["subjects"],
            serde_json::json!([{ "name": "app.tar", "digest": "sha256:ab", "kind": "file" }])
        );
        assert_eq!(serde_json::from_value::<StepReport>(now).unwrap(), report);
    }
}
