"""A ward on one page: six beds with long names and many alarms at once, fingers on a list that moves, a slow network."""

from __future__ import annotations

import asyncio
import contextlib
import threading

import numpy as np
import pytest

import web_server
from edge.alarms.coverage import Coverage
from edge.clock import SystemClock
from edge.dsp.face.columns import COLUMNS
from edge.types import Alarm, Block, Command, CommandResult, Reading, Stats
from web_browser import SCREENS, Seen
from web_server import WebServer

pytestmark = pytest.mark.slow
BEDS = ("bed1", "bed2", "bed3", "icu-west-corner-window-bed-no-4", "bed5", "bed6")
CUT = """() => [...document.querySelectorAll('#standing button, #actions button, .huge, .verdict, #clock, #count, #modes span')]
  .filter(e => e.offsetParent && e.textContent)
  .filter(e => { const r = e.getBoundingClientRect(); return r.left < 0 || r.right > innerWidth + 1; })
  .map(e => e.textContent)"""


class SetClock(SystemClock):
    """A clock whose wall time may be set."""

    ahead_s, kept = 0.0, True

    def synced(self):
        return self.kept

    def wall(self):
        return super().wall() + self.ahead_s


@pytest.fixture
def ward(monkeypatch):
    monkeypatch.setattr(
        web_server,
        "LAYOUT",
        {bed: {"person": "", "site": "MV", "sources": {f"{bed}-sensor": "serial_port"}} for bed in BEDS},
    )
    with WebServer(clock=SetClock(), device_name="ward-3-intensive-care-west-wing") as server:
        yield server


def alarm(bed, condition, priority="high", presence="on", seq=1, text=""):
    return Alarm(
        f"{bed}/{condition}", f"{bed}-{condition}-{seq}", "physiological", priority, presence, 100.0 + seq,
        text or f"{condition} of {bed}", condition, bed, since=100.0 + seq, seq=seq,
    )  # fmt: skip


def reading(ward, bed, metric, value, source="sensor", age_s=0.0, **more):
    ward.sink.send(
        Reading(metric, ward.clock.now() - age_s, value, "bpm", 0.9, bed=bed, source=f"{bed}-{source}", **more)
    )


def fill(ward):
    """Numbers for every bed, and more alarms than a small screen has room for."""
    for bed in BEDS:
        reading(ward, bed, "fused.hr", 131.0)
        reading(ward, bed, "ppg.hr", 131.0)
        reading(ward, bed, "pcg.hr", None, reason="out_of_distribution")
        reading(ward, bed, "camera.hr", None, reason="static_image")
        reading(ward, bed, "ppg.rhythm", "tachyarrhythmia", detail={"p_VT": 0.6, "p_SVT": 0.3})
        reading(ward, bed, "pcg.murmur", 0.97, detail={"decision": "present"})
        reading(ward, bed, "ppg.perfusion", 2.4)
    for seq, bed in enumerate(BEDS):
        ward.sink.send(alarm(bed, "tachy", seq=seq, text="heart rate 131 at or above 120 bpm for longer than allowed"))


@pytest.mark.parametrize("screen", SCREENS)
def test_six_beds_with_long_names_leave_every_number_and_every_button_in_sight(browser, ward, screen):
    now = ward.clock.now()
    watched = {"paused_until": now + 110, "standby_until": now + 3590, "coverage": []}
    ward.sink._picture._watching = lambda _now: dict.fromkeys(BEDS, watched)
    with Seen(browser, ward.sink.url, SCREENS[screen]) as seen:
        seen.until("() => edgeVitals.state.connected")
        fill(ward)
        seen.until("() => document.querySelectorAll('#standing li').length === 6")
        seen.until("() => document.querySelectorAll('#modes span').length === 2")
        assert seen.number() == 131
        assert seen.page.evaluate(CUT) == []
        words = seen.page.locator("#rate .lanes .words")
        assert words.all_inner_texts() == ["unfamiliar signal", "a still picture"]
        assert words.evaluate_all("all => all.filter(e => e.scrollWidth > e.clientWidth).map(e => e.textContent)") == []
        assert seen.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        assert seen.page.evaluate("() => document.querySelector('#beds').clientWidth") > 100
        low = "all => all.filter(e => e.offsetParent && e.getBoundingClientRect().height < 44).map(e => e.textContent)"
        assert seen.page.locator("button, #more").evaluate_all(low) == [], "too low for a finger"
        if screen == "bedside":
            last, end = (seen.page.locator(s).bounding_box() for s in ("#others", "#actions"))
            assert last["y"] + last["height"] <= end["y"] + 0.5, "numbers are hidden behind the buttons"
        assert seen.complaints == []


def test_a_finger_on_a_bed_or_a_button_is_heard_though_numbers_and_alarms_change_under_it(browser, ward):
    with Seen(browser, ward.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        fill(ward)
        seen.until("() => document.querySelectorAll('#standing li').length === 6")
        tab = seen.page.locator("#beds button", has_text="bed2")
        tab.hover()
        seen.page.mouse.down()
        reading(ward, "bed2", "fused.hr", 99.0)
        seen.until("() => document.querySelectorAll('#beds button')[1].textContent.includes('99')")
        seen.page.mouse.up()
        seen.until("() => edgeVitals.state.bed === 'bed2'")
        button = seen.page.locator("#standing li[data-id='bed6/tachy'] button")
        button.focus()
        ward.sink.send(alarm("bed3", "asystole", seq=40))
        ward.sink.send(alarm("bed1", "tachy", presence="off", seq=41))
        seen.until("() => document.querySelector('#standing li').dataset.id === 'bed3/asystole'")
        assert seen.page.evaluate("() => document.activeElement.dataset.ack") == "bed6/tachy"
        seen.page.keyboard.press("Enter")
        assert ward.commands.get(timeout=10.0).id == "bed6/tachy"


def test_a_tap_never_acknowledges_an_alarm_that_slid_under_the_finger(browser, ward):
    with Seen(browser, ward.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        ward.sink.send(alarm("bed1", "brady", seq=1))
        box = seen.page.locator("#standing button").bounding_box()
        tap = "([x, y]) => document.elementFromPoint(x, y).dispatchEvent(new MouseEvent('click', { bubbles: true, detail: 1 }))"
        place = [box["x"] + 20, box["y"] + 20]
        seen.page.evaluate(
            "([script, place]) => new MutationObserver((_, o) => {"
            " if (document.querySelectorAll('#standing li').length > 1) { o.disconnect(); window.tapped = true; eval(`(${script})`)(place); }"
            " }).observe(document.querySelector('#standing'), { childList: true })".replace(
                "eval(`(${script})`)(place)", f"({tap})(place)"
            ),
            [tap, place],
        )
        ward.sink.send(alarm("bed2", "asystole", seq=2))
        seen.until("() => window.tapped")
        assert seen.page.evaluate("([x, y]) => document.elementFromPoint(x, y).dataset.ack", place) == "bed2/asystole"
        seen.page.wait_for_timeout(450)
        seen.page.mouse.click(*place)
        assert ward.commands.get(timeout=10.0).id == "bed2/asystole"
        assert ward.commands.empty()


def test_of_two_sources_of_a_metric_the_one_that_still_measures_is_shown(browser, ward):
    with Seen(browser, ward.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        reading(ward, "bed1", "ppg.hr", 60.0, source="pulled", age_s=30.0)
        seen.until("() => edgeVitals.state.readings.size")
        reading(ward, "bed1", "ppg.hr", 77.0, source="sensor")
        assert seen.number() == 77


def test_the_clock_of_the_page_follows_the_monitors_when_that_is_set(browser, ward):
    with Seen(browser, ward.sink.url, timezone_id="UTC") as seen:
        seen.until("() => document.querySelector('#clock').textContent")
        ward.clock.ahead_s = 5 * 3600.0
        hour = (int(seen.page.evaluate("() => new Date().getUTCHours()")) + 5) % 24
        seen.until("([h]) => Math.abs(parseInt(document.querySelector('#clock').textContent) - h) <= 1", hour)


def test_a_clock_that_no_time_server_keeps_is_said_to_be_one(browser, ward):
    ward.clock.kept = False
    with Seen(browser, ward.sink.url) as seen:
        seen.until("() => document.querySelector('#clock').textContent.endsWith(' ?')")
        seen.until("() => document.querySelector('#device-figures').textContent.includes('no time server keeps it')")
        ward.clock.kept = True
        seen.until("() => /\\d$/.test(document.querySelector('#clock').textContent)")
        seen.until("() => !document.querySelector('#device-figures').textContent.includes('no time server keeps it')")
        assert seen.complaints == []


def answer(bed, text, by="page:ann", ok=True):
    return CommandResult(Command("standby", bed, 0.0, "c1", by), 0.0, ok, text)


def test_what_was_answered_for_another_bed_names_it_and_does_not_stay(browser, ward):
    with Seen(browser, ward.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        ward.sink.send(answer("bed2", "standby for 300 s"))
        seen.until("() => document.querySelector('#answer').textContent === 'ann: bed2: standby for 300 s'")
        ward.sink.send(answer("bed1", "standby for 600 s", by=""))
        seen.until("() => document.querySelector('#answer').textContent === 'standby for 600 s'")
        seen.page.locator("#beds button", has_text="bed2").click()
        seen.until("() => document.querySelector('#answer').textContent === ''")
        ward.sink.send(answer("bed2", "standby for 900 s"))
        seen.until("() => document.querySelector('#answer').textContent")
        seen.page.evaluate(
            "() => { const now = performance.now.bind(performance); performance.now = () => now() + 61000; }"
        )
        seen.until("() => document.querySelector('#answer').textContent === ''")


def test_more_commands_than_are_taken_are_refused_aloud(browser, ward):
    with Seen(browser, ward.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        for _ in range(21):
            seen.page.locator("#pause").click()
        seen.until("() => document.querySelector('#answer').textContent === 'too many commands at once'")
        assert ward.commands.qsize() == 20


def test_a_page_loaded_again_shows_the_bed_it_showed_and_of_one_that_is_gone_nothing(browser, ward):
    with Seen(browser, ward.sink.url) as seen:
        seen.page.locator("#beds button", has_text="bed2").click()
        seen.page.reload()
        seen.until("() => edgeVitals.state.connected")
        assert seen.page.locator("#beds [aria-current=true]").inner_text().startswith("bed2")
        del ward.sink._picture._about["layout"]["bed2"]
        seen.page.reload()
        seen.until("() => document.querySelector('#gone-bed').textContent === 'bed2 is not watched'")
        reading(ward, "bed1", "fused.hr", 77.0)
        seen.until("() => document.querySelector('#beds b').textContent === '77'")
        assert seen.page.locator("#beds [aria-current=true]").count() == 0
        hidden = ("#rate", "#rhythm", "#traces", "#quiet")
        assert [seen.page.locator(one).is_visible() for one in hidden] == [False] * len(hidden)
        assert [seen.page.locator(one).is_disabled() for one in ("#pause", "#standby")] == [True, True]
        seen.page.locator("#beds button", has_text="bed1").click()
        assert seen.number() == 77
        assert not seen.page.locator("#gone").is_visible()


def test_a_machine_that_slept_shows_no_number_of_before(browser, ward):
    with Seen(browser, ward.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        reading(ward, "bed1", "ppg.hr", 77.0)
        assert seen.number() == 77
        seen.page.evaluate(
            "() => { const lost = document.querySelector('#lost'), { link } = edgeVitals, wall = Date.now, slept = performance.now();"
            " new MutationObserver(() => { window.after ??= performance.now() - slept; }).observe(lost, { attributes: true });"
            " Date.now = () => wall() + 3600000; }"
        )
        seen.until("() => window.after")
        assert seen.page.evaluate("() => window.after") < 2000.0
        seen.until("() => edgeVitals.state.connected && document.querySelector('#lost').hidden")


def test_nothing_of_a_program_that_is_no_more_is_left_in_the_figures_of_the_next(browser):
    paused = {"bed1": {"paused_until": 1e9, "standby_until": None, "coverage": []}}
    with WebServer(watching=lambda _now: paused) as server, Seen(browser, server.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        server.sink.send(Stats(server.clock.now(), {"cpu_s": 500.0}))
        seen.until("() => edgeVitals.state.stats && edgeVitals.state.watching.bed1")
        seen.page.evaluate("() => { window.before = edgeVitals.state.hello; }")
        server.sink.close()
        with WebServer(port=server.port) as following:
            following.sink.send(Stats(following.clock.now(), {"cpu_s": 2.0}))
            seen.until("() => edgeVitals.state.hello !== window.before")
            assert seen.page.evaluate("() => [edgeVitals.state.cpu, edgeVitals.state.watching]") == [None, {}]


def test_samples_of_a_time_to_come_are_not_kept_to_be_drawn_then(browser, ward):
    with Seen(browser, ward.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        now, samples = ward.clock.now(), np.sin(np.arange(100.0))[:, None]
        for kind, t in (("ppg", now + 600.0), ("ecg", now)):
            ward.sink.observe(Block(f"bed1-sensor/{kind}", 0, t, 100.0, samples))
        seen.page.locator("[data-stream='bed1-sensor/ecg']").wait_for()
        assert seen.page.locator("#traces figure").count() == 1


def test_the_outline_of_a_face_goes_with_its_camera(browser):
    row = np.full(len(COLUMNS), 100.0)
    row[[COLUMNS.index(name) for name in ("present", "x", "y", "w", "h", "yaw", "moved")]] = 1, 0.4, 0.3, 0.2, 0.3, 0, 0
    with WebServer() as server, Seen(browser, server.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        server.sink.observe(Block("cam/roi", 0, server.clock.now(), 30.0, row[None, :]))
        seen.page.get_by_role("img", name="face seen").wait_for()
        seen.page.get_by_role("img", name="no face").wait_for()


def test_the_bar_of_the_hour_is_as_blind_as_the_share_says_however_often(browser):
    kept, clock = Coverage(), SystemClock()
    began = clock.now() - 3600.0
    for k in range(3600):  # six seconds in twenty, 180 times
        value, reason = (None, "motion") if k % 20 < 6 else (70.0, "")
        kept.reading(Reading("ppg.hr", began + k, value, "bpm", 0.9, reason, bed="bed1", source="node"))

    def watching(now):
        return {"bed1": {"paused_until": None, "standby_until": None, "coverage": kept.report(now)}}

    with WebServer(clock, watching=watching) as server, Seen(browser, server.sink.url) as seen:
        seen.until("() => edgeVitals.state.connected")
        server.sink.send(Stats(clock.now(), {}))
        seen.page.locator("#coverage .bar").wait_for()
        known, blind = (
            sum(seen.page.eval_on_selector_all(f"#coverage .bar {which}", "all => all.map(e => e.offsetWidth)"))
            for which in ("i:not(.blind)", "i.blind")
        )
        assert 0.25 < blind / known < 0.35
        assert seen.page.eval_on_selector_all("#coverage .bar i.blind", "all => all.length") >= 59


class Narrow:
    """A network between a browser and the page that lets ``rate`` bytes a second through, when told to."""

    def __init__(self, port):
        self.port, self.rate, self.far = 0, 1e9, port
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="edge-test-narrow")

    def __enter__(self):
        self._thread.start()
        assert self._ready.wait(10.0)
        return self

    def __exit__(self, *_):
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(10.0)

    def _run(self):
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self):
        self._over = asyncio.Event()
        server = await asyncio.start_server(self._one, "127.0.0.1", 0, limit=4096)
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        await self._over.wait()
        server.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    async def _one(self, reader, writer):
        up, down = await asyncio.open_connection("127.0.0.1", self.far, limit=4096)
        await asyncio.gather(self._pipe(up, writer, slowly=True), self._pipe(reader, down, slowly=False))

    async def _pipe(self, reader, writer, slowly):
        with contextlib.suppress(OSError, asyncio.CancelledError), contextlib.closing(writer):
            while some := await reader.read(1024):
                if slowly:
                    await asyncio.sleep(len(some) / self.rate)
                writer.write(some)
                await writer.drain()


@pytest.mark.parametrize("rate", [12_000, 1_000])
def test_over_a_slow_network_nothing_old_is_shown_as_current(browser, ward, rate):
    """Sound for the eye and numbers, more than goes through: what is shown is at most four seconds old, or nothing is."""
    numbers = "() => [edgeVitals.state.connected && !edgeVitals.link.problem(), document.querySelector('#rate .huge').textContent]"
    done = threading.Event()

    def send():
        while not done.wait(0.05):
            for bed in BEDS:
                reading(ward, bed, "fused.hr", float(int(ward.clock.now() * 10) % 1000))
                for k in range(12):
                    reading(ward, bed, f"ppg.other{k}", 1.0)

    sender = threading.Thread(target=send, name="edge-test-sender")
    with Narrow(ward.port) as network, Seen(browser, f"http://127.0.0.1:{network.port}/") as seen:
        sender.start()
        try:
            seen.number()
            network.rate = rate
            ages = []
            for _ in range(100):
                seen.page.wait_for_timeout(250)
                current, shown = seen.page.evaluate(numbers)
                if current and shown.isdigit():
                    ages.append(((int(ward.clock.now() * 10) - int(shown)) % 1000) / 10)
            assert max(ages, default=0.0) < 4.5
        finally:
            done.set()
            sender.join(10.0)
