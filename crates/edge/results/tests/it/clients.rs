//! GitHub's own clients, as npm has them, against the service: what they can do is what it can do.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::OnceLock,
};

use cutover_results::{CacheMode, JobGrant};

use crate::world::{Job, World, job};

/// Where the scripts are.
pub(crate) fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// The folder with the clients installed, or why there is none.
pub(crate) fn installed() -> Result<&'static Path, &'static str> {
    static CLIENTS: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let clients = CLIENTS.get_or_init(install);
    clients.as_deref().map_err(String::as_str)
}

/// Once for all processes of a test run: the folder is locked while npm fills it, and is good for as long
/// as the lock file is the same.
fn install() -> Result<PathBuf, String> {
    let sources = source();
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("results-clients");
    fs::create_dir_all(&folder).unwrap();
    let lock = fs::File::create(folder.join(".lock")).unwrap();
    lock.lock().unwrap();
    let wanted = fs::read_to_string(sources.join("package-lock.json")).unwrap();
    let mark = folder.join(".installed");
    if fs::read_to_string(&mark).is_ok_and(|there| there == wanted) {
        return Ok(folder);
    }
    for file in ["package.json", "package-lock.json"] {
        fs::copy(sources.join(file), folder.join(file)).unwrap();
    }
    let npm = Command::new("npm")
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ])
        .current_dir(&folder)
        .output()
        .map_err(|error| format!("`npm` could not be started: {error}"))?;
    if !npm.status.success() {
        let text = String::from_utf8_lossy(&npm.stderr);
        return Err(format!("`npm ci` failed: {}", text.trim()));
    }
    fs::write(mark, wanted).unwrap();
    Ok(folder)
}

/// Runs a script as a step of the job would be run. `None` when it cannot be tried here.
async fn run(job: &Job<'_>, script: &str, args: &[&str], env: &[(&str, &str)]) -> Option<Output> {
    let clients = match installed() {
        Ok(clients) => clients,
        Err(why) => {
            eprintln!("SKIPPED: {script}, because {why}");
            return None;
        }
    };
    let workspace = tempfile::tempdir().unwrap();
    // Below the folder with `node_modules`, where modules are looked for.
    let own = tempfile::tempdir_in(clients).unwrap();
    let place = own.path().join(script);
    fs::copy(source().join(script), &place).unwrap();
    let mut node = tokio::process::Command::new("node");
    node.arg(&place)
        .args(args)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env("HOME", workspace.path())
        .env("RUNNER_TEMP", workspace.path().join("temp"))
        .env("GITHUB_WORKSPACE", workspace.path())
        .env("GITHUB_SERVER_URL", "https://github.com")
        .env("GITHUB_REPOSITORY", "octo/hello")
        .env("GITHUB_RUN_ID", "128")
        .envs(&job.grant.env)
        .envs(env.iter().copied());
    for name in env.iter().filter(|(_, value)| value.is_empty()) {
        node.env_remove(name.0);
    }
    let output = node.kill_on_drop(true).output().await;
    match output {
        Ok(output) => Some(output),
        Err(why) => {
            eprintln!("SKIPPED: {script}, because `node` could not be started: {why}");
            None
        }
    }
}

fn check(output: Option<Output>) {
    let Some(output) = output else { return };
    let said = String::from_utf8_lossy(&output.stdout);
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && said.contains("DONE"),
        "{said}\n{wrong}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn githubs_artifact_client_uploads_lists_downloads_overwrites_and_deletes() {
    let world = World::by_the_clock().await;
    let job = world.job(job("run", "build"));
    let work = tempfile::tempdir().unwrap();
    let output = run(&job, "artifacts.mjs", &[work.path().to_str().unwrap()], &[]).await;
    check(output);
}

#[tokio::test(flavor = "multi_thread")]
async fn githubs_cache_client_saves_and_restores_by_the_second_protocol() {
    let world = World::by_the_clock().await;
    let job = world.job(job("run", "build"));
    check(run(&job, "caches.mjs", &["two"], &[]).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn githubs_cache_client_saves_and_restores_by_the_first_protocol() {
    let world = World::by_the_clock().await;
    let job = world.job(job("run", "build"));
    let first = [("ACTIONS_CACHE_SERVICE_V2", "")];
    check(run(&job, "caches.mjs", &["one"], &first).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn githubs_cache_client_is_refused_what_the_mode_forbids() {
    let world = World::by_the_clock().await;
    let job = world.job(JobGrant {
        cache_mode: CacheMode::Read,
        ..job("run", "build")
    });
    let Some(output) = run(&job, "cache-denied.mjs", &[], &[]).await else {
        return;
    };
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(said.contains("cache write denied"), "{said}");
    check(Some(output));
}

#[tokio::test(flavor = "multi_thread")]
async fn githubs_client_gets_an_id_token_that_others_verify_by_discovery() {
    let world = World::by_the_clock().await;
    let mut wanted = job("run", "deploy");
    wanted.id_token = true;
    wanted.identity.environment = Some("production".to_owned());
    let job = world.job(wanted);
    check(run(&job, "id-token.mjs", &[&world.url], &[]).await);
}
