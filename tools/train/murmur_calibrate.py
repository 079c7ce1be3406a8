"""From held-out window scores to the constants of the card, and the figures they give; numpy only.

Platt's lines and thresholds are fitted on CirCor recordings that are present or absent, the line for recordings together
also on the silent sites of patients with a murmur, since it says where one is heard; the patients' multinomial
regression has an L2 penalty and no class weights, because the decision rule already carries the 5, 3 and 1.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from logistic import logistic
from numpy.typing import NDArray
from roc import auroc

from edge.dsp.pcg import decision
from edge.dsp.pcg.decision import Calibration, PatientVerdict, Scores, Verdict

SPECIFICITY = 0.93
TOGETHER_SPECIFICITY = 0.935  # what is set on some people comes out a little lower on others
_KEEP_KNOWN = 0.985  # of present and absent recordings may not be called unknown
_PENALTY = 8.0
_NOISE = [decision.FEATURES.index(name) for name in decision.NOISE_FEATURES]
_PRESENT_ABSENT = [decision.ANSWERS.index(name) for name in ("present", "absent")]
FOREIGN_LIMIT = 0.5  # 99 % of CirCor recordings stay far under it; 0.3 refused one in a hundred with a murmur


@dataclass(frozen=True, slots=True)
class Heard:
    """One recording as the analyzer heard it: row of labels.csv, fold, scores of usable windows, reasons of others."""

    row: dict[str, str]
    fold: int
    windows: tuple[Scores, ...]
    refused: tuple[str, ...] = ()

    @property
    def circor(self) -> bool:
        return self.row["dataset"] == "circor2022"


def neutral() -> Calibration:
    """Constants before anything was fitted."""
    n = len(decision.FEATURES)
    line = (1.0, 0.0, 0.0, 0.5)
    return Calibration(line, line, line, 0.7, FOREIGN_LIMIT, np.zeros(n), np.ones(n), np.zeros((3, n + 1)))


def fit(recordings: Sequence[Heard]) -> Calibration:
    """The constants from recordings of people the network never saw."""
    known = [r for r in recordings if r.circor and r.windows and r.row["label_recording"] in ("present", "absent")]
    present = np.array([r.row["label_recording"] == "present" for r in known])
    means = [decision.mean_scores(r.windows) for r in known]
    logit = np.array([(m.murmur, m.unknown) for m in means])
    window_logit = np.concatenate([[(w.murmur, w.unknown) for w in r.windows] for r in known])
    window_y = np.concatenate([[y] * len(r.windows) for r, y in zip(known, present, strict=True)])
    window_weight = np.concatenate([[1 / len(r.windows)] * len(r.windows) for r in known])
    unknown = np.array([decision.sigmoid(m.unknown) for m in means])
    base = replace(
        neutral(),
        window=line(window_logit, window_y, window_weight),
        recording=line(logit, present, np.ones(len(logit))),
        unknown_limit=float(max(0.5, np.quantile(unknown, _KEEP_KNOWN))),
    )
    base = replace(base, together=together_line(recordings, base))
    features, answers = [], []
    for label, verdicts in patients(recordings, base).values():
        if all(v.p is None for v in verdicts):
            continue
        features.append(decision.patient_features(verdicts, base))
        answers.append(decision.ANSWERS.index(label))
    table = np.array(features)
    centre, scale = table.mean(axis=0), np.maximum(table.std(axis=0), 0.05)
    weights = multinomial((table - centre) / scale, np.array(answers))
    return replace(base, centre=centre, scale=scale, weights=weights)


def line(
    x: NDArray[np.float64], y: NDArray[np.bool_], weight: NDArray[np.float64]
) -> tuple[float, float, float, float]:
    """Platt's slopes and offset, and the probability ``SPECIFICITY`` of the negatives stay under."""
    a = np.hstack([x, np.ones((len(x), 1))])
    w = logistic(a, y, 1e-3, weight)
    return float(w[0]), float(w[1]), float(w[2]), threshold((a @ w)[~y], weight[~y])


def threshold(negative: NDArray[np.float64], weight: NDArray[np.float64], share: float = SPECIFICITY) -> float:
    """The probability that ``share`` of the weight of these logits stays under."""
    order = np.argsort(negative)
    at = int(np.searchsorted(np.cumsum(weight[order]) / weight.sum(), share))
    return decision.sigmoid(float(negative[order][min(at, len(negative) - 1)])) + 1e-6


def together_line(recordings: Sequence[Heard], base: Calibration) -> tuple[float, float, float, float]:
    """Slopes on a recording's own logit and on the mean of the person's others, offset, and the probability under which
    ``TOGETHER_SPECIFICITY`` of all recordings of people without a murmur stay, those that have to be refused or have no
    other that could tell among them. Raises ValueError where no threshold does that."""
    rows, labels, as_they_are = [], [], []
    for mine in people(recordings).values():
        verdicts = [verdict(r, base) for r in mine]
        for r, v, others in zip(mine, verdicts, decision.other_logits(verdicts, base), strict=True):
            label = r.row["label_recording"]
            if v.scores is not None and others is not None and label != "unknown":
                rows.append((decision.beside(v.scores, others, base), others, 1.0))
                labels.append(label)
            elif label == "absent":
                as_they_are.append(v.decision == "absent")
    a, label_ = np.array(rows).reshape(-1, 3), np.array(labels)
    w = logistic(a, label_ == "present", 1e-3, np.ones(len(a)))
    clean = (a @ w)[label_ == "absent"]
    share = (TOGETHER_SPECIFICITY * (len(clean) + len(as_they_are)) - sum(as_they_are)) / max(1, len(clean))
    if not 0.0 < share < 1.0:
        raise ValueError(
            f"{len(clean)} clean recordings beside others and {len(as_they_are)} that are as they are, {sum(as_they_are)} of "
            f"these absent: no threshold leaves {TOGETHER_SPECIFICITY:g} of them absent"
        )
    return float(w[0]), float(w[1]), float(w[2]), threshold(clean, np.ones(len(clean)), share)


def multinomial(x: NDArray[np.float64], y: NDArray[np.int64]) -> NDArray[np.float64]:
    """Multinomial logistic regression by gradient descent with momentum; ``(3, features + 1)``, offset last.

    What tells noise has one weight for present and absent, so that it can only move a patient to and from "unknown".
    """
    a = np.hstack([x, np.ones((len(x), 1))])
    onehot = np.eye(3)[y]
    w = np.zeros((3, a.shape[1]))
    velocity = np.zeros_like(w)
    penalty = np.append(np.full(x.shape[1], _PENALTY), 1e-3) / len(x)
    for _ in range(3000):
        gradient = (decision.softmax(a @ w.T) - onehot).T @ a / len(x) + penalty * w
        tied = np.ix_(_PRESENT_ABSENT, _NOISE)
        gradient[tied] = gradient[tied].mean(axis=0)
        velocity = 0.9 * velocity - 0.3 * gradient
        w = w + velocity
    return w


def people(recordings: Iterable[Heard]) -> dict[str, list[Heard]]:
    """CirCor's recordings by patient."""
    by: dict[str, list[Heard]] = {}
    for r in recordings:
        if r.circor:
            by.setdefault(r.row["patient"], []).append(r)
    return by


def patients(recordings: Iterable[Heard], calibration: Calibration) -> dict[str, tuple[str, list[Verdict]]]:
    """CirCor's patients: label, and the verdict of each recording."""
    by = people(recordings).items()
    return {patient: (mine[0].row["label"], [verdict(r, calibration) for r in mine]) for patient, mine in by}


def verdict(r: Heard, calibration: Calibration) -> Verdict:
    """The recording's verdict under these constants."""
    return decision.judge_recording(r.windows, calibration, r.refused)


Judged = Sequence[tuple[Heard, Verdict]]


class Cross(NamedTuple):
    """Every recording by itself (of CirCor and others), CirCor's in the light of the person's others, every patient, and
    the constants of each fold."""

    alone: Judged
    together: Judged
    people: dict[str, PatientVerdict]
    constants: list[Calibration]

    def where(self, wanted: Callable[[Heard], bool]) -> Cross:
        """Of these recordings only."""
        alone, together = ([(r, v) for r, v in judged if wanted(r)] for judged in (self.alone, self.together))
        return self._replace(alone=alone, together=together)


def cross_judged(recordings: Sequence[Heard]) -> Cross:
    """Every recording and patient judged with constants from the other folds."""
    alone: list[tuple[Heard, Verdict]] = []
    together: list[tuple[Heard, Verdict]] = []
    patient_verdicts: dict[str, PatientVerdict] = {}
    constants = []
    for fold in sorted({r.fold for r in recordings}):
        calibration = fit([r for r in recordings if r.fold != fold])
        constants.append(calibration)
        mine = [r for r in recordings if r.fold == fold]
        alone += [(r, verdict(r, calibration)) for r in mine]
        for patient, heard in people(mine).items():
            verdicts = [verdict(r, calibration) for r in heard]
            together += zip(heard, decision.judge_together(verdicts, calibration), strict=True)
            patient_verdicts[patient] = decision.judge_patient(verdicts, calibration)
    return Cross(alone, together, patient_verdicts, constants)


def figures(found: Cross) -> dict[str, float]:
    """The acceptance figures (as the scorer computes them) of recordings by themselves and of patients, and under
    ``together_`` those of recordings in the light of the person's others."""
    together = {f"together_{name}": figure for name, figure in recording_figures(found.together).items()}
    return {**recording_figures(found.alone), **patient_figures(found), **together}


def recording_figures(judged: Judged) -> dict[str, float]:
    """What the scorer says of CirCor's recordings, and the share of clean ones answered."""
    out: dict[str, float] = {}
    circ = [(r, v) for r, v in judged if r.circor]
    pick = [(r, v) for r, v in circ if r.row["label_recording"] in ("present", "absent")]
    y = np.array([r.row["label_recording"] == "present" for r, _ in pick])
    said = np.array([v.decision for _, v in pick])
    answered = np.array([v.p is not None for _, v in pick])
    p = np.array([np.nan if v.p is None else v.p for _, v in pick])
    out["recording_auroc"] = auroc(p[answered], y[answered])
    out["answered"] = float(answered.mean())
    out["sensitivity"] = float((said[y] == "present").mean()) if y.any() else float("nan")
    out["specificity"] = float((said[~y] == "absent").mean()) if (~y).any() else float("nan")
    out["ece"] = ece(p[answered], y[answered])
    here = [(r, v) for r, v in circ if r.row["label_recording"] != "unknown" and v.p is not None]
    out["recording_auroc_with_absent_here"] = auroc(
        np.array([float(v.p or 0) for _, v in here]), np.array([r.row["label_recording"] == "present" for r, _ in here])
    )
    silent = [v.decision == "present" for r, v in circ if r.row["label_recording"] == "absent_here"]
    out["present_where_silent"] = float(np.mean(silent)) if silent else float("nan")
    return out


def patient_figures(found: Cross) -> dict[str, float]:
    """What the scorer says of patients."""
    out: dict[str, float] = {}
    truth = {r.row["patient"]: r.row["label"] for r, _ in found.together}
    mine = {k: found.people[k] for k in truth}
    ids = [k for k in truth if truth[k] != "unknown" and mine[k].p_present is not None]
    out["patient_auroc"] = auroc(
        np.array([float(mine[k].p_present or 0.0) for k in ids]), np.array([truth[k] == "present" for k in ids])
    )
    worth = dict(zip(decision.ANSWERS, decision.WORTH, strict=True))
    total = sum(worth[t] for t in truth.values())
    out["weighted_accuracy"] = float(sum(worth[t] for k, t in truth.items() if mine[k].decision == t) / total)
    for answer in decision.ANSWERS:
        of = [k for k, t in truth.items() if t == answer]
        out[f"recall_{answer}"] = float(np.mean([mine[k].decision == answer for k in of])) if of else float("nan")
    return out


def ece(p: NDArray[np.float64], y: NDArray[np.bool_]) -> float:
    """Expected calibration error in ten equal bins."""
    b = np.minimum((p * 10).astype(int), 9)
    return (
        float(sum(abs(y[b == k].mean() - p[b == k].mean()) * (b == k).mean() for k in np.unique(b))) if len(p) else 0.0
    )


def other_sets(judged: Judged) -> dict[str, Any]:
    """AUROC, and the CinC 2016 score of the decision, on sets of which the network that judged them had nothing.

    score_elsewhere: the same score at the threshold that is best on the other CinC databases, since the card's
    threshold is for murmurs and CinC's label is any disease. n, positive: of all recordings, of which the AUROC is of
    the share ``answered``; the scores count a refusal as wrong.
    """
    sets: dict[str, list[tuple[Heard, Verdict]]] = defaultdict(list)
    artifacts: dict[str, list[bool]] = defaultdict(list)
    for r, v in judged:
        name = r.row["db"] or r.row["dataset"]
        if r.row["label"] == "artifact":
            artifacts[name].append(v.decision == "unknown")
        elif not r.circor and r.row["label"] in ("normal", "abnormal", "murmur"):
            sets[name].append((r, v))
    out: dict[str, Any] = {}
    for name, mine in sorted(sets.items()):
        answered = [(r, v) for r, v in mine if v.p is not None]
        y = np.array([r.row["label"] != "normal" for r, _ in answered])
        out[name] = {
            "n": len(mine),
            "positive": sum(r.row["label"] != "normal" for r, _ in mine),
            "answered": len(answered) / len(mine),
            "auroc": auroc(np.array([float(v.p or 0.0) for _, v in answered]), y),
            "score": cinc_score(mine),
        }
        others = [j for k, part in sets.items() if k.startswith("training-") and k != name for j in part]
        if name.startswith("training-") and others:
            limits = [k / 200 for k in range(1, 200)]
            out[name]["limit_elsewhere"] = max(limits, key=lambda k: cinc_score(others, k))
            out[name]["score_elsewhere"] = cinc_score(mine, out[name]["limit_elsewhere"])
    for name, hits in artifacts.items():
        out[name]["artifacts_unknown"] = float(np.mean(hits))
    return out


def cinc_score(judged: Judged, limit: float | None = None) -> float:
    """Mean of sensitivity and specificity, by the decision or at a limit on p (Clifford et al., CinC 2016;43:609).

    "Unknown" is right where the recording is marked noisy (sqi 0), and wrong elsewhere."""
    right: dict[bool, list[bool]] = {True: [], False: []}
    for r, v in judged:
        diseased = r.row["label"] != "normal"
        if v.decision == "unknown" or v.p is None:
            right[diseased].append(r.row["sqi"] == "0")
        else:
            said = v.decision == "present" if limit is None else v.p >= limit
            right[diseased].append(said == diseased)
    return float(np.mean([np.mean(hits) for hits in right.values()]))
