//! `cache:` of the setup actions: what their package managers keep, by a hash of their lock files.

use cutover_executor::BuiltinLog;

use super::{Found, ask};
use crate::{
    Error,
    action::{Context, Left, cache},
    hash_files::hash_files,
};

/// A package manager as a cache sees it.
struct Manager {
    name: &'static str,
    /// What it keeps.
    paths: Vec<String>,
    /// What its key is a hash of.
    files: &'static [&'static str],
}

pub(super) async fn node(
    context: &Context,
    log: &mut BuiltinLog,
    left: Left,
    manager: &str,
) -> Result<Left, Error> {
    let (name, path, files): (_, _, &[&str]) = match manager {
        "npm" => (
            "npm",
            "~/.npm",
            &[
                "**/package-lock.json",
                "**/npm-shrinkwrap.json",
                "**/yarn.lock",
            ],
        ),
        "yarn" => ("yarn", "~/.cache/yarn", &["**/yarn.lock"]),
        "pnpm" => ("pnpm", "~/.local/share/pnpm/store", &["**/pnpm-lock.yaml"]),
        other => return unknown(other, "`npm`, `yarn`, `pnpm`"),
    };
    let manager = Manager {
        name,
        paths: vec![path.to_owned()],
        files,
    };
    keep(context, log, left, "node-cache", manager, "").await
}

pub(super) async fn python(
    context: &Context,
    log: &mut BuiltinLog,
    left: Left,
    manager: &str,
    found: &Found,
) -> Result<Left, Error> {
    let (name, path, files): (_, _, &[&str]) = match manager {
        "pip" => (
            "pip",
            "~/.cache/pip",
            &["**/requirements.txt", "**/pyproject.toml"],
        ),
        "pipenv" => ("pipenv", "~/.local/share/virtualenvs", &["**/Pipfile.lock"]),
        "poetry" => (
            "poetry",
            "~/.cache/pypoetry/virtualenvs",
            &["**/poetry.lock"],
        ),
        other => return unknown(other, "`pip`, `pipenv`, `poetry`"),
    };
    let manager = Manager {
        name,
        paths: vec![path.to_owned()],
        files,
    };
    let version = found.version.to_string();
    keep(context, log, left, "setup-python", manager, &version).await
}

pub(super) async fn go(
    context: &Context,
    log: &mut BuiltinLog,
    left: Left,
    found: &Found,
) -> Result<Left, Error> {
    let mut paths = Vec::new();
    for name in ["GOMODCACHE", "GOCACHE"] {
        let said = ask(context, &found.program, &["env", name]).await;
        paths.extend(said.map(|text| text.trim().to_owned()));
    }
    let manager = Manager {
        name: "go",
        paths,
        files: &["**/go.sum"],
    };
    let version = found.version.to_string();
    keep(context, log, left, "setup-go", manager, &version).await
}

pub(super) async fn java(
    context: &Context,
    log: &mut BuiltinLog,
    left: Left,
    manager: &str,
) -> Result<Left, Error> {
    let (name, paths, files): (_, &[&str], &[&str]) = match manager {
        "maven" => ("maven", &["~/.m2/repository"], &["**/pom.xml"]),
        "gradle" => (
            "gradle",
            &["~/.gradle/caches", "~/.gradle/wrapper"],
            &[
                "**/*.gradle*",
                "**/gradle-wrapper.properties",
                "**/libs.versions.toml",
            ],
        ),
        "sbt" => (
            "sbt",
            &["~/.ivy2/cache", "~/.sbt"],
            &["**/*.sbt", "**/build.properties"],
        ),
        other => return unknown(other, "`maven`, `gradle`, `sbt`"),
    };
    let manager = Manager {
        name,
        paths: paths.iter().map(|&path| path.to_owned()).collect(),
        files,
    };
    keep(context, log, left, "setup-java", manager, "").await
}

pub(super) async fn rust(
    context: &Context,
    log: &mut BuiltinLog,
    left: Left,
    version: &str,
) -> Result<Left, Error> {
    let paths = ["~/.cargo/registry", "~/.cargo/git/db", "target"];
    let manager = Manager {
        name: "cargo",
        paths: paths.map(ToOwned::to_owned).to_vec(),
        files: &["**/Cargo.lock", "**/Cargo.toml", "rust-toolchain*"],
    };
    keep(context, log, left, "setup-rust", manager, version).await
}

fn unknown(said: &str, known: &str) -> Result<Left, Error> {
    Err(Error::Refused(format!(
        "`cache: {said}` is none of {known}"
    )))
}

/// Brings what was kept, and remembers to keep it after the last step.
async fn keep(
    context: &Context,
    log: &mut BuiltinLog,
    left: Left,
    action: &str,
    manager: Manager,
    version: &str,
) -> Result<Left, Error> {
    if context.container.is_some() {
        if let Some(said) = context.input("cache").filter(|said| *said != "true") {
            return Err(Error::Refused(format!(
                "`cache: {said}` keeps folders of this machine, and the job runs in a container; keep them \
                 with `actions/cache`"
            )));
        }
        log.line(
            "nothing is cached: the job runs in a container; `actions/cache` keeps folders of it",
        );
        return Ok(left);
    }
    let said = context.lines("cache-dependency-path");
    let patterns = if said.is_empty() {
        manager.files.iter().map(|&file| file.to_owned()).collect()
    } else {
        said
    };
    let (workspace, home) = (context.place.workspace.clone(), context.home());
    let hash = crate::action::blocking({
        let patterns = patterns.clone();
        move || hash_files(&workspace, home.as_deref(), &patterns)
    });
    let hash = hash.await?;
    if hash.is_empty() {
        let none = format!("no file for `{}`; nothing is cached", patterns.join("`, `"));
        log.line(&none);
        return Ok(left);
    }
    let mut parts = vec![
        action,
        std::env::consts::OS,
        std::env::consts::ARCH,
        manager.name,
    ];
    parts.extend((!version.is_empty()).then_some(version));
    parts.push(&hash);
    let wanted = cache::Wanted {
        paths: manager.paths,
        key: parts.join("-"),
        restore_keys: Vec::new(),
    };
    let matched = cache::bring(context, log, &wanted, false).await?;
    let left = left
        .output("cache-hit", matched.is_some().to_string())
        .output("cache-primary-key", wanted.key.as_str());
    Ok(cache::remember(left, &wanted, matched.as_deref()))
}
