"""A finger in a clip whose pulse can be changed while it runs, for a device on a pseudo-terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from campaign.scaled_clock import ScaledClock

from edge.demo.pty_device import PtyDevice
from firmware_bridge.frames import StreamInfo
from firmware_bridge.simulator import SimulatedStream, Simulator

RATE_HZ = 100.0
_WIRE_INT32 = 3


class Finger:
    """Samples of its PPG, in counts; ``rate_bpm`` may be set at any time."""

    def __init__(self) -> None:
        self.rate_bpm = 72.0
        self._phase = 0.0

    def samples(self, _first: int, count: int) -> list[list[int]]:
        phase = self._phase + np.arange(1, count + 1) * self.rate_bpm / 60.0 / RATE_HZ
        self._phase = float(phase[-1])
        x = phase % 1.0
        wave = np.exp(-0.5 * ((x - 0.25) / 0.1) ** 2) + 0.35 * np.exp(-0.5 * ((x - 0.55) / 0.12) ** 2)
        return [[int(v)] for v in np.round(50_000.0 + 2_000.0 * wave)]


class NoisyLine:
    """A device whose line carries nothing but noise while ``noise`` gives some."""

    def __init__(self, device: Simulator) -> None:
        self._device = device
        self.noise: Callable[[], bytes] | None = None

    def step(self, now: float) -> bytes:
        data = self._device.step(now)
        return data if self.noise is None else self.noise()

    def receive(self, data: bytes, now: float) -> None:
        self._device.receive(data, now)


def clip(path: Path, finger: Finger, clock: ScaledClock) -> tuple[PtyDevice, NoisyLine]:
    """The finger's sensor as a serial device at ``path``, not plugged in yet."""
    stream = SimulatedStream(StreamInfo(1, "ppg", ("ir",), RATE_HZ, "counts"), finger.samples, 10, _WIRE_INT32)
    line = NoisyLine(Simulator([stream]))
    return PtyDevice(line, path, clock=clock), line
