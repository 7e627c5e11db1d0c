//! The throw-away repository: a small HTTP service, its test, its workflow and `cutover.yml`.

use anyhow::bail;
use camino::{Utf8Path, Utf8PathBuf};
use tokio::process::Command;

use super::stage::Stage;
use crate::config;

const WORKFLOW: &str = include_str!("files/ship.yml");
const PROJECT: &str = include_str!("files/cutover.yml");
const SERVICE: &str = include_str!("files/hello.sh");
const TEST: &str = include_str!("files/test.sh");

/// The repository on disk.
pub(crate) struct Repository {
    path: Utf8PathBuf,
    authorization: String,
    remote: String,
}

impl Repository {
    /// Writes the files and makes the first commit.
    pub(crate) async fn create(stage: &Stage) -> anyhow::Result<Self> {
        let path = stage.root.join("hello");
        let repository = Self {
            path,
            authorization: stage.authorization(),
            remote: stage.remote(),
        };
        let executable = config::executable()?;
        let project = PROJECT.replace("@CUTOVER@", executable.as_str());
        write(
            &repository.path.join(".github/workflows/ship.yml"),
            WORKFLOW,
            false,
        )?;
        write(&repository.path.join("cutover.yml"), &project, false)?;
        write(&repository.path.join("hello"), SERVICE, true)?;
        write(&repository.path.join("test.sh"), TEST, true)?;
        repository
            .git(&["init", "--quiet", "--initial-branch=main"])
            .await?;
        repository.change("hello", 0, "feat: say hello").await?;
        Ok(repository)
    }

    /// Commits a version with this greeting, whose front page fails so many of a hundred requests in
    /// production.
    pub(crate) async fn change(
        &self,
        greeting: &str,
        fail_percent: u8,
        message: &str,
    ) -> anyhow::Result<()> {
        let text =
            format!("{{ \"greeting\": \"{greeting}\", \"fail_percent\": {fail_percent} }}\n");
        write(&self.path.join("service.json"), &text, false)?;
        self.git(&["add", "--all"]).await?;
        self.git(&["commit", "--quiet", "--message", message]).await
    }

    /// `git push`, over HTTP, as the user `demo`.
    pub(crate) async fn push(&self) -> anyhow::Result<()> {
        self.git(&["push", "--quiet", &self.remote, "HEAD:refs/heads/main"])
            .await
    }

    async fn git(&self, arguments: &[&str]) -> anyhow::Result<()> {
        let output = Command::new("git")
            .arg("-C")
            .arg(&self.path)
            .args(arguments)
            // Nothing of the user's own configuration, and nothing in the process list.
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            .env("GIT_CONFIG_COUNT", "3")
            .env("GIT_CONFIG_KEY_0", "http.extraHeader")
            .env("GIT_CONFIG_VALUE_0", &self.authorization)
            .env("GIT_CONFIG_KEY_1", "user.name")
            .env("GIT_CONFIG_VALUE_1", "Demo")
            .env("GIT_CONFIG_KEY_2", "user.email")
            .env("GIT_CONFIG_VALUE_2", "demo@localhost")
            .env_remove("GIT_DIR")
            .env_remove("GIT_WORK_TREE")
            .env_remove("GIT_INDEX_FILE")
            .env("NO_PROXY", "127.0.0.1")
            .output()
            .await?;
        if !output.status.success() {
            bail!(
                "git {}: {}",
                arguments.first().unwrap_or(&""),
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(())
    }
}

fn write(path: &Utf8Path, text: &str, executable: bool) -> anyhow::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)?;
    }
    std::fs::write(path, text)?;
    let mode = if executable { 0o755 } else { 0o644 };
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))?;
    Ok(())
}
