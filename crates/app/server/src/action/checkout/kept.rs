//! `clean: false`: what an earlier checkout of the job left beside its sources stays. It is put aside
//! while the new ones come, and goes back where nothing is in its way.

use std::{collections::BTreeSet, fs, io};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_executor::BuiltinLog;
use cutover_forge::WorkingCopy;

use super::Context;
use crate::{Error, action::blocking};

/// What is put aside.
pub(super) struct Kept {
    /// Where it comes from and goes back to.
    into: Utf8PathBuf,
    aside: Utf8PathBuf,
    /// Sources of the earlier checkout: those are not kept.
    sources: BTreeSet<Utf8PathBuf>,
}

/// Puts aside what lies there; nothing when there was no checkout before, as with the original.
pub(super) async fn put_aside(
    context: &Context,
    into: &Utf8Path,
    log: &mut BuiltinLog,
) -> Result<Option<Kept>, Error> {
    let before = WorkingCopy::at(into);
    if !before.is_there() {
        return Ok(None);
    }
    let kept = Kept {
        into: into.to_owned(),
        aside: context.place.temp.join("_kept"),
        sources: before.tracked().await?,
    };
    log.line("`clean: false`: what is beside the sources of the earlier checkout stays");
    let (from, to) = (kept.into.clone(), kept.aside.clone());
    blocking(move || move_all(&from, &to).map_err(|error| format!("`{from}`: {error}"))).await?;
    Ok(Some(kept))
}

impl Kept {
    /// Puts it back.
    pub(super) async fn bring_back(self) -> Result<(), Error> {
        blocking(move || {
            let sources = Sources::new(&self.sources);
            sources
                .merge(&self.aside, &self.into, Utf8Path::new(""))
                .and_then(|()| fs::remove_dir_all(&self.aside))
                .map_err(|error| format!("`{}`: {error}", self.into))
        })
        .await
    }
}

/// Everything but `.git`, which is made anew.
fn move_all(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    fs::create_dir_all(to)?;
    for entry in from.read_dir_utf8()? {
        let entry = entry?;
        if entry.file_name() != ".git" {
            fs::rename(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}

struct Sources<'a> {
    files: &'a BTreeSet<Utf8PathBuf>,
    /// Those in which there are some.
    folders: BTreeSet<&'a Utf8Path>,
}

impl<'a> Sources<'a> {
    fn new(files: &'a BTreeSet<Utf8PathBuf>) -> Self {
        let above = files.iter().flat_map(|file| file.ancestors().skip(1));
        Self {
            files,
            folders: above.collect(),
        }
    }

    /// Moves what is no source to where nothing is; a folder in which there is neither goes as a whole.
    fn merge(&self, aside: &Utf8Path, into: &Utf8Path, below: &Utf8Path) -> io::Result<()> {
        for entry in aside.join(below).read_dir_utf8()? {
            let entry = entry?;
            let path = below.join(entry.file_name());
            if self.files.contains(&path) {
                continue;
            }
            let target = into.join(&path);
            let there = target.symlink_metadata().ok();
            let is_folder = entry.file_type()?.is_dir();
            let has_sources = is_folder && self.folders.contains(path.as_path());
            match there {
                None if !has_sources => fs::rename(entry.path(), &target)?,
                None => {
                    fs::create_dir(&target)?;
                    self.merge(aside, into, &path)?;
                    // It goes again when all in it were sources.
                    fs::remove_dir(&target).ok();
                }
                // What came stays, and a link is not followed.
                Some(there) if is_folder && there.is_dir() => self.merge(aside, into, &path)?,
                Some(_) => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_source_comes_back_where_nothing_is() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        let write = |path: &str, text: &str| {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        for path in [
            "old",
            "src/a",
            "src/made",
            "target/x/y",
            "gone/src",
            "gone/made",
            "new",
        ] {
            write(&format!("w/{path}"), "earlier");
        }
        write("w/.git/config", "");
        let (into, aside) = (root.join("w"), root.join("aside"));
        let files = ["old", "src/a", "gone/src"].map(Utf8PathBuf::from).into();
        move_all(&into, &aside).unwrap();
        assert!(into.join(".git/config").exists() && !into.join("old").exists());
        write("w/src/a", "later");
        write("w/new", "later");
        let sources = Sources::new(&files);
        sources.merge(&aside, &into, Utf8Path::new("")).unwrap();
        let read = |path: &str| fs::read_to_string(into.join(path)).unwrap_or_default();
        assert_eq!(
            (read("src/a"), read("new")),
            ("later".into(), "later".into())
        );
        assert_eq!(
            (read("old"), read("gone/src")),
            (String::new(), String::new())
        );
        assert_eq!(
            read("src/made") + &read("target/x/y") + &read("gone/made"),
            "earlier".repeat(3)
        );
    }
}
