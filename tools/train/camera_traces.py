"""Traces of generated faces with known truth: contact pulse waveforms of real people on a model of skin and light.

A face is four skin regions and a strip of background, their mean R, G, B at irregular frame times, as the face
transform hands them to the camera analyzer, and the pulse that made them. The skin model is the one POS stands on
(steady light times tone times one plus blood, plus shine), so these traces flatter POS: good for training, ranking and
regression, never as accuracy on people. Light and dark skin differ in brightness alone, by construction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.dsp.face.columns import AREAS, COLUMNS, SKIN
from edge.dsp.face.rppg import GRID_BPM, RATE_HZ, band_pass, power
from edge.dsp.filters import butterworth, zero_phase

Floats = NDArray[np.float64]

SECONDS = 10.0
PULSE_RGB = np.array([0.33, 0.77, 0.53])
SKIN_RGB = {"light": (224.0, 182.0, 160.0), "medium": (190.0, 140.0, 112.0), "dark": (118.0, 80.0, 62.0)}
RATES_BPM = (42.0, 200.0)
_FPS = (15.0, 20.0, 24.0, 25.0, 30.0, 50.0, 60.0)
_WAVE_HZ = 30.0


@dataclass(frozen=True, slots=True)
class Face:
    """What was generated. t ``(n,)`` s; colours: area to ``(n, 3)``; pulse ``(m,)`` on the even grid, unit deviation,
    blood up; bpm: where its spectrum over the last 10 s peaks."""

    t: Floats
    colours: dict[str, Floats]
    pulse: Floats
    bpm: float

    @property
    def beats_bpm(self) -> float:
        """Mean rate of the beats of the last 10 s, which is what a monitor should say."""
        peaks = _peaks(np.asarray(band_pass(self.pulse[-round(SECONDS * RATE_HZ) :])))
        return 60.0 * RATE_HZ / float(np.mean(np.diff(peaks))) if len(peaks) > 3 else 0.0

    @property
    def clear(self) -> bool:
        """Whether beats and spectrum agree within 5 bpm, so that there is one rate to be found."""
        return abs(self.beats_bpm - self.bpm) <= 5.0

    def rows(self) -> Floats:
        """A roi block's table, ``(n, columns)``: a still face, seen all the time."""
        table = np.zeros((len(self.t), len(COLUMNS)))
        for area, rgb in self.colours.items():
            for c, colour in enumerate("rgb"):
                table[:, COLUMNS.index(f"{area}_{colour}")] = rgb[:, c]
        for name, value in (("present", 1.0), ("brightness", 100.0), ("change", 1.0), ("faces", 1.0)):
            table[:, COLUMNS.index(name)] = value
        return table


def waveforms(data: Path) -> dict[str, list[tuple[Floats, float]]]:
    """By person, stretches of contact pulse at 30 Hz, unit deviation, with their rate, bpm: those 20 s long whose beats
    and spectrum agree within 5 bpm, every 5 s. 5 % of stretches do not and are left out."""
    with np.load(data / "camera" / "contact_bvp_ubfc.npz") as file:
        people = {key: _stretches(np.asarray(file[key], dtype=np.float64)) for key in file.files}
    return {name: stretches for name, stretches in people.items() if stretches}


def generate(
    rng: np.random.Generator,
    stretches: list[tuple[Floats, float]],
    *,
    ac_dc: float,
    motion: float,
    bpm: float | None = None,
    skin: str | None = None,
    fps: float | None = None,
    flicker: float = 0.0,
    compression: float | None = None,
    light: float | None = None,
    seconds: float = SECONDS,
) -> Face:
    """One face.

    stretches: one person's, from ``waveforms``, played so fast that the rate is ``bpm`` (drawn from 42 to 200 when not
    given). ac_dc: pulsatile over steady green light, twice the root mean square. motion: relative change of the light
    on the skin by movement, common to all regions and of each, and half as much shine. flicker: of a 50 or 60 Hz lamp,
    seen through the frame rate. compression: noise of a region's mean, 0..255. light: 1 = a well-lit room.
    """
    bpm = float(np.exp(rng.uniform(*np.log(RATES_BPM)))) if bpm is None else bpm
    fps = float(rng.choice(_FPS)) if fps is None else fps
    light = float(rng.uniform(0.4, 1.1)) if light is None else light
    compression = float(rng.choice([0.0, rng.uniform(0.0, 0.08)])) if compression is None else compression
    wave, own = stretches[rng.integers(len(stretches))]
    speed = bpm / own
    t = _frame_times(rng, fps, seconds)
    start = rng.uniform(0.0, len(wave) / _WAVE_HZ)

    def blood(at: Floats) -> Floats:
        return np.interp(start + at * speed, np.arange(len(wave)) / _WAVE_HZ, wave, period=len(wave) / _WAVE_HZ)

    tone = np.array(SKIN_RGB[skin or str(rng.choice(list(SKIN_RGB)))]) * light
    colours = _filmed(rng, t, blood, tone, light, ac_dc, motion, flicker, compression, seconds)
    grid = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    pulse = _scaled(blood(grid))
    return Face(t, colours, pulse, _rate_bpm(pulse[-round(SECONDS * RATE_HZ) :]))


def of_wave(rng: np.random.Generator, wave: Floats, wave_hz: float, *, ac_dc: float, motion: float) -> Face:
    """A face whose blood follows ``wave`` from its beginning to its end; the rest as in ``generate``, drawn at random."""
    seconds = len(wave) / wave_hz
    fps, light = float(rng.choice(_FPS)), float(rng.uniform(0.4, 1.1))
    compression = float(rng.choice([0.0, rng.uniform(0.0, 0.08)]))
    t, own = _frame_times(rng, fps, seconds), np.arange(len(wave)) / wave_hz
    scaled = _scaled(wave)
    tone = np.array(SKIN_RGB[str(rng.choice(list(SKIN_RGB)))]) * light

    def blood(at: Floats) -> Floats:
        return np.interp(at, own, scaled)

    colours = _filmed(rng, t, blood, tone, light, ac_dc, motion, 0.0, compression, seconds)
    return Face(t, colours, blood(np.arange(round(seconds * RATE_HZ)) / RATE_HZ), 0.0)


def _frame_times(rng: np.random.Generator, fps: float, seconds: float) -> Floats:
    """Of a camera that jitters and drops up to 4 %."""
    t = np.arange(0.0, seconds, 1.0 / fps)
    return np.asarray(np.sort(t + rng.uniform(0.0, 0.15 / fps, len(t)))[rng.random(len(t)) >= rng.uniform(0.0, 0.04)])


def _filmed(
    rng: np.random.Generator,
    t: Floats,
    blood: Callable[[Floats], Floats],
    tone: Floats,
    light: float,
    ac_dc: float,
    motion: float,
    flicker: float,
    compression: float,
    seconds: float,
) -> dict[str, Floats]:
    """Colours of every area at the frames' times; see ``generate``."""
    spectrum = PULSE_RGB / PULSE_RGB[1] * rng.uniform(0.92, 1.08, 3)
    room = 1.0 + rng.normal(0.0, 0.01) * t / seconds + 0.3 * motion * _wander(rng, t, 0.05, 0.6)
    room *= 1.0 + flicker * np.sin(2 * np.pi * rng.choice([100.0, 120.0]) * t + rng.uniform(0.0, 6.3))
    common, speeds = _wander(rng, t, 0.1, 2.5), rng.uniform(0.5, 3.0)
    colours = {}
    for area in AREAS:
        own_motion = motion * (0.7 * common + 0.7 * _wander(rng, t, 0.1, speeds))
        shine = 0.5 * motion * _wander(rng, t, 0.1, speeds)
        pixels = rng.uniform(400.0, 4000.0)
        if area in SKIN:
            strength = ac_dc / 2.0 * rng.uniform(0.6, 1.4)
            late = rng.uniform(0.0, 0.015)
            steady = (1.0 + own_motion)[:, None] * (1.0 - strength * blood(t - late)[:, None] * spectrum)
            rgb = tone * rng.uniform(0.8, 1.1) * steady + (tone.mean() * shine)[:, None]
        else:
            rgb = np.tile(np.array([96.0, 110.0, 122.0]) * light, (len(t), 1))
        noise = np.hypot(rng.uniform(0.8, 3.0) / np.sqrt(pixels), compression)
        colours[area] = rgb * room[:, None] + rng.normal(0.0, noise, rgb.shape)
    return colours


def lifeless(rng: np.random.Generator, kind: str, *, seconds: float = SECONDS) -> Face:
    """What has the shape of a face and no pulse; bpm is 0.

    kind: ``photo`` (held by a hand in steady light), ``flicker`` (a photo, or a wall, under a lamp that wavers at 0.7
    to 3 Hz, tinted by up to 5 %), ``screen`` (the same, but only the face wavers), ``lamp`` (a lamp that moves: every
    area in its own phase).
    """
    fps = float(rng.choice(_FPS))
    t = np.arange(0.0, seconds, 1.0 / fps) + rng.uniform(0.0, 0.15 / fps, round(np.ceil(seconds * fps)))
    tone = np.array(SKIN_RGB[str(rng.choice(list(SKIN_RGB)))]) * rng.uniform(0.4, 1.1)
    size = np.exp(rng.uniform(np.log(0.0005), np.log(0.02)))
    f, phase = rng.uniform(0.7, 3.0), rng.uniform(0.0, 6.3)
    tint = rng.uniform(0.95, 1.05, 3)
    shake = np.exp(rng.uniform(np.log(0.001), np.log(0.02))) * _wander(rng, t, 0.1, 2.5)
    colours = {}
    for area in AREAS:
        late = rng.uniform(0.0, 6.3) if kind == "lamp" else rng.normal(0.0, 0.05)
        sway = np.sin(2 * np.pi * f * t + phase + late) + 0.3 * np.sin(4 * np.pi * f * t + phase + late)
        lit = kind in {"flicker", "lamp"} or (kind == "screen" and area in SKIN)
        lamp = 1.0 + lit * size * rng.uniform(0.7, 1.3) * sway[:, None] * tint
        own = 1.0 + shake * rng.uniform(0.7, 1.3) if area in SKIN else np.ones(len(t))
        base = tone * rng.uniform(0.8, 1.1) if area in SKIN else np.array([96.0, 110.0, 122.0])
        noise = rng.uniform(0.8, 3.0) / np.sqrt(rng.uniform(400.0, 4000.0))
        colours[area] = base * lamp * own[:, None] + rng.normal(0.0, noise, (len(t), 3))
    return Face(t, colours, np.zeros(round(seconds * RATE_HZ)), 0.0)


def _stretches(x: Floats) -> list[tuple[Floats, float]]:
    """Pieces of about 20 s, baseline removed, cut from peak to peak so that they join end to end."""
    x = np.asarray(zero_phase(x - x.mean(), butterworth(2, 0.5, _WAVE_HZ, "high")))
    found = []
    length = round(20.0 * _WAVE_HZ)
    for start in range(0, len(x) - length + 1, round(5.0 * _WAVE_HZ)):
        piece = x[start : start + length]
        rate = _rate_bpm(piece)
        peaks = _peaks(np.asarray(band_pass(piece)))
        beats_bpm = 60.0 * _WAVE_HZ / float(np.mean(np.diff(peaks))) if len(peaks) > 3 else 0.0
        if abs(beats_bpm - rate) <= 5.0:
            found.append((_scaled(piece[peaks[0] : peaks[-1]]), rate))
    return found


def _rate_bpm(x: Floats) -> float:
    return float(GRID_BPM[power(np.asarray(band_pass(x))).argmax()])


def _peaks(x: Floats) -> list[int]:
    peaks = np.flatnonzero((x[1:-1] > x[:-2]) & (x[1:-1] >= x[2:]) & (x[1:-1] > 0.4 * x.std())) + 1
    kept = peaks[:1].tolist()
    for p in peaks[1:]:
        if p - kept[-1] >= 0.27 * _WAVE_HZ:
            kept.append(int(p))
    return kept


def _scaled(x: Floats) -> Floats:
    return np.asarray((x - x.mean()) / max(float(x.std()), 1e-9))


def _wander(rng: np.random.Generator, t: Floats, low_hz: float, high_hz: float) -> Floats:
    """A smooth random walk of unit deviation between two frequencies."""
    f = np.exp(rng.uniform(np.log(low_hz), np.log(high_hz), 12))
    phase, size = rng.uniform(0, 6.3, 12), rng.normal(size=12) / np.sqrt(f)
    out = (size[:, None] * np.sin(2 * np.pi * f[:, None] * t + phase[:, None])).sum(0)
    return np.asarray(out / max(float(out.std()), 1e-9))
