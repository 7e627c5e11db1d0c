//! How much memory we took at most, without the steps: the run's own process and the supervisor of
//! its job, each by the kernel's high-water mark.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use anyhow::{Context as _, ensure};

use super::work;

/// The sum of both, in MiB, at the end of a job of a hundred steps.
pub(super) fn peak(ours: &Path, place: &Path) -> anyhow::Result<f64> {
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
    let mut most = 0;
    // The mark only grows, so the last look before the end counts; a benchmark may look now and then.
    while run.try_wait()?.is_none() {
        most = most.max(sum(ours, &tree.data));
        thread::sleep(Duration::from_millis(20));
    }
    ensure!(run.wait()?.success(), "the run that was looked at failed");
    #[expect(clippy::cast_precision_loss, reason = "a benchmark rounds anyway")]
    let mebibytes = most as f64 / 1024.0;
    Ok(mebibytes)
}

/// In KiB, over all processes of our program that work in this data directory.
fn sum(ours: &Path, data: &Path) -> u64 {
    let Ok(processes) = fs::read_dir("/proc") else {
        return 0;
    };
    let data = data.to_string_lossy().into_owned();
    processes
        .flatten()
        .map(|entry| entry.path())
        .filter(|process| fs::read_link(process.join("exe")).is_ok_and(|exe| exe == ours))
        .filter(|process| {
            let words = fs::read(process.join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&words).contains(&data)
        })
        .filter_map(|process| {
            let status = fs::read_to_string(process.join("status")).ok()?;
            let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
            line.split_ascii_whitespace().nth(1)?.parse::<u64>().ok()
        })
        .sum()
}
