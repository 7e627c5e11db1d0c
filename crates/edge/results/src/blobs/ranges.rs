//! Which bytes of a file have been written, when they come in any order.

use std::collections::BTreeMap;

/// At most so many pieces with gaps between them.
const MOST_PIECES: usize = 10_000;

/// Pieces from their first byte to the one after their last; they do not touch.
#[derive(Debug, Default)]
pub(crate) struct Ranges(BTreeMap<u64, u64>);

impl Ranges {
    /// Adds a piece; `false` when there would be too many.
    pub(crate) fn add(&mut self, mut from: u64, mut to: u64) -> bool {
        if from >= to {
            return true;
        }
        if let Some((&start, &end)) = self.0.range(..=from).next_back()
            && end >= from
        {
            from = start;
            to = to.max(end);
        }
        let swallowed: Vec<u64> = self.0.range(from..=to).map(|(&start, _)| start).collect();
        for start in swallowed {
            let end = self.0.remove(&start).unwrap_or(to);
            to = to.max(end);
        }
        self.0.insert(from, to);
        self.0.len() <= MOST_PIECES
    }

    /// Whether it is all of a file of this length and nothing more.
    pub(crate) fn is_whole(&self, length: u64) -> bool {
        match self.0.len() {
            0 => length == 0,
            1 => self.0.get(&0) == Some(&length),
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranges(pieces: &[(u64, u64)]) -> Ranges {
        let mut ranges = Ranges::default();
        for &(from, to) in pieces {
            assert!(ranges.add(from, to));
        }
        ranges
    }

    #[test]
    fn pieces_in_any_order_make_a_whole() {
        assert!(ranges(&[(4, 8), (0, 4), (8, 9)]).is_whole(9));
        assert!(ranges(&[(0, 6), (2, 4), (4, 10), (9, 12)]).is_whole(12));
        assert!(ranges(&[(8, 9), (2, 3), (0, 20)]).is_whole(20));
        assert!(ranges(&[]).is_whole(0));
    }

    #[test]
    fn a_gap_is_no_whole() {
        assert!(!ranges(&[(0, 4), (5, 9)]).is_whole(9));
        assert!(!ranges(&[(1, 9)]).is_whole(9));
        assert!(!ranges(&[(0, 9)]).is_whole(8));
        assert!(!ranges(&[]).is_whole(1));
    }

    #[test]
    fn too_many_pieces_are_refused() {
        let mut ranges = Ranges::default();
        let all = (0..=MOST_PIECES as u64).all(|at| ranges.add(at * 2, at * 2 + 1));
        assert!(!all);
    }
}
