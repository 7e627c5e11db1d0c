//! One pass over a stream of bytes. What may be the beginning of a secret is held back until the
//! next bytes decide; everything else goes through at once, so that a log can be watched.

use std::{
    collections::BTreeSet,
    fmt,
    sync::{Mutex, PoisonError},
};

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError, Input, MatchKind};

use super::forms::forms;

const MASK: &[u8] = b"***";
/// Up to here the fastest automaton is small enough to be worth its memory (some megabytes).
const FAST: usize = 16 * 1024;

/// The automaton that was built last. The steps of a job have the same secrets, mostly, and to build one
/// takes longer than a small step.
static LAST: Mutex<Option<(Vec<Vec<u8>>, AhoCorasick)>> = Mutex::new(None);

/// What finds these patterns.
fn automaton(patterns: &[Vec<u8>]) -> Result<AhoCorasick, BuildError> {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, automaton)) = &*last
        && of == patterns
    {
        return Ok(automaton.clone());
    }
    let fast = patterns.iter().map(Vec::len).sum::<usize>() <= FAST;
    let automaton = AhoCorasick::builder()
        .match_kind(MatchKind::LeftmostLongest)
        .kind(fast.then_some(AhoCorasickKind::DFA))
        .build(patterns)?;
    *last = Some((patterns.to_vec(), automaton.clone()));
    Ok(automaton)
}

/// Masks a stream.
pub(crate) struct Masker {
    /// Sorted, each once.
    patterns: Vec<Vec<u8>>,
    automaton: Option<AhoCorasick>,
    /// Whether some pattern begins with this byte.
    begins: [bool; 256],
    longest: usize,
    /// Bytes that are not decided yet.
    held: Vec<u8>,
    /// How many of them, from the left, belong to a secret whose mask is written already.
    covered: usize,
}

impl fmt::Debug for Masker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Masker")
            .field("patterns", &self.patterns.len())
            .finish_non_exhaustive()
    }
}

impl Masker {
    /// For these secrets, in all their forms.
    pub(crate) fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Result<Self, BuildError> {
        let patterns: BTreeSet<Vec<u8>> = secrets.into_iter().flat_map(forms).collect();
        let patterns: Vec<Vec<u8>> = patterns.into_iter().collect();
        let mut begins = [false; 256];
        for first in patterns.iter().filter_map(|pattern| pattern.first()) {
            begins[usize::from(*first)] = true;
        }
        let automaton = if patterns.is_empty() {
            None
        } else {
            Some(automaton(&patterns)?)
        };
        Ok(Self {
            longest: patterns.iter().map(Vec::len).max().unwrap_or(0),
            automaton,
            begins,
            patterns,
            held: Vec::new(),
            covered: 0,
        })
    }

    /// Whether a secret is in it.
    pub(crate) fn is_in(&self, text: &str) -> bool {
        self.automaton
            .as_ref()
            .is_some_and(|automaton| automaton.is_match(text))
    }

    /// A whole text, apart from the stream.
    pub(crate) fn text(&self, text: &str) -> String {
        match &self.automaton {
            None => text.to_owned(),
            Some(automaton) => {
                let mut out = Vec::with_capacity(text.len());
                cover(automaton, text.as_bytes(), text.len(), 0, &mut out);
                // Patterns are whole texts, but one in base 64 may end within a character of ours.
                String::from_utf8_lossy(&out).into_owned()
            }
        }
    }

    /// Where at its end the text holds a beginning of a secret that is no shorter than this, when it does.
    pub(super) fn beginning_at_end(&self, text: &str, least: usize) -> Option<usize> {
        let held = |pattern: &Vec<u8>| {
            (least..pattern.len())
                .rev()
                .find(|length| text.as_bytes().ends_with(&pattern[..*length]))
        };
        let longest = self.patterns.iter().filter_map(held).max()?;
        Some(text.floor_char_boundary(text.len() - longest))
    }

    /// The next bytes of the stream; what is decided goes to `out`.
    pub(crate) fn push(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let Some(automaton) = &self.automaton else {
            out.extend_from_slice(bytes);
            return;
        };
        self.held.extend_from_slice(bytes);
        let decided = self.undecided();
        let end = cover(automaton, &self.held, decided, self.covered, out);
        self.covered = end - decided;
        self.held.drain(..decided);
    }

    /// The stream has ended, or here nothing can span.
    pub(crate) fn finish(&mut self, out: &mut Vec<u8>) {
        if let Some(automaton) = &self.automaton {
            cover(automaton, &self.held, self.held.len(), self.covered, out);
        }
        self.covered = 0;
        self.held.clear();
    }

    /// Where the first suffix begins that a pattern could continue. Whatever begins before it is
    /// decided: a longer match would have to be such a suffix.
    fn undecided(&self) -> usize {
        let from = self.held.len().saturating_sub(self.longest);
        (from..self.held.len())
            .find(|begin| {
                self.begins[usize::from(self.held[*begin])] && self.continues(&self.held[*begin..])
            })
            .unwrap_or(self.held.len())
    }

    /// Whether some pattern is longer than this and begins with it.
    fn continues(&self, tail: &[u8]) -> bool {
        let place = self.patterns.partition_point(|pattern| &pattern[..] < tail);
        self.patterns[place..]
            .iter()
            .take(2)
            .any(|pattern| pattern.len() > tail.len() && pattern.starts_with(tail))
    }
}

/// Writes `text[..decided]`, of which the first `covered` bytes are written as a mask already, and
/// returns where the last secret ends that begins in it. Secrets that overlap share one mask: to go
/// on after the first would leave the end of the second to be read.
fn cover(
    automaton: &AhoCorasick,
    text: &[u8],
    decided: usize,
    covered: usize,
    out: &mut Vec<u8>,
) -> usize {
    let mut end = covered;
    let mut at = 0;
    while let Some(found) = automaton
        .find(Input::new(text).range(at..))
        .filter(|found| found.start() < decided)
    {
        if found.start() < end {
            end = end.max(found.end());
        } else {
            out.extend_from_slice(&text[end..found.start()]);
            out.extend_from_slice(MASK);
            end = found.end();
        }
        at = found.start() + 1;
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
