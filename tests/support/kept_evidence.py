"""The sink that keeps the waveform around alarms, in a folder of its own, and alarms to tell it."""

from __future__ import annotations

import pytest

from edge.sinks.evidence import build
from edge.types import Alarm

LAYOUT = {"bed1": {"sources": {"node": "serial_port"}}, "bed2": {"sources": {"other": "serial_port"}}}


@pytest.fixture
def evidence(tmp_path, clock):
    made = []

    def make(**settings):
        made.append(build(clock=clock, boot="b", state_dir=tmp_path, **{"layout": LAYOUT, **settings}))
        return made[-1]

    yield make
    for one in made:
        one.close()


def alarm(t, number=1, bed="bed1", what="raised", **more):
    fields = {"presence": "on", "text": "AF", "since": t - 5.0, "seq": number, **more}
    return Alarm(
        f"{bed}/af", f"b.{bed}.af.{number}", "physiological", "medium", t=t, condition="af", bed=bed,
        evidence={"change": what}, **fields,
    )  # fmt: skip


def tell(one, raised):
    """As the main thread does: recorded, and told to the sinks once it is on disk."""
    one.record(raised)
    one.send(raised)
