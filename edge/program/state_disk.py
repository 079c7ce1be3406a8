"""The outbox of a state directory as a run finds it, and what is wrong with it at the start, said until it is over."""

from __future__ import annotations

import contextlib
import os
import queue
import zlib
from pathlib import Path
from typing import Any, Final, NamedTuple

from edge.clock import Clock
from edge.sinks._outbox.copy import StateCopy
from edge.sinks.outbox import Outbox
from edge.storage.disk import OUTBOX, is_full, must_keep_state, no_state, not_written
from edge.storage.state_lock import only_one
from edge.types import ConfigError, Fault

DAMAGE_TOLD_S: Final = 3600.0
_DAMAGE: Final = "damage"
_ROOM: Final = "room"


def open_outbox(state_dir: Path, clock: Clock, boot: str) -> Outbox:
    """The outbox, in memory where the disk is full; raises ConfigError where no state can be kept for another reason."""
    must_keep_state(state_dir)
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if not is_full(error):
            raise no_state(state_dir, error) from None
    try:
        return Outbox(state_dir / OUTBOX, clock=clock, boot=boot, spare=_spare(state_dir))
    except OSError as error:
        raise no_state(state_dir, error) from None


def _spare(state_dir: Path) -> StateCopy | None:
    """In a folder of ours alone that lies in the machine's memory: the service's, or the user's; None without one."""
    folder = os.environ.get("RUNTIME_DIRECTORY", "").partition(":")[0] or os.environ.get("XDG_RUNTIME_DIR", "")
    if not folder:
        return None
    return StateCopy(Path(folder) / f"edge-vitals-{zlib.crc32(os.fsencode(state_dir.absolute())):08x}")


class Silent(NamedTuple):
    """A state directory whose disk gave no answer when the run began, and for how long that was waited for, s."""

    state_dir: Path
    waited_s: float


def outbox_in_memory(disk: Silent, clock: Clock, boot: str, held: contextlib.ExitStack) -> Outbox:
    """The outbox of a run beside such a disk; it goes there when it can, unless another program has the folder by then.

    held: keeps the folder from others.
    """
    mine = False

    def ours() -> bool:
        nonlocal mine
        if not mine:
            with contextlib.suppress(ConfigError):
                held.enter_context(only_one(disk.state_dir))
                mine = True
        return mine

    spare, why = _spare(disk.state_dir), f"no answer from {disk.state_dir} in {disk.waited_s:g} s"
    if spare is None or spare.read() is None:
        why += "; those before are unknown"
    return Outbox(disk.state_dir / OUTBOX, clock=clock, boot=boot, spare=spare, lent=why, ours=ours)


class OutboxFaults:
    """Says that an outbox did not work, and when that is over, for nobody else would: when it has room again, and an hour
    after it was damaged, for it works again."""

    def __init__(self, outbox: Outbox, clock: Clock, mailbox: queue.Queue[Any]) -> None:
        self._outbox, self._clock, self._mailbox = outbox, clock, mailbox
        self._told, self._until = 0, clock.now() + DAMAGE_TOLD_S
        self._full = outbox.full

    def begin(self) -> None:
        """Say what is wrong."""
        if self._full:
            self._put(_ROOM, not_written(self._full))
        self._say_damage()

    def look(self) -> None:
        """Called by the main loop, whose own queue may be full: then another time."""
        with contextlib.suppress(queue.Full):
            if self._outbox.faults and self._clock.now() >= self._until:
                self._put(_DAMAGE)
                self._outbox.faults.clear()
                self._told = 0
            self._say_damage()
            if self._full and not self._outbox.full:
                self._put(_ROOM)
                self._full = ""

    def _say_damage(self) -> None:
        """What is new of it: a disk that comes back may hold a damaged one."""
        while self._told < len(self._outbox.faults):
            self._put(_DAMAGE, self._outbox.faults[self._told])
            self._told, self._until = self._told + 1, self._clock.now() + DAMAGE_TOLD_S

    def _put(self, what: str, text: str = "") -> None:
        self._mailbox.put_nowait(Fault("outbox_full", self._clock.now(), bool(text), text, source=what))
