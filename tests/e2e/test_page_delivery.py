"""Who has an alarm, as the page shows it; and a drill, which must never be taken for one. A real broker, a real browser."""

from __future__ import annotations

import pytest

from edge.cli._mqtt_client import Client
from web_browser import SCREENS, Seen
from whole_program import running

pytestmark = pytest.mark.slow
CONFIG = """
[device]
name = "ward"
state_dir = "{folder}/state"
[mqtt]
host = "127.0.0.1"
port = {port}
[delivery]
roles = [{{name = "nurse-station", confirm_within_s = {first_s}}}, {{name = "charge-nurse", confirm_within_s = {second_s}}}]
[beds.bed1]
[beds.bed2]
[sources.one]
bed = "bed1"
kind = "synthetic"
rate_bpm = {rate}
analyzers = ["pulse"]
[sources.two]
bed = "bed2"
kind = "synthetic"
analyzers = ["pulse"]
[alarms.tachy]
on_delay_s = 1
[sinks.web]
port = 0
"""
DRILL, ALARM = "#standing li.drill", "#standing li:not(.drill)"


@pytest.fixture
def ward(tmp_path, mosquitto):
    """(program with a page, client of its broker), with roles that have so long to confirm."""
    opened = []

    def start(first_s=60, second_s=60, rate=70):
        text = CONFIG.format(folder=tmp_path, port=mosquitto.port, first_s=first_s, second_s=second_s, rate=rate)
        program = running(text)
        service = program.__enter__()
        client = Client(f"mqtt://127.0.0.1:{mosquitto.port}", None)
        opened.append((program, client))
        return service.page_url, client

    yield start
    for program, client in opened:
        client.close()
        program.__exit__(None, None, None)


def drill(client, bed="bed1", **fields):
    client.command(f"vitals/ward/{bed}/cmd/drill", "edge-vitals drill", **fields)


def receipt(seen, row):
    return seen.page.locator(f"{row} .receipt").first.inner_text()


def test_silence_is_handed_on_until_nobody_is_left_and_a_late_word_counts(browser, ward):
    url, client = ward(first_s=3, second_s=3)
    with Seen(browser, url) as seen:
        seen.number()
        drill(client)
        for said in ("waiting for nurse-station", "handed on to charge-nurse", "nobody confirmed"):
            seen.page.locator(DRILL, has_text=said).wait_for()
            if said != "waiting for nurse-station":
                seen.until("([t]) => document.querySelector('#tell').textContent.endsWith(t)", said)
        occurrence = seen.page.get_attribute(f"{DRILL} button", "data-occurrence")
        topic = "vitals/ward/bed1/cmd/received"
        client.command(topic, "ann", id="bed1/drill", occurrence=occurrence, role="charge-nurse")
        seen.page.locator(DRILL, has_text="confirmed by charge-nurse").wait_for()
        seen.page.locator("#events li", has_text="confirmed by charge-nurse").wait_for()
        assert [row.split("\n")[-1] for row in seen.page.locator("#events li").all_inner_texts()] == [
            "confirmed by charge-nurse", "nobody confirmed", "handed on to charge-nurse", "began",
        ]  # fmt: skip
        seen.page.goto(f"{url}alarms#{occurrence}")
        seen.page.locator("#one h2", has_text="DRILL").wait_for()
        facts = seen.text("#one .facts")
        assert "by charge-nurse" in facts
        assert "a drill, no alarm" in facts
        assert seen.page.locator("#alarms .mark").all_inner_texts() == ["DRILL"]
        assert seen.complaints == []


def test_a_drill_stands_below_every_alarm_looks_and_sounds_unlike_one_and_goes(browser, ward):
    url, client = ward(rate=160)
    with Seen(browser, url, SCREENS["desk"]) as seen:
        seen.page.locator(ALARM).wait_for()
        drill(client)
        seen.page.locator(DRILL).wait_for()
        rows = seen.page.locator("#standing li").all_inner_texts()
        assert [row.split("\n")[0] for row in rows] == [rows[0].split("\n")[0], "DRILL"]
        assert "nobody is in danger" in rows[1]
        assert "a test, no alarm" in rows[1]
        assert seen.text("#count") == "1 alarm, 1 drill"
        assert "DRILL" not in seen.text("#beds button")
        seen.until("() => document.querySelector('#tell').textContent.startsWith('DRILL')")
        assert "DRILL" not in seen.page.text_content("#announce")
        colours = "s => { const c = getComputedStyle(document.querySelector(s)); return [c.backgroundColor, c.animationName]; }"
        assert seen.page.evaluate(colours, DRILL) == ["rgba(0, 0, 0, 0)", "none"]
        assert seen.page.evaluate(colours, ALARM)[0] != "rgba(0, 0, 0, 0)"
        drill(client, seconds=0)
        seen.until("() => !document.querySelector('#standing li.drill')")
        assert seen.complaints == []


def test_a_drill_alone_is_no_alarm_and_is_acknowledged_by_keyboard(browser, ward):
    url, client = ward()
    with Seen(browser, url) as seen:
        seen.number()
        drill(client, bed="bed2")
        seen.page.locator(DRILL).wait_for()
        assert seen.page.locator("#quiet").is_visible()
        assert seen.page.locator("#beds button", has_text="bed2").inner_text().endswith("DRILL")
        seen.page.locator(f"{DRILL} button").press("Enter")
        seen.until("() => document.querySelector('#standing li.drill').dataset.presence === 'ack'")
        assert receipt(seen, DRILL) == ""
        assert seen.complaints == []


@pytest.mark.parametrize("colours", ["dark", "light"])
def test_both_are_accessible_and_whole_on_every_screen(browser, ward, colours):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    url, client = ward(first_s=1, rate=160)
    for screen in SCREENS.values():
        with Seen(browser, url, screen, color_scheme=colours) as seen:
            seen.page.locator(ALARM, has_text="handed on").wait_for()
            drill(client)
            seen.page.locator(DRILL, has_text="handed on").wait_for()
            seen.page.emulate_media(reduced_motion="reduce")
            found = axe.Axe().run(seen.page)
            assert found.violations_count == 0, found.generate_report()
            assert seen.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
            cut = "s => [...document.querySelectorAll(s)].filter(e => e.scrollWidth > e.clientWidth + 1).map(e => e.textContent)"
            assert seen.page.evaluate(cut, "#standing :is(.receipt, .mark, button)") == []
            assert seen.complaints == []
