"""A window of heart sound, listened to: gaps, level, clipping, then the picture the network sees and what else shows.

``listen`` refuses what cannot be a heart sound before any picture is made; ``refusal`` judges, with the network's "not
a heart sound" probability beside it, what remains. Both are functions of one window alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.dsp.filters import within_reach
from edge.dsp.pcg import frontend, quality
from edge.dsp.pcg.dropout import filled, spans, written_holes
from edge.dsp.pcg.hum import without_hum
from edge.dsp.pcg.steps import coarse_step, with_steps_hidden
from edge.dsp.pcg.struck import is_struck
from edge.dsp.pcg.tones import is_tonal
from edge.types import Window

MIN_SOUND_S = 3.0
MIN_RATE_HZ = 1000.0  # 500 Hz of bandwidth
MAX_MISSING_S = 0.1
MAX_RATE_HZ = 48_000.0
MIN_RATE_PERIODICITY = (0.3, 0.5)  # of beats up to 0.6 s long, and the most that is asked of longer ones
_SHORT_BEAT_S, _MORE_A_SECOND = 0.6, 0.3
_MIN_LEVELS = 12  # fewer distinct values are an open input, not a sound
_DEVICE_SAYS = ("sensor_off", "saturated")


@dataclass(frozen=True, slots=True, eq=False)
class Sound:
    """One window, ready to be judged: ``y`` at 2 kHz, its log-mel picture ``(40, frames)``, and what was measured.

    low, high: natural logarithms of the shares of power under 200 Hz and above 350 Hz. tonal: lines hold most of it,
    or a pitch lasts. struck: its sounds start at once and die away. hidden: noise would hide a quiet murmur; feigned:
    or be taken for one."""

    y: NDArray[np.float32]
    picture: NDArray[np.float32]
    pulse: quality.Pulse
    spikes: int
    clipped: float
    low: float
    high: float
    tonal: bool
    struck: bool
    hidden: bool
    feigned: bool


def listen(window: Window, channel: int = 0) -> tuple[Sound | None, str]:
    """The window as a Sound, or None and the reason why not."""
    for word in _DEVICE_SAYS:
        if word in window.flags:
            return None, word
    x, reason = samples(window, channel)
    if x is None:
        return None, reason
    return listen_to(x, window.rate)


def listen_to(x: NDArray[Any], rate_hz: float) -> tuple[Sound | None, str]:
    """Samples (n,) of any unit as a Sound, or None and the reason why not."""
    if rate_hz < MIN_RATE_HZ or rate_hz > 4 * MAX_RATE_HZ:
        return None, "low_quality"
    if len(x) < (MIN_SOUND_S - 0.01) * rate_hz:
        return None, "too_short"
    if _is_silent(x):
        return None, "no_signal"
    x = within_reach(x)
    clipped = quality.clipped_share(x)
    if clipped > quality.MAX_CLIPPED:
        return None, "saturated"
    holes = written_holes(x, rate_hz)
    if sum(b - a for a, b in holes) > MAX_MISSING_S * rate_hz:
        return None, "gap"
    y = with_steps_hidden(frontend.to_internal(filled(x, holes), rate_hz), coarse_step(x))
    y, spikes = frontend.remove_spikes(y)
    y = without_hum(y)
    if not float(np.abs(y).max()) > 1e-7 * float(np.abs(x).max()):
        return None, "no_signal"
    tonal = is_tonal(y)
    if not tonal and quality.piles_up(x):
        return None, "saturated"
    picture = frontend.with_upper_bands(frontend.log_mel(y), rate_hz)
    pulse = quality.heart_rate(picture)
    power = np.exp(picture)
    low, high = quality.power_shares(power)
    shares = math.log(low + 1e-6), math.log(high + 1e-6)
    noise = quality.noise_between(power)
    hidden, feigned = quality.hides_murmurs(picture, noise), quality.feigns_murmurs(picture, pulse, noise)
    return Sound(y, picture, pulse, spikes, clipped, *shares, tonal, is_struck(power), hidden, feigned), ""


def refusal(sound: Sound, foreign: float, foreign_limit: float, *, murmur: bool = False) -> str:
    """Why this is no usable heart sound, or an empty word. foreign: probability that it is none; murmur: whether one
    would be said to be present, for which speech beside a heart is taken."""
    periodic = sound.pulse.periodicity >= quality.MIN_PERIODICITY
    strange = foreign >= foreign_limit or sound.tonal or sound.struck
    strange = strange or sound.low < math.log(quality.MIN_LOW_SHARE)
    heart = periodic and not strange
    if (murmur or not heart) and quality.voiced_s(sound.y, sound.picture) >= quality.SPEECH_RUN_S:
        return "speech"
    if heart:
        return ""
    noise = not sound.tonal and sound.low >= math.log(quality.MIN_FRICTION_LOW_SHARE)
    if noise and quality.friction_share(sound.picture) >= quality.MIN_FRICTION:
        return "friction"
    return "out_of_distribution" if strange else "no_signal"


def tells_rate(pulse: quality.Pulse) -> bool:
    """Whether the rate of a window may be said: it is told from others, and comes again strongly enough.

    A window holds few long beats, and in few some distance always comes again by chance. Of the rates that windows with
    AF would show 5 in 6 are not said for it, of those of CirCor 3.5 %, and 21 % of those that are not like the others of
    their recording.
    """
    if not pulse.told_apart:
        return False
    least, most = MIN_RATE_PERIODICITY
    return pulse.periodicity >= min(most, least + _MORE_A_SECOND * max(0.0, 60.0 / pulse.rate_bpm - _SHORT_BEAT_S))


def samples(window: Window, channel: int = 0) -> tuple[NDArray[Any] | None, str]:
    """The window's samples of one channel on an even grid, small holes filled; or None and the reason.

    A window that begins before the stream did is taken from the first sample on when at least 3 s are there.
    """
    data = window.data.reshape(len(window.data), -1) if window.data.size else window.data
    if window.data.size == 0:
        return None, "gap" if window.holes and window.holes[0][1] >= window.end else "warming_up"
    if channel >= data.shape[1]:
        return None, "no_signal"
    x = data[:, channel]
    started = window.holes[0][1] if window.holes and window.holes[0][0] <= window.start else window.start
    inner_s = math.fsum(b - a for a, b in window.holes if a > window.start)
    early = started > window.start + 2.0 / window.rate
    if inner_s > MAX_MISSING_S:
        return None, "gap"
    if window.end - started < MIN_SOUND_S - 0.01:
        return None, "warming_up" if early else "too_short"
    if np.issubdtype(x.dtype, np.floating) and not np.isfinite(x).all():
        good = np.isfinite(x)
        if (~good).sum() > MAX_MISSING_S * window.rate:
            return None, "no_signal" if not good.any() else "low_quality"
        x = filled(np.interp(np.arange(len(x)), np.flatnonzero(good), x[good]), spans(~good))
    expected = round((window.end - started) * window.rate)
    if inner_s > 0 and len(x) < expected:
        grid = started + np.arange(expected) / window.rate
        holes = [(a - started, b - started) for a, b in window.holes if a > window.start]
        x = filled(np.interp(grid, window.t, x), [(round(a * window.rate), round(b * window.rate)) for a, b in holes])
    return x, ""


def _is_silent(x: NDArray[Any]) -> bool:
    if not x.max() > x.min():
        return True
    return all(len(np.unique(part)) < _MIN_LEVELS for part in (x[:100], x[:1000], x))
