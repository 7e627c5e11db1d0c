//! One pass over a stream of bytes. What may be the beginning of a secret is held back until the
//! next bytes decide; everything else goes through at once, so that a log can be watched.

use std::{fmt, sync::Arc};

use aho_corasick::BuildError;

use super::patterns::Patterns;

const MASK: &[u8] = b"***";

/// Masks a stream.
pub(crate) struct Masker {
    patterns: Arc<Patterns>,
    /// Bytes that are not decided yet.
    held: Vec<u8>,
    /// How many of them, from the left, belong to a secret whose mask is written already.
    covered: usize,
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masker")
            .field("patterns", &self.patterns.count())
            .finish_non_exhaustive()
    }
}

impl Masker {
    /// For these secrets, in all their forms.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Result<Self, BuildError> {
        Ok(Self {
            patterns: Patterns::of(secrets)?,
            held: Vec::new(),
            covered: 0,
        })
    }

    /// Whether a secret is in it.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.patterns.is_in(text.as_bytes())
    }

    /// A whole text, apart from the stream.
    pub(crate) fn text(&self, text: &str) -> String {
        if self.patterns.is_empty() {
            return text.to_owned();
        }
        let mut out = Vec::with_capacity(text.len());
        cover(&self.patterns, text.as_bytes(), text.len(), 0, &mut out);
        // Patterns are whole texts, but one in base 64 may end within a character of ours.
        String::from_utf8_lossy(&out).into_owned()
    }

    /// Where at its end the text holds a beginning of a secret that is no shorter than this, when it does.
    pub(super) fn beginning_at_end(&self, text: &str, least: usize) -> Option<usize> {
        let held = |pattern: &[u8]| {
            (least..pattern.len())
                .rev()
                .find(|length| text.as_bytes().ends_with(&pattern[..*length]))
        };
        let longest = self.patterns.iter().filter_map(held).max()?;
        Some(text.floor_char_boundary(text.len() - longest))
    }

    /// The next bytes of the stream; what is decided goes to `out`.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        if self.patterns.is_empty() {
            out.extend_from_slice(bytes);
            return;
        }
        self.patterns.expect(bytes.len());
        if self.held.is_empty() {
            let decided = self.patterns.undecided(bytes);
            let end = cover(&self.patterns, bytes, decided, 0, out);
            self.covered = end - decided;
            self.held.extend_from_slice(&bytes[decided..]);
            return;
        }
        self.held.extend_from_slice(bytes);
        let decided = self.patterns.undecided(&self.held);
        let end = cover(&self.patterns, &self.held, decided, self.covered, out);
        self.covered = end - decided;
        self.held.drain(..decided);
    }

    /// The stream has ended, or here nothing can span.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        cover(
            &self.patterns,
            &self.held,
            self.held.len(),
            self.covered,
            out,
        );
        self.covered = 0;
        self.held.clear();
    }
}

/// Writes `text[..decided]`, of which the first `covered` bytes are written as a mask already, and
/// returns where the last secret ends that begins in it. Secrets that overlap share one mask: to go
/// on after the first would leave the end of the second to be read.
fn cover(
    patterns: &Patterns,
    text: &[u8],
    decided: usize,
    covered: usize,
    out: &mut Vec<u8>,
) -> usize {
    let mut end = covered;
    let mut at = 0;
    while let Some(found) = patterns
        .find(text, at)
        .filter(|found| found.start < decided)
    {
        if found.start < end {
            end = end.max(found.end);
        } else {
            out.extend_from_slice(&text[end..found.start]);
            out.extend_from_slice(MASK);
            end = found.end;
        }
        at = found.start + 1;
    }
    if end < decided {
        out.extend_from_slice(&text[end..decided]);
    }
    end.max(decided)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn run(secrets: &[&str], chunks: &[&[u8]]) -> String {
        let mut masker = Masker::new(secrets.iter().copied()).unwrap();
        let mut out = Vec::new();
        for chunk in chunks {
            masker.push(chunk, &mut out);
        }
        masker.finish(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_secret_over_the_border_of_two_chunks_is_masked() {
        assert_eq!(run(&["hunter2"], &[b"a hun", b"te", b"r2 b"]), "a *** b");
        assert_eq!(run(&["hunter2"], &[b"a hun", b"ger"]), "a hunger");
        assert_eq!(run(&["hunter2"], &[b"a hun"]), "a hun");
    }

    #[test]
    fn overlapping_secrets_leave_no_end_behind() {
        assert_eq!(run(&["abcdef", "defghi"], &[b"-abcdefghi-"]), "-***-");
        assert_eq!(
            run(&["abcdef", "defghi"], &[b"-abcde", b"fgh", b"i-"]),
            "-***-"
        );
        assert_eq!(run(&["abc", "abcdef"], &[b"abcd", b"ef."]), "***.");
    }

    #[test]
    fn bytes_that_cannot_begin_a_secret_are_not_held_back() {
        let mut masker = Masker::new(["hunter2"]).unwrap();
        let mut out = Vec::new();
        masker.push(b"password: ", &mut out);
        assert_eq!(out, b"password: ");
        masker.push(b"h", &mut out);
        assert_eq!(out, b"password: ");
    }

    #[test]
    fn a_text_is_masked_apart_from_the_stream() {
        let masker = Masker::new(["hunter2", ""]).unwrap();
        assert_eq!(masker.text("it is hunter2, aHVudGVyMg=="), "it is ***, ***");
        assert!(masker.is_in("xhunter2x"));
        assert!(!masker.is_in("hunger"));
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same(
            secrets in prop::collection::vec("[ab]{1,6}", 0..4),
            text in "[abc]{0,80}",
            cuts in prop::collection::vec(0_usize..80, 0..10),
        ) {
            let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let whole = run(&secrets, &[text.as_bytes()]);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let mut chunks = Vec::new();
            let mut from = 0;
            for cut in cuts.into_iter().chain([text.len()]) {
                chunks.push(&text.as_bytes()[from..cut]);
                from = cut;
            }
            prop_assert_eq!(&run(&secrets, &chunks), &whole);
            for secret in secrets {
                prop_assert!(!whole.contains(secret));
            }
        }
    }
}
