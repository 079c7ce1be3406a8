"""A generated face whose skin pulses at a known rate, for the demo and for tests: drawn, never a person's picture.

The skin's colour follows a reflection model: steady light times the skin's tone, times one plus a pulsatile part that is
strongest in green (relative strengths 0.33, 0.77, 0.53 for R, G, B as in Wang et al. 2017). The room behind does not
pulse. What it proves is that the whole path works; accuracy on people is not to be read from it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge.types import ConfigError

Frame = NDArray[np.uint8]
Floats = NDArray[np.float64]

PULSE_RGB: Final = np.array([0.33, 0.77, 0.53])
SKIN_TONES_RGB: Final = {"light": (224, 182, 160), "medium": (190, 140, 112), "dark": (118, 80, 62)}
_BACKGROUND_RGB: Final = (96, 110, 122)
_DRAW: Final = 2  # drawn at twice the size, then halved, for soft edges


@dataclass(frozen=True, slots=True)
class Scene:
    """What is filmed. pulse: AC/DC of green; motion: sway of the head as a share of its width; flicker: relative
    amplitude of a light that wavers at ``flicker_bpm`` over everything; noise: of the sensor, 0..255; light: 1 = a lit
    room; face: False leaves the chair empty; still: a photograph of the face."""

    heart_rate_bpm: float = 66.0
    skin: str = "medium"
    pulse: float = 0.006
    motion: float = 0.004
    flicker: float = 0.0
    flicker_bpm: float = 75.0
    noise: float = 1.5
    light: float = 1.0
    face: bool = True
    still: bool = False
    width: int = 640
    height: int = 480
    fps: float = 30.0
    seed: int = 0


def frames(scene: Scene, seconds: float, beats: Floats | None = None) -> Iterator[Frame]:
    """BGR frames ``(height, width, 3)``; the same scene gives the same frames. beats: their times, s, instead of the
    scene's even rate."""
    import cv2

    picture, skin = _portrait(cv2, scene)
    rng = np.random.default_rng(scene.seed)
    noise = _noise_frames(rng, scene)
    base = picture.astype(np.float32) * np.float32(scene.light)
    ac = (
        np.float32(0.0)
        if scene.still
        else (base * skin[:, :, None]) * PULSE_RGB[::-1].astype(np.float32) / np.float32(0.77)
    )
    phase = rng.uniform(0, 2 * np.pi, 2)
    for index in range(round(seconds * scene.fps)):
        t = index / scene.fps
        done = t * scene.heart_rate_bpm / 60.0 if beats is None else np.interp(t, beats, np.arange(len(beats)))
        wave = np.float32(scene.pulse * pulse_wave(float(done)))
        lamp = np.float32(1.0 + scene.flicker * np.sin(2 * np.pi * scene.flicker_bpm / 60.0 * t))
        image = (base + ac * wave) * lamp
        if scene.motion and not scene.still:
            dx = scene.motion * scene.width / 4 * np.sin(2 * np.pi * 0.11 * t + phase[0])
            dy = scene.motion * scene.width / 6 * np.sin(2 * np.pi * 0.07 * t + phase[1])
            shift = np.array([[1, 0, dx], [0, 1, dy]], np.float32)
            image = cv2.warpAffine(image, shift, (scene.width, scene.height), borderMode=cv2.BORDER_REPLICATE)
        image += noise[index % len(noise)]
        yield np.clip(image, 0, 255).astype(np.uint8)


def pulse_wave(beats: float) -> float:
    """The wave after so many beats: systolic peak and dicrotic shoulder, mean about 0, peak to peak about 1; blood
    darkens the skin, so a beat is a dip."""
    x = beats % 1.0
    wave = np.exp(-0.5 * ((x - 0.25) / 0.11) ** 2) + 0.35 * np.exp(-0.5 * ((x - 0.55) / 0.13) ** 2)
    return float(0.39 - wave)


def write_video(
    path: str | Path,
    *,
    seconds: float,
    fps: float = 30.0,
    heart_rate_bpm: float = 66.0,
    beats: Floats | None = None,
    seed: int = 0,
    **scene: Any,
) -> None:
    """Write a scene as high-quality MJPEG, which keeps the pulse; raises ConfigError when that cannot be written.

    beats: as for ``frames``. Without them whole beats fit into ``seconds``, so that a loop of it has no jump: the rate
    is rounded to that.
    """
    import cv2

    whole = max(1, round(heart_rate_bpm / 60.0 * seconds)) * 60.0 / seconds
    setting = Scene(heart_rate_bpm=whole, fps=fps, seed=seed, **scene)
    quality = [cv2.VIDEOWRITER_PROP_QUALITY, 98]
    size = (setting.width, setting.height)
    writer = cv2.VideoWriter(str(path), cv2.CAP_OPENCV_MJPEG, cv2.VideoWriter.fourcc(*"MJPG"), fps, size, quality)
    if not writer.isOpened():
        raise ConfigError(f"{path}: cannot be written as video")
    for frame in frames(setting, seconds, beats):
        writer.write(frame)
    writer.release()


def _noise_frames(rng: np.random.Generator, scene: Scene) -> list[NDArray[np.float32]]:
    """A few frames of sensor noise, used in turn: fresh noise for every frame would cost more than the rest."""
    shape = (scene.height, scene.width, 3)
    return [(rng.standard_normal(shape, dtype=np.float32) * np.float32(scene.noise)) for _ in range(7)]


def _portrait(cv2: Any, scene: Scene) -> tuple[Frame, NDArray[np.float32]]:
    """The picture without pulse, BGR, and how much of each pixel is skin, 0..1."""
    k = _DRAW
    height, width = scene.height * k, scene.width * k
    image = np.zeros((height, width, 3), np.uint8)
    image[:] = _BACKGROUND_RGB[::-1]
    shade = np.linspace(1.12, 0.85, width)[None, :, None]
    image = np.clip(image * shade, 0, 255).astype(np.uint8)
    skin = np.zeros((height, width), np.uint8)
    if not scene.face:
        cv2.rectangle(image, (int(0.35 * width), int(0.3 * height)), (int(0.65 * width), height), (70, 60, 60), -1)
    else:
        _draw_face(cv2, image, skin, np.array(SKIN_TONES_RGB[scene.skin][::-1], float), width // 2, int(0.46 * height))
    size = (scene.width, scene.height)
    picture = cv2.resize(cv2.GaussianBlur(image, (0, 0), 1.6 * k), size, interpolation=cv2.INTER_AREA)
    soft = cv2.resize(cv2.GaussianBlur(skin, (0, 0), 1.6 * k), size, interpolation=cv2.INTER_AREA)
    return picture, soft.astype(np.float32) / 255.0


def _draw_face(cv2: Any, image: Frame, skin: Frame, tone: Floats, cx: int, cy: int) -> None:
    height = image.shape[0]
    r = 0.26 * height  # half the face's height
    rw = 0.74 * r

    def at(x: float, y: float) -> tuple[int, int]:
        return int(cx + x * rw), int(cy + y * r)

    def axes(x: float, y: float) -> tuple[int, int]:
        return max(1, int(x * rw)), max(1, int(y * r))

    def fill(target: Frame, centre: tuple[int, int], size: tuple[int, int], colour: Any) -> None:
        cv2.ellipse(target, centre, size, 0.0, 0, 360, colour, -1, cv2.LINE_AA)

    hair, dark = (38, 42, 52), tuple(0.72 * tone)
    shirt = (120, 84, 60)
    fill(image, at(0, 2.35), axes(2.1, 1.0), shirt)
    cv2.rectangle(image, at(-0.42, 0.6), at(0.42, 1.5), tuple(0.86 * tone), -1)
    fill(image, at(0, -0.28), axes(1.13, 1.02), hair)
    for side in (-1, 1):
        fill(image, at(1.02 * side, 0.02), axes(0.13, 0.22), tuple(0.9 * tone))
    fill(image, at(0, 0), axes(1.0, 1.0), tuple(tone))
    fill(skin, at(0, 0), axes(1.0, 1.0), 255)
    lit = image.copy()
    fill(lit, at(-0.1, -0.1), axes(0.75, 0.8), tuple(np.minimum(255, 1.07 * tone)))
    cv2.GaussianBlur(lit, (0, 0), 0.12 * r, dst=lit)
    inside = skin > 0
    image[inside] = lit[inside]
    cv2.ellipse(image, at(0, -0.62), axes(1.0, 0.52), 0, 180, 360, hair, -1, cv2.LINE_AA)
    cv2.ellipse(skin, at(0, -0.62), axes(1.0, 0.52), 0, 180, 360, 0, -1)
    for side in (-1, 1):
        eye = at(0.4 * side, -0.14)
        fill(image, eye, axes(0.25, 0.115), dark)
        fill(image, eye, axes(0.2, 0.075), (236, 238, 240))
        fill(image, eye, axes(0.085, 0.075), (58, 66, 84))
        fill(image, eye, axes(0.04, 0.036), (12, 12, 12))
        cv2.ellipse(image, at(0.4 * side, -0.3), axes(0.29, 0.1), 0, 195, 345, hair, max(2, int(0.06 * r)), cv2.LINE_AA)
        fill(image, at(0.12 * side, 0.28), axes(0.06, 0.035), tuple(0.55 * tone))
        cv2.line(image, at(0.1 * side, -0.08), at(0.15 * side, 0.22), dark, max(1, int(0.02 * r)), cv2.LINE_AA)
        fill(skin, eye, axes(0.27, 0.13), 0)
    fill(image, at(0, 0.2), axes(0.13, 0.11), tuple(np.minimum(255, 1.05 * tone)))
    lips = (0.62 * tone[0], 0.58 * tone[1], 0.92 * tone[2])
    fill(image, at(0, 0.53), axes(0.34, 0.085), lips)
    cv2.line(image, at(-0.33, 0.53), at(0.33, 0.53), tuple(0.45 * tone), max(1, int(0.018 * r)), cv2.LINE_AA)
    fill(skin, at(0, 0.53), axes(0.36, 0.11), 0)
