//! `actions/cache`, and the caches of the setup actions: restored when the step runs, saved when the job has
//! gone well. Files of the workspace, of the home and of elsewhere come back to where they were.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_executor::BuiltinLog;
use cutover_model::run::{HandedOn, Level};
use cutover_results::{
    Bounds, Format, Glob, GlobOptions, PackOptions, Part, extract_part, pack_parts,
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Context, Done, Left, blocking, inside::Files};
use crate::Error;

/// Changes with the form of our archives, so that none of another form is found.
const FORM: &str = "cutover-1";
/// Under which name a step remembers what it has to save in the end.
const STATE: &str = "cutover_cache";

/// What is cached, under which key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Wanted {
    /// Patterns, one each.
    pub(super) paths: Vec<String>,
    pub(super) key: String,
    pub(super) restore_keys: Vec<String>,
}

impl Wanted {
    fn of(context: &Context) -> Self {
        Self {
            paths: context.lines("path"),
            key: context.input("key").unwrap_or_default().to_owned(),
            restore_keys: context.lines("restore-keys"),
        }
    }

    fn version(&self) -> String {
        let text = format!("{}|{FORM}", self.paths.join("|"));
        hex::encode(Sha256::digest(text.as_bytes()))
    }

    fn glob(&self, files: &Files) -> Result<Glob, Error> {
        let options = GlobOptions {
            follow_links: true,
            implicit_descendants: false,
            exclude_hidden: false,
        };
        files.glob(&self.paths, options)
    }
}

/// Where cached files may lie: their folders in an archive, the narrowest first.
fn places(files: &Files) -> Vec<(&'static str, &Utf8Path)> {
    let mut all = vec![("workspace", files.workspace.as_path())];
    all.extend(files.home.as_deref().map(|home| ("home", home)));
    all.push(("root", files.root.as_path()));
    all
}

/// Those in which the patterns begin.
fn used<'a>(files: &'a Files, glob: &Glob) -> Vec<(&'static str, &'a Utf8Path)> {
    let used: BTreeSet<&str> = glob
        .search_paths()
        .iter()
        .filter_map(|path| {
            let mut all = places(files).into_iter();
            all.find_map(|(name, place)| path.starts_with(place).then_some(name))
        })
        .collect();
    let mut all = places(files);
    all.retain(|(name, _)| used.contains(name));
    all
}

/// `actions/cache` and `actions/cache/restore`.
pub(super) async fn restore(
    context: &Context,
    log: &mut BuiltinLog,
    saves: bool,
) -> Result<Done, Error> {
    let wanted = Wanted::of(context);
    let only_looks = context.flag("lookup-only", false)?;
    context.flag("enableCrossOsArchive", false)?;
    let matched = bring(context, log, &wanted, only_looks).await?;
    if matched.is_none() && context.flag("fail-on-cache-miss", false)? {
        let why = format!(
            "no cache for `{}`, and `fail-on-cache-miss` is set",
            wanted.key
        );
        return Ok(Done::Failed(Left::default(), vec![why]));
    }
    let left = told(Left::default(), &wanted, matched.as_deref());
    Ok(Done::Succeeded(if saves {
        remember(left, &wanted, matched.as_deref())
    } else {
        left
    }))
}

/// The outputs of the original.
fn told(left: Left, wanted: &Wanted, matched: Option<&str>) -> Left {
    let hit = is_hit(wanted, matched);
    let left = left
        .output("cache-hit", hit.to_string())
        .output("cache-primary-key", wanted.key.as_str());
    match matched {
        Some(matched) => left.output("cache-matched-key", matched),
        None => left,
    }
}

fn is_hit(wanted: &Wanted, matched: Option<&str>) -> bool {
    matched.is_some_and(|matched| matched.eq_ignore_ascii_case(&wanted.key))
}

/// What was restored exactly need not be saved again.
pub(super) fn remember(mut left: Left, wanted: &Wanted, matched: Option<&str>) -> Left {
    if !is_hit(wanted, matched)
        && let Ok(text) = serde_json::to_string(wanted)
    {
        left.state.insert(STATE.to_owned(), text);
    }
    left
}

/// Looks for a cache and unpacks it. Says the key that it had.
pub(super) async fn bring(
    context: &Context,
    log: &mut BuiltinLog,
    wanted: &Wanted,
    only_looks: bool,
) -> Result<Option<String>, Error> {
    let service = context.control.results().service().clone();
    let (job, version) = (context.granted.id.clone(), wanted.version());
    let keys: Vec<String> = [&wanted.key]
        .into_iter()
        .chain(&wanted.restore_keys)
        .cloned()
        .collect();
    let found = crate::results::blocking(move || service.find_cache(&job, &keys, &version)).await?;
    let Some((cache, file)) = found else {
        log.line(&format!("no cache for `{}`", wanted.key));
        return Ok(None);
    };
    if only_looks {
        log.line(&format!("there is a cache `{}`; not restored", cache.key));
        return Ok(Some(cache.key));
    }
    let files = Arc::new(Files::of(context));
    let glob = wanted.glob(&files)?;
    let begin = glob.search_paths();
    files.clear().await?;
    let into = Arc::clone(&files);
    let unpacked = blocking(move || {
        let mut bytes = 0;
        for (prefix, into) in used(&into, &glob) {
            let done = extract_part(&file, Utf8Path::new(prefix), into, Bounds::default());
            bytes += done.map_err(|error| error.to_string())?.bytes;
        }
        Ok(bytes)
    });
    let bytes = unpacked.await?;
    files.copy_in(context, &begin).await?;
    files.clear().await?;
    log.line(&format!("restored cache `{}` ({bytes} bytes)", cache.key));
    Ok(Some(cache.key))
}

/// `actions/cache/save`.
pub(super) async fn save(context: &Context, log: &mut BuiltinLog) -> Result<Done, Error> {
    context.flag("enableCrossOsArchive", false)?;
    put(context, log, &Wanted::of(context)).await?;
    Ok(Done::Succeeded(Left::default()))
}

/// After the last step: saves what the step has remembered.
pub(super) async fn save_after(context: &Context, log: &mut BuiltinLog) -> Result<Done, Error> {
    let remembered = context.state(STATE).and_then(|state| match state {
        HandedOn::Plain(text) => serde_json::from_str(&text).ok(),
        HandedOn::Withheld => None,
    });
    let wanted: Option<Wanted> = remembered;
    match wanted {
        Some(wanted) => put(context, log, &wanted).await?,
        None => log.line("nothing to save: the cache was there, or none was asked for"),
    }
    Ok(Done::Succeeded(Left::default()))
}

/// Packs and saves. That there is one already, or nothing to save, is no failure.
async fn put(context: &Context, log: &mut BuiltinLog, wanted: &Wanted) -> Result<(), Error> {
    let files = Arc::new(Files::of(context));
    let glob = wanted.glob(&files)?;
    files.clear().await?;
    files.copy_out(context, &glob.search_paths()).await?;
    let from = Arc::clone(&files);
    let archive = context.place.temp.join("_cache.tgz");
    let to = archive.clone();
    let packed = blocking(move || {
        let found = glob.find().map_err(|error| error.to_string())?;
        if found.is_empty() {
            return Ok(None);
        }
        let options = PackOptions {
            format: Format::TarGz,
            follow_links: false,
            level: None,
        };
        let parts = parts(&used(&from, &glob), &found);
        let packed = pack_parts(&parts, options, &to).map_err(|error| error.to_string())?;
        Ok(Some(packed))
    });
    let packed = packed.await?;
    files.clear().await?;
    let Some(packed) = packed else {
        let none = format!(
            "no file for `{}`; nothing is cached",
            wanted.paths.join("`, `")
        );
        log.remark(Level::Warning, &none);
        return Ok(());
    };
    let service = context.control.results().service().clone();
    let (job, key, version) = (
        context.granted.id.clone(),
        wanted.key.clone(),
        wanted.version(),
    );
    let saved =
        crate::results::blocking(move || service.save_cache(&job, &key, &version, &archive));
    if saved.await? {
        log.line(&format!(
            "saved cache `{}` ({} bytes)",
            wanted.key, packed.size
        ));
    } else {
        log.line(&format!(
            "not saved: there is a cache `{}`, or another job saves it",
            wanted.key
        ));
    }
    Ok(())
}

/// Files by the place they come back to. What lies in a folder that is packed already is not packed again.
fn parts(places: &[(&'static str, &Utf8Path)], found: &[Utf8PathBuf]) -> Vec<Part> {
    let mut by_place: BTreeMap<&str, Part> = BTreeMap::new();
    let mut packed: BTreeSet<&Utf8Path> = BTreeSet::new();
    for path in found {
        if path.ancestors().skip(1).any(|above| packed.contains(above)) {
            continue;
        }
        packed.insert(path);
        let place = places
            .iter()
            .find_map(|(name, place)| Some((*name, *place, path.strip_prefix(place).ok()?)));
        if let Some((name, place, below)) = place {
            let part = by_place.entry(name).or_insert_with(|| Part {
                root: place.to_owned(),
                prefix: Utf8PathBuf::from(name),
                paths: Vec::new(),
            });
            part.paths.push(below.to_owned());
        }
    }
    by_place.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_back_to_where_they_were() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        let places = |name: &str| {
            let home = root.join(name).join("home");
            Files::on_machine(root.join(name).join("workspace"), Some(home))
        };
        let (from, to) = (places("one"), places("two"));
        let write = |path: Utf8PathBuf| {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        };
        write(from.workspace.join("target/a/b"));
        write(from.workspace.join("left"));
        write(from.home.clone().unwrap().join(".npm/c"));
        std::os::unix::fs::symlink("/bin/sh", from.workspace.join("target/sh")).unwrap();
        std::fs::create_dir_all(&to.workspace).unwrap();
        let wanted = Wanted {
            paths: vec!["target".to_owned(), "~/.npm".to_owned()],
            key: "k".to_owned(),
            restore_keys: Vec::new(),
        };
        let glob = wanted.glob(&from).unwrap();
        let parts = parts(&used(&from, &glob), &glob.find().unwrap());
        let archive = root.join("archive");
        let options = PackOptions {
            format: Format::TarGz,
            follow_links: false,
            level: None,
        };
        pack_parts(&parts, options, &archive).unwrap();
        let glob = wanted.glob(&to).unwrap();
        for (prefix, into) in used(&to, &glob) {
            extract_part(&archive, Utf8Path::new(prefix), into, Bounds::default()).unwrap();
        }
        assert!(to.workspace.join("target/a/b").is_file());
        assert!(to.workspace.join("target/sh").is_symlink());
        assert!(to.home.unwrap().join(".npm/c").is_file());
        assert!(!to.workspace.join("left").exists());
    }

    #[test]
    fn only_the_key_itself_is_a_hit() {
        let wanted = Wanted {
            paths: vec!["a".to_owned()],
            key: "Linux-1".to_owned(),
            restore_keys: vec!["Linux-".to_owned()],
        };
        assert!(is_hit(&wanted, Some("linux-1")));
        assert!(!is_hit(&wanted, Some("Linux-0")));
        assert!(
            remember(Left::default(), &wanted, Some("Linux-1"))
                .state
                .is_empty()
        );
        assert_eq!(remember(Left::default(), &wanted, None).state.len(), 1);
    }
}
