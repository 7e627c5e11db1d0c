//! Who may import whom. Every arrow between our crates is written here and in `ARCHITECTURE.md`; one
//! that is not is a finding, and so is a crate that nobody wrote down.

use std::{path::Path, process::Command};

use anyhow::{Context as _, ensure};
use serde_json::Value;

/// Each crate, and what of ours it may import.
pub(crate) const ARROWS: &[(&str, &[&str])] = &[
    // Core decides.
    ("cutover-model", &[]),
    ("cutover-expr", &["cutover-model"]),
    ("cutover-dialect", &["cutover-model", "cutover-expr"]),
    ("cutover-engine", &["cutover-model", "cutover-expr"]),
    ("cutover-judge", &["cutover-model"]),
    ("cutover-rollout", &["cutover-model", "cutover-judge"]),
    ("cutover-quality", &["cutover-model"]),
    ("cutover-release", &["cutover-model"]),
    // The edge does. Two of its crates know nothing of ours and could be used alone.
    ("cutover-supervisor", &[]),
    ("cutover-docker", &["cutover-model"]),
    ("cutover-proxy", &[]),
    ("cutover-store", &["cutover-model"]),
    ("cutover-results", &["cutover-model"]),
    ("cutover-forge", &["cutover-model"]),
    (
        "cutover-executor",
        &["cutover-model", "cutover-supervisor", "cutover-docker"],
    ),
    (
        "cutover-target",
        &["cutover-model", "cutover-supervisor", "cutover-docker"],
    ),
    // The app composes: the server all but the supervisor, the binary whatever it wires.
    (
        "cutover-server",
        &[
            "cutover-model",
            "cutover-dialect",
            "cutover-engine",
            "cutover-judge",
            "cutover-rollout",
            "cutover-quality",
            "cutover-release",
            "cutover-store",
            "cutover-forge",
            "cutover-executor",
            "cutover-target",
            "cutover-docker",
            "cutover-proxy",
            "cutover-results",
        ],
    ),
    (
        "cutover",
        &[
            "cutover-model",
            "cutover-expr",
            "cutover-dialect",
            "cutover-engine",
            "cutover-judge",
            "cutover-rollout",
            "cutover-quality",
            "cutover-release",
            "cutover-supervisor",
            "cutover-docker",
            "cutover-proxy",
            "cutover-results",
            "cutover-store",
            "cutover-forge",
            "cutover-executor",
            "cutover-target",
            "cutover-server",
        ],
    ),
    // For building this repository only.
    (
        "cutover-testkit",
        &["cutover-model", "cutover-engine", "cutover-rollout"],
    ),
    (
        "xtask",
        &[
            "cutover-model",
            "cutover-judge",
            "cutover-dialect",
            "cutover-proxy",
            "cutover-testkit",
        ],
    ),
    // Drives the binary from outside, as people do.
    ("cutover-e2e", &[]),
];

/// What tests of any crate may import besides.
const FOR_TESTS: &[&str] = &["cutover-testkit"];

/// A crate of ours, and the crates of ours that it asks for.
#[derive(Debug)]
pub(crate) struct Crate {
    pub(crate) name: String,
    pub(crate) imports: Vec<Import>,
}

/// One line of a manifest.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) name: String,
    pub(crate) is_for_tests: bool,
}

/// The crates as cargo sees them. No network is needed.
pub(crate) fn read(root: &Path) -> anyhow::Result<Vec<Crate>> {
    let output = Command::new("cargo")
        .args([
            "metadata",
            "--no-deps",
            "--offline",
            "--format-version",
            "1",
        ])
        .current_dir(root)
        .output()
        .context("could not start cargo")?;
    ensure!(
        output.status.success(),
        "cargo metadata: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let packages = metadata["packages"]
        .as_array()
        .context("cargo metadata has no packages")?;
    Ok(packages.iter().map(crate_of).collect())
}

fn crate_of(package: &Value) -> Crate {
    let imports = package["dependencies"].as_array().into_iter().flatten();
    let imports = imports
        // What has no source is a path: ours.
        .filter(|dependency| dependency["source"].is_null())
        .map(|dependency| Import {
            name: text(&dependency["name"]),
            is_for_tests: dependency["kind"] == "dev",
        })
        .collect();
    Crate {
        name: text(&package["name"]),
        imports,
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The arrows that are not allowed.
pub(crate) fn check(crates: &[Crate]) -> Vec<String> {
    crates.iter().flat_map(check_one).collect()
}

fn check_one(one: &Crate) -> Vec<String> {
    let name = &one.name;
    let Some((_, allowed)) = ARROWS.iter().find(|(known, _)| known == name) else {
        let what = "write it into `tidy/rings.rs` and ARCHITECTURE.md, with what it may import";
        return vec![format!("{name}: a crate that nobody wrote down; {what}")];
    };
    let is_allowed = |import: &&Import| {
        let import_name = import.name.as_str();
        allowed.contains(&import_name) || import.is_for_tests && FOR_TESTS.contains(&import_name)
    };
    let wrong = one.imports.iter().filter(|import| !is_allowed(import));
    wrong
        .map(|import| {
            format!(
                "{name}: may not import `{}`; see \"who may import whom\" in ARCHITECTURE.md",
                import.name
            )
        })
        .collect()
}
