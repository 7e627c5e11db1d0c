//! What comes in from outside: the environment, the user's directories, files of secrets. The only
//! place that reads them.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use cutover_model::Secret;

use crate::cli::values::check_secret;

/// An environment variable that is set and not empty.
#[expect(
    clippy::disallowed_methods,
    reason = "the front door of the environment"
)]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn home() -> anyhow::Result<Utf8PathBuf> {
    let home = environment("HOME").context("`HOME` is not set; say where with --data-dir")?;
    Ok(Utf8PathBuf::from(home))
}

/// Where a server keeps everything when nothing is said.
pub(crate) fn server_dir(said: Option<&Utf8Path>) -> anyhow::Result<Utf8PathBuf> {
    if let Some(said) = said {
        return absolute(said);
    }
    let base = match environment("XDG_DATA_HOME") {
        Some(dir) => Utf8PathBuf::from(dir),
        None => home()?.join(".local/share"),
    };
    Ok(base.join("cutover"))
}

/// What of the user's stays and is not their own work.
fn state_dir() -> anyhow::Result<Utf8PathBuf> {
    Ok(match environment("XDG_STATE_HOME") {
        Some(dir) => Utf8PathBuf::from(dir),
        None => home()?.join(".local/state"),
    })
}

/// Where `cutover run` keeps its runs when nothing is said: one directory for each repository.
pub(crate) fn run_dir(
    said: Option<&Utf8Path>,
    repository: &Utf8Path,
) -> anyhow::Result<Utf8PathBuf> {
    if let Some(said) = said {
        return absolute(said);
    }
    let base = state_dir()?;
    // The id's end is a hash of the path: the same repository, the same directory.
    let id = cutover_model::RunId::derived(&[repository.as_str()]);
    let name = repository.file_name().unwrap_or("root");
    let tail = &id.as_str()[id.as_str().len() - 8..];
    Ok(base.join("cutover/run").join(format!("{name}-{tail}")))
}

/// Where actions come from when there is no server: shared by all repositories, unless it is said where
/// runs are kept.
pub(crate) fn actions(
    said: &crate::cli::Actions,
    data_dir: Option<&Utf8Path>,
) -> anyhow::Result<cutover_forge::ActionStore> {
    let root = match data_dir {
        Some(said) => absolute(said)?.join("actions"),
        None => state_dir()?.join("cutover/actions"),
    };
    said.store(root)
}

/// The token for private actions: of a file, else of the environment. It has no flag: command lines are
/// seen by everybody.
pub(crate) fn actions_token(file: Option<&Utf8Path>) -> anyhow::Result<Option<Secret>> {
    let text = match file {
        Some(path) => Some(self::file(
            "--actions-token-file",
            path,
            "a token, `TOKEN` or `USER:TOKEN`",
        )?),
        None => environment("CUTOVER_ACTIONS_TOKEN"),
    };
    Ok(text.map(|text| Secret::new(text.trim())))
}

/// An absolute path; the supervised processes have another working directory than we.
pub(crate) fn absolute(path: &Utf8Path) -> anyhow::Result<Utf8PathBuf> {
    let path = std::path::absolute(path).with_context(|| format!("`{path}` is not a path"))?;
    Utf8PathBuf::from_path_buf(path)
        .map_err(|path| anyhow::anyhow!("`{}` is not UTF-8", path.display()))
}

/// What a step finds of our environment: where tools and certificates are, and how to reach the
/// network. Everything else stays outside, so that what runs here runs elsewhere.
const PASSED_ON: [&str; 26] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "JAVA_HOME",
    "GOPATH",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "NODE_EXTRA_CA_CERTS",
    "DOCKER_HOST",
    "ACTIONS_RUNNER_HOOK_JOB_STARTED",
    "ACTIONS_RUNNER_HOOK_JOB_COMPLETED",
];

/// What somebody may have set for the official runner, and what to do about it: it would mean something
/// there, and nothing here.
const REFUSED: [(&str, &str); 2] = [
    (
        "ACTIONS_RUNNER_CONTAINER_HOOKS",
        "containers of jobs are made by the Docker engine; unset it",
    ),
    (
        "ACTIONS_RUNNER_REQUIRE_JOB_CONTAINER",
        "name an image for each label with `--runs-on LABEL=docker://IMAGE`, and unset it",
    ),
];

/// The text of a file that an option names; `what` it holds is said when it cannot be read, and which file is
/// meant when one of nearly that name is there.
pub(crate) fn file(option: &str, path: &Utf8Path, what: &str) -> anyhow::Result<String> {
    let error = match std::fs::read_to_string(path) {
        Ok(text) => return Ok(text),
        Err(error) => error,
    };
    let beside = match path.parent() {
        Some(parent) if parent != "" => parent.read_dir_utf8(),
        Some(_) | None => Utf8Path::new(".").read_dir_utf8(),
    };
    let beside: Vec<String> = beside
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.file_name().to_owned()))
        .collect();
    let wanted = path.file_name().unwrap_or_default();
    let is_missing = error.kind() == std::io::ErrorKind::NotFound;
    let near = cutover_dialect::nearest(wanted, beside.iter().map(String::as_str))
        .filter(|near| is_missing && *near != wanted)
        .map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
    bail!("{option} names a file with {what}; could not read `{path}`: {error}{near}")
}

/// The environment that every step begins with.
pub(crate) fn base_env() -> anyhow::Result<BTreeMap<String, String>> {
    refuse(environment)?;
    let set = PASSED_ON
        .into_iter()
        .filter_map(|name| Some((name.to_owned(), environment(name)?)));
    Ok(set.collect())
}

fn refuse(environment: impl Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    for (name, instead) in REFUSED {
        if environment(name).is_some() {
            bail!("`{name}` is set, and that is not there yet: {instead}");
        }
    }
    Ok(())
}

/// Our own binary.
pub(crate) fn executable() -> anyhow::Result<Utf8PathBuf> {
    let path = std::env::current_exe().context("could not find our own binary")?;
    Utf8PathBuf::from_path_buf(path)
        .map_err(|path| anyhow::anyhow!("`{}` is not UTF-8", path.display()))
}

/// Who is at the keyboard.
pub(crate) fn user() -> String {
    environment("USER")
        .or_else(|| environment("LOGNAME"))
        .unwrap_or_else(|| "owner".to_owned())
}

/// How many jobs at once when nothing is said.
pub(crate) fn processors() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZero::get)
}

/// A file of secrets: `K=V` a line, `#` begins a comment, quotes around a value are taken off.
pub(crate) fn secret_file(path: &Utf8Path) -> anyhow::Result<BTreeMap<String, Secret>> {
    let text = file("--secret-file", path, "secrets, `K=V` a line")?;
    let mut secrets = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        // The line itself is not shown: it may be a secret.
        let Some((name, value)) = line.split_once('=') else {
            bail!("{path}:{}: not `NAME=VALUE`", number + 1);
        };
        let name = name.trim().trim_start_matches("export ").trim();
        if let Err(rule) = check_secret(name) {
            bail!(
                "{path}:{}: before the `=` is no name of a secret: {rule}",
                number + 1
            );
        }
        let value = value.trim();
        let bare = ['"', '\'']
            .iter()
            .find_map(|&quote| value.strip_prefix(quote)?.strip_suffix(quote))
            .unwrap_or(value);
        secrets.insert(name.to_owned(), Secret::new(bare));
    }
    Ok(secrets)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_ignored_of_the_environment_is_refused() {
        let only = |set: &'static str| move |name: &str| (name == set).then(|| "x".to_owned());
        assert!(refuse(only("ACTIONS_RUNNER_HOOK_JOB_STARTED")).is_ok());
        for (name, _) in REFUSED {
            let error = refuse(only(name)).unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{name}` is set")), "{error}");
        }
    }

    #[test]
    fn secrets_are_read_and_a_bad_line_is_not_shown() {
        let dir = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(dir.path().join("secrets")).unwrap();
        std::fs::write(&path, "# c\nA=1\n export B = \"x y\"\n\n").unwrap();
        let secrets = secret_file(&path).unwrap();
        assert_eq!(secrets["A"].expose(), "1");
        assert_eq!(secrets["B"].expose(), "x y");
        for line in ["hunter2", "hunter2 x=1", "=hunter2", "hunter2+hunter2=="] {
            std::fs::write(&path, format!("A=1\n{line}\n")).unwrap();
            let error = secret_file(&path).unwrap_err().to_string();
            assert!(
                error.contains(":2:") && !error.contains("hunter2"),
                "{error}"
            );
        }
    }

    #[test]
    fn a_file_that_is_not_there_is_told_with_what_it_holds_and_what_is_near() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        std::fs::write(dir.join("secrets.env"), "A=1").unwrap();
        let said = |name: &str| secret_file(&dir.join(name)).unwrap_err().to_string();
        let near = said("secret.env");
        assert!(
            near.contains("--secret-file") && near.contains("`K=V` a line"),
            "{near}"
        );
        assert!(near.ends_with("did you mean `secrets.env`?"), "{near}");
        assert!(said("nope").ends_with("(os error 2)"), "{}", said("nope"));
    }
}
