//! Simulated traffic of two sides, second by second: Poisson arrivals, shared by permuted blocks as the
//! balancer does, each answer bad by chance.

use std::collections::{BTreeMap, VecDeque};

use cutover_judge::{Distinct, Latency, Sample, SideSample};
use cutover_model::{Duration, Timestamp, delivery::Weight};
use rand::{Rng as _, SeedableRng as _, rngs::SmallRng};

/// The balancer's blocks at weights of whole tens of percent.
const SLOTS: u16 = 10;
/// The shared incident: from minute 10 on, for five minutes, so many times as many errors.
const INCIDENT: (i64, i64, f64) = (600, 900, 20.0);
/// The steps in which the balancer counts times, in milliseconds.
const BOUNDS_MS: [u64; 22] = [
    1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300, 500, 700, 1_000, 2_000, 3_000,
    5_000, 10_000,
];
/// Answers take so many milliseconds in the median, lognormal with this σ.
const TIMES: (f64, f64) = (100.0, 0.6);
/// A client that got a bad answer tries again with this chance: bursts of three in the mean.
const AGAIN: f64 = 2.0 / 3.0;

/// What kind of traffic.
#[derive(Debug, Clone, Copy)]
pub(super) struct Setting {
    /// Requests a minute of both sides together.
    pub(super) rpm: f64,
    /// The candidate's share in percent: at first, and from when which.
    pub(super) percent: u16,
    pub(super) change: Option<(i64, u16)>,
    /// The share of bad answers.
    pub(super) current: f64,
    pub(super) candidate: f64,
    /// How long, and how long before that the current side is watched alone.
    pub(super) seconds: i64,
    pub(super) before: i64,
    /// Whether everybody has twenty times as many errors for a while.
    pub(super) incident: bool,
    /// Whether clients try again, on the same side.
    pub(super) bursts: bool,
    /// How many times as long the candidate's answers take; times are simulated if there is one.
    pub(super) slower: Option<f64>,
}

impl Setting {
    /// Half an hour at one weight, both equal.
    pub(super) const fn even(rpm: f64, percent: u16, bad: f64) -> Self {
        Self {
            rpm,
            percent,
            change: None,
            current: bad,
            candidate: bad,
            seconds: 1_800,
            before: 0,
            incident: false,
            bursts: false,
            slower: None,
        }
    }
}

/// A course of it.
pub(super) struct Traffic {
    setting: Setting,
    chance: SmallRng,
    /// Slots left in the block, and how many of them are the candidate's.
    block: (u16, u16),
    sides: [Side; 2],
    distinct: [Distinct; 2],
    clients: u64,
    /// Clients that will try again: when, on which side, who.
    again: VecDeque<(i64, usize, u64)>,
}

/// How many good answers come before the next bad one.
#[derive(Debug, Clone, Copy, Default)]
struct Side {
    share: f64,
    good_left: u64,
}

impl Traffic {
    pub(super) fn new(setting: Setting, seed: u64) -> Self {
        let distinct = || Distinct::new(Duration::from_secs(10));
        Self {
            setting,
            chance: SmallRng::seed_from_u64(seed),
            block: (0, 0),
            sides: [Side::default(); 2],
            distinct: [distinct(), distinct()],
            clients: 0,
            again: VecDeque::new(),
        }
    }

    /// The next second; the first is 1, and the candidate has traffic after those `before`.
    pub(super) fn second(&mut self, second: i64) -> Sample {
        let since = second - self.setting.before;
        let percent = match self.setting.change {
            _ if since <= 0 => 0,
            Some((when, percent)) if since > when => percent,
            Some(_) | None => self.setting.percent,
        };
        let mut counts = self.arrivals(percent);
        let is_incident = self.setting.incident && (INCIDENT.0..INCIDENT.1).contains(&since);
        let factor = if is_incident { INCIDENT.2 } else { 1.0 };
        let shares = [self.setting.current, self.setting.candidate];
        let mut sides: [SideSample; 2] = Default::default();
        for index in 0..2 {
            let requests = std::mem::take(&mut counts[index]);
            let bad = self.bad(index, requests, (shares[index] * factor).min(1.0));
            sides[index] = SideSample {
                requests,
                bad,
                errors_5xx: bad,
                latency: self.times(index, requests),
                healthy_hosts: 1,
                expected_hosts: 1,
                ..SideSample::default()
            };
        }
        if self.setting.bursts {
            self.bursts(second, &mut sides);
        }
        let [current, candidate] = sides;
        Sample {
            at: Timestamp(second * 1_000),
            candidate,
            current: Some(current),
            weight: Weight::from_percent(percent).unwrap_or_default(),
            external: BTreeMap::new(),
        }
    }

    /// How many requests come, by side: the current one first.
    fn arrivals(&mut self, percent: u16) -> [u64; 2] {
        let mut counts = [0; 2];
        for _ in 0..poisson(&mut self.chance, self.setting.rpm / 60.0) {
            let (left, mine) = &mut self.block;
            if *left == 0 {
                (*left, *mine) = (SLOTS, percent / (100 / SLOTS));
            }
            let is_candidate = self.chance.random_range(0..*left) < *mine;
            *left -= 1;
            *mine -= u16::from(is_candidate);
            counts[usize::from(is_candidate)] += 1;
        }
        counts
    }

    /// How many of so many are bad, by jumping from one to the next.
    fn bad(&mut self, index: usize, requests: u64, share: f64) -> u64 {
        if share <= 0.0 {
            return 0;
        }
        let side = &mut self.sides[index];
        if (side.share - share).abs() > 0.0 {
            *side = Side {
                share,
                good_left: good_run(&mut self.chance, share),
            };
        }
        let (mut left, mut bad) = (requests, 0);
        while left > side.good_left {
            left -= side.good_left + 1;
            bad += 1;
            side.good_left = good_run(&mut self.chance, share);
        }
        side.good_left -= left;
        bad
    }

    fn times(&mut self, index: usize, requests: u64) -> Latency {
        let Some(slower) = self.setting.slower else {
            return Latency::default();
        };
        let factor = if index == 1 { slower } else { 1.0 };
        let mut steps = [0; BOUNDS_MS.len() + 1];
        for _ in 0..requests {
            let ms = TIMES.0 * factor * (TIMES.1 * normal(&mut self.chance)).exp();
            steps[BOUNDS_MS.partition_point(|&bound| whole(bound) < ms)] += 1;
        }
        Latency::of_steps(&BOUNDS_MS, &steps)
    }

    /// Clients with a bad answer try again, once a second, as long as they have patience; each counts
    /// as a request that goes badly, and once in ten seconds as a witness.
    fn bursts(&mut self, second: i64, sides: &mut [SideSample; 2]) {
        let mut heard = Vec::new();
        for (index, side) in sides.iter().enumerate() {
            for _ in 0..side.bad {
                self.clients += 1;
                heard.push((index, self.clients));
            }
        }
        while let Some(&(when, index, client)) = self.again.front()
            && when <= second
        {
            self.again.pop_front();
            sides[index].requests += 1;
            sides[index].bad += 1;
            sides[index].errors_5xx += 1;
            heard.push((index, client));
        }
        let mut distinct = [0; 2];
        for (index, client) in heard {
            let is_first = self.distinct[index].is_first(Timestamp(second * 1_000), client);
            distinct[index] += u64::from(is_first);
            if self.chance.random_bool(AGAIN) {
                self.again.push_back((second + 1, index, client));
            }
        }
        for (side, distinct) in sides.iter_mut().zip(distinct) {
            side.bad_distinct = Some(distinct);
        }
    }
}

/// Knuth's way; for means up to some hundreds.
fn poisson(chance: &mut SmallRng, mean: f64) -> u64 {
    let limit = (-mean).exp();
    let mut product: f64 = chance.random();
    let mut count = 0;
    while product > limit {
        product *= chance.random::<f64>();
        count += 1;
    }
    count
}

/// How many good answers come before a bad one, when this share is bad.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a count; more than there are numbers is as good as never"
)]
fn good_run(chance: &mut SmallRng, share: f64) -> u64 {
    if share >= 1.0 {
        return 0;
    }
    let unit: f64 = 1.0 - chance.random::<f64>();
    (unit.ln() / (-share).ln_1p()) as u64
}

/// Box and Muller's way.
fn normal(chance: &mut SmallRng) -> f64 {
    let radius = (-2.0 * (1.0 - chance.random::<f64>()).ln()).sqrt();
    radius * (std::f64::consts::TAU * chance.random::<f64>()).cos()
}

#[expect(clippy::cast_precision_loss, reason = "counts and bounds are small")]
pub(super) const fn whole(count: u64) -> f64 {
    count as f64
}
