"""CSV as tracks: with a time column or a given rate.

Columns are told apart by name (ppg, pleth, ir, red; pcg, mic, sound; acc, x, y, z; ecg); one whose name says another
signal, or a figure such as a heart rate, is never taken for the one asked for. A column that counts the rows is no
signal; a number missing in it is a hole. Lines above the names, and one of units below them, are passed over. A stream
without any number is an error only where it was asked for or nothing else is there.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge.sources._files.exported import COLUMNS, read_exported
from edge.sources._files.layout import LOOKED_AT, Layout, is_absent, layout_of
from edge.sources._files.times import (
    counted,
    counter_column,
    grid,
    is_time,
    may_begin_with_time,
    past_midnight,
    rises,
    seconds_of,
    time_column,
    time_unit_s,
)
from edge.sources._files.track import (
    Floats,
    Lines,
    Places,
    Track,
    by_stream,
    channel_for,
    checked_rate,
    chosen_channels,
    is_wanted,
    kind_by_rate,
    kind_of,
    may_be_any,
    none_named,
)
from edge.types import SourceError

_PAGE = 1 << 16  # characters
_E4_UNIX_S, _E4_RATE_HZ, _E4_MOST = 1e9, (1.0, 1000.0), 1e8  # its times are after 2001; no sample is as large
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")


def read_csv(path: Path, kind: str, channel: int | None, rate_hz: float | None) -> list[Track]:
    """Tracks of a CSV file: one per kind its columns name."""
    exported = read_exported(path)
    if exported is not None:
        rate = checked_rate(str(path), exported.rate_hz, rate_hz)
        found = _Table(
            path, exported.names, exported.length, rate, exported.places, None, lambda j: bool(exported.holds[j]),
            lambda chosen: partial(exported.rows, chosen),
        )  # fmt: skip
        return _tracks(found, list(range(len(exported.names))), kind, channel)
    names, table, lines = _csv_table(path)
    stated = None if names else _e4_rate(table)
    if stated is not None:
        table, lines = table[2:], lines[2:]
    counter = counter_column(names, table)
    time = None if stated is not None else time_column(names, table, counter)
    if time is None:
        rate, index, times = checked_rate(str(path), stated, rate_hz), None, None
        if counter is not None:
            index = counted(path, table[:, counter], lines)
    else:
        unit_s = time_unit_s(names[time] if names else "", table[:, time])
        rate, index, times = grid(path, table[:, time] * unit_s, lines)
        rate = checked_rate(str(path), rate, rate_hz)
    beside = range(len(COLUMNS)) if tuple(names[: len(COLUMNS)]) == COLUMNS else (time, counter)
    columns = [i for i in range(table.shape[1]) if i not in beside and not _is_another_time(names, table, i)]
    if not columns:
        raise SourceError(f"{path}: has no column of samples, only the time or a count of rows")
    read = _Table(
        path, names, len(table), rate, None if index is None else Places.of(index), times,
        lambda j: bool(np.isfinite(table[:, j]).any()),
        lambda chosen: partial(_rows, np.ascontiguousarray(table[:, chosen])),
    )  # fmt: skip
    return _tracks(read, columns, kind, channel)


class _Table(NamedTuple):
    """Columns of numbers, and when their rows are. holds: whether a column holds any; rows_of: how some are read."""

    path: Path
    names: list[str]
    length: int
    rate_hz: float
    places: Places | None
    times: Floats | None
    holds: Callable[[int], bool]
    rows_of: Callable[[list[int]], Callable[[int, int], Floats]]


def _tracks(table: _Table, columns: list[int], kind: str, channel: int | None) -> list[Track]:
    """One per stream that the names of its columns of samples tell."""
    path, names = table.path, table.names
    tells = bool(names) and (len(columns) > 1 or len(names[columns[0]]) > 1)  # a lone x or y is whatever was plotted
    by_kind = by_stream({i: names[i] for i in columns}) if tells else {}
    nameless = [i for i in columns if not tells or may_be_any(names[i])]
    if kind != "auto":
        by_kind = _asked_for(kind, by_kind, nameless)
    elif not by_kind and nameless:
        by_kind = {kind_by_rate(table.rate_hz): nameless}
    if not by_kind.get(kind, by_kind):
        raise none_named(path, "column", kind, names)
    tracks = []
    empty = []
    for found, members in by_kind.items():
        chosen = chosen_channels(path, members, channel_for(found, kind, channel))
        if not any(map(table.holds, chosen)):
            empty.append(found)
        labels = tuple(names[i] for i in chosen) if names else ()
        left_out = tuple(names[i] for i in members if i not in chosen) if names and len(chosen) > 1 else ()
        unheard = len(members) - 1 if len(chosen) == 1 else 0
        rows = table.rows_of(chosen)
        track = Track(found, table.rate_hz, table.length, rows, labels, table.places, table.times, left_out, unheard)
        tracks.append(track)
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


def _is_another_time(names: list[str], table: Floats, i: int) -> bool:
    """Whether a column is a second clock beside the one that is read."""
    return bool(names) and is_time(names[i]) and rises(table[:, i])


def _e4_rate(table: Floats) -> float | None:
    """The sampling rate in a file of an Empatica E4, whose first row is Unix time and whose second the rate, each in every
    column (its info.txt); None of any other file."""
    if len(table) < 3 or not (table[:2] == table[:2, :1]).all():
        return None
    low, high = _E4_RATE_HZ
    is_one = (
        table[0, 0] > _E4_UNIX_S
        and low <= table[1, 0] <= high
        and np.fmax.reduce(np.abs(table[2:]), axis=None) < _E4_MOST
    )
    return float(table[1, 0]) if is_one else None


def _csv_table(path: Path) -> tuple[list[str], Floats, Lines]:
    """Column names (empty without a header), numbers ``(n, columns)`` with NaN where a cell is empty, and their lines."""
    text = _text(path)
    layout = layout_of(path, list(islice(_rows_of(text), LOOKED_AT)))
    values, lines = _numbers(path, text, layout)
    names = layout.names
    if names:
        kept = [
            j for j in range(layout.width) if not np.isnan(values[:, j]).all() or kind_of(names[j]) or len(names) == 1
        ]
        if not kept:
            raise SourceError(f"{path}: text, but no table of numbers")
        names, values = [names[j] for j in kept], values[:, kept]
    return names, values, lines


def _numbers(path: Path, text: str, layout: Layout) -> tuple[Floats, Lines]:
    """Every row below the names, ``(n, columns)``, and its line; a column of words, such as a label, holds NaN."""
    names, width = layout.names, layout.width
    times = {j for j in range(width) if (is_time(names[j]) if names else j == 0)}
    may_be_time = times | ({0} if may_begin_with_time(names) else set())
    of_day: set[int] = set()
    lines = np.fromiter((number for number, _ in islice(_rows_of(text), layout.above, None)), np.int64)
    values = np.empty((len(lines), width))
    for i, (number, line) in enumerate(islice(_rows_of(text), layout.above, None)):
        row = layout.cells(line)
        if len(row) != width:
            half = ": half-written?" if i == len(values) - 1 else ""
            raise SourceError(f"{path}: line {number}: {len(row)} of {width} columns{half}")
        for j, cell in enumerate(row):
            try:
                values[i, j] = np.nan if is_absent(cell) else float(cell)
            except ValueError:
                try:
                    values[i, j] = seconds_of(cell if j in may_be_time else "")
                    of_day.add(j)
                except ValueError:
                    if not names or kind_of(names[j]) is not None or j in times:
                        raise SourceError(f"{path}: line {number}: {cell[:30]!r} is not a number") from None
                    values[i, j] = np.nan
    for j in of_day:
        t = past_midnight(values[:, j])
        values[:, j] = t if j in times or rises(t) else np.nan  # days by another name are words
    return values, lines


def _rows_of(text: str) -> Iterator[tuple[int, str]]:
    """Lines that hold something, with their numbers, some at a time: those of a night at once would take a gigabyte."""
    number = at = 0
    while at < len(text):
        end = text.find("\n", at + _PAGE) + 1 or len(text)
        for line in text[at:end].splitlines():
            number += 1
            if line.strip() and not line.lstrip().startswith(("#", "sep=")):  # a note; a spreadsheet's separator
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
