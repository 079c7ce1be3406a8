"""From window scores to a verdict: windows make a recording, recordings of up to four sites make a patient, and the
recordings of one patient are judged once more, each in the light of the others.

Pure arithmetic on logits with the constants of the model's card (``[calibration]``), used by the analyzer, by
evaluation and by training alike. A recording's logit is the mean over its usable windows, made a probability by
Platt's line; a murmur is said to be absent only where noise would not hide a quiet one, and present only where noise
would not be taken for one. A patient's three probabilities come from a multinomial regression on the recordings'
scores, and the answer is the one with the largest 5·present, 3·unknown, 1·absent: what the CirCor 2022 score rewards
(Reyna et al., PLOS Digit Health 2023;2:e0000324). A recording that had to be refused counts towards "unknown". A murmur
is seldom heard at one site alone: together, a recording's odds are its own and the mean of the other recordings', each
with a slope of its own, and noise takes from it the word it has by itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

ANSWERS = ("present", "unknown", "absent")
WORTH = np.array([5.0, 3.0, 1.0])
MURMUR_FEATURES = ("highest", "mean")
NOISE_FEATURES = ("unknown_mean", "unquiet", "refused", "sites", "low_mean", "low_least", "high_mean")
FEATURES = MURMUR_FEATURES + NOISE_FEATURES
MAX_REFUSED_SHARE = 1 / 3  # reached by under 1 % of CirCor's recordings and by four of five artifacts
MAX_HIDDEN_SHARE = 0.5
MAX_FEIGNED_SHARE = 0.5
_LIMIT = 8.0  # logits beyond carry no more certainty


@dataclass(frozen=True, slots=True)
class Scores:
    """Of one window, or means over a recording: the network's logits; how strongly the heartbeat repeats, 0..1; the
    natural logarithms of the shares of sound power under 200 Hz and above 350 Hz; 1 where noise would hide a quiet
    murmur, and 1 where it would be taken for one (states of older versions do not say)."""

    murmur: float
    unknown: float
    foreign: float
    periodicity: float
    low: float
    high: float
    hidden: float = 0.0
    feigned: float = 0.0

    def row(self) -> tuple[float, ...]:
        """All eight, in order."""
        head = self.murmur, self.unknown, self.foreign, self.periodicity
        return (*head, self.low, self.high, self.hidden, self.feigned)


@dataclass(frozen=True, slots=True)
class Verdict:
    """p: probability of a murmur, None when refused; decision: present, absent or unknown; quality 0..1."""

    p: float | None
    decision: str
    quality: float
    windows: int
    scores: Scores | None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PatientVerdict:
    """Probabilities of present, unknown, absent (they sum to 1; None when every recording was refused), the answer."""

    p_present: float | None
    p_unknown: float | None
    p_absent: float | None
    decision: str


@dataclass(frozen=True, slots=True)
class Calibration:
    """The constants of a model's card; see ``from_card``.

    window, recording: Platt's line as slope on the murmur logit, slope on the unknown logit (noise makes a murmur less
    credible) and offset, then the threshold on the probability. together: slope on a recording's logit by that line,
    slope on the mean logit of the person's others that could tell, offset, threshold. unknown_limit,
    foreign_limit: probabilities of those heads from which the answer is "unknown", or the sound is no heart's.
    centre, scale: per patient feature; weights: ``(3, features + 1)`` with the offset last, in which what tells noise
    weighs the same for present and absent: noise moves a patient to "unknown", never towards a murmur.
    """

    window: tuple[float, float, float, float]
    recording: tuple[float, float, float, float]
    together: tuple[float, float, float, float]
    unknown_limit: float
    foreign_limit: float
    centre: NDArray[np.float64]
    scale: NDArray[np.float64]
    weights: NDArray[np.float64]

    @classmethod
    def from_card(cls, card: Mapping[str, Any]) -> Calibration:
        """Read ``[calibration]``; KeyError names what is missing."""
        c = card["calibration"]
        return cls(
            window=_four(c["window_line"]),
            recording=_four(c["recording_line"]),
            together=_four(c["together_line"]),
            unknown_limit=float(c["unknown_limit"]),
            foreign_limit=float(c["foreign_limit"]),
            centre=np.array(c["patient_centre"], float),
            scale=np.array(c["patient_scale"], float),
            weights=np.array([list(row) for row in c["patient_weights"]], float),
        )

    def from_threshold(self, p: float) -> Calibration:
        """The same, but windows, and recordings by themselves, are called present from the probability ``p`` on."""
        return replace(self, window=(*self.window[:3], p), recording=(*self.recording[:3], p))

    def as_card(self) -> dict[str, Any]:
        """The inverse of ``from_card``: what goes under ``[calibration]``."""
        return {
            "line": ["murmur slope", "unknown slope", "offset", "threshold on the probability"],
            "window_line": [round(x, 6) for x in self.window],
            "recording_line": [round(x, 6) for x in self.recording],
            "together": [
                "own logit's slope",
                "slope of the others' mean logit",
                "offset",
                "threshold on the probability",
            ],
            "together_line": [round(x, 6) for x in self.together],
            "unknown_limit": self.unknown_limit,
            "foreign_limit": self.foreign_limit,
            "patient_features": list(FEATURES),
            "patient_centre": [round(float(x), 6) for x in self.centre],
            "patient_scale": [round(float(x), 6) for x in self.scale],
            "patient_weights": [[round(float(x), 6) for x in row] for row in self.weights],
        }


def sigmoid(x: float) -> float:
    """1 / (1 + exp(-x)) without overflow."""
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


def recording_logit(scores: Scores, calibration: Calibration) -> float:
    """A recording's log odds of a murmur, by itself."""
    return _logit(scores, calibration.recording)


def quality_of(scores: Scores) -> float:
    """Trust in a window or recording, 0..1: it repeats like a heart, and the network could tell."""
    return min(1.0, scores.periodicity / 0.5) * (1.0 - sigmoid(scores.unknown)) * (1.0 - sigmoid(scores.foreign))


def judge_window(scores: Scores, calibration: Calibration) -> tuple[float, str]:
    """Probability of a murmur in one window, and present, absent or unknown."""
    return _judge(scores, calibration.window, calibration)


def judge_recording(windows: Sequence[Scores], calibration: Calibration, refused: Sequence[str] = ()) -> Verdict:
    """The verdict over a recording's usable windows. refused: the reasons of the windows that were not.

    A recording is refused, with the commonest reason, when no window was usable or a third of them were refused.
    """
    if not windows or len(refused) >= MAX_REFUSED_SHARE * (len(windows) + len(refused)):
        reason = max(sorted(set(refused)), key=refused.count) if refused else "too_short"
        scores = mean_scores(windows) if windows else None  # the patient's regression may still use them
        return Verdict(None, "unknown", 0.0, len(windows), scores, reason)
    scores = mean_scores(windows)
    p, decision = _judge(scores, calibration.recording, calibration)
    return Verdict(p, decision, quality_of(scores), len(windows), scores)


def judge_together(recordings: Sequence[Verdict], calibration: Calibration) -> list[Verdict]:
    """The verdicts of one person's recordings, each in the light of the others that could tell by themselves.

    What was refused, or has no such other, stays as it is; of the rest it can be told whether a murmur is heard there,
    even where the recording itself could not tell (``beside``). Only where noise hides quiet murmurs from this person's
    recordings altogether, one that it hides them from is not called absent.
    """
    slope, slope_of_others, offset, threshold = calibration.together
    hidden = _hidden_share(recordings) >= MAX_HIDDEN_SHARE
    together = []
    for own, others in zip(recordings, other_logits(recordings, calibration), strict=True):
        if own.scores is None or others is None:
            together.append(own)
            continue
        p = sigmoid(slope * beside(own.scores, others, calibration) + slope_of_others * others + offset)
        absent = "unknown" if hidden and own.scores.hidden >= MAX_HIDDEN_SHARE else "absent"
        together.append(replace(own, p=p, decision="present" if p >= threshold else absent))
    return together


def beside(scores: Scores, others: float, calibration: Calibration) -> float:
    """A recording's log odds of a murmur next to the mean of the other recordings': where noise would hide a quiet murmur it
    speaks no more against one than these do, where noise would be taken for one no more for one, and where the network
    cannot tell, as they do."""
    if sigmoid(scores.unknown) >= calibration.unknown_limit:
        return others
    own = recording_logit(scores, calibration)
    if scores.hidden >= MAX_HIDDEN_SHARE:
        own = max(own, others)
    if scores.feigned >= MAX_FEIGNED_SHARE:
        own = min(own, others)
    return own


def as_told(own: Verdict, together: Verdict) -> dict[str, Any]:
    """A recording by itself and in the light of the others, as messages and reports say it."""
    return {
        "p_alone": own.p,
        "decision_alone": own.decision,
        "p_together": together.p,
        "decision_together": together.decision,
        "windows": own.windows,
    }


def other_logits(recordings: Sequence[Verdict], calibration: Calibration) -> list[float | None]:
    """For each recording of one person the mean logit of the others that could tell by themselves, -8..8 each; None where
    it was refused or none of these could tell."""
    logits = [
        None
        if r.scores is None or r.decision == "unknown"
        else float(np.clip(recording_logit(r.scores, calibration), -_LIMIT, _LIMIT))
        for r in recordings
    ]
    found: list[float | None] = []
    for n, own in enumerate(recordings):
        others = [x for k, x in enumerate(logits) if k != n and x is not None]
        found.append(float(np.mean(others)) if own.p is not None and others else None)
    return found


def mean_scores(windows: Sequence[Scores]) -> Scores:
    """Mean over windows, one by one of the eight."""
    return Scores(*(float(x) for x in np.array([w.row() for w in windows]).mean(axis=0)))


def patient_features(recordings: Sequence[Verdict], calibration: Calibration) -> NDArray[np.float64]:
    """What the patient's regression sees of up to four recordings, one of them usable (in the order of FEATURES).

    Of a murmur those speak that could tell, where there are any; of noise all.
    """
    known = [r.scores for r in recordings if r.scores is not None]
    told = [r.scores for r in recordings if r.scores is not None and r.decision != "unknown"] or known
    refused = float(np.mean([r.p is None for r in recordings]))
    murmur = np.clip([recording_logit(s, calibration) for s in told], -_LIMIT, _LIMIT)
    unknown = np.clip([s.unknown for s in known], -_LIMIT, _LIMIT)
    return np.array(
        [
            murmur.max(),
            murmur.mean(),
            unknown.mean(),
            float(np.mean([1.0 - min(1.0, s.periodicity / 0.5) for s in known])),
            refused,
            math.log(max(1, len(recordings))),
            float(np.mean([s.low for s in known])),
            float(np.min([s.low for s in known])),
            float(np.mean([s.high for s in known])),
        ]
    )


def judge_patient(recordings: Sequence[Verdict], calibration: Calibration) -> PatientVerdict:
    """The verdict over the recordings of one person."""
    if all(r.p is None for r in recordings):
        return PatientVerdict(None, None, None, "unknown")
    features = (patient_features(recordings, calibration) - calibration.centre) / calibration.scale
    p = softmax(calibration.weights @ np.append(features, 1.0))
    answer = ANSWERS[int((WORTH * p).argmax())]
    if answer == "absent" and _hidden_share(recordings) >= MAX_HIDDEN_SHARE:
        answer = "unknown"
    return PatientVerdict(float(p[0]), float(p[1]), float(p[2]), answer)


def _hidden_share(recordings: Sequence[Verdict]) -> float:
    """Of the windows of a person's recordings, each as much as another, in which noise would hide a quiet murmur."""
    shares = [r.scores.hidden for r in recordings if r.scores is not None]
    return float(np.mean(shares)) if shares else 0.0


def softmax(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Softmax over the last axis."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return np.asarray(e / e.sum(axis=-1, keepdims=True))


def _judge(scores: Scores, line: tuple[float, float, float, float], calibration: Calibration) -> tuple[float, str]:
    p = sigmoid(_logit(scores, line))
    if sigmoid(scores.unknown) >= calibration.unknown_limit:
        return p, "unknown"
    if p >= line[3]:
        return p, "unknown" if scores.feigned >= MAX_FEIGNED_SHARE else "present"
    return p, "unknown" if scores.hidden >= MAX_HIDDEN_SHARE else "absent"


def _logit(scores: Scores, line: tuple[float, float, float, float]) -> float:
    return line[0] * scores.murmur + line[1] * scores.unknown + line[2]


def _four(values: Sequence[float]) -> tuple[float, float, float, float]:
    a, b, c, d = (float(x) for x in values)
    return a, b, c, d
