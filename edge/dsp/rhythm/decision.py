"""From the logits of the rhythm network, and of the trees beside it, to a word: calibrated probabilities, by itself and
in the light of the windows before, "not a pulse", and the AF threshold.

One window proves nothing: confirmation over windows is the alarm board's. Constants come from the model's card.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

LABELS: Final = ("SR", "PVC", "PAC", "VT", "SVT", "AF")
GROUPS: Final = (("sinus", (0,)), ("ectopy", (1, 2)), ("tachyarrhythmia", (3, 4)))
_AF = 5


@dataclass(frozen=True, slots=True, eq=False)
class Calibration:
    """temperature divides the logits; trees_share: how much of the logits is the trees'; usual: how often each of LABELS
    was among the windows fitted to; own_slope, before_slope: what a window by itself and what ``Context`` says weigh;
    af_threshold: AF at or above it; none_limit: not a pulse above it; feature_mean, feature_sd: how the features that
    the network is told, the first so many, are scaled."""

    temperature: float
    trees_share: float
    usual: Floats
    own_slope: float
    before_slope: float
    af_threshold: float
    none_limit: float
    feature_mean: Floats
    feature_sd: Floats

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Calibration:
        given = card["calibration"]
        return cls(
            float(given["temperature"]),
            float(given["trees_share"]),
            np.asarray(given["usual"], dtype=np.float64),
            float(given["own_slope"]),
            float(given["before_slope"]),
            float(given["af_threshold"]),
            float(given["none_limit"]),
            np.asarray(given["feature_mean"], dtype=np.float64),
            np.asarray(given["feature_sd"], dtype=np.float64),
        )

    def inputs(self, wave: Floats, feature: Floats) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The network's two inputs, batch of one."""
        told = feature[: len(self.feature_mean)]
        scaled = np.clip((told - self.feature_mean) / self.feature_sd, -4.0, 4.0)
        return wave.astype(np.float32)[None, None, None, :], scaled.astype(np.float32)[None, :]


def blended(network: Floats, trees: Floats, share: float) -> Floats:
    """Logits ``(…, 7)`` of both: log probabilities, ``share`` of the trees' and the rest of the network's.

    What is wrong by chance in one is seldom so in the other: trees see the features alone, and cut where the network bends.
    """
    return (1.0 - share) * _log_probabilities(network) + share * _log_probabilities(trees)


def _log_probabilities(logits: Floats) -> Floats:
    return np.asarray(logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True))


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """probabilities of LABELS (sum 1), and alone: of the window by itself; p_none: not a pulse; decision: a group, "af", or
    "" when not a pulse."""

    probabilities: Floats
    alone: Floats
    p_none: float
    decision: str

    @property
    def p_af_alone(self) -> float:
        return float(self.alone[_AF])


def decide(logits: Floats, before: Floats, calibration: Calibration) -> Verdict:
    """What seven logits (LABELS, then not a pulse) say, where ``before`` is how much likelier than usual the windows before
    make each of LABELS (``Context.lean``)."""
    told = _log_probabilities(logits / calibration.temperature)
    alone = _log_probabilities(told[:-1])
    six = np.exp(in_context(alone, before, calibration.own_slope, calibration.before_slope))
    p_none = float(np.exp(told[-1]))
    return Verdict(six, np.exp(alone), p_none, _decision(six, p_none, calibration))


def in_context(alone: Floats, before: Floats, own_slope: float, before_slope: float) -> Floats:
    """Log probabilities ``(…, 6)`` of windows by themselves, in the light of those before."""
    return _log_probabilities(own_slope * alone + before_slope * before)


def _decision(six: Floats, p_none: float, calibration: Calibration) -> str:
    if p_none > calibration.none_limit:
        return ""
    if six[_AF] >= calibration.af_threshold:
        return "af"
    return max((float(six[list(members)].sum()), name) for name, members in GROUPS)[1]
