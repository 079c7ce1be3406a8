"""An outbox on disk for tests, alarms to put into it, and a damage to its file."""

from __future__ import annotations

import pytest

from edge.sinks.outbox import Outbox
from edge.types import Alarm

ALL = 1_000_000


def alarm(seq=1, *, bed="bed1", t=0.0, **fields):
    occurrence = f"{bed}-{seq}"
    return Alarm(f"{bed}/af", occurrence, "physiological", "medium", "on", t, "AF", "af", bed, seq=seq, **fields)


def waiting(box):
    return [row.alarm for row in box.waiting(limit=ALL)]


def seqs(box):
    return [found.seq for found in waiting(box)]


def header_lost(content):
    """The bytes of its file without the database's header."""
    return b"\0" * 100 + content[100:]


@pytest.fixture
def open_box(tmp_path, clock):
    opened = []

    def opener(boot="boot1", path=tmp_path / "outbox.sqlite"):
        opened.append(Outbox(path, clock=clock, boot=boot))
        return opened[-1]

    yield opener
    for box in opened:
        box.close()
