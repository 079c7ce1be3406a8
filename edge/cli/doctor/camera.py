"""What ``doctor`` sees in a camera's pictures: frozen, dark, overexposed, without colour, flickering, too few.

Flicker of lamps (100 or 120 Hz) shows in pictures as a fast ripple of brightness, or as bands where the sensor reads row
by row; a person's movement and breath are slow. Judged from rows' mean brightness between neighbouring pictures.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from edge.cli.doctor.faults import Finding, fault, fine
from edge.types import Block

DARK, BRIGHT = 35.0, 250.0
_BRIGHT_SHARE = 0.3
_FLICKER = 0.02  # ripple of brightness, of the mean
_SLOW_HZ = 15.0
_ROWS = 48
_GREY = 4.0  # mean distance of the colours of a pixel, 0..255; compression leaves up to 2 in grey pictures


class Pictures:
    """Collects what little is needed of each picture; none is kept."""

    def __init__(self) -> None:
        self._t: list[float] = []
        self._rows: list[NDArray[np.float64]] = []
        self._bright: list[float] = []
        self._colour: list[float] = []
        self._same = 0
        self._last: NDArray[np.uint8] | None = None

    def add(self, block: Block) -> None:
        frame = block.data[-1]
        grey = frame[:: max(1, len(frame) // _ROWS), ::4].mean(axis=2)
        small = np.ascontiguousarray(frame[::2, ::2])
        if self._last is not None and np.array_equal(small, self._last):
            self._same += 1
        self._last = small
        self._t.append(block.t0)
        self._rows.append(grey.mean(axis=1))
        self._bright.append(float((grey >= BRIGHT).mean()))
        self._colour.append(float(np.ptp(small, axis=2).mean()))

    def judge(self, step: str, nominal_hz: float) -> Iterator[Finding]:
        """Findings of the pictures seen so far."""
        if len(self._t) < 3:
            yield fault(step, "camera_silent", f"{len(self._t)} picture(s)")
            return
        hz = (len(self._t) - 1) / max(self._t[-1] - self._t[0], 1e-9)
        rows = np.array([r[: min(map(len, self._rows))] for r in self._rows])
        light = float(rows.mean())
        findings = []
        if self._same >= 0.9 * (len(self._t) - 1):
            findings.append(fault(step, "camera_frozen", f"{self._same + 1} pictures are all the same"))
        if light < DARK:
            findings.append(fault(step, "camera_dark", f"mean brightness {light:.0f} of 255"))
        elif float(np.mean(self._bright)) > _BRIGHT_SHARE:
            findings.append(fault(step, "camera_bright", f"{np.mean(self._bright):.0%} of the picture is white"))
        elif max(self._colour) < _GREY:
            findings.append(fault(step, "camera_grey", f"colours differ by {max(self._colour):.1f} of 255"))
        elif not findings and (ripple := _ripple(rows)) > _FLICKER:
            findings.append(fault(step, "camera_flicker", f"brightness ripples by {ripple:.1%}"))
        if hz < max(_SLOW_HZ, 0.6 * nominal_hz):
            findings.append(fault(step, "camera_slow", f"{hz:.1f} a second"))
        yield from findings or [fine(step, f"{hz:.1f} pictures a second, mean brightness {light:.0f} of 255")]


def _ripple(rows: NDArray[np.float64]) -> float:
    """Size of fast changes of the rows' brightness against their mean: second differences, which slow ones do not have."""
    fast = rows[2:] - 2 * rows[1:-1] + rows[:-2]
    return float(np.median(np.abs(fast)) / max(float(rows.mean()), 1.0))
