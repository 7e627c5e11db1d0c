//! Lines of commands: what is heard, printed as the toolkit prints it, is heard again; nothing is heard
//! of a line that was given up before.

use cutover_model::run::{Annotation, Level};

use super::{alike, look_at, parts};
use crate::commands::{Command, Prospect, is_token, parse, prospect, resumes};

const CORPUS: &[&str] = &[
    "::error file=a.rs,line=3,col=2,endLine=4,title=T%0A::message%25",
    "  ::warning file=a%2Cb%3Ac.rs , line=7::  100%25 %0D%0A",
    "::set-output name=x::1\n::save-state name=s::v\n::set-env name=A::b",
    "::stop-commands::token\n::token::\n::add-matcher::m.json\n::remove-matcher owner=x::",
    "a%250A\0b%253A,=::c",
    "##[warning file=a.rs;line=3;title=a%3Bb%5D]it is; so\n::error line=3,endLine=5,col=7::x",
    "::group::g\n::endgroup::\n::debug::d\n::echo::on\n::add-mask::m\n::add-path::/x",
];
const WORDS: &[&str] = &[
    "::",
    ":",
    " ",
    "\t",
    ",",
    "=",
    "%",
    "%25",
    "%0A",
    "%0D",
    "%3A",
    "%2C",
    "%0a",
    "25",
    "\n",
    "\r",
    "\0",
    "##[",
    "]",
    ";",
    "%3B",
    "%5D",
    "endLine=",
    "endColumn=",
    "error",
    "notice",
    "set-output",
    "name=",
    "line=",
    "col=",
    "title=",
    "file=",
    "owner=",
    "0",
    "4294967296",
    "-1",
    "\u{a0}",
    "\u{feff}",
    "\u{2028}",
    "ß",
    "STOP-COMMANDS",
    "                                                                                ",
];

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

/// As the toolkit prints it. What it begins with is no blank, so that none is lost at the end.
fn print(command: &Command) -> String {
    let one = |name: &str, key: &str, value: &str, text: &str| {
        format!("::{name} {key}={},end=x::{}", property(value), data(text))
    };
    match command {
        Command::Annotate(annotation) => annotated(annotation),
        Command::AddMask(text) => format!("::add-mask::{}", data(text)),
        Command::Stop(text) => format!("::stop-commands::{}", data(text)),
        Command::SetOutput(name, text) => one("set-output", "name", name, text),
        Command::SaveState(name, text) => one("save-state", "name", name, text),
        Command::SetEnv(name, text) => one("set-env", "name", name, text),
        Command::AddPath(text) => format!("::add-path::{}", data(text)),
        Command::Echo(text) => format!("::echo::{}", data(text)),
        Command::Debug(text) => format!("::debug::{}", data(text)),
        Command::AddMatcher(text) => format!("::add-matcher::{}", data(text)),
        Command::RemoveMatcher { owner, file } => one("remove-matcher", "owner", owner, file),
        Command::Group(text) => format!("::group::{}", data(text)),
        Command::EndGroup => "::endgroup::".to_owned(),
    }
}

fn annotated(annotation: &Annotation) -> String {
    let name = match annotation.level {
        Level::Error => "error",
        Level::Warning => "warning",
        Level::Notice => "notice",
    };
    let mut properties = Vec::new();
    let texts = [("title", &annotation.title), ("file", &annotation.file)];
    for (key, text) in texts {
        properties.extend(
            text.as_ref()
                .map(|text| format!("{key}={}", property(text))),
        );
    }
    if let Some(at) = annotation.at {
        properties.push(format!("line={},col={}", at.line, at.column));
    }
    let ends = [
        ("endLine", annotation.end_line),
        ("endColumn", annotation.end_column),
    ];
    for (key, end) in ends {
        properties.extend(end.map(|end| format!("{key}={end}")));
    }
    properties.push("end=x".to_owned());
    format!(
        "::{name} {}::{}",
        properties.join(","),
        data(&annotation.message)
    )
}

fn hold(line: &str) -> Option<Command> {
    let command = parse(line)?;
    let line_of_bytes = line.as_bytes();
    let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
    // What a stream gives up is never heard, so it must not be a command for anybody; but for too many blanks.
    for end in (0..=line.len()).filter(|_| blanks < 256) {
        assert_ne!(prospect(&line_of_bytes[..end]), Prospect::None, "at {end}");
    }
    assert_eq!(parse(&print(&command)).as_ref(), Some(&command));
    if let Command::Annotate(Annotation { at: Some(at), .. }) = &command {
        assert!(at.line > 0 && at.column > 0, "{at:?}");
    }
    Some(command)
}

#[test]
fn fuzz_commands() {
    look_at(CORPUS, WORDS, |input| {
        let text = String::from_utf8_lossy(input);
        let heard: Vec<Option<Command>> = text.lines().map(hold).collect();
        let [name, value] = parts(input).map(String::from_utf8_lossy);
        if !name.is_empty() {
            let command = Command::SetOutput(name.to_string(), value.to_string());
            assert_eq!(parse(&print(&command)), Some(command));
        }
        // A token ends what it has begun, and none of ours does. One with a blank never does, as on GitHub.
        if is_token(&name) && !name.contains([':', ' ']) {
            assert!(resumes(&format!("::{name}::"), &name));
            assert!(parse(&format!("::{name}::")).is_none(), "`{name}`");
        }
        let kinds: Vec<_> = heard
            .iter()
            .map(|one| one.as_ref().map(std::mem::discriminant))
            .collect();
        alike((kinds, text.len() / 16))
    });
}
