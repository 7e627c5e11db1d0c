//! Where branches of a working tree are, as far as its files say so: no process for what may not be asked for
//! at all. Repositories that keep their refs otherwise say nothing here.

use std::fs;

use camino::Utf8Path;
use cutover_model::source::Revision;

use crate::working_tree::WorkingTree;

impl WorkingTree {
    /// The branch that everything ends in: that of `origin`, else `main` or `master` when there is one.
    pub fn default_branch(&self) -> Option<String> {
        let refs = Refs::of(self);
        let origin = refs.file("refs/remotes/origin/HEAD");
        let of_origin = origin.as_deref().and_then(|text| {
            let name = text.trim().strip_prefix("ref: refs/remotes/origin/")?;
            Some(name.to_owned())
        });
        let usual = || {
            let mut usual = ["main", "master"].into_iter();
            usual.find(|name| refs.find(&format!("refs/heads/{name}")).is_some())
        };
        of_origin.or_else(|| usual().map(ToOwned::to_owned))
    }

    /// The commit that a branch of it is at, else that of its `origin`.
    pub fn tip(&self, branch: &str) -> Option<Revision> {
        let refs = Refs::of(self);
        let own = refs.find(&format!("refs/heads/{branch}"));
        own.or_else(|| refs.find(&format!("refs/remotes/origin/{branch}")))
            .map(Revision)
    }
}

struct Refs<'a> {
    root: &'a Utf8Path,
}

impl<'a> Refs<'a> {
    fn of(tree: &'a WorkingTree) -> Self {
        Self { root: tree.root() }
    }

    fn file(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.root.join(".git").join(name)).ok()
    }

    fn find(&self, name: &str) -> Option<String> {
        let is_id = |text: &&str| {
            matches!(text.len(), 40 | 64) && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        };
        let loose = self.file(name);
        if let Some(id) = loose.as_deref().map(str::trim).filter(is_id) {
            return Some(id.to_owned());
        }
        let packed = self.file("packed-refs")?;
        let mut lines = packed.lines().filter_map(|line| line.split_once(' '));
        let (id, _) = lines.find(|(id, found)| *found == name && is_id(id))?;
        Some(id.to_owned())
    }
}
