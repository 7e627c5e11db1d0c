//! What an artifact may be called: the rules of GitHub's clients, asked again where it counts.

/// As long as a file's name may be with an ending.
const LONGEST: usize = 255 - 4;

/// A name that an artifact cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// It is empty, `.` or `..`.
    #[error("an artifact needs a name")]
    None,
    /// It is too long.
    #[error("the artifact's name has `{0}` bytes; at most `{LONGEST}`")]
    TooLong(usize),
    /// It has a character that file systems do not have.
    #[error("the artifact's name `{name}` has {character:?}, which not every file system takes")]
    Character {
        /// The name.
        name: String,
        /// The first of them.
        character: char,
    },
}

/// Checks a name.
pub(crate) fn check(name: &str) -> Result<(), InvalidName> {
    if matches!(name, "" | "." | "..") {
        return Err(InvalidName::None);
    }
    if name.len() > LONGEST {
        return Err(InvalidName::TooLong(name.len()));
    }
    let forbidden = |c: &char| c.is_control() || "\":<>|*?\\/".contains(*c);
    match name.chars().find(forbidden) {
        Some(character) => Err(InvalidName::Character {
            name: name.to_owned(),
            character,
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_names_of_artifacts() {
        for name in ["dist", "test results (ubuntu, 20)", "ä.zip", "..."] {
            assert_eq!(check(name), Ok(()), "{name}");
        }
    }

    #[test]
    fn what_could_be_a_path_is_refused() {
        for name in [
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            "a:b",
            "a\nb",
            "a\0b",
            "a*",
            "\"",
            &"x".repeat(252),
        ] {
            assert!(check(name).is_err(), "{name}");
        }
    }
}
