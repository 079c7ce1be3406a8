"""Alarm thresholds with a stated bound on missed events: conformal risk control, unit = person.

Angelopoulos et al., "Conformal Risk Control", ICLR 2024: with losses of n exchangeable people bounded by B and falling
as the rule gets looser, the tightest rule whose n/(n+1)·R̂ + B/(n+1) is at most α has an expected loss of at most α on
the next person. Here the loss of a person is the share of their true events that score under the threshold.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Threshold:
    """An alarm at ``score >= value`` misses on average at most ``alpha`` of a new person's events.

    value: None when no threshold can promise that (1/(people + 1) exceeds alpha; every event would have to alarm).
    risk: mean share missed by the calibration people at it; bound: n/(n+1)·risk + 1/(n+1).
    """

    value: float | None
    alpha: float
    people: int
    events: int
    risk: float
    bound: float

    def words(self) -> str:
        """The promise in one line, with the number of people beside it."""
        if self.value is None:
            return f"no threshold keeps missed events under {self.alpha:g} with {self.people} people"
        return (
            f"at {self.value:.4g} a new person's missed events are at most {self.alpha:g} on average"
            f" ({self.people} people, {self.events} events, {self.risk:.3f} missed among them)"
        )


def smallest_alpha(people: int) -> float:
    """The smallest honest bound with so many people: 1/(n + 1)."""
    return 1.0 / (people + 1)


def threshold(scores: Sequence[float], people: Sequence[Hashable], alpha: float) -> Threshold:
    """The highest threshold whose bound on missed events is at most ``alpha``.

    scores: of true events (of windows or recordings that should alarm), higher = surer; a refused one is NaN and counts
    as missed at any threshold. people: who each is of. Raises ValueError for lengths that differ or alpha outside 0..1.
    """
    if len(scores) != len(people):
        raise ValueError(f"{len(scores)} scores of {len(people)} people: each event needs its person")
    if not 0.0 < alpha < 1.0:
        raise ValueError(f"alpha {alpha} is not between 0 and 1")
    counts: dict[Hashable, int] = {}
    for person in people:
        counts[person] = counts.get(person, 0) + 1
    n = len(counts)
    refused = sum(1.0 / counts[person] for score, person in zip(scores, people, strict=True) if math.isnan(score))
    known = sorted((s, 1.0 / counts[p]) for s, p in zip(scores, people, strict=True) if not math.isnan(s))
    best: tuple[float, float] | None = None
    below, i = refused, 0
    while i < len(known):
        value = known[i][0]
        if _bound(below, n) > alpha + 1e-12:
            break
        best = (value, below / n)
        while i < len(known) and known[i][0] == value:
            below += known[i][1]
            i += 1
    if best is None:
        risk = refused / n if n else 0.0
        return Threshold(None, alpha, n, len(scores), risk, _bound(refused, n))
    return Threshold(best[0], alpha, n, len(scores), best[1], _bound(best[1] * n, n))


def _bound(missed: float, n: int) -> float:
    return (missed + 1.0) / (n + 1)
