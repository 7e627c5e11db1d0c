//! Programs that are asked something on the server's own machine: hooks, smoke tests, metrics. They run
//! for as long as somebody waits for the answer; then all that they have started is ended with them.
//!
//! What an answer means is decided by whoever asks. The steps of jobs are not run here.

use std::{fs, process::Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How much of an output is read.
const OUTPUT_LIMIT: u64 = 64 * 1024;
/// The variable by which what a program has started is known, also when it has left for a session of
/// its own.
const MARK: &str = "CUTOVER_COMMAND";
/// How often what a program has started is looked for: whoever is starting something just then is seen
/// the next time.
const LOOKS: u32 = 3;

/// What a program has said.
#[derive(Debug)]
pub(crate) struct Said {
    /// How it ended; `None` when it was killed.
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

/// Runs a program with this environment and no other. Whoever drops it before it is done ends the
/// program, and all that it has started.
pub(crate) async fn run<'a>(
    argv: &[String],
    env: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<Said, String> {
    let Some((program, arguments)) = argv.split_first() else {
        return Err("there is no command".to_owned());
    };
    let mark = format!("{:032x}", rand::random::<u128>());
    let mut command = tokio::process::Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .envs(env)
        .env(MARK, &mark)
        .process_group(0)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .map_err(|error| format!("`{program}` cannot be started: {error}"))?;
    let mut family = Family {
        group: child.id().and_then(pid),
        mark: format!("{MARK}={mark}"),
    };
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let (out, err, status) = tokio::join!(read(out), read(err), child.wait());
    let status = status.map_err(|error| format!("`{program}`: {error}"))?;
    // What it left running on purpose, without its output, is its own business.
    family.group = None;
    family.mark.clear();
    Ok(Said {
        code: status.code(),
        out,
        err,
    })
}

/// A program and all that it has started.
struct Family {
    group: Option<Pid>,
    /// How a variable of all of them begins; empty when nobody is to be ended.
    mark: String,
}

impl Drop for Family {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // One that has ended already is what was wanted.
            kill_process_group(group, Signal::KILL).ok();
        }
        if self.mark.is_empty() {
            return;
        }
        for _ in 0..LOOKS {
            let members = members(&self.mark);
            if members.is_empty() {
                return;
            }
            for member in members {
                kill_process(member, Signal::KILL).ok();
            }
        }
    }
}

/// The processes that have this variable. Those of others cannot be read, and are not ours.
fn members(mark: &str) -> Vec<Pid> {
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let numbers = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    numbers
        .filter(|number: &u32| {
            // A process that has ended and is not yet buried has no environment any more.
            let environ = fs::read(format!("/proc/{number}/environ")).unwrap_or_default();
            environ
                .split(|byte| *byte == 0)
                .any(|entry| entry == mark.as_bytes())
        })
        .filter_map(pid)
        .collect()
}

fn pid(number: u32) -> Option<Pid> {
    i32::try_from(number).ok().and_then(Pid::from_raw)
}

/// The beginning of an output; the rest is read and dropped, so that nobody is stuck writing it.
async fn read(output: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut output) = output else {
        return String::new();
    };
    let mut bytes = Vec::new();
    let mut head = (&mut output).take(OUTPUT_LIMIT);
    if head.read_to_end(&mut bytes).await.is_ok() {
        drop(tokio::io::copy(&mut output, &mut tokio::io::sink()).await);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn sh(script: &str) -> Vec<String> {
        ["/bin/sh", "-c", script].map(str::to_owned).to_vec()
    }

    #[tokio::test]
    async fn a_program_says_how_it_ended_and_what_it_wrote() {
        let env = [("GREETING", "hi")];
        let said = run(&sh("echo $GREETING; echo no >&2; exit 3"), env.into_iter())
            .await
            .unwrap();
        assert_eq!(said.code, Some(3));
        assert_eq!((said.out.as_str(), said.err.as_str()), ("hi\n", "no\n"));
        let missing = run(&["/nowhere/program".to_owned()], env.into_iter()).await;
        assert!(missing.unwrap_err().contains("cannot be started"));
    }

    #[tokio::test]
    async fn what_is_not_waited_for_is_ended_with_all_that_it_started() {
        let folder = tempfile::tempdir().unwrap();
        let told = folder.path().join("pids");
        // A child in its group, and one that has left for a session of its own.
        let script = "sleep 1000 & echo $! >> $TOLD; \
                      setsid sh -c 'echo $$ >> $TOLD; echo done >> $TOLD; exec sleep 1000' & wait";
        let path = told.to_str().unwrap().to_owned();
        let command = sh(script);
        let env = [("TOLD", path.as_str()), ("PATH", "/usr/bin:/bin")];
        let running = run(&command, env.into_iter());
        let all_started = async {
            loop {
                let lines = tokio::fs::read_to_string(&told).await.unwrap_or_default();
                if lines.lines().count() == 3 {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::select! {
            said = running => panic!("{said:?}"),
            () = all_started => {}
        }
        let lines = fs::read_to_string(&told).unwrap();
        // A signal is sent at once; to die of it takes a moment.
        let all_over = async {
            for number in lines.lines().filter_map(|line| line.parse::<u32>().ok()) {
                while !is_over(number) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(10), all_over).await;
        assert!(waited.is_ok(), "some go on: {lines}");
    }

    fn is_over(number: u32) -> bool {
        let stat = fs::read_to_string(format!("/proc/{number}/stat")).unwrap_or_default();
        let state = stat
            .rsplit(") ")
            .next()
            .and_then(|rest| rest.chars().next());
        matches!(state, None | Some('Z' | 'X'))
    }
}
