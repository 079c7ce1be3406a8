"""How much the wearer moves, by the accelerometer, and what to think when it falls silent."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge.dsp.ppg.clipping import looks_full_scale
from edge.dsp.ppg.quality import columns
from edge.dsp.tapers import hann
from edge.types import Window

Floats = NDArray[np.float64]

MOVING: Final = 0.08
"""RMS of the accelerometer over its mean length, from which the rate is read with the motion taken out."""
SHAKEN: Final = 0.25
"""From here on no rhythm is read."""
HOLD_S: Final = 600.0
"""So long after an accelerometer fell silent in mid-movement the wearer is thought to move on."""
_HANG_S = 1.0
_LIKE_GRAVITY = 0.1
# A heart moves a wrist by 0.001 to 0.005 g, in jerks; a hand that swings, a cot that rocks or a chest that is pressed
# does more.
_KEEPS_TIME, _KEEPS_TIME_SHARE, _NEAR_BPM = 0.008, 0.3, 6.0
_BAND_BPM = (30.0, 300.0)


class Movement:
    """Remembers whether the wearer moved when the accelerometer was last heard, and how long gravity was."""

    def __init__(self) -> None:
        self._moved_t: float | None = None
        self._gravity = 0.0

    def reset(self) -> None:
        self._moved_t, self._gravity = None, 0.0

    def state(self) -> list[float | None]:
        return [self._moved_t, self._gravity]

    def restore(self, state: Sequence[Any]) -> None:
        self._moved_t, self._gravity = state

    def look(self, windows: Mapping[str, Window], span_s: float, t: float) -> tuple[float | None, bool]:
        """RMS of the movement in the last ``span_s`` over the length of gravity, None where the accelerometer says nothing;
        and whether the wearer may move unseen: the last it said, at most ``HOLD_S`` before ``t``, was movement."""
        rows = _living(windows.get("acc"), span_s)
        if rows is None or self._hangs(rows, windows["acc"].rate):
            return None, self._moved_t is not None and t - self._moved_t <= HOLD_S
        moved = level(rows)
        if moved < MOVING or not self._gravity:
            self._gravity = float(np.linalg.norm(rows.mean(axis=1)))  # shaken, the mean length is longer than gravity
        self._moved_t = t if moved >= MOVING else None
        return moved, False

    def keeps_time(self, acc: Window, span_s: float, bpm: float) -> bool:
        """Whether a gentle movement of the last ``span_s`` has the rate ``bpm``: then the wave may be the movement's."""
        rows = _living(acc, span_s)
        if rows is None:
            return False
        n = rows.shape[1]
        away = (rows - rows.mean(axis=1, keepdims=True)) * hann(n)
        power = (abs(np.fft.rfft(away, axis=1)) ** 2).sum(axis=0)
        at = np.arange(len(power)) * 60.0 * acc.rate / n
        near = float(power[abs(at - bpm) <= _NEAR_BPM].sum())
        band = float(power[(at >= _BAND_BPM[0]) & (at <= _BAND_BPM[1])].sum())
        rms = (2.0 * near / (0.375 * n * n)) ** 0.5  # 0.375: the window's mean square
        gravity = self._gravity or float(np.linalg.norm(rows.mean(axis=1)))
        return near >= _KEEPS_TIME_SHARE * band and rms >= _KEEPS_TIME * gravity > 0

    def _hangs(self, rows: Floats, rate_hz: float) -> bool:
        """Whether nothing has changed for a second, and not as in a coarse accelerometer at rest, which shows gravity."""
        last = rows[:, -round(_HANG_S * rate_hz) :]
        if (last != last[:, :1]).any():
            return False
        length = float(np.linalg.norm(last[:, 0]))
        return length == 0.0 or (self._gravity > 0 and abs(length - self._gravity) > _LIKE_GRAVITY * self._gravity)


def level(rows: Floats) -> float:
    """RMS of the movement of ``(axes, n)`` over its mean length, which is gravity's."""
    n = rows.shape[1]
    gravity = float(np.sqrt((rows * rows).sum(axis=0)).sum()) / n
    away = rows - rows[:, :1]
    centre = away.sum(axis=1) / n
    moved = float(np.sqrt(max(0.0, np.vdot(away, away) / n - centre @ centre)))
    return moved / gravity if gravity > 0 else 0.0


def _living(acc: Window | None, span_s: float) -> Floats | None:
    """The axes in the last ``span_s`` ``(axes, n)``, without those that are mostly not a number or stuck at full scale;
    None where too little is left."""
    if acc is None:
        return None
    rows = np.ascontiguousarray(columns(acc)[np.searchsorted(acc.t, acc.end - span_s) :].T)
    if not np.isfinite(rows).all():
        rows = rows[np.isfinite(rows).mean(axis=1) >= 0.9]
        rows = rows[:, np.isfinite(rows).all(axis=0)]
    if not rows.size:
        return None
    extremes = zip(rows.min(axis=1), rows.max(axis=1), strict=True)
    stuck = [low == high and looks_full_scale(abs(low)) for low, high in extremes]
    rows = rows[~np.array(stuck)] if any(stuck) else rows
    return rows if len(rows) and rows.shape[1] >= 0.5 * span_s * acc.rate else None
