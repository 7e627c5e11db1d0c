//! Which files a compiler of workflows needs, how many it takes, and directories that must be empty.

use std::{fs, io};

use camino::Utf8Path;

use crate::{Error, Files};

/// More files than this are refused.
pub(crate) const MOST_FILES: usize = 2_000;
/// A larger definition is refused; anything else that is larger is left out.
pub(crate) const LARGEST_FILE: u64 = 1 << 20;

/// Whether a path is one that compiling needs.
pub(crate) fn is_wanted(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    path.starts_with(".github/")
        || matches!(file, "action.yml" | "action.yaml")
        || matches!(path, "cutover.yml" | "cutover.yaml")
}

/// Whether a wanted file of that size is taken; a definition that is too large is an error, because
/// to leave it out would be to ignore it.
pub(crate) fn is_taken(path: &str, size: u64) -> Result<bool, Error> {
    let definition = [".yml", ".yaml"]
        .iter()
        .any(|ending| path.ends_with(ending));
    match size > LARGEST_FILE {
        true if definition => Err(Error::FileTooLarge {
            path: path.to_owned(),
            size,
            limit: LARGEST_FILE,
        }),
        large => Ok(!large),
    }
}

/// Refuses the first file too many.
pub(crate) fn add(files: &mut Files, path: String, bytes: Vec<u8>) -> Result<(), Error> {
    if files.len() >= MOST_FILES && !files.contains_key(&path) {
        return Err(Error::TooManyFiles { limit: MOST_FILES });
    }
    files.insert(path, bytes);
    Ok(())
}

/// Makes a directory, or empties it, whatever a crash has left there.
pub(crate) fn make_empty(path: &Utf8Path) -> Result<(), Error> {
    fs::create_dir_all(path).map_err(Error::file("create", path))?;
    let remove = || -> io::Result<()> {
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            // A link to a directory is removed as a link.
            if entry.file_type()?.is_dir() {
                fs::remove_dir_all(entry.path())?;
            } else {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    };
    remove().map_err(Error::file("empty", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_compiling_needs_is_wanted() {
        for path in [
            ".github/workflows/ci.yml",
            ".github/actions/x/script.sh",
            "action.yml",
            "deep/er/action.yaml",
            "cutover.yml",
            "cutover.yaml",
        ] {
            assert!(is_wanted(path), "{path}");
        }
        for path in [
            "src/main.rs",
            "x/.github/workflows/ci.yml",
            "x/cutover.yml",
            "action.yml.bak",
        ] {
            assert!(!is_wanted(path), "{path}");
        }
    }

    #[test]
    fn a_large_picture_is_left_out_and_a_large_definition_refused() {
        assert!(!is_taken(".github/logo.png", LARGEST_FILE + 1).unwrap());
        assert!(is_taken(".github/workflows/ci.yml", LARGEST_FILE).unwrap());
        assert!(is_taken(".github/workflows/ci.yml", LARGEST_FILE + 1).is_err());
    }
}
