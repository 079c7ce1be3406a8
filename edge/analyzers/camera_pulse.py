"""Heart rate from the traces of a face's skin regions: ``camera.hr``, or no number and the reason.

Each second, the last 10 s: what the camera saw is judged first (face there, still, bright enough, frames fresh), then
POS on every region, a rate followed by the shared tracker, and only then whether it may be said. A pulse must be strong
enough against the rest of its spectrum, the same in several regions and in both halves of the window, greener than
red and blue as blood is, and absent from the background; a photo under flickering light has none of the latter. The
small network of the card is a second opinion: when it is sure of another rate, nothing is said.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.dsp.face_columns import AREAS, COLUMNS, SKIN
from edge.dsp.face_pulse import both_spectra, network_input, network_spectrum, peak_near, pos_spectrum
from edge.dsp.rate_tracker import RateTracker
from edge.dsp.resample import to_grid
from edge.dsp.rppg import GRID_BPM, RATE_HZ, amplitude_at, band_pass, pos, power, snr_db
from edge.types import Reading, Window

Floats = NDArray[np.float64]

_COLUMN = {name: i for i, name in enumerate(COLUMNS)}
_RECENT_S = 2.0
_FULL = 0.9  # share of the window that must have frames
_MIN_FPS = 12.0
_MAX_GAP_S = 0.25
_DARK = 12.0  # mean brightness, 0..255
_BRIGHT = 250.0
_MOTION = 0.012  # shift of the face a frame, face widths at 30 frames a second
_EMISSION = 0.6
_FLOOR = 0.1
_HALF_BPM, _HALF_SHARE = 9.0, 0.12


@dataclass(frozen=True, slots=True)
class Rule:
    """What a pulse must show to be said; figures of the refusal rule in the card."""

    snr_db: float = 1.0
    agreement: float = 0.2
    background: float = 0.75
    green_excess: float = 0.1
    max_sd_bpm: float = 12.0
    network_snr_db: float = 2.0


def build(*, models: Callable[[str], Any], window_s: float = 10.0, hop_s: float = 1.0) -> CameraPulse:
    """Camera pulse.

    window_s: length of skin trace that a rate is made of, 8 to 20 s. hop_s: how often.
    """
    return CameraPulse(models("camera_pulse"), window_s=window_s, hop_s=hop_s)


class CameraPulse:
    """See ``build``."""

    streams = ("roi",)
    metrics = ("camera.hr", "camera.quality")

    def __init__(self, model: Any, *, window_s: float, hop_s: float, rule: Rule | None = None) -> None:
        self.window_s, self.hop_s = window_s, hop_s
        self._model, self._rule = model, rule or Rule()
        self._tracker = new_tracker()
        self._last_end: float | None = None

    def reset(self) -> None:
        self._tracker.reset()
        self._last_end = None

    def __call__(self, windows: Mapping[str, Window]) -> list[Reading]:
        window = windows["roi"]
        reason = seen_reason(window)
        if reason:
            self.reset()
            return self._silent(window, reason, {})
        traces = {name: self._trace(window, name) for name in AREAS}
        skin = {name: rgb for name in SKIN if (rgb := traces[name]) is not None}
        if len(skin) < 2:
            self.reset()
            return self._silent(window, "no_face", {"regions": len(skin)})
        mean = np.mean(list(skin.values()), axis=0)
        if mean.max() >= _BRIGHT:
            return self._silent(window, "saturated", {})
        return self._pulse(window, skin, mean, traces["background"])

    def _pulse(
        self, window: Window, skin: Mapping[str, Floats], mean: Floats, background: Floats | None
    ) -> list[Reading]:
        pulses = {name: band_pass(pos(rgb)) for name, rgb in skin.items()}
        whole = band_pass(pos(mean))
        by_pos = pos_spectrum(list(skin.values()), list(pulses.values()))
        by_network, wave = self._listen(skin, pulses)
        spectrum = both_spectra(by_pos, by_network)
        dt_s = 0.0 if self._last_end is None else window.end - self._last_end
        self._last_end = window.end
        bpm, sd = track(self._tracker, spectrum, dt_s)
        detail = evidence(skin, pulses, whole, background, mean, bpm)
        detail["sd"] = round(sd, 2)
        other = float(GRID_BPM[int(by_network.argmax())])
        detail["network_bpm"], detail["network_snr_db"] = round(other, 1), round(snr_db(wave, other), 2)
        detail["pos_bpm"] = round(float(GRID_BPM[int(by_pos.argmax())]), 1)
        reason = self._refusal(detail, bpm, sd)
        quality = _quality(detail["snr_db"], sd)
        if reason:
            return self._silent(window, reason, detail, quality=min(quality, 0.3))
        hr = Reading("camera.hr", window.end, round(bpm, 2), "bpm", quality, detail=detail, model=self._identity)
        return [hr, Reading("camera.quality", window.end, round(quality, 3), "", quality)]

    def _listen(self, skin: Mapping[str, Floats], pulses: Mapping[str, Floats]) -> tuple[Floats, Floats]:
        """The network's spectrum of rates and its wave, all regions together."""
        x = np.stack([network_input(rgb, pulses[name]) for name, rgb in skin.items()])
        (waves,) = self._model.run(x)
        return network_spectrum(waves), band_pass(waves[:, 0, 0].astype(np.float64).mean(0))

    def _refusal(self, detail: Mapping[str, Any], bpm: float, sd: float) -> str:
        rule = self._rule
        if detail["background"] > rule.background:
            return "flicker"
        if detail["snr_db"] < rule.snr_db or detail["agreement"] < rule.agreement:
            return "low_quality"
        if detail["green_excess"] < rule.green_excess:
            return "static_image" if detail["agreement"] > 0.9 else "no_pulse"
        halves = detail["halves_bpm"]
        if any(abs(h - bpm) > max(_HALF_BPM, _HALF_SHARE * bpm) for h in halves) or sd > rule.max_sd_bpm:
            return "low_quality"
        apart = abs(detail["network_bpm"] - bpm) > max(6.0, 0.1 * bpm)
        if apart and detail["network_snr_db"] > rule.network_snr_db:
            return "disagreement"
        return ""

    @property
    def _identity(self) -> str:
        return str(self._model.identity)

    def _trace(self, window: Window, area: str) -> Floats | None:
        """An area's colours on the even grid, ``(n, 3)``; None where it was not seen all the time."""
        columns = [_COLUMN[f"{area}_{colour}"] for colour in "rgb"]
        data = window.data[:, columns].astype(np.float64)
        seen = np.isfinite(data).all(1)
        if seen.mean() < _FULL:
            return None
        rgb, valid = to_grid(window.t[seen], data[seen], window.start, window.end, RATE_HZ, _MAX_GAP_S)
        return rgb if valid.mean() >= _FULL and rgb.mean() > 1.0 else None

    def _silent(self, window: Window, reason: str, detail: Mapping[str, Any], *, quality: float = 0.0) -> list[Reading]:
        return [
            Reading("camera.hr", window.end, None, "bpm", quality, reason, detail, model=self._identity),
            Reading("camera.quality", window.end, round(quality, 3), "", quality, reason),
        ]


def new_tracker() -> RateTracker:
    """The tracker as the camera uses it: a broad start, since no rate is likelier than another for long."""
    return RateTracker(GRID_BPM, 0.02, leak=1e-3, prior_bpm=80.0, prior_sd=0.6)


def track(tracker: RateTracker, spectrum: Floats, dt_s: float) -> tuple[float, float]:
    """Rate and standard deviation, bpm, after a window's ``spectrum`` of sum 1: the tracker chooses the peak, the
    spectrum says where exactly it is."""
    _, sd = tracker.update((spectrum + _FLOOR / len(spectrum)) ** _EMISSION, dt_s)
    return peak_near(spectrum, float(GRID_BPM[int(tracker.posterior.argmax())])), sd


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


def evidence(
    skin: Mapping[str, Floats],
    pulses: Mapping[str, Floats],
    whole: Floats,
    background: Floats | None,
    mean: Floats,
    bpm: float,
) -> dict[str, Any]:
    """What speaks for and against a pulse at ``bpm``."""
    pairs = [float(np.corrcoef(a, b)[0, 1]) for a, b in combinations(pulses.values(), 2) if a.std() > 0 and b.std() > 0]
    red, green, blue = amplitude_at(mean, bpm)
    around = float(amplitude_at(background, bpm).mean()) if background is not None else 0.0
    middle = len(whole) // 2
    halves = [peak_near(power(h), bpm, within=1.0) for h in (whole[:middle], whole[middle:])]
    return {
        "snr_db": round(snr_db(whole, bpm), 2),
        "agreement": round(float(np.mean(pairs)) if pairs else 0.0, 3),
        "background": round(around / max(float(green), 1e-9), 3),
        "green_excess": round(float(1.0 - (red + blue) / max(2.0 * green, 1e-12)), 3),
        "green_ac_dc": round(float(green), 6),
        "halves_bpm": [round(h, 1) for h in halves],
        "regions": len(skin),
    }


def _quality(snr: float, sd: float) -> float:
    return float(np.clip((snr + 2.0) / 10.0, 0.0, 1.0) * np.clip(1.2 - sd / 10.0, 0.0, 1.0))
