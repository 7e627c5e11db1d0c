//! When an authority is asked: in the last third of a certificate's life, and ever more seldom when
//! that fails. Chance is an input: balancers that started together shall not ask together.

use std::time::Duration;

/// Pause after the first failure, and the longest one.
const FIRST: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_hours(6);

/// When a certificate is renewed, since 1970. `chance` is between 0 and 1.
pub(super) fn renewal(begins: Duration, ends: Duration, chance: f64) -> Duration {
    let third = ends.saturating_sub(begins) / 3;
    // The rest of the third is for what fails.
    ends.saturating_sub(third) + (third / 4).mul_f64(chance.clamp(0.0, 1.0))
}

/// How long is waited after so many failures in a row.
pub(super) fn pause(failures: u32, chance: f64) -> Duration {
    let doubled = 1_u32
        .checked_shl(failures.saturating_sub(1).min(16))
        .unwrap_or(u32::MAX);
    let pause = FIRST.saturating_mul(doubled).min(LONGEST);
    pause + (pause / 4).mul_f64(chance.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    #[test]
    fn renewal_falls_into_the_beginning_of_the_last_third() {
        let (begins, ends) = (DAY * 1_000, DAY * 1_090);
        assert_eq!(renewal(begins, ends, 0.0), DAY * 1_060);
        assert_eq!(renewal(begins, ends, 1.0), DAY * 1_067 + DAY / 2);
        assert_eq!(renewal(ends, begins, 1.0), begins, "a life of nothing");
    }

    #[test]
    fn failures_make_it_seldom() {
        assert_eq!(pause(1, 0.0), FIRST);
        assert_eq!(pause(3, 0.0), FIRST * 4);
        assert_eq!(pause(40, 0.0), LONGEST);
        assert!(pause(40, 1.0) <= LONGEST + LONGEST / 4);
    }
}
