//! Crates of others that may not come in: not into what decides, or nowhere at all.

use std::{fs, path::Path};

use anyhow::Context as _;

use super::source;

/// Not in `core`, with why. Tests of `core` may use what they like.
const IN_CORE: &[(&str, &str)] = &[
    ("tokio", "waits"),
    ("futures-util", "waits"),
    ("sqlx", "does I/O"),
    ("reqwest", "does I/O"),
    ("hyper", "does I/O"),
    ("axum", "does I/O"),
    ("bollard", "does I/O"),
    ("rustix", "does I/O"),
    ("tempfile", "does I/O"),
    ("tracing", "talks; say it in an event or an effect"),
    ("rand", "is chance, which is an input"),
    ("getrandom", "is chance, which is an input"),
    ("ulid", "is chance, which is an input"),
    ("parking_lot", "shares state"),
];

/// Nowhere in the graph, with why.
const ANYWHERE: &[(&str, &str)] = &[
    ("openssl", "one TLS stack: rustls with ring"),
    ("openssl-sys", "one TLS stack: rustls with ring"),
    ("native-tls", "one TLS stack: rustls with ring"),
    ("aws-lc-rs", "one TLS stack: rustls with ring"),
    ("aws-lc-sys", "one TLS stack: rustls with ring"),
    ("chrono", "time is `cutover_model::Timestamp`, over jiff"),
    (
        "serde_yaml",
        "unmaintained; YAML is read with granit-parser",
    ),
    ("serde_yml", "unmaintained; YAML is read with granit-parser"),
];

/// What is there and may not be.
pub(crate) fn check(root: &Path) -> anyhow::Result<Vec<String>> {
    let mut findings = Vec::new();
    for manifest in source::files(root, &["crates/core"], "Cargo.toml")? {
        findings.extend(check_core(&manifest.path, &manifest.text));
    }
    let lock = fs::read_to_string(root.join("Cargo.lock")).context("Cargo.lock")?;
    findings.extend(check_lock(&lock));
    Ok(findings)
}

pub(crate) fn check_core(path: &str, manifest: &str) -> Vec<String> {
    let names = dependencies(manifest, "[dependencies]");
    let banned = IN_CORE.iter().filter(|(name, _)| names.contains(name));
    banned
        .map(|(name, why)| format!("{path}: `{name}` may not be in core: it {why}"))
        .collect()
}

pub(crate) fn check_lock(lock: &str) -> Vec<String> {
    let is_there = |name: &str| {
        lock.lines()
            .any(|line| line == format!("name = \"{name}\""))
    };
    let banned = ANYWHERE.iter().filter(|(name, _)| is_there(name));
    banned
        .map(|(name, why)| {
            format!("Cargo.lock: `{name}` may not be in the graph ({why}); `cargo tree -i {name}`")
        })
        .collect()
}

/// The names in one section of a manifest.
fn dependencies<'a>(manifest: &'a str, section: &str) -> Vec<&'a str> {
    let lines = manifest
        .lines()
        .skip_while(|line| line.trim() != section)
        .skip(1);
    lines
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split(['.', '=', ' ']).next())
        .collect()
}
