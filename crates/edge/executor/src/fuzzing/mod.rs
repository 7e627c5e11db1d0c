//! What a step may print, write and name, changed at random: each page holds one reader against what it
//! promises, not only against panics.

mod commands;
mod files;
mod masks;
mod matchers;
mod shells;

use std::hash::{DefaultHasher, Hash, Hasher as _};

use cutover_testkit::fuzz::fuzz;

/// Looks, with as many rounds as the environment says, and stops at the first finding.
#[track_caller]
fn look_at(corpus: &[&str], words: &[&str], look: impl FnMut(&[u8]) -> u64) {
    let corpus = corpus.iter().map(|text| text.as_bytes().to_vec()).collect();
    match fuzz(corpus, words, look) {
        Ok(done) => {
            eprintln!("{} inputs, {} kept", done.rounds, done.kept);
            assert!(done.rounds >= 300, "{done:?}");
        }
        Err(finding) => panic!("{finding}"),
    }
}

/// What inputs that are alike have in common.
fn alike(what: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    what.hash(&mut hasher);
    hasher.finish()
}

/// The parts of an input; those that are lacking are empty.
fn parts<const N: usize>(input: &[u8]) -> [&[u8]; N] {
    let mut parts = input.splitn(N, |byte| *byte == 0);
    std::array::from_fn(|_| parts.next().unwrap_or_default())
}
