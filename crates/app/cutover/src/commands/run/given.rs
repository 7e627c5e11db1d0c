//! What is given to a run from outside, and where runs of a repository are: the same for one that begins
//! and one that goes on.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use cutover_executor::Supervisors;
use cutover_forge::ActionStore;
use cutover_model::Secret;
use cutover_server::{Options, Sources};
use cutover_store::Store;

use crate::{
    cli::{self, values::check_secret},
    config,
};

/// Secrets from a file, and those that were named; without a value, from the environment.
pub(crate) fn secrets(
    file: Option<&Utf8Path>,
    named: &[String],
) -> anyhow::Result<BTreeMap<String, Secret>> {
    let mut secrets = BTreeMap::new();
    if let Some(path) = file {
        secrets = config::secret_file(path)?;
    }
    for given in named {
        let name = given.split_once('=').map_or(&**given, |(name, _)| name);
        if name.trim().is_empty() {
            bail!("--secret: the name is missing: write `NAME`, or `NAME=VALUE`");
        }
        if let Err(rule) = check_secret(name) {
            bail!("--secret: `{name}` cannot be a secret: {rule}");
        }
        if let Some((name, value)) = given.split_once('=') {
            secrets.insert(name.to_owned(), Secret::new(value));
            continue;
        }
        let name = given;
        let value = config::environment(name).with_context(|| {
            format!("--secret {name}: no environment variable has that name; or write `--secret {name}=VALUE`")
        })?;
        secrets.insert(name.clone(), Secret::new(value));
    }
    Ok(secrets)
}

/// A control plane for runs of a working tree.
pub(crate) fn options(
    data_dir: Utf8PathBuf,
    jobs: Option<u16>,
    secrets: BTreeMap<String, Secret>,
    root: &Utf8Path,
    actions: ActionStore,
) -> anyhow::Result<Options> {
    Ok(Options {
        data_dir,
        executable: config::executable()?,
        supervisors: None,
        numbers: None,
        runners: jobs.map_or_else(config::processors, usize::from),
        secrets,
        vars: BTreeMap::new(),
        sources: Sources::WorkingTree(root.to_owned()),
        actions,
        docker_host: config::environment("DOCKER_HOST"),
        address: None,
        base_env: config::base_env()?,
        recover: false,
        // What goes on here ends with the machine anyway.
        power_safe: false,
    })
}

/// The supervisors of jobs, the first of which is started now.
pub(crate) fn supervisors() -> anyhow::Result<Supervisors> {
    let command = vec![config::executable()?.into_string(), "supervise".to_owned()];
    let supervisors = Supervisors::new(command);
    supervisors.warm_up();
    Ok(supervisors)
}

/// Where runs of one repository may be: two at once do not meet.
pub(crate) fn places(base: &Utf8Path) -> impl Iterator<Item = Utf8PathBuf> {
    let beside = (1..64).map(|place| base.join(format!("beside-{place}")));
    std::iter::once(base.to_owned()).chain(beside)
}

/// The store that numbers the runs of all these places: that of the first, whoever works there now.
pub(crate) async fn numbers(base: &Utf8Path) -> anyhow::Result<Store> {
    let file = base.join("cutover.db");
    Ok(Store::open_without_power_safety(&format!("sqlite://{file}")).await?)
}

/// The options that `cutover retry` needs to find what was run so.
pub(crate) fn how_to(args: &cli::Run) -> String {
    let mut words = String::new();
    if args.directory != "." {
        words.extend([" -C ", args.directory.as_str()]);
    }
    if let Some(dir) = &args.data_dir {
        words.extend([" --run-dir ", dir.as_str()]);
    }
    if let Some(file) = &args.secret_file {
        words.extend([" --secret-file ", file.as_str()]);
    }
    for given in &args.secrets {
        // The value stays where it was typed.
        let name = given
            .split_once('=')
            .map_or(given.as_str(), |(name, _)| name);
        words.extend([" --secret ", name]);
    }
    words
}
