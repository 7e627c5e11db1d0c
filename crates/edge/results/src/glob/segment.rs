//! One part of a pattern between two slashes: text, `*`, `?` and `[…]`, as minimatch reads them: in units of
//! UTF-16, so that `?` is half of an emoji. What a search path is made of is read by other rules.

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
    Char(u16),
    /// `?`.
    One,
    /// `*`.
    Many,
    /// `[…]`: from and to, and whether all others are meant.
    Class(Vec<(u16, u16)>, bool),
}

impl Segment {
    pub(super) fn parse(text: &str) -> Self {
        if text == "**" {
            return Self::Any;
        }
        let units: Vec<u16> = text.encode_utf16().collect();
        let mut pieces = Vec::new();
        let mut at = 0;
        while let Some(&unit) = units.get(at) {
            at += 1;
            pieces.push(match ascii(unit) {
                b'*' => Piece::Many,
                b'?' => Piece::One,
                b'\\' => {
                    let escaped = units.get(at).copied();
                    at += usize::from(escaped.is_some());
                    Piece::Char(escaped.unwrap_or(unit))
                }
                b'[' => match class(&units, at) {
                    Some((class, next)) => {
                        at = next;
                        class
                    }
                    None => Piece::Char(unit),
                },
                _ => Piece::Char(unit),
            });
        }
        let plain = |piece: &Piece| match piece {
            Piece::Char(unit) => Some(*unit),
            Piece::One | Piece::Many | Piece::Class(..) => None,
        };
        let literal: Option<Vec<u16>> = pieces.iter().map(plain).collect();
        let literal = literal.and_then(|units| String::from_utf16(&units).ok());
        literal.map_or(Self::Form(pieces), Self::Literal)
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

/// The text that GitHub's glob takes a part for, when it looks where a search begins: with an own idea of
/// brackets: `[x]` is text, `[]` is too. `None` when it is more than text.
pub(super) fn literal(text: &str) -> Option<String> {
    let units: Vec<u16> = text.encode_utf16().collect();
    let mut literal = Vec::new();
    let mut at = 0;
    while let Some(&unit) = units.get(at) {
        match ascii(unit) {
            b'\\' if at + 1 < units.len() => {
                at += 1;
                literal.push(units[at]);
            }
            b'*' | b'?' => return None,
            b'[' if at + 1 < units.len() => {
                let (set, closed) = bracket(&units, at + 1);
                match (closed, set.as_slice()) {
                    (Some(_), [_, _, ..]) => return None,
                    (Some(closed), [only]) => {
                        literal.push(*only);
                        at = closed;
                    }
                    (_, _) => literal.push(unit),
                }
            }
            _ => literal.push(unit),
        }
        at += 1;
    }
    // Empty is what the original says of whatever is more than text.
    Some(String::from_utf16_lossy(&literal)).filter(|text| !text.is_empty())
}

/// What is between brackets, and where they are closed.
fn bracket(units: &[u16], mut at: usize) -> (Vec<u16>, Option<usize>) {
    let mut set = Vec::new();
    while let Some(&unit) = units.get(at) {
        match ascii(unit) {
            b'\\' if at + 1 < units.len() => {
                at += 1;
                set.push(units[at]);
            }
            b']' => return (set, Some(at)),
            _ => set.push(unit),
        }
        at += 1;
    }
    (set, None)
}

/// The unit as ASCII; 0 when it is something else.
fn ascii(unit: u16) -> u8 {
    u8::try_from(unit).unwrap_or_default()
}

/// What stands between the brackets, and where it goes on behind them. `None` when they are not closed, or the
/// order is wrong: then the bracket is text.
fn class(units: &[u16], from: usize) -> Option<(Piece, usize)> {
    let is = |at: usize, wanted: u8| units.get(at).is_some_and(|unit| ascii(*unit) == wanted);
    let is_negated = is(from, b'!') || is(from, b'^');
    let first = from + usize::from(is_negated);
    let mut ranges = Vec::new();
    let mut at = first;
    loop {
        if is(at, b']') && at > first {
            return Some((piece(ranges, is_negated), at + 1));
        }
        let (low, next) = member(units, at)?;
        let is_range = is(next, b'-') && !is(next + 1, b']');
        let (high, next) = if is_range {
            member(units, next + 1)?
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
fn piece(ranges: Vec<(u16, u16)>, is_negated: bool) -> Piece {
    match ranges.as_slice() {
        [(low, high)] if low == high && !is_negated => Piece::Char(*low),
        _ => Piece::Class(ranges, is_negated),
    }
}

fn member(units: &[u16], at: usize) -> Option<(u16, usize)> {
    let unit = *units.get(at)?;
    match ascii(unit) {
        b'\\' => Some((*units.get(at + 1)?, at + 2)),
        _ => Some((unit, at + 1)),
    }
}

/// Goes on from the last `*` when it does not fit: never back further than that.
fn matches(pieces: &[Piece], name: &str) -> bool {
    let name: Vec<u16> = name.encode_utf16().collect();
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
                let is_in = |(low, high): &(u16, u16)| (*low..=*high).contains(&name[at]);
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
