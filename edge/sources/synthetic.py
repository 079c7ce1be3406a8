"""A source that needs nothing: pulse, heart sound and acceleration of a synthetic heart, for trying a configuration."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edge.clock import Clock
from edge.dsp.synthesis import Beats, Episode, acceleration, beats, pcg, ppg
from edge.ranges import FromZero, NotNegative, Pace
from edge.types import Block, ConfigError

RATES_HZ = {"ppg": 100.0, "acc": 100.0, "pcg": 4000.0}
_BLOCK_S = 0.1
_HORIZON_S = 3600.0  # the script repeats after an hour, in a new epoch
_POLL_S = 0.05


def build(
    *,
    name: str,
    clock: Clock,
    rhythm: str = "sinus",
    rate_bpm: float = 72.0,
    murmur: bool = False,
    streams: tuple[str, ...] = ("ppg", "acc"),
    seed: FromZero = 0,
    pace: Pace = "real",
    seconds: NotNegative = 0.0,
) -> Synthetic:
    """A synthetic heart.

    rhythm: sinus, af, pvc, pac or asystole; rate_bpm: its mean rate; murmur: whether the heart sound has one;
    streams: of ppg, acc, pcg; pace: "real" or "max"; seconds: end after so long, 0 = never (an hour at pace "max").
    seed: another heart.
    """
    unknown = [s for s in streams if s not in RATES_HZ]
    if unknown or not streams:
        raise ConfigError(f"streams: {', '.join(unknown) or 'none'}; valid: {', '.join(RATES_HZ)}")
    try:
        episode = Episode(0.0, rhythm, rate_bpm)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    return Synthetic(
        name=name,
        clock=clock,
        episode=episode,
        murmur=murmur,
        streams=tuple(streams),
        seed=seed,
        at_once=pace == "max",
        seconds=seconds,
    )


class Synthetic:
    """See ``build``."""

    def __init__(
        self,
        *,
        name: str,
        clock: Clock,
        episode: Episode,
        murmur: bool,
        streams: Sequence[str],
        seed: int,
        at_once: bool,
        seconds: float,
    ) -> None:
        self.can_wait = at_once
        self._name, self._clock, self._streams, self._seed = name, clock, streams, seed
        self._episode, self._murmur = episode, murmur
        self._end_s = seconds or (_HORIZON_S if at_once else 0.0)
        self._heart: Beats | None = None
        self._start = self._left_s = 0.0
        self._tick = 0
        self._epoch = -1

    def open(self) -> None:
        self._heart = beats([self._episode], _HORIZON_S, seed=self._seed)
        self._left_s = self._end_s
        self._begin(self._clock.now())

    def read(self) -> list[Block]:
        """The next tenth of a second of every stream, when its time has come; EOFError after ``seconds``."""
        if self._heart is None:
            return []
        at_s = self._tick * _BLOCK_S
        if self._end_s and at_s >= self._left_s - 1e-9:
            raise EOFError
        wait_s = 0.0 if self.can_wait else self._start + at_s + _BLOCK_S - self._clock.now()
        if wait_s > 0:
            self._clock.sleep(min(wait_s, _POLL_S))
            return []
        if at_s >= _HORIZON_S:
            self._left_s -= _HORIZON_S
            self._begin(self._start + _HORIZON_S)
            at_s = 0.0
        self._tick += 1
        return [self._block(kind, at_s) for kind in self._streams]

    def close(self) -> None:
        self._heart = None

    def _begin(self, at: float) -> None:
        """The script from its beginning, at host time ``at``, s."""
        self._start, self._tick = at, 0
        self._epoch += 1

    def _block(self, kind: str, at_s: float) -> Block:
        assert self._heart is not None
        rate = RATES_HZ[kind]
        first = round(at_s * rate)
        t = (first + np.arange(round(_BLOCK_S * rate))) / rate
        if kind == "ppg":
            data = np.round(50_000.0 + 2_000.0 * ppg(self._heart, t, seed=self._seed))
        elif kind == "pcg":
            spans = [(0.0, _HORIZON_S)] if self._murmur else []
            data = np.round(8_000.0 * pcg(self._heart, t, murmur=spans, seed=self._seed))
        else:
            data = np.round(acceleration(t, seed=self._seed))
        labels = {"ppg": ("ir",), "pcg": ("mic",), "acc": ("x", "y", "z")}[kind]
        data = (data if data.ndim == 2 else data[:, None]) + 0.0  # a device's counts know no minus zero
        return Block(f"{self._name}/{kind}", first, self._start + first / rate, rate, data, self._epoch, labels)
