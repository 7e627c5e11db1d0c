//! Files of a job that runs in a container, for what is done on the machine: the workspace and the home are
//! directories of the machine under another name; anything else is copied out of the container, to where
//! its path begins below a directory of ours, and back in.

use std::fs;

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use cutover_executor::{Mounts, plain};
use cutover_results::{Bounds, Format, Glob, GlobOptions, extract, extract_part, pack};

use super::{Context, blocking};
use crate::Error;

/// What a job sees where nothing else is said.
const HOME: &str = "/github/home";

/// Where the files of a job are, seen from the machine.
pub(super) struct Files {
    pub(super) workspace: Utf8PathBuf,
    /// What `~` stands for, when it is a directory of the machine.
    pub(super) home: Option<Utf8PathBuf>,
    /// Where all other paths begin: `/`, or where copies of the container's files are.
    pub(super) root: Utf8PathBuf,
    inside: Option<Inside>,
}

struct Inside {
    container: String,
    /// The workspace and the home.
    mounts: Mounts,
    /// As the container's programs have it.
    home: String,
}

impl Files {
    pub(super) fn of(context: &Context) -> Self {
        let place = &context.place;
        let Some(container) = &context.container else {
            return Self::on_machine(place.workspace.clone(), context.home());
        };
        let repository = context.run.trigger().map_or("", |it| &it.repository);
        let mut mounts = Mounts::of_job(place, repository);
        mounts
            .0
            .retain(|mount| mount.outside == place.workspace || mount.inside == HOME);
        let home = context.env.get("HOME").filter(|home| home.starts_with('/'));
        let home = home.map_or(HOME, String::as_str).to_owned();
        Self {
            workspace: place.workspace.clone(),
            home: mounts.outside(&home),
            root: place.temp.join(format!("_inside-{}", context.key.step)),
            inside: Some(Inside {
                container: container.id.clone(),
                mounts,
                home,
            }),
        }
    }

    /// Those of a job without a container.
    pub(super) fn on_machine(workspace: Utf8PathBuf, home: Option<Utf8PathBuf>) -> Self {
        Self {
            workspace,
            home,
            root: "/".into(),
            inside: None,
        }
    }

    /// Patterns of the job, one each, for files on the machine.
    pub(super) fn glob(&self, patterns: &[String], options: GlobOptions) -> Result<Glob, Error> {
        let patterns: Vec<String> = patterns.iter().map(|one| self.outside(one)).collect();
        let patterns = patterns.join("\n");
        let make = |options| {
            let glob = Glob::new(&patterns, &self.workspace, self.home.as_deref(), options);
            glob.map_err(|error| Error::Refused(error.to_string()))
        };
        let glob = make(options)?;
        if !self.has_copies(&glob) {
            return Ok(glob);
        }
        // A link that was copied leads to somewhere on the machine.
        make(GlobOptions {
            follow_links: false,
            ..options
        })
    }

    /// Whether some of it is to be copied.
    pub(super) fn has_copies(&self, glob: &Glob) -> bool {
        !self.copies(&glob.search_paths()).is_empty()
    }

    /// A path, or a pattern with its `!`, by the names of the job, as one of the machine.
    pub(super) fn outside(&self, pattern: &str) -> String {
        let Some(inside) = &self.inside else {
            return pattern.to_owned();
        };
        let pattern = pattern.trim();
        let (not, path) = match pattern.strip_prefix('!') {
            Some(rest) => ("!", rest.trim_start()),
            None => ("", pattern),
        };
        let path = match path.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with('/') => {
                format!("{}{rest}", inside.home)
            }
            _ => path.to_owned(),
        };
        let leaves = Utf8Path::new(&path)
            .components()
            .any(|part| part == Utf8Component::ParentDir);
        if !path.starts_with('/') && !leaves {
            return format!("{not}{path}");
        }
        let workspace = inside.mounts.inside(self.workspace.as_str());
        let path = plain(&Utf8Path::new(&workspace).join(path));
        let outside = inside.mounts.outside(path.as_str());
        let outside = outside.unwrap_or_else(|| self.root.join(path.as_str().trim_matches('/')));
        format!("{not}{outside}")
    }

    /// The name in the job of a path of the machine.
    pub(super) fn inside(&self, path: &Utf8Path) -> String {
        match (&self.inside, path.strip_prefix(&self.root)) {
            (None, _) => path.to_string(),
            (Some(_), Ok(below)) => format!("/{below}"),
            (Some(inside), Err(_)) => inside.mounts.inside(path.as_str()),
        }
    }

    /// Of these paths of the machine those that stand for what only the container has, from its root on.
    fn copies<'a>(&self, paths: &'a [Utf8PathBuf]) -> Vec<&'a Utf8Path> {
        let is_inside = self.inside.is_some();
        let below = paths
            .iter()
            .filter(|_| is_inside)
            .filter_map(|path| path.strip_prefix(&self.root).ok());
        below.collect()
    }

    /// Copies what is at these paths of the machine out of the container, where they stand for something in
    /// it. What is not there is not copied.
    pub(super) async fn copy_out(
        &self,
        context: &Context,
        paths: &[Utf8PathBuf],
    ) -> Result<(), Error> {
        let copies = self.copies(paths);
        let Some(inside) = self.inside.as_ref().filter(|_| !copies.is_empty()) else {
            return Ok(());
        };
        let engine = context.control.docker().await?;
        let archive = self.archive();
        for path in copies {
            if path.as_str().is_empty() {
                return Err(Error::Refused(
                    "a pattern that begins at `/` would copy all of the container; name a folder of it"
                        .to_owned(),
                ));
            }
            let name = format!("/{path}");
            let there = engine.copy_out(&inside.container, &name, archive.as_std_path());
            if !there.await.map_err(docker)? {
                continue;
            }
            // Names in the archive begin with that of the folder itself.
            let above = self.root.join(path.parent().unwrap_or(path));
            let from = archive.clone();
            let last = path.file_name().unwrap_or_default().to_owned();
            blocking(move || unpack(&from, &above, &last)).await?;
        }
        Ok(())
    }

    /// Copies what is at these paths of the machine into the container, where they stand for something in it.
    pub(super) async fn copy_in(
        &self,
        context: &Context,
        paths: &[Utf8PathBuf],
    ) -> Result<(), Error> {
        let copies = self.copies(paths);
        let there = copies.into_iter().filter(|path| {
            let path = self.root.join(path);
            path.symlink_metadata().is_ok()
        });
        let there: Vec<Utf8PathBuf> = there.map(Utf8Path::to_owned).collect();
        let Some(inside) = self.inside.as_ref().filter(|_| !there.is_empty()) else {
            return Ok(());
        };
        let (root, archive) = (self.root.clone(), self.archive());
        let to = archive.clone();
        blocking(move || {
            let packed = pack(&root, &there, Format::Tar, &to);
            packed.map(drop).map_err(|error| error.to_string())
        })
        .await?;
        let engine = context.control.docker().await?;
        engine
            .copy_in(&inside.container, archive.as_std_path())
            .await
            .map_err(docker)
    }

    fn archive(&self) -> Utf8PathBuf {
        Utf8PathBuf::from(format!("{}.tar", self.root))
    }

    /// Removes the copies.
    pub(super) async fn clear(&self) -> Result<(), Error> {
        if self.inside.is_none() {
            return Ok(());
        }
        let (root, archive) = (self.root.clone(), self.archive());
        blocking(move || {
            let removed = [fs::remove_dir_all(&root), fs::remove_file(&archive)];
            let fault = removed.into_iter().filter_map(Result::err);
            let mut fault = fault.filter(|error| error.kind() != std::io::ErrorKind::NotFound);
            match fault.next() {
                Some(error) => Err(format!("`{root}`: {error}")),
                None => Ok(()),
            }
        })
        .await
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "`map_err` hands the error over"
)]
fn docker(error: cutover_docker::Error) -> Error {
    Error::Docker(error.to_string())
}

/// What was copied out of a container. The links of a folder may lead anywhere: they are not followed.
fn unpack(archive: &Utf8Path, above: &Utf8Path, name: &str) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("`{above}`: {error}");
    fs::create_dir_all(above).map_err(failed)?;
    let folder = above.join(format!("{name}.folder"));
    let unpacked = extract_part(archive, Utf8Path::new(name), &folder, Bounds::default());
    if unpacked.is_ok_and(|unpacked| unpacked.entries > 0) {
        return fs::rename(&folder, above.join(name)).map_err(failed);
    }
    // It is a file, an empty folder, or one that cannot be unpacked: then it is said why.
    fs::remove_dir_all(&folder).map_err(failed)?;
    let unpacked = extract(archive, above, Bounds::default());
    unpacked.map(drop).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_comes_with_its_links_and_a_file_alone() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        fs::create_dir_all(root.join("in/tool/deep")).unwrap();
        fs::create_dir_all(root.join("in/none")).unwrap();
        fs::write(root.join("in/tool/deep/a"), "a").unwrap();
        std::os::unix::fs::symlink("/bin/sh", root.join("in/tool/sh")).unwrap();
        let (archive, out) = (root.join("tar"), root.join("out"));
        let bring = |from: &str, name: &str| {
            pack(&root.join(from), &[name.into()], Format::Tar, &archive).unwrap();
            unpack(&archive, &out, name).unwrap();
        };
        bring("in", "tool");
        bring("in", "none");
        bring("in/tool/deep", "a");
        assert!(out.join("tool/sh").is_symlink() && out.join("tool/deep/a").is_file());
        assert!(out.join("none").is_dir() && out.join("a").is_file());
        assert_eq!(out.read_dir_utf8().unwrap().count(), 3);
    }

    fn files(home: &str) -> Files {
        let mounts = Mounts::default()
            .with("/j/workspace".into(), "/__w/shop/shop")
            .with("/j/temp/_github_home".into(), HOME);
        Files {
            workspace: "/j/workspace".into(),
            home: mounts.outside(home),
            root: "/j/temp/_inside".into(),
            inside: Some(Inside {
                container: "c".to_owned(),
                mounts,
                home: home.to_owned(),
            }),
        }
    }

    #[test]
    fn a_path_of_a_container_is_one_of_the_machine_or_a_copy() {
        let usual = files(HOME);
        for (said, known) in [
            ("target", "target"),
            ("**/*.lock", "**/*.lock"),
            ("!target/x", "!target/x"),
            ("~/.npm", "/j/temp/_github_home/.npm"),
            ("! ~/.npm/x", "!/j/temp/_github_home/.npm/x"),
            ("/__w/shop/shop/dist/**", "/j/workspace/dist/**"),
            ("/root/.npm", "/j/temp/_inside/root/.npm"),
            ("!/root/.npm/*", "!/j/temp/_inside/root/.npm/*"),
            ("../other", "/j/temp/_inside/__w/shop/other"),
            ("/github/home/../../etc", "/j/temp/_inside/etc"),
            ("/../../etc", "/j/temp/_inside/etc"),
        ] {
            assert_eq!(usual.outside(said), known, "{said}");
        }
        let own = files("/root");
        assert_eq!(own.outside("~/.npm"), "/j/temp/_inside/root/.npm");
        assert_eq!(own.home, None);
        assert_eq!(
            usual.inside("/j/temp/_inside/root/.npm".into()),
            "/root/.npm"
        );
        assert_eq!(usual.inside("/j/workspace/a".into()), "/__w/shop/shop/a");
    }
}
