"""How likely a rate counted at rest is right: a logistic rule over figures of the count, or boosted trees over these and
over what a network believes of the rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np

from edge.dsp.boosted_trees import BoostedTrees

FIGURES: Final = (
    "alike", "far_from_90", "harmonics_levelled", "harmonics", "between", "trust_logit", "burst", "steeper", "rise_s",
    "spiky",
)  # fmt: skip
# Fitted by tools/train/pulse_rule.py on CinC 2015: three counts a window, 18 windows a record, where the ECG is regular;
# and on generated movement, of which no count is right.
OFFSET: Final = -2.477
WEIGHTS: Final = (3.97, -4.793, 13.524, -7.622, -1.576, -0.225, 0.037, 1.773, -4.353, -0.046)
ENOUGH: Final = 0.8
"""Likelihood from which a rate is said by the logistic rule."""
ENOUGH_BY_TREES: Final = 0.7
"""The same by trees, whose likelihoods part right from wrong better."""


@dataclass(frozen=True, slots=True)
class Rule:
    """likelihood: how likely the rate with these figures is within 5 bpm, 0 to 1; enough: from where on it is said."""

    likelihood: Callable[[tuple[float, ...]], float]
    enough: float = ENOUGH

    def __call__(self, figures: tuple[float, ...]) -> float:
        return self.likelihood(figures)


def by_weights(offset: float, weights: tuple[float, ...]) -> Rule:
    """The logistic rule with these weights of ``FIGURES``."""
    return Rule(partial(_weighed, offset, weights))


def by_trees(trees: BoostedTrees) -> Rule:
    """The rule of trees grown on ``counts.FIGURES_BY_BELIEF``."""
    return Rule(partial(_asked, trees), ENOUGH_BY_TREES)


def _weighed(offset: float, weights: tuple[float, ...], figures: tuple[float, ...]) -> float:
    return _share(offset + math.fsum(w * f for w, f in zip(weights, figures, strict=True)))


def _asked(trees: BoostedTrees, figures: tuple[float, ...]) -> float:
    return _share(float(trees(np.array(figures))[0]))


def _share(logit: float) -> float:
    return 1.0 / (1.0 + float(np.exp(-logit)))


COUNTED: Final = by_weights(OFFSET, WEIGHTS)
"""The rule without a network."""
