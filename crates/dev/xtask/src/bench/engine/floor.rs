//! The least that a program can do for a workflow: for each step five empty files, the script in a
//! sixth, one bash, and its output read to the end.

use std::{
    fs,
    io::Read as _,
    path::Path,
    process::{Command, ExitCode, Stdio},
    thread,
};

use anyhow::{Context as _, ensure};

const FILES: [&str; 5] = [
    "GITHUB_ENV",
    "GITHUB_OUTPUT",
    "GITHUB_PATH",
    "GITHUB_STATE",
    "GITHUB_STEP_SUMMARY",
];

/// `JOBS STEPS AT_ONCE`: so many jobs of so many steps, so many at once.
pub(in crate::bench) fn run(words: impl Iterator<Item = String>) -> anyhow::Result<ExitCode> {
    let numbers: Vec<usize> = words
        .map(|word| word.parse().context("the floor takes three numbers"))
        .collect::<Result<_, _>>()?;
    let [jobs, steps, at_once] = numbers[..] else {
        anyhow::bail!("the floor takes three numbers");
    };
    let place = tempfile::tempdir()?;
    let done: anyhow::Result<()> = thread::scope(|scope| {
        let workers: Vec<_> = (0..at_once)
            .map(|worker| {
                let place = place.path();
                scope.spawn(move || {
                    (worker..jobs)
                        .step_by(at_once)
                        .try_for_each(|job| run_job(place, job, steps))
                })
            })
            .collect();
        workers.into_iter().try_for_each(|worker| {
            worker
                .join()
                .unwrap_or_else(|_| Err(anyhow::anyhow!("a worker of the floor panicked")))
        })
    });
    done?;
    Ok(ExitCode::SUCCESS)
}

fn run_job(place: &Path, job: usize, steps: usize) -> anyhow::Result<()> {
    let mut output = Vec::new();
    for step in 0..steps {
        let dir = place.join(format!("{job}-{step}"));
        fs::create_dir(&dir)?;
        let mut bash = Command::new("bash");
        for name in FILES {
            let file = dir.join(name);
            fs::File::create(&file)?;
            bash.env(name, file);
        }
        let script = dir.join("script.sh");
        fs::write(&script, format!("echo {step}\n"))?;
        let mut child = bash
            .args(["--noprofile", "--norc", "-eo", "pipefail"])
            .arg(&script)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        if let Some(mut stdout) = child.stdout.take() {
            stdout.read_to_end(&mut output)?;
        }
        ensure!(child.wait()?.success(), "a step of the floor failed");
        fs::remove_dir_all(&dir)?;
    }
    Ok(())
}
