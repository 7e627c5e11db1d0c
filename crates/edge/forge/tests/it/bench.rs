//! What every test stands on: a person's repository, a host, and git as that person calls it.

use std::{fs, process::Command};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_forge::{Host, Person, Repository};
use cutover_model::{Timestamp, source::Revision};
use tempfile::TempDir;

pub(crate) struct Bench {
    pub(crate) root: Utf8PathBuf,
    _directory: TempDir,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::try_from(directory.path().canonicalize().unwrap()).unwrap();
        Self {
            root,
            _directory: directory,
        }
    }

    pub(crate) fn path(&self, name: &str) -> Utf8PathBuf {
        self.root.join(name)
    }

    pub(crate) fn host(&self) -> Host {
        fs::create_dir_all(self.path("host")).unwrap();
        Host::new(self.path("host"))
    }

    /// A repository with one commit of these files.
    pub(crate) async fn repository(
        &self,
        name: &str,
        files: &[(&str, &str)],
    ) -> (Repository, Revision) {
        let repository = Repository::init(&self.path(name)).await.unwrap();
        for (path, text) in files {
            write(&self.path(name).join(path), text);
        }
        let revision = commit(&repository, "feat: begin", 1_000).await;
        (repository, revision)
    }

    /// The same, already pushed to `demo/hello` of the host, whose repository comes back.
    pub(crate) async fn hosted(
        &self,
        files: &[(&str, &str)],
    ) -> (Repository, Repository, Revision) {
        let (local, revision) = self.repository("local", files).await;
        let hosted = self.host().create("demo/hello").await.unwrap();
        self.push(&local, "HEAD:refs/heads/main").await;
        (local, hosted, revision)
    }

    pub(crate) async fn push(&self, local: &Repository, refspec: &str) {
        local
            .push(self.path("host/demo/hello.git").as_str(), refspec)
            .await
            .unwrap();
    }
}

pub(crate) fn person() -> Person {
    Person {
        name: "Ada Example".to_owned(),
        email: "ada@example.org".to_owned(),
    }
}

pub(crate) async fn commit(repository: &Repository, message: &str, seconds: i64) -> Revision {
    repository
        .commit_all(message, &person(), Timestamp(seconds * 1_000))
        .await
        .unwrap()
}

pub(crate) fn write(path: &Utf8Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Git as a person in that directory calls it; its output, or its complaint.
pub(crate) fn try_git(directory: &Utf8Path, arguments: &[&str]) -> Result<String, String> {
    let output = Command::new("git")
        .current_dir(directory)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("GIT_TERMINAL_PROMPT", "0")
        .args(["-c", "user.name=Ada", "-c", "user.email=ada@example.org"])
        .args(arguments)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim_end().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(text(&output.stderr))
    }
}

pub(crate) fn git(directory: &Utf8Path, arguments: &[&str]) -> String {
    try_git(directory, arguments).unwrap()
}

/// What lies in a directory: every path with its kind, mode and content.
pub(crate) fn snapshot(root: &Utf8Path) -> Vec<String> {
    use std::os::unix::fs::PermissionsExt as _;
    let mut found = Vec::new();
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in directory.read_dir_utf8().unwrap() {
            let path = entry.unwrap().into_path();
            let data = path.symlink_metadata().unwrap();
            let what = if data.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if data.is_dir() {
                open.push(path.clone());
                "directory".to_owned()
            } else {
                format!(
                    "{:o} {:?}",
                    data.permissions().mode(),
                    fs::read(&path).unwrap()
                )
            };
            found.push(format!("{} {what}", path.strip_prefix(root).unwrap()));
        }
    }
    found.sort();
    found
}
