//! `actions/upload-artifact` and `actions/download-artifact`, the short way: files are packed where the
//! results service keeps them, and unpacked from there.

use camino::{Utf8Path, Utf8PathBuf};
use cutover_executor::BuiltinLog;
use cutover_model::{Duration, Timestamp, run::Level};
use cutover_results::{
    Artifact, Bounds, Format, GlobOptions, PackOptions, Part, extract, pack_parts,
};

use super::{Context, Done, Left, blocking, inside::Files};
use crate::{Error, which};

/// What to pack, and from where names begin.
struct Found {
    root: Utf8PathBuf,
    paths: Vec<Utf8PathBuf>,
    /// Links are packed as what they lead to.
    follow_links: bool,
}

pub(super) async fn upload(context: &Context, log: &mut BuiltinLog) -> Result<Done, Error> {
    if !context.flag("archive", true)? {
        return upload_one(context, log).await;
    }
    let name = context.input("name").unwrap_or("artifact").to_owned();
    let level = match context.number("compression-level")? {
        Some(level) if level > 9 => {
            let why = format!("`compression-level: {level}` is more than 9");
            return Err(Error::Refused(why));
        }
        level => level.and_then(|level| u8::try_from(level).ok()),
    };
    let patterns = context.lines("path");
    let files = find(context, &patterns).await?;
    if files.paths.is_empty() {
        return nothing(context, log, &patterns);
    }
    let count = files.paths.len();
    let to = context.place.temp.join("_artifact.zip");
    let pack = move |to: &Utf8Path| {
        let options = PackOptions {
            format: Format::Zip,
            follow_links: files.follow_links,
            level,
        };
        let part = Part {
            root: files.root,
            prefix: Utf8PathBuf::new(),
            paths: files.paths,
        };
        let packed = pack_parts(&[part], options, to);
        packed.map(drop).map_err(|error| error.to_string())
    };
    let artifact = keep(context, (name, "application/zip"), to, pack).await?;
    Files::of(context).clear().await?;
    log.line(&format!(
        "files in artifact `{}`: {count} ({} bytes, sha256:{})",
        artifact.name, artifact.size, artifact.sha256
    ));
    Ok(Done::Succeeded(left(context, artifact)))
}

/// `archive: false`: one file as it is, which is also called as it is.
async fn upload_one(context: &Context, log: &mut BuiltinLog) -> Result<Done, Error> {
    let patterns = context.lines("path");
    let Found { root, paths, .. } = find(context, &patterns).await?;
    let file = match paths.as_slice() {
        [] => return nothing(context, log, &patterns),
        [one] => root.join(one),
        several => {
            return Err(Error::Refused(format!(
                "`archive: false` is for one file, and `path` names {}; name one, or leave `archive` out",
                several.len()
            )));
        }
    };
    let name = file.file_name().unwrap_or("artifact").to_owned();
    let to = context.place.temp.join("_artifact.bin");
    // The service takes what it is given away; the workspace keeps its file.
    let copy = move |to: &Utf8Path| {
        let copied = std::fs::copy(&file, to);
        copied
            .map(drop)
            .map_err(|error| format!("`{file}`: {error}"))
    };
    let artifact = keep(context, (name, "application/octet-stream"), to, copy).await?;
    Files::of(context).clear().await?;
    log.line(&format!(
        "the file is artifact `{}` ({} bytes, sha256:{})",
        artifact.name, artifact.size, artifact.sha256
    ));
    Ok(Done::Succeeded(left(context, artifact)))
}

/// Makes a file and gives it to the service, in place of one of that name when that is wished.
async fn keep(
    context: &Context,
    (name, kind): (String, &'static str),
    to: Utf8PathBuf,
    make: impl FnOnce(&Utf8Path) -> Result<(), String> + Send + 'static,
) -> Result<Artifact, Error> {
    let expires = expires(context)?;
    let overwrite = context.flag("overwrite", false)?;
    let service = context.control.results().service().clone();
    let job = context.granted.id.clone();
    let kept = blocking(move || {
        make(&to)?;
        if overwrite {
            let removed = service.remove_artifact(&job, &name);
            removed.map_err(|error| error.to_string())?;
        }
        let kept = service.keep_artifact(&job, &name, kind, &to, expires);
        kept.map_err(|error| error.to_string())
    });
    kept.await
}

fn expires(context: &Context) -> Result<Option<Timestamp>, Error> {
    let days = context.number("retention-days")?.filter(|days| *days > 0);
    let until =
        |days: u64| context.control.now() + Duration::from_mins(days.saturating_mul(24 * 60));
    Ok(days.map(until))
}

fn left(context: &Context, artifact: Artifact) -> Left {
    let path = format!("/runs/{}/artifacts/{}", context.key.run, artifact.id);
    Left::default()
        .output("artifact-id", artifact.id.to_string())
        .output("artifact-digest", artifact.sha256)
        .output(
            "artifact-url",
            context.control.link(&path).unwrap_or_default(),
        )
}

fn nothing(context: &Context, log: &mut BuiltinLog, patterns: &[String]) -> Result<Done, Error> {
    let what = format!("no file for `{}`; no artifact", patterns.join("`, `"));
    match context.input("if-no-files-found").unwrap_or("warn") {
        "warn" => log.remark(Level::Warning, &what),
        "ignore" => log.line(&what),
        "error" => return Ok(Done::Failed(Left::default(), vec![what])),
        other => {
            return Err(Error::Refused(format!(
                "`if-no-files-found: {other}` is none of `warn`, `error`, `ignore`"
            )));
        }
    }
    Ok(Done::Succeeded(Left::default()))
}

async fn find(context: &Context, patterns: &[String]) -> Result<Found, Error> {
    let options = GlobOptions {
        follow_links: true,
        implicit_descendants: true,
        exclude_hidden: !context.flag("include-hidden-files", false)?,
    };
    let files = Files::of(context);
    let glob = files.glob(patterns, options)?;
    let follow_links = !files.has_copies(&glob);
    files.clear().await?;
    files.copy_out(context, &glob.search_paths()).await?;
    blocking(move || {
        let mut found = glob.find().map_err(|error| error.to_string())?;
        found.retain(|path| !path.is_dir());
        let root = root(&glob.search_paths(), &found);
        let below = |path: &Utf8PathBuf| Some(path.strip_prefix(&root).ok()?.to_owned());
        Ok(Found {
            paths: found.iter().filter_map(below).collect(),
            root,
            follow_links,
        })
    })
    .await
}

/// Where names in the artifact begin: at the path that is named, of several at what they have in common, of
/// a single file at its folder.
fn root(searched: &[Utf8PathBuf], found: &[Utf8PathBuf]) -> Utf8PathBuf {
    match searched {
        [] => Utf8PathBuf::from("/"),
        [one] if found == [one.clone()] => one.parent().unwrap_or(one).to_owned(),
        [one] => one.clone(),
        [first, others @ ..] => {
            let is_common = |path: &&Utf8Path| others.iter().all(|other| other.starts_with(path));
            let common = first.ancestors().find(is_common);
            common.unwrap_or(Utf8Path::new("/")).to_owned()
        }
    }
}

pub(super) async fn download(context: &Context, log: &mut BuiltinLog) -> Result<Done, Error> {
    let files = Files::of(context);
    files.clear().await?;
    let into = files.workspace.join(place(context, &files)?);
    let mut all = available(context).await?;
    // Of several by one name, tries of a job, the newest counts.
    all.sort_by(|left, right| (&left.name, left.id).cmp(&(&right.name, right.id)));
    all.reverse();
    all.dedup_by(|older, newer| older.name == newer.name);
    all.reverse();
    let (chosen, is_one) = chosen(context, all)?;
    let merges = context.flag("merge-multiple", false)?;
    let is_packed = context.flag("skip-decompress", false)?;
    mismatch(context.input("digest-mismatch"))?;
    for artifact in chosen {
        let to = if is_one || merges {
            into.clone()
        } else {
            into.join(&artifact.name)
        };
        let service = context.control.results().service();
        let from = service.artifact_file(&artifact);
        let at = to.clone();
        let is_zip = artifact.mime_type == "application/zip";
        let name = if is_zip {
            format!("{}.zip", artifact.name)
        } else {
            artifact.name.clone()
        };
        let unpacked = blocking(move || {
            if is_zip && !is_packed {
                let done = extract(&from, &at, Bounds::default());
                return done.map(drop).map_err(|error| error.to_string());
            }
            let copied = std::fs::create_dir_all(&at)
                .and_then(|()| std::fs::copy(&from, at.join(&name)).map(drop));
            copied.map_err(|error| format!("`{at}`: {error}"))
        });
        unpacked.await?;
        let shown = files.inside(&to);
        log.line(&format!("artifact `{}` is in {shown}", artifact.name));
    }
    files.copy_in(context, std::slice::from_ref(&into)).await?;
    files.clear().await?;
    Ok(Done::Succeeded(
        Left::default().output("download-path", files.inside(&into)),
    ))
}

/// What was verified when it came in is read from the disk of this machine: no digest differs on the way.
fn mismatch(said: Option<&str>) -> Result<(), Error> {
    match said {
        None | Some("ignore" | "info" | "warn" | "error") => Ok(()),
        Some(other) => Err(Error::Refused(format!(
            "`digest-mismatch: {other}` is none of `ignore`, `info`, `warn`, `error`"
        ))),
    }
}

/// `path`: in the workspace, the home, or anywhere.
fn place(context: &Context, files: &Files) -> Result<String, Error> {
    let path = files.outside(context.input("path").unwrap_or_default());
    match (path.strip_prefix('~'), &files.home) {
        (Some(rest), Some(home)) => Ok(home.join(rest.trim_start_matches('/')).into_string()),
        (Some(_), None) => Err(Error::Refused(
            "`path` needs a home; none is known".to_owned(),
        )),
        (None, _) => Ok(path),
    }
}

/// The artifacts that the step may choose from: of its own run, or of another one of the same repository.
async fn available(context: &Context) -> Result<Vec<Artifact>, Error> {
    let repository = &context.trigger()?.repository;
    if let Some(other) = context.input("repository")
        && other != repository
    {
        return Err(Error::Refused(format!(
            "artifacts of `{other}` cannot be had from here; only those of `{repository}`"
        )));
    }
    let own = context.key.run.to_string();
    let run = match context.input("run-id") {
        Some(text) if text != own => {
            let store = context.control.store();
            which::find(store, text, Some(repository))
                .await?
                .id
                .to_string()
        }
        _ => own.clone(),
    };
    let service = context.control.results().service().clone();
    let of = run.clone();
    let mut all = crate::results::blocking(move || service.artifacts(&of)).await?;
    all.retain(|artifact| artifact.repository == *repository);
    let is_foreign = run != own;
    if is_foreign && !context.run.may_see_secrets() {
        let why = "an untrusted run reads artifacts of its own only".to_owned();
        return Err(Error::Refused(why));
    }
    if is_foreign && all.iter().any(|artifact| !artifact.is_trusted) {
        return Err(Error::Refused(format!(
            "artifacts of run {run} come from an untrusted run; a trusted one does not take them"
        )));
    }
    Ok(all)
}

/// Those that are named, and whether one alone is meant.
fn chosen(context: &Context, all: Vec<Artifact>) -> Result<(Vec<Artifact>, bool), Error> {
    if let Some(name) = context.input("name") {
        let found = all.into_iter().find(|artifact| artifact.name == name);
        let missing = || Error::NotFound(format!("there is no artifact `{name}`"));
        return Ok((vec![found.ok_or_else(missing)?], true));
    }
    if let Some(ids) = context.input("artifact-ids") {
        let ids: Vec<&str> = ids.split(',').map(str::trim).collect();
        let mut found = Vec::new();
        for id in &ids {
            let one = all.iter().find(|artifact| artifact.id.to_string() == *id);
            let missing = || Error::NotFound(format!("there is no artifact with id `{id}`"));
            found.push(one.ok_or_else(missing)?.clone());
        }
        return Ok((found, ids.len() == 1));
    }
    let Some(pattern) = context.input("pattern") else {
        return Ok((all, false));
    };
    let matcher = globset::GlobBuilder::new(pattern)
        .literal_separator(true)
        .build()
        .map_err(|error| Error::Refused(format!("`pattern: {pattern}`: {error}")))?
        .compile_matcher();
    let mut found = all;
    found.retain(|artifact| matcher.is_match(&artifact.name));
    Ok((found, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_digest_that_differs_means_is_one_of_four_words() {
        assert!(mismatch(None).is_ok() && mismatch(Some("warn")).is_ok());
        assert!(mismatch(Some("panic")).is_err());
    }

    #[test]
    fn names_begin_where_the_original_has_them_begin() {
        let paths = |texts: &[&str]| -> Vec<Utf8PathBuf> {
            texts.iter().map(|text| Utf8PathBuf::from(*text)).collect()
        };
        let root =
            |searched: &[&str], found: &[&str]| root(&paths(searched), &paths(found)).into_string();
        assert_eq!(root(&["/w/a.txt"], &["/w/a.txt"]), "/w");
        assert_eq!(root(&["/w/dist"], &["/w/dist/a", "/w/dist/b"]), "/w/dist");
        assert_eq!(root(&["/w/a/b", "/w/a/c"], &["/w/a/b/x"]), "/w/a");
        assert_eq!(root(&["/w/ab", "/w/a"], &["/w/a"]), "/w");
    }
}
