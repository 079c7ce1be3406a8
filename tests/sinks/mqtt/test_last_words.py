"""When the program stops, nobody is left to believe that a source is watched."""

from __future__ import annotations

import json

from edge.clock import ManualClock
from edge.sinks._mqtt.last_words import LastWords
from edge.sinks._mqtt.payloads import Payloads, Topics
from edge.types import SourceStatus

LAYOUT = {"bed1": {"sources": ["node", "cam"]}, "bed2": {"sources": ["spare"]}}


def test_every_source_is_spoken_of_but_those_that_said_why_they_are_off():
    one = LastWords(Topics("vitals/dev"), Payloads(ManualClock(50.0), "boot"), LAYOUT)
    for source, bed, state in (
        ("node", "bed1", "disabled"), ("node", "bed1", "online"), ("cam", "bed1", "disabled"), ("late", "bed3", "offline"),
    ):  # fmt: skip
        one.heard(SourceStatus(source, bed, 40.0, state))
    told = {topic.split("/")[3]: json.loads(payload) for topic, payload in one.at(50.0)}
    assert {name: (said["bed"], said["state"], said["reason"]) for name, said in told.items()} == {
        "node": ("bed1", "disabled", "the program was stopped"),
        "spare": ("bed2", "disabled", "the program was stopped"),
        "late": ("bed3", "disabled", "the program was stopped"),
    }
    assert all(said["since"] == said["t"] for said in told.values())
