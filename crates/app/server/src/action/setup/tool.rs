//! The tools of this machine: where one may be, and which version it says that it is.

use std::{collections::BTreeSet, process::Stdio};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_executor::BuiltinLog;
use semver::Version;
use tokio::process::Command;

use super::version::{self, Range};
use crate::{Error, action::Context};

/// A tool as setup actions name it.
pub(super) struct Tool {
    /// For people.
    pub(super) name: &'static str,
    /// The program that says the version.
    pub(super) program: &'static str,
    /// What to ask it.
    pub(super) asks: &'static [&'static str],
    /// Its folder in a tool cache of GitHub's form.
    pub(super) cache: &'static str,
    /// Folders in which each entry is one version, with the folder of programs below it. `~` is the home.
    pub(super) versions: &'static [(&'static str, &'static str)],
}

/// One that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) version: Version,
    /// The folder of its programs.
    pub(super) bin: Utf8PathBuf,
    /// The program.
    pub(super) program: Utf8PathBuf,
    /// Whether all that is in the container of the job.
    pub(super) is_inside: bool,
}

/// The newest that fits; refused with what there is when none does.
pub(super) async fn pick(
    context: &Context,
    log: &mut BuiltinLog,
    tool: &Tool,
    asked: &str,
) -> Result<Found, Error> {
    let range = Range::parse(asked).map_err(Error::Refused)?;
    if let Some(container) = &context.container {
        return super::inside_container::pick(context, container, log, tool, (asked, &range)).await;
    }
    let found = all(context, tool).await;
    // `PATH` says what the machine takes when nothing else is wished.
    let usual = found
        .first()
        .filter(|first| range == Range::Any || range.fits(&first.version));
    let best = found
        .iter()
        .filter(|one| range.fits(&one.version))
        .max_by(|left, right| left.version.cmp(&right.version));
    let Some(chosen) = usual.or(best) else {
        let there: Vec<String> = found
            .iter()
            .map(|one| format!("{} ({})", one.version, one.bin))
            .collect();
        let there = if there.is_empty() {
            "none".to_owned()
        } else {
            there.join(", ")
        };
        return Err(Error::Refused(format!(
            "no {} `{asked}` on this machine; there is {there}. Install it, or put it below `{}`",
            tool.name,
            tools(context).join(tool.cache)
        )));
    };
    let wished = if asked.is_empty() { "any" } else { asked };
    log.line(&format!(
        "{} {} in {} (asked for: {wished})",
        tool.name, chosen.version, chosen.bin
    ));
    Ok(chosen.clone())
}

/// Where an owner of the server puts tools, in the form of GitHub's tool cache.
fn tools(context: &Context) -> Utf8PathBuf {
    context.control.data_dir().join("tools")
}

/// Those on `PATH` first, in its order.
async fn all(context: &Context, tool: &Tool) -> Vec<Found> {
    let mut folders: Vec<Utf8PathBuf> = context.path().map(Utf8PathBuf::from).collect();
    let arch = if cfg!(target_arch = "aarch64") {
        "arm64"
    } else {
        "x64"
    };
    for cache in [tools(context), Utf8PathBuf::from("/opt/hostedtoolcache")] {
        let versions = entries(&cache.join(tool.cache));
        folders.extend(
            versions
                .iter()
                .map(|version| version.join(arch).join("bin")),
        );
        folders.extend(versions.iter().map(|version| version.join(arch)));
    }
    let home = context.home();
    for (place, below) in tool.versions {
        let place = match (place.strip_prefix("~/"), &home) {
            (Some(rest), Some(home)) => home.join(rest),
            (Some(_), None) => continue,
            (None, _) => Utf8PathBuf::from(*place),
        };
        let versions = entries(&place);
        folders.extend(versions.iter().map(|version| version.join(below)));
    }
    let mut seen = BTreeSet::new();
    let mut found = Vec::new();
    for bin in folders {
        let program = bin.join(tool.program);
        let Ok(real) = program.canonicalize_utf8() else {
            continue;
        };
        if !seen.insert(real) {
            continue;
        }
        if let Some(text) = ask(context, &program, tool.asks).await
            && let Some(version) = version::find(&text)
        {
            found.push(Found {
                version,
                bin,
                program,
                is_inside: false,
            });
        }
    }
    found
}

fn entries(folder: &Utf8Path) -> Vec<Utf8PathBuf> {
    let entries = folder.read_dir_utf8().into_iter().flatten().flatten();
    let mut paths: Vec<Utf8PathBuf> = entries.map(|entry| entry.path().to_owned()).collect();
    paths.sort();
    paths
}

/// What a program answers, on either of its outputs; `None` when it fails.
pub(super) async fn ask(
    context: &Context,
    program: &Utf8Path,
    arguments: &[&str],
) -> Option<String> {
    let output = Command::new(program.as_str())
        .args(arguments)
        .env_clear()
        .envs(context.control.base_env())
        .envs(context.env.iter())
        .env("PATH", context.path().collect::<Vec<_>>().join(":"))
        .current_dir(&context.place.workspace)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = output.await.ok()?;
    let said = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&said).into_owned();
    output.status.success().then_some(text)
}
