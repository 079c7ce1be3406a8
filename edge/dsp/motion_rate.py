"""Heart rate while the wearer moves: what the accelerometer explains is taken out of the pulse wave first.

Inside each 8 s window every PPG channel is regressed on the accelerometer's axes at lags up to 160 ms (ridge), the
residual's Hann spectrum is read on a grid of 1 bpm, and a hidden-Markov forward pass follows the rate over windows
(after Zhang et al., IEEE TBME 2015;62:522 and Bieri et al., UAI 2023). Only samples before a window's end are used.
Without an accelerometer the regression is left out and the rest stands. No learned weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge.dsp.filters import butterworth, zero_phase
from edge.dsp.rate_tracker import RateTracker

Floats = NDArray[np.float64]

RATE_HZ: Final = 25.0
WINDOW_S: Final = 8.0
GRID_BPM: Final = np.arange(30.0, 223.0)
_BAND_HZ = (0.4, 8.0)
_LAGS = (-4, -2, 0, 2, 4)
_RIDGE = 0.3
_STEP_SD_PER_S = 0.03
_PRIOR_BPM, _PRIOR_SD = 95.0, 0.45
# Chosen on the 13 recordings of SPC 2015; the optimum is flat (mean absolute error 1.5 to 1.6 all around).
_SHARPNESS = 3.5
_FLOOR = 0.05
_HARMONIC = 0.3


class MotionRate:
    """Follows the rate from window to window; ``update`` in order of time."""

    def __init__(self) -> None:
        self._tracker = RateTracker(GRID_BPM, _STEP_SD_PER_S, prior_bpm=_PRIOR_BPM, prior_sd=_PRIOR_SD)

    def reset(self) -> None:
        self._tracker.reset()

    def state(self) -> dict[str, Any]:
        """Everything needed to go on, in MessagePack's types."""
        return self._tracker.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state()``."""
        self._tracker.restore(state)

    @property
    def posterior(self) -> Floats:
        return self._tracker.posterior

    def update(self, ppg: Floats, acc: Floats | None, dt_s: float) -> tuple[float, float]:
        """Rate and its standard deviation, bpm, of the last 8 s.

        ppg: ``(n, channels)`` and acc ``(n, axes)`` at 25 Hz on one grid, at least 8 s, ending at the window's end;
        dt_s: time since the last call.
        """
        return self._tracker.update(evidence(ppg, acc), dt_s)


def evidence(ppg: Floats, acc: Floats | None) -> Floats:
    """How well each rate of ``GRID_BPM`` explains the last 8 s, ``(193,)``, at most about 1."""
    power = spectrum(ppg, acc)
    share = (power / (power.sum(axis=1, keepdims=True) + 1e-12)).mean(axis=0)
    share = share + _HARMONIC * np.interp(2 * GRID_BPM, GRID_BPM, share, right=0.0)
    top = float(share.max())
    return np.asarray((share / top + _FLOOR) ** _SHARPNESS) if top > 0 else np.ones(len(GRID_BPM))


def spectrum(ppg: Floats, acc: Floats | None) -> Floats:
    """Power of each channel's residual at each rate, ``(channels, 193)``."""
    n = round(WINDOW_S * RATE_HZ)
    x = zero_phase(ppg, butterworth(2, _BAND_HZ, RATE_HZ, "band"))
    if acc is not None:
        x = residual(x, zero_phase(acc, butterworth(2, _BAND_HZ, RATE_HZ, "band")))
    x = x[-n:]
    x = x / (x.std(axis=0) + 1e-12)
    cos, sin = _basis(n)
    return np.asarray(((cos @ x) ** 2 + (sin @ x) ** 2).T)


def residual(x: Floats, motion: Floats) -> Floats:
    """``x`` ``(n, channels)`` minus what lagged copies of ``motion`` ``(n, axes)`` explain over the last 8 s."""
    n = round(WINDOW_S * RATE_HZ)
    reach = max(_LAGS)
    padded = np.concatenate([motion, np.repeat(motion[-1:], reach, axis=0)])
    if len(motion) < n + reach:
        padded = np.concatenate([np.repeat(motion[:1], n + reach - len(motion), axis=0), padded])
    end = len(padded) - reach
    columns = np.concatenate([padded[end - n - lag : end - lag] for lag in _LAGS], axis=1)
    scale = columns.std(axis=0)
    columns = (columns - columns.mean(axis=0)) / (scale + 1e-9)
    y = x[-n:] - x[-n:].mean(axis=0)
    gram = columns.T @ columns
    gram[np.diag_indices_from(gram)] += _RIDGE * np.trace(gram) / len(gram) + 1e-9
    return np.asarray(y - columns @ np.linalg.solve(gram, columns.T @ y))


@lru_cache(maxsize=4)
def _basis(n: int) -> tuple[Floats, Floats]:
    t = np.arange(n) / RATE_HZ
    angle = 2 * np.pi * GRID_BPM[:, None] / 60.0 * t[None, :]
    window = np.hanning(n)
    return np.cos(angle) * window, np.sin(angle) * window
