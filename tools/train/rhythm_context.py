"""The constants of ``edge.dsp.rhythm.context`` from logits of windows whose person no network saw, and what they do to
these.

A person's windows are taken in the order of the file, ten seconds apart. Those of Liu et al. may not be contiguous.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from edge.dsp.rhythm.context import Context
from edge.dsp.rhythm.decision import LABELS, in_context
from edge.dsp.rhythm.features import WINDOW_S

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

NONE_LIMIT = 0.25
"""Over it a window is refused: fewer than one in a thousand of real ones, and most of the noise that passed at a half."""
SPECIFICITY = 0.955
"""The AF threshold is the least that keeps this share of the other rhythms' windows from being called AF."""
_AF = LABELS.index("AF")


@dataclass(frozen=True, slots=True, eq=False)
class Constants:
    """What the card's ``[calibration]`` says of them, see ``edge.dsp.rhythm.decision.Calibration``."""

    temperature: float
    usual: Floats
    own_slope: float
    before_slope: float
    threshold: float

    @classmethod
    def fitted(cls, logits: Floats, label: Ints, person: Ints) -> Constants:
        """Temperature of least log loss of windows by themselves, slopes of least log loss in context, and the threshold.
        Raises ValueError where a rhythm is not among them."""
        if missing := set(range(len(LABELS))) - set(label.tolist()):
            raise ValueError(f"no window of {', '.join(LABELS[k] for k in sorted(missing))} to fit to")
        temperature = temperature_of(logits, label)
        usual = np.bincount(label, minlength=len(LABELS)) / len(label)
        by_itself = alone(logits, temperature)
        lean = _before(logits, temperature, usual, person)
        found = minimize(
            lambda s: _loss(in_context(by_itself, lean, s[0], s[1]), label), (0.9, 0.4), method="Nelder-Mead"
        )
        own, before = (round(float(x), 3) for x in found.x)
        others = np.exp(in_context(by_itself, lean, own, before))[label != _AF, _AF]
        return cls(temperature, usual, own, before, round(float(np.quantile(others, SPECIFICITY)), 4))

    def judged(self, logits: Floats, person: Ints) -> Floats:
        """Log probabilities of LABELS in the light of the same person's windows before, ``(n, 6)``."""
        lean = _before(logits, self.temperature, self.usual, person)
        return in_context(alone(logits, self.temperature), lean, self.own_slope, self.before_slope)


def cross_fitted(logits: Floats, label: Ints, person: Ints, fold: Ints) -> Floats:
    """``Constants.judged`` of every fold by the constants of the other folds."""
    found = np.zeros((len(label), len(LABELS)))
    for k in np.unique(fold):
        other, mine = fold != k, fold == k
        found[mine] = Constants.fitted(logits[other], label[other], person[other]).judged(logits[mine], person[mine])
    return found


def temperature_of(logits: Floats, label: Ints) -> float:
    """Of least log loss of windows by themselves."""
    return round(float(min(np.arange(0.4, 2.01, 0.02), key=lambda t: _loss(alone(logits, t), label))), 3)


def alone(logits: Floats, temperature: float) -> Floats:
    """Log probabilities of LABELS, "not a pulse" aside, by each window itself."""
    z = logits[..., : len(LABELS)] / temperature
    return np.asarray(z - np.logaddexp.reduce(z, axis=-1, keepdims=True))


def _before(logits: Floats, temperature: float, usual: Floats, person: Ints) -> Floats:
    p = np.exp(alone(logits, temperature))
    z = logits / temperature
    is_none = np.exp(z[:, -1] - np.logaddexp.reduce(z, axis=-1)) > NONE_LIMIT
    found = np.zeros_like(p)
    for who in np.unique(person):
        context = Context(usual, WINDOW_S)
        for n, row in enumerate(np.flatnonzero(person == who)):
            found[row], _ = context.lean(n * WINDOW_S)
            if not is_none[row]:
                context.hear((n + 1) * WINDOW_S, p[row])
    return found


def _loss(log_probabilities: Floats, label: Ints) -> float:
    return float(-log_probabilities[np.arange(len(label)), label].mean())
