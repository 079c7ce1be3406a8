"""The demo's scripted patient: what happens when, and what its sensors then see. Pure; the pump brings it to a port.

Timed so that within 90 s every alarm of the script is raised and cleared with the demo's shortened delays
(``edge.demo.settings``): the windows are the product's own, 10 s for rhythm and 5 s for sound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edge.dsp.synthesis import Episode, acceleration, beats, pcg, ppg

RATES_HZ = {"ppg": 100.0, "pcg": 4000.0, "acc": 100.0}
_HORIZON_S = 3600.0
_SEED = 1
ROUND_S = 90.0


@dataclass(frozen=True, slots=True)
class Happening:
    """At ``t`` s of a round something begins; ``text`` says what, for the person who watches."""

    t: float
    text: str


SCRIPT = (
    Happening(0.0, "sinus rhythm, 70 bpm; normal heart sounds; a face before the camera"),
    Happening(12.0, "a systolic murmur appears"),
    Happening(16.0, "the rhythm turns to atrial fibrillation"),
    Happening(34.0, "the murmur is gone"),
    Happening(38.0, "sinus rhythm again"),
    Happening(56.0, "the patient waves the arm: motion"),
    Happening(60.0, "the arm rests"),
    Happening(66.0, "the finger slips out of the sensor"),
    Happening(73.0, "the finger is back"),
)
MURMUR_S = (12.0, 34.0)
AF_S = (16.0, 38.0)
MOTION_S = (56.0, 60.0)
OFF_S = (66.0, 73.0)


class Patient:
    """Samples of every stream by index since the device started, in device counts; repeats the script every 90 s."""

    def __init__(self) -> None:
        rounds = [k * ROUND_S for k in range(int(_HORIZON_S / ROUND_S))]
        script = [Episode(0.0, "sinus", 70.0)]
        for start in rounds:
            script += [Episode(start + AF_S[0], "af", 95.0), Episode(start + AF_S[1], "sinus", 70.0)]
        self._heart = beats(script, _HORIZON_S, seed=_SEED)
        self._murmur = [(start + MURMUR_S[0], start + MURMUR_S[1]) for start in rounds]
        self._motion = [(start + MOTION_S[0], start + MOTION_S[1]) for start in rounds]

    @property
    def beats_s(self) -> NDArray[np.float64]:
        """When the heart beats, s."""
        return self._heart.t

    def samples(self, kind: str, first: int, count: int) -> NDArray[np.int32]:
        """``count`` samples of a stream from index ``first`` on, ``(count, channels)`` int32."""
        t = ((first + np.arange(count)) / RATES_HZ[kind]) % _HORIZON_S
        if kind == "ppg":
            wave = 60_000.0 + 1_500.0 * ppg(self._heart, t, seed=_SEED)
            shake = acceleration(t, motion=self._motion, seed=_SEED)[:, 0]
            data = np.where(self._off(t), 600.0 + 3.0 * ppg(self._heart, t * 0.0, seed=2), wave + 4.0 * shake)[:, None]
        elif kind == "pcg":
            data = 9_000.0 * pcg(self._heart, t, murmur=self._murmur, noise=0.008, seed=_SEED)[:, None]
        else:
            data = acceleration(t, motion=self._motion, seed=_SEED)
        return np.round(data).astype(np.int32)

    def sensor_off(self, kind: str, first: int) -> bool:
        """Whether the device itself notices that nothing lies on its sensor."""
        return kind == "ppg" and bool(self._off(np.array([first / RATES_HZ[kind]]))[0])

    @staticmethod
    def _off(t: NDArray[np.float64]) -> NDArray[np.bool_]:
        phase = t % ROUND_S
        return (phase >= OFF_S[0]) & (phase < OFF_S[1])
