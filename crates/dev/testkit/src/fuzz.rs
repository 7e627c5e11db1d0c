//! Fuzzing that needs no compiler of its own: real input is changed at random, what makes a difference is kept
//! and changed again, and an input that panics or takes too long is a finding. Rounds follow from a seed.
//!
//! `CUTOVER_FUZZ_SECONDS=60 cargo test … fuzz` looks for a minute; without it, a few hundred rounds are done.

use std::{
    any::Any,
    collections::BTreeSet,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

/// Rounds when no time is given.
const ROUNDS: u64 = 300;
/// One input may take this long in an unoptimised build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(10);
/// Inputs that are kept.
const KEPT: usize = 4_000;
/// No input becomes longer.
const LONGEST: usize = 64 * 1024;

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done {
    /// Inputs that were looked at.
    pub rounds: u64,
    /// Of them, those that made a difference.
    pub kept: usize,
}

/// An input that must not be.
#[derive(Debug)]
pub struct Finding {
    /// The input.
    pub input: Vec<u8>,
    /// What became of it.
    pub what: String,
    /// The round and the seed that lead to it.
    pub round: (u64, u64),
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (round, seed) = self.round;
        let input = self.input.escape_ascii();
        write!(
            f,
            "{} (round {round} of seed {seed}): \"{input}\"",
            self.what
        )
    }
}

/// Changes `corpus` and looks at what comes of it. `look` tells what it saw as a number, the same for
/// inputs that are alike to it; `words` are texts that mean something to it.
#[expect(
    clippy::disallowed_methods,
    reason = "how long it looks is said from outside, and an input that takes long is a finding"
)]
pub fn fuzz(
    corpus: Vec<Vec<u8>>,
    words: &[&str],
    mut look: impl FnMut(&[u8]) -> u64,
) -> Result<Done, Finding> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let seed: u64 = number("CUTOVER_FUZZ_SEED").unwrap_or(1);
    let limit: Option<u64> = number("CUTOVER_FUZZ_SECONDS");
    let began = Instant::now();
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut seen = BTreeSet::new();
    let mut pool = corpus;
    let first = pool.len() as u64;
    let mut rounds = 0;
    loop {
        let enough = match limit {
            Some(seconds) => began.elapsed() >= Duration::from_secs(seconds),
            None => rounds >= ROUNDS,
        };
        if enough && rounds >= first {
            let kept = pool.len();
            return Ok(Done { rounds, kept });
        }
        // Each of the corpus as it is, before anything is changed.
        let given = usize::try_from(rounds).ok().filter(|_| rounds < first);
        let input = match given.and_then(|index| pool.get(index)) {
            Some(input) => input.clone(),
            None => changed(&pool, words, &mut rng),
        };
        rounds += 1;
        let finding = |what| Finding {
            input: input.clone(),
            what,
            round: (rounds, seed),
        };
        let start = Instant::now();
        let saw = catch_unwind(AssertUnwindSafe(|| look(&input)));
        let saw = saw.map_err(|why| finding(said(&*why)))?;
        let took = start.elapsed();
        if took > PATIENCE {
            return Err(finding(format!("took {took:?}")));
        }
        if seen.insert(saw) && given.is_none() && pool.len() < KEPT {
            pool.push(input);
        }
    }
}

fn said(why: &(dyn Any + Send)) -> String {
    let text = why
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| why.downcast_ref::<&str>().copied());
    format!("panicked: {}", text.unwrap_or("without a word"))
}

/// One of the pool, with a few changes.
fn changed(pool: &[Vec<u8>], words: &[&str], rng: &mut SmallRng) -> Vec<u8> {
    let mut bytes = one(pool, rng).to_vec();
    for _ in 0..rng.random_range(1..=6) {
        change(&mut bytes, pool, words, rng);
    }
    bytes.truncate(LONGEST);
    bytes
}

fn change(bytes: &mut Vec<u8>, pool: &[Vec<u8>], words: &[&str], rng: &mut SmallRng) {
    let at = rng.random_range(0..=bytes.len());
    let to = rng.random_range(at..=bytes.len().min(at + 64));
    match rng.random_range(0..8) {
        0 => bytes.insert(at, rng.random()),
        1 => drop(bytes.drain(at..to)),
        2 => {
            let part = bytes[at..to].to_vec();
            bytes.splice(at..at, part);
        }
        3 => {
            let other = one(pool, rng);
            let from = rng.random_range(0..=other.len());
            let end = rng.random_range(from..=other.len().min(from + 200));
            bytes.splice(at..to, other[from..end].iter().copied());
        }
        4 if at < bytes.len() => bytes[at] ^= 1 << rng.random_range(0..8_u8),
        5 => bytes.truncate(at),
        _ => {
            let word = words.get(rng.random_range(0..words.len().max(1)));
            bytes.splice(at..at, word.copied().unwrap_or("\n").bytes());
        }
    }
}

fn one<'p>(pool: &'p [Vec<u8>], rng: &mut SmallRng) -> &'p [u8] {
    pool.get(rng.random_range(0..pool.len().max(1)))
        .map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_panics_is_found_and_told() {
        let corpus = vec![b"on: push".to_vec()];
        let found = fuzz(corpus, &["boom"], |input| {
            assert!(!input.windows(4).any(|part| part == b"boom"), "it went off");
            input.len() as u64
        });
        let finding = found.unwrap_err();
        assert!(finding.to_string().starts_with("panicked: it went off"));
    }
}
