//! `cargo xtask tidy`: the rules of this repository that a compiler does not know.
//!
//! One file a rule. Each answers with findings, `path: what is wrong, and what to do`; none means that
//! the rule holds. The same runs as a test. What clippy or cargo can hold is left to them.

mod banned;
mod codes;
mod layout;
mod links;
mod purity;
mod rings;
mod source;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// Everything that is wrong; with `fix`, what can be written again is written first.
pub(crate) fn check(root: &Path, fix: bool) -> anyhow::Result<Vec<String>> {
    if fix {
        codes::write(root)?;
    }
    let mut findings = rings::check(&rings::read(root)?);
    findings.extend(banned::check(root)?);
    findings.extend(purity::check(root)?);
    findings.extend(layout::check(root)?);
    findings.extend(codes::check(root)?);
    findings.extend(links::check(root)?);
    Ok(findings)
}

/// The repository's root: this crate lies three folders below it.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .nth(3)
        .map(Path::to_owned)
        .context("xtask does not lie in crates/dev")
}
