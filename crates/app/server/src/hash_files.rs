//! `hashFiles`: one hash over the files of a workspace that patterns name, the same as GitHub's.

use std::{
    fs::{self, File},
    io::{self, Read as _},
};

use camino::Utf8Path;
use cutover_results::{Glob, GlobOptions};
use sha2::{Digest as _, Sha256};

/// The only thing that may be said before the patterns.
const FOLLOW: &str = "--follow-symbolic-links";

/// SHA-256 over the SHA-256 of each file, in the order in which GitHub's glob finds them; empty when there
/// is none. Files outside of the workspace count for nothing, links to files for what they lead to.
pub(crate) fn hash_files(
    workspace: &Utf8Path,
    home: Option<&Utf8Path>,
    patterns: &[String],
) -> Result<String, String> {
    let (follow_links, patterns) = match patterns {
        [option, rest @ ..] if option.starts_with("--") => {
            if !option.eq_ignore_ascii_case(FOLLOW) {
                return Err(format!("`{option}` is not known; there is only `{FOLLOW}`"));
            }
            (true, rest)
        }
        patterns => (false, patterns),
    };
    let options = GlobOptions {
        follow_links,
        implicit_descendants: true,
        exclude_hidden: false,
    };
    let glob = Glob::new(&patterns.join("\n"), workspace, home, options);
    let found = glob.and_then(|glob| glob.find());
    let mut sum = Sha256::new();
    let mut is_none = true;
    for file in found.map_err(|error| error.to_string())? {
        if !file.starts_with(workspace) {
            continue;
        }
        let failed = |error: io::Error| format!("`{file}`: {error}");
        let there = fs::metadata(&file).map_err(failed)?;
        if there.is_dir() {
            continue;
        }
        // Whoever opens a pipe waits for its other end.
        if !there.is_file() {
            return Err(format!("`{file}` is no file"));
        }
        sum.update(hash_file(&file).map_err(failed)?);
        is_none = false;
    }
    Ok(if is_none {
        String::new()
    } else {
        hex::encode(sum.finalize())
    })
}

fn hash_file(path: &Utf8Path) -> io::Result<[u8; 32]> {
    let mut sum = Sha256::new();
    let mut contents = File::open(path)?;
    let mut part = vec![0; 1 << 16];
    loop {
        match contents.read(&mut part)? {
            0 => return Ok(sum.finalize().into()),
            count => sum.update(&part[..count]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> (tempfile::TempDir, camino::Utf8PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = camino::Utf8PathBuf::from_path_buf(dir.path().to_owned()).unwrap();
        let files = [
            ("a/x.lock", "one"),
            ("a.lock", "two"),
            ("b/x.lock", "three"),
            ("b/c/y.lock", "four"),
            ("B.lock", "five"),
            (".hidden/z.lock", "six"),
        ];
        for (path, word) in files {
            let path = root.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, format!("{word}\n")).unwrap();
        }
        (dir, root)
    }

    fn hash(root: &Utf8Path, patterns: &[&str]) -> String {
        let patterns: Vec<String> = patterns.iter().map(|&text| text.to_owned()).collect();
        hash_files(root, None, &patterns).unwrap()
    }

    #[test]
    fn hashes_are_those_of_githubs_runner() {
        // By `hashFiles` of `@actions/glob`, on the same files.
        let known = [
            (
                &["**/*.lock"][..],
                "7f0a888057e6b22473bac707a0aca2c45eef3e78e97d5f6d6b0be9d9f137c443",
            ),
            (
                &["!a/**\n**/*.lock"],
                "7f0a888057e6b22473bac707a0aca2c45eef3e78e97d5f6d6b0be9d9f137c443",
            ),
            (
                &["b/**", "a/*.lock"],
                "d98e12eaf6786754d4b379460c09fb2c202a6c38b636564ad3db00807a8b2704",
            ),
            (
                &["a.lock", "a/x.lock"],
                "18d44588eb754c302baf9983ec63f3a13e277d576590f7dd1dcbe7b603d10c66",
            ),
            (
                &["**/*.lock", "!b/c/**"],
                "db54ec5c71709ba7c7383dd0977771553c37d87ec7b43eda8945b28f9f67400b",
            ),
            (
                &["**/x.lock\nB.lock"],
                "7fa8e2ffc464e63a613bd1a354e5137e98d7755561668f9bd285deaf567ae10c",
            ),
        ];
        let (_dir, root) = tree();
        for (patterns, wanted) in known {
            assert_eq!(hash(&root, patterns), wanted, "{patterns:?}");
        }
        assert_eq!(hash(&root, &["nothing"]), "");
    }

    #[test]
    fn links_to_folders_count_only_when_that_is_said() {
        let (_dir, root) = tree();
        std::os::unix::fs::symlink("b", root.join("link")).unwrap();
        std::os::unix::fs::symlink("a.lock", root.join("file")).unwrap();
        assert_eq!(hash(&root, &["link/**"]), "");
        assert_eq!(
            hash(&root, &["--follow-symbolic-links", "link/x.lock"]),
            hash(&root, &["b/x.lock"])
        );
        assert_eq!(hash(&root, &["file"]), hash(&root, &["a.lock"]));
        let unknown = ["--quickly".to_owned(), "**".to_owned()];
        assert!(hash_files(&root, None, &unknown).is_err());
    }

    #[test]
    fn what_is_outside_of_the_workspace_counts_for_nothing() {
        let (_dir, root) = tree();
        let outside = format!("{}/a.lock", root.as_str());
        assert_eq!(hash(&root.join("b"), &[&outside]), "");
        assert_ne!(hash(&root, &[&outside]), "");
    }
}
