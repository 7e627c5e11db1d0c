//! Files of a workspace by patterns.

use camino::{Utf8Path, Utf8PathBuf};

/// Files below the workspace that a pattern names, in order; links are not followed.
pub(crate) fn find(workspace: &Utf8Path, patterns: &[String]) -> Result<Vec<Utf8PathBuf>, String> {
    let mut set = globset::GlobSetBuilder::new();
    for pattern in patterns {
        let glob = globset::GlobBuilder::new(pattern)
            .literal_separator(true)
            .build();
        set.add(glob.map_err(|error| error.to_string())?);
    }
    let set = set.build().map_err(|error| error.to_string())?;
    let mut files = Vec::new();
    let mut folders = vec![workspace.to_owned()];
    while let Some(folder) = folders.pop() {
        let entries = folder
            .read_dir_utf8()
            .map_err(|error| format!("`{folder}`: {error}"))?;
        for entry in entries {
            let entry = entry.map_err(|error| format!("`{folder}`: {error}"))?;
            let kind = entry
                .file_type()
                .map_err(|error| format!("`{folder}`: {error}"))?;
            let path = entry.path();
            if kind.is_dir() && entry.file_name() != ".git" {
                folders.push(path.to_owned());
            } else if kind.is_file() {
                let relative = path.strip_prefix(workspace).unwrap_or(path);
                if set.is_match(relative) {
                    files.push(path.to_owned());
                }
            }
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_find_files_at_any_depth_and_never_in_git() {
        let dir = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(dir.path()).unwrap();
        for path in [
            "junit.xml",
            "a/b/junit-1.xml",
            ".git/junit.xml",
            "a/other.xml",
        ] {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = find(root, &["**/junit*.xml".to_owned()]).unwrap();
        let names: Vec<_> = found
            .iter()
            .map(|path| path.strip_prefix(root).unwrap().as_str())
            .collect();
        assert_eq!(names, ["a/b/junit-1.xml", "junit.xml"]);
    }
}
