"""The page in a real browser: traces move, alarms come and are answered, a dead server is noticed, nothing complains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from edge.clock import SystemClock
from edge.demo.broker import free_port
from edge.types import Block
from web_browser import SCREENS, Seen
from web_server import WebServer
from whole_program import running

pytestmark = pytest.mark.slow
CONFIG = """
[device]
name = "ward"
state_dir = "{folder}/state"
[beds.bed1]
site = "MV"
[beds.bed2]
[sources.one]
bed = "bed1"
kind = "synthetic"
streams = ["ppg", "acc", "pcg"]
rate_bpm = 160.0
[sources.two]
bed = "bed2"
kind = "synthetic"
[alarms.tachy]
on_delay_s = 1
[sinks.web]
port = {port}
"""


@pytest.fixture
def monitor(tmp_path):
    with running(CONFIG.format(folder=tmp_path, port=0)) as service:
        yield service


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """One for all tests that only look."""
    with running(CONFIG.format(folder=tmp_path_factory.mktemp("ward"), port=0)) as service:
        yield service


def test_numbers_verdicts_and_traces_are_there_and_move(browser, watched):
    with Seen(browser, watched.page_url) as seen:
        assert 150 <= seen.number() <= 170
        seen.until("() => document.querySelector('#rhythm .verdict').textContent !== '--'")
        assert "sure" in seen.text("#rhythm .why")
        for stream in ("one/ppg", "one/pcg"):
            before = seen.picture(stream)
            seen.until(
                "([s, b]) => document.querySelector(`[data-stream='${s}'] canvas`).toDataURL() !== b", stream, before
            )
        drawn = seen.page.evaluate(
            "() => { const c = document.querySelector(\"[data-stream='one/ppg'] canvas\");"
            " const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data; let n = 0;"
            " for (let i = 3; i < d.length; i += 4) n += d[i] > 0; return n; }"
        )
        assert drawn > 300
        assert seen.complaints == []


class _ClockAt(SystemClock):
    """The system's clock, set so that its first time is ``start`` in a sweep of eight seconds."""

    def __init__(self, start):
        super().__init__()
        self._shift = start - super().now() % 8.0

    def now(self):
        return super().now() + self._shift


@pytest.mark.parametrize("start", [1.0, 3.795, 4.095])  # the sweep begins anew: in no trace, where jitter goes back
def test_what_is_missing_stays_empty_and_a_jittery_clock_tears_nothing(browser, start):
    clock = _ClockAt(start)
    now, rate = clock.now(), 100.0
    with WebServer(clock) as server, Seen(browser, server.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        wave = 1000.0 * np.sin(np.arange(400) * 0.2)[:, None]
        for k in range(40):
            if not 15 <= k < 25:
                t0 = now - 5.0 + k * 0.1 + (0.02 if k % 3 else 0.0)
                server.sink.observe(Block("node/ppg", k * 10, t0, rate, wave[k * 10 : k * 10 + 10]))
        seen.page.locator("[data-stream='node/ppg']").wait_for()
        seen.until("([a, b]) => edgeVitals.drawn('node/ppg', a, b) > 0.9", now - 4.9, now - 3.6)
        shares = [
            seen.page.evaluate("([a, b]) => edgeVitals.drawn('node/ppg', a, b)", [now - a, now - b])
            for a, b in ((4.9, 3.6), (3.4, 2.6), (2.4, 1.1))
        ]
        assert shares[0] == shares[2] == 1.0
        assert shares[1] == 0.0


def test_an_alarm_appears_is_spoken_and_is_acknowledged_by_keyboard(browser, monitor):
    with Seen(browser, monitor.page_url) as seen:
        row = seen.page.locator("#standing li", has_text="Heart rate")
        row.wait_for()
        assert row.get_attribute("data-presence") == "on"
        seen.until("() => document.querySelector('#announce').textContent.includes('priority alarm')")
        button = row.get_by_role("button", name="Acknowledge")
        button.focus()
        seen.page.keyboard.press("Enter")
        seen.until("() => document.querySelector('#standing li')?.dataset.presence === 'ack'")
        seen.until("() => document.querySelector('#answer').textContent.includes('acknowledged')")
        assert row.get_by_role("button").count() == 0
        assert seen.complaints == []


def test_sound_is_paused_and_a_bed_put_in_standby_and_back(browser, monitor):
    with Seen(browser, monitor.page_url) as seen:
        seen.number()
        seen.page.get_by_role("button", name="Pause sound").click()
        seen.until("() => document.querySelector('#modes').textContent.includes('sound paused')")
        seen.page.get_by_role("button", name="End pause").click()
        seen.page.get_by_role("button", name="Standby").click()
        seen.page.get_by_role("button", name="5 minutes", exact=True).click()
        seen.until("() => document.querySelector('#modes').textContent.includes('standby')")
        seen.page.get_by_role("button", name="End standby").click()
        seen.until("() => document.querySelector('#modes').textContent === ''")
        assert seen.complaints == []


def test_the_microphone_is_moved_and_the_page_says_where_it_sits(browser, monitor):
    with Seen(browser, monitor.page_url) as seen:
        seen.until("() => document.querySelector('#murmur small').textContent === 'at MV'")
        seen.until("() => document.querySelector('#murmur .verdict').textContent !== '--'")
        seen.page.get_by_role("button", name="Site").click()
        seen.page.get_by_role("button", name="Aortic").click()
        seen.until("() => document.querySelector('#murmur small').textContent === 'at AV'")
        seen.until("() => document.querySelector('#answer').textContent === 'listening at AV'")
        seen.until("() => document.querySelector('#murmur').textContent.includes('AV, MV: no murmur')")
        assert seen.complaints == []


def test_the_other_bed_is_one_key_away(browser, watched):
    with Seen(browser, watched.page_url) as seen:
        seen.page.locator("[data-stream='one/ppg']").wait_for()
        seen.page.locator("#beds button", has_text="bed2").press("Enter")
        seen.page.locator("[data-stream='two/ppg']").wait_for()
        assert seen.page.locator("[data-stream='one/ppg']").count() == 0
        assert seen.page.locator("#beds [aria-current=true]").inner_text().startswith("bed2")
        seen.until("() => Number(document.querySelector('#rate .huge').textContent) < 100")
        assert seen.complaints == []


def program(folder, port):
    """The program as a process of its own, which can be killed."""
    config = folder / "ward.toml"
    config.write_text(CONFIG.format(folder=folder, port=port))
    return subprocess.Popen(
        [sys.executable, "-m", "edge", "run", str(config), "--quiet"], stderr=subprocess.DEVNULL, cwd=Path.cwd()
    )


WHEN_IT_IS_SAID = """() => {
  const lost = document.querySelector("#lost");
  new MutationObserver(() => { if (!lost.hidden) window.said ??= Date.now(); }).observe(lost, { attributes: true });
}"""
"""By the page's own clock, which is the machine's: how fast the test hears of it is another matter."""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP])
def test_a_server_that_dies_or_hangs_is_said_within_three_seconds_and_it_recovers(browser, tmp_path, end):
    port = free_port()
    process = program(tmp_path, port)
    try:
        with when_it_answers(browser, f"http://127.0.0.1:{port}/") as seen:
            seen.number()
            seen.page.evaluate(WHEN_IT_IS_SAID)
            killed = time.time()
            os.kill(process.pid, end)
            seen.until("() => window.said")
            assert seen.page.evaluate("() => window.said") / 1000 - killed < 3.0
            assert seen.text("#lost") == "Not connected - numbers are not current"
            assert seen.text("#rate .huge") == seen.text("#rhythm .verdict") == seen.text("#murmur .verdict") == "--"
            assert seen.page.locator("#standing li").count() == 0
            if end == signal.SIGSTOP:
                os.kill(process.pid, signal.SIGCONT)
            else:
                process.wait()
                process = program(tmp_path, port)
            seen.until("() => document.querySelector('#lost').hidden")
            seen.number()
            assert not [c for c in seen.complaints if "ERR_CONNECTION" not in c and "WebSocket" not in c]
    finally:
        process.kill()
        process.wait()


def when_it_answers(browser, url):
    """A page of a program that is only just starting."""
    deadline = time.monotonic() + 20.0
    from urllib.error import URLError
    from urllib.request import urlopen

    while True:
        try:
            urlopen(url).close()
            return Seen(browser, url)
        except (URLError, ConnectionError):
            assert time.monotonic() < deadline


@pytest.mark.parametrize("colours", ["dark", "light"])
@pytest.mark.parametrize("screen", SCREENS)
def test_accessible_and_whole_on_every_screen(browser, watched, screen, colours):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    with Seen(browser, watched.page_url, SCREENS[screen], color_scheme=colours) as seen:
        seen.number()
        seen.page.locator("#standing li").first.wait_for()
        seen.page.emulate_media(reduced_motion="reduce")
        found = axe.Axe().run(seen.page)
        assert found.violations_count == 0, found.generate_report()
        sizes = seen.page.evaluate(
            "() => [document.documentElement.scrollWidth, innerWidth, document.querySelector('#actions')"
            ".getBoundingClientRect().bottom, innerHeight, document.querySelector('#others').getBoundingClientRect().bottom,"
            " document.querySelector('#actions').getBoundingClientRect().top]"
        )
        assert sizes[0] <= sizes[1]
        assert sizes[2] <= sizes[3] + 1
        cut = seen.page.evaluate(
            "() => { const end = document.querySelector('#numbers').getBoundingClientRect().right;"
            " return [...document.querySelectorAll('#numbers dd, #numbers .huge, #numbers .verdict')]"
            ".filter(e => e.getBoundingClientRect().right > end || e.scrollWidth > e.clientWidth + 1)"
            ".map(e => e.textContent); }"
        )
        assert cut == []
        if screen == "bedside":
            assert sizes[4] <= sizes[5] + 1, "a number is hidden behind the buttons"
            assert digit_height_mm(seen) >= 12.0
        assert seen.complaints == []


def digit_height_mm(seen):
    """Height of the ink of the large number on a 7-inch screen of 800 x 480."""
    pixels = seen.page.evaluate(
        "() => { const e = document.querySelector('#rate .huge'), c = document.createElement('canvas').getContext('2d'),"
        " s = getComputedStyle(e); c.font = `${s.fontWeight} ${s.fontSize} ${s.fontFamily}`; const m = c.measureText('70');"
        " return m.actualBoundingBoxAscent + m.actualBoundingBoxDescent; }"
    )
    return pixels * 7 * 25.4 / (800**2 + 480**2) ** 0.5


def test_first_paint_is_quick_and_a_frame_costs_little(browser, watched):
    with Seen(browser, watched.page_url) as seen:
        seen.number()
        seen.until("() => { const c = edgeVitals.cost; return c.frames > 200; }")
        paint_ms, script_ms = seen.page.evaluate(
            "() => [performance.getEntriesByName('first-contentful-paint')[0].startTime,"
            " edgeVitals.cost.script_ms / edgeVitals.cost.frames]"
        )
        assert paint_ms < 1000.0
        assert script_ms < 8.0


def test_who_may_only_look_sees_buttons_that_do_nothing_and_a_log_in(browser, tmp_path, monkeypatch):
    monkeypatch.setenv("PAGE_TOKENS", "view look-0123456789ab")
    text = CONFIG.format(folder=tmp_path, port=0) + 'token_env = "PAGE_TOKENS"\n'
    with running(text) as service, Seen(browser, f"{service.page_url}?bed=bed1") as seen:
        seen.page.get_by_label("Token").fill("wrong-0123456789ab")
        seen.page.keyboard.press("Enter")
        seen.until("() => document.querySelector('#problem').textContent.includes('not known')")
        seen.page.get_by_label("Token").fill("look-0123456789ab ")  # as it is pasted
        seen.page.keyboard.press("Enter")
        seen.number()
        assert seen.page.url == f"{service.page_url}?bed=bed1"
        assert seen.page.get_by_role("button", name="Pause sound").is_disabled()
        seen.page.locator("#standing li").first.wait_for()
        assert seen.page.get_by_role("button", name="Acknowledge").first.is_disabled()
        seen.page.get_by_role("button", name="Log out").click()
        seen.page.get_by_label("Token").wait_for()
