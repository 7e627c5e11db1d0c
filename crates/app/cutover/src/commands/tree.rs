//! The files of a working tree that compiling needs, and the workflows that are meant.

use anyhow::bail;
use camino::{Utf8Path, Utf8PathBuf};
use cutover_dialect::{self as dialect, SourceTree};
use cutover_forge::{Told, WorkingTree};
use cutover_model::source::Revision;

/// Whether any workflow may ask which paths have changed: to find out takes git a while.
fn filters_paths(files: &SourceTree) -> bool {
    dialect::workflows(files).iter().any(|path| {
        files
            .get(path)
            .is_some_and(|bytes| bytes.windows(5).any(|word| word == b"paths"))
    })
}

/// A working tree, read.
pub(crate) struct Tree {
    pub(crate) root: Utf8PathBuf,
    pub(crate) files: SourceTree,
    /// `OWNER/NAME` of where it comes from, when that has such a name.
    pub(crate) origin: Option<String>,
    /// The commit that is checked out; absent before the first.
    pub(crate) head: Option<Revision>,
    /// The branch that is checked out; absent when it is a bare commit.
    pub(crate) branch: Option<String>,
    /// The branch that everything ends in.
    pub(crate) default_branch: String,
    /// Where that is.
    pub(crate) default_tip: Option<Revision>,
    /// What is told of the commit that is checked out.
    pub(crate) told: Option<Told>,
    /// What a push of it would be said to change: what its last commit and its owner have, when some
    /// workflow asks for that.
    pub(crate) changed_paths: Option<Vec<String>>,
}

impl Tree {
    /// The working tree of a directory, not read, when it is plain to see without asking git.
    pub(crate) fn plain(directory: &Utf8Path) -> Option<WorkingTree> {
        WorkingTree::plain(&crate::config::absolute(directory).ok()?)
    }

    pub(crate) async fn open(directory: &Utf8Path) -> anyhow::Result<Self> {
        let root = crate::config::absolute(directory)?;
        if !root.is_dir() {
            bail!("there is no directory `{root}`; -C names that of a repository");
        }
        Self::read(WorkingTree::open(&root).await?).await
    }

    /// Reads one that was found.
    pub(crate) async fn read(git: WorkingTree) -> anyhow::Result<Self> {
        // Each may be a process of its own.
        let (tree, branch, told) = tokio::try_join!(git.tree(), git.branch(), git.told())?;
        let mut files = SourceTree::default();
        for (path, bytes) in tree {
            files.insert(path, bytes);
        }
        // Against what the first commit would be held, nobody knows.
        let parent = told.as_ref().and_then(|told| told.parents.first());
        let changed_paths = match parent {
            Some(parent) if filters_paths(&files) => Some(git.changed_since(parent).await?),
            Some(_) | None => None,
        };
        let default_branch = git.default_branch().unwrap_or_else(|| "main".to_owned());
        Ok(Self {
            default_tip: git.tip(&default_branch),
            default_branch,
            root: git.root().to_owned(),
            origin: git.origin(),
            files,
            head: told.as_ref().map(|told| told.id.clone()),
            branch,
            told,
            changed_paths,
        })
    }

    /// The text of a file, for showing a line of it.
    pub(crate) fn text(&self, path: &str) -> Option<String> {
        self.files
            .get(path)
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned())
    }

    /// A workflow by its path, its file's name, or its file's name without the ending.
    pub(crate) fn workflow(&self, wanted: &str) -> anyhow::Result<String> {
        let all = dialect::workflows(&self.files);
        let wanted_path = wanted.trim_start_matches("./");
        let found = all.iter().find(|path| {
            let name = path.rsplit('/').next().unwrap_or(path);
            let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
            [path.as_str(), name, stem].contains(&wanted_path)
        });
        match found {
            Some(path) => Ok(path.clone()),
            None if self.is_elsewhere(wanted_path) => bail!(
                "`{wanted}` is no workflow: those are the files in `.github/workflows` of `{}`",
                self.root
            ),
            None if all.is_empty() => bail!(
                "there is no workflow in `{}/.github/workflows`; `cutover run` works on files there",
                self.root
            ),
            None => bail!(
                "there is no workflow `{wanted}`; {}",
                there_is(&all, wanted_path)
            ),
        }
    }

    /// Whether there is such a file, but not where workflows are.
    fn is_elsewhere(&self, wanted: &str) -> bool {
        let ending = Utf8Path::new(wanted).extension();
        matches!(ending, Some("yml" | "yaml")) && self.root.join(wanted).is_file()
    }
}

/// The workflow that is nearly called so, else all.
fn there_is(all: &[String], wanted: &str) -> String {
    let name = |path: &str| path.rsplit('/').next().unwrap_or_default().to_owned();
    let names: Vec<String> = all.iter().map(|path| name(path)).collect();
    let wanted = name(wanted);
    dialect::nearest(&wanted, names.iter().map(String::as_str)).map_or_else(
        || format!("there is `{}`", all.join("`, `")),
        |near| format!("did you mean `{near}`?"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workflow_that_is_not_there_is_told_with_what_is() {
        let place = tempfile::tempdir().unwrap();
        let mut tree = Tree {
            root: Utf8PathBuf::from_path_buf(place.path().to_owned()).unwrap(),
            files: SourceTree::default(),
            origin: None,
            head: None,
            branch: None,
            default_branch: "main".to_owned(),
            default_tip: None,
            told: None,
            changed_paths: None,
        };
        for name in ["ci.yml", "deploy.yaml"] {
            tree.files
                .insert(format!(".github/workflows/{name}"), b"on: push".to_vec());
        }
        std::fs::write(tree.root.join("other.yml"), "on: push").unwrap();
        assert_eq!(tree.workflow("ci").unwrap(), ".github/workflows/ci.yml");
        let said = |wanted: &str| tree.workflow(wanted).unwrap_err().to_string();
        assert!(said("deplyo.yaml").ends_with("did you mean `deploy.yaml`?"));
        assert!(
            said("nope.yml")
                .ends_with("there is `.github/workflows/ci.yml`, `.github/workflows/deploy.yaml`")
        );
        assert!(said("./other.yml").starts_with("`./other.yml` is no workflow"));
    }
}
