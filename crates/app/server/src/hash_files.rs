//! `hashFiles`: one hash over the files of a workspace that patterns name.

use std::{
    fs::File,
    io::{self, Read as _},
};

use camino::Utf8Path;
use sha2::{Digest as _, Sha256};

use crate::glob;

/// SHA-256 over the SHA-256 of each file, in the order of their paths; empty when there is none. A
/// pattern that begins with `!` takes files away again.
pub(crate) fn hash_files(workspace: &Utf8Path, patterns: &[String]) -> Result<String, String> {
    let (away, wanted): (Vec<&String>, Vec<&String>) = patterns
        .iter()
        .partition(|pattern| pattern.starts_with('!'));
    let plain = |pattern: &&String| {
        pattern
            .trim_start_matches('!')
            .trim_start_matches("./")
            .to_owned()
    };
    let wanted: Vec<String> = wanted.iter().map(plain).collect();
    let away: Vec<String> = away.iter().map(plain).collect();
    let without = glob::find(workspace, &away)?;
    let mut files = glob::find(workspace, &wanted)?;
    files.retain(|file| !without.contains(file));
    if files.is_empty() {
        return Ok(String::new());
    }
    let mut sum = Sha256::new();
    for file in &files {
        let failed = |error: io::Error| format!("`{file}`: {error}");
        let mut one = Sha256::new();
        let mut contents = File::open(file).map_err(failed)?;
        let mut part = vec![0; 1 << 16];
        loop {
            match contents.read(&mut part).map_err(failed)? {
                0 => break,
                count => one.update(&part[..count]),
            }
        }
        sum.update(one.finalize());
    }
    Ok(crate::hex(&sum.finalize()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_give_the_same_hash_and_none_gives_none() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        std::fs::create_dir(root.join("a")).unwrap();
        std::fs::write(root.join("a/Cargo.lock"), "one").unwrap();
        std::fs::write(root.join("Cargo.lock"), "two").unwrap();
        let hash = |patterns: &[&str]| {
            let patterns: Vec<String> = patterns.iter().map(|&text| text.to_owned()).collect();
            hash_files(root, &patterns).unwrap()
        };
        let both = hash(&["**/Cargo.lock"]);
        assert_eq!(both.len(), 64);
        assert_eq!(both, hash(&["Cargo.lock", "a/Cargo.lock"]));
        assert_ne!(both, hash(&["**/Cargo.lock", "!a/**"]));
        assert_eq!(hash(&["./Cargo.lock"]), hash(&["**/Cargo.lock", "!a/**"]));
        assert_eq!(hash(&["nothing"]), "");
        // sha256(sha256("two")), by `printf two | sha256sum | cut -c-64 | xxd -r -p | sha256sum`.
        assert_eq!(
            hash(&["Cargo.lock"]),
            "313db63e0283ab2a9bc72e9a0ac749da1d3acf708fcd1a7848767244dd2f17e8"
        );
    }
}
