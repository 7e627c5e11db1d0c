//! One part of a pattern between two slashes: text, `*`, `?` and `[…]`, as minimatch reads them.

/// What a part may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Segment {
    /// `**`: any number of parts.
    Any,
    /// This text, byte for byte.
    Literal(String),
    /// Something of this form.
    Form(Vec<Piece>),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Char(char),
    /// `?`.
    One,
    /// `*`.
    Many,
    /// `[…]`: from and to, and whether all others are meant.
    Class(Vec<(char, char)>, bool),
}

impl Segment {
    pub(super) fn parse(text: &str) -> Self {
        if text == "**" {
            return Self::Any;
        }
        let chars: Vec<char> = text.chars().collect();
        let mut pieces = Vec::new();
        let mut at = 0;
        while let Some(&c) = chars.get(at) {
            at += 1;
            pieces.push(match c {
                '*' => Piece::Many,
                '?' => Piece::One,
                '\\' => {
                    let escaped = chars.get(at).copied();
                    at += usize::from(escaped.is_some());
                    Piece::Char(escaped.unwrap_or('\\'))
                }
                '[' => match class(&chars, at) {
                    Some((class, next)) => {
                        at = next;
                        class
                    }
                    None => Piece::Char('['),
                },
                c => Piece::Char(c),
            });
        }
        let plain = |piece: &Piece| match piece {
            Piece::Char(c) => Some(*c),
            Piece::One | Piece::Many | Piece::Class(..) => None,
        };
        let literal: Option<String> = pieces.iter().map(plain).collect();
        literal.map_or(Self::Form(pieces), Self::Literal)
    }

    /// The text, when it is nothing but that.
    pub(super) fn literal(&self) -> Option<&str> {
        match self {
            Self::Literal(text) => Some(text),
            Self::Any | Self::Form(_) => None,
        }
    }

    /// Whether a name is of this form. `**` alone is not asked.
    pub(super) fn matches(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Literal(text) => text == name,
            Self::Form(pieces) => !name.is_empty() && matches(pieces, name),
        }
    }
}

/// What stands between the brackets, and where it goes on behind them. `None` when they are not closed, or the
/// order is wrong: then the bracket is text.
fn class(chars: &[char], from: usize) -> Option<(Piece, usize)> {
    let is_negated = matches!(chars.get(from), Some('!' | '^'));
    let first = from + usize::from(is_negated);
    let mut ranges = Vec::new();
    let mut at = first;
    loop {
        match chars.get(at)? {
            ']' if at > first => return Some((piece(ranges, is_negated), at + 1)),
            _ => {}
        }
        let (low, next) = member(chars, at)?;
        let is_range = chars.get(next) == Some(&'-') && chars.get(next + 1) != Some(&']');
        let (high, next) = if is_range {
            member(chars, next + 1)?
        } else {
            (low, next)
        };
        if low > high {
            return None;
        }
        ranges.push((low, high));
        at = next;
    }
}

/// `[x]` is `x`.
fn piece(ranges: Vec<(char, char)>, is_negated: bool) -> Piece {
    match ranges.as_slice() {
        [(low, high)] if low == high && !is_negated => Piece::Char(*low),
        _ => Piece::Class(ranges, is_negated),
    }
}

fn member(chars: &[char], at: usize) -> Option<(char, usize)> {
    match chars.get(at)? {
        '\\' => Some((*chars.get(at + 1)?, at + 2)),
        c => Some((*c, at + 1)),
    }
}

/// Goes on from the last `*` when it does not fit: never back further than that.
fn matches(pieces: &[Piece], name: &str) -> bool {
    let name: Vec<char> = name.chars().collect();
    let (mut piece, mut at) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while at < name.len() {
        let fits = match pieces.get(piece) {
            Some(Piece::Many) => {
                star = Some((piece, at));
                piece += 1;
                continue;
            }
            Some(Piece::One) => true,
            Some(Piece::Char(c)) => *c == name[at],
            Some(Piece::Class(ranges, is_negated)) => {
                let is_in = |(low, high): &(char, char)| (*low..=*high).contains(&name[at]);
                ranges.iter().any(is_in) != *is_negated
            }
            None => false,
        };
        if fits {
            piece += 1;
            at += 1;
        } else if let Some((of, from)) = star {
            star = Some((of, from + 1));
            piece = of + 1;
            at = from + 1;
        } else {
            return false;
        }
    }
    pieces[piece..]
        .iter()
        .all(|piece| matches!(piece, Piece::Many))
}
