"""Is this a usable pulse wave? Judged on noise and on what the sensor does, never on how regular the beats are.

``usable`` looks at the raw samples (warming up, gaps, flat line, clipping, a sensor that is off) and puts them on a
grid; ``noise_quality`` looks at the band-passed wave: the rises of its beats, outliers, and the share of power where
pulses live (Elgendi, Bioengineering 2016;3:21). Matching whole beats to a template is left out: it throws atrial
fibrillation away. ``motion_level`` is the accelerometer's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from edge.dsp.beats import BeatList
from edge.dsp.filters import within_reach
from edge.dsp.resample import to_grid
from edge.types import Window

Floats = NDArray[np.float64]

MAX_BRIDGE_S: Final = 0.12
"""Up to this long a gap is bridged: less than a rise time; a longer one could hide or invent a beat."""
MOVING: Final = 0.08
"""RMS of the accelerometer over its mean length, from which the rate is read with the motion taken out."""
SHAKEN: Final = 0.25
"""From here on no rhythm is read."""
MIN_QUALITY: Final = 0.18
_MIN_RATE_HZ = 20.0
_CLIPPED_SHARE = 0.06
_CLIPPED_SHARE_FLAGGED = 0.01
_FLAT_S = 1.0  # the same number for so long is no pulse
_JUMP = 4.0
_FEW = 4
_WEIGHTS = (1.78, -9.1, -3.6, -0.68, 0.4)
_OFFSET = 2.44


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """One channel on a grid without holes, ``x (n,)`` at ``rate_hz``; or a reason why there is none."""

    x: Floats
    rate_hz: float
    reason: str = ""


def usable(window: Window, span_s: float, rate_hz: float, channel: int = 0, least_s: float | None = None) -> Signal:
    """What follows the last break, up to ``span_s`` before the window's end, on a grid of ``rate_hz``; or why not.

    least_s: the shortest that will do (default: all of ``span_s``). A break is a gap, a flat stretch, or a jump of the
    level far beyond the pulse (a finger that left, a lamp switched on).
    """
    t, x, begin, reason = _unbroken(window, span_s, channel, span_s if least_s is None else least_s)
    if reason:
        return Signal(np.empty(0), rate_hz, reason)
    y, _ = to_grid(t, x, begin, window.end, rate_hz, MAX_BRIDGE_S)
    return Signal(y, rate_hz)


def fault(window: Window, span_s: float, channel: int = 0, least_s: float | None = None) -> str:
    """The reason ``usable`` would give, "" for none, without putting anything on a grid."""
    return _unbroken(window, span_s, channel, span_s if least_s is None else least_s)[3]


def _unbroken(window: Window, span_s: float, channel: int, least_s: float) -> tuple[Floats, Floats, float, str]:
    """Samples after the last break, when it ended, and why they will not do ("" when they will)."""
    nothing = np.empty(0)
    start = window.end - span_s
    if window.rate < _MIN_RATE_HZ:
        return nothing, nothing, start, "low_quality"
    t, x = samples(window, start, channel)
    if not len(t):
        return nothing, nothing, start, "no_signal" if window.coverage > 0 or not window.holes else "gap"
    begin, why = _after_last_break(window, t, x, start)
    if window.end - begin < least_s - 0.5 / window.rate:
        if why == "no_signal" and "sensor_off" in window.flags:
            why = "sensor_off"
        return nothing, nothing, begin, why
    first = int(np.searchsorted(t, begin - 0.25 / window.rate))
    t, x = t[first:], x[first:]
    clipped = _clipped(x)
    saturated = clipped >= _CLIPPED_SHARE or ("saturated" in window.flags and clipped > _CLIPPED_SHARE_FLAGGED)
    return t, x, begin, "saturated" if saturated else ""


def columns(window: Window) -> Floats:
    """The samples as float64 ``(n, channels)``, also where there are none; in another unit where theirs is too odd."""
    data = within_reach(np.asarray(window.data, dtype=np.float64))
    return data if data.ndim == 2 else data.reshape(len(data), int(np.prod(data.shape[1:])))


def samples(window: Window, start: float, channel: int) -> tuple[Floats, Floats]:
    """Times and finite values of one channel from ``start`` on; none where the stream has no such channel."""
    data = columns(window)
    if channel >= data.shape[1]:
        return np.empty(0), np.empty(0)
    first = int(np.searchsorted(window.t, start - 0.25 / window.rate))
    t, x = window.t[first:], np.ascontiguousarray(data[first:, channel])
    finite = np.isfinite(x)
    return (t, x) if finite.all() else (t[finite], x[finite])


def _after_last_break(window: Window, t: Floats, x: Floats, start: float) -> tuple[float, str]:
    """Where the unbroken end of the window begins, s, and what came before it."""
    step = 1.0 / window.rate
    if window.end - float(t[-1]) - step > MAX_BRIDGE_S:
        return window.end, "gap"
    begin, why = start, "gap"
    if float(t[0]) - start > MAX_BRIDGE_S:
        began = any(a <= window.start + step and b > start for a, b in window.holes[:1])
        begin, why = float(t[0]), "warming_up" if began else "gap"
    steps = t[1:] - t[:-1]
    if len(steps) and float(steps.max()) - step > MAX_BRIDGE_S:
        gap = int(np.flatnonzero(steps - step > MAX_BRIDGE_S)[-1])
        begin, why = float(t[gap + 1]), "gap"
    flat = _runs_at(x[1:] == x[:-1], round(_FLAT_S * window.rate))
    if len(flat):
        last = min(int(flat[-1]) + 1, len(t) - 1)
        if t[last] > begin:
            level = float(x[last])
            full = _looks_full_scale(level) or _clipped_now(x, level, window.rate)
            ended = last < len(t) - round(0.5 * window.rate)
            begin, why = float(t[last]), "low_quality" if ended else "saturated" if full else "no_signal"
    jump = _last_jump(x, window.rate)
    if jump is not None and t[jump] > begin:
        begin, why = float(t[jump]), "low_quality"
    return begin, why


def _runs_at(mark: NDArray[np.bool_], least: int) -> NDArray[np.int64]:
    """Ends (exclusive) of the runs of True at least so long."""
    if np.count_nonzero(mark) < least:
        return np.empty(0, dtype=np.int64)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mark.astype(np.int8), [0]])))
    begin, end = edges[::2], edges[1::2]
    return np.asarray(end[end - begin >= max(1, least)], dtype=np.int64)


def _clipped_now(x: Floats, level: float, rate_hz: float) -> bool:
    """Whether a flat end is an extreme that the pulse runs into again and again: a converter at its limit."""
    if level not in (float(x.max()), float(x.min())) or x.max() == x.min():
        return False
    runs = _runs(x == level)
    return int((runs >= max(3, round(0.05 * rate_hz))).sum()) >= 3


def _last_jump(x: Floats, rate_hz: float) -> int | None:
    """Index after the last change within 50 ms that dwarfs the swing of a usual second; None without one."""
    width = round(rate_hz)
    lag = max(1, round(0.05 * rate_hz))
    if len(x) < 4 * width:
        return None
    rows = x[len(x) % width :].reshape(-1, width)
    swings = sorted((rows.max(axis=1) - rows.min(axis=1)).tolist())
    usual = swings[int(0.6 * (len(swings) - 1))]
    if x.max() - x.min() <= _JUMP * usual + 1e-12:
        return None
    far = np.flatnonzero(abs(x[lag:] - x[:-lag]) > _JUMP * usual + 1e-12)
    return int(far[-1]) + lag + 1 if len(far) and far[-1] + lag + 1 < len(x) else None


def _looks_full_scale(level: float) -> bool:
    """A constant at the top of a converter: 2^k - 1 for 12 to 24 bits, signed or not."""
    return any(abs(level - (2**k - 1)) < 0.5 for k in range(12, 25))


def _clipped(x: Floats) -> float:
    """Share of samples that sit at an extreme for at least three in a row (or three times the usual repetition)."""
    at = [x == extreme for extreme in (x.max(), x.min())]
    runs = np.concatenate([_runs(mark) if np.count_nonzero(mark) >= 3 else np.empty(0, dtype=np.int64) for mark in at])
    runs = runs[runs >= 3]
    share = float(runs.sum()) / len(x)
    if share <= _CLIPPED_SHARE_FLAGGED:  # too little to matter, whatever the usual repetition is
        return share
    return float(runs[runs >= 3 * _usual_run(x)].sum()) / len(x)


def _usual_run(x: Floats) -> int:
    """How often a value is repeated as a rule: 2 where a source sends every sample twice."""
    changes = np.flatnonzero(np.diff(x) != 0)
    return int(np.median(np.diff(changes))) if len(changes) > 2 else 1


def _runs(mark: NDArray[np.bool_]) -> NDArray[np.int64]:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mark.astype(np.int8), [0]])))
    return np.asarray(edges[1::2] - edges[::2], dtype=np.int64)


def noise_quality(raw: Floats, wave: Floats, beats: BeatList, rate_hz: float) -> float:
    """0 to 1: how likely the beats found are the heart's. raw: on the grid; wave: band-passed, upright.

    A logistic rule over five figures of form, none of regularity: weakest likeness of the rises, spread of their
    duration and of their steepness, maxima per beat, outliers. Fitted on 2,893 ten-second windows of CinC 2015 to
    "at least 0.9 of ECG and pulse beats agree", irregular rhythms included.
    """
    if len(beats) < _FEW or wave.std() <= 0:
        return 0.0
    rise = beats.peak - beats.onset
    slope = np.diff(wave)
    spans = zip((beats.onset * rate_hz).astype(np.int64), (beats.peak * rate_hz).astype(np.int64) + 1, strict=True)
    steep = np.array([slope[a:b].max(initial=0.0) for a, b in spans])
    maxima = int(((wave[1:-1] > wave[:-2]) & (wave[1:-1] >= wave[2:])).sum())
    square = wave * wave
    figures = (
        float(np.quantile(beat_quality(wave, beats, rate_hz), 0.2)),
        float(rise.std()),
        float(steep.std() / (steep.mean() + 1e-12)),
        maxima / len(beats),
        float(np.log(np.mean(square * square) / np.mean(square) ** 2)),
    )
    z = _OFFSET + sum(w * f for w, f in zip(_WEIGHTS, figures, strict=True))
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
    middle = np.median(rows, axis=0)
    found[inside] = np.clip(rows @ (middle / (np.sqrt(middle @ middle) + 1e-12)), 0.0, 1.0)
    return np.where(np.isnan(found), float(np.median(found[inside])), found)


def band_share(raw: Floats, rate_hz: float) -> float:
    """Power of 0.5 to 5 Hz over that of 0.5 to 15 Hz (or half the rate): 1 for a clean pulse, 0.3 for white noise."""
    n = len(raw)
    x = (raw - np.linspace(raw[0], raw[-1], n)) * np.hanning(n)
    power = abs(fft.rfft(x - x.mean())) ** 2
    freq = np.arange(len(power)) * rate_hz / n
    wide = power[(freq >= 0.5) & (freq <= 15.0)].sum()
    return float(power[(freq >= 0.5) & (freq <= 5.0)].sum() / wide) if wide > 0 else 0.0


def motion_level(acc: Window | None, span_s: float) -> float | None:
    """RMS of the accelerometer's movement over its mean length (gravity) in the last ``span_s``; None without one. Axes
    that are mostly not a number or stuck at full scale are left out."""
    if acc is None:
        return None
    rows = np.ascontiguousarray(columns(acc)[np.searchsorted(acc.t, acc.end - span_s) :].T)
    if not np.isfinite(rows).all():
        rows = rows[np.isfinite(rows).mean(axis=1) >= 0.9]
        rows = rows[:, np.isfinite(rows).all(axis=0)]
    if not rows.size:
        return None
    extremes = zip(rows.min(axis=1), rows.max(axis=1), strict=True)
    stuck = [low == high and _looks_full_scale(abs(low)) for low, high in extremes]
    rows = rows[~np.array(stuck)] if any(stuck) else rows
    n = rows.shape[1]
    if not len(rows) or n < 0.5 * span_s * acc.rate:
        return None
    gravity = float(np.sqrt((rows * rows).sum(axis=0)).sum()) / n
    away = rows - rows[:, :1]
    centre = away.sum(axis=1) / n
    moved = float(np.sqrt(max(0.0, np.vdot(away, away) / n - centre @ centre)))
    return moved / gravity if gravity > 0 else 0.0


def _ramp(value: float, low: float, high: float) -> float:
    return min(1.0, max(0.0, (value - low) / (high - low)))
