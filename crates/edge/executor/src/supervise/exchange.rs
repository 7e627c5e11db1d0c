//! The directory by whose files a step hands values on: made for the first step of a job, and handed
//! to the next one when nobody can write into it any more.
//!
//! Making and removing seven files costs more than everything else that we do for a short step.

use std::{
    fs::{self, DirBuilder, File},
    io,
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    sync::Mutex,
};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_supervisor::tree;
use rustix::fs::OFlags;

use super::{job::lock, start::EXCHANGE};

/// What a script is called, before its ending.
pub(super) const SCRIPT: &str = "script.";

/// One that waits for the next step; it is empty.
#[derive(Debug, Default)]
pub(super) struct Spare(Mutex<Option<Utf8PathBuf>>);

impl Spare {
    /// Makes the directory of a step, out of the spare one if there is one.
    pub(super) fn open(&self, exchange: &Utf8Path) -> io::Result<()> {
        let spare = lock(&self.0).take();
        if spare.is_some_and(|spare| fs::rename(spare, exchange).is_ok()) {
            return Ok(());
        }
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(exchange)?;
        for (_, file) in EXCHANGE {
            File::create(exchange.join(file))?;
        }
        Ok(())
    }

    /// Takes back the directory of a step that has ended. With a process of the job still there, which
    /// may have its files open, or with anything in it that is not as we made it, it is removed.
    pub(super) fn take_back(&self, exchange: Utf8PathBuf) {
        let idle = tree::own_descendants().is_empty();
        let mut spare = lock(&self.0);
        if idle && spare.is_none() && clear(&exchange).is_ok() {
            *spare = Some(exchange);
            return;
        }
        drop(spare);
        // What cannot be removed now is removed with the job.
        fs::remove_dir_all(exchange).ok();
    }
}

/// Empties the files, and refuses when there is anything else.
fn clear(exchange: &Utf8Path) -> io::Result<()> {
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
        if data.len() > 0 {
            File::options()
                .write(true)
                .custom_flags(i32::try_from(OFlags::NOFOLLOW.bits()).unwrap_or(0))
                .open(entry.path())?
                .set_len(0)?;
        }
        count += usize::from(is_ours);
    }
    if count == EXCHANGE.len() {
        Ok(())
    } else {
        Err(io::ErrorKind::NotFound.into())
    }
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
        spare.open(&first).unwrap();
        fs::write(first.join("env"), "A=1").unwrap();
        fs::write(first.join("script.sh"), "echo hunter2").unwrap();
        assert!(clear(&first).is_ok());
        assert_eq!(fs::read_to_string(first.join("env")).unwrap(), "");
        assert_eq!(fs::read_to_string(first.join("script.sh")).unwrap(), "");
        let victim = root.join("victim");
        fs::write(&victim, "precious").unwrap();
        fs::remove_file(first.join("output")).unwrap();
        symlink(&victim, first.join("output")).unwrap();
        assert!(clear(&first).is_err());
        fs::remove_file(first.join("output")).unwrap();
        fs::hard_link(&victim, first.join("output")).unwrap();
        assert!(clear(&first).is_err());
        assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
        fs::remove_file(first.join("output")).unwrap();
        assert!(clear(&first).is_err(), "a file is missing");
        File::create(first.join("output")).unwrap();
        fs::write(first.join("more"), "").unwrap();
        assert!(clear(&first).is_err(), "a file too many");
    }
}
