//! How crates and files look: manifests, heads of files, tests that nobody forgot, no empty crates.

use std::path::Path;

use super::source::{self, File};

/// Beyond this a file has a second idea in it. The habit is 400.
const MAX_LINES: usize = 800;
/// Fewer lines of code than this are a placeholder.
const MIN_LINES: usize = 3;

/// What does not look as agreed.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let manifests = source::files(root, &["crates", "tests"], "Cargo.toml")?;
    let sources = source::files(root, &["crates", "tests"], ".rs")?;
    let mut findings = Vec::new();
    findings.extend(manifests.iter().flat_map(check_manifest));
    findings.extend(
        manifests
            .iter()
            .filter_map(|manifest| check_weight(manifest, &sources)),
    );
    findings.extend(sources.iter().flat_map(check_source));
    findings.extend(forgotten(&sources));
    findings.extend(check_clippy(root)?);
    Ok(findings)
}

/// Versions and lints are the workspace's.
pub(crate) fn check_manifest(manifest: &File) -> Vec<String> {
    let mut findings = Vec::new();
    if !manifest.text.contains("[lints]\nworkspace = true") {
        findings.push(format!(
            "{}: lacks `[lints] workspace = true`",
            manifest.path
        ));
    }
    let mut is_list = false;
    for line in manifest.text.lines() {
        if line.starts_with('[') {
            is_list = line.ends_with("dependencies]");
        } else if is_list && line.contains('=') && !line.contains("workspace = true") {
            let what = "take it from `[workspace.dependencies]`";
            findings.push(format!("{}: `{line}`; {what}", manifest.path));
        }
    }
    findings
}

/// A crate is created on the day its first test is written.
fn check_weight(manifest: &File, sources: &[File]) -> Option<String> {
    let folder = manifest.path.trim_end_matches("Cargo.toml");
    let own = sources.iter().filter(|file| file.path.starts_with(folder));
    let lines: usize = own
        .map(|file| {
            file.code()
                .lines()
                .filter(|line| !line.trim().is_empty())
                .count()
        })
        .sum();
    (lines < MIN_LINES).then(|| format!("{folder}: a crate with nothing in it; remove it"))
}

pub(crate) fn check_source(file: &File) -> Vec<String> {
    let mut findings = Vec::new();
    let is_tests = file.path.ends_with("/tests.rs");
    if !is_tests && !file.text.starts_with("//!") {
        let what = "begin with `//!`: what lives here, what does not";
        findings.push(format!("{}: {what}", file.path));
    }
    let lines = file.text.lines().count();
    if lines > MAX_LINES {
        findings.push(format!(
            "{}: {lines} lines; look for the second idea in it",
            file.path
        ));
    }
    findings
}

/// Files in `tests/it` that no `mod` names are never compiled, and so never fail.
pub(crate) fn forgotten(sources: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for main in sources
        .iter()
        .filter(|file| file.path.ends_with("/tests/it/main.rs"))
    {
        let folder = main.path.trim_end_matches("main.rs");
        for file in sources {
            let Some(name) = file
                .path
                .strip_prefix(folder)
                .and_then(|name| name.strip_suffix(".rs"))
            else {
                continue;
            };
            let is_named = main
                .text
                .lines()
                .any(|line| line.trim() == format!("mod {name};"));
            if name != "main" && !name.contains('/') && !is_named {
                findings.push(format!("{}: no `mod` in {} names it", file.path, main.path));
            }
        }
    }
    findings
}

/// A crate's own `clippy.toml` replaces the root's, so it must repeat all of it.
fn check_clippy(root: &Path) -> anyhow::Result<Vec<String>> {
    let whole = source::files(root, &["clippy.toml"], "clippy.toml")?;
    let rules: Vec<&str> = whole.iter().flat_map(|file| file.text.lines()).collect();
    let copies = source::files(root, &["crates", "tests"], "clippy.toml")?;
    let mut findings = Vec::new();
    for copy in copies {
        for rule in rules
            .iter()
            .filter(|rule| !copy.text.lines().any(|line| line == **rule))
        {
            findings.push(format!(
                "{}: lacks `{rule}` of the root's clippy.toml",
                copy.path
            ));
        }
    }
    Ok(findings)
}
