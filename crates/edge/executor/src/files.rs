//! The files by which a step hands values on: `GITHUB_ENV`, `GITHUB_OUTPUT`, `GITHUB_STATE`,
//! `GITHUB_PATH`, `GITHUB_STEP_SUMMARY`.

use std::{
    fs::{self, OpenOptions},
    io::{self, Read as _},
    os::unix::fs::OpenOptionsExt as _,
};

use camino::Utf8Path;
use rustix::fs::OFlags;

/// What one file may hold.
pub(crate) const LIMIT: u64 = 1024 * 1024;

/// A file that cannot be understood; the step fails, because what follows would miss values.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    /// Their script's fault.
    #[error("Unable to process file command '{}' successfully. `${file}` line {line}: {what}", key(.file))]
    Line {
        file: &'static str,
        line: usize,
        what: String,
    },
    /// Their script's fault.
    #[error("`${file}` is larger than 1 MiB; hand large things on as files")]
    Large { file: &'static str },
    /// Their script removed it, or the disk is ill.
    #[error("`${file}` could not be read: {source}")]
    Unreadable {
        file: &'static str,
        source: io::Error,
    },
}

/// The name that the official runner has for a file.
fn key(file: &str) -> String {
    file.trim_start_matches("GITHUB_").to_ascii_lowercase()
}

/// Reads a file up to its limit. One that was removed counts as empty; one that became something else than a
/// file is not waited for.
pub(crate) fn bytes(file: &'static str, path: &Utf8Path) -> Result<Vec<u8>, Malformed> {
    // Most steps hand nothing on.
    if fs::metadata(path).is_ok_and(|data| data.is_file() && data.len() == 0) {
        return Ok(Vec::new());
    }
    let mut bytes = Vec::new();
    // Whoever opens a pipe otherwise waits for its other end.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let open = OpenOptions::new().read(true).custom_flags(flags).open(path);
    let read = open.and_then(|open| open.take(LIMIT + 1).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Malformed::Unreadable { file, source }),
        Ok(_) => {}
    }
    if u64::try_from(bytes.len()).is_ok_and(|count| count > LIMIT) {
        return Err(Malformed::Large { file });
    }
    Ok(bytes)
}

/// The same as text.
pub(crate) fn read(file: &'static str, path: &Utf8Path) -> Result<String, Malformed> {
    let bytes = bytes(file, path)?;
    String::from_utf8(bytes).map_err(|error| {
        let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        Malformed::Line {
            file,
            line: memchr::memchr_iter(b'\n', good).count() + 1,
            what: "What is there is not UTF-8".to_owned(),
        }
    })
}

/// Reads `name=value` and `name<<DELIMITER … DELIMITER`.
pub(crate) fn pairs(file: &'static str, text: &str) -> Result<Vec<(String, String)>, Malformed> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.split_inclusive('\n').enumerate();
    let mut found = Vec::new();
    while let Some((index, raw)) = lines.next() {
        let line = without_end(raw);
        if line.is_empty() {
            continue;
        }
        let wrong = |what: String| Malformed::Line {
            file,
            line: index + 1,
            what,
        };
        let (name, value) = match (line.find('='), line.find("<<")) {
            (Some(equals), heredoc) if heredoc.is_none_or(|heredoc| equals < heredoc) => {
                (&line[..equals], line[equals + 1..].to_owned())
            }
            (_, Some(heredoc)) => {
                let delimiter = &line[heredoc + 2..];
                if delimiter.is_empty() || heredoc == 0 {
                    return Err(wrong(invalid(
                        line,
                        "Name must not be empty and delimiter must not be empty",
                    )));
                }
                let value = until(&mut lines, delimiter).ok_or_else(|| {
                    wrong(format!(
                        "Invalid value. Matching delimiter not found '{delimiter}'"
                    ))
                })?;
                (&line[..heredoc], value)
            }
            (_, None) => {
                return Err(wrong(invalid(
                    line,
                    "Take `name=value`, or `name<<DELIMITER` for a value of several lines",
                )));
            }
        };
        if name.is_empty() {
            return Err(wrong(invalid(line, "Name must not be empty")));
        }
        found.push((name.to_owned(), value));
    }
    Ok(found)
}

/// In the words of the official runner, which people look for.
fn invalid(line: &str, why: &str) -> String {
    format!("Invalid format '{line}'. {why}")
}

/// The lines up to the delimiter, with the line ends between them as they are.
fn until<'a>(
    lines: &mut impl Iterator<Item = (usize, &'a str)>,
    delimiter: &str,
) -> Option<String> {
    let mut value = String::new();
    for (_, raw) in lines {
        if without_end(raw) == delimiter {
            return Some(without_end(&value).to_owned());
        }
        value.push_str(raw);
    }
    None
}

fn without_end(line: &str) -> &str {
    let line = line.strip_suffix('\n').unwrap_or(line);
    line.strip_suffix('\r').unwrap_or(line)
}

/// Variables that decide what the programs of later steps do, whatever those are.
const GRIPS: [&str; 22] = [
    "BASHOPTS",
    "BASH_ENV",
    "CDPATH",
    "ENV",
    "GIT_EXEC_PATH",
    "GIT_SSH",
    "GIT_SSH_COMMAND",
    "HOME",
    "IFS",
    "JAVA_TOOL_OPTIONS",
    "NODE_OPTIONS",
    "PATH",
    "PERL5LIB",
    "PERL5OPT",
    "PROMPT_COMMAND",
    "PYTHONHOME",
    "PYTHONPATH",
    "PYTHONSTARTUP",
    "RUBYLIB",
    "RUBYOPT",
    "RUSTC_WRAPPER",
    "SHELLOPTS",
];

/// Whether a step may not set this variable for the steps after it.
pub(crate) fn is_refused(name: &str, untrusted: bool) -> bool {
    let upper = name.to_ascii_uppercase();
    upper == "NODE_OPTIONS"
        || untrusted
            && (GRIPS.contains(&upper.as_str())
                || ["LD_", "BASH_FUNC_", "GIT_CONFIG", "CUTOVER_"]
                    .iter()
                    .any(|prefix| upper.starts_with(prefix)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &[(&str, &str)]) {
        let found = pairs("GITHUB_ENV", text).unwrap();
        let found: Vec<(&str, &str)> = found
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(found, expected, "{text:?}");
    }

    #[test]
    fn both_forms() {
        check("", &[]);
        check(
            "a=1\n\nb=x=y\r\nc=\n",
            &[("a", "1"), ("b", "x=y"), ("c", "")],
        );
        check("a=<<not a delimiter", &[("a", "<<not a delimiter")]);
        check(
            "a<<EOF\none\n\ntwo=2\nEOF\nb=2",
            &[("a", "one\n\ntwo=2"), ("b", "2")],
        );
        check("a<<EOF\r\none\r\ntwo\r\nEOF\r\n", &[("a", "one\r\ntwo")]);
        check("a<<EOF\nEOF\n", &[("a", "")]);
        check("a<<X=Y\nv\nX=Y\n", &[("a", "v")]);
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, expected) in [
            (
                "a=1\nnonsense\n",
                "line 2: Invalid format 'nonsense'. Take `name=value`, or `name<<DELIMITER` for a \
                 value of several lines",
            ),
            (
                "a=1\n\nb<<EOF\n1\n",
                "line 3: Invalid value. Matching delimiter not found 'EOF'",
            ),
            (
                "b<<\n",
                "line 1: Invalid format 'b<<'. Name must not be empty and delimiter must not be empty",
            ),
            (
                "<<EOF\n1\nEOF",
                "line 1: Invalid format '<<EOF'. Name must not be empty and delimiter must not be \
                 empty",
            ),
            ("=1", "line 1: Invalid format '=1'. Name must not be empty"),
        ] {
            let error = pairs("GITHUB_ENV", text).unwrap_err().to_string();
            let head = "Unable to process file command 'env' successfully. `$GITHUB_ENV` ";
            assert_eq!(error.strip_prefix(head), Some(expected));
        }
    }

    #[test]
    fn what_is_no_file_any_more_is_neither_waited_for_nor_read_without_end() {
        let dir = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(dir.path()).unwrap();
        let pipe = dir.join("pipe");
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mkfifoat(rustix::fs::CWD, pipe.as_std_path(), mode).unwrap();
        assert_eq!(bytes("GITHUB_OUTPUT", &pipe).unwrap(), b"");
        let endless = dir.join("endless");
        std::os::unix::fs::symlink("/dev/zero", &endless).unwrap();
        let refused = bytes("GITHUB_STEP_SUMMARY", &endless).unwrap_err();
        assert!(matches!(refused, Malformed::Large { .. }), "{refused}");
        assert!(bytes("GITHUB_ENV", dir).is_err());
        assert_eq!(bytes("GITHUB_ENV", &dir.join("none")).unwrap(), b"");
    }

    #[test]
    fn the_limit_is_one_mebibyte_and_what_was_removed_is_empty() {
        let place = tempfile::tempdir().unwrap();
        let path = Utf8Path::from_path(place.path()).unwrap().join("env");
        assert_eq!(read("GITHUB_ENV", &path).unwrap(), "");
        let mut text = "a=".to_owned();
        text.push_str(&"x".repeat(1024 * 1024 - 2));
        std::fs::write(&path, &text).unwrap();
        assert_eq!(read("GITHUB_ENV", &path).unwrap().len(), 1024 * 1024);
        text.push('x');
        std::fs::write(&path, &text).unwrap();
        let error = read("GITHUB_ENV", &path).unwrap_err().to_string();
        assert!(error.contains("larger than 1 MiB"), "{error}");
        std::fs::write(&path, b"a=1\nb=\xff\n").unwrap();
        let error = read("GITHUB_ENV", &path).unwrap_err().to_string();
        assert!(
            error.contains("`$GITHUB_ENV` line 2: What is there is not UTF-8"),
            "{error}"
        );
    }

    #[test]
    fn strangers_may_not_reach_into_later_steps() {
        assert!(is_refused("node_options", false));
        assert!(!is_refused("LD_PRELOAD", false));
        for name in [
            "LD_PRELOAD",
            "BASH_ENV",
            "PATH",
            "BASH_FUNC_ls%%",
            "GIT_CONFIG_COUNT",
        ] {
            assert!(is_refused(name, true), "{name}");
        }
        assert!(!is_refused("VERSION", true));
    }
}
