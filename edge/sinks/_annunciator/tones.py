"""The annunciator's own sounds: bursts of short tones, more of them the more urgent."""

from __future__ import annotations

import array
import io
import math
import os
import wave
from pathlib import Path
from typing import Final

from edge.storage.disk import is_full

RATE_HZ: Final = 16_000
PULSES: Final = {"low": 2, "medium": 3, "high": 5}
_TONE_HZ: Final = (784.0, 1568.0, 2352.0)  # a fundamental with harmonics is easier to locate than a pure tone
_PULSE_S: Final = 0.15
_GAP_S: Final = 0.12
_EDGE_S: Final = 0.015


def burst(priority: str) -> bytes:
    """16-bit mono samples of one burst at ``RATE_HZ``."""
    pulse = [round(9000 * _edge(i) * _wave(i / RATE_HZ)) for i in range(round(_PULSE_S * RATE_HZ))]
    gap = [0] * round(_GAP_S * RATE_HZ)
    return array.array("h", (pulse + gap) * PULSES[priority]).tobytes()


def write_bursts(folder: Path) -> dict[str, Path]:
    """A WAV file for each priority, in memory where the disk is full; raises OSError."""
    return {priority: _kept(folder / f"annunciator-{priority}.wav", _wav(burst(priority))) for priority in PULSES}


def _kept(path: Path, content: bytes) -> Path:
    try:
        path.write_bytes(content)
    except OSError as error:
        if not is_full(error):
            raise
        memory = os.memfd_create(path.name)  # as long as the program lives
        os.write(memory, content)
        return Path(f"/proc/{os.getpid()}/fd/{memory}")
    return path


def _wav(samples: bytes) -> bytes:
    made = io.BytesIO()
    with wave.open(made, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(samples)
    return made.getvalue()


def _wave(t: float) -> float:
    return sum(math.sin(2 * math.pi * f * t) for f in _TONE_HZ) / len(_TONE_HZ)


def _edge(i: int) -> float:
    """Rise and fall without clicks."""
    left = min(i, round(_PULSE_S * RATE_HZ) - 1 - i)
    return min(1.0, left / (_EDGE_S * RATE_HZ))
