"""Windows for the rhythm network: real ones with variants of themselves, and synthetic ones, with their features."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import synthetic_ppg
from data_folder import DATA
from numpy.typing import NDArray

from edge.dsp.rhythm.features import features, prepared

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Network inputs: ``wave (n, 1000)`` and raw ``feature (n, m)`` float32, ``label (n,)`` into the seven classes."""

    wave: NDArray[np.float32]
    feature: NDArray[np.float32]
    label: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.label)

    def take(self, rows: NDArray[np.int64]) -> Windows:
        return Windows(self.wave[rows], self.feature[rows], self.label[rows])


def made(raw: Floats, label: NDArray[np.int64]) -> Windows:
    """Prepare raw 10 s windows as the analyzer does."""
    wave = np.stack([prepared(x) for x in raw.astype(np.float64)])
    feature = np.stack([features(x) for x in wave])
    return Windows(wave.astype(np.float32), feature.astype(np.float32), label.astype(np.int64))


def varied(x: Floats, rng: np.random.Generator) -> Floats:
    """A real window as another device and another moment might have seen it: slower, shifted, drifting, noisier."""
    n = len(x)
    x = (x - x.mean()) / (x.std() + 1e-9)
    span = n / rng.uniform(1.0, 1.15)
    begin = rng.uniform(0, n - span)
    y = np.interp(begin + np.arange(n) * span / n, np.arange(n), x)
    envelope = np.interp(np.arange(n), np.linspace(0, n, 5), rng.uniform(0.75, 1.25, 5))
    y = y * envelope + rng.uniform(0, 0.4) * synthetic_ppg.coloured(rng, 3.0)
    y += 10 ** rng.uniform(-3.0, -1.0) * synthetic_ppg.coloured(rng, rng.uniform(0.0, 1.5))
    if rng.random() < 0.3:
        y = np.sign(y) * abs(y) ** rng.uniform(0.8, 1.25)
    return np.asarray(y)


def cached(path: Path, key: str, build: object) -> Windows:
    """Windows kept in ``path`` while ``key`` stays the same."""
    if path.exists():
        d = np.load(path)
        if str(d["key"]) == key:
            return Windows(d["wave"], d["feature"], d["label"])
    found = build()  # type: ignore[operator]
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, key=key, wave=found.wave, feature=found.feature, label=found.label)
    return found


def synthetic(per_class: int, seed: int) -> Windows:
    """``per_class`` windows of each of the seven classes."""
    rng = np.random.default_rng(seed)
    records = synthetic_ppg.load_intervals(DATA / "ppg" / "rr")
    raw = [synthetic_ppg.windows(records, name, per_class, rng) for name in synthetic_ppg.CLASSES]
    return made(np.concatenate(raw), np.repeat(np.arange(len(raw)), per_class))
