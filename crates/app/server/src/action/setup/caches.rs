//! `cache:` of the setup actions: what their package managers keep, by a hash of their lock files.

use camino::Utf8Path;
use cutover_executor::BuiltinLog;
use cutover_model::run::Level;

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
    found: &Found,
) -> Result<Left, Error> {
    let beside = |name: &str| {
        let beside = found.bin.join(name);
        if beside.exists() { beside } else { name.into() }
    };
    let asks = async |arguments: &[&str]| folder(context, &beside(manager), arguments).await;
    let (path, usual, files): (_, _, &[&str]) = match manager {
        "npm" => (
            asks(&["config", "get", "cache"]).await,
            "~/.npm",
            &[
                "**/package-lock.json",
                "**/npm-shrinkwrap.json",
                "**/yarn.lock",
            ],
        ),
        // The first answers a question that the second does not know, and the other way round.
        "yarn" => (
            match asks(&["config", "get", "cacheFolder"]).await {
                None => asks(&["cache", "dir"]).await,
                found => found,
            },
            "~/.cache/yarn",
            &["**/yarn.lock"],
        ),
        "pnpm" => (
            asks(&["store", "path", "--silent"]).await,
            "~/.local/share/pnpm/store",
            &["**/pnpm-lock.yaml"],
        ),
        other => return unknown(other, "`npm`, `yarn`, `pnpm`"),
    };
    let manager = Manager {
        name: manager_name(manager),
        paths: vec![path.unwrap_or_else(|| usual.to_owned())],
        files,
    };
    keep(context, log, left, "node-cache", manager, "").await
}

fn manager_name(said: &str) -> &'static str {
    let known = ["npm", "yarn", "pnpm", "pip", "pipenv", "poetry"];
    known
        .into_iter()
        .find(|name| *name == said)
        .unwrap_or_default()
}

/// The folder that a package manager says it keeps things in.
async fn folder(context: &Context, program: &Utf8Path, arguments: &[&str]) -> Option<String> {
    let said = ask(context, program, arguments).await?;
    let line = said.lines().map(str::trim).find(|line| !line.is_empty())?;
    line.starts_with('/').then(|| line.to_owned())
}

pub(super) async fn python(
    context: &Context,
    log: &mut BuiltinLog,
    left: Left,
    manager: &str,
    found: &Found,
) -> Result<Left, Error> {
    let (paths, files): (Vec<String>, &[&str]) = match manager {
        "pip" => {
            let said = folder(context, &found.program, &["-m", "pip", "cache", "dir"]).await;
            let path = said.unwrap_or_else(|| "~/.cache/pip".to_owned());
            (vec![path], &["**/requirements.txt", "**/pyproject.toml"])
        }
        "pipenv" => (
            vec!["~/.local/share/virtualenvs".to_owned()],
            &["**/Pipfile.lock"],
        ),
        "poetry" => {
            let poetry = Utf8Path::new("poetry");
            let said = folder(context, poetry, &["config", "virtualenvs.path"]).await;
            let path = said.unwrap_or_else(|| "~/.cache/pypoetry/virtualenvs".to_owned());
            (vec![path], &["**/poetry.lock"])
        }
        other => return unknown(other, "`pip`, `pipenv`, `poetry`"),
    };
    let manager = Manager {
        name: manager_name(manager),
        paths,
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
        paths.extend(folder(context, &found.program, &["env", name]).await);
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
        log.remark(Level::Warning, &none);
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
