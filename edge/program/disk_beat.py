"""Whether the disk of the state takes what is written: tried every few seconds, from a thread of its own.

Alarms may be hours apart; a card that died or filled up between two of them must be known of before the next one comes.
A disk that says nothing at all counts as one that refuses.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from edge.clock import Clock
from edge.storage.disk import HUNG_S, not_written, why_full

BEAT_EVERY_S: Final = 5.0
_BEAT_BYTES: Final = 512
_JOIN_S: Final = 1.0


class DiskBeat:
    """Tries the disk of ``state_dir`` for as long as ``beating`` is open. Nothing but one small file is left there."""

    def __init__(self, state_dir: Path, clock: Clock) -> None:
        self._state_dir, self._clock = state_dir, clock
        self._path = state_dir / "beat"
        self._stop = threading.Event()
        self._began: float | None = None
        self._why = ""

    def why_not(self) -> str:
        """What keeps the disk from taking alarms, as far as was tried; else ""."""
        began, why = self._began, self._why
        if began is not None and self._clock.now() - began > HUNG_S:
            why = f"no answer for more than {HUNG_S:g} s"
        return not_written(why) if why else ""

    def try_it(self) -> None:
        """One beat: is there room, and does what is written arrive? Waits for the disk."""
        self._began = self._clock.now()
        try:
            why = why_full(self._state_dir)
            if not why:
                self._write_through()
        except OSError as error:
            why = error.strerror or str(error)
        self._why = why  # only now: a dying disk takes seconds to say so, and is no good one meanwhile
        self._began = None

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Try it again and again; a disk that hangs keeps nobody from the end."""
        thread = threading.Thread(target=self._run, name="edge-disk", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join(_JOIN_S)

    def _run(self) -> None:
        while not self._stop.wait(BEAT_EVERY_S):
            self.try_it()

    def _write_through(self) -> None:
        """The same block again and again: a flash card is spared, since no size changes and nothing else is written."""
        beat = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(beat, bytes(_BEAT_BYTES), 0)
            os.fdatasync(beat)
        finally:
            os.close(beat)
