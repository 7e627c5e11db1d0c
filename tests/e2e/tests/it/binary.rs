//! The binary under test: `CUTOVER_BIN`, else the one that cargo built beside this test.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
    time::SystemTime,
};

/// Where it lies. It is built when it is missing or older than what it is made of: a test of
/// yesterday's binary proves nothing.
pub(crate) fn path() -> PathBuf {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

/// The root of the repository.
pub(crate) fn repository() -> &'static Path {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).expect("tests/e2e")
}

fn find() -> PathBuf {
    if let Some(said) = std::env::var_os("CUTOVER_BIN") {
        return fs::canonicalize(&said).unwrap_or_else(|error| panic!("CUTOVER_BIN: {error}"));
    }
    let own = std::env::current_exe().expect("this test");
    let profile = own.ancestors().nth(2).expect("target/debug/deps");
    let binary = profile.join("cutover");
    if !is_fresh(&binary) {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--quiet", "--package", "cutover", "--locked"]);
        if profile.ends_with("release") {
            cargo.arg("--release");
        }
        let target = profile.parent().expect("target");
        let built = cargo
            .current_dir(repository())
            .env("CARGO_TARGET_DIR", target)
            .status();
        assert!(built.expect("cargo").success(), "cutover does not build");
    }
    binary
}

fn is_fresh(binary: &Path) -> bool {
    let Ok(built) = fs::metadata(binary).and_then(|data| data.modified()) else {
        return false;
    };
    !has_newer(&repository().join("crates"), built)
}

fn has_newer(folder: &Path, than: SystemTime) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.into_iter().any(|entry| {
        let path = entry.path();
        if path.is_dir() {
            return !path.ends_with("tests") && !path.ends_with("dev") && has_newer(&path, than);
        }
        let modified = entry.metadata().and_then(|data| data.modified());
        modified.is_ok_and(|modified| modified > than)
    })
}
