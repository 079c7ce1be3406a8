"""Where a pulse signal was last interrupted, and why: gaps, a sensor that was off, samples that hang or come twice, jumps.

Judged on the samples as they came. What follows a break is whole; what came before it says nothing of what follows.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from edge.dsp.ppg.clipping import clipped_now, is_coarse, looks_full_scale
from edge.dsp.ppg.holes import may_span
from edge.dsp.ranks import median, quantile
from edge.dsp.runs import runs
from edge.types import Window

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]
Limits = tuple[tuple[float, float], ...]

MAX_BRIDGE_S: Final = 0.12
"""Up to this long a gap is bridged: less than a rise time; a longer one could hide or invent a beat."""
_FLAT_S = 1.0  # the same number for so long is no pulse
# The rest was set on CinC 2015, Liu 2022 and SPC 2015: of the good windows hangs and steps cost 1 to 2 % of CinC's for a
# rate, 3 to 4 % for the form, and next to none of the others'; slides and repetitions none anywhere.
_HANG_S, _HANG_S_OF_FORM = 0.75, 0.25
_STRAIGHT = 1e-6  # of the usual swing: a step that differs by less is the same
_HANG_TIMES = 25  # and so many times longer than numbers repeat as a rule in a coarse converter
_JUMP_S, _JUMP = 0.05, 4.0
_GONE = ((0.05, 10.0), (1.0, 10.0), (3.0, 10.0))  # s, usual swings: a finger that goes or comes, at once or sliding
_STEP_S, _AROUND_S = 0.02, 0.15
_STEP, _STEP_OF_FORM = (26.0, 0.5), (12.0, 0.3)  # of the upper quartile of slopes, of the usual swing
_MANY_STEPS, _STEP_OF_MANY = 5, (6.0, 0.3)  # so many up and as many down, also lower ones: a lamp, as no pulse falls so
_AGAIN_S = (0.1, 5.0)  # a block sent twice is so long
_AGAIN_LEAST = 10  # samples: fewer are alike by chance
_AGAIN_VALUES = 24
_AGAIN_ALL = 0.8
_SEAM = 2.5  # of the steps beside it; of generated pulses a hundredth have a steepest one that stands out so
_SPREAD = np.uint64(0x9E3779B97F4A7C15)  # odd, so that numbers multiplied by it stay apart
_LEAST_S = 4.0
_SLOWEST_S = 3  # from beat to beat at 20 bpm
_COARSE_HZ = 25  # enough to see how high a beat is
# More, and a sensor that is off is known later than by its seconds; less, and one pause hides slow beats.
_SLOW_RANK = 0.4
_ON_AGAIN_S = 1.0  # a sensor that says for so long that it is on is on, whatever its signal does yet


class Care(Enum):
    """What is read from the wave, and so what breaks it: its spectrum under motion (which moves far and fast itself), its
    rate, or the form and time of every beat (already small steps and short hangs)."""

    SPECTRUM = 0
    RATE = 1
    FORM = 2


def after_last_break(
    window: Window, t: Floats, x: Floats, start: float, care: Care, *, holes: bool = False
) -> tuple[float, str]:
    """Where the unbroken end of the window begins, s, and what came before it.

    t ``(n,)`` s and finite x ``(n,)``: one channel from ``start`` on, at least one sample. holes: a gap that can be read
    around (``holes``) is no break. A sensor that was off by its own word and has been on for a second is told as
    ``low_quality``: it is on, and its signal has not settled.
    """
    step = 1.0 / window.rate
    if window.end - float(t[-1]) - step > MAX_BRIDGE_S:
        return window.end, "gap"
    begin, why = start, "gap"
    if float(t[0]) - start > MAX_BRIDGE_S:
        began = any(a <= window.start + step and b > start for a, b in window.holes[:1])
        begin, why = float(t[0]), "warming_up" if began else "gap"
    steps = t[1:] - t[:-1]
    if len(steps) and float(steps.max()) - step > MAX_BRIDGE_S:
        gap = _last_gap(t, x, np.flatnonzero(steps - step > MAX_BRIDGE_S) + 1, window.rate, holes)
        begin, why = (begin, why) if gap is None else (float(t[gap]), "gap")
    for last, told in _breaks(t, x, window.rate, care):
        if t[last] > begin:
            begin, why = float(t[last]), told
    off = window.flags.get("sensor_off")
    if off is None:
        return begin, why
    if off > window.end - _ON_AGAIN_S:
        return max(off, begin), "sensor_off"
    coming = why == "no_signal" and begin < off + _GONE[-1][0] + _ON_AGAIN_S  # the level, as the finger comes back
    return max(off, begin), "low_quality" if coming or off > begin else why


def _breaks(t: Floats, x: Floats, rate_hz: float, care: Care) -> Iterator[tuple[int, str]]:
    """Of each kind the last: the index from which on there is none, and its reason."""
    flat = _runs_at(x[1:] == x[:-1], round(_FLAT_S * rate_hz))
    if len(flat):
        last = min(int(flat[-1]) + 1, len(x) - 1)
        level = float(x[last])
        full = looks_full_scale(level) or clipped_now(x, level, rate_hz)
        ended = last < len(x) - round(0.5 * rate_hz)
        yield last, "low_quality" if ended else "saturated" if full else "no_signal"
    swing = usual_swing(x, rate_hz)
    if swing is None:
        return
    hang_s = _HANG_S_OF_FORM if care is Care.FORM else _HANG_S
    hang = _last_hang(x, rate_hz, swing, hang_s)
    found = [(hang, "low_quality" if hang is not None and is_coarse(x) else "gap"), (_last_again(x, rate_hz), "gap")]
    found.append((_last_line(x, rate_hz, swing, hang_s), "gap"))
    found.append((_last_change(x, rate_hz, swing, _GONE), "no_signal"))
    step = _STEP_OF_FORM if care is Care.FORM else _STEP
    found.append((_last_step(t, x, rate_hz, swing, *step), "low_quality"))
    if care is not Care.SPECTRUM:
        found.append((_last_change(x, rate_hz, swing, ((_JUMP_S, _JUMP),)), "low_quality"))
        found.append((_last_of_many_steps(x, rate_hz, swing), "low_quality"))
    yield from ((min(last, len(x) - 1), told) for last, told in found if last is not None)


def _last_gap(t: Floats, x: Floats, gaps: NDArray[np.int64], rate_hz: float, holes: bool) -> int | None:
    """The first sample after the last gap that breaks the wave; gaps: the first samples after each."""
    swing = usual_swing(x, rate_hz) if holes else None
    ends = [*gaps[1:].tolist(), len(t)]
    for after, end in zip(gaps[::-1].tolist(), ends[::-1], strict=True):
        if not holes or not may_span(t, x, after, end, swing):
            return int(after)
    return None


def usual_swing(x: Floats, rate_hz: float) -> float | None:
    """From trough to peak in a usual second, or half of a slow beat where a usual second has none, in the unit of x
    ``(n,)``; None where there are too few samples."""
    width = round(rate_hz)
    if len(x) < _LEAST_S * width:
        return None
    rows = x[len(x) % width :].reshape(-1, width)
    swings = sorted((rows.max(axis=1) - rows.min(axis=1)).tolist())
    usual = float(swings[int(0.6 * (len(swings) - 1))])
    return max(usual, 0.5 * _slow_swing(rows.ravel(), width)) + 1e-12


def _slow_swing(x: Floats, second: int) -> float:
    """How far ``x`` goes up and down again in a usual stretch as long as a beat of 20 bpm; second: how many samples.

    At 30 bpm every other second has no beat, and measured by these each beat were a change of the level. A beat goes both
    up and down; a finger that leaves or comes does one of the two, and a sensor that is off neither.
    """
    spans = sliding_window_view(x, _SLOWEST_S * second)[::second, :: max(1, second // _COARSE_HZ)]
    up = (spans - np.minimum.accumulate(spans, axis=1)).max(axis=1)
    down = (np.maximum.accumulate(spans, axis=1) - spans).max(axis=1)
    both = sorted(np.minimum(up, down).tolist())
    return float(both[int(_SLOW_RANK * (len(both) - 1))])


def _last_hang(x: Floats, rate_hz: float, swing: float, least_s: float) -> int | None:
    """After the last stretch of one number that is neither coarse conversion nor a wave clipped at its extreme."""
    same = x[1:] == x[:-1]
    if np.count_nonzero(same) < least_s * rate_hz - 1:
        return None
    edges = np.concatenate([[0], np.flatnonzero(~same) + 1, [len(x)]])
    lengths = np.diff(edges)
    long = lengths >= max(least_s * rate_hz, _HANG_TIMES * float(median(lengths)))
    for k in np.flatnonzero(long)[::-1]:
        a, b = int(edges[k]), int(edges[k + 1])
        entry, leave = abs(x[a] - x[max(a - 1, 0)]), abs(x[b - 1] - x[min(b, len(x) - 1)])
        if x.min() < x[a] < x.max() or max(entry, leave) > 0.5 * swing:
            return b
    return None


def _last_line(x: Floats, rate_hz: float, swing: float, least_s: float) -> int | None:
    """After the last stretch that climbs or falls by the same step from sample to sample, as a program draws over a gap;
    steps of one number of a converter are no such line."""
    step = x[1:] - x[:-1]
    same = abs(step[1:] - step[:-1]) <= _STRAIGHT * swing
    least = round(least_s * rate_hz) - 2
    if np.count_nonzero(same) < least:
        return None
    size, apart = abs(step), np.append(~same, True) & np.append(True, ~same)
    unit = float(size.min(where=apart & (size > 0), initial=np.inf))
    ends = _runs_at(same & (size[1:] > 0) & ~((size[1:] > 0.99 * unit) & (size[1:] < 1.5 * unit)), least)
    return int(ends[-1]) + 1 if len(ends) else None


def _last_again(x: Floats, rate_hz: float) -> int | None:
    """After the last stretch that says again, number by number, what came just before it.

    Where nearly all is said again, it is a generator that draws each beat alike, unless its pieces do not fit together.
    """
    piece = max(_AGAIN_LEAST, round(_AGAIN_S[0] * rate_hz))
    at, lags = _twins(x, piece)
    if not len(at):
        return None
    ends: list[int] = []
    seen = np.zeros(len(x), dtype=bool)
    for lag in np.flatnonzero(np.bincount(lags)[: round(_AGAIN_S[1] * rate_hz) + 1]).tolist():
        if 2 * np.count_nonzero(lags == lag) < lag - piece:
            continue
        begin, end = runs(x[lag:] == x[:-lag])
        for a, b in zip(begin.tolist(), end.tolist(), strict=True):
            if b - a >= lag - 1 and _says_much(x[a : a + lag]):
                ends.append(b + lag)
                seen[a : b + lag] = True
    if seen.mean() > _AGAIN_ALL and not _ill_fitting(x):
        return None
    return max(ends, default=None)


def _says_much(said: Floats) -> bool:
    """Whether numbers of a coarse converter or a level line could not come again by chance."""
    changes = np.count_nonzero(said[1:] != said[:-1])
    return bool(2 * changes > len(said) and len(np.unique(said)) > min(len(said) // 2, _AGAIN_VALUES))


def _twins(x: Floats, piece: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where ``piece`` samples begin that come again, number by number, at least as much later; and how much, the first
    time, samples."""
    n = len(x) - piece + 1
    nothing = np.empty(0, dtype=np.int64)
    if n <= piece:
        return nothing, nothing
    number = (x + 0.0).view(np.uint64) * _SPREAD
    number ^= number >> np.uint64(29)
    key = np.zeros(n, dtype=np.uint64)
    for k in range(piece):
        key = key * _SPREAD + number[k : k + n]
    ordered = np.sort(key)
    if not (ordered[1:] == ordered[:-1]).any():  # sorting the keys alone is quick, and as a rule no two are alike
        return nothing, nothing
    order = np.argsort(key, kind="stable")
    apart = np.diff(order)
    found = (np.diff(key[order]) == 0) & (apart >= piece)
    return order[:-1][found], apart[found]


def _ill_fitting(x: Floats) -> bool:
    """Whether the steepest step stands alone: a seam between pieces that do not belong together."""
    size = abs(np.diff(x))
    k = int(np.argmax(size))
    beside = np.concatenate([size[max(0, k - 2) : k], size[k + 1 : k + 3]])
    return bool(size[k] > _SEAM * float(beside.max(initial=0.0)))


def _last_change(x: Floats, rate_hz: float, swing: float, limits: Limits) -> int | None:
    """After the last change of the level by so many usual swings within one of some times, s."""
    reach = float(x.max() - x.min())
    ends: list[int] = []
    for lag_s, swings in limits:
        lag = max(1, round(lag_s * rate_hz))
        if reach > swings * swing and len(far := np.flatnonzero(abs(x[lag:] - x[:-lag]) > swings * swing)):
            ends.append(int(far[-1]) + lag + 1)
    return max(ends, default=None)


def _last_step(t: Floats, x: Floats, rate_hz: float, swing: float, steep: float, high: float) -> int | None:
    """After the last change within 20 ms, much steeper than a pulse, after which the level stays: a lamp, a gain."""
    lag, around = max(1, round(_STEP_S * rate_hz)), max(2, round(_AROUND_S * rate_hz))
    change = abs(x[lag:] - x[:-lag])
    limit = max(high * swing, steep * quantile(change, 0.75))
    for i in np.flatnonzero((change > limit) & (t[lag:] - t[:-lag] < (lag + 0.5) / rate_hz))[::-1]:
        before, after = x[max(0, i - around) : i + 1], x[i + lag : i + lag + around]
        if min(len(before), len(after)) >= around // 2 and abs(median(after) - median(before)) > high * swing:
            return int(i) + lag
    return None


def _last_of_many_steps(x: Floats, rate_hz: float, swing: float) -> int | None:
    """After the last of many changes such as ``_last_step`` looks for, lower, up and down: a lamp that blinks."""
    lag, around = max(1, round(_STEP_S * rate_hz)), max(2, round(_AROUND_S * rate_hz))
    steep, high = _STEP_OF_MANY
    change = x[lag:] - x[:-lag]
    size = abs(change)
    far = np.flatnonzero(size > max(high * swing, steep * quantile(size, 0.75)))
    far = far[(far >= around) & (far < len(x) - lag - around)]
    if min(_apart(far[change[far] > 0], around), _apart(far[change[far] < 0], around)) < _MANY_STEPS:
        return None
    rows = far[:, None] + np.arange(around)
    before, after = median(x[rows - around + 1].T), median(x[rows + lag].T)
    up, down = far[after - before > high * swing], far[before - after > high * swing]
    if min(_apart(up, around), _apart(down, around)) < _MANY_STEPS:
        return None
    return int(max(up[-1], down[-1])) + lag


def _apart(at: NDArray[np.int64], least: int) -> int:
    """How many places there are that lie at least so far from the one before."""
    return int(np.count_nonzero(np.diff(at) >= least)) + 1 if len(at) else 0


def _runs_at(mark: Marks, least: int) -> NDArray[np.int64]:
    """Ends (exclusive) of the runs of True at least so long."""
    if np.count_nonzero(mark) < least:
        return np.empty(0, dtype=np.int64)
    begin, end = runs(mark)
    return np.asarray(end[end - begin >= max(1, least)])
