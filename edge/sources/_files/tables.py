"""CSV as tracks: with a time column or a given rate.

Columns are told apart by name (ppg, pleth, ir, red; pcg, mic, sound; acc, x, y, z; ecg); one whose name says another
signal is never taken for the one asked for. Uneven times, as cameras give them, stay as they are; times that repeat or
go back are an error that names the line. A column that counts the rows is no signal; a number missing in it is a hole. A stream without any number is an error
only where it was asked for or nothing else is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.sources._files.track import (
    Floats,
    Track,
    channel_for,
    checked_rate,
    chosen_channels,
    is_wanted,
    kind_by_rate,
    kind_of,
)
from edge.types import SourceError

_TIME = re.compile(
    r"(t|time|times|timestamp|timestamps|mono|sec|secs|second|seconds|s|ms|us)?[ _(\[]*(s|sec|ms|us|ns)?[\])]*"
)
_COUNTER = re.compile(
    r"|index|idx|sample|samples|sample_?n(o|um|umber)?|n|no|nr|#|row|frame|counter|count|seq|unnamed: 0"
)
_EXPORTED = ("mono", "wall", "epoch", "seq")  # what `edge-vitals export --csv` puts before the channels
_UNITS_S = {"s": 1.0, "sec": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_LOOKED_AT = 20  # rows, for the way in which numbers are written
_PAGE = 1 << 16  # characters
_UNEVEN = 0.25  # of a sample: more than this off an even grid, and times are kept one by one
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_ABSENT = {"", "nan", "na", "n/a", "null", "none", "-"}


def read_csv(path: Path, kind: str, channel: int | None, rate_hz: float | None) -> list[Track]:
    """Tracks of a CSV file: one per kind its columns name."""
    names, table, first_line = _csv_table(path)
    counter = _counter_column(names, table)
    time = _time_column(names, table, counter)
    if time is None:
        rate, index, times = checked_rate(str(path), None, rate_hz), None, None
        if counter is not None:
            index = _counted(path, table[:, counter], first_line)
    else:
        rate, index, times = _grid(path, table[:, time] * _time_unit(names, table, time), first_line)
        rate = checked_rate(str(path), rate, rate_hz)
    beside = range(len(_EXPORTED)) if tuple(names[: len(_EXPORTED)]) == _EXPORTED else (time, counter)
    columns = [i for i in range(table.shape[1]) if i not in beside]
    if not columns:
        raise SourceError(f"{path}: has no column of samples, only the time or a count of rows")
    by_kind: dict[str, list[int]] = {}
    nameless = []
    for i in columns:
        tells = names and (len(columns) > 1 or len(names[i]) > 1)  # a lone x or y is whatever was plotted
        found = kind_of(names[i]) if tells else None
        if found is None:
            nameless.append(i)
        else:
            by_kind.setdefault(found, []).append(i)
    if kind != "auto":
        by_kind = _asked_for(kind, by_kind, nameless)
        if not by_kind[kind]:
            raise SourceError(f"{path}: no column is named {kind}; there are: {', '.join(names)[:120]}")
    elif not by_kind and nameless:
        by_kind = {kind_by_rate(rate): nameless}
    tracks = []
    empty = []
    for found, members in by_kind.items():
        chosen = chosen_channels(path, members, channel_for(found, kind, channel))
        data = np.ascontiguousarray(table[:, chosen])
        if not np.isfinite(data).any():
            empty.append(found)
        labels = tuple(names[i] for i in chosen) if names else ()
        rows = partial(_rows, data)
        left_out = tuple(names[i] for i in members if i not in chosen) if names and len(chosen) > 1 else ()
        unheard = len(members) - 1 if len(chosen) == 1 else 0
        tracks.append(Track(found, rate, len(data), rows, labels, index, times, left_out, unheard))
    if kind in empty or len(empty) == len(tracks):
        raise SourceError(f"{path}: {', '.join(empty)}: no row holds numbers")
    return tracks


def _rows(data: Floats, a: int, b: int) -> Floats:
    return data[a:b]


def _asked_for(kind: str, by_kind: Mapping[str, list[int]], nameless: list[int]) -> dict[str, list[int]]:
    """The columns of the stream asked for, those without a name where none has its name, and what belongs to it."""
    asked = {kind: by_kind.get(kind) or nameless}
    for found, members in by_kind.items():
        if is_wanted(found, kind) and (kind in by_kind or len(members) > 2):  # beside nameless ones x may be anything
            asked.setdefault(found, members)
    return asked


def _csv_table(path: Path) -> tuple[list[str], Floats, int]:
    """Column names (empty without a header), numbers ``(n, columns)`` with NaN where a cell is empty, first line."""
    text = _text(path)
    count, rows = sum(1 for _ in _rows_of(text)), list(islice(_rows_of(text), _LOOKED_AT))
    if not rows:
        raise SourceError(f"{path}: empty")
    separator = max(";\t,", key=rows[min(1, len(rows) - 1)][1].count)
    comma_decimal = separator == ";" and all("." not in line for _, line in rows[1:])

    def cells(line: str) -> list[str]:
        found = line.split(separator) if separator in line else line.split()
        return [c.strip().strip('"').replace(",", ".") if comma_decimal else c.strip().strip('"') for c in found]

    head = cells(rows[0][1])
    unnamed = not head[0] and len(rows) > 1 and cells(rows[1][1])[0] != ""  # a table's index has no name of its own
    names = [] if all(_is_number(c) for c in head) and not unnamed else head
    above = 1 if names else 0
    if count == above:
        raise SourceError(f"{path}: has a header and no rows")
    first_line, first_row = rows[above]
    if names and not any(_is_number(c) and c.lower() not in _ABSENT for c in cells(first_row)):
        raise SourceError(f"{path}: text, but no table of numbers")
    width = len(head)
    values = np.empty((count - above, width))
    for i, (number, line) in enumerate(islice(_rows_of(text), above, None)):
        row = cells(line)
        if len(row) != width:
            half = ": half-written?" if i == len(values) - 1 else ""
            raise SourceError(f"{path}: line {number}: {len(row)} of {width} columns{half}")
        for j, cell in enumerate(row):
            try:
                values[i, j] = np.nan if cell.lower() in _ABSENT else float(cell)
            except ValueError:
                if names and kind_of(names[j]) is None and not _is_time(names[j]):
                    values[i, j] = np.nan  # a column of words, such as a label
                else:
                    raise SourceError(f"{path}: line {number}: {cell[:30]!r} is not a number") from None
    if names:
        worded = [j for j in range(width) if not np.isnan(values[:, j]).all() or kind_of(names[j]) or width == 1]
        names, values = [names[j] for j in worded], values[:, worded]
    return names, values, first_line


def _rows_of(text: str) -> Iterator[tuple[int, str]]:
    """Lines that hold something, with their numbers, some at a time: those of a night at once would take a gigabyte."""
    number = at = 0
    while at < len(text):
        end = text.find("\n", at + _PAGE) + 1 or len(text)
        for line in text[at:end].splitlines():
            number += 1
            if line.strip() and not line.lstrip().startswith("#"):
                yield number, line
        at = end


def _text(path: Path) -> str:
    """UTF-8, UTF-16 with its mark, or the one-byte letters that Windows programs write into headers."""
    content = path.read_bytes()
    try:
        return content.decode("utf-16" if content[:2] in UTF_16_MARKS else "utf-8-sig")
    except UnicodeDecodeError:
        if _NO_TEXT.search(content) is None and content[:2] not in UTF_16_MARKS:
            return content.decode("latin-1")
    raise SourceError(f"{path}: is neither a known recording nor text")


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.lower() in _ABSENT
    return True


def _is_time(name: str) -> bool:
    return bool(name) and _TIME.fullmatch(name.strip().lower()) is not None


def _counter_column(names: Sequence[str], table: Floats) -> int | None:
    """The column that counts the rows: by its name, or without names a first one of whole numbers in steps of one."""
    if table.shape[1] < 2 or len(table) < 3:
        return None
    if names:
        return next((i for i, name in enumerate(names) if _COUNTER.fullmatch(name.strip().lower())), None)
    first = table[:, 0]
    return 0 if np.isfinite(first).all() and (first % 1 == 0).all() and np.median(np.diff(first)) == 1 else None


def _time_column(names: Sequence[str], table: Floats, counter: int | None) -> int | None:
    for i, name in enumerate(names):
        if _is_time(name):
            return i
    if not names and counter is None and table.shape[1] > 1 and len(table) > 2 and (np.diff(table[:, 0]) > 0).all():
        return 0
    return None


def _counted(path: Path, count: Floats, first_line: int) -> NDArray[np.int64] | None:
    """Where the rows stand on an even grid: None where none is missing."""
    steps = np.diff(count)
    if not (np.isfinite(count).all() and (count % 1 == 0).all() and (steps >= 1).all()):
        at = int(np.argmax(~(steps >= 1))) + 1
        raise SourceError(f"{path}: line {first_line + at}: the row number does not rise ({count[at]:g})")
    index = (count - count[0]).astype(np.int64)
    return None if index[-1] == len(index) - 1 else index


def _time_unit(names: Sequence[str], table: Floats, time: int) -> float:
    words = re.split(r"[ _()\[\]]+", names[time].strip().lower()) if names else []
    for unit in reversed(words):
        if unit in _UNITS_S:
            return _UNITS_S[unit]
    steps = np.diff(table[:, time])
    steps = steps[np.isfinite(steps)]
    usual = float(np.median(steps)) if len(steps) else 0.0
    return 1e-3 if 1.0 < usual < 1000.0 else 1.0  # nothing here is sampled less than once a second: milliseconds


def _grid(path: Path, t: Floats, first_line: int) -> tuple[float, np.ndarray | None, Floats | None]:
    """Rate, and where the rows stand: on an even grid (None, or indices where rows are missing) or at own times."""
    if not np.isfinite(t).all():
        raise SourceError(f"{path}: line {first_line + int(np.argmin(np.isfinite(t)))}: no time")
    if len(t) < 2:
        raise SourceError(f"{path}: one row is no signal")
    steps = np.diff(t)
    if (steps <= 0).any():
        at = int(np.argmax(steps <= 0)) + 1
        what = "repeats" if steps[at - 1] == 0 else "goes back"
        raise SourceError(f"{path}: line {first_line + at}: time {what} ({t[at]:g} s after {t[at - 1]:g} s)")
    step = float(np.median(steps))
    counts = np.round(steps / step)
    if (counts >= 1).all():
        step = float((t[-1] - t[0]) / counts.sum())
    rate = 1.0 / step
    nearest = round(rate)
    if nearest and abs(rate - nearest) < 1e-3 * nearest and abs((t[-1] - t[0]) * (rate - nearest)) < _UNEVEN:
        rate = float(nearest)
    on_grid = (t - t[0]) * rate
    index = np.round(on_grid).astype(np.int64)
    if (np.abs(on_grid - index) > _UNEVEN).any() or (np.diff(index) < 1).any():
        return rate, None, t - t[0]
    return rate, (None if index[-1] == len(t) - 1 else index), None
