//! Which changes of refs have been acted upon, so that a push is not forgotten when the server dies
//! between taking it and acting on it.

use std::{fs, io};

use camino::Utf8PathBuf;
use cutover_model::source::Revision;

use crate::{
    Error, Host, RefUpdate, Repository,
    git::hex,
    refs::{self, Refs},
};

/// In the repository's directory: one line for each ref, its revision and its name.
const FILE: &str = "cutover-seen";

impl Host {
    /// What differs from what was acknowledged: after a start, the pushes that nobody has acted upon.
    /// Several pushes of one ref are one change here.
    pub async fn unacknowledged(&self, name: &str) -> Result<Vec<RefUpdate>, Error> {
        let repository = self.repository(name)?;
        let lock = self.lock(name);
        let _alone = lock.lock().await;
        let seen = read(&repository)?;
        Ok(refs::difference(&seen, &refs::read(&repository).await?))
    }

    /// Notes that these changes were acted upon.
    pub async fn acknowledge(&self, name: &str, updates: &[RefUpdate]) -> Result<(), Error> {
        let repository = self.repository(name)?;
        let lock = self.lock(name);
        let _alone = lock.lock().await;
        let mut seen = read(&repository)?;
        for update in updates {
            match &update.after {
                Some(after) => seen.insert(update.git_ref.0.clone(), after.clone()),
                None => seen.remove(&update.git_ref.0),
            };
        }
        write(&repository, &seen)
    }
}

fn read(repository: &Repository) -> Result<Refs, Error> {
    let path = path(repository);
    let text = match fs::read_to_string(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        other => other.map_err(Error::file("read", path))?,
    };
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    let refs = lines.map(|(revision, name)| (name.to_owned(), Revision(revision.to_owned())));
    // A line that was damaged is not seen: to act twice is harmless, not to act is not.
    Ok(refs.filter(|(_, revision)| hex(revision).is_ok()).collect())
}

/// Written beside and moved into place: it is there as a whole or as it was.
fn write(repository: &Repository, seen: &Refs) -> Result<(), Error> {
    use io::Write as _;
    let lines = seen
        .iter()
        .map(|(name, revision)| format!("{revision} {name}\n"));
    let text: String = lines.collect();
    let replace = || {
        let mut file = tempfile::NamedTempFile::new_in(&repository.git_dir)?;
        file.write_all(text.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(path(repository))
            .map_err(|error| error.error)?;
        Ok(())
    };
    replace().map_err(Error::file("write", path(repository)))
}

fn path(repository: &Repository) -> Utf8PathBuf {
    repository.git_dir.join(FILE)
}
