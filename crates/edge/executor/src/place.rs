//! Where a file is that a step names: on the machine, whatever it is called in a container, and in the
//! sources, as people know it.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use crate::container::Mounts;

/// From where a step looks at files.
#[derive(Debug, Default)]
pub(crate) struct Place {
    workspace: Utf8PathBuf,
    /// Of a step in a container: what it sees of the machine, and under which names.
    mounts: Option<Mounts>,
}

impl Place {
    pub(crate) const fn new(workspace: Utf8PathBuf, mounts: Option<Mounts>) -> Self {
        Self { workspace, mounts }
    }

    /// The path on the machine; `None` when it is one of a container that is not seen outside.
    pub(crate) fn on_machine(&self, file: &str) -> Option<Utf8PathBuf> {
        let Some(mounts) = &self.mounts else {
            return Some(self.workspace.join(file));
        };
        let workspace = mounts.inside(self.workspace.as_str());
        let inside = plain(&Utf8PathBuf::from(workspace).join(file));
        mounts.outside(inside.as_str())
    }

    /// The name from the workspace, when it is below it; otherwise as it was said.
    pub(crate) fn in_sources(&self, file: &str) -> String {
        let Some(path) = self.on_machine(file) else {
            return file.to_owned();
        };
        match plain(&path).strip_prefix(&self.workspace) {
            Ok(inner) if !inner.as_str().is_empty() => inner.to_string(),
            _ => file.to_owned(),
        }
    }
}

/// A path without `.` and `..`; links are not looked at.
pub fn plain(path: &Utf8Path) -> Utf8PathBuf {
    let mut plain = Utf8PathBuf::new();
    for part in path.components() {
        match part {
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir => {
                plain.pop();
            }
            Utf8Component::Prefix(_) | Utf8Component::RootDir | Utf8Component::Normal(_) => {
                plain.push(part);
            }
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_name_from_the_workspace() {
        let place = Place::new("/j/workspace".into(), None);
        for (said, known) in [
            ("src/a.rs", "src/a.rs"),
            ("./src/../src/a.rs", "src/a.rs"),
            ("/j/workspace/src/a.rs", "src/a.rs"),
            ("/j/workspaces/a.rs", "/j/workspaces/a.rs"),
            ("/usr/include/a.h", "/usr/include/a.h"),
            ("../out.rs", "../out.rs"),
            ("", ""),
        ] {
            assert_eq!(place.in_sources(said), known);
        }
        assert_eq!(place.on_machine("m.json").unwrap(), "/j/workspace/m.json");
        assert_eq!(place.on_machine("/etc/m.json").unwrap(), "/etc/m.json");
    }

    #[test]
    fn of_a_container_only_what_is_seen_outside_is_a_file_of_the_machine() {
        let mounts = Mounts::default().with("/j/workspace".into(), "/__w/shop/shop");
        let place = Place::new("/j/workspace".into(), Some(mounts));
        let inside = "/__w/shop/shop/.github/m.json";
        assert_eq!(
            place.on_machine(inside).unwrap(),
            "/j/workspace/.github/m.json"
        );
        assert_eq!(
            place.on_machine(".github/m.json").unwrap(),
            "/j/workspace/.github/m.json"
        );
        assert_eq!(place.on_machine("/etc/shadow"), None);
        assert_eq!(place.on_machine("../../../etc/shadow"), None);
        assert_eq!(place.on_machine("/__w/shop/shop/../../../etc/shadow"), None);
        assert_eq!(place.in_sources("/__w/shop/shop/src/a.rs"), "src/a.rs");
        assert_eq!(place.in_sources("/usr/include/a.h"), "/usr/include/a.h");
    }
}
