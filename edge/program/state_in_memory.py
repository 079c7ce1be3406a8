"""A start beside a disk that hangs: whoever waits for it watches nobody, so the state lies in memory until it answers.

What stood before is then known only where this machine remembers it (``Outbox.spare``). Alarms go out as ever; they, and
the state from then on, are written when the disk answers (``edge.program.state_disk``). What else is kept begins with
the next start, and that is said for as long as the run lasts.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from edge.assembly import state_dir_of
from edge.clock import SystemClock
from edge.config import Config
from edge.program.disk_beat import DiskBeat
from edge.program.state_disk import Silent

START_S: Final = 30.0
"""A card is busy while the machine starts; what stood before is worth some waiting."""
_MEMORY: Final = Path("/dev/shm")
_KEEPING: Final = ("journal", "recorder")
"""Sinks that would fill the memory."""


@contextlib.contextmanager
def answering(config: Config) -> Iterator[tuple[Config, Silent | None]]:
    """The configuration and None, or where the disk of its state gives no answer: one that keeps nothing there, and which
    disk that is."""
    state_dir = state_dir_of(config)
    if _answers(state_dir):
        yield config, None
        return
    with tempfile.TemporaryDirectory(
        prefix="edge-vitals-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None
    ) as lent:
        sinks = {name: settings for name, settings in config.sinks.items() if name not in _KEEPING}
        sinks["evidence"] = {"quota_mb": 0.0}
        yield replace(config, state_dir=Path(lent), sinks=sinks), Silent(state_dir, START_S)


def _answers(state_dir: Path) -> bool:
    thread = threading.Thread(target=_beat, args=(state_dir,), name="edge-disk-start", daemon=True)
    thread.start()
    thread.join(START_S)
    return not thread.is_alive()


def _beat(state_dir: Path) -> None:
    DiskBeat(state_dir, SystemClock()).try_it()
