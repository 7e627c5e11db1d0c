//! A directory that stands for a repository: its files become objects as they are, or those of the ref
//! are taken over when it is a repository without files.

use std::{collections::BTreeMap, os::unix::fs::PermissionsExt as _};

use camino::{Utf8Path, Utf8PathBuf};

use super::{ActionError, LocalRepository, Reach, git, remote::Remote};
use crate::{
    Error,
    checkout::blocking,
    git::{Git, Place},
};

/// Commit (empty for files that are in none) and tree of what a directory has.
pub(super) async fn import(
    bare: &Utf8Path,
    local: &LocalRepository,
) -> Result<(String, String), ActionError> {
    let directory = local.directory.as_path();
    if !directory.is_dir() {
        let source = std::io::ErrorKind::NotFound.into();
        return Err(Error::file("find", directory)(source).into());
    }
    if directory.join("HEAD").is_file() && directory.join("objects").is_dir() {
        let remote = Remote {
            bare,
            url: directory.to_string(),
            repository: &local.repository,
            git_ref: &local.git_ref,
            token: None,
        };
        return remote.get(None, Reach::Network).await;
    }
    let tree = files_of(bare, directory).await?;
    Ok((commit_of(directory, &tree).await, tree))
}

/// The tree of the files as they stand, without `.git` and without any filter.
async fn files_of(bare: &Utf8Path, directory: &Utf8Path) -> Result<String, ActionError> {
    let root = directory.to_owned();
    let found = blocking(move || {
        let mut found = Vec::new();
        look(&root, "", &mut found)?;
        Ok(found)
    })
    .await?;
    let plain: Vec<&Found> = found.iter().filter(|one| one.link.is_none()).collect();
    let paths: Vec<String> = plain
        .iter()
        .map(|one| directory.join(&one.path).into_string())
        .collect();
    if let Some(odd) = paths.iter().find(|path| path.contains('\n')) {
        return Err(ActionError::object(odd, "has a line feed in its name"));
    }
    let ids = git(bare, "hash-object")
        .args(["-w", "--no-filters", "--stdin-paths"])
        .input(lines(&paths))
        .text()
        .await?;
    let mut names: BTreeMap<&str, (&str, String)> = plain
        .iter()
        .zip(ids.lines())
        .map(|(one, id)| (one.path.as_str(), (one.mode, id.to_owned())))
        .collect();
    for one in &found {
        if let Some(text) = &one.link {
            let id = git(bare, "hash-object")
                .args(["-w", "--no-filters", "--stdin"])
                .input(text.as_bytes())
                .text()
                .await?;
            names.insert(&one.path, (one.mode, id));
        }
    }
    let mut list = String::new();
    for (path, (mode, id)) in &names {
        list.extend([*mode, " ", id.as_str(), "\t", *path, "\0"]);
    }
    write_tree(bare, list).await
}

async fn write_tree(bare: &Utf8Path, list: String) -> Result<String, ActionError> {
    let scratch = tempfile::tempdir_in(bare).map_err(Error::file("create a directory in", bare))?;
    let index = scratch.path().join("index");
    git(bare, "update-index")
        .env("GIT_INDEX_FILE", &index)
        .args(["-z", "--index-info"])
        .input(list)
        .run()
        .await?;
    let tree = git(bare, "write-tree")
        .env("GIT_INDEX_FILE", &index)
        .text()
        .await?;
    Ok(tree)
}

/// The commit that is checked out in a working tree, when its files are those of the commit.
async fn commit_of(directory: &Utf8Path, tree: &str) -> String {
    let ask = |what: &'static str| {
        Git::new(&Place::Theirs(directory), "rev-parse")
            .args(["--verify", "--quiet", what])
            .answer()
    };
    let answers = tokio::try_join!(ask("HEAD^{tree}"), ask("HEAD"));
    match answers {
        Ok((Some(found), Some(commit))) if found == tree => commit,
        Ok(_) | Err(_) => String::new(),
    }
}

struct Found {
    path: String,
    mode: &'static str,
    /// The text of a link.
    link: Option<String>,
}

fn look(root: &Utf8Path, below: &str, found: &mut Vec<Found>) -> Result<(), Error> {
    let directory = root.join(below);
    let entries = directory
        .read_dir_utf8()
        .map_err(Error::file("read", &directory))?;
    for entry in entries {
        let entry = entry.map_err(Error::file("read", &directory))?;
        let name = entry.file_name();
        if name == ".git" {
            continue;
        }
        let path = if below.is_empty() {
            name.to_owned()
        } else {
            format!("{below}/{name}")
        };
        let full: Utf8PathBuf = root.join(&path);
        let data = full
            .symlink_metadata()
            .map_err(Error::file("look at", &full))?;
        if data.is_dir() {
            look(root, &path, found)?;
        } else if data.is_symlink() {
            let text = full.read_link_utf8().map_err(Error::file("read", &full))?;
            found.push(Found {
                path,
                mode: "120000",
                link: Some(text.into_string()),
            });
        } else if data.is_file() {
            let executable = data.permissions().mode() & 0o100 != 0;
            found.push(Found {
                path,
                mode: if executable { "100755" } else { "100644" },
                link: None,
            });
        }
    }
    Ok(())
}

/// One a line, each line with its end.
fn lines(words: &[String]) -> String {
    words
        .iter()
        .flat_map(|word| [word.as_str(), "\n"])
        .collect()
}
