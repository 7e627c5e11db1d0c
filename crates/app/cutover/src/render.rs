//! The one door of output: data to stdout, talk to stderr, colour only where it is wanted.

mod table;

use std::{io::Write as _, process::ExitCode};

use cutover_model::{Diagnostic, Severity};
use serde_json::Value;

pub(crate) use table::{deployments, runs, status, table, time};

// A reader that has gone away (`| head`, a terminal that was closed) is no reason to panic: what is
// being done, and what has to be cleaned up after it, goes on.

fn out(text: &str) {
    anstream::stdout().write_all(text.as_bytes()).ok();
}

fn err(text: &str) {
    anstream::stderr().write_all(text.as_bytes()).ok();
}

/// Data for whoever asked.
pub(crate) fn data(text: &str) {
    out(&format!("{text}\n"));
}

/// Bytes of a log, as they are.
pub(crate) fn bytes(bytes: &[u8]) {
    let mut out = std::io::stdout().lock();
    // A reader that has gone away ends the next write of the log, not the program.
    drop(out.write_all(bytes).and_then(|()| out.flush()));
}

/// Whether somebody looks at what is printed, and then whether in colours.
pub(crate) fn screen() -> Option<bool> {
    use std::io::IsTerminal as _;

    let stdout = std::io::stdout();
    let choice = anstream::AutoStream::choice(&stdout);
    stdout
        .is_terminal()
        .then_some(choice != anstream::ColorChoice::Never)
}

/// Data in the place of so many lines that were shown before.
pub(crate) fn again(height: usize, text: &str) {
    let up = match height {
        0 => String::new(),
        height => format!("\u{1b}[{height}A"),
    };
    // Each line is cleared to its end, and what was below is cleared too.
    let body: Vec<&str> = text.lines().collect();
    let body = body.join("\u{1b}[K\n");
    out(&format!("{up}{body}\u{1b}[K\n\u{1b}[J"));
}

/// JSON for programs.
pub(crate) fn json(value: &Value) {
    out(&format!("{value:#}\n"));
}

/// One JSON object a line.
pub(crate) fn json_line(value: &Value) {
    out(&format!("{value}\n"));
}

/// So many of something: `1 file`, `2 files`.
pub(crate) fn count(number: usize, word: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {word}{plural}")
}

/// Talk for people.
pub(crate) fn talk(text: &str) {
    err(&format!("{text}\n"));
}

/// An error and what led to it, in a line.
pub(crate) fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        // Many errors of libraries repeat their source in their own text.
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// An error, for people.
pub(crate) fn error(error: &anyhow::Error) {
    let text = chain(error);
    err(&format!("\u{1b}[1;31merror\u{1b}[0m: {text}\n"));
}

/// What is wrong with the command line, and the code for it.
pub(crate) fn usage(error: &clap::Error) -> ExitCode {
    drop(error.print());
    ExitCode::from(if error.use_stderr() { 2 } else { 0 })
}

/// A mark for how something stands, for tables, which count its width.
pub(crate) fn symbol(state: &str) -> &'static str {
    match state {
        "succeeded" => "✔",
        "failed" | "faulted" | "timed_out" | "rolled_back" => "✘",
        "skipped" | "cancelled" | "superseded" => "○",
        "waiting" => "◌",
        _ => "●",
    }
}

/// A mark and a colour for how something stands.
pub(crate) fn mark(state: &str) -> &'static str {
    match state {
        "succeeded" => "\u{1b}[32m✔\u{1b}[0m",
        "failed" | "faulted" | "timed_out" | "rolled_back" => "\u{1b}[31m✘\u{1b}[0m",
        "skipped" | "cancelled" | "superseded" => "\u{1b}[2m○\u{1b}[0m",
        "waiting" => "\u{1b}[33m◌\u{1b}[0m",
        _ => "\u{1b}[34m●\u{1b}[0m",
    }
}

/// Diagnostics with the lines they are about.
pub(crate) fn diagnostics(diagnostics: &[Diagnostic], source: impl Fn(&str) -> Option<String>) {
    for diagnostic in diagnostics {
        let shown = snippet(diagnostic, source(&diagnostic.path).as_deref());
        err(&format!("{shown}\n\n"));
    }
}

fn snippet(diagnostic: &Diagnostic, source: Option<&str>) -> String {
    use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level
        .primary_title(&diagnostic.message)
        .id(&diagnostic.code);
    let span = source.and_then(|text| span(text, diagnostic));
    let (Some(text), Some(span)) = (source, span) else {
        return diagnostic.to_string();
    };
    let place = Snippet::source(text)
        .path(&diagnostic.path)
        .annotation(AnnotationKind::Primary.span(span));
    let mut group = title.element(place);
    if let Some(hint) = &diagnostic.hint {
        group = group.element(Level::HELP.message(hint));
    }
    Renderer::styled().render(&[group])
}

/// The word at a place, in bytes.
fn span(text: &str, diagnostic: &Diagnostic) -> Option<std::ops::Range<usize>> {
    let line = usize::try_from(diagnostic.at.line).ok()?.checked_sub(1)?;
    let column = usize::try_from(diagnostic.at.column)
        .ok()?
        .saturating_sub(1);
    let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(start..)?.split('\n').next()?;
    let from = rest
        .char_indices()
        .nth(column)
        .map_or(rest.len(), |(place, _)| place);
    let word = rest[from..]
        .find([' ', ':', ',', '#'])
        .map_or(rest.len(), |length| from + length);
    Some(start + from..start + word.max(from + usize::from(from < rest.len())))
}

#[cfg(test)]
mod tests {
    use cutover_model::Position;

    use super::*;

    fn diagnostic(line: u32, column: u32) -> Diagnostic {
        Diagnostic {
            code: "CUT-1001".to_owned(),
            severity: Severity::Error,
            path: "a.yml".to_owned(),
            at: Position::new(line, column),
            message: "unknown key `stepps`".to_owned(),
            hint: Some("did you mean `steps`?".to_owned()),
        }
    }

    #[test]
    fn a_place_becomes_the_word_that_stands_there() {
        let text = "jobs:\n  ä: b\n  stepps: []\n";
        let found = |line, column| span(text, &diagnostic(line, column)).map(|span| &text[span]);
        assert_eq!(found(3, 3), Some("stepps"));
        assert_eq!(found(2, 6), Some("b"));
        assert_eq!(found(9, 1), Some(""));
        assert_eq!(found(0, 0), None);
    }

    #[test]
    fn a_diagnostic_shows_file_line_and_hint() {
        let text = anstream::adapter::strip_str(&snippet(&diagnostic(1, 1), Some("stepps: []\n")))
            .to_string();
        assert!(text.contains("a.yml:1:1"), "{text}");
        assert!(text.contains("did you mean `steps`?"), "{text}");
    }
}
