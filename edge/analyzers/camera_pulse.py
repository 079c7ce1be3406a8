"""Heart rate from the traces of a face's skin regions: ``camera.hr``, or no number and the reason.

Each second, the last 10 s: what the camera saw is judged first (face there, still, bright enough, frames fresh), then
POS and the network on all regions, a rate followed by the shared tracker, and only then whether it may be said: a
pulse must be greener than red and blue as blood is, absent from the background, the same to POS and the network, and
the card's rule over all evidence (how it stands out, regions and halves of the window that agree) must give it a
high enough probability to be right. A photo under flickering light has none of the first two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from edge.dsp.face.columns import AREAS, COLUMNS, SKIN
from edge.dsp.face.picture_loop import seen_before
from edge.dsp.face.pulse import (
    FEATURES,
    both_spectra,
    evidence,
    features,
    mean_rate,
    peak_near,
    pos_spectrum,
)
from edge.dsp.face.rhythm import doubt
from edge.dsp.face.rppg import GRID_BPM, RATE_HZ, band_pass, pos
from edge.dsp.face.spectra import network_answer
from edge.dsp.rate_tracker import RateTracker
from edge.dsp.resample import to_grid
from edge.ranges import Hop
from edge.types import ModelError, Reading, Window

Floats = NDArray[np.float64]

_COLUMN = {name: i for i, name in enumerate(COLUMNS)}
_RECENT_S = 2.0
_FULL = 0.9  # share of the window that must have frames
_MIN_FPS = 12.0
_UNSEEN = ("warming_up", "gap")  # reasons for which nobody knows how good the picture is
_MAX_GAP_S = 0.25
_DARK = 12.0  # mean brightness, 0..255
_BRIGHT = 250.0
_BLACK = 3.0  # of the room's colours: under it light is cut off by the sensor
_MAX_SD_BPM = 12.0
_TURNED_DEG = 15.0
_DARKER = 0.6
_MOTION = 0.012  # shift of the face a frame, face widths at 30 frames a second
_EMISSION = 0.6
_FLOOR = 0.1
_BACKGROUND = 0.75  # of the skin's amplitude
_BACKGROUND_GREEN = 0.5  # of the skin's: a coloured lamp that lights both; 0.4 at most of 553 right answers
_MOST_GREEN = 0.03  # of its mean, by which green beats: a face's blood 0.002 to 0.02, a lamp anything
_GREEN_EXCESS = 0.1  # a lamp on a photograph has none, blood 0.44
_HUE_DEG = (8.0, 43.0)  # blood 29; a green lamp 45, cyan 0, yellow 90; 0.993 of right answers lie between
_SAME, _IDENTICAL = 0.4, 0.9  # agreement of regions that do move together
_APART, _SURE_DB = 0.1, 0.0


class Rule:
    """When a rate may be said: the probability that it is right, by a logistic regression over the evidence."""

    def __init__(self, calibration: Mapping[str, Any]) -> None:
        if tuple(calibration["features"]) != FEATURES:
            raise ModelError("camera_pulse: the card's rule was fitted on other evidence")
        self._centre, self._scale = np.array(calibration["centre"]), np.array(calibration["scale"])
        *weights, self._offset = calibration["weights"]
        self._weights = np.array(weights)
        self.accept = float(calibration["accept"])

    def probability(self, found: Mapping[str, float]) -> float:
        """That the rate is right within 5 bpm, 0 to 1."""
        score = float(((features(found) - self._centre) / self._scale) @ self._weights + self._offset)
        return float(1.0 / (1.0 + np.exp(-np.clip(score, -50.0, 50.0))))

    def refusal(self, found: Mapping[str, float], probability: float) -> str:
        """Why nothing may be said; "" when it may."""
        in_room = found["background"] > _BACKGROUND or found["background_green"] > _BACKGROUND_GREEN
        if in_room or found["green"] > _MOST_GREEN:
            return "flicker"
        green = found["green_excess"] >= _GREEN_EXCESS
        blood = green and _HUE_DEG[0] <= found["hue_deg"] <= _HUE_DEG[1]
        if not blood and max(found["agreement"], found["network_agreement"]) > _SAME:
            return "static_image" if not green and found["agreement"] > _IDENTICAL else "no_pulse"
        if found["apart"] > _APART and min(found["snr_db"], found["network_snr_db"]) > _SURE_DB:
            return "disagreement"
        if probability < self.accept or not blood:
            return "low_quality"
        return ""


def build(
    *, models: Callable[[str], Any], window_s: Annotated[float, Meta(ge=8, le=20)] = 10.0, hop_s: Hop = 1.0
) -> CameraPulse:
    """Camera pulse.

    window_s: length of skin trace that a rate is made of, 8 to 20 s. hop_s: seconds between readings, at most 3.
    """
    return CameraPulse(models("camera_pulse"), window_s=window_s, hop_s=hop_s)


class CameraPulse:
    """See ``build``."""

    streams = ("roi",)
    metrics = ("camera.hr", "camera.quality")

    def __init__(self, model: Any, *, window_s: float, hop_s: float) -> None:
        self.window_s, self.hop_s = window_s, hop_s
        self._model, self._rule = model, Rule(model.card["calibration"])
        self._tracker = new_tracker()
        self._last_end: float | None = None

    def reset(self) -> None:
        self._tracker.reset()
        self._last_end = None

    def state(self) -> dict[str, Any]:
        return {"last_end": self._last_end, "tracker": self._tracker.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._last_end = state["last_end"]
        self._tracker.restore(state["tracker"])

    def __call__(self, windows: Mapping[str, Window]) -> list[Reading]:
        window = windows["roi"]
        reason = seen_reason(window)
        if reason:
            self.reset()
            return self._silent(window, reason, {})
        traces = _traces(window)
        skin = {name: rgb for name in SKIN if (rgb := traces[name]) is not None}
        skin = bare(skin, float(np.nanmedian(window.data[:, _COLUMN["yaw"]])))
        if len(skin) < 2:
            self.reset()
            return self._silent(window, "no_face", {"regions": len(skin)})
        seen = [window.data[:, [_COLUMN[f"{area}_{colour}"] for area in skin]] for colour in "rgb"]
        if max(float(np.nanmax(colour.mean(axis=1))) for colour in seen) >= _BRIGHT:
            return self._silent(window, "saturated", {})
        background = traces["background"]
        if background is None or not _BLACK < float(background.mean()) < _BRIGHT:  # a lamp would not show in it
            return self._silent(window, "low_quality", {"doubt": "no_background"})
        return self._pulse(window, skin, background)

    def _pulse(self, window: Window, skin: Mapping[str, Floats], background: Floats) -> list[Reading]:
        regions = list(skin.values())
        pulses = [band_pass(pos(rgb)) for rgb in regions]
        waves, by_network = network_answer(self._model.run, regions)
        by_pos = pos_spectrum(regions, pulses)
        spectrum = both_spectra(by_pos, by_network)
        dt_s = 0.0 if self._last_end is None else window.end - self._last_end
        self._last_end = window.end
        bpm, sd = track(self._tracker, spectrum, dt_s)
        found = evidence(regions, pulses, waves, background, (by_pos, by_network, spectrum), bpm)
        probability = self._rule.probability(found)
        reason = self._rule.refusal(found, probability) or ("low_quality" if sd > _MAX_SD_BPM else "")
        detail: dict[str, Any] = {name: round(value, 3) for name, value in found.items()}
        detail |= {"bpm": round(bpm, 2), "probability": round(probability, 3), "sd": round(sd, 2), "regions": len(skin)}
        quality = probability * float(np.clip(1.2 - sd / 10.0, 0.1, 1.0))
        wave = None if reason else joined(waves, pulses)
        if wave is not None and (against := doubt(wave, waves, bpm)):
            reason, detail["doubt"] = "low_quality", against
        if wave is None or reason:
            return self._silent(window, reason, detail, quality=min(quality, 0.3))
        bpm = float(np.clip(mean_rate(wave, bpm), GRID_BPM[0], GRID_BPM[-1]))
        hr = Reading("camera.hr", window.end, round(bpm, 2), "bpm", quality, detail=detail, model=self._identity)
        return [hr, Reading("camera.quality", window.end, round(quality, 3), "", quality)]

    @property
    def _identity(self) -> str:
        return str(self._model.identity)

    def _silent(self, window: Window, reason: str, detail: Mapping[str, Any], *, quality: float = 0.0) -> list[Reading]:
        seen = None if reason in _UNSEEN else round(quality, 3)
        return [
            Reading("camera.hr", window.end, None, "bpm", quality, reason, detail, model=self._identity),
            Reading("camera.quality", window.end, seen, "", quality, reason),
        ]


def _traces(window: Window) -> dict[str, Floats | None]:
    """Each area's colours on the even grid, ``(n, 3)``; None where it was not seen all the time."""
    data = window.data[:, : 3 * len(AREAS)].astype(np.float64)
    seen = np.asarray(np.isfinite(data).reshape(len(data), len(AREAS), 3).all(2))
    traces: dict[str, Floats | None] = dict.fromkeys(AREAS)
    together: dict[bytes, list[int]] = {}  # areas that were seen in the same pictures
    for area in np.flatnonzero(seen.mean(0) >= _FULL).tolist():
        together.setdefault(seen[:, area].tobytes(), []).append(area)
    for areas in together.values():
        there = seen[:, areas[0]]
        colours = data[there][:, [3 * area + i for area in areas for i in range(3)]]
        grid, valid = to_grid(window.t[there], colours, window.start, window.end, RATE_HZ, _MAX_GAP_S)
        for i, area in enumerate(areas):
            rgb = np.ascontiguousarray(grid[:, 3 * i : 3 * i + 3])
            if valid.mean() >= _FULL and rgb.mean() > 1.0:
                traces[AREAS[area]] = rgb
    return traces


def joined(waves: Floats, pulses: Sequence[Floats]) -> Floats:
    """The network's waves and those of POS, which fall as blood rises, as one, blood up, ``(n,)``: the first are surer
    of a weak pulse, the second sharper where it is strong."""
    by_network, by_pos = band_pass(waves.mean(0)), np.mean(pulses, axis=0)
    return np.asarray(by_network / max(float(by_network.std()), 1e-12) - by_pos / max(float(by_pos.std()), 1e-12))


def new_tracker() -> RateTracker:
    """The tracker as the camera uses it: a broad start, since no rate is likelier than another for long."""
    return RateTracker(GRID_BPM, 0.02, leak=1e-3, prior_bpm=80.0, prior_sd=0.6)


def track(tracker: RateTracker, spectrum: Floats, dt_s: float) -> tuple[float, float]:
    """Rate and standard deviation, bpm, after a window's ``spectrum`` of sum 1: the tracker chooses the peak, the
    spectrum says where exactly it is."""
    _, sd = tracker.update((spectrum + _FLOOR / len(spectrum)) ** _EMISSION, dt_s)
    return peak_near(spectrum, float(GRID_BPM[int(tracker.posterior.argmax())])), sd


def bare(skin: Mapping[str, Floats], yaw_deg: float) -> dict[str, Floats]:
    """The regions that show skin: not the cheek turned away by more than 15 degrees, nor one much darker than the
    brightest, which is hair, a beard or a mask's shadow (R2I-rPPG chooses regions by the same angle).

    yaw_deg: positive when the face looks to the picture's right.
    """
    away = "" if abs(yaw_deg) <= _TURNED_DEG else "right_cheek" if yaw_deg > 0 else "left_cheek"
    facing = {name: rgb for name, rgb in skin.items() if name != away}
    brightest = max((float(rgb.mean()) for rgb in facing.values()), default=0.0)
    return {name: rgb for name, rgb in facing.items() if rgb.mean() >= _DARKER * brightest}


def seen_reason(window: Window) -> str:
    """Why the picture alone rules a rate out; "" when it does not."""
    recent = window.t >= window.end - _RECENT_S
    if not recent.any():
        return "gap"
    data = window.data
    if not np.isfinite(data[:, [_COLUMN["present"], _COLUMN["brightness"], _COLUMN["change"]]]).all():
        return "low_quality"

    def latest(name: str) -> Floats:
        return np.asarray(data[recent, _COLUMN[name]], dtype=np.float64)

    if latest("brightness").mean() < _DARK:
        return "too_dark"
    change = latest("change")
    if len(change) > 5 and (change == 0.0).mean() > 0.5:
        return "static_image"
    if seen_before(data[:, [_COLUMN["brightness"], _COLUMN["change"]]], len(change)):
        return "static_image"
    if latest("present").mean() < 0.5:
        return "no_face"
    if data[:, _COLUMN["moved"]].any():
        return "face_moved"
    if np.nanmean(latest("motion")) * len(change) / (_RECENT_S * RATE_HZ) > _MOTION:
        return "motion"
    if (
        window.holes
        and window.holes[0][0] <= window.start
        and window.holes[0][1] - window.start > (1 - _FULL) * window.duration_s
    ):
        return "warming_up"
    if window.coverage < _FULL or len(window.t) / window.duration_s < _MIN_FPS:
        return "gap"
    return ""
