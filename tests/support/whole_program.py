"""The whole program inside a test: run to its end, or running beside the test; and two beds with something to alarm on."""

from __future__ import annotations

import contextlib
import threading

from edge.config import parse
from edge.program.service import build_service
from source_and_sink import Kept

START_S = 20.0


def run_to_its_end(text, sinks=()):
    """A program whose sources end."""
    assert build_service(parse(text), console=False, sinks=list(sinks)).run() == 0


@contextlib.contextmanager
def running(text):
    """The program in a thread of its own; every thread of it runs when it is given."""
    kept = Kept()
    service = build_service(parse(text), console=False, sinks=[kept])
    thread = threading.Thread(target=service.run, name="edge-test-service")
    thread.start()
    try:
        kept.wait(lambda _event: True, START_S)
        yield service
    finally:
        service.runtime.stop()
        thread.join(START_S)


ILL = """
[sources.node]
bed = "bed1"
kind = "synthetic"
streams = ["ppg", "acc", "pcg"]
rhythm = "af"
rate_bpm = 110
murmur = true
{pace}
"""
"""A source with fibrillation and a murmur; ``{pace}`` as a live one, or ``for_seconds``."""

TWO_BEDS = f"""
[beds.bed1]
[beds.bed2]
{ILL}
[sources.fast]
bed = "bed2"
kind = "synthetic"
rate_bpm = 160
{{pace}}
"""
"""The same beside a bed with a tachycardia."""


def for_seconds(seconds):
    """The pace of a source that gives so much at once, then ends."""
    return f'pace = "max"\nseconds = {seconds}'
