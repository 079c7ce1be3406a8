"""What a file reader gives: tracks, one per stream the file holds, read a span at a time."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.types import SourceError

Floats = NDArray[np.float64]
Lines = NDArray[np.int64]
"""The line of a text file in which each row stands."""

MAX_CHANNELS = 8
KINDS = ("ppg", "pcg", "acc", "ecg")
SOUND_FROM_HZ = 500.0  # a stream nobody named is heart sound from this rate on, and a pulse wave below
_RATES_HZ = (1.0, 200_000.0)
BEYOND = 2.0**40  # s, or rows: no recording comes so far, and its place on a grid is still a number
_NEAR = 1e-3  # of a whole number of samples a second
_OFF = 0.25  # of a sample


@dataclass(frozen=True, slots=True)
class Places:
    """Where rows stand on an even grid: runs of consecutive ones, by the first row of each and its place."""

    rows: NDArray[np.int64]
    places: NDArray[np.int64]

    @classmethod
    def of(cls, index: NDArray[np.int64]) -> Places:
        """Of every row's place."""
        first = np.concatenate([[0], np.flatnonzero(np.diff(index) != 1) + 1])
        return cls(first, index[first])

    def between(self, a: int, b: int) -> NDArray[np.int64]:
        """The places of rows a to b."""
        rows = np.arange(a, b)
        run = np.searchsorted(self.rows, rows, side="right") - 1
        return np.asarray(self.places[run] + rows - self.rows[run])

    def row(self, place: int) -> int:
        """The first row at or after a place."""
        run = max(int(np.searchsorted(self.places, place, side="right")) - 1, 0)
        row = int(self.rows[run] + max(0, place - self.places[run]))
        return min(row, int(self.rows[run + 1])) if run + 1 < len(self.rows) else row


@dataclass(frozen=True, slots=True)
class Track:
    """Samples of one stream of a file.

    rows(a, b): samples a to b, ``(b - a, channels)``, NaN where there is none. places: of the rows on an
    even grid, where rows are missing; times: s from the start, of every row, where the file's are uneven. left_out:
    channels of the stream that do not fit beside the others, in words. unheard: how many channels the file has of it
    beside the one that is read, where one is.
    """

    kind: str
    rate_hz: float
    length: int
    rows: Callable[[int, int], Floats]
    labels: tuple[str, ...] = ()
    places: Places | None = None
    times: Floats | None = None
    left_out: tuple[str, ...] = ()
    unheard: int = 0

    def position(self, at_s: float) -> int:
        """The first row at or after ``at_s`` from the start."""
        if self.times is not None:
            return int(np.searchsorted(self.times, at_s - 1e-9))
        on_grid = round(at_s * self.rate_hz)
        return min(on_grid if self.places is None else self.places.row(on_grid), self.length)

    @property
    def end_s(self) -> float:
        """Time just after the last row, s."""
        if self.times is not None:
            return float(self.times[-1]) + 1.0 / self.rate_hz
        return (self._place(self.length - 1) + 1) / self.rate_hz

    def next_s(self, at_s: float) -> float:
        """When the first row at or after ``at_s`` is, s from the start; infinite behind the last."""
        row = self.position(at_s)
        if row >= self.length:
            return math.inf
        return float(self.times[row]) if self.times is not None else self._place(row) / self.rate_hz

    def _place(self, row: int) -> int:
        return row if self.places is None else int(self.places.between(row, row + 1)[0])


def read_bytes(path: Path, offset: int, size: int) -> bytes:
    """A piece of a file; raises SourceError when it has gone or shrunk (a mapped file would end the program)."""
    try:
        with path.open("rb") as file:
            file.seek(offset)
            content = file.read(size)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read any more: {error.strerror}") from None
    if len(content) != size:
        raise SourceError(f"{path}: became shorter while it was read")
    return content


def is_wanted(found: str, asked: str) -> bool:
    """Whether a stream belongs to what was asked for. An accelerometer stays beside a pulse wave: without it, movement
    is taken for heart beats."""
    return asked in ("auto", found) or (asked == "ppg" and found == "acc")


def channel_for(found: str, asked: str, channel: int | None) -> int | None:
    """The one channel to take of a stream, or None for all: all of an accelerometer that was not itself asked for, the
    first of heart sound unless another is."""
    if found == "acc" and asked != "acc":
        return None
    return 0 if found == "pcg" and channel is None else channel


def chosen_channels(path: Path, columns: list[int], channel: int | None) -> list[int]:
    """The columns to read of a stream's ``columns``: one, or as many as a stream may have; raises SourceError."""
    if channel is None:
        return columns[:MAX_CHANNELS]
    if not 0 <= channel < len(columns):
        raise SourceError(f"{path}: has {len(columns)} channel(s), counted from 0; there is no channel {channel}")
    return [columns[channel]]


def array_track(kind: str, rate_hz: float, data: Floats, unheard: int = 0) -> Track:
    """A track of an array ``(n, channels)`` in memory."""
    return Track(kind, rate_hz, len(data), lambda a, b: data[a:b], unheard=unheard)


class RateError(SourceError):
    """A sampling rate that is missing or wrong. what: is wrong; remedy: with KEY where the key ``rate_hz`` is named, which
    is ``--rate`` at the terminal: ``at_terminal``."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy.replace('KEY', 'rate_hz')}")
        self.at_terminal = f"{what}; {remedy.replace('KEY', '--rate')}"


def checked_rate(path: str, stated: float | None, asked: float | None, *, key: str = "") -> float:
    """The rate to use: the file's, or the one asked for where the file does not say; raises SourceError. key: under which
    such a file says it."""
    if stated is None and asked is None:
        where = f": it has no key {key}" if key else ""
        raise RateError(f"{path}: does not say its sampling rate{where}", "give KEY")
    if stated is not None and asked is not None and abs(stated - asked) > 0.01 * stated:
        raise RateError(f"{path}: was sampled at {stated:g} Hz, not {asked:g} Hz", "leave KEY out")
    rate = float(stated if stated is not None else asked)  # type: ignore[arg-type]
    if not _RATES_HZ[0] <= rate <= _RATES_HZ[1]:
        raise SourceError(f"{path}: a sampling rate of {rate:g} Hz makes no sense here")
    return rate


def whole_rate(rate_hz: float, seconds: float) -> float:
    """A measured rate, Hz, or the whole one near it where that is off by less than a quarter of a sample after
    ``seconds``."""
    nearest = float(np.rint(rate_hz))
    near = nearest and abs(rate_hz - nearest) < _NEAR * nearest and abs(seconds * (rate_hz - nearest)) < _OFF
    return nearest if near else rate_hz


def by_stream(names: Mapping[int, str]) -> dict[str, list[int]]:
    """The columns or signals of each stream, by their names; in clinical files "Pulse" is mostly the rate, so that it is a
    wave only where nothing else is one."""
    found: dict[str, list[int]] = {}
    for i, name in names.items():
        kind = kind_of(name)
        if kind is not None:
            found.setdefault(kind, []).append(i)
    waves = [i for i in found.get("ppg", []) if _parts(names[i]) != {"pulse"}]
    return {**found, "ppg": waves} if waves else found


def _parts(name: str) -> set[str]:
    return set(re.split(r"[\W_]+", name.strip().lower())) - {""}


def kind_of(name: str) -> str | None:
    """The stream a column or signal of that name belongs to; None when the name does not tell."""
    word, parts = name.strip().lower(), _parts(name)
    if parts & _NO_SIGNAL or _is_turning(name):
        return None
    for kind, whole, within in _NAMES:
        if parts & whole or any(text in word for text in within):
            return kind
    return None


_NO_SIGNAL = {
    "rate", "heartrate", "pulserate", "hr", "pr", "bpm", "quality", "sqi", "accuracy", "peak", "peaks",
}  # fmt: skip
"""Of one, but not the wave."""
_TURNS = re.compile(
    r"(gyro?|gyroscope|mag|magn|magnetometer|magnetic|quat|quaternion|rotation(rate)?|angular(velocity)?|euler|orientation"
    r"|attitude|gravity)[xyzw]?"
)

_NAMES: tuple[tuple[str, set[str], tuple[str, ...]], ...] = (
    ("ppg", {"ir", "infrared", "red", "green", "r", "g", "b", "bvp", "pulse"}, ("ppg", "pleth")),
    ("pcg", {"mic", "sound", "audio", "stethoscope"}, ("pcg", "phono", "heart sound", "heart_sound", "heartsound")),
    ("acc", {"x", "y", "z", "ax", "ay", "az"}, ("acc",)),
    ("ecg", {"ekg", "lead", "mlii", "avf", "avl", "avr"}, ("ecg",)),
)


_ANOTHER = {
    "eeg", "eog", "emg", "erg", "meg", "mcg", "temp", "temperature", "resp", "respiration", "sao2", "spo2", "co2", "etco2",
}  # fmt: skip
"""Signals of monitors and sleep laboratories that are neither pulse nor sound; EDF+ has most of these words."""


def may_be_any(name: str) -> bool:
    """Whether a column or signal of that name may be taken for what its rate suggests: the name says nothing."""
    return kind_of(name) is None and not _is_something_else(name)


def _is_something_else(name: str) -> bool:
    """Whether the name says that this is no wave of ours: another signal, or a figure made of one."""
    return bool(_parts(name) & (_ANOTHER | _NO_SIGNAL)) or _is_turning(name)


def _is_turning(name: str) -> bool:
    """Whether its x, y and z are those of a gyroscope or a magnetometer, or where below is: nothing of it shakes."""
    return "acc" not in name.lower() and any(map(_TURNS.fullmatch, _parts(name)))


def none_named(path: Path, what: str, asked: str, names: Sequence[str]) -> SourceError:
    """The error of a file in which no column or signal (``what``) is what was asked for, nor may be any."""
    wanted = "ppg, pcg, acc or ecg" if asked == "auto" else asked
    others = [name for name in names if _is_something_else(name)]
    remedy = f"; by its name {others[0][:40]!r} is no such wave: if it is one, rename it" if others else ""
    return SourceError(f"{path}: no {what} is named {wanted}; there are: {', '.join(names)[:120]}{remedy}")


def kind_by_rate(rate_hz: float) -> str:
    """What an unnamed stream of that rate must be."""
    return "pcg" if rate_hz >= SOUND_FROM_HZ else "ppg"
