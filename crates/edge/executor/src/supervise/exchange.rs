//! The directory by whose files a step hands values on: made for the first step of a job, and handed
//! to the next one when nobody can write into it any more.
//!
//! Making and removing nine files costs more than everything else that we do for a short step.

use std::{
    fs::{self, DirBuilder, File},
    io::{self, Read as _, Seek as _, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    sync::Mutex,
};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_supervisor::tree;
use rustix::fs::OFlags;

use super::{job::lock, start::EXCHANGE};
use crate::{
    hand_down::EXCHANGE_LEFT,
    subjects::{Known, LIST},
};

/// What a script is called, before its ending.
pub(super) const SCRIPT: &str = "script";

/// A script that is no longer than this is blanked and not cut off: file systems make much of a file that is
/// cut off and written again.
const BLANK: usize = 4096;

/// One that waits for the next step; all its files are empty but for the list of what the job has made.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Option<Waiting>>);

#[derive(Debug)]
struct Waiting {
    place: Utf8PathBuf,
    list: String,
}

impl Spare {
    /// Makes the directory of a step, out of the spare one if there is one. `list` is what the steps
    /// before it say to have made.
    pub(super) fn open(&self, exchange: &Utf8Path, list: &str) -> io::Result<()> {
        let spare = lock(&self.0).take();
        if let Some(spare) = spare
            && fs::rename(spare.place, exchange).is_ok()
        {
            if spare.list == list {
                return Ok(());
            }
            return fs::write(exchange.join(LIST), list);
        }
        let left = exchange.with_file_name(EXCHANGE_LEFT);
        if fs::rename(left, exchange).is_ok() {
            // Another job has had it, and the list was made that of a job that has made nothing.
            if list == Known::default().list() {
                return Ok(());
            }
            return fs::write(exchange.join(LIST), list);
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(exchange)?;
        for (_, file) in EXCHANGE {
            let content = if file == LIST { list } else { "" };
            File::create(exchange.join(file))?.write_all(content.as_bytes())?;
        }
        Ok(())
    }

    /// Takes back the directory of a step that has ended. With a process of the job still there, which
    /// may have its files open, or with anything in it that is not as we made it, it is removed.
    pub(super) fn take_back(&self, exchange: Utf8PathBuf, list: String) {
        let idle = tree::own_descendants().is_empty();
        let mut spare = lock(&self.0);
        if idle && spare.is_none() && clear(&exchange, &list).is_ok() {
            let place = exchange;
            *spare = Some(Waiting { place, list });
            return;
        }
        drop(spare);
        // What cannot be removed now is removed with the job.
        fs::remove_dir_all(exchange).ok();
    }
}

/// Empties the files, and refuses when there is anything else. The list is made what it has to be,
/// whatever the step has written into it.
pub(crate) fn clear(exchange: &Utf8Path, list: &str) -> io::Result<()> {
    let mut count = 0;
    for entry in exchange.read_dir_utf8()? {
        let entry = entry?;
        let name = entry.file_name();
        let is_ours = EXCHANGE.iter().any(|(_, file)| *file == name);
        if !is_ours && !name.starts_with(SCRIPT) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        // Not what is behind a link that the step has put in the place of a file, of either kind.
        let data = entry.metadata()?;
        if !data.is_file() || data.nlink() != 1 {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let wanted = if name == LIST { list.as_bytes() } else { b"" };
        if data.len() > 0 || !wanted.is_empty() {
            let mut file = File::options()
                .read(true)
                .write(true)
                .custom_flags(i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0))
                .open(entry.path())?;
            match usize::try_from(data.len()) {
                Ok(length) if !is_ours && length <= BLANK => {
                    file.write_all(&[0; BLANK][..length])?;
                }
                Ok(_) | Err(_) => settle(&mut file, data.len(), wanted)?,
            }
        }
        count += usize::from(is_ours);
    }
    if count == EXCHANGE.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
}

/// Writes a file only when something else is in it: to look is cheaper.
fn settle(file: &mut File, length: u64, content: &[u8]) -> io::Result<()> {
    if u64::try_from(content.len()).is_ok_and(|wanted| wanted == length) {
        let mut there = Vec::with_capacity(content.len());
        file.take(length).read_to_end(&mut there)?;
        if there == content {
            return Ok(());
        }
        file.rewind()?;
    }
    file.set_len(0)?;
    file.write_all(content)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_a_step_has_put_in_the_place_of_a_file_is_not_handed_on() {
        let place = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(place.path()).unwrap();
        let spare = Spare::default();
        let first = root.join("_0.1");
        spare.open(&first, "[]").unwrap();
        fs::write(first.join("env"), "A=1").unwrap();
        fs::write(first.join("script.sh"), "echo hunter2").unwrap();
        assert!(clear(&first, "[]").is_ok());
        assert_eq!(fs::read_to_string(first.join("env")).unwrap(), "");
        let left = fs::read_to_string(first.join("script.sh")).unwrap();
        assert_eq!(left.trim_matches('\0'), "");
        for tampered in ["[1", "{}", ""] {
            fs::write(first.join(LIST), tampered).unwrap();
            assert!(clear(&first, "[]").is_ok());
            assert_eq!(fs::read_to_string(first.join(LIST)).unwrap(), "[]");
        }
        let victim = root.join("victim");
        fs::write(&victim, "precious").unwrap();
        fs::remove_file(first.join("output")).unwrap();
        symlink(&victim, first.join("output")).unwrap();
        assert!(clear(&first, "[]").is_err());
        fs::remove_file(first.join("output")).unwrap();
        fs::hard_link(&victim, first.join("output")).unwrap();
        assert!(clear(&first, "[]").is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        fs::remove_file(first.join("output")).unwrap();
        assert!(clear(&first, "[]").is_err(), "a file is missing");
        File::create(first.join("output")).unwrap();
        fs::write(first.join("more"), "").unwrap();
        assert!(clear(&first, "[]").is_err(), "a file too many");
    }
}
