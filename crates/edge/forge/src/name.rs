//! Names of hosted repositories, which become paths.

use camino::{Utf8Path, Utf8PathBuf};

use crate::Error;

/// Longer parts are refused: file systems end at 255 bytes.
const LONGEST: usize = 100;

/// The directory of a repository under the root.
pub(crate) fn directory(root: &Utf8Path, name: &str) -> Result<Utf8PathBuf, Error> {
    let parts: Vec<&str> = name.split('/').collect();
    if parts.len() > 2 || !parts.iter().all(|part| is_part(part)) {
        return Err(Error::Name(name.chars().take(2 * LONGEST).collect()));
    }
    Ok(root.join(format!("{name}.git")))
}

/// Without a point in front there is no `..`; without `.git` behind, nothing lies inside another
/// repository.
fn is_part(part: &str) -> bool {
    let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !part.is_empty()
        && part.len() <= LONGEST
        && part.bytes().all(known)
        && !part.starts_with(['.', '-'])
        && !part.to_ascii_lowercase().ends_with(".git")
}

/// Whether a directory's name is that of a repository; its name without the ending.
pub(crate) fn repository(file_name: &str) -> Option<&str> {
    file_name.strip_suffix(".git").filter(|part| is_part(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_under_the_root() {
        let root = Utf8Path::new("/data");
        assert_eq!(directory(root, "hello").unwrap(), "/data/hello.git");
        assert_eq!(
            directory(root, "demo/he_l-lo.2").unwrap(),
            "/data/demo/he_l-lo.2.git"
        );
        let long = "x".repeat(101);
        for name in [
            "", "/", "a/", "/a", "a/b/c", "..", "a/..", "../a", ".a", "-a", "a/-b", "a b", "a\0",
            "ä", "a.git", "a.git/b", "a.GIT/b", "a\\b", "a\n", &long,
        ] {
            assert!(directory(root, name).is_err(), "{name:?}");
        }
    }
}
