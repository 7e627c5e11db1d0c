//! Which program runs a script: `bash`, `sh`, `python`, `pwsh`, or a template with `{0}`. What the script's
//! file is called, and what stands around it, follows from the program, also in a template.

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
    /// Their workflow's fault: it was written for another system.
    #[error("`{program}` was not found in PATH: it is a shell of Windows; {instead}")]
    Foreign {
        program: String,
        instead: &'static str,
    },
}

/// How a script is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shell {
    /// The program with its path, and its arguments; `{0}` stands for the script.
    argv: Vec<String>,
    /// What the script's name ends with, with its dot; of programs that nobody knows it has none.
    pub(crate) ending: &'static str,
    before: &'static str,
    after: &'static str,
}

/// The arguments of a shell that is said by its name alone.
fn usual(program: &str) -> Option<&'static str> {
    Some(match program {
        "bash" => "--noprofile --norc -eo pipefail {0}",
        "sh" => "-e {0}",
        "python" => "{0}",
        "pwsh" | "powershell" => "-command \". '{0}'\"",
        "cmd" => "/D /E:ON /V:OFF /S /C 'CALL \"{0}\"'",
        _ => return None,
    })
}

fn ending(program: &str) -> &'static str {
    match program {
        "bash" | "sh" => ".sh",
        "python" => ".py",
        "pwsh" | "powershell" => ".ps1",
        "cmd" => ".cmd",
        _ => "",
    }
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
        let said = match shell {
            None if there("bash").is_some() => "bash -e {0}",
            None => "sh -e {0}",
            Some(said) => said.trim(),
        };
        let (program, arguments) = said.split_once(' ').unwrap_or((said, ""));
        let arguments = match arguments.trim() {
            "" => usual(program).ok_or_else(|| ShellError::Unknown(said.to_owned()))?,
            arguments if arguments.contains("{0}") => arguments,
            _ => return Err(ShellError::Unknown(said.to_owned())),
        };
        let found = match there(program) {
            None if said == "python" => there("python3"),
            found => found,
        };
        let found = found.ok_or_else(|| missing(program))?;
        let mut argv = vec![found.into_string()];
        argv.extend(words(arguments));
        let (before, after) = match program {
            "pwsh" | "powershell" => (
                "$ErrorActionPreference = 'stop'\n",
                "\nif ((Test-Path -LiteralPath variable:\\LASTEXITCODE)) { exit $LASTEXITCODE }",
            ),
            "cmd" => ("@echo off\n", ""),
            _ => ("", ""),
        };
        Ok(Self {
            argv,
            ending: ending(program),
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

fn missing(program: &str) -> ShellError {
    let instead = match program {
        "powershell" => "`pwsh` runs its scripts where that is installed",
        "cmd" => "`bash` or `pwsh` are here, or can be",
        _ => {
            return ShellError::Missing {
                program: program.to_owned(),
            };
        }
    };
    ShellError::Foreign {
        program: program.to_owned(),
        instead,
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
            Shell::find(Some("bash -x"), "/bin"),
            Err(ShellError::Unknown(_))
        ));
        assert!(matches!(
            Shell::find(Some("nosuch {0}"), "/bin"),
            Err(ShellError::Missing { program }) if program == "nosuch"
        ));
    }

    /// As if everything were installed.
    fn chosen(shell: Option<&str>) -> Shell {
        Shell::choose(shell, |program| {
            Some(Utf8PathBuf::from("/bin").join(program))
        })
        .unwrap()
    }

    #[test]
    fn the_arguments_are_those_of_the_official_runner() {
        for (shell, expected) in [
            (None, "/bin/bash -e S"),
            (Some("bash"), "/bin/bash --noprofile --norc -eo pipefail S"),
            (Some("sh"), "/bin/sh -e S"),
            (Some("python"), "/bin/python S"),
            (Some("pwsh"), "/bin/pwsh -command . 'S'"),
            (Some("bash -x {0}"), "/bin/bash -x S"),
            (Some("perl -w {0} \"a b\""), "/bin/perl -w S a b"),
        ] {
            let shell = chosen(shell);
            assert_eq!(shell.argv("S".into()).join(" "), expected);
        }
        let bare =
            |program: &str| (program != "bash" && program != "python").then(|| program.into());
        let shell = Shell::choose(None, bare).unwrap();
        assert_eq!(shell.argv("S".into()), ["sh", "-e", "S"]);
        let shell = Shell::choose(Some("python"), bare).unwrap();
        assert_eq!(shell.argv("S".into()), ["python3", "S"]);
        let shell = Shell::inside(None).unwrap();
        assert_eq!(shell.argv("S".into()), ["sh", "-e", "S"]);
    }

    #[test]
    fn the_program_says_how_the_script_is_called_and_what_stands_around_it() {
        for (shell, ending, file) in [
            ("bash -x {0}", ".sh", "x"),
            ("python -u {0}", ".py", "x"),
            ("node {0}", "", "x"),
            ("cmd", ".cmd", "@echo off\nx"),
        ] {
            let shell = chosen(Some(shell));
            assert_eq!((shell.ending, shell.file("x").as_str()), (ending, file));
        }
        for shell in ["pwsh", "pwsh -NoLogo -File {0}", "powershell"] {
            let shell = chosen(Some(shell));
            let file = shell.file("x");
            assert_eq!(shell.ending, ".ps1");
            assert!(file.starts_with("$ErrorActionPreference = 'stop'\nx\nif ("));
        }
    }

    #[test]
    fn a_shell_of_windows_is_named_with_what_to_take_instead() {
        for (shell, expected) in [("powershell", "`pwsh` runs its scripts"), ("cmd", "`bash`")] {
            let error = Shell::choose(Some(shell), |_| None)
                .unwrap_err()
                .to_string();
            let head = format!("`{shell}` was not found in PATH: it is a shell of Windows; ");
            let rest = error.strip_prefix(&head).unwrap();
            assert!(rest.starts_with(expected), "{error}");
        }
    }
}
