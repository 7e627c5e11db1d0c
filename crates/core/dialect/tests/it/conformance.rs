//! Foreign truth, when it is there: known answers of the hosted service's own reader and of the linter
//! that most people use, read from beside the project and never copied into it.

mod lint;
mod reader;

use std::{
    env, fs,
    path::{Path, PathBuf},
};

/// The files of a folder of the collection, sorted; none, said loudly, when the folder is not there.
#[expect(
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "where the collection lies is told by the environment; that it is not there, by the test"
)]
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let root = env::var("CUTOVER_CONFORMANCE").map_or_else(
        |_| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../../shared/conformance"),
        PathBuf::from,
    );
    let folder = root.join(folder);
    let Ok(files) = fs::read_dir(&folder) else {
        eprintln!(
            "SKIPPED: conformance, because there is no {}",
            folder.display()
        );
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = files.flatten().map(|file| file.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|own| own == extension));
    paths.sort();
    paths
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// Why a case is knowingly answered otherwise.
fn excuse(cases: &'static [(&'static str, &'static str)], name: &str) -> Option<&'static str> {
    cases
        .iter()
        .find(|(case, _)| *case == name)
        .map(|(_, why)| *why)
}
