"""Blocks of one stream become windows, cut by time, with what is missing said in words.

A window ``[start, end)`` holds the samples that arrived in it and never padding; ``holes`` are the spans without
and ``coverage`` the share with. Loss shows in two ways: a jump of ``seq`` (samples counted by the device but never
seen) and a jump of time (a camera that stalled). Sample times are rounded to the nanosecond, so that the same
samples give the same windows however they were chunked.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.types import Block, Window

# A pause within a stream that its seq does not show is a hole from here on: two and a half samples, but
# never under 50 ms, which the time base may shift a block by.
_HOLE_SAMPLES = 2.5
_HOLE_MIN_S = 0.05
# Of a sample: an edge that falls on one must not depend on the last bit.
_EDGE = 0.25
# Windows that end within a block are cut only once it is there, and up to two blocks later for want of a companion.
_BLOCKS = 3.0


def sample_times(block: Block) -> NDArray[np.float64]:
    """Host-monotonic time of every sample of a block, ``(n,)`` s, on whole nanoseconds."""
    ns = (block.t0 * 1e9 + np.arange(len(block.data)) * (1e9 / block.rate)).round()
    return np.asarray(ns / 1e9, dtype=np.float64)


@dataclass(slots=True)
class _Piece:
    t: NDArray[np.float64]
    data: NDArray[Any]
    flags: frozenset[str]
    first: float
    last: float


class Windower:
    """Keeps the last ``keep_s`` seconds of one stream before its newest blocks and cuts any span of them.

    Memory is bounded by ``keep_s`` and three of the longest block; a block of a new epoch, another rate or another shape
    forgets what was there (``add`` then returns True).
    """

    def __init__(self, *, keep_s: float) -> None:
        self._keep_s = keep_s
        self._pieces: deque[_Piece] = deque()
        self._holes: deque[tuple[float, float]] = deque()
        self._last: Block | None = None
        self._longest_s = 0.0
        self._first_t = 0.0
        self._last_t = 0.0
        self._end = 0.0

    @property
    def first_t(self) -> float | None:
        """Time of the epoch's first sample, s; None before the first block."""
        return None if self._last is None else self._first_t

    @property
    def end(self) -> float | None:
        """Time just after the last sample, s; None before the first block."""
        return None if self._last is None else self._end

    @property
    def last_block_s(self) -> float:
        """Duration of the last block, s."""
        return 0.0 if self._last is None else len(self._last.data) / self._last.rate

    def reset(self) -> None:
        self._pieces.clear()
        self._holes.clear()
        self._last = None
        self._longest_s = 0.0

    def state(self) -> dict[str, Any] | None:
        """What ``restore`` needs beside the samples, in MessagePack's types; None while nothing was added."""
        if self._last is None:
            return None
        holes = [list(hole) for hole in self._holes]
        return {"first_t": self._first_t, "oldest": self._pieces[0].first, "end": self._end, "holes": holes}

    def restore(self, state: Mapping[str, Any] | None) -> bool:
        """Be as at ``state()``, after the blocks up to there were added again; False where they begin too late."""
        if state is None:
            self.reset()
            return True
        if self._last is None or self._end != state["end"] or self._pieces[0].first > state["oldest"]:
            return False
        while self._pieces[0].last < state["oldest"]:
            self._pieces.popleft()
        self._first_t = state["first_t"]
        self._holes = deque((a, b) for a, b in state["holes"])
        return True

    def add(self, block: Block) -> bool:
        """Take a block; whether everything before it was forgotten because a new epoch began."""
        last = self._last
        fresh = last is not None and not _continues(last, block)
        if fresh:
            self.reset()
        t, data = sample_times(block), block.data
        if last is None or fresh:
            self._first_t = float(t[0])
        else:
            # repeated samples are taken once, and time never goes back
            seen = max(last.next_seq - block.seq, int(t.searchsorted(self._last_t, side="right")))
            if seen >= len(t):
                return False
            t, data = t[seen:], data[seen:]
            lost = block.seq > last.next_seq
            pause_s = float(t[0]) - self._end
            if pause_s > (0.5 / block.rate if lost else _hole_limit_s(block)):
                self._holes.append((self._end, float(t[0])))
        self._last_t = float(t[-1])
        self._pieces.append(_Piece(t, data, block.flags, float(t[0]), self._last_t))
        self._end = round((self._last_t + 1.0 / block.rate) * 1e9) / 1e9
        self._last = block
        self._longest_s = max(self._longest_s, self.last_block_s)
        self._forget(self._end - self._keep_s - _BLOCKS * self._longest_s)
        return fresh

    def ended_before(self, t: float) -> bool:
        """Whether the stream has been silent for so long at ``t``, s, that a window from there on holds none of it."""
        return self._last is not None and self._end + _hole_limit_s(self._last) < t

    def hole_end(self, t: float, *, longer_than_s: float) -> float | None:
        """Where samples came again, s, when ``t`` lies in a hole of more than so many seconds."""
        return next((b for a, b in self._holes if a < t < b and b - a > longer_than_s), None)

    def forget(self, before: float) -> None:
        """Let go of whole blocks before ``before``, s, but for the last one: no window will start there."""
        if self._last is not None:
            self._forget(before - _EDGE / self._last.rate)

    def cut(self, start: float, end: float) -> Window | None:
        """The window ``[start, end)``; None when no block has come yet. A span with no sample gives coverage 0."""
        last = self._last
        if last is None:
            return None
        slack = _EDGE / last.rate
        pieces = [p for p in self._pieces if p.last >= start - slack and p.first < end - slack]
        flags = {word: min(end, p.last + 1.0 / last.rate) for p in pieces for word in p.flags}
        if pieces:
            t = np.concatenate([p.t for p in pieces])
            data = np.concatenate([p.data for p in pieces])
            inside = slice(*np.searchsorted(t, (start - slack, end - slack)))
            t, data = t[inside], data[inside]
        else:
            t, data = np.empty(0), last.data[:0]
        t.flags.writeable = data.flags.writeable = False
        holes = self._holes_within(start, end, _hole_limit_s(last))
        missing_s = math.fsum(b - a for a, b in holes)
        coverage = max(0.0, 1.0 - missing_s / (end - start))
        return Window(last.stream, start, end, t, data, last.rate, coverage, holes, last.epoch, last.labels, flags)

    def _holes_within(self, start: float, end: float, limit_s: float) -> tuple[tuple[float, float], ...]:
        spans = [(start, self._first_t), *self._holes]
        if self._end < end - limit_s:
            spans.append((self._end, end))
        return tuple((max(a, start), min(b, end)) for a, b in spans if min(b, end) > max(a, start))

    def _forget(self, before: float) -> None:
        while len(self._pieces) > 1 and self._pieces[0].last < before:
            self._pieces.popleft()
        while self._holes and self._holes[0][1] < before:
            self._holes.popleft()


def _continues(last: Block, block: Block) -> bool:
    return (
        block.epoch == last.epoch
        and block.stream == last.stream
        and block.rate == last.rate
        and block.data.shape[1:] == last.data.shape[1:]
    )


def _hole_limit_s(block: Block) -> float:
    return max(_HOLE_SAMPLES / block.rate, _HOLE_MIN_S)
