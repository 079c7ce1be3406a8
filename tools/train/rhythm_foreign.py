"""What is no pulse, and how much of it gets a rhythm: by the shipped network alone and with its trees; and which word
regular hearts get that are slower than any that was learnt.

    python tools/train/rhythm_foreign.py

300 generated windows a kind, of another seed than those of training, through the shipped analyzer. A minute.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import butter, sosfiltfilt

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]

from edge import inference
from edge.analyzers import rhythm
from edge.dsp import synthesis
from edge.types import Window

Floats = NDArray[np.float64]

COUNT = 300
SEED = 77
_RATE_HZ, _SAMPLES = 100.0, 1000
SLOW_BPM, SLOW_COUNT = range(28, 49, 4), 50


def slow_noise(low_hz: float, high_hz: float) -> Callable[[np.random.Generator], Floats]:
    """A hand that moves: noise of one band."""
    sos = butter(2, (low_hz, high_hz), "bandpass", fs=_RATE_HZ, output="sos")
    return lambda rng: np.asarray(sosfiltfilt(sos, rng.normal(size=_SAMPLES + 400))[200:-200])


def taps(rng: np.random.Generator) -> Floats:
    """A finger or a foot, every 0.4 to 1.4 s, each of its own strength."""
    times = np.cumsum(rng.uniform(0.4, 1.4, 26))
    x = 0.02 * rng.normal(size=_SAMPLES)
    for at in (times[times < 9.9] * _RATE_HZ).astype(int):
        n = min(40, _SAMPLES - at)
        x[at : at + n] += rng.uniform(0.5, 1.5) * np.exp(-np.arange(n) / 8)
    return np.asarray(x)


KINDS: dict[str, Callable[[np.random.Generator], Floats]] = {
    "white noise": lambda rng: rng.normal(size=_SAMPLES),
    "random walk": lambda rng: np.cumsum(rng.normal(size=_SAMPLES)),
    "noise of 0.5 to 2 Hz": slow_noise(0.5, 2.0),
    "noise of 0.7 to 3 Hz": slow_noise(0.7, 3.0),
    "noise of 1 to 4 Hz": slow_noise(1.0, 4.0),
    "uneven taps": taps,
}


def slow_heart(bpm: float, seed: int) -> Floats:
    """A generated heart in sinus rhythm."""
    t = np.arange(_SAMPLES) / _RATE_HZ
    heart = synthesis.beats([synthesis.Episode(0.0, "sinus", bpm)], 30.0, seed=seed)
    return synthesis.ppg(heart, 10.0 + t, noise=0.02, seed=seed)


class WithoutTrees:
    """The shipped network, its trees without a share."""

    def __init__(self, model: Any) -> None:
        self.card = {**model.card, "calibration": {**model.card["calibration"], "trees_share": 0.0}}
        self.identity, self.beside, self.run = model.identity, model.beside, model.run


def answers(model: Any, x: list[Floats]) -> Counter[str]:
    """How often each word was said, "" where none."""
    t = np.arange(_SAMPLES) / _RATE_HZ
    windows = (Window("noise/ppg", 0.0, _SAMPLES / _RATE_HZ, t, w[:, None], _RATE_HZ, 1.0, ()) for w in x)
    return Counter(str(rhythm.build(models=lambda _: model)({"ppg": w})[0].value or "") for w in windows)


def main() -> int:
    model = inference.load("rhythm")
    print(f"{model.identity}; of {COUNT} windows | network alone: answered, af | with trees: answered, af")
    for name, drawn in KINDS.items():
        rng = np.random.default_rng(SEED)
        x = [drawn(rng) for _ in range(COUNT)]
        told = [answers(judge, x) for judge in (WithoutTrees(model), model)]
        print(f"{name} | " + " | ".join(f"{said.total() - said['']}, {said['af']}" for said in told), flush=True)
    print(f"regular hearts, bpm | of {SLOW_COUNT} windows")
    for bpm in SLOW_BPM:
        said = answers(model, [slow_heart(bpm, seed) for seed in range(SLOW_COUNT)])
        print(f"{bpm} | " + ", ".join(f"{word or 'none'} {n}" for word, n in said.most_common()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
