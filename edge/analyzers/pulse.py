"""Heart rate from contact PPG, at rest by its beats and under motion by a tracked spectrum; and what it says of slow,
fast or missing beats.

One reading ``ppg.hr`` a second, causal: only samples before the window's end. At rest the rate of the last 10 s by
``edge.dsp.rest.rate``, refused when it is not likely enough. When the accelerometer moves, the rate of
``edge.dsp.motion.rate``, refused when its own standard deviation is too large or no pulse is left beside the movement.
The same rate is taken when a gentle movement has the rate that the beats have, as the wave may be the movement's. An
accelerometer that falls silent in mid-movement leaves no rate. The tracker and that memory are the only state.

``detail``, each absent when not known:
  ``sd``           standard deviation of the rate, bpm; ranks errors
  ``method``       which count it is at rest (``edge.dsp.rest.counts.Candidate``), "spectrum" under motion
  ``ibi_s``        intervals of the last 10 s
  ``brady_bpm``    lowest mean of four consecutive intervals that end in the last 10 s; not known where beats may lie
                   between those that were found
  ``tachy_bpm``    fastest five consecutive intervals of the last 10 s that vary by less than three tenths
  ``longest_gap_s``  longest stretch of the last 10 s without a beat, as far as it was seen
  ``asystole``     0 a good pulse contradicts it; 1 a good pulse stopped for at least 4 s, or 5 s seen around gaps of the
                   samples; None cannot tell
  ``brady``, ``tachy``  the same for a rate under 40 and over 140 (the limits of CinC 2015), with margins
With ``no_pulse`` or ``low_quality`` there is no value, but these stand.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edge.dsp.boosted_trees import BoostedTrees
from edge.dsp.motion import rate as motion_rate
from edge.dsp.motion import spectra as motion_spectra
from edge.dsp.ppg import quality
from edge.dsp.ppg.beats import Upright, band_passed
from edge.dsp.ppg.breaks import MAX_BRIDGE_S, Care
from edge.dsp.ppg.fast_stretch import fast_stretch
from edge.dsp.ppg.holes import Holes, holes_of, inside
from edge.dsp.ppg.light_steps import without_light_steps
from edge.dsp.ppg.movement import MOVING, Movement
from edge.dsp.ppg.pulse_rate import RATE_SPAN_S, WINDOW_S
from edge.dsp.ppg.rate_findings import findings
from edge.dsp.resample import even_to_grid, to_grid
from edge.dsp.rest.estimator import RestEstimator
from edge.dsp.rest.look import look
from edge.inference import Model, runtime_versions
from edge.ranges import FromZero, Hop, UpsideDown
from edge.types import ConfigError, Reading, Window

Floats = NDArray[np.float64]
Marks = NDArray[np.bool_]

_LEAST_S = 8.0
_GRID_HZ = 100.0
_MAX_SD_SHARE = 0.2
_LEAST_SEEN = 0.6
_MIN_BPM, _MAX_BPM = 20.0, 240.0

How = Literal["auto", "network", "rule"]


def build(
    *,
    models: Callable[[str], Model] | None = None,
    channel: FromZero = 0,
    hop_s: Hop = 1.0,
    upside_down: UpsideDown = "auto",
    motion: How = "auto",
    rest: How = "auto",
) -> Pulse:
    """Heart rate from PPG of 25 to 500 Hz in any unit, with an accelerometer where there is one.

    channel: which channel beats are read from (under motion all are used). hop_s: seconds between readings, at most 3;
    each looks back over at most 16 s, at least 8. upside_down: "auto", "yes" (raw light intensity) or "no". motion:
    how the rate is found while the arm moves: "network" by the model `motion`, "rule" without it, "auto" by the network
    where a runtime is installed. rest: how it is found at rest, the same three by the model `pulse`.
    """
    for key, wanted in (("motion", motion), ("rest", rest)):
        if wanted == "network" and models is None:
            raise ConfigError(f"pulse: {key} is network, and there are no models")

    def learned(name: str, wanted: str) -> Model | None:
        needed = wanted == "network" or (wanted == "auto" and bool(runtime_versions()))
        return models(name) if models is not None and needed else None

    return Pulse(channel, hop_s, upside_down, learned("motion", motion), learned("pulse", rest))


def _answer(model: Any, x: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(model.run(x)[0])


class Pulse:
    """Analyzer of the stream ``ppg`` with an accelerometer where there is one; see ``build``."""

    streams = ("ppg", "acc?")
    metrics = ("ppg.hr",)
    window_s = WINDOW_S

    def __init__(
        self, channel: int, hop_s: float, upside_down: str, motion: Model | None = None, rest: Model | None = None
    ) -> None:
        self.hop_s = hop_s
        self._channel, self._motion_model, self._rest_model = channel, motion, rest
        self._rest = RestEstimator()
        if rest is not None:
            self._rest = RestEstimator(partial(_answer, rest), BoostedTrees.from_bytes(rest.beside["trees"]))
        self._motion = motion_rate.MotionRate(None if motion is None else partial(_answer, motion))
        self._upright = Upright(upside_down)
        self._movement = Movement()
        self._last_t: float | None = None

    def reset(self) -> None:
        self._motion.reset()
        self._upright.reset()
        self._movement.reset()
        self._last_t = None

    def state(self) -> dict[str, Any]:
        return {
            "sign": self._upright.sign,
            "last_t": self._last_t,
            "motion": self._motion.state(),
            "movement": self._movement.state(),
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        self._upright.sign, self._last_t = state["sign"], state["last_t"]
        self._motion.restore(state["motion"])
        self._movement.restore(state.get("movement", (None, 0.0)))  # recordings from before it was remembered

    def __call__(self, windows: Mapping[str, Window]) -> list[Reading]:
        window = windows["ppg"]
        moved, unseen = self._movement.look(windows, _LEAST_S, window.end)
        if moved is not None and moved >= MOVING:
            since, broken = quality.unbroken(window, WINDOW_S, self._channel, _LEAST_S, Care.SPECTRUM)
            tracked = None if broken else self._track(window, windows["acc"], since)
            return [self._of_spectrum(window.end, tracked, moved, broken or "motion")]
        signal = quality.usable(window, WINDOW_S, _GRID_HZ, self._channel, _LEAST_S, holes=True)
        if signal.reason or unseen:
            return [Reading("ppg.hr", window.end, None, "bpm", 0.0, signal.reason or "motion")]
        # Tracked at rest, too, so that the rate is known where movement begins.
        tracked = None if moved is None else self._track(window, windows["acc"], signal.since)
        wave = self._upright(band_passed(signal.x, _GRID_HZ, hum=True))
        reading = self._of_beats(window.end, signal.x, wave, signal.holes)
        if moved is None or not isinstance(reading.value, float):
            return [reading]
        if self._movement.keeps_time(windows["acc"], _LEAST_S, reading.value):
            return [self._of_spectrum(window.end, tracked, moved, "motion")]
        return [reading]

    def _of_beats(self, t: float, raw: Floats, wave: Floats, holes: Holes) -> Reading:
        seen = look(raw, wave, _GRID_HZ, holes)
        fast = fast_stretch(wave, _GRID_HZ, holes)
        found = findings(wave, seen.beats, _GRID_HZ, seen.counted, seen.trust, seen.shapes, fast, raw)
        detail: dict[str, Any] = dict(found.detail())
        if found.asystole == 1:
            return Reading("ppg.hr", t, None, "bpm", seen.trust, "no_pulse", detail)
        rate = self._rest(wave, seen, _GRID_HZ)
        model = "" if self._rest_model is None else str(self._rest_model.identity)
        if not rate.sure or not _MIN_BPM <= rate.bpm <= _MAX_BPM:
            return Reading("ppg.hr", t, None, "bpm", rate.quality, "low_quality", detail, model=model)
        detail["sd"], detail["method"] = rate.sd, rate.method
        late = seen.beats.whole & (seen.beats.peak[1:] >= len(wave) / _GRID_HZ - RATE_SPAN_S)
        detail["ibi_s"] = [round(float(x), 4) for x in seen.beats.ibi[late]]
        return Reading("ppg.hr", t, rate.bpm, "bpm", rate.quality, detail=detail, model=model)

    def _of_spectrum(self, t: float, tracked: tuple[float, float] | None, moved: float, reason: str) -> Reading:
        """The tracked rate where there is one and it is sure enough; else nothing, for ``reason``."""
        if tracked is None:
            return Reading("ppg.hr", t, None, "bpm", 0.0, reason)
        bpm, sd = tracked
        trust = max(0.0, 1.0 - sd / (_MAX_SD_SHARE * bpm))
        detail: dict[str, Any] = {"sd": sd, "method": "spectrum", "motion": moved, "asystole": None}
        value, why = (None, reason) if sd > _MAX_SD_SHARE * bpm else (bpm, "")
        identity = str(self._motion_model.identity) if self._motion_model else ""
        return Reading("ppg.hr", t, value, "bpm", trust, why, detail, model=identity)

    def _track(self, window: Window, acc: Window, since: float) -> tuple[float, float] | None:
        """The tracked rate and its sd, from all channels and the accelerometer of the last 8 s or more; None where either
        is incomplete or no pulse is left beside the movement."""
        start = max(since, float(window.t[0]) if len(window.t) else window.end)
        if window.end - start < _LEAST_S - 0.5 / window.rate:
            return None
        ppg, axes = _live(window, start), _live(acc, start)
        if ppg is None or axes is None:
            return None
        found = _gridded(ppg.without_light_steps(), axes, start, window.end)
        if found is None:
            return None
        both, seen = found
        count = len(ppg.rows)
        dt_s = self.hop_s if self._last_t is None else window.end - self._last_t
        self._last_t = window.end
        return self._motion.update(both[:, :count], both[:, count:], dt_s, seen)


@dataclass(frozen=True, slots=True, eq=False)
class _Live:
    """Samples of a stream's living channels, ``(channels, n)``, at times ``t (n,)``, taken at ``rate_hz``."""

    t: Floats
    rows: Floats
    rate_hz: float

    def without_light_steps(self) -> _Live:
        """The same pulse without the steps of a lamp, which no movement explains."""
        rows = [without_light_steps(self.t, row, self.rate_hz, moving=True) for row in self.rows]
        return replace(self, rows=np.stack(rows))


def _live(window: Window, start: float) -> _Live | None:
    """The channels of a window from ``start`` on without those that are dead (constant or mostly not a number); None
    when none is left."""
    first = int(np.searchsorted(window.t, start - 0.5))
    t, rows = window.t[first:], np.ascontiguousarray(quality.columns(window)[first:].T)
    if not np.isfinite(rows).all():
        rows = rows[np.isfinite(rows).mean(axis=1) >= 0.9]
        whole = np.isfinite(rows).all(axis=0)
        t, rows = t[whole], rows[:, whole]
    if len(t) < 2:
        return None
    alive = rows.max(axis=1) > rows.min(axis=1)
    rows = rows if alive.all() else rows[alive]
    return _Live(t, rows, window.rate) if len(rows) else None


def _gridded(ppg: _Live, axes: _Live, start: float, end: float) -> tuple[Floats, Marks | None] | None:
    """All channels side by side at 25 Hz, ``(n, channels)``, and when both streams were seen, ``(n,)`` (None: always); None
    when of the last 8 s too little was, or nothing of the last second. Streams whose samples were taken at the same times
    go through together."""
    streams = [ppg, axes]
    if ppg.rate_hz == axes.rate_hz and np.array_equal(ppg.t, axes.t):
        streams = [_Live(ppg.t, np.concatenate([ppg.rows, axes.rows]), ppg.rate_hz)]
    grid_hz = motion_spectra.RATE_HZ
    found: list[Floats] = []
    seen: Marks | None = None
    for s in streams:
        values = even_to_grid(s.t, s.rows.T, start, end, s.rate_hz, grid_hz)
        if values is None:
            values, valid = to_grid(s.t, s.rows.T, start, end, grid_hz, 0.25)
            holes = holes_of(s.t, start, MAX_BRIDGE_S + 1.0 / s.rate_hz)
            valid &= ~inside(np.arange(len(valid)) / grid_hz, holes)
            seen = valid if seen is None else seen & valid
        found.append(values)
    if seen is not None and (
        seen[-round(_LEAST_S * grid_hz) :].mean() < _LEAST_SEEN or not seen[-round(grid_hz) :].any()
    ):
        return None
    return (found[0] if len(found) == 1 else np.concatenate(found, axis=1)), seen
