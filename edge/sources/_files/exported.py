"""A stream's table as ``edge-vitals export --csv`` writes it, a page at a time: a night of heart sound takes gigabytes.

Its rows say their epoch and number, so that what is consecutive need not be told from times that tremble by less than a
sample. After a gap, or where a page's time is off by more than 50 ms, samples go on where their time says.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
from numpy.typing import NDArray

from edge.sources._files.track import BEYOND, Floats, Places, checked_rate, read_bytes, whole_rate

COLUMNS: Final = ("mono", "wall", "epoch", "seq")
"""What the export puts before the channels."""
_PAGE_BYTES: Final = 1 << 20
_MONO, _EPOCH, _SEQ = 0, 2, 3
_ROUNDED_S: Final = 2.5e-6  # between two times of six decimals
_SLIP_S: Final = 0.05


@dataclass(slots=True)
class Exported:
    """names: of the channels; holds: whether a channel holds any number; places: of its rows on the grid of its rate."""

    path: Path
    names: list[str]
    length: int = 0
    rate_hz: float = 0.0
    places: Places = field(default_factory=lambda: Places.of(np.zeros(1, np.int64)))
    holds: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))
    _pages: list[tuple[int, int, int]] = field(default_factory=list)  # offset, bytes, first row
    _kept: tuple[int, Floats] | None = None

    def rows(self, columns: list[int], a: int, b: int) -> Floats:
        """Rows a to b of some channels, of which those of one page are kept for the next call."""
        first_rows = [first for _, _, first in self._pages]
        found = []
        for page in range(int(np.searchsorted(first_rows, a, side="right")) - 1, len(self._pages)):
            offset, size, first = self._pages[page]
            if first >= b:
                break
            if self._kept is None or self._kept[0] != page:
                self._kept = page, _numbers(read_bytes(self.path, offset, size))
            found.append(self._kept[1][max(0, a - first) : b - first, len(COLUMNS) :][:, columns])
        return np.concatenate(found)


def read_exported(path: Path) -> Exported | None:
    """The table, once looked through; None of any other, of a damaged one, and of one whose samples have uneven times."""
    with path.open("rb") as file:
        names = file.readline(1 << 12).decode("utf-8", "replace").strip().split(",")
        if tuple(names[: len(COLUMNS)]) != COLUMNS or len(names) == len(COLUMNS):
            return None
        table = Exported(path, names[len(COLUMNS) :])
        try:
            return table if _survey(table, file) else None
        except ValueError:  # whoever reads it line by line says what is wrong, and where
            return None


def _survey(table: Exported, file: BinaryIO) -> bool:
    """Find pages, runs and the rate; whether it is a table of even samples."""
    starts: list[tuple[int, float]] = []  # of runs and pages: row and time, s
    breaks: list[bool] = []
    longest = (0, 0.0)
    run, before = (0, 0.0), None
    table.holds = np.zeros(len(table.names), bool)
    for offset, content in _pages(file):
        page = _numbers(content)
        if page.shape[1] != len(COLUMNS) + len(table.names) or not (np.abs(page[:, : len(COLUMNS)]) < BEYOND).all():
            return False
        if before is None:
            steps_s = np.diff(page[:, _MONO])
            if not len(steps_s) or np.mean(np.abs(steps_s - np.median(steps_s)) < _ROUNDED_S) < 0.5:
                return False  # one row, or as a camera's frames
        joined = page if before is None else np.concatenate([before, page])
        new = (np.diff(joined[:, _EPOCH]) != 0) | (np.diff(joined[:, _SEQ]) != 1)
        new = np.concatenate([[True], new]) if before is None else new
        if (np.diff(joined[:, _MONO])[~new[1:] if before is None else ~new] <= 0).any():
            return False
        for i in np.union1d(np.flatnonzero(new), [0]).tolist():
            starts.append((table.length + i, float(page[i, _MONO])))
            breaks.append(bool(new[i]))
            if new[i]:
                run = starts[-1]
        last = (table.length + len(page) - 1, float(page[-1, _MONO]))
        if last[0] - run[0] > longest[0]:
            longest = last[0] - run[0], last[1] - run[1]
        table._pages.append((offset, len(content), table.length))
        table.length += len(page)
        table.holds |= np.isfinite(page[:, len(COLUMNS) :]).any(axis=0)
        before = page[-1:]
    if not longest[0]:
        return False
    table.rate_hz = checked_rate(str(table.path), whole_rate(longest[0] / longest[1], longest[1]), None)
    table.places = _places(table.rate_hz, starts, breaks)
    return True


def _places(rate_hz: float, starts: list[tuple[int, float]], breaks: list[bool]) -> Places:
    rows, places = [0], [0]
    for (row, t), new in zip(starts[1:], breaks[1:], strict=True):
        end = places[-1] + row - rows[-1]
        due = round((t - starts[0][1]) * rate_hz)
        if due > end and (new or due - end > _SLIP_S * rate_hz):
            rows.append(row)
            places.append(due)
    return Places(np.array(rows), np.array(places))


def _pages(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Whole lines, with the byte at which they begin."""
    at = file.tell()
    while content := file.read(_PAGE_BYTES):
        content += file.readline()
        yield at, content
        at += len(content)


def _numbers(content: bytes) -> Floats:
    """The numbers of whole lines; raises ValueError."""
    return np.loadtxt(content.decode("ascii").splitlines(), delimiter=",", ndmin=2)
