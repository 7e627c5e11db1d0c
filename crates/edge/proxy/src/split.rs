//! Sharing requests by weight in permuted blocks.
//!
//! A block has as many slots as the weights need (9,000 to 1,000 makes ten), each side owns its
//! share of them, and every block is dealt in its own random order. So the share is exact after
//! each block, even at thirty requests a minute, and still nobody can predict who gets which side.

use std::sync::atomic::{AtomicU64, Ordering};

/// Deals sides by weight, without a lock.
#[derive(Debug)]
pub(crate) struct Split {
    /// For each side the number of slots up to and including its own.
    bounds: Vec<u64>,
    slots: u64,
    dealt: AtomicU64,
    seed: u64,
}

impl Split {
    /// Shares by these weights; the seed decides the order within the blocks.
    pub(crate) fn new(weights: &[u16], seed: u64) -> Self {
        let unit = weights.iter().copied().map(u64::from).fold(0, gcd).max(1);
        let mut slots = 0;
        let bounds = weights.iter().map(|weight| {
            slots += u64::from(*weight) / unit;
            slots
        });
        Self {
            bounds: bounds.collect(),
            slots,
            dealt: AtomicU64::new(0),
            seed,
        }
    }

    /// Whether it shares as one of these weights would.
    pub(crate) fn has_weights(&self, weights: &[u16]) -> bool {
        self.bounds == Self::new(weights, 0).bounds
    }

    /// Index of the side whose turn it is. `None` when no side has weight.
    pub(crate) fn deal(&self) -> Option<usize> {
        match self.slots {
            0 => return None,
            // All for one side.
            1 => return self.bounds.iter().position(|bound| *bound == 1),
            _ => {}
        }
        let dealt = self.dealt.fetch_add(1, Ordering::Relaxed);
        let key = mix(self.seed ^ (dealt / self.slots));
        let slot = permute(dealt % self.slots, self.slots, key);
        self.bounds.iter().position(|bound| slot < *bound)
    }
}

/// Place of `index` in the permutation of `0..size` that the key names: a Feistel network over
/// the next larger power of four, walked until it falls inside. Constant memory, no state.
fn permute(index: u64, size: u64, key: u64) -> u64 {
    let half_bits = (u64::BITS - (size - 1).leading_zeros()).div_ceil(2).max(1);
    let mask = (1 << half_bits) - 1;
    let mut place = index;
    loop {
        let (mut left, mut right) = (place >> half_bits, place & mask);
        for round in 0..6 {
            let scrambled = mix(key ^ (round << 56) ^ right) & mask;
            (left, right) = (right, left ^ scrambled);
        }
        place = (left << half_bits) | right;
        if place < size {
            return place;
        }
    }
}

/// The finalizer of SplitMix64.
fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(split: &Split, deals: usize) -> Vec<usize> {
        let mut counts = vec![0; split.bounds.len()];
        for _ in 0..deals {
            counts[split.deal().unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn every_block_is_exact() {
        let cases: [(&[u16], usize); 6] = [
            (&[9_000, 1_000], 10),
            (&[5_000, 5_000], 2),
            (&[9_900, 100], 100),
            (&[3_333, 6_667], 10_000),
            (&[9_999, 1], 10_000),
            (&[0, 10_000], 1),
        ];
        for (weights, block) in cases {
            let split = Split::new(weights, 7);
            assert_eq!(split.slots, block as u64, "{weights:?}");
            for _ in 0..5 {
                let share: Vec<_> = weights
                    .iter()
                    .map(|weight| usize::from(*weight) * block / 10_000)
                    .collect();
                assert_eq!(counts(&split, block), share, "{weights:?}");
            }
        }
    }

    #[test]
    fn no_weight_no_side() {
        assert_eq!(Split::new(&[0, 0], 1).deal(), None);
        assert_eq!(Split::new(&[], 1).deal(), None);
    }

    #[test]
    fn every_place_of_the_block_is_as_likely() {
        let split = Split::new(&[9_000, 1_000], 42);
        let mut places = [0_u32; 10];
        for _ in 0..10_000 {
            for place in &mut places {
                *place += u32::from(split.deal() == Some(1));
            }
        }
        // 1,000 expected, standard deviation 30.
        assert!(
            places.iter().all(|count| (850..1_150).contains(count)),
            "{places:?}"
        );
    }

    #[test]
    fn other_seeds_deal_otherwise() {
        let order = |seed| {
            let split = Split::new(&[9_000, 1_000], seed);
            (0..100).map(|_| split.deal()).collect::<Vec<_>>()
        };
        assert_eq!(order(1), order(1));
        assert_ne!(order(1), order(2));
    }

    #[test]
    fn same_weights_are_recognised() {
        let split = Split::new(&[9_000, 1_000], 3);
        assert!(split.has_weights(&[9_000, 1_000]));
        assert!(!split.has_weights(&[8_000, 2_000]));
    }
}
