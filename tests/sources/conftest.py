"""A pseudo-terminal, a clock that is moved by hand, and a serial source on both."""

from __future__ import annotations

import os

import pytest

from edge.clock import ManualClock
from edge.sources.serial_port import build
from serial_line import Line


@pytest.fixture
def line():
    made = Line()
    yield made
    for end in (made.slave, made.master):
        try:
            os.close(end)
        except OSError:
            continue


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def source(line, clock):
    made = build(name="node", clock=clock, port=line.path)
    yield made
    made.close()
