//! The files of a tree: those that compiling needs, in memory, or all of them, on disk.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::{self, fs::OpenOptionsExt as _},
};

use camino::{Utf8Path, Utf8PathBuf};

use super::{
    ActionError, Definitions,
    objects::{Entry, Kind, Objects},
};
use crate::{Error, checkout::blocking, files};

/// More than any action has.
const MOST_FILES: usize = 100_000;
const MOST_BYTES: usize = 2 << 30;
const DEEPEST: usize = 64;

/// The definitions in a tree: every `action.yml`, and workflows that others may call.
pub(super) async fn definitions(bare: &Utf8Path, tree: &str) -> Result<Definitions, ActionError> {
    let mut objects = Objects::open(bare)?;
    let mut found = Definitions::new();
    let mut walk = Walk::begin(tree);
    while let Some((path, entry)) = walk.next(&mut objects).await? {
        let is_file = matches!(entry.kind, Kind::File | Kind::Executable);
        if !is_file || !is_definition(&path) {
            continue;
        }
        let bytes = objects.blob(&entry.id).await?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if files::is_taken(&path, size)? {
            files::add(&mut found, path, bytes)?;
        }
    }
    Ok(found)
}

fn is_definition(path: &str) -> bool {
    let file = path.rsplit('/').next().unwrap_or(path);
    let is_workflow = path.starts_with(".github/workflows/")
        && [".yml", ".yaml"].iter().any(|end| path.ends_with(end));
    is_workflow || matches!(file, "action.yml" | "action.yaml")
}

/// Writes all files of a tree into a directory. They are written beside it first: it is there as a
/// whole, or not at all.
pub(super) async fn place(bare: &Utf8Path, tree: &str, into: &Utf8Path) -> Result<(), ActionError> {
    if into.exists() {
        return Ok(());
    }
    let parent = into.parent().unwrap_or(Utf8Path::new("/")).to_owned();
    let beside = blocking(move || {
        fs::create_dir_all(&parent).map_err(Error::file("create", &parent))?;
        tempfile::Builder::new()
            .prefix(".new-")
            .tempdir_in(&parent)
            .map_err(Error::file("create a directory in", parent))
    })
    .await?;
    let root = Utf8PathBuf::try_from(beside.path().join("files"))
        .map_err(|path| ActionError::object(path, "is not UTF-8"))?;
    write_all(bare, tree, &root).await?;
    match fs::rename(&root, into) {
        Ok(()) => Ok(()),
        // Somebody else was quicker, and has written the same.
        Err(_) if into.exists() => Ok(()),
        Err(error) => Err(Error::file("move", root)(error).into()),
    }
}

async fn write_all(bare: &Utf8Path, tree: &str, root: &Utf8Path) -> Result<(), ActionError> {
    let mut objects = Objects::open(bare)?;
    let mut walk = Walk::begin(tree);
    let mut sum = 0;
    make_directory(root)?;
    while let Some((path, entry)) = walk.next(&mut objects).await? {
        let target = root.join(&path);
        match entry.kind {
            Kind::Directory | Kind::Submodule => make_directory(&target)?,
            Kind::File | Kind::Executable => {
                let bytes = objects.blob(&entry.id).await?;
                sum += bytes.len();
                if sum > MOST_BYTES {
                    return Err(ActionError::object(tree, "has more than 2 GiB"));
                }
                write(&target, &bytes, entry.kind)?;
            }
            Kind::Link => {
                let bytes = objects.blob(&entry.id).await?;
                let text = stays_inside(&path, &bytes).ok_or_else(|| {
                    ActionError::object(&path, "is a link that leads out of the action")
                })?;
                unix::fs::symlink(text, &target).map_err(Error::file("link", target))?;
            }
        }
    }
    Ok(())
}

fn make_directory(path: &Utf8Path) -> Result<(), ActionError> {
    Ok(fs::create_dir(path).map_err(Error::file("create", path))?)
}

fn write(path: &Utf8Path, bytes: &[u8], kind: Kind) -> Result<(), ActionError> {
    let mode = if kind == Kind::Executable {
        0o755
    } else {
        0o644
    };
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path);
    let written = file.and_then(|mut file| file.write_all(bytes));
    Ok(written.map_err(Error::file("write", path))?)
}

/// The text of a link that leads to somewhere below the same root. Up is only allowed before down:
/// then no other link on the way can make more of it than is seen here.
fn stays_inside<'t>(path: &str, text: &'t [u8]) -> Option<&'t str> {
    let text = std::str::from_utf8(text).ok()?;
    if text.is_empty() || text.starts_with('/') || text.contains('\0') {
        return None;
    }
    let depth = path.split('/').count() - 1;
    let parts: Vec<&str> = text
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    let up = parts.iter().take_while(|part| **part == "..").count();
    let goes_back = parts.iter().skip(up).any(|part| *part == "..");
    (up <= depth && !goes_back).then_some(text)
}

/// A walk through a tree: directories come before what is in them.
struct Walk {
    /// What is still to be looked at, the next one last.
    open: Vec<(String, Entry)>,
    /// The tree itself, until it is read.
    root: Option<String>,
    count: usize,
}

impl Walk {
    fn begin(tree: &str) -> Self {
        Self {
            open: Vec::new(),
            root: Some(tree.to_owned()),
            count: 0,
        }
    }

    async fn next(
        &mut self,
        objects: &mut Objects,
    ) -> Result<Option<(String, Entry)>, ActionError> {
        if let Some(root) = self.root.take() {
            let entries = objects.tree(&root).await?;
            self.push("", entries)?;
        }
        let Some((path, entry)) = self.open.pop() else {
            return Ok(None);
        };
        if entry.kind == Kind::Directory {
            if path.split('/').count() > DEEPEST {
                return Err(ActionError::object(path, "is nested too deep"));
            }
            let entries = objects.tree(&entry.id).await?;
            self.push(&format!("{path}/"), entries)?;
        }
        Ok(Some((path, entry)))
    }

    fn push(&mut self, above: &str, entries: Vec<Entry>) -> Result<(), ActionError> {
        self.count += entries.len();
        if self.count > MOST_FILES {
            let fault = format!("has more than {MOST_FILES} files");
            return Err(ActionError::object("the action", fault));
        }
        let entries = entries.into_iter().rev();
        self.open
            .extend(entries.map(|entry| (format!("{above}{}", entry.name), entry)));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_inside() {
        let inside = |path: &str, text: &str| stays_inside(path, text.as_bytes()).is_some();
        for (path, text) in [
            ("a", "b"),
            ("a", "./b/c"),
            ("d/a", "../b"),
            ("d/e/a", "../../b/c"),
            ("d/a", ".."),
        ] {
            assert!(inside(path, text), "{path} -> {text}");
        }
        for (path, text) in [
            ("a", "/etc/passwd"),
            ("a", "../b"),
            ("d/a", "../../b"),
            // `d/up` may be a link to the root: from there two steps up lead out.
            ("a", "d/up/../../b"),
            ("a", ""),
        ] {
            assert!(!inside(path, text), "{path} -> {text}");
        }
    }
}
