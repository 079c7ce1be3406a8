"""Heart sound: is there a murmur, how fast does the heart beat, and is it a usable heart sound at all.

Every window stands for itself (nothing is filtered across windows), so streaming and whole-file numbers agree; the only
state is the window scores of the last 30 s, from which ``detail.recording`` is judged. A refusal has a reason and no
number. Murmurs of the training data are nearly all systolic and from young people: a diastolic murmur, such as that of
mitral stenosis, is not ruled out by "absent".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.dsp.pcg import listening
from edge.dsp.pcg.decision import (
    Calibration,
    Scores,
    Verdict,
    judge_recording,
    judge_window,
    quality_of,
    sigmoid,
)
from edge.dsp.pcg.frontend import WINDOW_S, network_input
from edge.dsp.promised import chosen_threshold
from edge.inference import Model
from edge.ranges import FromZero, Hop
from edge.types import Reading, Window

_RECORDING_S = 30.0
_RECORDING_KEYS = ("p", "decision", "windows")
_FULL = 0.98


def build(
    *,
    models: Callable[[str], Model],
    channel: FromZero = 0,
    hop_s: Hop = 1.0,
    murmur_threshold: float | None = None,
    murmur_missed: float | None = None,
) -> Murmur:
    """Murmur, heart rate and quality from heart sound of 1 to 192 kHz in any unit.

    channel: which channel of the stream to listen to. hop_s: seconds between readings, at most 3; each looks back over 5 s.
    murmur_threshold: probability from which a window or recording is called present; murmur_missed: instead, the share
    of a new person's recordings with an audible murmur that may be missed on average, one of the card's [conformal]
    table, which promises nothing for single windows. Without either, the thresholds of the card's [calibration].
    """
    model = models("murmur")
    calibration = Calibration.from_card(model.card)
    threshold = chosen_threshold(model.card, "murmur", threshold=murmur_threshold, missed=murmur_missed)
    if threshold is not None:
        calibration = calibration.from_threshold(threshold)
    return Murmur(model, calibration, channel, hop_s)


class Murmur:
    """Analyzer of the stream ``pcg``; see ``build``."""

    streams: Sequence[str] = ("pcg",)
    metrics: Sequence[str] = ("pcg.murmur", "pcg.hr", "pcg.quality")
    window_s: float = WINDOW_S

    def __init__(self, model: Model, calibration: Calibration, channel: int, hop_s: float) -> None:
        self.hop_s = hop_s
        self._model, self._calibration, self._channel = model, calibration, channel
        self._recent: deque[tuple[float, Scores, bool]] = deque()  # window's end, s; whether it is a full one

    def reset(self) -> None:
        self._recent.clear()

    def state(self) -> dict[str, Any]:
        return {"recent": [[end, asdict(scores), full] for end, scores, full in self._recent]}

    def restore(self, state: Mapping[str, Any]) -> None:
        timed = [entry for entry in state["recent"] if len(entry) == 3]  # older states: no time
        self._recent = deque((end, Scores(**scores), full) for end, scores, full in timed)

    def __call__(self, windows: Mapping[str, Window]) -> list[Reading]:
        window = windows["pcg"]
        sound, reason = listening.listen(window, self._channel)
        if sound is None:
            return self._refused(window.end, reason, {})
        logits = self._model.run(network_input(sound.picture))[0][0].astype(np.float64)
        heads = (float(logits[0]), float(logits[1]), float(logits[2]))
        noise = float(sound.hidden), float(sound.feigned)
        scores = Scores(*heads, sound.pulse.periodicity, sound.low, sound.high, *noise)
        foreign = sigmoid(scores.foreign)
        detail: dict[str, Any] = {
            "scores": asdict(scores),
            "foreign": foreign,
            "complete": window.coverage >= _FULL,
        }
        p, decision = judge_window(scores, self._calibration)
        reason = listening.refusal(sound, foreign, self._calibration.foreign_limit, murmur=decision == "present")
        if reason:
            return self._refused(window.end, reason, detail)
        self._remember(window.end, scores, full=bool(detail["complete"]))
        detail["decision"] = decision
        return self._answered(window.end, sound, scores, p, detail)

    def _remember(self, end: float, scores: Scores, *, full: bool) -> None:
        oldest = end - _RECORDING_S + self.hop_s / 2  # between two hops, where no rounding decides
        while self._recent and self._recent[0][0] < oldest:
            self._recent.popleft()
        self._recent.append((end, scores, full))

    def _answered(
        self, t: float, sound: listening.Sound, scores: Scores, p: float, detail: dict[str, Any]
    ) -> list[Reading]:
        quality = quality_of(scores)
        windows = _full_or_all((scores, full) for _, scores, full in self._recent)
        recording = judge_recording(windows, self._calibration)
        detail["unknown"] = sigmoid(scores.unknown)
        detail["recording"] = {k: getattr(recording, k) for k in _RECORDING_KEYS}
        readings = [Reading("pcg.murmur", t, p, "", quality, detail=detail, model=str(self._model.identity))]
        rate, steady = sound.pulse.rate_bpm, sound.pulse.periodicity
        trust = min(1.0, steady / 0.5)
        if listening.tells_rate(sound.pulse):
            readings.append(Reading("pcg.hr", t, rate, "bpm", trust))
        else:
            readings.append(Reading("pcg.hr", t, None, "bpm", trust, "low_quality", {"candidate_bpm": rate}))
        measured = {"periodicity": steady, "clipped": sound.clipped, "spikes": sound.spikes}
        readings.append(Reading("pcg.quality", t, quality, "", quality, detail=measured))
        return readings

    def _refused(self, t: float, reason: str, detail: Mapping[str, Any]) -> list[Reading]:
        quiet = Reading("pcg.quality", t, None if reason in ("warming_up", "gap") else 0.0, reason=reason)
        murmur = Reading(
            "pcg.murmur",
            t,
            None,
            reason=reason,
            detail={**detail, "decision": "unknown"},
            model=str(self._model.identity),
        )
        return [murmur, Reading("pcg.hr", t, None, "bpm", reason=reason), quiet]


def _full_or_all(windows: Iterable[tuple[Scores, bool]]) -> list[Scores]:
    """Those of full windows; where there is none, all. windows: with whether each is a full one."""
    told = list(windows)
    return [scores for scores, full in told if full] or [scores for scores, _ in told]


def recording_verdict(readings: Iterable[Reading], calibration: Calibration) -> Verdict:
    """The verdict over all windows of a recording, from the analyzer's readings of it.

    Windows shorter than 5 s count only where there is no full one; nothing but warming up means that the recording
    was too short.
    """
    murmur = [r for r in readings if r.metric == "pcg.murmur"]
    heard = [r for r in murmur if r.value is not None]
    windows = _full_or_all((Scores(**r.detail["scores"]), r.detail["complete"]) for r in heard)
    refused = [r.reason for r in murmur if r.value is None and r.reason != "warming_up"]
    return judge_recording(windows, calibration, refused)


def activation(model: Model, picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Murmur logit over time for a picture of one window, ``(32,)``: where the network hears it."""
    return np.asarray(model.run(network_input(picture))[1][0, 0], np.float32)
