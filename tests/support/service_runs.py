"""Whole runs of a service over one state folder, one after the other, by a clock moved by hand."""

from __future__ import annotations

import pytest

from edge.clock import ManualClock
from edge.config import parse
from edge.program.service import build_service
from edge.sinks.outbox import Outbox
from edge.types import Command, Reading
from source_and_sink import Kept

CONFIG = """
[device]
name = "ward-3"
state_dir = "{folder}"

[beds.bed1]
[beds.bed2]

[alarms.tachy]
metrics = ["ppg.hr"]
on_delay_s = 0
severe_on_delay_s = 0
"""


@pytest.fixture
def clock():
    return ManualClock(1000.0, wall=1_800_000_000.0)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "state"


@pytest.fixture
def run(folder, clock):
    """One run of the whole service that takes ``items`` and ends; it has no sources, so that it ends by itself."""

    def runner(*items, config=CONFIG):
        sink = Kept()
        service = build_service(parse(config.format(folder=folder)), clock=clock, console=False, sinks=[sink])
        for item in items:
            service.runtime.post(item)
        assert service.run() == 0
        return sink

    return runner


@pytest.fixture
def outbox_after(folder, clock):
    opened = []

    def opener():
        opened.append(Outbox(folder / "outbox.sqlite", clock=clock))
        return opened[-1]

    yield opener
    for box in opened:
        box.close()


def fast(clock, bed="bed1"):
    """A reading that raises ``tachy`` at once: latching, with high priority."""
    return Reading("ppg.hr", clock.now(), 180.0, "bpm", 1.0, bed=bed, source="node")


def command(name, clock, bed="bed1", **fields):
    return Command(name, bed, clock.now(), f"{name}-{clock.now()}", "nurse", **fields)
