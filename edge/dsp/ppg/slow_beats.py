"""The beats of a slow heart, where noise in its long pauses rises as well: the high ones, if nothing else can be a beat.

A detector that asks for no regularity takes some of that noise for beats, and what counts maxima a beat calls the wave
poor, as there is more time between two beats. A pause says itself how it is to be read. What rises in it stands no
further out of its ripple than noise does, lies well under the beats, and is no longer there in the mean of all pauses,
each beside its beat: weak early beats come at the same time after every strong one and stay. A dicrotic wave ends before
(``second_rise``). Else, and for a faster heart, this says nothing.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edge.dsp.ppg.beats import BeatList, described
from edge.dsp.ppg.quality import beat_quality
from edge.dsp.ppg.second_rise import AHEAD_S, last_dicrotic_s, smoothed
from edge.dsp.ranks import median, quantile

Floats = NDArray[np.float64]

SLOW_BPM: Final = 52.0
"""Up to this rate of the high beats they are looked at: above it a pause is too short to say anything."""
_HIGH = 0.5  # of the upper quartile of heights
_LEAST = 5
_LAST_S = 10.0
_RISES_S, _FALLS_S = 0.3, 0.5
_AFTER_DICROTIC_S = 0.03
# Of the height of the lower beat beside it. Chosen on generated pulses, seen to hold on either half of CinC 2015's records:
# in pauses with noise the highest rise is up to 16 ripples high, in those with the weak pulse of a moved hand more.
_ANY, _USUAL, _SMALL, _RIPPLES, _STAYS = 0.36, 0.27, 0.12, 16.0, 0.12
_FALLEN = 0.5  # in the later half of a pause: a breath or a machine lets go, a pulse has fallen long before
_ALIKE, _LONGEST_RISE_S = 0.9, 0.45
_LONG_PAUSE = 0.8  # of the usual one: what joins the mean


def slow_beats(wave: Floats, beats: BeatList, rate_hz: float) -> BeatList | None:
    """The high ones of ``beats``, where their rate is at most 52 a minute and they are all there are; else None.

    wave: upright, band-passed ``(n,)``. Judged on the last 10 s and the height, form and rise of all beats.
    """
    if len(beats) < _LEAST:
        return None
    places = np.clip(np.round(beats.peak * rate_hz).astype(np.int64), 1, len(wave) - 2)
    places = places[beats.amplitude >= _HIGH * quantile(beats.amplitude, 0.75)]
    if len(places) < _LEAST:
        return None
    high = described(places, wave, rate_hz, beats.blind)
    ibi_s = np.diff(places) / rate_hz
    late_s = ibi_s[high.whole & (places[1:] >= len(wave) - _LAST_S * rate_hz)]
    if (
        high.whole.sum() < _LEAST - 1
        or not len(late_s)
        or min(median(ibi_s[high.whole]), late_s.mean()) < 60.0 / SLOW_BPM
    ):
        return None
    if float(median(high.peak - high.onset)) > _LONGEST_RISE_S:
        return None
    if quantile(beat_quality(wave, high, rate_hz), 0.2) < _ALIKE:
        return None
    return high if _pauses_are_empty(wave, high, rate_hz) else None


def _pauses_are_empty(wave: Floats, beats: BeatList, rate_hz: float) -> bool:
    """Whether nothing in the pauses between the beats of the last 10 s can be a beat."""
    places = np.round(beats.peak * rate_hz).astype(np.int64)
    ibi, whole = beats.ibi, beats.whole
    usual_s = float(median(ibi[whole]))
    height = np.minimum(beats.amplitude[1:], beats.amplitude[:-1])
    rise_s = beats.peak[1:] - beats.onset[1:]
    rough = abs(wave - smoothed(wave, rate_hz))
    highest, fallen, ripples = [], [], []
    for k in np.flatnonzero(whole & (beats.peak[1:] >= len(wave) / rate_hz - _LAST_S)):
        begin, end = _pause(float(ibi[k]), min(AHEAD_S, float(rise_s[k])), rate_hz)
        highest.append(_highest_wave(wave[places[k] : places[k + 1] + 1], begin, end, rate_hz) / height[k])
        late = wave[places[k] + (begin + end) // 2 : places[k] + end]
        fallen.append(float((np.maximum.accumulate(late) - late).max()) / height[k])
        ripples.append(rough[places[k] + begin : places[k] + end] / height[k])
    if max(highest) > _ANY or float(median(np.array(fallen))) > _FALLEN:
        return False
    noise = _RIPPLES * float(median(np.concatenate(ripples)))
    if quantile(np.array(highest), 0.8) > min(_USUAL, max(_SMALL, noise)):
        return False
    long = np.flatnonzero(whole & (ibi >= _LONG_PAUSE * usual_s))
    size = int((places[1:] - places[:-1])[long].min())
    mean = np.mean([wave[places[k] : places[k] + size] / beats.amplitude[k] for k in long], axis=0)
    begin, _ = _pause(usual_s, AHEAD_S, rate_hz)
    return _highest_wave(mean, begin, size - round(AHEAD_S * rate_hz), rate_hz) <= _STAYS


def _pause(ibi_s: float, ahead_s: float, rate_hz: float) -> tuple[int, int]:
    """From the last time for a dicrotic wave to ``ahead_s`` before the next peak, samples after a peak."""
    begin = round((float(last_dicrotic_s(ibi_s)) + _AFTER_DICROTIC_S) * rate_hz)
    return begin, max(begin + 1, round((ibi_s - ahead_s) * rate_hz))


def _highest_wave(piece: Floats, begin: int, end: int, rate_hz: float) -> float:
    """The most that a piece rises within 0.3 s and falls again within 0.5 s, of what has its top from begin to end."""
    if end <= begin:
        return 0.0
    rises, falls = round(_RISES_S * rate_hz), round(_FALLS_S * rate_hz)
    padded = np.pad(piece, (rises, falls), constant_values=np.inf)
    before = sliding_window_view(padded[: rises + end], rises + 1)[begin:].min(axis=1)
    after = sliding_window_view(padded[rises + begin : rises + end + falls], falls + 1).min(axis=1)
    return float((piece[begin:end] - np.maximum(before, after)).max())
