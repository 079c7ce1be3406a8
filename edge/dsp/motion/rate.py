"""Heart rate while the wearer moves: a hidden-Markov forward pass over what each window's spectra say of each rate.

What they say is weighed by a tiny network over the bpm axis where it is given and there is an accelerometer
(``models/motion``), else by the residual's spectrum alone, without learned weights. The forward pass is that of
BeliefPPG (Bieri et al., UAI 2023); nothing comes from a window's future.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge.dsp.motion.spectra import GRID_BPM, ON_GRID, Marks, Spectra, network_input, spectra
from edge.dsp.rate_tracker import RateTracker

Floats = NDArray[np.float64]
Network = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""``network_input`` to logits over ``GRID_BPM``, ``(1, 1, 1, 193)``."""

PRIOR_BPM: Final = 95.0
PRIOR_SD: Final = 0.45
FULL_WEIGHT_S: Final = 2.0
"""Windows this far apart count in full; closer ones, which share more, count less."""
_STEP_SD_PER_S = 0.03
# Chosen on the 13 recordings of SPC 2015; the optimum was flat: within 0.1 bpm of error all around.
_SHARPNESS = 3.5
_FLOOR = 0.05
_HARMONIC = 0.3
# With the network, chosen on the same recordings, each by a network that never saw it; as flat an optimum.
_NETWORK_STEP_SD_PER_S = 0.026
_NETWORK_LEAK = 5e-7
_NETWORK_SHARE, _RULE_SHARE = 0.5, 0.5
_SD_SCALE = 0.85
"""The posterior is a little too wide: so scaled, 0.97 of the errors on those recordings lie under two of it."""
_NEAR_BPM, _BAND_COUNTS, _STANDS_OUT = 8.0, 2.0, 1.79
# Of SPC 2015's windows with a rate a hundredth has less. Of a stopped heart in a chest that is pressed (generated) a rate
# was said in 0.65 of the windows without this, and is in 0.17 with it.
_LEAST_IN_BAND = 0.66
"""Of the residual's power over 30 to 445 bpm the least that lies on the grid where there is a pulse: noise has 0.46, and
0.7 at most; on SPC 2015 three windows in a thousand have less."""
_LEAST_LEFT = 0.005
"""Of a wave's power the least that is left beside the movement where there is a pulse: no window of SPC 2015 with a rate
has under 0.04. Of a sensor that sees nothing but steps (generated) a steady 35 was said in a third of the windows, since
the fit leaves a little; with this in two of a thousand."""
_MOST_LEFT = 1.1
"""And the most: more means that the fit, which remembers, puts a movement in that the wave has ceased to follow. Of SPC
2015 no window has over 1.01; of a pulse that turned into noise among steps (generated) the steps' rate was said as the
heart's."""
_TWICE_ON_GRID = np.arange(2 * GRID_BPM[0], GRID_BPM[-1] + 1, 2)  # of the lower rates, whose double is on the grid too


class MotionRate:
    """Follows the rate from window to window; ``update`` in order of time.

    network: what gives logits over ``GRID_BPM``; None for the rule without learned weights.
    """

    def __init__(self, network: Network | None = None) -> None:
        self._network = network
        sd, leak = (_STEP_SD_PER_S, 0.0) if network is None else (_NETWORK_STEP_SD_PER_S, _NETWORK_LEAK)
        self._tracker = RateTracker(GRID_BPM.astype(np.float64), sd, leak, prior_bpm=PRIOR_BPM, prior_sd=PRIOR_SD)

    def reset(self) -> None:
        self._tracker.reset()

    def state(self) -> dict[str, Any]:
        """Everything needed to go on, in MessagePack's types."""
        return self._tracker.state()

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state()``."""
        self._tracker.restore(state)

    def update(
        self, ppg: Floats, acc: Floats | None, dt_s: float, seen: Marks | None = None
    ) -> tuple[float, float] | None:
        """Rate and its standard deviation, bpm, of the last 8 s; None where what movement leaves is noise, which says
        nothing of the rate.

        ppg: ``(n, channels)`` and acc ``(n, axes)`` at 25 Hz on one grid, at least 8 s, ending at the window's end;
        dt_s: time since the last call; seen: which of the ``n`` were (None: all).
        """
        found = spectra(ppg, acc, seen)
        if not holds_pulse(found):
            self._tracker.update(np.ones(len(GRID_BPM)), dt_s)
            return None
        evidence = log_evidence(found)
        if self._network is not None and found.movement is not None:
            logits = np.asarray(self._network(network_input(found)), dtype=np.float64).reshape(-1)
            evidence = _NETWORK_SHARE * (logits - logits.max()) + _RULE_SHARE * evidence
        bpm, sd = self._tracker.update(np.exp(min(1.0, dt_s / FULL_WEIGHT_S) * evidence), dt_s)
        return (bpm, _SD_SCALE * sd) if stands_out(found, bpm) else None


def holds_pulse(found: Spectra) -> bool:
    """Whether enough is left beside the movement, and its power lies where pulses do: a sensor that is off, or follows
    nothing but movement, leaves noise, or the little that the fit does not explain; one that has ceased to follow it, what
    the fit takes for it."""
    if not _LEAST_LEFT <= found.left <= _MOST_LEFT:
        return False
    mean = found.residual.sum(axis=0) / len(found.residual)
    on_grid, upward = float(mean[ON_GRID].sum()), float(mean[ON_GRID.start :].sum())
    return on_grid >= _LEAST_IN_BAND * upward


def stands_out(found: Spectra, bpm: float) -> bool:
    """Whether a rate has power of its own in what is left beside the movement: where no heart beats, that is noise, of
    which the tracker makes a steady rate all the same."""
    mean = found.residual.sum(axis=0) / len(found.residual)
    on_grid = mean[ON_GRID]
    total, upward = float(on_grid.sum()), float(mean[ON_GRID.start :].sum())
    near = float(on_grid[abs(GRID_BPM - bpm) <= _NEAR_BPM].sum())
    return near / total + _BAND_COUNTS * total / upward >= _STANDS_OUT


def log_evidence(found: Spectra) -> Floats:
    """How well each rate of ``GRID_BPM`` explains the last 8 s, ``(193,)``, logarithm, at most about 0; no learned
    weights."""
    mean = found.residual.sum(axis=0) / len(found.residual)
    share = mean[ON_GRID].copy()
    share[: len(_TWICE_ON_GRID)] += _HARMONIC * mean[_TWICE_ON_GRID]
    top = float(share.max())
    return np.asarray(_SHARPNESS * np.log(share / top + _FLOOR)) if top > 0 else np.zeros(len(GRID_BPM))
