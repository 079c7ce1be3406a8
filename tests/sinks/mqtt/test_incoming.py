"""What the broker tells us is taken by its place below our root, whatever a device or a source is called."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from edge.clock import ManualClock
from edge.mqtt.connection import Message
from edge.sinks._mqtt.announcement import Announcement
from edge.sinks._mqtt.incoming import Incoming
from edge.sinks._mqtt.live import Live
from edge.sinks._mqtt.payloads import Payloads, Topics
from edge.sinks._mqtt.replies import ReplyRules
from edge.sinks._mqtt.retained import Retained


@pytest.fixture(params=["vitals/ward-3", "vitals/cmd", "ward/cmd/vitals/dev"])
def root(request):
    return request.param


@pytest.fixture
def told(root):
    """What comes of one message: the answers that wait, and the topics that are to be said again."""
    clock, topics = ManualClock(100.0), Topics(root)
    live, retained = Live(topics, Payloads(clock, "boot"), clock, {}), Retained()
    incoming = Incoming(
        topics, clock, live, retained, Announcement("homeassistant/device/x/config", None),
        broker="b", boot="boot", replies=ReplyRules(root), online=lambda: Message("", b""),
        on_command=lambda _: pytest.fail("obeyed"), on_fault=None, wake=lambda: None,
    )  # fmt: skip

    def tell(topic, payload, *, retain):
        incoming.message(SimpleNamespace(topic=f"{root}/{topic}", payload=payload, retain=retain, properties=None))
        answers = []
        while (one := live.take(1)) is not None:
            answers.append(one[0].topic.removeprefix(f"{root}/"))
        incoming.look()
        return answers, [topic.removeprefix(f"{root}/") for topic in retained.take(10)]

    return tell


def test_what_an_earlier_run_left_of_a_source_is_emptied_whatever_its_name(told):
    for source in ("node", "cmd"):
        assert told(f"source/{source}/status", b"{}", retain=True) == ([], [f"source/{source}/status"])


def test_a_command_is_one_and_what_is_told_of_us_is_none(told):
    assert told("bed1/cmd/ack", b"no JSON", retain=False) == (["bed1/cmd/result"], [])
    assert told("bed1/cmd/result", b"{}", retain=False) == ([], [])
    for topic in ("status", "heartbeat"):
        assert told(topic, b'{"boot": "boot", "state": "online"}', retain=False) == ([], [])
