//! Patterns for branches, tags and paths: the dialect's own glob, in which `?` and `+` are quantifiers.
//!
//! Each pattern becomes a regular expression of a linear-time engine, so that no pattern can be slow.

#[cfg(test)]
mod tests;

use regex::Regex;

/// The longest pattern, in bytes; git refuses refs that are longer than paths may be.
const MAX_LENGTH: usize = 1024;

/// Patterns in the order written: the last one that matches decides.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patterns(Vec<Pattern>);

/// One pattern.
#[derive(Debug, Clone)]
pub(crate) struct Pattern {
    /// With a leading `!`: what matches is taken out again.
    negative: bool,
    regex: Regex,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PatternError {
    #[error("an empty pattern matches nothing")]
    Empty,
    #[error("a pattern may have {MAX_LENGTH} bytes")]
    TooLong,
    #[error("`{0}` has nothing before it that it could repeat")]
    NothingToRepeat(char),
    #[error("`[` is not closed")]
    Unclosed,
    #[error("`[]` has nothing in it")]
    EmptySet,
    #[error("the range `{0}-{1}` runs backwards")]
    BackwardRange(char, char),
    #[error("`\\` has nothing after it")]
    TrailingEscape,
    #[error("the pattern becomes too large")]
    TooLarge,
}

impl Patterns {
    pub(crate) fn new(patterns: Vec<Pattern>) -> Self {
        Self(patterns)
    }

    /// Whether a name is in: a later pattern overrules an earlier one.
    pub(crate) fn matches(&self, name: &str) -> bool {
        self.0.iter().fold(false, |is_in, pattern| {
            // Only a pattern that could change the answer is asked.
            if is_in == pattern.negative && pattern.regex.is_match(name) {
                !pattern.negative
            } else {
                is_in
            }
        })
    }

    /// Whether no name can be in, because everything is taken out and nothing put in.
    pub(crate) fn only_negative(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|pattern| pattern.negative)
    }
}

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self, PatternError> {
        if text.len() > MAX_LENGTH {
            return Err(PatternError::TooLong);
        }
        let (negative, body) = match text.strip_prefix('!') {
            Some(body) => (true, body),
            None => (false, text),
        };
        if body.is_empty() {
            return Err(PatternError::Empty);
        }
        let regex = regex::RegexBuilder::new(&translate(body)?)
            .dot_matches_new_line(true)
            .build()
            .map_err(|_| PatternError::TooLarge)?;
        Ok(Self { negative, regex })
    }
}

/// The pattern as a regular expression for the whole name.
fn translate(pattern: &str) -> Result<String, PatternError> {
    let mut regex = String::from(r"\A");
    let mut rest = pattern;
    // Whether a quantifier may follow: only after a character or a set.
    let mut repeatable = false;
    let mut at_start = true;
    while let Some(next) = rest.chars().next() {
        let before_rest = rest;
        rest = &rest[next.len_utf8()..];
        match next {
            '*' => {
                rest = star(rest, at_start, &mut regex);
                repeatable = false;
            }
            '?' | '+' if repeatable => {
                regex.push(next);
                repeatable = false;
            }
            '?' | '+' => return Err(PatternError::NothingToRepeat(next)),
            '[' => {
                rest = set(rest, &mut regex)?;
                repeatable = true;
            }
            '\\' => {
                let escaped = rest.chars().next().ok_or(PatternError::TrailingEscape)?;
                rest = &rest[escaped.len_utf8()..];
                push_literal(escaped, &mut regex);
                repeatable = true;
            }
            literal => {
                push_literal(literal, &mut regex);
                repeatable = true;
            }
        }
        let taken = &before_rest[..before_rest.len() - rest.len()];
        at_start = taken.ends_with('/');
    }
    regex.push_str(r"\z");
    Ok(regex)
}

/// `*` stays within a segment, `**` does not; `**/` at the start of a segment may also be no segment.
fn star<'a>(rest: &'a str, at_start: bool, regex: &mut String) -> &'a str {
    let Some(rest) = rest.strip_prefix('*') else {
        regex.push_str("[^/]*");
        return rest;
    };
    match rest.strip_prefix('/') {
        Some(rest) if at_start => {
            regex.push_str("(?:.*/)?");
            rest
        }
        _ => {
            regex.push_str(".*");
            rest
        }
    }
}

/// A set in brackets: characters and ranges.
fn set<'a>(rest: &'a str, regex: &mut String) -> Result<&'a str, PatternError> {
    let end = rest.find(']').ok_or(PatternError::Unclosed)?;
    let mut chars = rest[..end].chars().peekable();
    if end == 0 {
        return Err(PatternError::EmptySet);
    }
    regex.push('[');
    while let Some(low) = chars.next() {
        let mut ahead = chars.clone();
        if ahead.next() == Some('-')
            && let Some(high) = ahead.next()
        {
            if high < low {
                return Err(PatternError::BackwardRange(low, high));
            }
            push_hex(low, regex);
            regex.push('-');
            push_hex(high, regex);
            chars = ahead;
        } else {
            push_hex(low, regex);
        }
    }
    regex.push(']');
    Ok(&rest[end + 1..])
}

fn push_literal(literal: char, regex: &mut String) {
    regex.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4])));
}

/// Inside of brackets every character is written by its number: none has a meaning then.
fn push_hex(c: char, regex: &mut String) {
    for part in [r"\x{", &format!("{:x}", u32::from(c)), "}"] {
        regex.push_str(part);
    }
}
