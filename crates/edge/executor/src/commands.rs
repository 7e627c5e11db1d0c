//! Workflow commands: `::name key=value,key=value::data` at the beginning of a line of output, and their
//! older form `##[name key=value;key=value]data`.

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
    /// `set-output`, which is deprecated; the name may be empty.
    SetOutput(String, String),
    /// `save-state`, which is deprecated; the name may be empty.
    SaveState(String, String),
    /// `set-env`, for whoever has opted in: output of strangers could set the environment of later steps.
    SetEnv(String, String),
    /// `add-path`, likewise.
    AddPath(String),
    /// `echo`: whether commands are shown in the log.
    Echo(String),
    /// `debug`: for whoever wants to know more.
    Debug(String),
    /// `add-matcher`: the file of a problem matcher, from the workspace.
    AddMatcher(String),
    /// `remove-matcher`, by an owner or by the file that has added them; either may be empty.
    RemoveMatcher { owner: String, file: String },
    /// `group` with its title, for whoever shows the log.
    Group(String),
    /// `endgroup`, likewise.
    EndGroup,
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
        [b':', b':', ..] | [b'#', b'#', b'[', ..] => Prospect::Likely,
        [] | [b':' | b'#'] | [b'#', b'#'] if blanks < BLANKS => Prospect::Open,
        _ => Prospect::None,
    }
}

/// Reads a whole line, without its end; `None` when it is an ordinary one.
pub(crate) fn parse(line: &str) -> Option<Command> {
    let Written {
        name,
        properties,
        data,
    } = Written::read(line)?;
    let said = |name: &str| properties.get(name).cloned().unwrap_or_default();
    let level = match name.to_ascii_lowercase().as_str() {
        "error" => Level::Error,
        "warning" => Level::Warning,
        "notice" => Level::Notice,
        "add-mask" => return Some(Command::AddMask(data)),
        "stop-commands" => return Some(Command::Stop(data)),
        "add-matcher" => return Some(Command::AddMatcher(data)),
        "remove-matcher" => {
            let owner = said("owner");
            return Some(Command::RemoveMatcher { owner, file: data });
        }
        "set-output" => return Some(Command::SetOutput(said("name"), data)),
        "save-state" => return Some(Command::SaveState(said("name"), data)),
        "set-env" => return Some(Command::SetEnv(said("name"), data)),
        "add-path" => return Some(Command::AddPath(data)),
        "echo" => return Some(Command::Echo(data)),
        "debug" => return Some(Command::Debug(data)),
        "group" => return Some(Command::Group(data)),
        "endgroup" => return Some(Command::EndGroup),
        _ => return None,
    };
    Some(Command::Annotate(annotation(level, data, &properties)))
}

/// A command in either form.
struct Written<'a> {
    name: &'a str,
    properties: BTreeMap<String, String>,
    data: String,
}

impl<'a> Written<'a> {
    fn read(line: &'a str) -> Option<Self> {
        // The same blanks that a stream looks through before it gives a line up.
        let line = line.trim_start_matches([' ', '\t']);
        let old = line.strip_prefix("##[");
        let (head, data) = match old {
            Some(rest) => rest.split_once(']')?,
            None => line.strip_prefix("::")?.split_once("::")?,
        };
        let (name, properties) = head.split_once(' ').unwrap_or((head, ""));
        let (between, of_properties, of_data): (_, &[_], &[_]) = if old.is_some() {
            (';', &OLD_ESCAPES, &OLD_ESCAPES)
        } else {
            (',', &PROPERTY_ESCAPES, &DATA_ESCAPES)
        };
        let properties = properties
            .trim()
            .split(between)
            .filter_map(|property| property.split_once('='))
            .filter(|(_, value)| !value.is_empty())
            .map(|(name, value)| {
                let name = name.trim().to_ascii_lowercase();
                (name, unescape(value, of_properties))
            })
            .collect();
        Some(Self {
            name,
            properties,
            data: unescape(data, of_data),
        })
    }
}

/// A remark as a line of output says it.
pub(crate) fn written(level: Level, text: &str) -> String {
    let name = match level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Notice => "notice",
    };
    // The sign of the escapes is escaped first, so that it is not taken for one of them.
    let text = DATA_ESCAPES
        .iter()
        .rev()
        .fold(text.to_owned(), |text, (to, from)| text.replace(from, to));
    format!("::{name}::{text}")
}

/// Whether this token may end `stop-commands`: one that others can guess is no protection.
pub(crate) fn is_token(token: &str) -> bool {
    !token.trim().is_empty()
        && !NAMES.contains(&token.to_ascii_lowercase().as_str())
        && !token.eq_ignore_ascii_case("pause-logging")
}

/// Whether the line is `::TOKEN::`, or the same in the older form.
pub(crate) fn resumes(line: &str, token: &str) -> bool {
    Written::read(line).is_some_and(|written| written.name.eq_ignore_ascii_case(token))
}

/// As the official runner reads halves of places: an end alone is also the beginning, there are no columns
/// where there are several lines, and what ends before it begins is nowhere.
fn annotation(level: Level, message: String, properties: &BTreeMap<String, String>) -> Annotation {
    // Places count from 1.
    let number = |name: &str| {
        let number = properties.get(name)?.trim().parse::<u32>().ok();
        number.filter(|number| *number > 0)
    };
    let end_line = number("endline");
    let line = number("line").or(end_line);
    let one_line = line.is_some() && end_line.is_none_or(|end| line == Some(end));
    let end_column = number("endcolumn").filter(|_| one_line);
    let column = number("col").or(end_column).filter(|_| one_line);
    let is_column = end_column.is_none_or(|end| column.is_some_and(|column| column <= end));
    let is_line = end_line.is_none_or(|end| line.is_some_and(|line| line <= end));
    let at = line.filter(|_| is_line);
    Annotation {
        title: properties.get("title").cloned(),
        file: properties.get("file").cloned(),
        at: at.map(|line| Position::new(line, column.filter(|_| is_column).unwrap_or(1))),
        end_line: end_line.filter(|_| is_line),
        end_column: end_column.filter(|_| is_column && at.is_some()),
        ..Annotation::new(level, message)
    }
}

/// `%25` comes last, so that `%250A` becomes `%0A` and not a line break.
const DATA_ESCAPES: [(&str, &str); 3] = [("%0D", "\r"), ("%0A", "\n"), ("%25", "%")];
const PROPERTY_ESCAPES: [(&str, &str); 5] = [
    ("%0D", "\r"),
    ("%0A", "\n"),
    ("%3A", ":"),
    ("%2C", ","),
    ("%25", "%"),
];
const OLD_ESCAPES: [(&str, &str); 5] = [
    ("%3B", ";"),
    ("%0D", "\r"),
    ("%0A", "\n"),
    ("%5D", "]"),
    ("%25", "%"),
];

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
    fn a_remark_that_is_written_is_read_as_it_was() {
        let text = "100%\r\nof %0A: it";
        let line = written(Level::Notice, text);
        assert_eq!(line, "::notice::100%25%0D%0Aof %250A: it");
        let said = Annotation::new(Level::Notice, text.to_owned());
        assert_eq!(parse(&line), Some(Command::Annotate(said)));
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
    fn the_older_form_has_other_signs_between() {
        let line = "##[warning file=a.rs;line=3;title=a%3Bb%5D]it is; so";
        let Some(Command::Annotate(annotation)) = parse(line) else {
            panic!("`{line}` should be an annotation");
        };
        assert_eq!(annotation.level, Level::Warning);
        assert_eq!(annotation.message, "it is; so");
        assert_eq!(annotation.title.as_deref(), Some("a;b]"));
        assert_eq!(annotation.place().as_deref(), Some("a.rs:3:1"));
    }

    #[test]
    fn a_place_may_have_an_end_and_half_a_place_is_made_whole() {
        for (properties, expected) in [
            ("line=3", "3:1"),
            ("line=3,col=7", "3:7"),
            ("line=3,col=7,endColumn=9", "3:7-9"),
            ("line=3,endLine=3,col=7,endColumn=9", "3:7-9"),
            ("line=3,endLine=5", "3-5"),
            ("line=3,endLine=5,col=7,endColumn=9", "3-5"),
            ("endLine=5", "5:1"),
            ("line=3,endColumn=9", "3:9-9"),
            ("line=3,col=9,endColumn=7", "3:1"),
            ("line=5,endLine=3", ""),
            ("col=7,endColumn=9", ""),
            ("line=x", ""),
        ] {
            let line = format!("::error file=a.rs,{properties}::m");
            let Some(Command::Annotate(annotation)) = parse(&line) else {
                panic!("`{line}` should be an annotation");
            };
            let place = annotation.place().unwrap();
            let place = place.strip_prefix("a.rs").unwrap();
            assert_eq!(place.trim_start_matches(':'), expected, "{line}");
        }
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
            (
                "::set-output::1",
                Some(Command::SetOutput(String::new(), "1".to_owned())),
            ),
            (
                "##[set-output name=x]1",
                Some(Command::SetOutput("x".to_owned(), "1".to_owned())),
            ),
            (
                " ##[add-mask]a%5Db%3B",
                Some(Command::AddMask("a]b;".to_owned())),
            ),
            ("##[group]Title", Some(Command::Group("Title".to_owned()))),
            ("##[section]Title", None),
            ("## [group]Title", None),
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
                Some(Command::RemoveMatcher {
                    owner: "tsc".to_owned(),
                    file: String::new(),
                }),
            ),
            (
                "::remove-matcher::tsc.json",
                Some(Command::RemoveMatcher {
                    owner: String::new(),
                    file: "tsc.json".to_owned(),
                }),
            ),
            (
                "::add-path::/tmp",
                Some(Command::AddPath("/tmp".to_owned())),
            ),
            ("::echo::on", Some(Command::Echo("on".to_owned()))),
            ("::debug::why", Some(Command::Debug("why".to_owned()))),
            ("::group::Title", Some(Command::Group("Title".to_owned()))),
            ("::endgroup::", Some(Command::EndGroup)),
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
        assert!(resumes("::5F1a::", "5f1a") && resumes("##[5f1a]", "5f1a"));
        assert!(!resumes("::other::", "5f1a"));
    }

    #[test]
    fn a_line_is_given_up_as_early_as_possible() {
        assert_eq!(prospect(b""), Prospect::Open);
        assert_eq!(prospect(b" :"), Prospect::Open);
        assert_eq!(prospect(b"\t::"), Prospect::Likely);
        assert_eq!(prospect(b":x"), Prospect::None);
        assert_eq!(prospect(b" ##"), Prospect::Open);
        assert_eq!(prospect(b"##["), Prospect::Likely);
        assert_eq!(prospect(b"## a heading"), Prospect::None);
        assert_eq!(prospect(&[b' '; 300]), Prospect::None);
    }
}
