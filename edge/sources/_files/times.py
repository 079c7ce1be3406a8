"""The column of a table that says when: seconds, milliseconds, dates, the time of day, or the number of the row.

Seconds to hours of any beginning, Unix time in s, ms, µs or ns, ISO 8601, and the time of day, which may pass midnight;
PhysioNet's ``[14:54:00.000 01/01/2010]`` and ``0:00.008`` are among them. Uneven times, as cameras give them, stay as
they are; times that repeat or go back are an error that names the line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from edge.sources._files.track import BEYOND, Floats, Lines, RateError, checked_rate, kind_of, whole_rate
from edge.types import SourceError

_SHORT_UNITS_S: Final = {
    r"s|secs?|seconds?": 1.0,
    r"ms|msecs?|millis|milliseconds?": 1e-3,
    r"[u\u00b5\u03bc]s|micros|microseconds?": 1e-6,  # the micro sign, and the Greek letter
    r"ns|nanoseconds?": 1e-9,
}
_LONG_UNITS_S: Final = {r"mins?|minutes?": 60.0, r"h|hrs?|hours?": 3600.0}
_UNITS_S: Final = _SHORT_UNITS_S | _LONG_UNITS_S
_UNIT = "|".join(_SHORT_UNITS_S)
_LONG_UNIT = "|".join(_LONG_UNITS_S)  # alone or unparted from a name, as in tmin, it says no time
_TIME = re.compile(
    r"((elapsed|relative|unix|epoch|utc|local|system|device|sensor)[ _]*)?"
    rf"(t|times?|timestamps?|date[ _]?time|time and date|elapsed|unix|utc|mono|{_UNIT})"
    rf"([ _(\[]*({_UNIT}|utc|unix|h*:m*:s*[.m]*)|[ _(\[]+({_LONG_UNIT}))?[\])]*|[(\[]({_UNIT}|{_LONG_UNIT})[\])]"
)
_COUNTER = re.compile(
    r"|index|idx|n|no|nr|#|counter|count|seq|unnamed: 0"
    r"|(sample|frame|row)s?[ _]*(n|no|nr|num|number|index|idx|id|count|counter|#)?"
)
_UNIX_FROM: Final = ((1e17, 1e-9), (1e14, 1e-6), (1e11, 1e-3))  # in ns, µs, ms; of later than 1973
_CLOCK: Final = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)")
_PHYSIONET: Final = re.compile(r"\[([\d:.]+) (\d\d)/(\d\d)/(\d{4})\]")
_DAY_S: Final = 86_400.0
_FALLS: Final = 0.05  # of the steps: a wave falls more often, and a count of less than 20 is none of rows
_UNEVEN: Final = 0.25  # of a sample: more than this off an even grid, and times are kept one by one


def is_time(name: str) -> bool:
    """Whether a column of that name says when."""
    return bool(name.strip()) and _TIME.fullmatch(name.strip().lower()) is not None


def seconds_of(cell: str) -> float:
    """A time that is more than a number, s: Unix time of a date, else since midnight; raises ValueError."""
    if clock := _CLOCK.fullmatch(cell):
        hours, minutes, seconds = clock.groups()
        return 3600.0 * int(hours or 0) + 60.0 * int(minutes) + float(seconds.replace(",", "."))
    if dated := _PHYSIONET.fullmatch(cell):
        clock_text, day, month, year = dated.groups()
        return _unix(datetime.fromisoformat(f"{year}-{month}-{day}")) + seconds_of(clock_text)
    return _unix(datetime.fromisoformat(cell))


def past_midnight(cells_s: Floats) -> Floats:
    """Times of day of one recording, s, each day's begun where the one before ended; dates as they are."""
    if np.nanmax(cells_s) >= _DAY_S:
        return cells_s
    back = np.diff(cells_s) < -_DAY_S / 2
    return cells_s + _DAY_S * np.concatenate([[0.0], np.cumsum(back)])


def may_begin_with_time(names: Sequence[str]) -> bool:
    """Whether the first column may be time though no name says so: there are no names, or they are of another
    language, as Zeit or temps is."""
    return not names or (kind_of(names[0]) is None and not any(map(is_time, names)))


def counter_column(names: Sequence[str], table: Floats) -> int | None:
    """The column of whole numbers that counts the rows: by its name, or where no name tells a first one in steps of one."""
    if table.shape[1] < 2 or len(table) < 3:
        return None
    for i, name in enumerate(names):
        if _COUNTER.fullmatch(name.strip().lower()) and (np.isnan(table[:, i]) | (table[:, i] % 1 == 0)).all():
            return i
    first, is_named = table[:, 0], bool(names) and (kind_of(names[0]) is not None or is_time(names[0]))
    return 0 if not is_named and (first % 1 == 0).all() and _counts(np.diff(first)) else None


def time_column(names: Sequence[str], table: Floats, counter: int | None) -> int | None:
    """The column that says when: by its name, or where no name tells a first one that rises."""
    for i, name in enumerate(names):
        if is_time(name):
            return i
    may_be = table.shape[1] > 1 and len(table) > 2 and counter != 0 and may_begin_with_time(names)
    return 0 if may_be and rises(table[:, 0]) else None


def rises(column: Floats) -> bool:
    """Whether every number is larger than the one before, as times are."""
    return bool((np.diff(column) > 0).all())


def _counts(steps: Floats) -> bool:
    """Whether these steps are those of a count, which may begin anew; a wave that climbs slowly falls now and then."""
    return bool(np.median(steps) == 1 and np.mean(steps < 0) < _FALLS)


def counted(path: Path, count: Floats, lines: Lines) -> NDArray[np.int64] | None:
    """Where the rows stand on an even grid: None where none is missing."""
    with np.errstate(invalid="ignore"):  # of an infinite one
        right = (np.abs(count) < BEYOND) & (count % 1 == 0)
        right[1:] &= np.diff(count) >= 1
    if not right.all():
        at = int(np.argmin(right))
        raise SourceError(f"{path}: line {lines[at]}: the row number does not rise ({count[at]:g})")
    index = (count - count[0]).astype(np.int64)
    return None if index[-1] == len(index) - 1 else index


def time_unit_s(name: str, t: Floats) -> float:
    """Seconds in a unit of the time column: by its name, else by how large its numbers and their steps are."""
    for word in reversed(re.split(r"[ _()\[\]]+", name.strip().lower())):
        for unit, unit_s in _UNITS_S.items():
            if re.fullmatch(unit, word):
                return unit_s
    finite = t[np.isfinite(t)]
    for least, unit_s in _UNIX_FROM:
        if len(finite) and finite[0] > least:
            return unit_s
    usual = float(np.median(np.diff(finite))) if len(finite) > 1 else 0.0
    # nothing here is sampled less than once a second
    return 1e-6 if usual >= 1000.0 else 1e-3 if usual > 1.0 else 1.0


def grid(path: Path, t: Floats, lines: Lines) -> tuple[float, np.ndarray | None, Floats | None]:
    """Rate, and where the rows stand: on an even grid (None, or indices where rows are missing) or at own times, s."""
    believed = np.abs(t) < BEYOND
    if not believed.all():
        raise SourceError(f"{path}: line {lines[np.argmin(believed)]}: no time")
    if len(t) < 2:
        raise SourceError(f"{path}: one row is no signal")
    steps = np.diff(t)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0)) + 1
        what = "repeats" if steps[at - 1] == 0 else "goes back"
        said = f"{path}: line {lines[at]}: time {what} ({t[at]:g} s after {t[at - 1]:g} s)"
        if what == "repeats":
            raise RateError(said, "times of packets say no sample's: leave them out and give KEY")
        raise SourceError(said)
    step = float(np.median(steps))
    checked_rate(str(path), 1.0 / step, None)
    counts = np.round(steps / step)
    if (counts >= 1).all():
        step = float((t[-1] - t[0]) / counts.sum())
    rate = whole_rate(1.0 / step, t[-1] - t[0])
    on_grid = (t - t[0]) * rate
    index = np.round(on_grid).astype(np.int64)
    if (np.abs(on_grid - index) > _UNEVEN).any() or (np.diff(index) < 1).any():
        return rate, None, t - t[0]
    return rate, (None if index[-1] == len(t) - 1 else index), None


def _unix(when: datetime) -> float:
    return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
