//! Bare repositories under one root, by name.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use camino::{Utf8Path, Utf8PathBuf};

use crate::{
    Error, Repository,
    git::{Git, Place},
    name,
};

/// More is not taken of one push.
const LARGEST_PUSH: u64 = 4 << 30;

/// The bare repositories of one server. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Host {
    root: Utf8PathBuf,
    pub(crate) largest_push: u64,
    /// One lock for each repository that was pushed to.
    locks: Arc<Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>>,
}

impl Host {
    /// The repositories under `root`, an absolute path; it is made when the first one is.
    pub fn new(root: impl Into<Utf8PathBuf>) -> Self {
        Self {
            root: root.into(),
            largest_push: LARGEST_PUSH,
            locks: Arc::default(),
        }
    }

    /// The same, taking pushes of so many bytes at most.
    #[must_use]
    pub fn with_largest_push(mut self, bytes: u64) -> Self {
        self.largest_push = bytes;
        self
    }

    /// Makes a repository, or finishes one that was half made; changes nothing about one that is
    /// there.
    pub async fn create(&self, name: &str) -> Result<Repository, Error> {
        let directory = name::directory(&self.root, name)?;
        if self.exists(name)? {
            return Ok(Repository::bare(directory));
        }
        std::fs::create_dir_all(&directory).map_err(Error::file("create", &directory))?;
        Git::new(&Place::Nowhere, "init")
            .args([
                "--bare",
                "--quiet",
                "--template=",
                "--initial-branch=main",
                "--",
            ])
            .arg(&directory)
            .run()
            .await?;
        Ok(Repository::bare(directory))
    }

    /// Whether there is a repository of that name.
    pub fn exists(&self, name: &str) -> Result<bool, Error> {
        let directory = name::directory(&self.root, name)?;
        Ok(is_repository(&directory))
    }

    /// The repository of that name.
    pub fn repository(&self, name: &str) -> Result<Repository, Error> {
        let directory = name::directory(&self.root, name)?;
        if is_repository(&directory) {
            Ok(Repository::bare(directory))
        } else {
            Err(Error::NoRepository(name.to_owned()))
        }
    }

    /// All names, in order.
    pub fn list(&self) -> Result<Vec<String>, Error> {
        let mut names = Vec::new();
        for entry in folders(&self.root)? {
            if let Some(name) = name::repository(&entry) {
                names.push(name.to_owned());
                continue;
            }
            for inner in folders(&self.root.join(&entry))? {
                names.extend(name::repository(&inner).map(|name| format!("{entry}/{name}")));
            }
        }
        names.retain(|name| self.exists(name).unwrap_or(false));
        names.sort();
        Ok(names)
    }

    pub(crate) fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// Who holds this lock is alone in changing the refs of a repository.
    pub(crate) fn lock(&self, name: &str) -> Arc<tokio::sync::Mutex<()>> {
        let mut locks = self.locks.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(name.to_owned()).or_default())
    }
}

/// `git init` writes `HEAD` when the rest is there.
fn is_repository(directory: &Utf8Path) -> bool {
    directory.join("HEAD").is_file() && directory.join("objects").is_dir()
}

/// The directories in a directory; none when it is not there.
fn folders(path: &Utf8Path) -> Result<Vec<String>, Error> {
    let entries = match path.read_dir_utf8() {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Error::file("list", path)(error)),
    };
    let entries = entries.filter_map(Result::ok);
    let folders = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(folders.map(|entry| entry.file_name().to_owned()).collect())
}
