"""How a network (``models/pulse``) divides its belief among the heart rates of a window at rest."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.dsp.rest.spectra import GRID_BPM, RATE_HZ, network_input

Floats = NDArray[np.float64]
Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""``network_input`` to logits over ``GRID_BPM``, ``(1, 1, 1, 96)``."""

FIGURES: Final = ("believed", "elsewhere", "nowhere", "in_half", "in_double")
_RIGHT_BPM, _AROUND_BPM = 5.0, 6.0
_FLOOR = 1e-3
_WITHIN: Final = abs(GRID_BPM[:, None] - GRID_BPM[None, :]) <= _RIGHT_BPM


@dataclass(frozen=True, slots=True, eq=False)
class Belief:
    """share: of each of ``GRID_BPM``, ``(96,)``; nowhere: of no rate that can be told. Together 1."""

    share: Floats
    nowhere: float

    @classmethod
    def of(cls, logits: NDArray[np.float32]) -> Belief:
        """Of the network's answer; "nowhere" has the logit zero."""
        z = logits.reshape(-1).astype(np.float64)
        top = max(0.0, float(z.max()))
        e, rest = np.exp(z - top), float(np.exp(-top))
        total = float(e.sum()) + rest
        return cls(e / total, rest / total)

    @property
    def bpm(self) -> float:
        """The rate with most belief within 5 bpm, as the mean of what lies there."""
        best = GRID_BPM[int(np.argmax(_WITHIN @ self.share))]
        near = self.share * (abs(GRID_BPM - best) <= _AROUND_BPM)
        return float((near * GRID_BPM).sum() / near.sum()) if near.any() else float(best)

    def within(self, bpm: float) -> float:
        """Belief within 5 bpm of a rate, 0 to 1."""
        return float(self.share[abs(GRID_BPM - bpm) <= _RIGHT_BPM].sum())

    def figures(self, bpm: float) -> tuple[float, ...]:
        """``FIGURES`` of a rate: logarithms of the belief in it, in the likeliest further off, in none, in its half and its
        double."""
        far = abs(GRID_BPM - bpm) > _AROUND_BPM
        other = float((_WITHIN @ self.share)[far].max())
        parts = (self.within(bpm), other, self.nowhere, self.within(bpm / 2), self.within(2 * bpm))
        return tuple(float(np.log(part + _FLOOR)) for part in parts)


def believed(wave: Floats, rate_hz: float, network: Network) -> Belief:
    """Of an upright band-passed wave; ValueError for less than 7.5 s of it."""
    step = round(rate_hz / RATE_HZ)
    return Belief.of(network(network_input(wave[len(wave) % step :: step])))
