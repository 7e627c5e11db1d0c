//! All forms of all secrets, and where they stand in a text. What is between two reads is not known here.
//!
//! Tokens are long, and each has two dozen forms: an automaton of all their bytes takes longer to build
//! than a small step, and megabytes. So it knows their heads only, what follows a head is compared, and it
//! is built for those who look at much: in little, every place is looked at.

use std::{
    collections::BTreeSet,
    ops::Range,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use aho_corasick::{AhoCorasick, AhoCorasickKind, BuildError, Input, MatchKind};

use super::forms::forms;

/// How many bytes of a pattern the automaton knows.
const HEAD: usize = 16;
/// Up to so many bytes the fastest automaton is small enough to be worth its memory.
const FAST: usize = 8 * 1024;

/// How many bytes are looked at place by place before that is too slow; and at most how many patterns: with
/// more, too many places look as if one began there.
const LITTLE: usize = 32 * 1024;
const FEW: usize = 2_000;

/// What was built last, and of what. The steps of a job have the same secrets, mostly.
static LAST: Mutex<Option<(Vec<String>, Arc<Patterns>)>> = Mutex::new(None);

/// What is to be masked.
pub(super) struct Patterns {
    /// Sorted, each once, none of them empty.
    all: Vec<Vec<u8>>,
    /// Finds the heads of patterns, once there is enough to look at.
    heads: OnceLock<AhoCorasick>,
    /// How many bytes were looked at without it.
    seen: AtomicUsize,
    begins: Begins,
    longest: usize,
}

impl Patterns {
    /// Of these secrets; those of the call before when the secrets are the same.
    pub(super) fn of<'a>(
        secrets: impl IntoIterator<Item = &'a str>,
    ) -> Result<Arc<Self>, BuildError> {
        let secrets: Vec<&str> = secrets.into_iter().collect();
        let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, patterns)) = &*last
            && *of == secrets
        {
            return Ok(Arc::clone(patterns));
        }
        let patterns = Arc::new(Self::new(&secrets));
        if patterns.all.len() > FEW {
            patterns.build()?;
        }
        let secrets = secrets.into_iter().map(ToOwned::to_owned).collect();
        *last = Some((secrets, Arc::clone(&patterns)));
        Ok(patterns)
    }

    fn new(secrets: &[&str]) -> Self {
        let all: BTreeSet<Vec<u8>> = secrets.iter().flat_map(|secret| forms(secret)).collect();
        let all: Vec<Vec<u8>> = all.into_iter().collect();
        let mut begins = Begins::default();
        for pattern in &all {
            begins.add(pattern);
        }
        Self {
            longest: all.iter().map(Vec::len).max().unwrap_or(0),
            all,
            heads: OnceLock::new(),
            seen: AtomicUsize::new(0),
            begins,
        }
    }

    fn build(&self) -> Result<(), BuildError> {
        let heads: BTreeSet<&[u8]> = self
            .iter()
            .map(|pattern| &pattern[..HEAD.min(pattern.len())])
            .collect();
        let fast = heads.iter().map(|head| head.len()).sum::<usize>() <= FAST;
        let heads = AhoCorasick::builder()
            .match_kind(MatchKind::LeftmostFirst)
            .kind(fast.then_some(AhoCorasickKind::DFA))
            .build(heads)?;
        drop(self.heads.set(heads));
        Ok(())
    }

    /// So many bytes come next.
    pub(super) fn expect(&self, count: usize) {
        let before = self.seen.fetch_add(count, Ordering::Relaxed);
        if before <= LITTLE && before + count > LITTLE && self.heads.get().is_none() {
            // Without one it only takes longer.
            self.build().ok();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    pub(super) fn count(&self) -> usize {
        self.all.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[u8]> {
        self.all.iter().map(Vec::as_slice)
    }

    /// Whether any stands in it.
    pub(super) fn is_in(&self, text: &[u8]) -> bool {
        self.find(text, 0).is_some()
    }

    /// The leftmost one from here on, and of those that begin there the longest.
    pub(super) fn find(&self, text: &[u8], from: usize) -> Option<Range<usize>> {
        let mut at = from;
        while let Some(begin) = self.candidate(text, at) {
            if let Some(length) = self.longest_at(&text[begin..]) {
                return Some(begin..begin + length);
            }
            at = begin + 1;
        }
        None
    }

    /// The first place from here on where one may begin.
    fn candidate(&self, text: &[u8], from: usize) -> Option<usize> {
        match self.heads.get() {
            Some(heads) => Some(heads.find(Input::new(text).range(from..))?.start()),
            None => (from..text.len()).find(|at| self.begins.may(&text[*at..])),
        }
    }

    /// How long the longest is with which this text begins.
    fn longest_at(&self, mut text: &[u8]) -> Option<usize> {
        loop {
            // Whatever the text begins with sorts before it, the longest last.
            let behind = self.all.partition_point(|pattern| &**pattern <= text);
            let nearest = self.all.get(behind.checked_sub(1)?)?;
            if text.starts_with(nearest) {
                return Some(nearest.len());
            }
            // What is between the two shares no more with the text than this one does.
            let shared = text.iter().zip(nearest).take_while(|(a, b)| a == b).count();
            text = &text[..shared];
        }
    }

    /// Where the first end of the text begins that a pattern could continue. Whatever begins before it is
    /// decided: a longer match would have to be such an end.
    pub(super) fn undecided(&self, text: &[u8]) -> usize {
        let from = text.len().saturating_sub(self.longest);
        (from..text.len())
            .find(|begin| {
                let tail = &text[*begin..];
                self.begins.has(tail) && self.continues(tail)
            })
            .unwrap_or(text.len())
    }

    /// Whether some pattern is longer than this and begins with it.
    fn continues(&self, tail: &[u8]) -> bool {
        let place = self.all.partition_point(|pattern| &**pattern < tail);
        self.all[place..]
            .iter()
            .take(2)
            .any(|pattern| pattern.len() > tail.len() && pattern.starts_with(tail))
    }
}

/// With which two bytes patterns begin: most places of a text are ruled out by a look at one bit.
struct Begins {
    /// Those that are one byte long.
    alone: [u64; 4],
    first: [u64; 4],
    pairs: Box<[u64; 1024]>,
}

impl Default for Begins {
    fn default() -> Self {
        Self {
            alone: [0; 4],
            first: [0; 4],
            pairs: Box::new([0; 1024]),
        }
    }
}

impl Begins {
    fn add(&mut self, pattern: &[u8]) {
        if let [first, rest @ ..] = pattern {
            self.first[usize::from(first / 64)] |= 1 << (first % 64);
            match rest {
                [] => self.alone[usize::from(first / 64)] |= 1 << (first % 64),
                [second, ..] => {
                    let pair = u16::from_be_bytes([*first, *second]);
                    self.pairs[usize::from(pair / 64)] |= 1 << (pair % 64);
                }
            }
        }
    }

    /// Whether a pattern may stand at the beginning of this.
    fn may(&self, text: &[u8]) -> bool {
        match text {
            [first, ..] if self.alone[usize::from(first / 64)] & (1 << (first % 64)) != 0 => true,
            [_, _, ..] => self.has(text),
            _ => false,
        }
    }

    /// Whether a pattern may begin with the first two bytes of this, or with its only one.
    fn has(&self, tail: &[u8]) -> bool {
        match tail {
            [] => false,
            [first] => self.first[usize::from(first / 64)] & (1 << (first % 64)) != 0,
            [first, second, ..] => {
                let pair = u16::from_be_bytes([*first, *second]);
                self.pairs[usize::from(pair / 64)] & (1 << (pair % 64)) != 0
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(secrets: &[&str], text: &str) -> Option<Range<usize>> {
        let patterns = Patterns::new(secrets);
        let found = patterns.find(text.as_bytes(), 0);
        patterns.build().unwrap();
        assert_eq!(patterns.find(text.as_bytes(), 0), found);
        found
    }

    #[test]
    fn what_only_shares_a_head_with_a_secret_is_none() {
        let secret = "a-token-of-a-job-that-is-longer-than-a-head";
        assert!(found(&[secret], "a-token-of-a-job-that-is-shorter").is_none());
        assert_eq!(found(&[secret], &format!("a-{secret}")), Some(2..45));
    }

    #[test]
    fn a_shorter_secret_is_found_where_a_longer_one_breaks_off() {
        let long = "abcdefghijklmnopqrstuvwxyz";
        let short = "abcdefghijklmnopqr";
        assert_eq!(found(&[long, short], "abcdefghijklmnopqrs!"), Some(0..18));
        assert_eq!(found(&[long, short], long), Some(0..26));
    }

    proptest! {
        #[test]
        fn it_finds_what_a_plain_search_finds(
            secrets in prop::collection::vec("[ab]{1,40}", 0..5),
            text in "[ab]{0,200}",
        ) {
            let secrets: Vec<&str> = secrets.iter().map(String::as_str).collect();
            let patterns = Patterns::new(&secrets);
            let plain = (0..text.len()).find_map(|begin| {
                let at = &text.as_bytes()[begin..];
                let longest = patterns.iter().filter(|one| at.starts_with(one)).map(<[u8]>::len).max();
                Some(begin..begin + longest?)
            });
            prop_assert_eq!(patterns.find(text.as_bytes(), 0), plain.clone());
            // The second half of a long text is looked at in another way.
            patterns.expect(LITTLE + 1);
            prop_assert!(patterns.heads.get().is_some());
            prop_assert_eq!(patterns.find(text.as_bytes(), 0), plain);
        }
    }
}
