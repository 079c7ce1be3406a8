"""Where each sample of a stream lies on a grid of one rate: block by block, a page at a time, nothing kept behind it.

A stream's samples keep their number and order. What is consecutive in the recording is consecutive on the grid; after a
gap, an epoch's end or a device clock that fell behind by more than 50 ms, samples go on where their time says. Blocks of
another rate than the stream's are a gap: files of one rate cannot hold them, tables can (``one_rate`` False, to find
the gaps only).
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge.types import Block

SLIP_S = 0.05
Gaps = list[tuple[float, float]]
Page = Callable[[int, NDArray[np.float64]], None]


class Grid:
    """``count`` places from ``start`` at ``rate_hz``, of a stream of the nominal rate ``nominal_hz``.

    page: called with the place of its first sample and each page of ``size`` samples of ``channels``, NaN where there
    are none, in order; without it only the gaps are found.
    """

    def __init__(
        self,
        start: float,
        rate_hz: float,
        count: int,
        *,
        nominal_hz: float,
        one_rate: bool = True,
        channels: int = 1,
        size: int = 0,
        page: Page | None = None,
    ) -> None:
        self._start, self._rate_hz, self._count, self._page = start, rate_hz, count, page
        self._nominal_hz, self._one_rate = nominal_hz, one_rate
        self._end = 0
        self._expected: tuple[int, int] | None = None
        self._gaps: Gaps = []
        self._first = 0
        self._buffer = np.full((size if page else 0, channels), np.nan)

    def add(self, block: Block) -> None:
        """Put the next block where it belongs; what lies past the end is left out."""
        if self._one_rate and block.rate != self._nominal_hz:
            return
        places = round(len(block.data) * self._nominal_hz / block.rate)
        due = round((block.t0 - self._start) * self._rate_hz)
        goes_on = self._expected == (block.epoch, block.seq)
        if not goes_on or due - self._end > SLIP_S * self._rate_hz:
            self._gap(due)
            self._end = max(self._end, due)
        self._expected = (block.epoch, block.next_seq)
        if self._page is not None:
            fits = min(len(block.data), max(0, self._count - self._end))
            self._put(self._end, block.data.reshape(len(block.data), -1)[:fits])
        self._end += places

    def finish(self) -> Gaps:
        """Hand over the rest up to the end of the grid; the gaps (t, seconds)."""
        self._gap(self._count)
        while self._page is not None and self._first < self._count:
            self._turn()
        return self._gaps

    def _gap(self, until: int) -> None:
        if until > self._end:
            self._gaps.append((self._start + self._end / self._rate_hz, (until - self._end) / self._rate_hz))

    def _put(self, at: int, data: NDArray[np.generic]) -> None:
        size = len(self._buffer)
        while len(data):
            while at >= self._first + size:
                self._turn()
            room = self._first + size - at
            part = data[:room]
            self._buffer[at - self._first : at - self._first + len(part)] = part
            at, data = at + len(part), data[room:]

    def _turn(self) -> None:
        assert self._page is not None
        self._page(self._first, self._buffer[: self._count - self._first])
        self._first += len(self._buffer)
        self._buffer[:] = np.nan
