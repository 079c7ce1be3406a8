"""The alarm history in a real browser: found, filtered, its waveform drawn, its files taken away, by whoever may."""

from __future__ import annotations

import csv
import io
import shlex
import types
from dataclasses import replace

import pytest

from edge import inference
from edge.cli import main
from edge.recording import Recording
from edge.sinks.history import History
from edge.types import Alarm
from web_browser import SCREENS, Seen
from web_server import WebServer
from whole_program import TWO_BEDS, for_seconds, run_to_its_end, running

pytestmark = pytest.mark.slow
PAST = """
[device]
name = "ward"
state_dir = "{folder}"
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The state directory of two minutes with a fibrillation, a murmur and a tachycardia."""
    path = tmp_path_factory.mktemp("past")
    run_to_its_end(PAST.format(folder=path) + TWO_BEDS.format(pace=for_seconds(120)))
    return path


def again(folder, more=""):
    """The program on the same state, at the live pace, with its page."""
    return running(PAST.format(folder=folder) + TWO_BEDS.format(pace="") + "[sinks.web]\nport = 0\n" + more)


@pytest.fixture(scope="module")
def url(folder):
    with again(folder) as service:
        yield f"{service.page_url}alarms"


def opened(seen, text):
    """Choose the alarm with this text and wait for its evidence."""
    seen.page.locator("#alarms button", has_text=text).last.click()
    seen.page.locator("#one h2", has_text=text).wait_for()


def ink(seen, tokens):
    """How many points of the sheet have the colours of a theme's words."""
    return seen.page.evaluate(
        "names => { const c = document.querySelector('.waves canvas'), p = document.createElement('canvas').getContext('2d'),"
        " d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data, s = getComputedStyle(document.documentElement);"
        " p.canvas.width = names.length; names.forEach((n, i) => { p.fillStyle = s.getPropertyValue(`--${n}`); p.fillRect(i, 0, 1, 1); });"
        " const w = p.getImageData(0, 0, names.length, 1).data; return names.map((_, j) => { let n = 0; for (let i = 0; i < d.length; i += 4)"
        " n += d[i + 3] === 255 && [0, 1, 2].every(k => Math.abs(d[i + k] - w[4 * j + k]) < 3); return n; }); }",
        tokens,
    )


def test_alarms_are_listed_filtered_and_found_again_by_their_address(browser, url):
    with Seen(browser, url) as seen:
        seen.until("() => document.querySelectorAll('#alarms li').length >= 3")
        texts = seen.page.locator("#alarms b").all_inner_texts()
        assert {"Atrial fibrillation likely", "Heart murmur"} <= set(texts)
        seen.page.select_option("[name=condition]", "murmur")
        seen.until("() => [...document.querySelectorAll('#alarms b')].every(b => b.textContent === 'Heart murmur')")
        seen.page.select_option("[name=condition]", "")
        seen.page.select_option("[name=bed]", "bed2")
        seen.until("() => [...document.querySelectorAll('#alarms b')].every(b => b.textContent.includes('Heart rate'))")
        seen.page.select_option("[name=bed]", "")
        seen.page.select_option("[name=priority]", "high")
        seen.until("() => document.querySelectorAll('#alarms .mark:not(.high)').length === 0")
        seen.page.select_option("[name=priority]", "")
        opened(seen, "Atrial fibrillation")
        address = seen.page.url
        assert seen.page.locator("#alarms [aria-current=true]").count() == 1
        seen.page.goto("about:blank")
        seen.page.goto(address)
        seen.page.locator("#one h2", has_text="Atrial fibrillation").wait_for()
        assert seen.complaints == []


def test_an_alarm_shows_what_it_rested_on(browser, url, folder):
    with Seen(browser, url, SCREENS["desk"]) as seen:
        opened(seen, "Atrial fibrillation")
        facts = seen.text("#one .facts")
        occurrence = seen.page.url.partition("#")[2]
        recording = Recording(folder / "evidence" / f"{occurrence}.evrec")
        model = f"rhythm {inference.load('rhythm').card['version']}"
        for part in ("5 of 7 windows 10 s apart", model, recording.header["cards"]["rhythm"], occurrence):
            assert part in facts
        assert "began" in seen.text("#one .two")
        assert seen.page.locator("#one tbody").first.locator("tr").count() >= 5
        label = seen.page.get_attribute(".waves canvas", "aria-label")
        assert "Pulse wave, Heart sound" in label
        assert "atrial fibrillation of node" in label
        beats = int(label.split(" beats marked")[0].split("; ")[-1])
        seconds = recording.header["span"][1] - recording.header["span"][0]
        assert 0.5 * 110 / 60 * seconds < beats < 1.5 * 110 / 60 * seconds
        assert min(ink(seen, ["ppg", "pcg", "poor", "ink"])) > 300
        opened(seen, "Heart murmur")
        assert "murmur of node" in seen.page.get_attribute(".waves canvas", "aria-label")
        assert "Value" in seen.text("#one .facts")
        assert seen.complaints == []


@pytest.mark.parametrize("screen", ["desk", "bedside", "phone"])
def test_each_stream_is_named_in_full_wherever_its_waveform_is_scrolled_to(browser, url, screen):
    with Seen(browser, url, SCREENS[screen]) as seen:
        seen.page.evaluate(
            "() => { window.written = []; const pen = CanvasRenderingContext2D.prototype, write = pen.fillText;"
            " pen.fillText = function (text, x, y) {"
            " written.push([text, x, x + this.measureText(text).width]); write.call(this, text, x, y); }; }"
        )
        opened(seen, "Heart murmur")
        seen.page.locator(".waves canvas").wait_for()
        written = seen.page.evaluate("() => written")
        width, whole = seen.page.evaluate(
            "(({ clientWidth, scrollWidth }) => [clientWidth, scrollWidth])(document.querySelector('.waves'))"
        )
        for name in ("Pulse wave, node", "Heart sound, node"):
            places = [(begin, end) for text, begin, end in written if text == name]
            hidden = [
                left
                for left in range(whole - width + 1)
                if not any(left <= begin and end <= left + width for begin, end in places)
            ]
            assert hidden == []


def test_the_command_shown_makes_the_alarm_again_and_the_file_saved_is_its_recording(browser, url, folder, capsys):
    with Seen(browser, url) as seen:
        opened(seen, "Atrial fibrillation")
        program, *arguments = shlex.split(seen.page.locator("code").first.inner_text())
        assert program == "edge-vitals"
        assert main(arguments) == 0
        assert "the same alarm" in capsys.readouterr().err
        with seen.page.expect_download() as saving:
            seen.page.get_by_role("link", name="Save the recording").click()
        saved = saving.value.path().read_bytes()
        occurrence = seen.page.url.partition("#")[2]
        assert saved == (folder / "evidence" / f"{occurrence}.evrec").read_bytes()
        with seen.page.expect_download() as saving:
            seen.page.get_by_role("link", name="Save list").click()
        rows = list(csv.DictReader(io.StringIO(saving.value.path().read_text())))
        assert {"af", "murmur", "tachy"} <= {row["condition"] for row in rows}
        assert seen.complaints == []


def test_an_alarm_on_paper_is_whole_and_dark_on_white(browser, url):
    with Seen(browser, url, SCREENS["desk"], color_scheme="dark") as seen:
        opened(seen, "Heart rate")
        seen.page.evaluate(
            "() => addEventListener('beforeprint', () => { window.printed = document.documentElement.dataset.theme; })"
        )
        seen.page.pdf()
        assert seen.page.evaluate("() => [window.printed, document.documentElement.dataset.theme]") == ["light", "dark"]
        seen.page.emulate_media(media="print")
        assert not seen.page.locator("#list").is_visible()
        assert (
            seen.page.evaluate(
                "() => { const e = document.querySelector('#one'); return e.scrollHeight - e.clientHeight; }"
            )
            == 0
        )
        assert seen.complaints == []


@pytest.mark.parametrize("colours", ["dark", "light"])
@pytest.mark.parametrize("screen", SCREENS)
def test_accessible_and_whole_on_every_screen(browser, url, screen, colours):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    with Seen(browser, url, SCREENS[screen], color_scheme=colours) as seen:
        opened(seen, "Atrial fibrillation")
        found = axe.Axe().run(seen.page)
        assert found.violations_count == 0, found.generate_report()
        assert seen.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        assert seen.complaints == []


def test_it_works_by_keyboard(browser, url):
    with Seen(browser, url) as seen:
        button = seen.page.locator("#alarms button", has_text="murmur").first
        button.focus()
        seen.page.keyboard.press("Enter")
        seen.page.locator("#one h2", has_text="murmur").wait_for()
        assert seen.page.evaluate("() => document.activeElement.getAttribute('aria-current')") == "true"


def test_who_may_only_look_takes_nothing_away(browser, folder, monkeypatch):
    monkeypatch.setenv("PAGE_TOKENS", "view look-0123456789ab")
    tokens = 'token_env = "PAGE_TOKENS"\n'
    with again(folder, tokens) as service, Seen(browser, f"{service.page_url}alarms") as seen:
        seen.page.get_by_label("Token").fill("look-0123456789ab")
        seen.page.keyboard.press("Enter")
        opened(seen, "Atrial fibrillation")
        assert seen.page.get_by_role("link", name="Save").count() == 0
        assert seen.page.locator(".waves canvas").count() == 1


def kept_alarm(number, presence="on", seq=1):
    evidence = {
        "change": "raised" if seq == 1 else "cleared",
        "rule": {"confirm": (1, 1), "on_delay_s": 1, "off_delay_s": 1},
    }
    evidence |= {"reading": {}, "readings": [[9.0, None, 0.1, "yes"]]}
    return Alarm(
        "bed1/af", f"b.bed1.af.{number}", "physiological", "medium", presence, 10.0 + seq, f"Alarm {number}", "af",
        "bed1", since=9.0, seq=seq, evidence=evidence,
    )  # fmt: skip


def test_a_list_left_open_follows_what_becomes_of_its_alarms(browser, tmp_path):
    history = History(tmp_path / "history.sqlite")
    for number in range(60):
        history.add(kept_alarm(number), wall=1_700_000_000.0, boot="b")
    kept = types.SimpleNamespace(history=history, root=tmp_path)
    with WebServer(history=kept) as server, Seen(browser, f"{server.sink.url}alarms#%") as seen:
        seen.page.get_by_role("button", name="Older").click()
        seen.until("() => document.querySelectorAll('#alarms li').length === 60")
        opened(seen, "Alarm 0")
        assert "present, not acknowledged" in seen.text("#one .facts")
        assert seen.page.locator("#one td").nth(1).inner_text() == "--"
        history.add(kept_alarm(0, "off", 2), wall=1_700_003_600.9999, boot="b", moved_s=3600.0)
        history.add(kept_alarm(60), wall=1_700_000_002.0, boot="b")
        seen.until("() => document.querySelector('#alarms b').textContent === 'Alarm 60'")
        assert seen.page.locator("#alarms li").count() == 60
        seen.page.get_by_role("button", name="Older").click()
        seen.until("() => document.querySelector('#one .facts').textContent.includes('after 1 s')")
        assert seen.page.locator("#alarms button", has_text="Alarm 0").locator(".presence").inner_text() == "for 1 s"
        seen.page.evaluate("() => { location.hash = ''; }")
        seen.page.locator("#hint").wait_for()
        assert seen.complaints == []
    history.close()


def test_an_alarm_whose_end_a_power_cut_took_is_over_nobody_knows_since_when(browser, tmp_path):
    history = History(tmp_path / "history.sqlite")
    history.add(kept_alarm(0), wall=1_700_000_000.0, boot="b")
    history.begin([], ahead_s=0.0, boot="c")
    kept = types.SimpleNamespace(history=history, root=tmp_path)
    with WebServer(history=kept) as server, Seen(browser, f"{server.sink.url}alarms") as seen:
        opened(seen, "Alarm 0")
        assert seen.page.locator("#alarms .presence").inner_text() == "over"
        assert "nobody knows when: the device was cut off" in seen.text("#one .facts")
        assert seen.complaints == []
    history.close()


def test_a_long_name_of_a_bed_makes_the_list_no_wider_than_a_phone(browser, tmp_path):
    bed = "intensive-care-unit-of-the-west-wing-at-the-window-place-no-1"
    history = History(tmp_path / "history.sqlite")
    history.add(replace(kept_alarm(0), id=f"{bed}/tachy", bed=bed), wall=1_700_000_000.0, boot="b")
    kept = types.SimpleNamespace(history=history, root=tmp_path)
    with WebServer(history=kept) as server, Seen(browser, f"{server.sink.url}alarms", SCREENS["phone"]) as seen:
        seen.until("() => document.querySelectorAll('[name=bed] option').length === 2")
        assert seen.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        assert seen.complaints == []
    history.close()
