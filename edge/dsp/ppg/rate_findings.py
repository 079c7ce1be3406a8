"""What the beats of a good pulse wave confirm, contradict or leave open: bradycardia, tachycardia, asystole.

Bradycardia: the lowest mean of four consecutive intervals; tachycardia: the fastest five that are alike; asystole: the
longest stretch without a beat. "Beats are there" is never used against ventricular tachycardia. Asystole cannot be
confirmed by a pulse wave alone, as a finger that slipped looks alike; a long silence of a wave that was good, on the
same level and not flat, is all it can say.

The limits are those of CinC 2015 (40, 140 bpm, 4 s) with margins chosen on its records so that almost no true alarm is
contradicted.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.dsp.ppg.beats import BeatList, polarity
from edge.dsp.ppg.holes import seen_whole
from edge.dsp.ppg.pulse_rate import RATE_SPAN_S, BeatRate
from edge.dsp.ppg.second_rise import MOST
from edge.dsp.ranks import median

Floats = NDArray[np.float64]

_BRADY_BEATS = 4
_TACHY_BEATS = 5
_TACHY_SPREAD = 0.3
_WEAK = 0.3
_ALIKE = 0.85
_ASYSTOLE_BEATS = 4
_CONTRADICT_GAP_S = 2.5
_SILENT_S = 4.0
# Around holes, each of which may hide a beat, and of a heart that keeps their time every one: so much must be seen in all,
# and one piece of it must be longer than this heart has ever been seen to take from beat to beat.
_SILENT_AROUND_HOLES_S, _LONGER_THAN_ANY, _LEAST_INTERVALS = 5.0, 1.3, 3
_LEVEL_S, _LEVEL = 3.0, 4.0  # at a stopped pulse of CinC 2015 the level moves by 1.5 usual heights at most
# Generated pulses that stop, under noise of up to a fifth of their height: 0.97 have this; steps that pause: 0.05.
_STEEPER, _LONGEST_RISE_S, _UNEVEN, _AFTER_PEAK_S = 0.1, 0.35, 0.5, 0.5
_BRADY_YES_BPM, _BRADY_NO_BPM = 46.0, 56.0
_TACHY_YES_BPM, _TACHY_NO_BPM = 110.0, 105.0
_LITTLE_TRUST, _SOME_TRUST, _GOOD_TRUST, _HIGH_TRUST = 0.1, 0.25, 0.6, 0.9


@dataclass(frozen=True, slots=True)
class Findings:
    """What the pulse says of each condition: 1 confirms, 0 contradicts, None cannot tell; and the figures behind it."""

    brady_bpm: float | None
    tachy_bpm: float | None
    longest_gap_s: float
    brady: int | None
    tachy: int | None
    asystole: int | None

    def detail(self) -> dict[str, float | int | None]:
        """For a reading's ``detail``; figures that are not known are left out."""
        figures = {"brady_bpm": self.brady_bpm, "tachy_bpm": self.tachy_bpm}
        told: dict[str, float | int | None] = {k: v for k, v in figures.items() if v is not None}
        return told | {
            "longest_gap_s": self.longest_gap_s,
            "brady": self.brady,
            "tachy": self.tachy,
            "asystole": self.asystole,
        }


def findings(
    wave: Floats,
    beats: BeatList,
    rate_hz: float,
    rate: BeatRate,
    trust: float,
    shapes: Floats,
    fast_stretch: bool = False,
    raw: Floats | None = None,
) -> Findings:
    """What the last 10 s of an upright band-passed wave say.

    trust: quality of those 10 s, 0 to 1; shapes: likeness of every beat to the usual one, 0 to 1; fast_stretch: a
    stretch of clean fast pulse was seen; raw: the wave before its band was passed, by which a finger that slides off is
    told from a heart that stops.
    """
    end = len(wave) / rate_hz
    slow, fast = brady_bpm(beats, end), tachy_bpm(beats, end)
    if slow is not None and slow < _BRADY_NO_BPM and _beats_between(beats, rate.risen, end):
        slow = None
    gap_s, spanned_s, seen_s = gaps_s(wave, beats, rate_hz)
    around_holes = gap_s < _SILENT_S and seen_s >= _SILENT_AROUND_HOLES_S and gap_s >= _could_be_hidden_s(beats)
    silent_s, told_s = (spanned_s, seen_s) if around_holes else (gap_s, gap_s)
    asystole = _asystole(end, beats, silent_s, spanned_s, trust, shapes)
    if asystole == 1 and not _a_heart_stopped(wave, raw, beats, rate_hz, silent_s):
        asystole = None
    brady = _brady(slow, brady_bpm(rate.levelled, end), rate, trust)
    return Findings(slow, fast, told_s, brady, _tachy(fast, fast_stretch, rate, trust), asystole)


def brady_bpm(beats: BeatList, end: float) -> float | None:
    """Lowest rate over four consecutive intervals that end in the last 10 s; of fewer where four do not fit."""
    ibi = _recent_ibi(beats, end)
    if len(ibi) < 2:
        return None
    count = min(_BRADY_BEATS, len(ibi))
    sums = np.convolve(ibi, np.ones(count), mode="valid")
    return 60.0 * count / float(sums.max())


def tachy_bpm(beats: BeatList, end: float) -> float | None:
    """Fastest rate over five consecutive intervals that vary by less than three tenths, as most do in fibrillation; None
    where there are no such five."""
    ibi = _recent_ibi(beats, end)
    fives = ibi[np.arange(max(0, len(ibi) - _TACHY_BEATS + 1))[:, None] + np.arange(_TACHY_BEATS)]
    mean = fives.mean(axis=1)
    alike = mean[fives.std(axis=1) < _TACHY_SPREAD * mean]
    return 60.0 / float(alike.min()) if len(alike) else None


def _recent_ibi(beats: BeatList, end: float) -> Floats:
    return beats.ibi[beats.whole & (beats.peak[1:] >= end - RATE_SPAN_S)]


def gaps_s(wave: Floats, beats: BeatList, rate_hz: float) -> tuple[float, float, float]:
    """Longest stretch of the last 10 s without a beat of at least 0.3 of the usual earlier height, s: seen in one
    piece; over what was not seen, too; and how much of that was seen."""
    end = len(wave) / rate_hz
    earlier = beats.amplitude[beats.peak < end - RATE_SPAN_S / 2]
    usual = float(median(earlier)) if len(earlier) >= 3 else float(np.max(beats.amplitude, initial=0.0))
    real = beats.peak[beats.amplitude >= _WEAK * usual]
    start = end - RATE_SPAN_S
    marks = np.concatenate([[start], real[real > start], [end]])
    before = real[real <= start]
    if len(before):
        marks[0] = before[-1]
    spans = np.diff(marks)
    spanned = float(spans.max())
    if not beats.blind:
        return spanned, spanned, spanned
    edges = np.array(beats.blind).ravel()
    at = np.unique(np.concatenate([marks, edges[(edges > marks[0]) & (edges < marks[-1])]]))
    seen = np.where(seen_whole(at, beats.blind), np.diff(at), 0.0)
    k = int(spans.argmax())
    return float(seen.max(initial=0.0)), spanned, float(seen[(at[:-1] >= marks[k]) & (at[1:] <= marks[k + 1])].sum())


def _could_be_hidden_s(beats: BeatList) -> float:
    """How long a piece between holes may be silent while the heart goes on, s: by the longest interval that was seen
    whole."""
    ibi = beats.ibi[beats.whole]
    return _LONGER_THAN_ANY * float(ibi.max()) if len(ibi) >= _LEAST_INTERVALS else np.inf


def _brady(slow: float | None, slow_levelled: float | None, rate: BeatRate, trust: float) -> int | None:
    if slow is None:
        return None
    if slow < _BRADY_YES_BPM and trust >= _SOME_TRUST:
        return 1
    none_slow = slow_levelled is not None and min(slow, slow_levelled) >= _BRADY_NO_BPM
    return 0 if none_slow and trust >= _GOOD_TRUST and rate.agreeing else None


def _tachy(fast: float | None, fast_stretch: bool, rate: BeatRate, trust: float) -> int | None:
    if fast_stretch or (fast is not None and fast >= _TACHY_YES_BPM and trust >= _LITTLE_TRUST):
        return 1
    sure = trust >= _HIGH_TRUST and rate.agreeing == len(rate.others)
    return 0 if fast is not None and fast < _TACHY_NO_BPM and sure else None


def _asystole(end: float, beats: BeatList, gap_s: float, spanned_s: float, trust: float, shapes: Floats) -> int | None:
    late = shapes[beats.peak >= end - RATE_SPAN_S]
    alike = float(median(late)) if len(late) >= _ASYSTOLE_BEATS else 0.0
    if spanned_s < _CONTRADICT_GAP_S and alike >= _ALIKE and trust >= _SOME_TRUST:
        return 0
    earlier = shapes[_before(beats, end, gap_s)]
    steady = len(earlier) >= _ASYSTOLE_BEATS and float(median(earlier)) >= _ALIKE
    return 1 if gap_s >= _SILENT_S and steady else None


def _a_heart_stopped(wave: Floats, raw: Floats | None, beats: BeatList, rate_hz: float, silent_s: float) -> bool:
    """Whether what fell silent was a heart, on a level that stays."""
    slides = raw is not None and _slides(raw, beats, rate_hz, silent_s)
    return not slides and _were_beats(wave, beats.only(_before(beats, len(wave) / rate_hz, silent_s)), rate_hz)


def _beats_between(beats: BeatList, risen: NDArray[np.bool_], end: float) -> bool:
    """Whether most of the long intervals of the last 10 s hold a second rise, so that they show no slow heart."""
    slow = (beats.ibi > 60.0 / _BRADY_NO_BPM) & beats.whole & (beats.peak[1:] >= end - RATE_SPAN_S)
    return bool(slow.any()) and float(risen[slow].mean()) >= MOST


def _slides(raw: Floats, beats: BeatList, rate_hz: float, gap_s: float) -> bool:
    """Whether the level moves by many heights of the earlier beats from shortly before the silence to its end."""
    second = round(rate_hz)
    levels = median(raw[len(raw) % second :].reshape(-1, second).T)[-int(np.ceil(gap_s + _LEVEL_S)) :]
    earlier = beats.amplitude[beats.peak < len(raw) / rate_hz - gap_s]
    usual = float(median(earlier)) if len(earlier) else float(np.max(beats.amplitude, initial=0.0))
    return bool(np.ptp(levels) > _LEVEL * usual)


def _were_beats(wave: Floats, earlier: BeatList, rate_hz: float) -> bool:
    """Whether what came before a silence was a heart's: each step of a light or a hand that moves is alike in form, too, but
    they fall as fast as they rise, take longer, and the next one may have any height."""
    rise_s = float(median(earlier.peak - earlier.onset))
    uneven = float(abs(np.diff(np.log(earlier.amplitude + 1e-12))).mean())
    steeper = polarity(wave[: round(float(earlier.peak[-1] + _AFTER_PEAK_S) * rate_hz)])
    return steeper >= _STEEPER and rise_s <= _LONGEST_RISE_S and uneven <= _UNEVEN


def _before(beats: BeatList, end: float, gap_s: float) -> NDArray[np.bool_]:
    """Which beats came before a silence of ``gap_s`` at the end, or in its first second, as it fell silent."""
    return beats.peak < end - max(_SILENT_S, gap_s - 1.0)
