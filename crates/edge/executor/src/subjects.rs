//! What a step says to have made, in `GITHUB_ARTIFACTS`: files by what is in them, images by their
//! digest; and what the steps after it read of that in `GITHUB_ARTIFACTS_LIST`. What follows from it is
//! not here.

#[cfg(test)]
mod tests;

use std::{
    fmt::Write as _,
    fs::File,
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
};

use camino::{Utf8Path, Utf8PathBuf};
use cutover_model::run::{Phase, StepPath, Subject, SubjectKind};
use cutover_supervisor::{Error, record, record::Survives};
use rustix::fs::OFlags;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{container::Mounts, files::Malformed, layout::Layout, mask::Masker};

/// The file that a step reads, beside those into which it writes.
pub(crate) const LIST: &str = "artifacts_list";

const VARIABLE: &str = "GITHUB_ARTIFACTS";
/// How many a job may have.
const LIMIT: usize = 500;
const CHUNK: usize = 64 * 1024;

/// One of the job, and who said so.
#[derive(Debug, Serialize, Deserialize)]
struct Declared {
    step: String,
    #[serde(flatten)]
    subject: Subject,
}

/// All of a job, by name.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Known(Vec<Declared>);

impl Known {
    pub(crate) fn read(layout: &Layout) -> Result<Self, Error> {
        Ok(record::read(&layout.subjects())?.unwrap_or_default())
    }

    /// As steps read it.
    pub(crate) fn list(&self) -> String {
        #[derive(Serialize)]
        struct List<'a> {
            version: u8,
            subjects: Vec<&'a Subject>,
        }
        let list = List {
            version: 1,
            subjects: self.0.iter().map(|declared| &declared.subject).collect(),
        };
        // Strings and a number: it cannot fail.
        serde_json::to_string(&list).unwrap_or_default()
    }

    /// Takes one more; `false` when it is there already.
    fn add(&mut self, step: &str, subject: &Subject) -> Result<bool, String> {
        let place = self
            .0
            .binary_search_by(|known| known.subject.name.cmp(&subject.name));
        match place {
            Ok(place) if self.0[place].subject.digest == subject.digest => Ok(false),
            Ok(place) => Err(format!(
                "`{}` is declared with another digest: `{}` before, `{}` now",
                subject.name, self.0[place].subject.digest, subject.digest
            )),
            Err(_) if self.0.len() >= LIMIT => Err(format!(
                "a job declares {LIMIT} at most; declare an archive, or an index of them"
            )),
            Err(place) => {
                let declared = Declared {
                    step: step.to_owned(),
                    subject: subject.clone(),
                };
                self.0.insert(place, declared);
                Ok(true)
            }
        }
    }
}

/// The job goes on from this step: what was said from there on is said again, or not.
pub(crate) fn forget_after(layout: &Layout, index: u16) -> Result<(), Error> {
    let mut known = Known::read(layout)?;
    let before = known.0.len();
    known.0.retain(|declared| is_before(&declared.step, index));
    if known.0.len() == before {
        return Ok(());
    }
    record::write(&layout.subjects(), &known)
}

/// Whether a step, by its name with its attempt, comes before the step of this index.
fn is_before(step: &str, index: u16) -> bool {
    let path = step.rsplit_once('.').map_or(step, |(path, _)| path);
    path.parse::<StepPath>().is_ok_and(|path| {
        path.phase() == Phase::Main && path.0.first().is_some_and(|first| *first < index)
    })
}

/// A step that says to have made something.
#[derive(Debug)]
pub(crate) struct Declares<'a> {
    pub(crate) layout: &'a Layout,
    /// Its name, with its attempt.
    pub(crate) step: &'a str,
    /// What of the machine it sees, when it is in a container.
    pub(crate) seen: Option<&'a Mounts>,
    pub(crate) survives: Survives,
}

impl Declares<'_> {
    /// Adds all of it to what its job has, or nothing; gives what was not there before. The error says
    /// why the step fails.
    pub(crate) fn take(&self, text: &str, masker: &Masker) -> Result<Vec<Subject>, String> {
        let mut known = Known::read(self.layout).map_err(|error| error.to_string())?;
        let mut added = Vec::new();
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let taken = self.read(line).and_then(|subject| {
                if masker.is_in(&subject.name) {
                    return Err("there is a secret in its name".to_owned());
                }
                Ok(known.add(self.step, &subject)?.then_some(subject))
            });
            let taken = taken.map_err(|what| {
                let (file, line) = (VARIABLE, index + 1);
                Malformed::Line { file, line, what }.to_string()
            })?;
            added.extend(taken);
        }
        if !added.is_empty() {
            record::write_for(&self.layout.subjects(), &known, self.survives)
                .map_err(|error| error.to_string())?;
        }
        Ok(added)
    }

    fn read(&self, line: &str) -> Result<Subject, String> {
        if line.contains('=') {
            return Err("`=` is kept for later; rename the file".to_owned());
        }
        match scheme(line) {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("file") => self.file(rest),
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("oci") => match digest(rest) {
                Some((name, digest)) => image(name, digest),
                None => Err("an image needs its digest: `oci://REFERENCE@sha256:…`".to_owned()),
            },
            Some((scheme, _)) => Err(format!(
                "`{scheme}://` is not known; write `file://PATH` or `oci://REFERENCE@sha256:…`"
            )),
            None => match digest(line) {
                Some((name, digest)) if is_whole(digest) => image(name, digest),
                _ => self.file(line),
            },
        }
    }

    /// A file, with what its digest has to be when that is said behind it.
    fn file(&self, said: &str) -> Result<Subject, String> {
        if said.trim().is_empty() {
            return Err("a path is missing".to_owned());
        }
        let (path, expected) = match digest(said) {
            Some((path, digest)) if digest.starts_with("sha256:") && is_whole(digest) => {
                (path, Some(digest))
            }
            _ => (said, None),
        };
        let place = self.place(path)?;
        let name = place.file_name().unwrap_or(path).to_owned();
        let digest = hash(&place).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound if path.starts_with('/') => format!("`{path}` does not exist"),
            io::ErrorKind::NotFound => {
                format!("`{path}` does not exist; paths are from the workspace")
            }
            io::ErrorKind::InvalidInput => format!("`{path}` is not a regular file"),
            _ => format!("`{path}` could not be read: {error}"),
        })?;
        if let Some(expected) = expected
            && !expected.eq_ignore_ascii_case(&digest)
        {
            return Err(format!(
                "`{path}` has the digest `{digest}`, not `{expected}`"
            ));
        }
        Ok(Subject {
            name,
            digest,
            kind: SubjectKind::File,
        })
    }

    /// Where a path is on the machine. What is said in a container must not lead out of what is seen in it.
    fn place(&self, path: &str) -> Result<Utf8PathBuf, String> {
        let Some(seen) = self.seen else {
            return Ok(self.layout.workspace().join(path));
        };
        let place = if path.starts_with('/') {
            seen.outside(path)
                .ok_or_else(|| format!("`{path}` is not in a directory that we see, too"))?
        } else {
            self.layout.workspace().join(path)
        };
        let Ok(real) = place.canonicalize_utf8() else {
            return Ok(place);
        };
        let is_inside = seen.0.iter().any(|mount| {
            let outside = mount.outside.canonicalize_utf8();
            outside.is_ok_and(|outside| real.starts_with(outside))
        });
        if is_inside {
            return Ok(real);
        }
        Err(format!("`{path}` leads out of the container"))
    }
}

/// What is before `://`, and what is behind.
fn scheme(line: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = line.split_once("://")?;
    let mut letters = scheme.chars();
    let is_one = letters
        .next()
        .is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    is_one.then_some((scheme, rest))
}

/// What is before `@sha256:…`, and the digest.
fn digest(text: &str) -> Option<(&str, &str)> {
    let (name, digest) = text.rsplit_once('@')?;
    let (algorithm, hex) = digest.split_once(':')?;
    let is_one = length(algorithm).is_some()
        && !name.is_empty()
        && !hex.is_empty()
        && hex.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_one.then_some((name, digest))
}

/// How many digits a digest has.
fn length(algorithm: &str) -> Option<usize> {
    match algorithm {
        "sha256" => Some(64),
        "sha384" => Some(96),
        "sha512" => Some(128),
        _ => None,
    }
}

fn is_whole(digest: &str) -> bool {
    let parts = digest.split_once(':');
    parts.is_some_and(|(algorithm, hex)| length(algorithm) == Some(hex.len()))
}

fn image(name: &str, digest: &str) -> Result<Subject, String> {
    if !is_whole(digest) {
        return Err(format!("`{digest}` has too few digits, or too many"));
    }
    Ok(Subject {
        name: name.to_owned(),
        digest: digest.to_ascii_lowercase(),
        kind: SubjectKind::Oci,
    })
}

fn hash(path: &Utf8Path) -> io::Result<String> {
    // Who opens a pipe that nobody writes into would wait.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let mut file = File::options().read(true).custom_flags(flags).open(path)?;
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut hasher = Sha256::new();
    let mut chunk = vec![0; CHUNK];
    loop {
        let count = file.read(&mut chunk)?;
        if count == 0 {
            break;
        }
        hasher.update(&chunk[..count]);
    }
    let mut digest = "sha256:".to_owned();
    for byte in hasher.finalize() {
        // Writing to a string does not fail.
        write!(digest, "{byte:02x}").ok();
    }
    Ok(digest)
}
