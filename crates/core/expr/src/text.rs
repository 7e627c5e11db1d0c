//! Comparing text the way the language does: by code units, upper and lower case alike, no locale.

use std::cmp::Ordering;

/// The simple upper-case form of one character. Dotless `ı` and long `ſ` stay themselves, and a
/// character whose upper case is several characters (`ß`) does too.
fn upper(character: char) -> char {
    if character.is_ascii() {
        return character.to_ascii_uppercase();
    }
    if matches!(character, '\u{131}' | '\u{17f}') {
        return character;
    }
    let mut mapped = character.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(single), None) => single,
        _ => character,
    }
}

/// The text in the form that comparisons look at.
pub(crate) fn fold(text: &str) -> String {
    text.chars().map(upper).collect()
}

/// Whether two texts are the same to the language.
pub(crate) fn equal(left: &str, right: &str) -> bool {
    left.chars().map(upper).eq(right.chars().map(upper))
}

/// Which text comes first, by UTF-16 code units of the upper-case forms.
pub(crate) fn compare(left: &str, right: &str) -> Ordering {
    units(left).cmp(units(right))
}

fn units(text: &str) -> impl Iterator<Item = u16> + '_ {
    text.chars().flat_map(|character| {
        let mut buffer = [0; 2];
        let length = upper(character).encode_utf16(&mut buffer).len();
        buffer.into_iter().take(length)
    })
}

/// Whether `text` begins with `start`.
pub(crate) fn starts_with(text: &str, start: &str) -> bool {
    let mut characters = text.chars().map(upper);
    start
        .chars()
        .map(upper)
        .all(|wanted| characters.next() == Some(wanted))
}

/// Whether `text` ends with `end`.
pub(crate) fn ends_with(text: &str, end: &str) -> bool {
    let mut characters = text.chars().rev().map(upper);
    end.chars()
        .rev()
        .map(upper)
        .all(|wanted| characters.next() == Some(wanted))
}

/// Whether `part` is somewhere in `text`.
pub(crate) fn contains(text: &str, part: &str) -> bool {
    fold(text).contains(&fold(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_ignored_and_locale_unknown() {
        assert!(equal("ς", "Σ") && equal("σ", "ς"));
        assert!(!equal("ı", "I") && !equal("i", "İ") && !equal("ß", "SS"));
        assert!(starts_with("Straße", "straß") && !starts_with("a", "ab"));
        assert!(ends_with("asdf_Ç", "ç") && contains("aBcD", "bCd"));
        assert_eq!(compare("a", "B"), Ordering::Less);
        assert_eq!(compare("\u{1f600}", "\u{ffee}"), Ordering::Less);
    }
}
