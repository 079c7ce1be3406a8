"""Rhythm of a contact pulse wave: sinus, atrial fibrillation, ectopy or a tachyarrhythmia, with quality and perfusion.

A window of 10 s is judged by itself and then in the light of this person's last minutes (``edge.dsp.rhythm.context``);
which way up the wave is is remembered where a window does not show it. Quality is judged on noise, never on regularity,
or atrial fibrillation would be thrown away. A word is given for the window; whether to alarm is decided over several
windows by the board. VT and SVT are told apart in ``detail`` only: a pulse wave alone cannot carry a VT alarm.

``detail`` of ppg.rhythm: p_SR, p_PVC, p_PAC, p_VT, p_SVT, p_AF (sum 1), ``p_AF_alone`` (of the window by itself),
``before_s`` (how many seconds of earlier windows were weighed, as they fade), ``p_none`` (not a pulse), ``threshold`` of AF.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.dsp.boosted_trees import BoostedTrees
from edge.dsp.ppg import quality
from edge.dsp.ppg.beats import BeatList, Upright, band_passed, find_beats, perfusion_index
from edge.dsp.ppg.breaks import Care
from edge.dsp.ppg.movement import SHAKEN, Movement
from edge.dsp.ppg.pulse_rate import periodicity
from edge.dsp.promised import chosen_threshold
from edge.dsp.ranks import median
from edge.dsp.rest.look import steepness
from edge.dsp.rhythm.context import Context
from edge.dsp.rhythm.decision import LABELS, Calibration, Verdict, blended, decide
from edge.dsp.rhythm.features import RATE_HZ, WINDOW_S, features, prepared
from edge.inference import Model
from edge.ranges import FromZero, LongHop, UpsideDown
from edge.types import Reading, Window

Floats = NDArray[np.float64]

_PLAUSIBLE_PERFUSION = (0.01, 20.0)
_EVEN, _SELF_ALIKE = 0.06, 0.94
"""What rises as slowly as it falls, each time the same, is hum, a lamp or a machine; 1 % of Liu's windows of VT are so."""


def build(
    *,
    models: Callable[[str], Model],
    channel: FromZero = 0,
    hop_s: LongHop = 2.0,
    upside_down: UpsideDown = "auto",
    af_threshold: float | None = None,
    af_missed: float | None = None,
) -> Rhythm:
    """Rhythm, quality and perfusion from PPG of 25 to 500 Hz in any unit.

    channel: which channel of the stream. hop_s: seconds between readings, at most 5; each looks back over 10 s. upside_down:
    "auto", "yes" (raw light intensity, as many reflective sensors give it) or "no". af_threshold: probability from
    which a window is called AF; af_missed: instead, the share of a new person's AF windows that may be missed on
    average, one of the card's [conformal] table. Without either, the threshold of the card's [calibration].
    """
    model = models("rhythm")
    calibration = Calibration.from_card(model.card)
    threshold = chosen_threshold(model.card, "af", threshold=af_threshold, missed=af_missed)
    if threshold is not None:
        calibration = replace(calibration, af_threshold=threshold)
    return Rhythm(model, calibration, channel, hop_s, upside_down)


class Rhythm:
    """Analyzer of the stream ``ppg`` with an accelerometer where there is one; see ``build``."""

    streams = ("ppg", "acc?")
    metrics = ("ppg.rhythm", "ppg.quality", "ppg.perfusion")
    window_s = WINDOW_S

    def __init__(self, model: Model, calibration: Calibration, channel: int, hop_s: float, upside_down: str) -> None:
        self.hop_s = hop_s
        self._model, self._channel = model, channel
        self._trees = BoostedTrees.from_bytes(model.beside["trees"])
        self._calibration = calibration
        self._upright = Upright(upside_down)
        self._movement = Movement()
        self._context = Context(calibration.usual, WINDOW_S)

    def reset(self) -> None:
        self._upright.reset()
        self._movement.reset()
        self._context.reset()

    def state(self) -> dict[str, Any]:
        return {
            "sign": self._upright.sign,
            "movement": self._movement.state(),
            "context": self._context.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._upright.sign = state["sign"]
        self._movement.restore(state.get("movement", (None, 0.0)))  # recordings from before it was remembered
        if "context" in state:
            self._context.restore(state["context"])
        else:  # recordings of before 1.7.0
            self._context.reset()

    def __call__(self, windows: Mapping[str, Window]) -> list[Reading]:
        window = windows["ppg"]
        moved, unseen = self._movement.look(windows, WINDOW_S, window.end)
        signal = quality.usable(window, WINDOW_S, RATE_HZ, self._channel, care=Care.FORM)
        if signal.reason:
            return self._refused(window.end, signal.reason, None)
        wave = self._upright(prepared(signal.x))
        beats = find_beats(wave, RATE_HZ)
        trust = quality.noise_quality(signal.x, wave, beats, RATE_HZ)
        if unseen or (moved is not None and moved >= SHAKEN):
            return self._refused(window.end, "motion", trust, {} if moved is None else {"motion": moved})
        usual_bpm = 60.0 / float(median(beats.ibi)) if len(beats) > 1 else 0.0
        if moved is not None and self._movement.keeps_time(windows["acc"], WINDOW_S, usual_bpm):
            return self._refused(window.end, "motion", trust, {"motion": moved})
        if trust < quality.MIN_QUALITY:
            return self._refused(window.end, "low_quality", trust)
        if abs(steepness(wave)) < _EVEN and periodicity(wave, RATE_HZ)[1] > _SELF_ALIKE:
            return self._refused(window.end, "out_of_distribution", trust)
        before, before_s = self._context.lean(window.start)
        verdict = self._judged(wave, features(wave, beats), before)
        six = verdict.probabilities.tolist()
        detail: dict[str, Any] = {f"p_{name}": p for name, p in zip(LABELS, six, strict=True)}
        detail |= {"p_AF_alone": verdict.p_af_alone, "before_s": before_s, "p_none": verdict.p_none}
        detail["threshold"] = self._calibration.af_threshold
        if moved is not None:
            detail["motion"] = moved
        if not verdict.decision:
            return self._refused(window.end, "out_of_distribution", trust, detail)
        self._context.hear(window.end, verdict.alone)
        trust *= 1.0 - verdict.p_none
        return [
            Reading(
                "ppg.rhythm", window.end, verdict.decision, "", trust, detail=detail, model=str(self._model.identity)
            ),
            Reading("ppg.quality", window.end, trust, "", trust, detail={"beats": len(beats)}),
            _perfusion(window.end, signal.x, beats, wave, trust),
        ]

    def _judged(self, wave: Floats, seen: Floats, before: Floats) -> Verdict:
        network = self._model.run(*self._calibration.inputs(wave, seen))[0][0].astype(np.float64)
        logits = blended(network, self._trees(seen), self._calibration.trees_share)
        return decide(logits, before, self._calibration)

    def _refused(
        self, t: float, reason: str, trust: float | None, detail: Mapping[str, Any] | None = None
    ) -> list[Reading]:
        told = dict(detail or {})
        seen = trust or 0.0
        return [
            Reading("ppg.rhythm", t, None, "", seen, reason, told, model=str(self._model.identity)),
            Reading("ppg.quality", t, trust, "", seen, reason),
            Reading("ppg.perfusion", t, None, "%", seen, reason),
        ]


def _perfusion(t: float, raw: Floats, beats: BeatList, wave: Floats, trust: float) -> Reading:
    swing = float(band_passed(raw, RATE_HZ).std() / wave.std())  # raw units per unit of the wave
    index = perfusion_index(raw, BeatList(beats.peak, beats.onset, beats.amplitude * swing))
    low, high = _PLAUSIBLE_PERFUSION
    if index is None or not low <= index <= high:  # scaled or band-passed before it came here: no steady part
        return Reading("ppg.perfusion", t, None, "%", trust, "out_of_distribution")
    return Reading("ppg.perfusion", t, index, "%", trust)
