//! The Rust of this machine: what rustup has installed, or the `rustc` on the path.

use camino::{Utf8Path, Utf8PathBuf};
use cutover_executor::BuiltinLog;

use super::{
    Left, ask, caches,
    version::{self, Range},
};
use crate::{Error, action::Context};

/// A toolchain that is there.
struct Toolchain {
    /// As rustup names it; absent without rustup.
    name: Option<String>,
    version: String,
    sysroot: Utf8PathBuf,
}

/// `dtolnay/rust-toolchain`.
pub(super) async fn plain(context: &Context, log: &mut BuiltinLog) -> Result<Left, Error> {
    let asked = context.input("toolchain").unwrap_or_default();
    if asked.is_empty() {
        return Err(Error::Refused(
            "say which with `toolchain:`, or as the version of the action: `@stable`".to_owned(),
        ));
    }
    let mut targets = context.words("targets");
    targets.extend(context.words("target"));
    let toolchain = find(context, log, asked, &targets, &context.words("components")).await?;
    Ok(selected(&toolchain)
        .output("name", asked)
        .output("cachekey", toolchain.version.replace([' ', '(', ')'], "")))
}

/// `actions-rust-lang/setup-rust-toolchain`: with warnings that are errors and a cache, unless it is said
/// otherwise.
pub(super) async fn with_defaults(context: &Context, log: &mut BuiltinLog) -> Result<Left, Error> {
    let asked = match context.input("toolchain") {
        Some(asked) => asked.to_owned(),
        None => of_file(&context.place.workspace).unwrap_or_else(|| "stable".to_owned()),
    };
    let (targets, components) = (context.words("target"), context.words("components"));
    let toolchain = find(context, log, &asked, &targets, &components).await?;
    let version = toolchain.version.clone();
    let mut left = selected(&toolchain)
        .output("rustc-version", version.as_str())
        .output("cachekey", version.replace([' ', '(', ')'], ""));
    for (program, output) in [("cargo", "cargo-version"), ("rustup", "rustup-version")] {
        if let Some(said) = ask(context, Utf8Path::new(program), &["--version"]).await {
            left = left.output(output, said.lines().next().unwrap_or_default());
        }
    }
    // An empty one is as good as none here: the input cannot tell them apart.
    if !context.env.contains_key("RUSTFLAGS") {
        let flags = context.input("rustflags").unwrap_or("-D warnings");
        left.env.insert("RUSTFLAGS".to_owned(), flags.to_owned());
    }
    for (name, value) in [("CARGO_INCREMENTAL", "0"), ("CARGO_TERM_COLOR", "always")] {
        if !context.env.contains_key(name) {
            left.env.insert(name.to_owned(), value.to_owned());
        }
    }
    if context.flag("cache", true)? {
        return caches::rust(context, log, left, &version.replace(' ', "-")).await;
    }
    Ok(left)
}

/// `rust-toolchain.toml` or `rust-toolchain`.
fn of_file(workspace: &Utf8Path) -> Option<String> {
    let read = |name: &str| std::fs::read_to_string(workspace.join(name)).ok();
    let text = read("rust-toolchain.toml").or_else(|| read("rust-toolchain"))?;
    let channel = text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("channel")?.trim_start();
        Some(rest.strip_prefix('=')?.trim().trim_matches('"').to_owned())
    });
    channel.or_else(|| text.lines().next().map(|line| line.trim().to_owned()))
}

fn selected(toolchain: &Toolchain) -> Left {
    let mut left = Left::default();
    if let Some(name) = &toolchain.name {
        left.env.insert("RUSTUP_TOOLCHAIN".to_owned(), name.clone());
    } else {
        left.path.push(toolchain.sysroot.join("bin").into_string());
    }
    left
}

async fn find(
    context: &Context,
    log: &mut BuiltinLog,
    asked: &str,
    targets: &[String],
    components: &[String],
) -> Result<Toolchain, Error> {
    let mut there = Vec::new();
    let rustup = ask(context, Utf8Path::new("rustup"), &["toolchain", "list"]).await;
    for line in rustup.iter().flat_map(|text| text.lines()) {
        let Some(name) = line.split_whitespace().next() else {
            continue;
        };
        there.extend(of(context, &["rustup", "run", name, "rustc"], Some(name)).await);
    }
    if rustup.is_none() {
        there.extend(of(context, &["rustc"], None).await);
    }
    let Some(index) = there.iter().position(|one| fits(asked, one)) else {
        let list: Vec<String> = there.iter().map(|one| one.version.clone()).collect();
        let list = if list.is_empty() {
            "none".to_owned()
        } else {
            list.join(", ")
        };
        return Err(Error::Refused(format!(
            "no Rust `{asked}` on this machine; there is {list}"
        )));
    };
    let toolchain = there.swap_remove(index);
    let lacking = lacking(&toolchain.sysroot, targets, components);
    if !lacking.is_empty() {
        return Err(Error::Refused(format!(
            "{} lacks `{}`; install it on this machine",
            toolchain.version,
            lacking.join("`, `")
        )));
    }
    log.line(&format!("{} (asked for: {asked})", toolchain.version));
    Ok(toolchain)
}

async fn of(context: &Context, rustc: &[&str], name: Option<&str>) -> Option<Toolchain> {
    let (program, before) = rustc.split_first()?;
    let asking = |last: &'static [&'static str]| [before, last].concat();
    let program = Utf8Path::new(program);
    let version = ask(context, program, &asking(&["--version"])).await?;
    let sysroot = ask(context, program, &asking(&["--print", "sysroot"])).await?;
    Some(Toolchain {
        name: name.map(ToOwned::to_owned),
        version: version.lines().next()?.trim().to_owned(),
        sysroot: Utf8PathBuf::from(sysroot.trim()),
    })
}

/// `stable`, `beta`, `nightly`, a date of nightly, or a version.
fn fits(asked: &str, toolchain: &Toolchain) -> bool {
    let name = toolchain.name.as_deref().unwrap_or_default();
    if !name.is_empty() && (name == asked || name.starts_with(&format!("{asked}-"))) {
        return true;
    }
    let channel = |word: &str| toolchain.version.contains(&format!("-{word}"));
    match asked {
        "stable" => !channel("nightly") && !channel("beta"),
        "beta" | "nightly" => channel(asked),
        _ => {
            let version = version::find(&toolchain.version);
            let range = Range::parse(asked);
            matches!((range, version), (Ok(range @ Range::OneOf(_)), Some(version)) if range.fits(&version))
        }
    }
}

fn lacking(sysroot: &Utf8Path, targets: &[String], components: &[String]) -> Vec<String> {
    let libraries = sysroot.join("lib/rustlib");
    let targets = targets
        .iter()
        .filter(|target| !libraries.join(target).is_dir());
    let components = components.iter().filter(|component| {
        let place = match component.as_str() {
            "clippy" => sysroot.join("bin/cargo-clippy"),
            "rustfmt" => sysroot.join("bin/rustfmt"),
            "rust-src" => libraries.join("src"),
            "rust-analyzer" | "rustc" | "cargo" | "rustdoc" => sysroot.join("bin").join(component),
            _ => libraries.join("manifest-").join(component),
        };
        !place.exists()
    });
    targets.chain(components).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_toolchain_fits_by_its_name_its_channel_or_its_version() {
        let toolchain = |name: Option<&str>, version: &str| Toolchain {
            name: name.map(ToOwned::to_owned),
            version: version.to_owned(),
            sysroot: Utf8PathBuf::from("/none"),
        };
        let stable = toolchain(None, "rustc 1.95.0 (59807616e 2026-04-14)");
        let nightly = toolchain(Some("nightly-x86_64"), "rustc 1.97.0-nightly (abc)");
        for asked in ["stable", "1.95", "1.95.0"] {
            assert!(fits(asked, &stable), "{asked}");
            assert!(!fits(asked, &nightly), "{asked}");
        }
        assert!(fits("nightly", &nightly) && !fits("nightly", &stable));
        assert_eq!(
            lacking(
                &stable.sysroot,
                &["wasm32".to_owned()],
                &["clippy".to_owned()]
            ),
            ["wasm32", "clippy"]
        );
    }
}
