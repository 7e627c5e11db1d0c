//! Copies of a workspace at the borders of steps, so that a job can go on from there.
//!
//! Looking costs a walk, copying costs more, and most steps change nothing or everything: so an unchanged
//! workspace is not copied again, and the first one that is too large ends it for the rest of the job.

use std::{
    collections::hash_map::DefaultHasher,
    fs::{self, File, FileTimes},
    hash::{Hash as _, Hasher as _},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, symlink},
    time::UNIX_EPOCH,
};

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};

/// When a workspace is copied before a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Snapshots {
    /// When that costs little: a few hundred files, or more where the file system shares what is copied.
    #[default]
    Cheap,
    /// Always, whatever it costs.
    Always,
    /// Never.
    Never,
}

/// What the copies of one job may cost together.
struct Budget {
    entries: u64,
    bytes: u64,
}

/// Where files are copied byte by byte.
const PLAIN: Budget = Budget {
    entries: 2_000,
    bytes: 64 * 1024 * 1024,
};
/// Where copies share their bytes until one of them is written.
const SHARED: Budget = Budget {
    entries: 20_000,
    bytes: u64::MAX,
};
/// A file that was changed so shortly before it was looked at may be changed again unseen: the clock of
/// a file system ticks slowly.
const TICK_NANOS: i128 = 20_000_000;

/// So few files are looked at sooner than a thread is found that may wait for them.
const FEW: u64 = 64;

/// What a workspace looked like.
#[derive(Debug, Clone, Copy, Default)]
struct Look {
    entries: u64,
    bytes: u64,
    /// Of names, sizes and times, in whatever order.
    sum: u64,
    /// When the youngest file was changed.
    youngest: i128,
}

/// What is known of the borders of a job while its steps go on.
#[derive(Debug, Default)]
pub(crate) struct Borders {
    last: Option<Look>,
    looked_at: Option<u16>,
    spent: Look,
    given_up: bool,
}

/// What there is of a border.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Found {
    /// A copy.
    Copy(Utf8PathBuf),
    /// Nothing was there yet.
    Empty,
    /// It was not copied.
    Nothing,
}

impl Borders {
    /// Whether no border of this step is to be looked for any more.
    pub(crate) fn is_past(&self, index: u16) -> bool {
        self.given_up || self.looked_at.is_some_and(|before| before >= index)
    }

    /// Whether it is not known yet if this step has begun: nobody here has looked at a border before it.
    pub(crate) const fn is_new(&self) -> bool {
        self.looked_at.is_none()
    }

    /// Passes the border when a short look says that there is nothing to copy.
    pub(crate) fn glance(
        &mut self,
        (workspace, folder): (&Utf8Path, &Utf8Path),
        index: u16,
    ) -> bool {
        if self.last.is_some_and(|last| last.entries > FEW) {
            return false;
        }
        let Ok(Some(look)) = look(workspace, FEW) else {
            return false;
        };
        let is_done = self.needs_no_copy(&look, folder);
        if is_done {
            self.looked_at = Some(index);
        }
        is_done
    }

    fn needs_no_copy(&self, look: &Look, folder: &Utf8Path) -> bool {
        let is_same = |last: Look| last.sum == look.sum && last.entries == look.entries;
        (look.entries == 0 && !folder.exists()) || self.last.is_some_and(is_same)
    }

    /// Looks at the workspace before the step of this place, and copies it if that is worth it.
    pub(crate) fn pass(
        &mut self,
        (workspace, folder): (&Utf8Path, &Utf8Path),
        index: u16,
        policy: Snapshots,
    ) -> io::Result<()> {
        if self.is_past(index) {
            return Ok(());
        }
        let done = match policy {
            Snapshots::Never => Ok(false),
            Snapshots::Cheap | Snapshots::Always => self.copy(workspace, folder, index, policy),
        };
        self.looked_at = Some(index);
        match done {
            Ok(true) => Ok(()),
            Ok(false) => self.give_up(folder, index),
            Err(error) => self.give_up(folder, index).and(Err(error)),
        }
    }

    /// From this step on there are no copies.
    pub(crate) fn give_up(&mut self, folder: &Utf8Path, index: u16) -> io::Result<()> {
        if !std::mem::replace(&mut self.given_up, true) && nothing_from(folder).is_none() {
            make(folder)?;
            fs::write(folder.join(NOTHING), index.to_string())?;
        }
        Ok(())
    }

    /// Whether there is a copy now, or need not be.
    fn copy(
        &mut self,
        workspace: &Utf8Path,
        folder: &Utf8Path,
        index: u16,
        policy: Snapshots,
    ) -> io::Result<bool> {
        let most = match policy {
            Snapshots::Always | Snapshots::Never => u64::MAX,
            Snapshots::Cheap => SHARED.entries,
        };
        let Some(look) = look(workspace, most)? else {
            return Ok(false);
        };
        if self.needs_no_copy(&look, folder) {
            return Ok(true);
        }
        let spent = Look {
            entries: self.spent.entries + look.entries,
            bytes: self.spent.bytes.saturating_add(look.bytes),
            ..look
        };
        let fits = |budget: &Budget| spent.entries <= budget.entries && spent.bytes <= budget.bytes;
        if policy == Snapshots::Cheap
            && !(fits(&PLAIN) || (fits(&SHARED) && shares(workspace, folder)?))
        {
            return Ok(false);
        }
        make(folder)?;
        let (half, whole) = (folder.join("half"), folder.join(index.to_string()));
        clear(&half)?;
        clone(workspace, &half)?;
        clear(&whole)?;
        fs::rename(half, whole)?;
        self.spent = spent;
        // What is younger than a tick of the clock may be another by the next look.
        let is_settled = now_nanos() - look.youngest > TICK_NANOS;
        self.last = is_settled.then_some(look);
        Ok(true)
    }
}

/// Beside the copies: the first border of which there is none.
const NOTHING: &str = "nothing";

fn nothing_from(folder: &Utf8Path) -> Option<u16> {
    let text = fs::read_to_string(folder.join(NOTHING)).ok()?;
    text.trim().parse().ok()
}

/// What there is of a border.
pub(crate) fn find(folder: &Utf8Path, index: u16) -> io::Result<Found> {
    if nothing_from(folder).is_some_and(|nothing| nothing <= index) {
        return Ok(Found::Nothing);
    }
    let newest = copies(folder)?
        .into_iter()
        .filter(|place| *place <= index)
        .max();
    Ok(newest.map_or(Found::Empty, |place| {
        Found::Copy(folder.join(place.to_string()))
    }))
}

/// Forgets the borders behind this one: what comes there comes anew.
pub(crate) fn forget_after(folder: &Utf8Path, index: u16) -> io::Result<()> {
    for place in copies(folder)?.into_iter().filter(|place| *place > index) {
        clear(&folder.join(place.to_string()))?;
    }
    if nothing_from(folder).is_some_and(|nothing| nothing > index) {
        fs::remove_file(folder.join(NOTHING))?;
    }
    Ok(())
}

/// The borders that have a copy of their own.
fn copies(folder: &Utf8Path) -> io::Result<Vec<u16>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    Ok(names.filter_map(|name| name.parse().ok()).collect())
}

/// How much a tree holds.
pub(crate) fn bytes_of(root: &Utf8Path) -> u64 {
    match look(root, u64::MAX) {
        Ok(Some(look)) => look.bytes,
        Ok(None) | Err(_) => 0,
    }
}

/// Walks a tree; `None` when there is more in it than `most`.
fn look(root: &Utf8Path, most: u64) -> io::Result<Option<Look>> {
    let mut found = Look::default();
    let mut open = vec![root.as_std_path().to_owned()];
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(&folder)? {
            let entry = entry?;
            let data = entry.metadata()?;
            let path = entry.path();
            let changed = i128::from(data.ctime()) * 1_000_000_000 + i128::from(data.ctime_nsec());
            let mut hasher = DefaultHasher::new();
            (&path, data.len(), data.mode(), data.ino(), changed).hash(&mut hasher);
            found.sum = found.sum.wrapping_add(hasher.finish());
            found.entries += 1;
            found.youngest = found.youngest.max(changed);
            if data.is_dir() {
                open.push(path);
            } else {
                found.bytes = found.bytes.saturating_add(data.len());
            }
            if found.entries > most {
                return Ok(None);
            }
        }
    }
    Ok(Some(found))
}

#[expect(
    clippy::disallowed_methods,
    reason = "compared with what the file system says of its files, and with nothing else"
)]
fn now_nanos() -> i128 {
    let since = std::time::SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i128::try_from(since.as_nanos()).unwrap_or(i128::MAX)
    })
}

/// Whether copies in this folder share their bytes with what they are made of.
fn shares(workspace: &Utf8Path, folder: &Utf8Path) -> io::Result<bool> {
    make(folder)?;
    let (probe, copy) = (folder.join("probe"), folder.join("probe.copy"));
    // On the file system of the workspace, which is the same directory's.
    fs::write(&probe, workspace.as_str())?;
    let shared = share(&File::open(&probe)?, &File::create(&copy)?);
    fs::remove_file(probe)?;
    fs::remove_file(copy)?;
    Ok(shared)
}

fn share(from: &File, to: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

fn make(folder: &Utf8Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
}

pub(crate) fn clear(folder: &Utf8Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Copies a tree: directories, files with their modes and times, links as links. Anything else (sockets,
/// pipes) belongs to processes that are gone.
pub(crate) fn clone(from: &Utf8Path, to: &Utf8Path) -> io::Result<()> {
    fs::DirBuilder::new().mode(0o700).create(to)?;
    let mut open = vec![(from.as_std_path().to_owned(), to.as_std_path().to_owned())];
    let mut folders = Vec::new();
    while let Some((from, to)) = open.pop() {
        for entry in fs::read_dir(&from)? {
            let entry = entry?;
            let (data, target) = (entry.metadata()?, to.join(entry.file_name()));
            if data.is_symlink() {
                symlink(fs::read_link(entry.path())?, target)?;
            } else if data.is_dir() {
                fs::DirBuilder::new().mode(0o700).create(&target)?;
                open.push((entry.path(), target));
            } else if data.is_file() {
                let source = File::open(entry.path())?;
                let copy = File::options()
                    .write(true)
                    .create_new(true)
                    .mode(data.mode() & 0o7777)
                    .open(&target)?;
                if !share(&source, &copy) {
                    io::copy(&mut &source, &mut &copy)?;
                }
                dress(&copy, &data)?;
            }
        }
        folders.push((from, to));
    }
    // Inner ones first: what is put into a folder changes its time, and a folder may be read-only.
    for (from, to) in folders.into_iter().rev() {
        dress(&File::open(&to)?, &fs::metadata(from)?)?;
    }
    Ok(())
}

/// Mode and times.
fn dress(file: &File, like: &fs::Metadata) -> io::Result<()> {
    file.set_permissions(like.permissions())?;
    let mut times = FileTimes::new();
    if let Ok(modified) = like.modified() {
        times = times.set_modified(modified);
    }
    file.set_times(times)
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt as _, time::Duration};

    use super::*;

    struct Place {
        workspace: Utf8PathBuf,
        folder: Utf8PathBuf,
        _directory: tempfile::TempDir,
    }

    fn place() -> Place {
        let directory = tempfile::tempdir().unwrap();
        let root = Utf8PathBuf::from_path_buf(directory.path().to_owned()).unwrap();
        let workspace = root.join("workspace");
        fs::create_dir(&workspace).unwrap();
        Place {
            workspace,
            folder: root.join("borders"),
            _directory: directory,
        }
    }

    impl Place {
        fn pass(&self, borders: &mut Borders, index: u16, policy: Snapshots) {
            let places = (self.workspace.as_path(), self.folder.as_path());
            borders.pass(places, index, policy).unwrap();
        }

        fn write(&self, name: &str, text: &str) {
            let path = self.workspace.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }

        fn find(&self, index: u16) -> Found {
            find(&self.folder, index).unwrap()
        }
    }

    #[test]
    fn an_empty_workspace_costs_nothing_and_is_known() {
        let place = place();
        let mut borders = Borders::default();
        for index in 1..5 {
            place.pass(&mut borders, index, Snapshots::Cheap);
        }
        assert!(!place.folder.exists());
        assert_eq!(place.find(3), Found::Empty);
    }

    #[test]
    fn a_border_is_as_the_workspace_was_with_modes_times_and_links() {
        let place = place();
        let mut borders = Borders::default();
        place.write("src/main", "one");
        let path = place.workspace.join("src/main");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        let long_ago = UNIX_EPOCH + Duration::from_secs(1_000_000);
        File::open(&path).unwrap().set_modified(long_ago).unwrap();
        symlink("src/main", place.workspace.join("link")).unwrap();
        place.pass(&mut borders, 1, Snapshots::Cheap);
        place.write("src/main", "two");
        place.pass(&mut borders, 2, Snapshots::Cheap);
        let Found::Copy(first) = place.find(1) else {
            panic!("there is no copy");
        };
        let kept = first.join("src/main");
        assert_eq!(fs::read_to_string(&kept).unwrap(), "one");
        let data = fs::metadata(&kept).unwrap();
        assert_eq!(data.permissions().mode() & 0o777, 0o755);
        assert_eq!(data.modified().unwrap(), long_ago);
        let link = fs::read_link(first.join("link")).unwrap();
        assert_eq!(link.to_str(), Some("src/main"));
        let Found::Copy(second) = place.find(2) else {
            panic!("there is no copy");
        };
        assert_eq!(fs::read_to_string(second.join("src/main")).unwrap(), "two");
        forget_after(&place.folder, 1).unwrap();
        assert_eq!(place.find(2), Found::Copy(first));
    }

    #[test]
    fn what_has_not_changed_is_not_copied_again() {
        let place = place();
        let mut borders = Borders::default();
        place.write("a", "one");
        place.pass(&mut borders, 1, Snapshots::Cheap);
        // As if the first look had been a while after the file was written.
        borders.last = look(&place.workspace, u64::MAX).unwrap();
        place.pass(&mut borders, 2, Snapshots::Cheap);
        assert_eq!(copies(&place.folder).unwrap(), [1]);
        assert_eq!(place.find(2), Found::Copy(place.folder.join("1")));
    }

    #[test]
    fn a_large_workspace_ends_it_unless_all_is_wanted() {
        let place = place();
        let mut borders = Borders::default();
        place.write("a", "one");
        place.pass(&mut borders, 1, Snapshots::Cheap);
        let large = File::create(place.workspace.join("large")).unwrap();
        large.set_len(PLAIN.bytes + 1).unwrap();
        if shares(&place.workspace, &place.folder).unwrap() {
            eprintln!("SKIPPED: a part of a test, because copies share their bytes here");
            return;
        }
        place.pass(&mut borders, 2, Snapshots::Cheap);
        fs::remove_file(place.workspace.join("large")).unwrap();
        place.pass(&mut borders, 3, Snapshots::Cheap);
        assert_eq!(place.find(1), Found::Copy(place.folder.join("1")));
        assert_eq!(
            [place.find(2), place.find(3)],
            [Found::Nothing, Found::Nothing]
        );
        let mut always = Borders::default();
        fs::remove_file(place.folder.join(NOTHING)).unwrap();
        large.set_len(0).unwrap();
        place.pass(&mut always, 2, Snapshots::Always);
        assert_eq!(place.find(2), Found::Copy(place.folder.join("2")));
        let mut never = Borders::default();
        place.pass(&mut never, 3, Snapshots::Never);
        assert_eq!(place.find(3), Found::Nothing);
    }
}
