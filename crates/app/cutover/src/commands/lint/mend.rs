//! `cutover lint --fix`: what can be mended is, again and again until nothing is left, and written.

use std::{collections::BTreeMap, fs, io::Write as _};

use anyhow::{Context as _, bail};
use camino::{Utf8Path, Utf8PathBuf};
use cutover_dialect::{self as dialect, Fix, Lock, SourceTree};
use cutover_model::Diagnostic;

use crate::{cli::FixKind, render};

/// Each round mends what the one before it has uncovered.
pub(super) const MOST_ROUNDS: usize = 10;

/// What has been mended in memory.
pub(super) struct Mended {
    kind: FixKind,
    /// The files as they were.
    before: BTreeMap<String, String>,
    pub(super) made: Vec<Fix>,
}

impl Mended {
    pub(super) const fn new(kind: FixKind) -> Self {
        Self {
            kind,
            before: BTreeMap::new(),
            made: Vec::new(),
        }
    }

    /// Mends what it can of what was said; whether anything was.
    pub(super) fn round(&mut self, files: &mut SourceTree, found: &[Diagnostic]) -> bool {
        let mut fixes = fixes(files, found);
        fixes.retain(|fix| fix.is_safe || self.kind == FixKind::Unsafe);
        let (changed, made) = dialect::apply(files, &fixes);
        self.made.extend(made.into_iter().cloned());
        let is_news = !changed.is_empty();
        for (path, text) in changed {
            let old = files.get(&path).map(String::from_utf8_lossy);
            let old = old.unwrap_or_default().into_owned();
            self.before.entry(path.clone()).or_insert(old);
            files.insert(path, text);
        }
        is_news
    }

    fn changed<'s>(
        &'s self,
        files: &'s SourceTree,
    ) -> impl Iterator<Item = (&'s str, &'s str, &'s [u8])> {
        let all = self.before.iter();
        all.filter_map(|(path, before)| Some((path.as_str(), before.as_str(), files.get(path)?)))
    }

    /// What would be written, as a patch.
    pub(super) fn show(&self, files: &SourceTree) {
        for (path, before, after) in self.changed(files) {
            let after = String::from_utf8_lossy(after);
            let diff = similar::TextDiff::from_lines(before, &after);
            let (from, to) = (format!("a/{path}"), format!("b/{path}"));
            let diff = diff.unified_diff().header(&from, &to).to_string();
            render::data(diff.trim_end_matches('\n'));
        }
        self.tell("can be mended");
    }

    /// Writes the files, each at once or not at all.
    pub(super) fn write(&self, root: &Utf8Path, files: &SourceTree) -> anyhow::Result<()> {
        for (path, before, after) in self.changed(files) {
            let path = root.join(path);
            replace(&path, before, after).with_context(|| format!("could not write `{path}`"))?;
        }
        self.tell("mended");
        if self.before.contains_key(Lock::PATH) {
            let path = Lock::PATH;
            render::talk(&format!(
                "`cutover lock` takes out of `{path}` what nothing names now"
            ));
        }
        Ok(())
    }

    fn tell(&self, done: &str) {
        for fix in &self.made {
            let at = fix.mends.first().copied().unwrap_or_default();
            render::talk(&format!("{}:{at}: {}: {}", fix.path, fix.code, fix.title));
        }
        let (places, files) = (
            render::count(self.made.len(), "place"),
            render::count(self.before.len(), "file"),
        );
        render::talk(&format!("{done}: {places} in {files}"));
    }
}

/// What can be mended of what was said, file by file.
pub(super) fn fixes(files: &SourceTree, found: &[Diagnostic]) -> Vec<Fix> {
    let mut paths: Vec<&str> = found.iter().map(|one| one.path.as_str()).collect();
    paths.sort_unstable();
    paths.dedup();
    let fixes = paths.into_iter();
    fixes
        .flat_map(|path| dialect::fixes(files, path, found))
        .collect()
}

/// A file in the place of another, which must be what was read. Where a link leads, it leads on.
fn replace(path: &Utf8Path, before: &str, after: &[u8]) -> anyhow::Result<()> {
    let path = Utf8PathBuf::try_from(fs::canonicalize(path)?)?;
    if fs::read(&path)? != before.as_bytes() {
        bail!("it has changed meanwhile");
    }
    let folder = path.parent().context("it has no directory")?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(after)?;
    file.as_file()
        .set_permissions(fs::metadata(&path)?.permissions())?;
    file.as_file().sync_all()?;
    file.persist(&path)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_only_as_it_was_read_and_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt as _;

        let folder = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::try_from(folder.path().join("a.yml")).unwrap();
        fs::write(&path, "one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        replace(&path, "one", b"two").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "two");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o640);
        let error = replace(&path, "one", b"three").unwrap_err();
        assert!(error.to_string().contains("changed meanwhile"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
