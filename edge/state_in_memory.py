"""A start beside a disk that hangs: whoever waits for it watches nobody, so the state lies in memory for that run.

What stood before is then not known, and what comes is not kept; both are said for as long as the run lasts, since only
another start finds the disk again. Alarms go out as ever.
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
from edge.disk_beat import DiskBeat

START_S: Final = 30.0
"""A card is busy while the machine starts; what stood before is worth some waiting."""
_MEMORY: Final = Path("/dev/shm")
_KEEPING: Final = ("journal", "recorder")
"""Sinks that would fill the memory."""


@contextlib.contextmanager
def answering(config: Config) -> Iterator[tuple[Config, str]]:
    """The configuration and "", or where the disk of its state gives no answer: one with its state in memory, and what to
    say of that."""
    state_dir = state_dir_of(config)
    if _answers(state_dir):
        yield config, ""
        return
    with tempfile.TemporaryDirectory(
        prefix="edge-vitals-", dir=_MEMORY if os.access(_MEMORY, os.W_OK) else None
    ) as lent:
        sinks = {name: settings for name, settings in config.sinks.items() if name not in _KEEPING}
        sinks["evidence"] = {"quota_mb": 0.0}
        why = (
            f"the disk of {state_dir} gave no answer for {START_S:g} s: alarms are in memory only, those before unknown; "
            "start again when it answers"
        )
        yield replace(config, state_dir=Path(lent), sinks=sinks), why


def _answers(state_dir: Path) -> bool:
    thread = threading.Thread(target=_beat, args=(state_dir,), name="edge-disk-start", daemon=True)
    thread.start()
    thread.join(START_S)
    return not thread.is_alive()


def _beat(state_dir: Path) -> None:
    DiskBeat(state_dir, SystemClock()).try_it()
