//! `echo "::set-output name=a::b"` → `echo "a=b" >> "$GITHUB_OUTPUT"`.

use cutover_model::Diagnostic;

use super::source::{Quote, Source};
use crate::{Fix, diagnostic::Code, github::lint::model::Text};

/// The commands with the files that have come in their places.
const FILES: [(&str, &str); 2] = [
    ("::set-output name=", "GITHUB_OUTPUT"),
    ("::save-state name=", "GITHUB_STATE"),
];

/// One for each line that is a plain `echo`.
pub(super) fn fixes(source: &Source<'_>, run: Text<'_>, said: &[&Diagnostic]) -> Vec<Fix> {
    let is_it = |it: &&&Diagnostic| it.code == Code::DeprecatedCommand.id() && it.at == run.at();
    let (Some(it), Some(quote)) = (said.iter().find(is_it), source.quote(run)) else {
        return Vec::new();
    };
    let text = run.text();
    // In a document of the shell it may be text.
    if text.contains("<<") {
        return Vec::new();
    }
    let mut found = Vec::new();
    let (mut start, mut goes_on) = (0, false);
    for line in text.split_inclusive('\n') {
        let begin = start;
        start += line.len();
        let line = line.trim_end_matches(['\n', '\r']);
        let is_part = std::mem::replace(&mut goes_on, line.ends_with('\\')) || goes_on;
        let Some(found_in) = plain(line).filter(|_| !is_part) else {
            continue;
        };
        let end = line.trim_end().len();
        let append = format!(" >> \"${}\"", found_in.file);
        if quote == Quote::Double || quote == Quote::Plain && text.contains('\n') {
            continue;
        }
        let (from, to) = (begin + found_in.start, begin + found_in.end);
        let bytes = source
            .byte_of(run, from, to - from)
            .zip(source.byte_of(run, begin, end));
        let Some((byte, first)) = bytes else {
            continue;
        };
        let name = &line[found_in.start..found_in.end];
        let name = name
            .trim_end_matches("::")
            .rsplit('=')
            .next()
            .unwrap_or_default();
        let edits = [
            source.edit(byte, byte + (to - from), format!("{name}=")),
            source.edit(first + end, first + end, append),
        ];
        let Some(edits) = edits.into_iter().collect::<Option<Vec<_>>>() else {
            continue;
        };
        found.push(Fix {
            code: it.code.clone(),
            path: source.path.to_owned(),
            mends: vec![it.at],
            title: format!("writes `{name}` to the file `${}`", found_in.file),
            is_safe: true,
            edits,
        });
    }
    found
}

struct Plain {
    /// The command, up to the `::` behind the name.
    start: usize,
    end: usize,
    file: &'static str,
}

/// A line that is one `echo` of one word, in quotes or not, and nothing else.
fn plain(line: &str) -> Option<Plain> {
    let (command, file) = FILES
        .into_iter()
        .find(|(command, _)| line.contains(command))?;
    let start = line.find(command)?;
    let before = line[..start].trim_start();
    let quote = match before.strip_prefix("echo ")?.trim_start() {
        "" => None,
        "\"" => Some('"'),
        "'" => Some('\''),
        _ => return None,
    };
    let name = &line[start + command.len()..];
    let length = name.find("::")?;
    let is_name = |text: &str| {
        !text.is_empty()
            && text
                .chars()
                .all(|it| it.is_ascii_alphanumeric() || "_-".contains(it))
    };
    let value = name[length + 2..].trim_end();
    let is_whole = match quote {
        // Up to its end it is one text; `\` and `%` are read by others.
        Some(quote) => value
            .strip_suffix(quote)
            .is_some_and(|inner| !inner.contains([quote, '\\', '%', '`'])),
        None => value
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || "_-./${}:@=".contains(it)),
    };
    (is_name(&name[..length]) && is_whole).then_some(Plain {
        start,
        end: start + command.len() + length + 2,
        file,
    })
}
