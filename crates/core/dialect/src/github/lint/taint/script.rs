//! What a script writes for later steps, and whether that is tainted. Scripts are read line by line and
//! in doubt believed: what goes through a filter, or is held against a pattern, counts as clean.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use super::{
    expression::Spot,
    trail::{Trail, merge},
};

/// Something that a script says for later steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Written {
    pub(super) to: File,
    pub(super) name: String,
    pub(super) trails: Vec<Trail>,
}

/// A file that later steps see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum File {
    /// Outputs of the step.
    Output,
    /// Variables of the steps behind it.
    Env,
}

/// A script with what is known of it.
pub(super) struct Script<'a> {
    pub(super) text: &'a str,
    /// Its tainted expressions, in their order.
    pub(super) spots: &'a [Spot],
    /// How a variable of its environment is tainted.
    pub(super) variable: &'a dyn Fn(&str) -> Vec<Trail>,
}

impl Script<'_> {
    pub(super) fn spots_in(&self, range: &Range<usize>) -> &[Spot] {
        let before = |end: usize| self.spots.partition_point(|(at, _)| *at < end);
        &self.spots[before(range.start)..before(range.end)]
    }
}

/// Braces in braces deeper than that, and commands in one line beyond so many, are not taken apart.
const MAX_NESTED: usize = 100;

/// Commands that give what they are given.
const ECHOES: [&str; 3] = ["echo", "printf", "cat"];
/// Words before a variable that is set.
const DECLARING: [&str; 4] = ["export ", "local ", "readonly ", "declare "];

/// What a script of a shell writes, in order; what is clean is not told.
pub(super) fn written(script: &Script<'_>) -> Vec<Written> {
    let has_file = |text: &str| FILES.iter().any(|(name, _)| text.contains(name));
    let upper = script.text.to_uppercase();
    if !has_file(&upper) && !upper.contains("::SET-OUTPUT") {
        return Vec::new();
    }
    let lines = lines(script.text);
    let targets = targets(script.text, &lines);
    let mut reading = Reading {
        script,
        own: BTreeMap::new(),
        checked: BTreeSet::new(),
        open: None,
        written: Vec::new(),
    };
    for (line, target) in lines.iter().zip(targets) {
        reading.line(line, target);
    }
    reading.written
}

const FILES: [(&str, File); 4] = [
    ("GITHUB_OUTPUT", File::Output),
    ("GITHUB.OUTPUT", File::Output),
    ("GITHUB_ENV", File::Env),
    ("GITHUB.ENV", File::Env),
];

/// Lines as the shell has them: what ends with a backslash goes on.
fn lines(text: &str) -> Vec<Range<usize>> {
    let mut lines: Vec<Range<usize>> = Vec::new();
    let mut start = 0;
    let mut goes_on = false;
    for line in text.split_inclusive('\n') {
        let end = start + line.len();
        match lines.last_mut() {
            Some(last) if goes_on => last.end = end,
            _ => lines.push(start..end),
        }
        goes_on = line.trim_end_matches(['\n', '\r']).ends_with('\\');
        start = end;
    }
    lines
}

/// Into which file each line is written: by itself, or by the brace or the `cat` around it.
fn targets(text: &str, lines: &[Range<usize>]) -> Vec<Option<File>> {
    let mut targets: Vec<Option<File>> = Vec::new();
    let mut braces: Vec<usize> = Vec::new();
    let mut document: Option<(String, File)> = None;
    for (index, line) in lines.iter().enumerate() {
        let line = text[line.clone()].trim();
        if let Some((end, file)) = &document {
            let is_end = line == end;
            targets.push((!is_end).then_some(*file));
            if is_end {
                document = None;
            }
            continue;
        }
        let own = redirected(line);
        if (line.ends_with('{') || line == "(") && braces.len() < MAX_NESTED {
            braces.push(index);
        }
        if line.starts_with('}') || line.starts_with(')') {
            let from = braces.pop();
            if let (Some(from), Some(file)) = (from, own) {
                for target in targets.iter_mut().skip(from) {
                    target.get_or_insert(file);
                }
            }
            targets.push(None);
            continue;
        }
        if let Some(file) = own
            && let Some(end) = document_end(line)
        {
            document = Some((end, file));
            targets.push(None);
            continue;
        }
        targets.push(own);
    }
    targets
}

/// `cat <<EOF >> …`: where it ends.
fn document_end(line: &str) -> Option<String> {
    let (_, behind) = line.strip_prefix("cat")?.split_once("<<")?;
    let word = behind.trim_start_matches('-').split_whitespace().next()?;
    let word = word.trim_matches(['"', '\'', '\\']);
    (!word.starts_with('<')).then(|| word.to_owned())
}

/// The file that a line is redirected to.
fn redirected(line: &str) -> Option<File> {
    let upper = line.to_uppercase();
    FILES.into_iter().find_map(|(name, file)| {
        let before = upper.get(..upper.rfind(name)?)?;
        // `>> "$FILE"`, `>> ${{ github.output }}`, `| tee -a "$FILE"`
        let before = before
            .trim_end_matches(|letter: char| "\"'${ ".contains(letter))
            .trim_end_matches("$ENV:")
            .trim_end_matches(['"', ' ']);
        let is_tee = before.ends_with("TEE") || before.ends_with("TEE -A");
        (before.ends_with('>') || is_tee).then_some(file)
    })
}

struct Reading<'a> {
    script: &'a Script<'a>,
    /// Variables that the script has set; without trails they are clean.
    own: BTreeMap<String, Vec<Trail>>,
    /// Variables that were held against a pattern.
    checked: BTreeSet<String>,
    /// A value of several lines: its name, and the line that ends it.
    open: Option<(String, String)>,
    written: Vec<Written>,
}

impl Reading<'_> {
    fn line(&mut self, range: &Range<usize>, target: Option<File>) {
        let text = self.script.text;
        let line = &text[range.clone()];
        let trimmed = line.trim();
        if trimmed.starts_with('#') {
            return;
        }
        if trimmed.contains("=~") || trimmed.starts_with("case ") {
            for name in names(trimmed) {
                self.checked.insert(name);
            }
        }
        if let Some(file) = target {
            self.write(file, range);
            return;
        }
        if let Some((_, command)) = trimmed.split_once("::set-output name=")
            && let Some((name, _)) = command.split_once("::")
        {
            let trails = self.tainted(range);
            self.say(File::Output, name, trails);
            return;
        }
        let bare = DECLARING.iter().fold(trimmed, |line, word| {
            line.strip_prefix(word).unwrap_or(line)
        });
        if let Some((name, _)) = bare.split_once('=')
            && is_name(name)
        {
            let trails = self.tainted(range);
            self.own.insert(name.to_owned(), trails);
        }
    }

    /// A line that goes into a file.
    fn write(&mut self, file: File, range: &Range<usize>) {
        let content = content(&self.script.text[range.clone()]);
        if let Some((name, end)) = self.open.take() {
            if content == end {
                return;
            }
            let trails = self.tainted(range);
            self.say(file, &name, trails);
            self.open = Some((name, end));
            return;
        }
        let length = content
            .find(|letter: char| !(letter.is_ascii_alphanumeric() || "_-".contains(letter)))
            .unwrap_or(content.len());
        let (name, rest) = content.split_at(length);
        if name.is_empty() {
            return;
        }
        if let Some(end) = rest.strip_prefix("<<") {
            // More than one line may stand in one text.
            let end = end.split("\\n").next().unwrap_or(end);
            self.open = Some((name.to_owned(), end.trim().to_owned()));
        }
        if rest.starts_with(['=', '<']) {
            let trails = self.tainted(range);
            self.say(file, name, trails);
        }
    }

    fn say(&mut self, to: File, name: &str, trails: Vec<Trail>) {
        if trails.is_empty() || name.contains("${{") {
            return;
        }
        let name = name.to_owned();
        self.written.push(Written { to, name, trails });
    }

    /// How a part of the script is tainted.
    fn tainted(&self, range: &Range<usize>) -> Vec<Trail> {
        let mut found = Vec::new();
        let line = &self.script.text[range.clone()];
        if has_filter(line) {
            return found;
        }
        let opaque = opaque(line);
        let is_open = |at: usize| !opaque.iter().any(|it| it.contains(&at));
        for (at, trail) in self.script.spots_in(range) {
            if is_open(at - range.start) {
                merge(&mut found, [trail.clone()]);
            }
        }
        for (at, name) in variables(line) {
            if !is_open(at) || self.checked.contains(&name) {
                continue;
            }
            let trails = match self.own.get(&name) {
                Some(own) => own.clone(),
                None => (self.script.variable)(&name),
            };
            merge(&mut found, trails);
        }
        found
    }
}

/// What a line writes, without the command and its quotes.
fn content(line: &str) -> &str {
    let line = line.trim();
    let mut rest = ECHOES
        .iter()
        .find_map(|command| line.strip_prefix(command)?.strip_prefix(' '))
        .unwrap_or(line)
        .trim_start();
    while let Some(behind) = ["-e ", "-n ", "-- "]
        .iter()
        .find_map(|it| rest.strip_prefix(it))
    {
        rest = behind.trim_start();
    }
    let rest = match rest.rfind(">>") {
        Some(end) if redirected(rest).is_some() => &rest[..end],
        _ => rest,
    };
    rest.trim().trim_matches(['"', '\''])
}

fn is_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && text
            .chars()
            .all(|it| it.is_ascii_alphanumeric() || it == '_')
}

fn names(text: &str) -> impl Iterator<Item = String> {
    variables(text).into_iter().map(|(_, name)| name)
}

/// Whether a pipe leads through another program before the file.
fn has_filter(line: &str) -> bool {
    let mut quote = None;
    let mut depth = 0_usize;
    let mut letters = line.char_indices().peekable();
    while let Some((at, letter)) = letters.next() {
        match (quote, letter) {
            (None, '"' | '\'') => quote = Some(letter),
            (Some(open), letter) if open == letter => quote = None,
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            (_, '\\') => drop(letters.next()),
            (None, '|') if depth == 0 => {
                let behind = line[at + 1..].trim_start();
                // `||` is another command.
                return !behind.starts_with('|') && !behind.starts_with("tee ");
            }
            _ => {}
        }
    }
    false
}

/// The parts of a line that are put in by commands of which nobody knows what they give.
fn opaque(line: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut from, mut count) = (0, 0);
    while let Some(start) = line[from..].find("$(").map(|it| from + it) {
        count += 1;
        if count > MAX_NESTED {
            found.push(start..line.len());
            break;
        }
        let mut depth = 0_usize;
        let end = line[start..]
            .char_indices()
            .find_map(|(at, letter)| {
                match letter {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                (depth == 0 && letter == ')').then_some(start + at)
            })
            .unwrap_or(line.len());
        let inner = line[start + 2..end].trim_start();
        let command = inner.split_whitespace().next().unwrap_or_default();
        if !ECHOES.contains(&command) || inner.contains('|') {
            found.push(start..end);
            from = end;
        } else {
            from = start + 2;
        }
    }
    let ticks: Vec<usize> = line.match_indices('`').map(|(at, _)| at).collect();
    found.extend(ticks.chunks_exact(2).map(|pair| pair[0]..pair[1]));
    found
}

/// The variables of a line whose values become part of it, where they stand: not those in single quotes,
/// and not those of which something is cut out or counted.
fn variables(line: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let (mut is_single, mut is_double) = (false, false);
    let mut letters = line.char_indices();
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' if !is_single => drop(letters.next()),
            '"' if !is_single => is_double = !is_double,
            '\'' if !is_double => is_single = !is_single,
            '$' if !is_single => found.extend(variable(&line[at + 1..]).map(|name| (at, name))),
            _ => {}
        }
    }
    found
}

fn variable(rest: &str) -> Option<String> {
    let is_braced = rest.starts_with('{');
    let rest = rest.strip_prefix('{').unwrap_or(rest);
    let lower = rest.get(..4).unwrap_or_default();
    let rest = if lower.eq_ignore_ascii_case("env:") {
        &rest[4..]
    } else {
        rest
    };
    let end = rest
        .find(|it: char| !(it.is_ascii_alphanumeric() || it == '_'))
        .unwrap_or(rest.len());
    let (name, behind) = rest.split_at(end);
    let is_cleaned = is_braced && behind.starts_with('/');
    (is_name(name) && !is_cleaned).then(|| name.to_owned())
}
