//! Which directories of the machine are seen in a container, and under which names: as the hosted
//! service's runner does it.

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

use crate::layout::JobPlace;

/// Directories of the machine with their names inside; the first that fits counts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Mounts(pub Vec<Mount>);

/// One directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// On the machine.
    pub outside: Utf8PathBuf,
    /// In the container.
    pub inside: String,
    /// Whether it can only be read.
    pub read_only: bool,
}

/// Where a job's workspace is in its container.
pub(crate) fn workspace_of_job(repository: &str) -> String {
    let name = repository.rsplit('/').next().unwrap_or(repository);
    format!("/__w/{name}/{name}")
}

/// Where tools that stay are kept, beside what a job works in.
pub(crate) fn tools(place: &JobPlace) -> Utf8PathBuf {
    place.dir.join("tools")
}

impl Mounts {
    /// What the container of a job sees. `repository` is `owner/name`.
    pub fn of_job(place: &JobPlace, repository: &str) -> Self {
        Self::default()
            .with(&place.workspace, &workspace_of_job(repository))
            .with(&place.temp.join("_github_home"), "/github/home")
            .with(&place.temp.join("_github_workflow"), "/github/workflow")
            .with(&place.temp, "/__w/_temp")
            .with(&place.actions, "/__w/_actions")
            .with(&tools(place), "/__t")
    }

    /// What a step that is a container sees.
    pub fn of_call(place: &JobPlace) -> Self {
        Self::default()
            .with(&place.workspace, "/github/workspace")
            .with(&place.temp.join("_github_home"), "/github/home")
            .with(&place.temp.join("_github_workflow"), "/github/workflow")
            .with(&place.temp, "/github/runner_temp")
            .with(&tools(place), "/github/tool_cache")
    }

    /// With one more.
    #[must_use]
    pub fn with(mut self, outside: &Utf8Path, inside: &str) -> Self {
        self.0.push(Mount {
            outside: outside.to_owned(),
            inside: inside.to_owned(),
            read_only: false,
        });
        self
    }

    /// With one that counts before the others.
    pub(crate) fn first(mut self, outside: &Utf8Path, inside: &str) -> Self {
        self = self.with(outside, inside);
        self.0.rotate_right(1);
        self
    }

    /// The name inside of a path of the machine; what is not seen inside stays as it is.
    pub fn inside(&self, text: &str) -> String {
        let found = self.0.iter().find_map(|mount| {
            let rest = text.strip_prefix(mount.outside.as_str())?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{}{rest}", mount.inside))
        });
        found.unwrap_or_else(|| text.to_owned())
    }

    /// The path on the machine of a name inside, when it is below one of the directories.
    pub fn outside(&self, text: &str) -> Option<Utf8PathBuf> {
        self.0.iter().find_map(|mount| {
            let rest = text.strip_prefix(mount.inside.as_str())?;
            (rest.is_empty() || rest.starts_with('/'))
                .then(|| Utf8PathBuf::from(format!("{}{rest}", mount.outside)))
        })
    }

    /// As the engine takes them.
    pub(crate) fn volumes(&self) -> Vec<String> {
        let volumes = self.0.iter().map(|mount| {
            let mode = if mount.read_only { ":ro" } else { "" };
            format!("{}:{}{mode}", mount.outside, mount.inside)
        });
        volumes.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_the_names_that_people_know() {
        let place = JobPlace {
            dir: "/d".into(),
            workspace: "/d/workspace".into(),
            temp: "/d/temp".into(),
            actions: "/d/actions".into(),
        };
        let mounts = Mounts::of_job(&place, "me/shop");
        assert_eq!(mounts.inside("/d/workspace/a"), "/__w/shop/shop/a");
        assert_eq!(mounts.inside("/d/workspace"), "/__w/shop/shop");
        assert_eq!(mounts.inside("/d/workspaces"), "/d/workspaces");
        assert_eq!(mounts.inside("/d/temp/_0.1/env"), "/__w/_temp/_0.1/env");
        assert_eq!(mounts.inside("/d/temp/_github_home/x"), "/github/home/x");
        assert_eq!(
            mounts.outside("/__w/shop/shop/a").unwrap(),
            "/d/workspace/a"
        );
        assert_eq!(mounts.outside("/etc"), None);
        let call = Mounts::of_call(&place);
        assert_eq!(call.inside("/d/workspace"), "/github/workspace");
    }
}
