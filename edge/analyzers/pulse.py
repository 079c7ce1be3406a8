"""Heart rate from contact PPG, at rest by its beats and under motion by a tracked spectrum; and what it says of slow,
fast or missing beats.

One reading ``ppg.hr`` a second, causal: only samples before the window's end. At rest the median interval of the last
10 s, refused when noise makes the beats unlikely, when no other way of counting agrees, or when the signal is middling
and the tracked spectrum says otherwise. When the accelerometer moves, or
where the beats fail and there is an accelerometer, the rate of ``edge.dsp.motion_rate``, refused when its own standard
deviation is too large. The tracker is the only state.

``detail``, each absent when not known:
  ``sd``           standard deviation of the rate, bpm; ranks errors
  ``method``       "beats" or "spectrum"
  ``ibi_s``        intervals of the last 10 s
  ``brady_bpm``    lowest mean of four consecutive intervals that end in the last 10 s
  ``tachy_bpm``    fastest five consecutive intervals of the last 10 s that vary by less than three tenths
  ``longest_gap_s``  longest stretch of the last 10 s without a beat
  ``asystole``     0 a good pulse contradicts it; 1 a good pulse stopped for at least 4 s; None cannot tell
  ``brady``, ``tachy``  the same for a rate under 40 and over 140 (the limits of CinC 2015), with margins
With ``no_pulse`` or ``low_quality`` there is no value, but these stand.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.dsp import motion_rate, pulse_rate
from edge.dsp import ppg_quality as quality
from edge.dsp.beats import BeatList, band_passed, find_beats, polarity
from edge.dsp.resample import to_grid
from edge.types import ConfigError, Reading, Window

Floats = NDArray[np.float64]

WINDOW_S = 16.0
_LEAST_S = 8.0
_GRID_HZ = 100.0
_INVERTED = -0.6
_MIN_TRUST, _SURE_TRUST = 0.48, 0.65
_MAX_SD_SHARE = 0.2
_MIN_BPM, _MAX_BPM = 20.0, 240.0


def build(*, channel: int = 0, hop_s: float = 1.0, upside_down: str = "auto") -> Pulse:
    """Heart rate from PPG of 25 to 500 Hz in any unit, with an accelerometer where there is one.

    channel: which channel beats are read from (under motion all are used). hop_s: seconds between readings; each looks
    back over at most 16 s, at least 8. upside_down: "auto", "yes" (raw light intensity) or "no".
    """
    if channel < 0:
        raise ConfigError("pulse: channel counts from 0")
    if not 0.25 <= hop_s <= _LEAST_S:
        raise ConfigError(f"pulse: hop_s must lie between 0.25 and {_LEAST_S:g}")
    if upside_down not in ("auto", "yes", "no"):
        raise ConfigError(f"pulse: upside_down is auto, yes or no, not {upside_down!r}")
    return Pulse(channel, hop_s, upside_down)


class Pulse:
    """Analyzer of the stream ``ppg`` with an accelerometer where there is one; see ``build``."""

    streams = ("ppg", "acc?")
    metrics = ("ppg.hr",)
    window_s = WINDOW_S

    def __init__(self, channel: int, hop_s: float, upside_down: str) -> None:
        self.hop_s = hop_s
        self._channel, self._upside_down = channel, upside_down
        self._motion = motion_rate.MotionRate()
        self._sign = 1.0
        self._last_t: float | None = None

    def reset(self) -> None:
        self._motion.reset()
        self._sign = 1.0
        self._last_t = None

    def state(self) -> dict[str, Any]:
        return {"sign": self._sign, "last_t": self._last_t, "motion": self._motion.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._sign, self._last_t = state["sign"], state["last_t"]
        self._motion.restore(state["motion"])

    def __call__(self, windows: Mapping[str, Window]) -> list[Reading]:
        window = windows["ppg"]
        moved = quality.motion_level(windows.get("acc"), _LEAST_S)
        tracked = self._track(window, windows["acc"] if moved is not None else None)
        signal = quality.usable(window, WINDOW_S, _GRID_HZ, self._channel, _LEAST_S)
        if signal.reason:
            if tracked is not None and moved is not None and signal.reason in ("saturated", "low_quality"):
                return [self._of_spectrum(window.end, tracked, moved, signal.reason)]
            return [Reading("ppg.hr", window.end, None, "bpm", 0.0, signal.reason)]
        if tracked is not None and moved is not None and moved >= quality.MOVING:
            return [self._of_spectrum(window.end, tracked, moved, "motion")]
        wave = self._upright(band_passed(signal.x, _GRID_HZ))
        return [self._of_beats(window.end, signal.x, wave, tracked, moved)]

    def _of_beats(
        self, t: float, raw: Floats, wave: Floats, tracked: tuple[float, float] | None, moved: float | None
    ) -> Reading:
        beats = pulse_rate.systolic_only(find_beats(wave, _GRID_HZ))
        end = len(wave) / _GRID_HZ
        recent = min(end, pulse_rate.RATE_SPAN_S)
        last = beats.peak >= end - recent
        tail = -round(recent * _GRID_HZ)
        some = BeatList(beats.peak[last] - (end - recent), beats.onset[last] - (end - recent), beats.amplitude[last])
        if len(some) and some.onset[0] < 0:
            some = BeatList(some.peak[1:], some.onset[1:], some.amplitude[1:])
        trust = quality.noise_quality(raw[tail:], wave[tail:], some, _GRID_HZ)
        shapes = quality.beat_quality(wave, beats, _GRID_HZ)
        rate = pulse_rate.beat_rate(wave, beats, _GRID_HZ, recent)
        found = pulse_rate.findings(wave, beats, _GRID_HZ, rate, trust, shapes)
        detail: dict[str, Any] = dict(found.detail())
        if found.asystole == 1:
            return Reading("ppg.hr", t, None, "bpm", trust, "no_pulse", detail)
        doubtful = trust < _SURE_TRUST and not (tracked is not None and pulse_rate.agree(rate.bpm, tracked[0]))
        if trust < _MIN_TRUST or doubtful or not rate.agreeing or not _MIN_BPM <= rate.bpm <= _MAX_BPM:
            if tracked is not None and moved is not None:
                return self._of_spectrum(t, tracked, moved, "low_quality")
            return Reading("ppg.hr", t, None, "bpm", min(trust, 0.25), "low_quality", detail)
        detail["sd"] = rate.sd
        detail["method"] = "beats"
        detail["ibi_s"] = [round(float(x), 4) for x in np.diff(beats.peak)[beats.peak[1:] >= end - recent]]
        return Reading("ppg.hr", t, rate.bpm, "bpm", trust, detail=detail)

    def _of_spectrum(self, t: float, tracked: tuple[float, float], moved: float | None, reason: str) -> Reading:
        bpm, sd = tracked
        trust = float(np.clip(1.0 - sd / (_MAX_SD_SHARE * bpm), 0.0, 1.0))
        detail: dict[str, Any] = {"sd": sd, "method": "spectrum", "motion": moved, "asystole": None}
        if sd > _MAX_SD_SHARE * bpm:
            return Reading("ppg.hr", t, None, "bpm", trust, reason, detail)
        return Reading("ppg.hr", t, bpm, "bpm", trust, detail=detail)

    def _track(self, window: Window, acc: Window | None) -> tuple[float, float] | None:
        """The tracked rate and its sd, from all channels and the accelerometer, where there is one, of the last 8 s or
        more; None where either is incomplete."""
        start = max(window.start, float(window.t[0]) if len(window.t) else window.end)
        if window.end - start < _LEAST_S - 0.5 / window.rate:
            return None
        ppg = _gridded(window, start)
        axes = _gridded(acc, start) if ppg is not None and acc is not None else None
        if ppg is None or (acc is not None and axes is None):
            return None
        dt_s = self.hop_s if self._last_t is None else window.end - self._last_t
        self._last_t = window.end
        return self._motion.update(ppg, axes, dt_s)

    def _upright(self, wave: Floats) -> Floats:
        if self._upside_down == "auto":
            lean = polarity(wave)
            if abs(lean) >= -_INVERTED:
                self._sign = 1.0 if lean > 0 else -1.0
        else:
            self._sign = -1.0 if self._upside_down == "yes" else 1.0
        return wave * self._sign


def _gridded(window: Window, start: float) -> Floats | None:
    """All channels of a window from ``start`` on at 25 Hz; None when less than 0.9 of the last 8 s was seen."""
    data = quality.columns(window)
    keep = np.isfinite(data).all(axis=1) & (window.t >= start - 0.5)
    if keep.sum() < 2:
        return None
    values, valid = to_grid(window.t[keep], data[keep], start, window.end, motion_rate.RATE_HZ, 0.25)
    last = valid[-round(_LEAST_S * motion_rate.RATE_HZ) :]
    return values if len(last) and last.mean() >= 0.9 else None
