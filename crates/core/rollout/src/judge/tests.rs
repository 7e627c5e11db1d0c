//! The judge against a naive reference, and against chance.

use cutover_model::{Timestamp, delivery::Weight};

use super::{Judge, RATIOS, Settings, TICK_REQUESTS, Tally, percent, ratios, scientific};
use crate::watch::{Sample, SideSample};

/// PCG-XSH-RR 64/32: small, and the same everywhere.
struct Chance(u64);

impl Chance {
    fn new(seed: u64) -> Self {
        let mut chance = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        chance.next();
        chance
    }

    fn next(&mut self) -> u32 {
        let old = self.0;
        self.0 = old
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        let mixed = u32::try_from((((old >> 18) ^ old) >> 27) & 0xffff_ffff).unwrap();
        mixed.rotate_right(u32::try_from(old >> 59).unwrap())
    }

    fn unit(&mut self) -> f64 {
        f64::from(self.next()) / 4_294_967_296.0
    }

    fn hits(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Knuth's way; for small means.
    fn poisson(&mut self, mean: f64) -> u64 {
        let limit = (-mean).exp();
        let mut product = self.unit();
        let mut count = 0;
        while product > limit {
            product *= self.unit();
            count += 1;
        }
        count
    }
}

/// Steady traffic on two sides, one second after the other.
struct Traffic {
    chance: Chance,
    per_second: f64,
    share: f64,
    bad_candidate: f64,
    bad_current: f64,
}

impl Traffic {
    fn second(&mut self, second: i64) -> Sample {
        let mut sides = [SideSample::default(); 2];
        for _ in 0..self.chance.poisson(self.per_second) {
            let is_candidate = self.chance.hits(self.share);
            let bad = if is_candidate {
                self.bad_candidate
            } else {
                self.bad_current
            };
            let side = &mut sides[usize::from(is_candidate)];
            side.requests += 1;
            side.bad += u64::from(self.chance.hits(bad));
        }
        Sample {
            at: Timestamp(second * 1_000),
            candidate: sides[1],
            current: Some(sides[0]),
            weight: Weight::from_percent(10).unwrap(),
        }
    }

    /// The second at which the judge speaks, if it does within half an hour.
    fn judged(&mut self) -> Option<i64> {
        let mut judge = Judge::new(Settings::default());
        (1..=1_800).find(|&second| judge.sample(&self.second(second)).is_some())
    }
}

/// The formula of delivery.md as it stands there: products, no logarithms.
fn reference(ticks: &[Tally], hypothesis: f64) -> f64 {
    let mut sum = 0.0;
    for ratio in ratios() {
        let mut product = 1.0;
        for tick in ticks {
            let (mine, theirs) = (super::real(tick.candidate), super::real(tick.current));
            let share = mine / (mine + theirs);
            let null = hypothesis * share / (hypothesis * share + 1.0 - share);
            let theta = ratio * null / (ratio * null + 1.0 - null);
            for _ in 0..tick.candidate_bad {
                product *= theta / null;
            }
            for _ in 0..tick.current_bad {
                product *= (1.0 - theta) / (1.0 - null);
            }
        }
        sum += product / super::real(RATIOS as u64);
    }
    sum
}

#[test]
fn evidence_is_the_formula() {
    for seed in 0..50 {
        let mut traffic = Traffic {
            chance: Chance::new(seed),
            per_second: 20.0,
            share: 0.1,
            bad_candidate: 0.2,
            bad_current: 0.02,
        };
        let mut judge = Judge::new(Settings::default());
        let mut ticks = Vec::new();
        for second in 1..40 {
            let sample = traffic.second(second);
            let current = sample.current.unwrap();
            let tick = Tally {
                candidate: sample.candidate.requests,
                candidate_bad: sample.candidate.bad,
                current: current.requests,
                current_bad: current.bad,
            };
            judge.tick = tick;
            judge.close_tick();
            if tick.candidate > 0 && tick.current > 0 {
                ticks.push(tick);
            }
        }
        for (ours, hypothesis) in [(&judge.equal, 1.0), (&judge.gate, 1.5)] {
            let (ours, wanted) = (ours.log().exp(), reference(&ticks, hypothesis));
            assert!((ours / wanted - 1.0).abs() < 1e-9, "{ours} {wanted}");
        }
    }
}

#[test]
fn the_ratios_span_their_range() {
    let all: Vec<f64> = ratios().collect();
    assert_eq!(all.len(), 16);
    assert!((all[0] - 1.5).abs() < 1e-12);
    assert!((all[15] - 300.0).abs() < 1e-9);
}

#[test]
fn an_equal_candidate_is_not_accused() {
    let runs: u32 = 2_000;
    let accused = (0..runs)
        .filter(|&run| {
            let mut traffic = Traffic {
                chance: Chance::new(u64::from(run)),
                per_second: 5.0,
                share: 0.1,
                bad_candidate: 0.01,
                bad_current: 0.01,
            };
            traffic.judged().is_some()
        })
        .count();
    eprintln!("accused {accused} of {runs}");
    assert!(accused * 1_000 <= 12 * 2_000, "accused {accused} of {runs}");
}

fn median(per_second: f64, bad_candidate: f64, bad_current: f64) -> i64 {
    let mut found: Vec<i64> = (0..500)
        .map(|run| {
            let mut traffic = Traffic {
                chance: Chance::new(run),
                per_second,
                share: 0.1,
                bad_candidate,
                bad_current,
            };
            traffic.judged().unwrap_or(i64::MAX)
        })
        .collect();
    found.sort_unstable();
    eprintln!("median {} s", found[250]);
    found[250]
}

#[test]
fn a_broken_candidate_is_found_at_little_traffic() {
    assert!(median(0.5, 1.0, 0.001) <= 100);
}

#[test]
fn a_fifth_of_errors_is_found_within_a_minute() {
    assert!(median(5.0, 0.2, 0.01) <= 60);
}

#[test]
fn a_tick_never_mixes_weights() {
    let sample = |weight| Sample {
        at: Timestamp(1_000),
        candidate: SideSample {
            requests: 1,
            ..SideSample::default()
        },
        current: Some(SideSample {
            requests: 2,
            ..SideSample::default()
        }),
        weight: Weight::from_percent(weight).unwrap(),
    };
    let mut judge = Judge::new(Settings::default());
    judge.sample(&sample(10));
    judge.sample(&sample(10));
    assert_eq!((judge.tick.requests(), judge.seen.requests()), (6, 0));
    judge.sample(&sample(50));
    assert_eq!((judge.tick.requests(), judge.seen.requests()), (3, 6));
    assert!(judge.tick.requests() < TICK_REQUESTS);
}

#[test]
fn what_it_saw_reads_as_a_sentence() {
    let mut judge = Judge::new(Settings::default());
    let sample = Sample {
        at: Timestamp(1_000),
        candidate: SideSample {
            requests: 100,
            bad: 34,
            ..SideSample::default()
        },
        current: Some(SideSample {
            requests: 900,
            bad: 1,
            ..SideSample::default()
        }),
        weight: Weight::from_percent(10).unwrap(),
    };
    let fired = judge.sample(&sample).unwrap();
    assert_eq!(fired.trigger, "judge");
    assert_eq!(
        fired.observed,
        "34 % of the candidate's answers are bad, 0.1 % of the current side's: evidence 2.5e31 ≥ 100"
    );
    assert_eq!(scientific(2_000.0), "3.9e868");
    assert_eq!(percent(0, 0), "0 %");
    assert_eq!(percent(1, 10_000), "0.010 %");
}
