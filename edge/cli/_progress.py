"""How far a command is, for whoever waits at a terminal: one line of standard error, which is gone again at the end."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Final, Self

from edge.cli._events import clock_text

_TELL_EVERY_S: Final = 60.0  # of what is read
_WIDTH: Final = 32


def show(text: str) -> None:
    """In place of what was shown before; "" for nothing."""
    if sys.stderr.isatty():
        print(f"  {text}".ljust(_WIDTH), end="\r", file=sys.stderr, flush=True)


class Progress:
    """Shows how much of a recording was read, once a minute of it. end_s: how long it is, s, 0 where nobody knows."""

    def __init__(self, end_s: Callable[[], float] = lambda: 0.0) -> None:
        self._end_s = end_s
        self._shown_s = 0.0

    def at(self, t_s: float) -> None:
        """So much of it was read, s."""
        if t_s - self._shown_s >= _TELL_EVERY_S:
            self._shown_s = t_s
            end_s = self._end_s()
            show(f"{clock_text(t_s)} {f'of {clock_text(end_s)} ' if end_s else ''}...")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown_s:
            show("")
