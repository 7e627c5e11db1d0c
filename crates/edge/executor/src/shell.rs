//! Which program runs a script: `bash`, `sh`, `python`, `pwsh`, or a template with `{0}`.

use camino::{Utf8Path, Utf8PathBuf};

/// A shell that cannot run the script; the step fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShellError {
    /// Their workflow's fault.
    #[error("shell `{0}` is neither known nor a template; a template has `{{0}}` for the script")]
    Unknown(String),
    /// Their workflow's fault, or the machine lacks it.
    #[error("`{program}` was not found in PATH; install it, or choose another `shell:`")]
    Missing { program: String },
}

/// How a script is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shell {
    /// The program with its path, and its arguments; `{0}` stands for the script.
    argv: Vec<String>,
    /// What the script's name ends with.
    pub(crate) extension: &'static str,
    before: &'static str,
    after: &'static str,
}

impl Shell {
    /// Finds the shell in `path`, the `PATH` of the step.
    pub(crate) fn find(shell: Option<&str>, path: &str) -> Result<Self, ShellError> {
        Self::choose(shell, |program| lookup(program, path))
    }

    fn choose(
        shell: Option<&str>,
        there: impl Fn(&str) -> Option<Utf8PathBuf>,
    ) -> Result<Self, ShellError> {
        let (template, extension) = match shell {
            None if there("bash").is_some() => ("bash -e {0}", "sh"),
            None | Some("sh") => ("sh -e {0}", "sh"),
            Some("bash") => ("bash --noprofile --norc -eo pipefail {0}", "sh"),
            Some("python") if there("python").is_none() => ("python3 {0}", "py"),
            Some("python") => ("python {0}", "py"),
            Some("pwsh") => ("pwsh -command \". '{0}'\"", "ps1"),
            Some(template) if template.contains("{0}") => (template, "sh"),
            Some(other) => return Err(ShellError::Unknown(other.to_owned())),
        };
        let mut argv = words(template);
        let program = argv
            .first_mut()
            .ok_or_else(|| ShellError::Unknown(template.to_owned()))?;
        *program = there(program)
            .ok_or_else(|| ShellError::Missing {
                program: program.clone(),
            })?
            .into_string();
        let (before, after) = match extension {
            "ps1" => (
                "$ErrorActionPreference = 'stop'\n",
                "\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }",
            ),
            _ => ("", ""),
        };
        Ok(Self {
            argv,
            extension,
            before,
            after,
        })
    }

    /// The shell of a container, where we cannot look what is there.
    pub(crate) fn inside(shell: Option<&str>) -> Result<Self, ShellError> {
        Self::choose(shell, |program| match program {
            // Whether it is there decides what runs when nothing is said: `sh` always is.
            "bash" if shell.is_none() => None,
            program => Some(program.into()),
        })
    }

    /// The command line for a script in this file.
    pub(crate) fn argv(&self, script: &Utf8Path) -> Vec<String> {
        self.argv
            .iter()
            .map(|word| word.replace("{0}", script.as_str()))
            .collect()
    }

    /// What the file holds.
    pub(crate) fn file(&self, script: &str) -> String {
        format!("{}{script}{}", self.before, self.after)
    }
}

/// Splits at blanks; double and single quotes hold words together.
pub(crate) fn words(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    for character in text.chars() {
        match quote {
            Some(open) if character == open => quote = None,
            None if character == '"' || character == '\'' => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            None if character.is_whitespace() => found.extend(word.take()),
            Some(_) | None => word.get_or_insert_default().push(character),
        }
    }
    found.extend(word);
    found
}

fn lookup(program: &str, path: &str) -> Option<Utf8PathBuf> {
    if program.contains('/') {
        return Some(program.into());
    }
    path.split(':')
        .filter(|directory| !directory.is_empty())
        .map(|directory| Utf8Path::new(directory).join(program))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Utf8Path) -> bool {
    path.is_file() && rustix::fs::access(path.as_std_path(), rustix::fs::Access::EXEC_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_keep_what_is_quoted_together() {
        assert_eq!(
            words("pwsh -command \". '{0}'\""),
            ["pwsh", "-command", ". '{0}'"]
        );
        assert_eq!(words(" a  'b c' \"\" "), ["a", "b c", ""]);
    }

    #[test]
    fn shells_by_name_and_by_template() {
        let sh = Shell::find(Some("sh"), "/usr/bin:/bin").unwrap();
        assert_eq!(sh.argv("/t/x.sh".into())[1..], ["-e", "/t/x.sh"]);
        let own = Shell::find(Some("sh -x {0} more"), "/usr/bin:/bin").unwrap();
        assert_eq!(own.argv("/t/x.sh".into())[1..], ["-x", "/t/x.sh", "more"]);
        assert!(matches!(
            Shell::find(Some("fish"), "/bin"),
            Err(ShellError::Unknown(_))
        ));
        assert!(matches!(
            Shell::find(Some("nosuch {0}"), "/bin"),
            Err(ShellError::Missing { program }) if program == "nosuch"
        ));
    }
}
