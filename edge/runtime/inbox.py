"""The one hand-off between threads: bounded, drops the oldest, counts what it dropped.

A reader must never wait for a slow analyzer, and an analyzer never wants old samples first; what is dropped shows
as a jump of ``seq`` in the data and so as a hole in the window.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping

from edge.types import Block


class Inbox:
    """Blocks for one lane. Per stream it holds at most ``limit_s`` seconds, or ``limit_blocks[kind]`` blocks.

    lossless: ``put`` waits for room instead of dropping, for a source that can wait, such as a file. asked: how often a
    block was asked for, by which a stuck worker is known.
    """

    def __init__(
        self, *, limit_s: float = 5.0, limit_blocks: Mapping[str, int] | None = None, lossless: bool = False
    ) -> None:
        self._lossless = lossless
        self._limit_s = limit_s
        self._limit_blocks = dict(limit_blocks or {})
        self._blocks: deque[Block] = deque()
        self._held: dict[str, list[float]] = {}  # stream -> [blocks, seconds]
        self._changed = threading.Condition()
        self._closed = False
        self.dropped_blocks = 0
        self.asked = 0

    def put(self, block: Block) -> None:
        """Take a block, dropping the oldest of its stream when there is no room; waits only if lossless."""
        limit = self._limit_blocks.get(block.kind)
        with self._changed:
            held = self._held.setdefault(block.stream, [0, 0.0])
            while self._lossless and not self._closed and _full(held, limit, self._limit_s):
                self._changed.wait()
            if self._closed:
                return
            self._blocks.append(block)
            held[0] += 1
            held[1] += len(block.data) / block.rate
            while not self._lossless and held[0] > 1 and _over(held, limit, self._limit_s):
                self._drop_oldest(block.stream)
            self._changed.notify_all()

    def get(self, timeout_s: float) -> Block | None:
        """The oldest block, after waiting at most ``timeout_s``; None when there is none."""
        with self._changed:
            self.asked += 1
            if not self._blocks and not self._closed:
                self._changed.wait(timeout_s)
            if not self._blocks:
                return None
            block = self._blocks.popleft()
            self._account(block)
            if self._lossless:
                self._changed.notify_all()
            return block

    def close(self) -> None:
        """Take no more; what is held can still be got."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def drained(self) -> bool:
        """Closed, and nothing is left."""
        with self._changed:
            return self._closed and not self._blocks

    def __len__(self) -> int:
        with self._changed:
            return len(self._blocks)

    def _drop_oldest(self, stream: str) -> None:
        for index, block in enumerate(self._blocks):
            if block.stream == stream:
                del self._blocks[index]
                self._account(block)
                self.dropped_blocks += 1
                return

    def _account(self, block: Block) -> None:
        held = self._held[block.stream]
        held[0] -= 1
        held[1] -= len(block.data) / block.rate


def _over(held: list[float], limit: int | None, limit_s: float) -> bool:
    return held[0] > limit if limit is not None else held[1] > limit_s


def _full(held: list[float], limit: int | None, limit_s: float) -> bool:
    return held[0] >= limit if limit is not None else held[1] >= limit_s
