//! A line of words as a shell splits it, without everything else that a shell does.

/// Splits at blanks; quotes hold words together, a backslash takes the next character as it is (not
/// within single quotes). With each word the byte at which it begins. `None` for a quote without end.
pub fn words(text: &str) -> Option<Vec<(usize, String)>> {
    let mut found = Vec::new();
    let mut word: Option<(usize, String)> = None;
    let mut quote = None;
    let mut characters = text.char_indices();
    while let Some((at, character)) = characters.next() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (Some('\''), plain) => push(&mut word, at, plain),
            (None, open @ ('"' | '\'')) => {
                quote = Some(open);
                word.get_or_insert_with(|| (at, String::new()));
            }
            (_, '\\') => {
                let (_, escaped) = characters.next()?;
                push(&mut word, at, escaped);
            }
            (None, blank) if blank.is_whitespace() => found.extend(word.take()),
            (_, plain) => push(&mut word, at, plain),
        }
    }
    found.extend(word);
    quote.is_none().then_some(found)
}

fn push(word: &mut Option<(usize, String)>, at: usize, character: char) {
    word.get_or_insert_with(|| (at, String::new()))
        .1
        .push(character);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_split_as_a_shell_does() {
        let plain = |text| {
            words(text).map(|found| found.into_iter().map(|(_, word)| word).collect::<Vec<_>>())
        };
        assert_eq!(
            plain(r#" a 'b "c' "d 'e" f\ g "" "#).unwrap(),
            ["a", "b \"c", "d 'e", "f g", ""]
        );
        assert_eq!(
            words("--x\n  --y").unwrap(),
            [(0, "--x".to_owned()), (6, "--y".to_owned())]
        );
        assert_eq!(plain("a 'b"), None);
        assert_eq!(plain("a\\"), None);
    }
}
