"""A page that begins, comes back or is looked at again: nothing is said before it is known, and nothing old stays."""

from __future__ import annotations

import shutil

import pytest

import web_server
from edge.program import state_in_memory
from edge.sinks.web import app
from edge.types import Alarm, Reading
from web_browser import SCREENS, Seen
from web_server import WebServer

pytestmark = pytest.mark.slow
BEDS = ("bed1", "bed2", "bed3")
TOKEN = "look-0123456789ab"


@pytest.fixture
def three_beds(monkeypatch):
    beds = {bed: {"person": "", "site": "", "sources": {f"{bed}-node": "serial_port"}} for bed in BEDS}
    monkeypatch.setattr(web_server, "LAYOUT", beds)


def rate(server, bed, value, age_s=0.0, reason=""):
    server.sink.send(
        Reading("ppg.hr", server.clock.now() - age_s, value, "bpm", 0.9, reason, bed=bed, source=f"{bed}-node")
    )


def test_before_anything_is_known_nothing_is_said_of_alarms_or_numbers(browser):
    with WebServer() as server, Seen(browser, server.sink.url) as seen:
        seen.context.route("**/main.js", lambda route: route.abort())
        seen.page.reload()
        assert seen.text("#alarms").strip() == ""
        assert seen.page.eval_on_selector_all(".tile", "all => all.every(e => e.classList.contains('unknown'))")
        assert seen.page.eval_on_selector_all("#actions button", "all => all.every(e => e.disabled || e.hidden)")


def test_a_reason_grows_old_like_a_number(browser):
    with WebServer() as server, Seen(browser, server.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        rate(server, "bed1", None, reason="no_face")
        seen.until("() => document.querySelector('#rate .why').textContent === 'no face'")
        rate(server, "bed1", None, age_s=30.0, reason="no_face")
        seen.until("() => document.querySelector('#rate .why').textContent === 'no new reading'")


def test_a_tab_that_comes_to_the_front_shows_no_number_of_before_though_its_timers_slept(browser):
    with WebServer() as server, Seen(browser, server.sink.url) as seen:
        seen.context.add_init_script("window.timers = []; window.setInterval = (f) => timers.push(f)")
        seen.page.reload()
        seen.until("() => edgeVitals.state.connected")
        rate(server, "bed1", 77.0)
        seen.until("() => edgeVitals.state.readings.size")
        seen.page.evaluate("() => timers.forEach((f) => f())")
        assert seen.text("#rate .huge") == "77"
        shown = seen.page.evaluate(
            "() => { const now = performance.now.bind(performance); performance.now = () => now() + 30000;"
            " document.dispatchEvent(new Event('visibilitychange')); return document.querySelector('#rate .huge').textContent; }"
        )
        assert shown == "--"


def test_a_page_begins_anew_behind_a_device_of_another_version_and_only_then(browser, tmp_path, monkeypatch):
    with WebServer() as server, Seen(browser, server.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        seen.page.evaluate("() => { window.before = edgeVitals.state.hello; }")
        server.sink.close()
        with WebServer(port=server.port):
            seen.until("() => edgeVitals.state.connected && edgeVitals.state.hello !== window.before")
            assert seen.page.evaluate("() => 'before' in window")
        changed = shutil.copytree(app.STATIC, tmp_path / "static")
        with (changed / "words.js").open("a", encoding="utf-8") as words:
            words.write("// of another version\n")
        monkeypatch.setattr(app, "STATIC", changed)
        with WebServer(port=server.port):
            seen.until("() => !('before' in window) && window.edgeVitals?.state.connected")


def test_the_address_names_the_bed_and_a_log_in_or_a_choice_keeps_it(browser, three_beds, monkeypatch):
    monkeypatch.setenv("PAGE_TOKENS", f"view {TOKEN}")
    with WebServer(token_env="PAGE_TOKENS") as server, Seen(browser, f"{server.sink.url}?bed=bed3") as seen:
        seen.page.get_by_label("Token").fill(TOKEN)
        seen.page.keyboard.press("Enter")
        seen.until("() => window.edgeVitals?.state.connected")
        rate(server, "bed1", 71.0)
        rate(server, "bed3", 73.0)
        assert seen.number() == 73
        seen.page.locator("#beds button", has_text="bed2").click()
        seen.page.reload()
        seen.until("() => document.querySelector('#beds [aria-current=true]')?.textContent.startsWith('bed2')")
        assert seen.page.url == f"{server.sink.url}?bed=bed2"


def test_the_bed_that_is_shown_is_named_in_sight_however_many_there_are(browser, monkeypatch):
    beds = {f"bed{n}-of-the-ward": {"person": "", "site": "", "sources": {f"node{n}": "serial_port"}} for n in range(8)}
    monkeypatch.setattr(web_server, "LAYOUT", beds)
    with WebServer() as server, Seen(browser, f"{server.sink.url}?bed=bed7-of-the-ward") as seen:
        seen.until("() => document.querySelector('#beds [aria-current=true]')")
        tab, row = (seen.page.locator(s).bounding_box() for s in ("#beds [aria-current=true]", "#beds"))
        assert row["x"] <= tab["x"]
        assert tab["x"] + tab["width"] <= row["x"] + row["width"] + 1


@pytest.mark.parametrize("named", ["bed{}", "intensive-care-unit-of-the-west-wing-at-the-window-place-no-{}"])
def test_the_alarm_of_every_bed_is_in_sight_at_the_bedside_whatever_they_are_called(browser, monkeypatch, named):
    beds = [named.format(n) for n in range(6 if named == "bed{}" else 3)]
    layout = {bed: {"person": "", "site": "", "sources": {f"node{n}": "serial_port"}} for n, bed in enumerate(beds)}
    monkeypatch.setattr(web_server, "LAYOUT", layout)
    with WebServer() as server, Seen(browser, server.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        for n, bed in enumerate(beds):
            rate(server, bed, 120.0)
            alarm = (f"{bed}/tachy", f"o{n}", "physiological", "high", "on", 1.0, "fast", "tachy", bed)
            server.sink.send(Alarm(*alarm, value=120.0, limit=110.0, seq=1))
        seen.until("n => document.querySelectorAll('#beds i').length === n[0]", len(beds))
        tabs = "all => all.map(e => ({ text: e.textContent, right: e.getBoundingClientRect().right, inner: e.scrollWidth - e.clientWidth }))"
        found = seen.page.eval_on_selector_all("#beds button", tabs)
        row = seen.page.locator("#beds").bounding_box()
        assert all(tab["right"] <= row["x"] + row["width"] + 0.5 and tab["inner"] <= 0 for tab in found)
        assert len({tab["text"] for tab in found}) == len(beds), "a bed is known by its tab"
        about, button = (
            seen.page.locator(f"#standing li:first-child {s}").bounding_box() for s in (".about", "button")
        )
        assert about["x"] + about["width"] <= button["x"], "words run below the button"


LONG = (
    f"Alarms cannot be written to disk (no answer from /var/lib/edge-vitals in {state_in_memory.START_S:g} s; those before "
    "are unknown); they are sent all the same",
    "Broker: not connected to 192.168.1.10:8883 (certificate verify failed: self-signed certificate in certificate chain)",
)


@pytest.mark.parametrize("screen", SCREENS)
def test_long_words_of_an_alarm_are_read_to_their_end_and_two_alarms_stay_in_sight(browser, screen):
    with WebServer() as server, Seen(browser, server.sink.url, SCREENS[screen]) as seen:
        seen.until("() => edgeVitals.state.connected")
        for seq, text in enumerate(LONG):
            server.sink.send(
                Alarm(
                    f"_device/a{seq}",
                    f"o{seq}",
                    "technical",
                    "high",
                    "on",
                    1.0,
                    text,
                    f"a{seq}",
                    "_device",
                    seq=seq + 1,
                )
            )
        seen.until("() => document.querySelectorAll('#standing li').length === 2")
        cut = "all => all.filter(e => e.scrollHeight > e.clientHeight + 1 || e.scrollWidth > e.clientWidth + 1).length"
        assert seen.page.eval_on_selector_all("#standing .text", cut) == 0
        if screen != "phone":
            second, end = (seen.page.locator(s).last.bounding_box() for s in ("#standing li .about", "#standing"))
            assert second["y"] + second["height"] <= end["y"] + end["height"]
