"""What a screen reader says of alarms: whose each is, the most urgent first, again where one sounds again."""

from __future__ import annotations

from dataclasses import replace

import pytest

import web_server
from edge.alarms.lifecycle import SOUNDS
from edge.types import Alarm
from web_browser import Seen
from web_server import WebServer

pytestmark = pytest.mark.slow
LISTEN = """() => { window.spoken = []; new MutationObserver(() => spoken.push(document.querySelector('#announce').textContent))
  .observe(document.querySelector('#announce'), { childList: true, characterData: true, subtree: true }); }"""


@pytest.fixture
def ward(monkeypatch):
    about = {"person": "", "site": "", "sources": {}}
    monkeypatch.setattr(web_server, "LAYOUT", dict.fromkeys(("bed1", "bed2", "bed3"), about))
    with WebServer() as server:
        yield server


def alarm(bed, condition, priority="high", text=""):
    return Alarm(
        f"{bed}/{condition}", f"{bed}-{condition}", "physiological", priority, "on", 100.0, text, condition, bed, since=100.0
    )  # fmt: skip


def test_alarms_of_one_moment_are_all_spoken_with_their_beds_the_most_urgent_first(browser, ward):
    with Seen(browser, ward.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        seen.page.evaluate(LISTEN)
        ward.sink._picture.watched = False  # as one message, whatever the machine does between them
        with ward.sink._picture._lock:
            ward.sink._picture._urgent.clear()
        ward.sink._picture.watched = True
        with ward.sink._picture._lock:
            for one in (
                alarm("bed1", "asystole", text="no pulse beat"),
                alarm("_device", "broker_lost", "low", text="no broker"),
                alarm("bed3", "af", "medium", text="fibrillation likely"),
            ):
                ward.sink._picture._take_alarm(one)
        seen.until("() => spoken.length")
        assert seen.page.evaluate("() => spoken") == [
            "high priority alarm: bed1: No pulse beat. medium priority alarm: bed3: Fibrillation likely. "
            "low priority alarm: this device: No broker"
        ]


@pytest.mark.parametrize("change", SOUNDS[1:])
def test_an_alarm_that_sounds_again_is_spoken_again_and_one_that_does_not_is_not(browser, ward, change):
    with Seen(browser, ward.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        first = alarm("bed1", "brady", "medium", text="slow heart")
        ward.sink.send(first)
        seen.until("() => document.querySelectorAll('#standing li').length === 1")
        seen.page.evaluate(LISTEN)
        ward.sink.send(replace(first, seq=2, evidence={"change": "paused"}))
        ward.sink.send(replace(first, seq=3, priority="high", evidence={"change": change}))
        seen.until("() => spoken.length")
        assert seen.page.evaluate("() => spoken") == ["high priority alarm: bed1: Slow heart"]


def test_the_buttons_of_one_condition_at_two_beds_have_two_names(browser, ward):
    with Seen(browser, ward.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        for bed in ("bed1", "bed2"):
            ward.sink.send(alarm(bed, "tachy", text="heart rate 131"))
        seen.page.get_by_role("button", name="Acknowledge bed2 Heart rate 131", exact=True).click()
        assert ward.commands.get(timeout=10.0).id == "bed2/tachy"


def test_the_tab_of_a_bed_says_its_alarm_in_words(browser, ward):
    with Seen(browser, ward.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        ward.sink.send(alarm("bed2", "tachy", text="heart rate 131"))
        seen.page.locator("#beds").get_by_role("button", name="bed2 -- high priority alarm", exact=True).click()
        seen.until("() => edgeVitals.state.bed === 'bed2'")


def test_what_came_while_nothing_was_heard_is_spoken_and_what_was_known_is_not(browser, ward):
    said = "([text]) => document.querySelector('#announce').textContent === text"
    slow, af = alarm("bed1", "brady", text="slow heart"), alarm("bed2", "af", text="fibrillation likely")
    ward.sink.send(slow)
    with Seen(browser, ward.sink.url) as seen:
        seen.until(said, "high priority alarm: bed1: Slow heart")
        ward.sink.send(af)
        seen.until(said, "high priority alarm: bed2: Fibrillation likely")
        ward.sink.close()
        seen.until("() => !edgeVitals.state.connected")
        standing = (slow, replace(af, seq=2), alarm("bed3", "asystole", text="no pulse beat"))
        with WebServer(port=ward.port, standing=standing):
            seen.until(said, "high priority alarm: bed3: No pulse beat")
