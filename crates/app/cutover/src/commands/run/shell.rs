//! `cutover run --on-failure=shell`: a shell in the place of a step that failed, on the user's own
//! terminal.

use std::io::IsTerminal as _;

use anyhow::bail;
use cutover_server::{FailedStep, Look, Looking, OnFailure};
use tokio::{process::Command, sync::Mutex};

use crate::{config, render};

/// The exit code that asks for the step once more: what `sysexits.h` has for "try again".
const AGAIN: i32 = 75;
/// What a shell needs of our own environment, besides the step's, to use the terminal.
const TERMINAL: [&str; 3] = ["TERM", "COLORTERM", "COLUMNS"];

/// Opens one shell at a time.
pub(super) struct Shells {
    who: String,
    terminal: Mutex<()>,
}

impl Shells {
    /// Refused without a terminal: a shell that reads nothing ends at once, with 0.
    pub(super) fn new() -> anyhow::Result<Self> {
        if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
            bail!("--on-failure=shell needs a terminal");
        }
        Ok(Self {
            who: config::user(),
            terminal: Mutex::default(),
        })
    }

    async fn open(&self, failed: &FailedStep) -> Look {
        let _one_at_a_time = self.terminal.lock().await;
        let visit = &failed.visit;
        let why = failed.reasons.first().map_or("failed", String::as_str);
        render::talk(&format!(
            "\n{} {} / {}: {why}\nA shell in its place. The script is `$CUTOVER_SCRIPT`. Nothing that is shown in here \
             is masked.\n  exit 0   the step counts as done\n  exit {AGAIN}  the step is done once more\n  exit 1   \
             the step has failed",
            render::mark("failed"),
            failed.job,
            failed.step,
        ));
        let terminal = TERMINAL.into_iter();
        let terminal = terminal.filter_map(|name| Some((name, config::environment(name)?)));
        for shell in ["bash", "sh"] {
            let started = Command::new(shell)
                .arg("-i")
                .current_dir(&visit.directory)
                .env_clear()
                .envs(&visit.env)
                .envs(terminal.clone())
                .kill_on_drop(true)
                .status()
                .await;
            match started.map(|status| status.code()) {
                Ok(Some(0)) => return Look::Done,
                Ok(Some(AGAIN)) => return Look::Again,
                Ok(_) => return Look::Stands,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => {
                    render::talk(&format!("the shell did not start: {error}"));
                    return Look::Stands;
                }
            }
        }
        render::talk("there is no shell: neither `bash` nor `sh` is on the PATH");
        Look::Stands
    }
}

impl OnFailure for Shells {
    fn look<'a>(&'a self, failed: &'a FailedStep) -> Looking<'a> {
        Box::pin(self.open(failed))
    }

    fn who(&self) -> &str {
        &self.who
    }
}
