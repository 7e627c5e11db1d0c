//! Workflow commands: `::name key=value,key=value::data` at the beginning of a line of output.

use std::collections::BTreeMap;

use cutover_model::{
    Position,
    run::{Annotation, Level},
};

/// What a line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Command {
    /// `error`, `warning`, `notice`.
    Annotate(Annotation),
    /// `add-mask`.
    AddMask(String),
    /// `stop-commands`: until `::TOKEN::`.
    Stop(String),
    /// `set-output`, which is deprecated.
    SetOutput(String, String),
    /// `save-state`, which is deprecated.
    SaveState(String, String),
    /// `set-env`, for whoever has opted in: output of strangers could set the environment of later steps.
    SetEnv(String, String),
    /// `add-path`, likewise.
    AddPath(String),
    /// `echo`: whether commands are shown in the log.
    Echo(String),
    /// `debug`: for whoever wants to know more.
    Debug,
    /// `add-matcher`: the file of a problem matcher, from the workspace.
    AddMatcher(String),
    /// `remove-matcher`, by its owner.
    RemoveMatcher(String),
    /// `group`, `endgroup`: for whoever shows the log.
    Shown,
}

/// Every name that has a meaning; none of them may be the token of `stop-commands`.
const NAMES: [&str; 15] = [
    "add-mask",
    "add-matcher",
    "add-path",
    "debug",
    "echo",
    "endgroup",
    "error",
    "group",
    "notice",
    "remove-matcher",
    "save-state",
    "set-env",
    "set-output",
    "stop-commands",
    "warning",
];

/// Whether a text that is the beginning of a line can become a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Prospect {
    /// It is none, whatever follows.
    None,
    /// It is too early to say.
    Open,
    /// It begins like one.
    Likely,
}

/// Blanks before a command that are still looked through.
const BLANKS: usize = 256;

/// Looks at the beginning of a line.
pub(crate) fn prospect(line: &[u8]) -> Prospect {
    let blanks = line.iter().take_while(|byte| matches!(byte, b' ' | b'\t'));
    let blanks = blanks.take(BLANKS).count();
    match &line[blanks..] {
        [b':', b':', ..] => Prospect::Likely,
        [] | [b':'] if blanks < BLANKS => Prospect::Open,
        _ => Prospect::None,
    }
}

/// Reads a whole line, without its end; `None` when it is an ordinary one.
pub(crate) fn parse(line: &str) -> Option<Command> {
    let line = line.trim_start_matches([' ', '\t']);
    let (head, data) = line.strip_prefix("::")?.split_once("::")?;
    let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
    let properties = properties_of(properties);
    let data = unescape(data, &[("%0D", "\r"), ("%0A", "\n"), ("%25", "%")]);
    let name_of = |properties: &BTreeMap<String, String>| properties.get("name").cloned();
    let level = match name.to_ascii_lowercase().as_str() {
        "error" => Level::Error,
        "warning" => Level::Warning,
        "notice" => Level::Notice,
        "add-mask" => return Some(Command::AddMask(data)),
        "stop-commands" => return Some(Command::Stop(data)),
        "add-matcher" => return Some(Command::AddMatcher(data)),
        "remove-matcher" => {
            return properties.get("owner").cloned().map(Command::RemoveMatcher);
        }
        "set-output" => return name_of(&properties).map(|name| Command::SetOutput(name, data)),
        "save-state" => return name_of(&properties).map(|name| Command::SaveState(name, data)),
        "set-env" => {
            let name = name_of(&properties).unwrap_or_default();
            return Some(Command::SetEnv(name, data));
        }
        "add-path" => return Some(Command::AddPath(data)),
        "echo" => return Some(Command::Echo(data)),
        "debug" => return Some(Command::Debug),
        "group" | "endgroup" => return Some(Command::Shown),
        _ => return None,
    };
    Some(Command::Annotate(annotation(level, data, &properties)))
}

/// Whether this token may end `stop-commands`: one that others can guess is no protection.
pub(crate) fn is_token(token: &str) -> bool {
    !token.trim().is_empty()
        && !NAMES.contains(&token.to_ascii_lowercase().as_str())
        && !token.eq_ignore_ascii_case("pause-logging")
}

/// Whether the line is `::TOKEN::`.
pub(crate) fn resumes(line: &str, token: &str) -> bool {
    line.trim_start_matches([' ', '\t'])
        .strip_prefix("::")
        .and_then(|rest| rest.split_once("::"))
        .is_some_and(|(name, _)| name.eq_ignore_ascii_case(token))
}

fn annotation(level: Level, message: String, properties: &BTreeMap<String, String>) -> Annotation {
    // Places count from 1.
    let number = |name: &str| {
        properties
            .get(name)?
            .parse()
            .ok()
            .filter(|number| *number > 0)
    };
    Annotation {
        level,
        message,
        title: properties.get("title").cloned(),
        file: properties.get("file").cloned(),
        at: number("line").map(|line| Position::new(line, number("col").unwrap_or(1))),
    }
}

fn properties_of(text: &str) -> BTreeMap<String, String> {
    const ESCAPES: [(&str, &str); 5] = [
        ("%0D", "\r"),
        ("%0A", "\n"),
        ("%3A", ":"),
        ("%2C", ","),
        ("%25", "%"),
    ];
    text.trim()
        .split(',')
        .filter_map(|property| property.split_once('='))
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), unescape(value, &ESCAPES)))
        .collect()
}

/// `%25` must come last, so that `%250A` becomes `%0A` and not a line break.
fn unescape(text: &str, escapes: &[(&str, &str)]) -> String {
    escapes
        .iter()
        .fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn annotations_carry_their_place() {
        let line = "::error file=src/a%2Cb.rs,line=3,col=7,title=Oh%3A no::first%0Asecond 100%25";
        let Some(Command::Annotate(annotation)) = parse(line) else {
            panic!("`{line}` should be an annotation");
        };
        assert_eq!(annotation.level, Level::Error);
        assert_eq!(annotation.message, "first\nsecond 100%");
        assert_eq!(annotation.file.as_deref(), Some("src/a,b.rs"));
        assert_eq!(annotation.title.as_deref(), Some("Oh: no"));
        assert_eq!(annotation.at, Some(Position::new(3, 7)));
    }

    #[test]
    fn a_place_counts_from_one_and_a_value_keeps_its_blanks() {
        let place = |line: &str| match parse(line) {
            Some(Command::Annotate(annotation)) => annotation.at,
            other => panic!("`{line}` is {other:?}"),
        };
        assert_eq!(place("::error file=a,line=0,col=3::x"), None);
        assert_eq!(place("::error line=3,col=0::x"), Some(Position::new(3, 1)));
        let value = |line: &str| match parse(line) {
            Some(Command::SetOutput(name, _)) => name,
            other => panic!("`{line}` is {other:?}"),
        };
        assert_eq!(value("::set-output name= a , end=x::"), " a ");
    }

    #[test]
    fn the_others() {
        for (line, expected) in [
            (
                "::add-mask::a::b",
                Some(Command::AddMask("a::b".to_owned())),
            ),
            (
                "  ::STOP-commands::abc",
                Some(Command::Stop("abc".to_owned())),
            ),
            (
                "::set-output name=x::1",
                Some(Command::SetOutput("x".to_owned(), "1".to_owned())),
            ),
            (
                "::save-state name=x::1",
                Some(Command::SaveState("x".to_owned(), "1".to_owned())),
            ),
            ("::set-output::1", None),
            (
                "::set-env name=PATH::/tmp",
                Some(Command::SetEnv("PATH".to_owned(), "/tmp".to_owned())),
            ),
            (
                "::add-matcher::.github/tsc.json",
                Some(Command::AddMatcher(".github/tsc.json".to_owned())),
            ),
            (
                "::remove-matcher owner=tsc::",
                Some(Command::RemoveMatcher("tsc".to_owned())),
            ),
            (
                "::add-path::/tmp",
                Some(Command::AddPath("/tmp".to_owned())),
            ),
            ("::echo::on", Some(Command::Echo("on".to_owned()))),
            ("::debug::why", Some(Command::Debug)),
            ("::group::Title", Some(Command::Shown)),
            ("::unknown::x", None),
            ("::error", None),
            ("error::x::", None),
            ("::std::vec::Vec", None),
        ] {
            assert_eq!(parse(line), expected, "{line}");
        }
    }

    #[test]
    fn a_token_is_not_a_name_that_others_can_guess() {
        assert!(is_token("5f1a"));
        assert!(!is_token("") && !is_token("Error") && !is_token("pause-logging"));
        assert!(resumes("::5F1a::", "5f1a"));
        assert!(!resumes("::other::", "5f1a"));
    }

    #[test]
    fn a_line_is_given_up_as_early_as_possible() {
        assert_eq!(prospect(b""), Prospect::Open);
        assert_eq!(prospect(b" :"), Prospect::Open);
        assert_eq!(prospect(b"\t::"), Prospect::Likely);
        assert_eq!(prospect(b":x"), Prospect::None);
        assert_eq!(prospect(&[b' '; 300]), Prospect::None);
    }
}
