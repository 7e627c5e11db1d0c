//! Which names of entries, and which targets of links, stay within the folder.

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};

use super::ArchiveError;

/// As deep as a folder may be.
const DEEPEST: usize = 128;

/// The path of an entry below the folder; empty when it is the folder itself.
pub(super) fn inside(name: &str) -> Result<Utf8PathBuf, ArchiveError> {
    let refused = |why| {
        Err(ArchiveError::Path {
            name: name.chars().take(300).collect(),
            why,
        })
    };
    if name.contains('\0') {
        return refused("has a null byte");
    }
    let mut path = Utf8PathBuf::new();
    for component in Utf8Path::new(name).components() {
        match component {
            Utf8Component::Normal(part) => path.push(part),
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir => return refused("leads out of its folder"),
            Utf8Component::RootDir | Utf8Component::Prefix(_) => return refused("is absolute"),
        }
    }
    if path.components().count() > DEEPEST {
        return refused("is too deep");
    }
    Ok(path)
}

/// Whether a link at `link` (below the folder) may lead to `target`. Steps up are allowed first only: there
/// the folders are real ones. Behind a name, which may itself be a link, they could lead anywhere.
pub(super) fn is_target_inside(link: &Utf8Path, target: &str) -> bool {
    let mut left = link.components().count().saturating_sub(1);
    let mut was_down = false;
    if target.is_empty() || target.contains('\0') {
        return false;
    }
    for component in Utf8Path::new(target).components() {
        match component {
            Utf8Component::Normal(_) => was_down = true,
            Utf8Component::CurDir => {}
            Utf8Component::ParentDir if !was_down && left > 0 => left -= 1,
            _ => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_or_are_refused() {
        assert_eq!(inside("./a//b/./c").unwrap(), "a/b/c");
        assert_eq!(inside("./").unwrap(), "");
        for name in ["/etc/passwd", "..", "a/../../b", "a/..", "a\0b"] {
            assert!(inside(name).is_err(), "{name}");
        }
        assert!(inside(&"a/".repeat(200)).is_err());
    }

    #[test]
    fn links_lead_up_only_where_folders_are_real() {
        for (link, target) in [
            ("a", "b"),
            ("a/b", "../c"),
            ("a/b/c", "../../d/e"),
            ("a", "./x"),
        ] {
            assert!(
                is_target_inside(Utf8Path::new(link), target),
                "{link} -> {target}"
            );
        }
        let outside = [
            ("a", "../b"),
            ("a", "/etc"),
            ("a/b", "../../c"),
            ("a/b", "x/../y"),
            ("a", ""),
        ];
        for (link, target) in outside {
            assert!(
                !is_target_inside(Utf8Path::new(link), target),
                "{link} -> {target}"
            );
        }
    }
}
