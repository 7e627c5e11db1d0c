//! The setup actions: nothing is fetched. The tools of this machine are looked at, one that fits is put first
//! on the path, and what does not fit is refused with what there is.

mod caches;
mod inside_container;
mod registry;
mod rust;
mod terraform;
mod tool;
mod version;

use cutover_executor::BuiltinLog;
use cutover_model::plan::Builtin;

use self::tool::{Found, Tool, ask, pick};
use super::{Context, Done, Left, checkout::inside};
use crate::Error;

const NODE: Tool = Tool {
    name: "node",
    program: "node",
    asks: &["--version"],
    cache: "node",
    versions: &[("~/.nvm/versions/node", "bin")],
};
const PYTHON: Tool = Tool {
    name: "Python",
    program: "python3",
    asks: &["--version"],
    cache: "Python",
    versions: &[("~/.pyenv/versions", "bin")],
};
const GO: Tool = Tool {
    name: "Go",
    program: "go",
    asks: &["version"],
    cache: "go",
    versions: &[("/usr/local/go/..", "go/bin"), ("~/sdk", "bin")],
};
const JAVA: Tool = Tool {
    name: "Java",
    program: "javac",
    asks: &["-version"],
    cache: "Java_Temurin-Hotspot_jdk",
    versions: &[("/usr/lib/jvm", "bin")],
};
const JRE: Tool = Tool {
    program: "java",
    ..JAVA
};

pub(super) async fn perform(
    builtin: Builtin,
    context: &Context,
    log: &mut BuiltinLog,
) -> Result<Done, Error> {
    let only_here = matches!(
        builtin,
        Builtin::SetupRust | Builtin::RustToolchain | Builtin::SetupTerraform
    );
    if only_here && context.container.is_some() {
        return Err(Error::Refused(format!(
            "`{}` sets up what is on this machine, and the job runs in a container; use an image that has \
             the tool",
            builtin.name()
        )));
    }
    context.flag("check-latest", false)?;
    architecture(context.input("architecture"))?;
    let left = match builtin {
        Builtin::SetupNode => node(context, log).await?,
        Builtin::SetupPython => python(context, log).await?,
        Builtin::SetupGo => go(context, log).await?,
        Builtin::SetupJava => java(context, log).await?,
        Builtin::SetupRust => rust::with_defaults(context, log).await?,
        Builtin::RustToolchain => rust::plain(context, log).await?,
        Builtin::SetupTerraform => terraform::perform(context, log).await?,
        other => {
            return Err(Error::Refused(format!(
                "`{}` sets nothing up",
                other.name()
            )));
        }
    };
    Ok(Done::Succeeded(left))
}

/// Tools of another machine would not run here.
fn architecture(said: Option<&str>) -> Result<(), Error> {
    let own: &[&str] = match std::env::consts::ARCH {
        "x86_64" => &["x64", "amd64", "x86_64"],
        "aarch64" => &["arm64", "aarch64"],
        other => &[other],
    };
    match said.filter(|said| !own.iter().any(|own| own.eq_ignore_ascii_case(said))) {
        None => Ok(()),
        Some(said) => Err(Error::Refused(format!(
            "`architecture: {said}` cannot be had: this machine is `{}`; leave it out",
            own.first().copied().unwrap_or_default()
        ))),
    }
}

/// Its programs come first for the steps after this one. Those of the system stay where they are, and
/// those of a container are where its `PATH` found them.
fn on_path(found: &Found) -> Left {
    let mut left = Left::default();
    if !found.is_inside {
        left.path.push(found.bin.to_string());
    }
    left
}

async fn node(context: &Context, log: &mut BuiltinLog) -> Result<Left, Error> {
    let asked = asked(context, "node-version", "node-version-file", |text| {
        let json: Option<serde_json::Value> = serde_json::from_str(text).ok();
        json.and_then(|json| Some(json["engines"]["node"].as_str()?.to_owned()))
    })?;
    let found = pick(context, log, &NODE, &asked).await?;
    let mut left = on_path(&found)
        .output("node-version", format!("v{}", found.version))
        .output("cache-hit", "false");
    context.flag("always-auth", false)?;
    if let Some(url) = context.input("registry-url") {
        registry::write(context, url, &mut left)?;
    }
    let manager = context.input("cache");
    if context.input("package-manager-cache").is_some() {
        context.flag("package-manager-cache", true)?;
    }
    match manager {
        Some(manager) => caches::node(context, log, left, manager, &found).await,
        None => Ok(left),
    }
}

async fn python(context: &Context, log: &mut BuiltinLog) -> Result<Left, Error> {
    let asked = asked(context, "python-version", "python-version-file", |text| {
        text.lines().find_map(|line| {
            let rest = line.trim().strip_prefix("requires-python")?;
            Some(
                rest.trim_start_matches([' ', '='])
                    .trim_matches('"')
                    .to_owned(),
            )
        })
    })?;
    context.flag("allow-prereleases", false)?;
    if context.flag("freethreaded", false)? {
        return Err(Error::Refused(
            "`freethreaded: true` cannot be done: such builds are not told from others; put one first on \
             the `PATH`, and leave it out"
                .to_owned(),
        ));
    }
    // Several lines are several versions, of which the last is the one that `python` is.
    let asked = asked.lines().last().unwrap_or_default().trim().to_owned();
    let found = pick(context, log, &PYTHON, &asked).await?;
    let mut left = on_path(&found)
        .output("python-version", found.version.to_string())
        .output("python-path", found.program.as_str())
        .output("cache-hit", "false");
    if context.flag("update-environment", true)? {
        if let Some(root) = found.bin.parent() {
            for name in ["pythonLocation", "Python_ROOT_DIR", "Python3_ROOT_DIR"] {
                left.env.insert(name.to_owned(), root.to_string());
            }
        }
    } else {
        left.path.clear();
    }
    match context.input("cache") {
        Some(manager) => caches::python(context, log, left, manager, &found).await,
        None => Ok(left),
    }
}

async fn go(context: &Context, log: &mut BuiltinLog) -> Result<Left, Error> {
    let asked = asked(context, "go-version", "go-version-file", |text| {
        text.lines()
            .find_map(|line| Some(line.trim().strip_prefix("go ")?.trim().to_owned()))
    })?;
    let found = pick(context, log, &GO, &asked).await?;
    let left = on_path(&found)
        .output("go-version", found.version.to_string())
        .output("cache-hit", "false");
    // As the original: unless it is said otherwise, when there is something to know it by.
    if context.flag("cache", true)? {
        return caches::go(context, log, left, &found).await;
    }
    Ok(left)
}

async fn java(context: &Context, log: &mut BuiltinLog) -> Result<Left, Error> {
    let asked = asked(context, "java-version", "java-version-file", |_| None)?;
    let tool = match context.input("java-package").unwrap_or("jdk") {
        "jdk" => &JAVA,
        "jre" => &JRE,
        other => {
            return Err(Error::Refused(format!(
                "`java-package: {other}` is neither `jdk` nor `jre`"
            )));
        }
    };
    let found = pick(context, log, tool, &asked).await?;
    let distribution = context.input("distribution").unwrap_or("jdkfile");
    log.line(&format!(
        "the distribution `{distribution}` was asked for; which one it is was not looked at"
    ));
    let real = found.program.canonicalize_utf8();
    let real = real.unwrap_or_else(|_| found.program.clone());
    let home = real.ancestors().nth(2).unwrap_or(&found.bin).to_owned();
    let mut left = on_path(&found)
        .output("version", found.version.to_string())
        .output("distribution", distribution)
        .output("path", home.as_str())
        .output("cache-hit", "false");
    left.env.insert("JAVA_HOME".to_owned(), home.into_string());
    match context.input("cache") {
        Some(manager) => caches::java(context, log, left, manager).await,
        None => Ok(left),
    }
}

/// The version that is asked for: by the input, else by the first line of the file, or by what a reader of
/// its form finds in it.
fn asked(
    context: &Context,
    input: &str,
    file: &str,
    read: impl Fn(&str) -> Option<String>,
) -> Result<String, Error> {
    if let Some(said) = context.input(input) {
        return Ok(said.to_owned());
    }
    let Some(path) = context.input(file) else {
        return Ok(String::new());
    };
    let place = inside(&context.place.workspace, path)?;
    let text = std::fs::read_to_string(&place)
        .map_err(|error| Error::Refused(format!("`{file}: {path}` cannot be read: {error}")))?;
    let first = || {
        let line = text.lines().map(str::trim).find(|line| !line.is_empty());
        let line = line.unwrap_or_default();
        line.rsplit([' ', '-']).next().unwrap_or(line).to_owned()
    };
    let is_plain = path
        .rsplit('/')
        .next()
        .is_some_and(|name| name.starts_with('.'));
    match read(&text) {
        Some(found) => Ok(found),
        None if is_plain => Ok(first()),
        None => Err(Error::Refused(format!("`{file}: {path}` names no version"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_tools_of_this_machine_are_had() {
        let own = if cfg!(target_arch = "aarch64") {
            "arm64"
        } else {
            "x64"
        };
        assert!(architecture(None).is_ok() && architecture(Some(own)).is_ok());
        let refused = architecture(Some("s390x")).unwrap_err().to_string();
        assert!(
            refused.contains(&format!("this machine is `{own}`")),
            "{refused}"
        );
    }
}
