"""Is this a usable pulse wave? Judged on noise and on what the sensor does, never on how regular the beats are.

``usable`` looks at the raw samples (warming up, gaps, flat line, clipping, a sensor that is off) and puts them on a
grid; ``noise_quality`` looks at the band-passed wave: the rises of its beats, outliers, and the share of power where
pulses live (Elgendi, Bioengineering 2016;3:21). Matching whole beats to a template is left out: it throws atrial
fibrillation away.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.dsp.filters import within_reach
from edge.dsp.ppg.beats import BeatList
from edge.dsp.ppg.breaks import MAX_BRIDGE_S, Care, after_last_break
from edge.dsp.ppg.clipping import CLIPPED_SHARE, CLIPPED_SHARE_FLAGGED, clipped_share, is_coarse, piled_share
from edge.dsp.ppg.folded_hum import without_folded_hum
from edge.dsp.ppg.holes import Holes, holes_of, lined
from edge.dsp.ppg.light_steps import without_light_steps
from edge.dsp.ranks import median, quantile
from edge.dsp.resample import to_grid
from edge.dsp.tapers import hann
from edge.types import Window

Floats = NDArray[np.float64]

MIN_QUALITY: Final = 0.18
_MIN_RATE_HZ = 20.0
_FEW = 4
_WEIGHTS = (1.78, -9.1, -3.6, -0.68, 0.4)
_OFFSET = 2.44
_SMALL_UNIT = 1e-3  # amperes of a photodiode, say: what keeps a division from zero would count beside them


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """One channel on the grid asked for, ``x (n,)`` from ``since`` on, s; or a reason why there is none.

    holes: where a line was drawn over what was not seen, s from ``since``.
    """

    x: Floats
    since: float
    reason: str = ""
    holes: Holes = ()


def usable(
    window: Window,
    span_s: float,
    rate_hz: float,
    channel: int = 0,
    least_s: float | None = None,
    care: Care = Care.RATE,
    holes: bool = False,
) -> Signal:
    """What follows the last break, up to ``span_s`` before the window's end, on a grid of ``rate_hz`` and without
    ``folded_hum`` (of a rate, without ``light_steps`` either); or why not.

    least_s: the shortest that will do (default: all of ``span_s``). care: what breaks it. holes: whether short gaps may
    stay in it (``holes``).
    """
    nothing = np.empty(0)
    t, x, begin, reason = _unbroken(window, span_s, channel, span_s if least_s is None else least_s, care, holes)
    if reason:
        return Signal(nothing, begin, reason)
    if care is Care.RATE:
        x = without_light_steps(t, x, window.rate)
    y, _ = to_grid(t, x, begin, window.end, rate_hz, MAX_BRIDGE_S)
    changes = abs(x[1:] - x[:-1])
    whole = without_folded_hum(y, rate_hz, float(changes.min(where=changes > 0, initial=np.inf)))
    if whole is None:
        return Signal(nothing, begin, "low_quality")
    unseen = holes_of(t, begin, MAX_BRIDGE_S + 1.0 / window.rate)
    return Signal(lined(whole, unseen, rate_hz), begin, holes=unseen)


def unbroken(
    window: Window, span_s: float, channel: int = 0, least_s: float | None = None, care: Care = Care.RATE
) -> tuple[float, str]:
    """When what follows the last break begins, s, and the reason ``usable`` would give, "" for none; no grid is made, and
    short gaps stay (``holes``)."""
    return _unbroken(window, span_s, channel, span_s if least_s is None else least_s, care, True)[2:]


def _unbroken(
    window: Window, span_s: float, channel: int, least_s: float, care: Care, holes: bool = False
) -> tuple[Floats, Floats, float, str]:
    """Samples after the last break, when it ended, and why they will not do ("" when they will)."""
    nothing = np.empty(0)
    start = window.end - span_s
    if window.rate < _MIN_RATE_HZ:
        return nothing, nothing, start, "low_quality"
    t, x = samples(window, start, channel)
    if not len(t):
        return nothing, nothing, start, "no_signal" if window.coverage > 0 or not window.holes else "gap"
    begin, why = after_last_break(window, t, x, start, care, holes=holes)
    first = int(np.searchsorted(t, begin - 0.25 / window.rate))
    t, x = t[first:], x[first:]
    unseen_s = math.fsum(b - a for a, b in holes_of(t, begin, MAX_BRIDGE_S + 1.0 / window.rate)) if holes else 0.0
    if window.end - begin - unseen_s < least_s - 0.5 / window.rate:
        return nothing, nothing, begin, why
    clipped = 0.0 if care is Care.SPECTRUM else clipped_share(x)
    if care is Care.FORM:
        clipped = max(clipped, piled_share(x))
    told = "saturated" in window.flags and clipped > CLIPPED_SHARE_FLAGGED
    return t, x, begin, "saturated" if told or (clipped >= CLIPPED_SHARE and not is_coarse(x)) else ""


def columns(window: Window) -> Floats:
    """The samples as float64 ``(n, channels)``, also where there are none; in another unit where theirs is too odd."""
    data = within_reach(np.asarray(window.data, dtype=np.float64))
    return data if data.ndim == 2 else data.reshape(len(data), int(np.prod(data.shape[1:])))


def samples(window: Window, start: float, channel: int) -> tuple[Floats, Floats]:
    """Times and finite values of one channel from ``start`` on, those of a small unit in a larger one; none where the
    stream has no such channel."""
    data = columns(window)
    if channel >= data.shape[1]:
        return np.empty(0), np.empty(0)
    first = int(np.searchsorted(window.t, start - 0.25 / window.rate))
    t, x = window.t[first:], np.ascontiguousarray(data[first:, channel])
    finite = np.isfinite(x)
    t, x = (t, x) if finite.all() else (t[finite], x[finite])
    return t, within_reach(x, _SMALL_UNIT)


def noise_quality(raw: Floats, wave: Floats, beats: BeatList, rate_hz: float) -> float:
    """0 to 1: how likely the beats found are the heart's. raw: on the grid; wave: band-passed, upright.

    A logistic rule over five figures of form, none of regularity: weakest likeness of the rises, spread of their
    duration and of their steepness, maxima per beat, outliers. Fitted on 2,893 ten-second windows of CinC 2015 to
    "at least 0.9 of ECG and pulse beats agree", irregular rhythms included.
    """
    if len(beats) < _FEW or wave.std() <= 0:
        return 0.0
    rise = beats.peak - beats.onset
    slope = wave[1:] - wave[:-1]
    spans = np.column_stack([beats.onset * rate_hz, beats.peak * rate_hz]).astype(np.int64)
    spans[:, 1] += 1
    steep = np.maximum(np.maximum.reduceat(np.append(slope, 0.0), spans.ravel())[::2], 0.0)
    rising = wave[1:] > wave[:-1]
    maxima = np.count_nonzero(rising[:-1] & ~rising[1:])
    square = wave * wave
    figures = (
        quantile(beat_quality(wave, beats, rate_hz), 0.2),
        float(rise.std()),
        float(steep.std() / (steep.mean() + 1e-12)),
        maxima / len(beats),
        float(np.log(np.mean(square * square) / np.mean(square) ** 2)),
    )
    z = _OFFSET + math.fsum(w * f for w, f in zip(_WEIGHTS, figures, strict=True))
    noise = _ramp(band_share(raw, rate_hz), 0.3, 0.6)
    return noise / (1.0 + float(np.exp(-z)))


def beat_quality(wave: Floats, beats: BeatList, rate_hz: float) -> Floats:
    """Per beat 0 to 1: likeness of its rise (0.2 s before to 0.1 s after the peak) to the median rise, any height."""
    before, after = round(0.2 * rate_hz), round(0.1 * rate_hz)
    at = np.round(beats.peak * rate_hz).astype(np.int64)
    inside = (at >= before) & (at < len(wave) - after)
    found = np.full(len(beats), np.nan)
    if inside.sum() < 3:
        return np.where(np.isnan(found), 0.5, found)
    rows = wave[at[inside][:, None] + np.arange(-before, after)]
    rows = rows - rows.mean(axis=1, keepdims=True)
    rows = rows / (np.sqrt((rows * rows).sum(axis=1, keepdims=True)) + 1e-12)
    middle = median(rows)
    found[inside] = np.clip(rows @ (middle / (np.sqrt(middle @ middle) + 1e-12)), 0.0, 1.0)
    return np.where(np.isnan(found), float(median(found[inside])), found)


def band_share(raw: Floats, rate_hz: float) -> float:
    """Power of 0.5 to 5 Hz over that of 0.5 to 15 Hz (or half the rate): 1 for a clean pulse, 0.3 for white noise."""
    n = len(raw)
    x = (raw - np.linspace(raw[0], raw[-1], n)) * hann(n)
    power = abs(np.fft.rfft(x - x.mean())) ** 2
    freq = np.arange(len(power)) * rate_hz / n
    wide = power[(freq >= 0.5) & (freq <= 15.0)].sum()
    return float(power[(freq >= 0.5) & (freq <= 5.0)].sum() / wide) if wide > 0 else 0.0


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))
