"""Steps of the light that are too low to break a pulse wave: each is taken out, and the wave goes on at its old level.

A lamp that is switched beside the sensor adds a level at once, from one sample to the next. Lower than a beat, it is
counted as one, or hides one. A pulse rises fast as well, but goes on rising: what stands alone between two samples that
hardly move is a step. Higher ones break the wave (``breaks``). Among movement a step is what no accelerometer
explains, and a rate is made of it where it stays: of 3,642 stretches of SPC 2015 none has one.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edge.dsp.ppg.breaks import usual_swing
from edge.dsp.ppg.clipping import usual_run
from edge.dsp.ranks import median, quantile

Floats = NDArray[np.float64]

_LEAST_HZ = 50.0  # sampled more slowly, a pulse may rise from one sample to the next, too
_STEP_S, _AROUND_S = 0.02, 0.15
# Of the usual swing; of the upper quartile of slopes; and how much the wave may move beside it, as a share of the step.
# Of 3,309 windows of CinC 2015 fifty have such a step, and in 45 of these a higher one breaks the wave anyhow.
_HIGH, _STEEP, _BESIDE = 0.3, 10.0, 0.25
_STEEP_AMONG_MOVEMENT = 4.0  # where nearly all the time the wave moves far


def without_light_steps(t: Floats, x: Floats, rate_hz: float, *, moving: bool = False) -> Floats:
    """``x (n,)`` as sampled at ``t`` s, ``rate_hz`` as a rule, without such steps; ``x`` itself where there are none.
    moving: the wave is as much the wearer's movement as a pulse."""
    if rate_hz < _LEAST_HZ:
        return x
    swing = usual_swing(x, rate_hz)
    lag, around = max(1, round(_STEP_S * rate_hz)), max(2, round(_AROUND_S * rate_hz))
    change = x[lag:] - x[:-lag]
    if swing is None or abs(change).max() <= _HIGH * swing:
        return x
    steep = _STEEP_AMONG_MOVEMENT if moving else _STEEP
    far = abs(change) > max(_HIGH * swing, steep * quantile(abs(change), 0.75))
    at = np.flatnonzero(far & (t[lag:] - t[:-lag] < (lag + 0.5) / rate_hz))  # over a gap a pulse goes far
    at = at[(at >= lag) & (at < len(x) - 2 * lag)]
    if not len(at) or usual_run(x) > 1:  # what is held for several samples has steps everywhere
        return x
    out, last = x, -around
    for i in at.tolist():
        beside = (x[i] - x[i - lag], x[i + 2 * lag] - x[i + lag])
        if i - last < around or max(abs(beside[0]), abs(beside[1])) > _BESIDE * abs(change[i]):
            continue
        before, after = x[max(0, i - around) : i + 1], x[i + lag : i + lag + around]
        if abs(median(after) - median(before)) > _HIGH * swing:
            out, last = out.copy() if out is x else out, i
            level = out[i] + 0.5 * (beside[0] + beside[1])
            out[i + 1 : i + lag] = 0.5 * (out[i] + level)
            out[i + lag :] += level - out[i + lag]
    return out
