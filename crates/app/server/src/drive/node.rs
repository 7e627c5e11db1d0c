//! The machine's node, for JavaScript actions: found in the `PATH` of the step, asked once which version
//! it is.

use std::{collections::BTreeMap, process::Stdio, sync::Arc, time::SystemTime};

use camino::{Utf8Path, Utf8PathBuf};
use parking_lot::Mutex;

/// What is known of the nodes of this machine: their versions, as long as the files are the same.
#[derive(Clone, Default)]
pub(crate) struct Nodes(Arc<Mutex<BTreeMap<Utf8PathBuf, Asked>>>);

/// When the file was made, and the version that it said then.
type Asked = (Option<SystemTime>, String);

/// A node that can be started.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// The program.
    pub(crate) program: Utf8PathBuf,
    /// As it says itself: `v20.11.1`.
    pub(crate) version: String,
}

impl Node {
    /// One line for the log: which node it is, and when it is older than asked for.
    pub(crate) fn line(&self, uses: &str, wanted: u16) -> String {
        let Self { program, version } = self;
        let major = version.trim_start_matches('v').split('.').next();
        let is_older = major
            .and_then(|major| major.parse::<u16>().ok())
            .is_some_and(|major| major < wanted);
        let older = if is_older { ", which is newer" } else { "" };
        format!(
            "{uses} runs on node {version} ({program}); it was written for node {wanted}{older}"
        )
    }
}

impl Nodes {
    /// The first node of a `PATH`.
    pub(crate) async fn find(&self, path: &str) -> Result<Node, String> {
        let directories = path.split(':').filter(|directory| !directory.is_empty());
        let candidates = directories.map(|directory| Utf8Path::new(directory).join("node"));
        let Some(program) = candidates.into_iter().find(|program| program.is_file()) else {
            return Err("there is no `node` in PATH; install Node.js".to_owned());
        };
        let made = program.metadata().and_then(|data| data.modified()).ok();
        if let Some((known, version)) = self.0.lock().get(&program)
            && *known == made
        {
            let version = version.clone();
            return Ok(Node { program, version });
        }
        let version = ask(&program, path).await?;
        self.0
            .lock()
            .insert(program.clone(), (made, version.clone()));
        Ok(Node { program, version })
    }
}

async fn ask(program: &Utf8Path, path: &str) -> Result<String, String> {
    let output = tokio::process::Command::new(program)
        .arg("--version")
        .env_clear()
        .env("PATH", path)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .map_err(|error| format!("`{program}` could not be started: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if output.status.success() && said.starts_with('v') {
        Ok(said)
    } else {
        Err(format!("`{program} --version` does not say a version"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_node_than_asked_for_is_said() {
        let node = Node {
            program: "/bin/node".into(),
            version: "v20.1.0".to_owned(),
        };
        let line = node.line("a/b@v1", 16);
        assert_eq!(
            line,
            "a/b@v1 runs on node v20.1.0 (/bin/node); it was written for node 16"
        );
        assert!(node.line("a/b@v1", 24).ends_with("node 24, which is newer"));
    }

    #[tokio::test]
    async fn without_node_it_is_said_what_to_do() {
        let found = Nodes::default().find("/nowhere:/neither").await;
        assert_eq!(
            found,
            Err("there is no `node` in PATH; install Node.js".to_owned())
        );
    }
}
