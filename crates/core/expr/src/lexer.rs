//! Text into tokens. A token that may not stand where it stands comes out as `Unexpected`, so that
//! errors are reported in reading order.

use crate::{
    number,
    token::{Kind, Operator, Token},
};

/// Reads one token after the other.
pub(crate) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    last: Option<Kind>,
    unclosed: Vec<Kind>,
    malformed: bool,
}

impl<'a> Lexer<'a> {
    /// A lexer at the beginning of the text.
    pub(crate) fn new(text: &'a str) -> Self {
        Self {
            text,
            at: 0,
            last: None,
            unclosed: Vec::new(),
            malformed: false,
        }
    }

    /// Whether something was read that is no token, wherever it stands.
    pub(crate) fn is_malformed(&self) -> bool {
        self.malformed
    }

    /// Whether a bracket is still open.
    pub(crate) fn has_unclosed(&self) -> bool {
        !self.unclosed.is_empty()
    }

    /// The next token; `None` at the end.
    pub(crate) fn next_token(&mut self) -> Option<Token> {
        let rest = self.text.get(self.at..)?;
        let start = self.at + (rest.len() - rest.trim_start().len());
        let rest = self.text.get(start..)?;
        let (kind, length) = self.read(rest)?;
        self.at = start + length;
        self.malformed |= kind == Kind::Unexpected;
        let kind = self.admit(kind);
        self.last = Some(kind.clone());
        Some(Token {
            kind,
            start,
            end: self.at,
        })
    }

    /// Kind and length of the token that the non-empty text begins with.
    fn read(&self, rest: &str) -> Option<(Kind, usize)> {
        let kind = match rest.chars().next()? {
            '(' if self.last == Some(Kind::Function) => Kind::StartParameters,
            '(' => Kind::StartGroup,
            ')' if self.unclosed.last() == Some(&Kind::StartParameters) => Kind::EndParameters,
            ')' => Kind::EndGroup,
            '[' => Kind::StartIndex,
            ']' => Kind::EndIndex,
            ',' => Kind::Separator,
            '*' => Kind::Wildcard,
            '.' if self
                .last
                .as_ref()
                .is_some_and(|last| !last.awaits_operand()) =>
            {
                Kind::Dereference
            }
            '\'' => return Some(string(rest)),
            '!' | '>' | '<' | '=' | '&' | '|' => return Some(operator(rest)),
            '.' | '-' | '+' | '0'..='9' => return Some(number_token(rest)),
            _ => return Some(self.keyword(rest)),
        };
        Some((kind, 1))
    }

    fn keyword(&self, rest: &str) -> (Kind, usize) {
        let length = word_length(rest, |_| false);
        let (word, behind) = rest.split_at(length);
        let kind = if !is_legal_keyword(word) {
            Kind::Unexpected
        } else if self.last == Some(Kind::Dereference) {
            Kind::PropertyName
        } else {
            match word {
                "null" => Kind::Null,
                "true" => Kind::Boolean(true),
                "false" => Kind::Boolean(false),
                "NaN" => Kind::Number(f64::NAN),
                "Infinity" => Kind::Number(f64::INFINITY),
                _ if behind.trim_start().starts_with('(') => Kind::Function,
                _ => Kind::NamedValue,
            }
        };
        (kind, length)
    }

    /// Checks the token against the one before and the open brackets.
    fn admit(&mut self, kind: Kind) -> Kind {
        if !kind.may_follow(self.last.as_ref()) {
            return Kind::Unexpected;
        }
        let open = self.unclosed.last();
        match &kind {
            Kind::StartGroup | Kind::StartIndex | Kind::StartParameters => {
                self.unclosed.push(kind.clone());
            }
            Kind::EndGroup | Kind::EndIndex | Kind::EndParameters => {
                let wanted = match kind {
                    Kind::EndGroup => Kind::StartGroup,
                    Kind::EndIndex => Kind::StartIndex,
                    _ => Kind::StartParameters,
                };
                if open != Some(&wanted) {
                    return Kind::Unexpected;
                }
                self.unclosed.pop();
            }
            Kind::Separator if open != Some(&Kind::StartParameters) => return Kind::Unexpected,
            _ => {}
        }
        kind
    }
}

fn string(rest: &str) -> (Kind, usize) {
    let mut value = String::new();
    let mut characters = rest.char_indices().skip(1).peekable();
    while let Some((at, character)) = characters.next() {
        if character == '\'' && characters.next_if(|(_, next)| *next == '\'').is_none() {
            return (Kind::String(value), at + 1);
        }
        value.push(character);
    }
    (Kind::Unexpected, rest.len())
}

fn operator(rest: &str) -> (Kind, usize) {
    let known = Operator::ALL
        .iter()
        .find(|(symbol, _)| rest.starts_with(symbol));
    match known {
        Some((symbol, operator)) => (Kind::Binary(*operator), symbol.len()),
        None if rest.starts_with('!') => (Kind::Not, 1),
        None => (Kind::Unexpected, word_length(rest, |_| false)),
    }
}

fn number_token(rest: &str) -> (Kind, usize) {
    let length = word_length(rest, |character| character == '.');
    let value = number::parse(rest.get(..length).unwrap_or(rest));
    let kind = if value.is_nan() {
        Kind::Unexpected
    } else {
        Kind::Number(value)
    };
    (kind, length)
}

/// How long the word is that the text begins with; its first character belongs to it in any case.
fn word_length(rest: &str, also: impl Fn(char) -> bool) -> usize {
    rest.char_indices()
        .skip(1)
        .find(|(_, character)| is_boundary(*character) && !also(*character))
        .map_or(rest.len(), |(at, _)| at)
}

fn is_boundary(character: char) -> bool {
    matches!(
        character,
        '(' | '[' | ')' | ']' | ',' | '.' | '!' | '>' | '<' | '=' | '&' | '|'
    ) || character.is_whitespace()
}

/// Letters, digits, `_` and `-`; the first is a letter or `_`.
fn is_legal_keyword(word: &str) -> bool {
    let first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    word.bytes().next().is_some_and(first)
        && word
            .bytes()
            .all(|byte| first(byte) || byte.is_ascii_digit() || byte == b'-')
}
