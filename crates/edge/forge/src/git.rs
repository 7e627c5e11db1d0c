//! One call of git: its arguments, its environment, its answer. No meaning.

use std::{
    ffi::OsStr,
    io,
    process::{Output, Stdio},
};

use camino::Utf8Path;
use cutover_model::source::Revision;
use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
    task::spawn_blocking,
};

use crate::Error;

/// What a person may have set for other purposes, and what would make git look elsewhere.
const FOREIGN: [&str; 30] = [
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_ASKPASS",
    "GIT_AUTHOR_DATE",
    "GIT_AUTHOR_EMAIL",
    "GIT_AUTHOR_NAME",
    "GIT_COMMITTER_DATE",
    "GIT_COMMITTER_EMAIL",
    "GIT_COMMITTER_NAME",
    "GIT_COMMON_DIR",
    "GIT_CONFIG",
    "GIT_CONFIG_COUNT",
    "GIT_CONFIG_PARAMETERS",
    "GIT_DEFAULT_HASH",
    "GIT_DIR",
    "GIT_EXTERNAL_DIFF",
    "GIT_GLOB_PATHSPECS",
    "GIT_GRAFT_FILE",
    "GIT_ICASE_PATHSPECS",
    "GIT_INDEX_FILE",
    "GIT_LITERAL_PATHSPECS",
    "GIT_NAMESPACE",
    "GIT_NOGLOB_PATHSPECS",
    "GIT_OBJECT_DIRECTORY",
    "GIT_PREFIX",
    "GIT_PROTOCOL",
    "GIT_QUARANTINE_PATH",
    "GIT_REPLACE_REF_BASE",
    "GIT_SHALLOW_FILE",
    "GIT_TEMPLATE_DIR",
    "GIT_WORK_TREE",
];

/// Nobody's hooks and watchers run, and nothing is tidied up behind our back.
const SETTINGS: [&str; 8] = [
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.quotePath=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "receive.autogc=false",
    "protocol.version=2",
    "commit.gpgSign=false",
];

/// Of what git says about a failure, so many lines are kept,
const LINES: usize = 6;
/// and of each so many characters.
const COLUMNS: usize = 300;

/// Where git works.
pub(crate) enum Place<'a> {
    /// A repository of ours: the configuration of this machine does not matter.
    Ours {
        /// Its directory.
        git_dir: &'a Utf8Path,
        /// Its files, when it has some.
        work_tree: Option<&'a Utf8Path>,
    },
    /// A person's working tree, found from a directory in it: their configuration counts (what is
    /// ignored, which directories are safe), and nothing may be written.
    Theirs(&'a Utf8Path),
    /// Nowhere yet.
    Nowhere,
}

/// A call in the making.
pub(crate) struct Git {
    command: Command,
    verb: &'static str,
    input: Option<Vec<u8>>,
}

impl Git {
    pub(crate) fn new(place: &Place<'_>, verb: &'static str) -> Self {
        let mut command = Command::new("git");
        for name in FOREIGN {
            command.env_remove(name);
        }
        command
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_OPTIONAL_LOCKS", "0");
        command
            .env("GIT_NO_REPLACE_OBJECTS", "1")
            .env("LC_ALL", "C");
        for setting in SETTINGS {
            command.args(["-c", setting]);
        }
        match place {
            Place::Ours { git_dir, work_tree } => {
                command.arg(format!("--git-dir={git_dir}"));
                if let Some(tree) = work_tree {
                    command.arg(format!("--work-tree={tree}")).current_dir(tree);
                }
            }
            Place::Theirs(directory) => {
                command.current_dir(directory);
            }
            Place::Nowhere => {}
        }
        if !matches!(place, Place::Theirs(_)) {
            command
                .env("GIT_CONFIG_NOSYSTEM", "1")
                .env("GIT_CONFIG_GLOBAL", "/dev/null");
        }
        command.arg(verb).stdin(Stdio::null()).kill_on_drop(true);
        Self {
            command,
            verb,
            input: None,
        }
    }

    pub(crate) fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.command.arg(argument);
        self
    }

    pub(crate) fn args(mut self, arguments: impl IntoIterator<Item: AsRef<OsStr>>) -> Self {
        self.command.args(arguments);
        self
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(name, value);
        self
    }

    /// What git reads from its standard input.
    pub(crate) fn input(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.input = Some(bytes.into());
        self
    }

    pub(crate) fn stdin(mut self, stdin: impl Into<Stdio>) -> Self {
        self.command.stdin(stdin);
        self
    }

    /// Runs it to its end, whatever that is.
    pub(crate) async fn finish(mut self) -> Result<Output, Error> {
        if self.input.is_some() {
            self.command.stdin(Stdio::piped());
        }
        let (verb, input) = (self.verb, self.input.take());
        // Whoever starts a process stands still until it has its program.
        let started = spawn_blocking(move || self.spawn()).await;
        let mut child = started.map_err(|error| Error::Start(io::Error::other(error)))??;
        let stdin = child.stdin.take();
        let feed = async {
            if let (Some(mut stdin), Some(input)) = (stdin, input) {
                // Whoever stops reading early says why on standard error.
                stdin.write_all(&input).await.ok();
            }
        };
        let ((), output) = tokio::join!(feed, child.wait_with_output());
        output.map_err(|source| Error::Pipe { verb, source })
    }

    /// Runs it; gives what it printed.
    pub(crate) async fn bytes(self) -> Result<Vec<u8>, Error> {
        let verb = self.verb;
        let output = self.finish().await?;
        if output.status.success() {
            Ok(output.stdout)
        } else {
            Err(failed(verb, &output.stderr))
        }
    }

    /// Runs it; gives what it printed, without white space around it.
    pub(crate) async fn text(self) -> Result<String, Error> {
        let bytes = self.bytes().await?;
        Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
    }

    /// Runs it for its effect.
    pub(crate) async fn run(self) -> Result<(), Error> {
        self.bytes().await.map(drop)
    }

    /// Runs it; gives what it printed, or `None` when it said no.
    pub(crate) async fn answer(self) -> Result<Option<String>, Error> {
        let output = self.finish().await?;
        let text = || String::from_utf8_lossy(&output.stdout).trim().to_owned();
        Ok(output.status.success().then(text))
    }

    /// Starts it and leaves it to the caller.
    pub(crate) fn spawn(mut self) -> Result<Child, Error> {
        self.command.stdout(Stdio::piped()).stderr(Stdio::piped());
        self.command.spawn().map_err(Error::Start)
    }
}

/// The error of a call that ended badly.
pub(crate) fn failed(verb: &'static str, stderr: &[u8]) -> Error {
    let text = String::from_utf8_lossy(stderr);
    let lines = text
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .take(LINES);
    let lines: Vec<String> = lines
        .map(|line| line.chars().take(COLUMNS).collect())
        .collect();
    let stderr = if lines.is_empty() {
        "it did not say why".to_owned()
    } else {
        lines.join("; ")
    };
    Error::Git { verb, stderr }
}

/// The error of an answer that has another form than it should.
pub(crate) fn strange(verb: &'static str, answer: &[u8]) -> Error {
    let answer = String::from_utf8_lossy(answer)
        .chars()
        .take(COLUMNS)
        .collect();
    Error::Answer { verb, answer }
}

/// The digits of a revision, which cannot be taken for an option or a range.
pub(crate) fn hex(revision: &Revision) -> Result<&str, Error> {
    let text = revision.0.as_str();
    let digits = text
        .bytes()
        .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if digits && matches!(text.len(), 40 | 64) {
        Ok(text)
    } else {
        Err(Error::Revision(text.chars().take(COLUMNS).collect()))
    }
}

/// A revision that git printed.
pub(crate) fn revision(verb: &'static str, text: &str) -> Result<Revision, Error> {
    let revision = Revision(text.to_owned());
    match hex(&revision) {
        Ok(_) => Ok(revision),
        Err(_) => Err(strange(verb, text.as_bytes())),
    }
}
