"""Traces of generated faces with known truth: contact pulse waveforms of real people on a model of skin and light.

Each trace is 10 s of mean R, G, B of one skin region at 30 Hz, as the camera analyzer hands it to its network, and the
pulse that made it. The skin model is the one POS stands on, so these traces flatter POS: good for training, ranking
and regression, never as accuracy on people.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

RATE_HZ = 30.0
SECONDS = 10.0
PULSE_RGB = np.array([0.33, 0.77, 0.53])
SKIN_RGB = {"light": (224.0, 182.0, 160.0), "medium": (190.0, 140.0, 112.0), "dark": (118.0, 80.0, 62.0)}


def waveforms(data: Path) -> dict[str, Floats]:
    """Contact pulse waveforms by person, at about 30 Hz, zero mean, unit deviation."""
    with np.load(data / "camera" / "contact_bvp_ubfc.npz") as file:
        return {key: _scaled(file[key]) for key in file.files}


def _scaled(x: Floats) -> Floats:
    x = np.asarray(x, dtype=np.float64)
    return (x - x.mean()) / max(float(x.std()), 1e-9)


def trace(
    rng: np.random.Generator,
    wave: Floats,
    *,
    ac_dc: float,
    motion: float,
    skin: str | None = None,
    speed: float | None = None,
    fps: float | None = None,
    flicker: float = 0.0,
) -> tuple[Floats, Floats, float]:
    """One trace ``(300, 3)``, its pulse ``(300,)`` scaled to unit deviation, and its rate, bpm.

    wave: a person's waveform at 30 Hz, played ``speed`` times as fast. ac_dc: pulsatile over steady light in green.
    motion: relative change of light on the skin by movement. fps: of the camera; frames come with jitter and drops.
    """
    speed = float(np.exp(rng.uniform(np.log(0.6), np.log(2.2)))) if speed is None else speed
    fps = float(rng.choice([15.0, 24.0, 25.0, 30.0, 50.0, 60.0])) if fps is None else fps
    tone = np.array(SKIN_RGB[skin or str(rng.choice(list(SKIN_RGB)))]) * rng.uniform(0.5, 1.15)
    need = SECONDS * speed * RATE_HZ
    start = rng.uniform(0, max(1.0, len(wave) - need - 2))
    t = np.sort(np.arange(0, SECONDS, 1 / fps) + rng.normal(0, 0.1 / fps, round(SECONDS * fps)))
    t = t[rng.random(len(t)) > rng.uniform(0, 0.05)]
    pulse = np.interp(start + t * speed * RATE_HZ, np.arange(len(wave)), wave)
    light = 1.0 + motion * _wander(rng, t, 0.1, rng.uniform(0.5, 2.5)) + 0.02 * rng.normal() * (t / SECONDS)
    shine = 0.4 * motion * _wander(rng, t, 0.1, 3.0)[:, None] * np.array([1.0, 1.0, 1.0])
    lamp = 1.0 + flicker * np.sin(2 * np.pi * rng.uniform(0.7, 3.0) * t + rng.uniform(0, 6.3))
    blood = 1.0 - ac_dc / 2.0 * pulse[:, None] * (PULSE_RGB / PULSE_RGB[1]) * rng.uniform(0.9, 1.1, 3)
    rgb = tone * (light * lamp)[:, None] * blood + tone.mean() * shine
    pixels = rng.uniform(300, 4000)
    rgb = rgb + rng.normal(0, rng.uniform(0.8, 3.0) / np.sqrt(pixels), rgb.shape)
    if rng.random() < 0.3:  # compression keeps colours in steps
        step = rng.uniform(0.02, 0.15)
        rgb = np.round(rgb / step) * step
    grid = np.arange(round(SECONDS * RATE_HZ)) / RATE_HZ
    even = np.stack([np.interp(grid, t, rgb[:, c]) for c in range(3)], axis=1)
    truth = _scaled(np.interp(start + grid * speed * RATE_HZ, np.arange(len(wave)), wave))
    return even, truth, rate_bpm(truth)


def rate_bpm(truth: Floats) -> float:
    """Rate of a clean pulse by its spectrum, bpm."""
    spectrum = np.abs(np.fft.rfft((truth - truth.mean()) * np.hanning(len(truth)), 8192)) ** 2
    bpm = np.arange(len(spectrum)) * RATE_HZ / 8192 * 60
    inside = (bpm >= 40) & (bpm <= 220)
    return float(bpm[inside][spectrum[inside].argmax()])


def _wander(rng: np.random.Generator, t: Floats, low_hz: float, high_hz: float) -> Floats:
    """A smooth random walk of unit deviation between two frequencies."""
    out = np.zeros(len(t))
    for _ in range(12):
        f = np.exp(rng.uniform(np.log(low_hz), np.log(high_hz)))
        out += rng.normal() * np.sin(2 * np.pi * f * t + rng.uniform(0, 6.3)) / np.sqrt(f)
    return out / max(float(out.std()), 1e-9)
