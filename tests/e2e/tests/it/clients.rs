//! GitHub's own npm clients, for steps that use them as actions do.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::binary;

/// The folder whose `node_modules` has them, or why there is none. The tests of the results service fill the
/// same one: it is locked meanwhile, and good for as long as the lock file is the same.
pub(crate) fn installed() -> Result<PathBuf, String> {
    let source = binary::repository().join("crates/edge/results/tests/clients");
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("results-clients");
    fs::create_dir_all(&folder).unwrap();
    let lock = fs::File::create(folder.join(".lock")).unwrap();
    lock.lock().unwrap();
    let wanted = fs::read_to_string(source.join("package-lock.json")).unwrap();
    let mark = folder.join(".installed");
    if fs::read_to_string(&mark).is_ok_and(|there| there == wanted) {
        return Ok(folder);
    }
    for file in ["package.json", "package-lock.json"] {
        fs::copy(source.join(file), folder.join(file)).unwrap();
    }
    let npm = Command::new("npm")
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .current_dir(&folder)
        .output()
        .map_err(|error| format!("`npm` could not be started: {error}"))?;
    if !npm.status.success() {
        let text = String::from_utf8_lossy(&npm.stderr);
        return Err(format!("`npm ci` failed: {}", text.trim()));
    }
    fs::write(mark, wanted).unwrap();
    Ok(folder)
}
