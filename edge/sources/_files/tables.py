"""CSV as tracks: with a time column or a given rate.

Columns are told apart by name (ppg, pleth, ir, red; pcg, mic, sound; acc, x, y, z; ecg); one whose name says another
signal is never taken for the one asked for. A column that counts the rows is no signal; a number missing in it is a hole.
Lines above the names, and one of units below them, are passed over. A stream without any number is an error only where
it was asked for or nothing else is there.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np

from edge.sources._files.times import (
    counted,
    counter_column,
    grid,
    is_time,
    past_midnight,
    seconds_of,
    time_column,
    time_unit_s,
)
from edge.sources._files.track import (
    Floats,
    Track,
    by_stream,
    channel_for,
    checked_rate,
    chosen_channels,
    is_wanted,
    kind_by_rate,
    kind_of,
)
from edge.types import SourceError

_EXPORTED = ("mono", "wall", "epoch", "seq")  # what `edge-vitals export --csv` puts before the channels
_LEAST_ROWS = 3  # names, and two of numbers
_LOOKED_AT = 20  # rows, for the way in which numbers are written
_PAGE = 1 << 16  # characters
_E4_UNIX_S, _E4_RATE_HZ, _E4_MOST = 1e9, (1.0, 1000.0), 1e8  # its times are after 2001; no sample is as large
UTF_16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f\x7f]")
_ABSENT = {"", "nan", "na", "n/a", "null", "none", "-"}


def read_csv(path: Path, kind: str, channel: int | None, rate_hz: float | None) -> list[Track]:
    """Tracks of a CSV file: one per kind its columns name."""
    names, table, first_line = _csv_table(path)
    stated = None if names else _e4_rate(table)
    if stated is not None:
        table = table[2:]
    counter = counter_column(names, table)
    time = None if stated is not None else time_column(names, table, counter)
    if time is None:
        rate, index, times = checked_rate(str(path), stated, rate_hz), None, None
        if counter is not None:
            index = counted(path, table[:, counter], first_line)
    else:
        unit_s = time_unit_s(names[time] if names else "", table[:, time])
        rate, index, times = grid(path, table[:, time] * unit_s, first_line)
        rate = checked_rate(str(path), rate, rate_hz)
    beside = range(len(_EXPORTED)) if tuple(names[: len(_EXPORTED)]) == _EXPORTED else (time, counter)
    columns = [i for i in range(table.shape[1]) if i not in beside]
    if not columns:
        raise SourceError(f"{path}: has no column of samples, only the time or a count of rows")
    tells = bool(names) and (len(columns) > 1 or len(names[columns[0]]) > 1)  # a lone x or y is whatever was plotted
    by_kind = by_stream({i: names[i] for i in columns}) if tells else {}
    nameless = [i for i in columns if not (tells and kind_of(names[i]))]
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


def _csv_table(path: Path) -> tuple[list[str], Floats, int]:
    """Column names (empty without a header), numbers ``(n, columns)`` with NaN where a cell is empty, first line."""
    text = _text(path)
    count, rows = sum(1 for _ in _rows_of(text)), list(islice(_rows_of(text), _LOOKED_AT))
    if not rows:
        raise SourceError(f"{path}: empty")
    usual = rows[len(rows) // 2][1]
    separator = max(";\t,", key=usual.count)
    comma_decimal = separator == ";" and all("." not in line for _, line in rows[1:])

    def cells(line: str) -> list[str]:
        found = line.split(separator) if separator in line else line.split()
        found = [c.strip().strip("\"'") for c in found]
        return [c.replace(",", ".") for c in found] if comma_decimal else found

    def alike(line: str) -> bool:
        return (separator in line) == (separator in usual) and len(cells(line)) == len(cells(usual))

    begin = next(i for i, (_, line) in enumerate(rows) if alike(line))
    if len(rows) - begin >= _LEAST_ROWS and not any(all(map(_is_value, cells(line))) for _, line in rows[:begin]):
        rows = rows[begin:]  # what stands above a table: device, subject, date
    else:
        begin = 0
    head = cells(rows[0][1])
    width = len(head)
    unnamed = not head[0] and len(rows) > 1 and cells(rows[1][1])[0] != ""  # a table's index has no name of its own
    names = [] if all(_is_value(c) for c in head) and not unnamed else head
    above = 1 if names else 0
    if names and len(rows) > 2 and _are_units(units := cells(rows[1][1]), width) and not _is_worded(cells(rows[2][1])):
        names = [f"{n} ({u})" if is_time(n) and is_time(f"{n} ({u})") else n for n, u in zip(names, units, strict=True)]
        above = 2
    if count == begin + above:
        raise SourceError(f"{path}: has a header and no rows")
    first_line, first_row = rows[above]
    if names and _is_worded(cells(first_row)):
        raise SourceError(f"{path}: text, but no table of numbers")
    times = {j for j in range(width) if (is_time(names[j]) if names else j == 0)}
    of_day: set[int] = set()
    values = np.empty((count - begin - above, width))
    for i, (number, line) in enumerate(islice(_rows_of(text), begin + above, None)):
        row = cells(line)
        if len(row) != width:
            half = ": half-written?" if i == len(values) - 1 else ""
            raise SourceError(f"{path}: line {number}: {len(row)} of {width} columns{half}")
        for j, cell in enumerate(row):
            try:
                values[i, j] = np.nan if cell.lower() in _ABSENT else float(cell)
            except ValueError:
                if names and kind_of(names[j]) is None and j not in times:
                    values[i, j] = np.nan  # a column of words, such as a label
                    continue
                try:
                    values[i, j] = seconds_of(cell if j in times else "")
                except ValueError:
                    raise SourceError(f"{path}: line {number}: {cell[:30]!r} is not a number") from None
                of_day.add(j)
    for j in of_day:
        values[:, j] = past_midnight(values[:, j])
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


def _is_value(cell: str) -> bool:
    """Whether a cell is a number, a time, or says that there is none."""
    return cell.lower() in _ABSENT or not _is_worded([cell])


def _is_worded(row: Sequence[str]) -> bool:
    """Whether no cell of a row is a number or a time."""
    return not any(_is_read(cell) for cell in row if cell.lower() not in _ABSENT)


def _are_units(row: Sequence[str], width: int) -> bool:
    """Whether a row below the names holds a unit of each, such as mV; a damaged number begins as one."""
    return len(row) == width and _is_worded(row) and not any(cell[:1].isdigit() for cell in row)


def _is_read(cell: str) -> bool:
    for read in (float, seconds_of):
        with contextlib.suppress(ValueError):
            read(cell)
            return True
    return False
