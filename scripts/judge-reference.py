#!/usr/bin/env python3
"""Writes the values that the judge is compared with, by mpmath with 60 digits.

    pip install mpmath==1.3.0
    python3 scripts/judge-reference.py crates/core/judge/tests/reference

Not needed by any test: what it wrote is kept beside them. The formulae are written here as they stand
in docs/design/0004, as products and sums of big numbers, not as the judge computes them.
"""

import json
import random
import sys
from pathlib import Path

from mpmath import beta, log, mp, mpf

mp.dps = 60
RATIOS = [mpf("1.5") * mpf(200) ** (mpf(j) / 15) for j in range(16)]


def evidence(ticks, hypothesis):
    """The logarithm of the mixture against "at most `hypothesis` times as bad", after each tick."""
    products = [mpf(1)] * 16
    course = []
    for candidate, candidate_bad, current, current_bad in ticks:
        if candidate > 0 and current > 0:
            share = mpf(candidate) / (candidate + current)
            null = hypothesis * share / (hypothesis * share + 1 - share)
            for j, ratio in enumerate(RATIOS):
                theta = ratio * null / (ratio * null + 1 - null)
                products[j] *= (theta / null) ** candidate_bad
                products[j] *= ((1 - theta) / (1 - null)) ** current_bad
        course.append(float(log(sum(products) / 16)))
    return course


def recording(seed):
    """Ticks of a rollout: weights 10, 50, 90 %, quiet or busy, good or bad, sometimes one side only."""
    rng = random.Random(seed)
    ticks = []
    busy = rng.choice([12, 100, 3000])
    good, bad = rng.choice([(0.001, 0.001), (0.01, 0.2), (0.05, 0.06), (0.001, 1.0)])
    for weight in (0.1, 0.5, 0.9):
        for _ in range(20):
            candidate = sum(rng.random() < weight for _ in range(busy))
            if rng.random() < 0.1:
                candidate = rng.choice([0, busy])
            current = busy - candidate
            ticks.append([
                candidate,
                sum(rng.random() < bad for _ in range(candidate)),
                current,
                sum(rng.random() < good for _ in range(current)),
            ])
    return ticks


def guard(p_max, bad, requests):
    """The logarithm of the truncated mixture over the likelihood at `p_max`."""
    p, k, n = mpf(p_max), bad, requests
    # The mass of Beta(1 + k, 1 + n − k) above p is the chance of at most k in n + 1.
    term = (1 - p) ** (n + 1)
    above = term
    for i in range(1, k + 1):
        term *= mpf(n + 2 - i) / i * p / (1 - p)
        above += term
    whole = beta(1 + k, 1 + n - k) * above / (1 - p)
    return float(log(whole / (p**k * (1 - p) ** (n - k))))


def bound(bad, requests, alpha):
    """The share at which the untruncated mixture reaches 1 / alpha, by bisection."""
    k, n = bad, requests
    low, high = mpf(k) / n, mpf(1)
    whole = log(beta(1 + k, 1 + n - k)) - log(1 / mpf(alpha))
    for _ in range(150):
        middle = (low + high) / 2
        if whole >= k * log(middle) + (n - k) * log(1 - middle):
            high = middle
        else:
            low = middle
    return float(high)


def main():
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    courses = []
    for seed in range(12):
        ticks = recording(seed)
        courses.append({
            "seed": seed,
            "ticks": ticks,
            "against_1": evidence(ticks, mpf(1)),
            "against_1.5": evidence(ticks, mpf("1.5")),
        })
    lines = ",\n".join(json.dumps(course) for course in courses)
    (folder / "evidence.json").write_text(f"[\n{lines}\n]\n")
    # Exactly what a float is, so that both compute the same.
    shares = [0.0005, 0.01, 0.05, 0.3, 0.9]
    counts = [(0, 1), (1, 1), (0, 30), (3, 30), (30, 30), (0, 1000), (5, 1000), (10, 1000),
              (11, 1000), (60, 1000), (500, 1000), (0, 100000), (49, 100000), (1000, 100000),
              (1100, 100000), (5000, 100000), (10000, 1000000), (10400, 1000000)]
    guards = [[p, k, n, guard(p, k, n)] for p in shares for k, n in counts]
    (folder / "guard.json").write_text(json.dumps(guards) + "\n")
    bounds = [[k, n, a, bound(k, n, a)] for k, n in counts if k < n for a in (0.05, 0.01, 0.0005)]
    (folder / "bound.json").write_text(json.dumps(bounds) + "\n")


main()
