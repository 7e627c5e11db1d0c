//! The files that the rules look at: which there are, what they say.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::Context as _;

/// A file with its path from the root.
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

impl File {
    /// Whether it is part of a program that people run.
    pub(crate) fn is_shipped(&self) -> bool {
        let mut parts = self.path.split('/');
        let is_test = parts.any(|part| part == "tests" || part == "examples" || part == "tests.rs");
        !is_test && !self.path.starts_with("crates/dev/")
    }

    /// Its text without the unit tests at its end and without comments.
    pub(crate) fn code(&self) -> String {
        let text = self
            .text
            .split("#[cfg(test)]\nmod tests {")
            .next()
            .unwrap_or_default();
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

/// All files below these folders that end so, in order.
pub(crate) fn files(root: &Path, folders: &[&str], end: &str) -> anyhow::Result<Vec<File>> {
    let mut paths = Vec::new();
    for folder in folders {
        let path = root.join(folder);
        if path.is_dir() {
            walk(&path, &mut paths)?;
        } else if path.is_file() {
            paths.push(path);
        }
    }
    paths.retain(|path| path.to_string_lossy().ends_with(end));
    paths.sort();
    paths.into_iter().map(|path| read(root, &path)).collect()
}

fn read(root: &Path, path: &Path) -> anyhow::Result<File> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let path = path.strip_prefix(root).unwrap_or(path);
    Ok(File {
        path: path.to_string_lossy().into_owned(),
        text,
    })
}

fn walk(folder: &Path, paths: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| folder.display().to_string())? {
        let entry = entry?;
        let name = entry.file_name();
        let is_hidden = name.to_string_lossy().starts_with('.');
        if entry.file_type()?.is_dir() {
            if !is_hidden && name != "target" {
                walk(&entry.path(), paths)?;
            }
        } else {
            paths.push(entry.path());
        }
    }
    Ok(())
}
