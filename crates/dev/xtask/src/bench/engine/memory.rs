//! How much memory we took at most, without the steps: the run's own process and the supervisor of its job.
//! They are one program twice, so each page that they share is counted once (the kernel's proportional
//! set size).

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, ensure};

use super::work;

/// In MiB, at most, in a job of a hundred steps.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Peak {
    /// Shared pages once.
    pub(super) proportional: f64,
    /// Shared pages for each process.
    pub(super) resident: f64,
}

/// Looks at both while such a job goes on.
pub(super) fn peak(ours: &Path, place: &Path) -> anyhow::Result<Peak> {
    let tree = work::lingering(place)?;
    let mut run = Command::new(ours)
        .args(["run", "--data-dir"])
        .arg(&tree.data)
        .current_dir(&tree.root)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("could not run cutover")?;
    let (mut proportional, mut resident) = (0, 0);
    // A benchmark may look now and then.
    while run.try_wait()?.is_none() {
        let found = family(ours, run.id());
        proportional = proportional.max(sum(&found, "smaps_rollup", "Pss:"));
        resident = resident.max(sum(&found, "status", "VmHWM:"));
        thread::sleep(Duration::from_millis(20));
    }
    ensure!(run.wait()?.success(), "the run that was looked at failed");
    Ok(Peak {
        proportional: mebibytes(proportional),
        resident: mebibytes(resident),
    })
}

#[expect(clippy::cast_precision_loss, reason = "a benchmark rounds anyway")]
fn mebibytes(kibibytes: u64) -> f64 {
    kibibytes as f64 / 1024.0
}

/// The run, and those of our program that it has started.
fn family(ours: &Path, run: u32) -> Vec<PathBuf> {
    let Ok(processes) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    let is_child = |process: &Path| field(process, "status", "PPid:") == Some(u64::from(run));
    let is_run = |process: &Path| process.ends_with(run.to_string());
    processes
        .flatten()
        .map(|entry| entry.path())
        .filter(|process| fs::read_link(process.join("exe")).is_ok_and(|exe| exe == ours))
        .filter(|process| is_run(process) || is_child(process))
        .collect()
}

/// Over all of them, in KiB.
fn sum(processes: &[PathBuf], file: &str, name: &str) -> u64 {
    processes
        .iter()
        .filter_map(|process| field(process, file, name))
        .sum()
}

fn field(process: &Path, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(process.join(file)).ok()?;
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}
