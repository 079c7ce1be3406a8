"""How a table in a text file is laid out: what parts its cells, which of its lines are names and units, where numbers
begin."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from edge.sources._files.times import is_time, seconds_of
from edge.types import SourceError

LOOKED_AT = 100
"""Lines that tell the layout: whether commas stand within numbers takes more of them than the rest."""
_FOR_THE_REST = 20
_LEAST_ROWS = 3  # names, and two of numbers
_COMMA_NUMBER = re.compile(r"[-+]?\d+,\d+")
_SPACED_NUMBERS = re.compile(r"[-+]?\d+,\d+(\s+[-+]?\d+(,\d+)?)+")
_NOT_WHOLE = re.compile(r"-0+,|[-+]?\d+,0\d")
_ABSENT = {"", "nan", "na", "n/a", "null", "none", "-"}


@dataclass(frozen=True, slots=True)
class Cells:
    """What parts the cells of a line; comma: numbers are written 0,5."""

    separator: str
    comma: bool

    def __call__(self, line: str) -> list[str]:
        found = _split(line, self.separator) if self.separator in line else line.split()
        found = [cell.strip().strip("\"'") for cell in found]
        return [cell.replace(",", ".") for cell in found] if self.comma else found


@dataclass(frozen=True, slots=True)
class Layout:
    """names: of the columns, none where nothing is named; width: how many columns; above: lines before the first of
    numbers."""

    cells: Cells
    names: list[str]
    width: int
    above: int


def layout_of(path: Path, rows: Sequence[tuple[int, str]]) -> Layout:
    """The layout that the first ``LOOKED_AT`` lines, each with its number, show; raises SourceError for no table."""
    if not rows:
        raise SourceError(f"{path}: empty")
    decimals = _are_decimals([line for _, line in rows])
    rows = rows[:_FOR_THE_REST]
    usual = rows[len(rows) // 2][1]
    lower = [line for _, line in rows[len(rows) // 2 :]]
    separator = ";" if decimals else next((one for one in ";\t" if _parts(one, lower)), ",")
    cells = Cells(separator, separator != "," and all("." not in line for _, line in rows[1:]))
    begin = _beginning(rows, usual, cells)
    rows = rows[begin:]
    head = cells(rows[0][1])
    unnamed = not head[0] and len(rows) > 1 and cells(rows[1][1])[0] != ""  # a table's index has no name of its own
    names = [] if all(map(_is_value, head)) and not unnamed else head
    above = 1 if names else 0
    if names and len(rows) > 2:
        units = cells(rows[1][1])
        if _are_units(units, len(head)) and not _is_worded(cells(rows[2][1])):
            names, above = [_with_unit(*pair) for pair in zip(names, units, strict=True)], 2
    if len(rows) == above:
        raise SourceError(f"{path}: has a header and no rows")
    if names and _is_worded(cells(rows[above][1])):
        raise SourceError(f"{path}: text, but no table of numbers")
    return Layout(cells, names, len(head), begin + above)


def is_absent(cell: str) -> bool:
    """Whether a cell says that there is no number."""
    return cell.lower() in _ABSENT


def _split(line: str, separator: str) -> list[str]:
    """The cells of a line; within quotes a separator is a part of the cell."""
    if '"' not in line or len(line) > csv.field_size_limit():
        return line.split(separator)
    return next(csv.reader([line], delimiter=separator, skipinitialspace=True))


def _parts(separator: str, lines: Sequence[str]) -> bool:
    """Whether it stands equally often in all lines: a comma does so, too, where it is within each number."""
    return len({line.count(separator) for line in lines}) == 1 and separator in lines[0]


def _are_decimals(lines: Sequence[str]) -> bool:
    """Whether commas stand within numbers. Beside a space between two numbers they do; a line such as 0,031 may be two
    columns: those would have two names, no whole number is written -0 or 031, and a column that counts is no signal."""
    head, *others = (line.strip() for line in lines)
    if not others:
        return False
    if all(map(_SPACED_NUMBERS.fullmatch, others)):
        return True
    if not all(map(_COMMA_NUMBER.fullmatch, others)):
        return False
    whole = [int(line.partition(",")[0]) for line in others]
    if all(a < b for a, b in pairwise(whole)):
        return False
    is_named = "," not in head and _is_worded([head]) and not is_absent(head)
    return is_named or any(map(_NOT_WHOLE.match, (head, *others)))


def _beginning(rows: Sequence[tuple[int, str]], usual: str, cells: Cells) -> int:
    """How many lines stand above the table: device, subject, date. None of them is like the ``usual`` line or holds
    numbers alone."""

    def alike(line: str) -> bool:
        return (cells.separator in line) == (cells.separator in usual) and len(cells(line)) == len(cells(usual))

    begin = next(i for i, (_, line) in enumerate(rows) if alike(line))
    is_table = len(rows) - begin >= _LEAST_ROWS
    return begin if is_table and not any(all(map(_is_value, cells(line))) for _, line in rows[:begin]) else 0


def _with_unit(name: str, unit: str) -> str:
    """The name of a time column with its unit; other columns' units are not needed."""
    both = f"{name} ({unit})"
    return both if is_time(name) and is_time(both) else name


def _is_value(cell: str) -> bool:
    """Whether a cell is a number, a time, or says that there is none."""
    return is_absent(cell) or not _is_worded([cell])


def _is_worded(row: Sequence[str]) -> bool:
    """Whether no cell of a row is a number or a time."""
    return not any(_is_read(cell) for cell in row if not is_absent(cell))


def _are_units(row: Sequence[str], width: int) -> bool:
    """Whether a row below the names holds a unit of each, such as mV; a damaged number begins as one."""
    return len(row) == width and _is_worded(row) and not any(cell[:1].isdigit() for cell in row)


def _is_read(cell: str) -> bool:
    for read in (float, seconds_of):
        with contextlib.suppress(ValueError):
            read(cell)
            return True
    return False
