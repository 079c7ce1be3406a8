"""What the page tells of alarms of the past, and to whom: raw clients of a real server."""

from __future__ import annotations

import csv
import gzip
import http.client
import io
import itertools
import json
import types

import numpy as np
import pytest

from early_beats import noise, steady
from edge.clock import ManualClock
from edge.recording import ClockMark, RecordingWriter
from edge.sinks.history import History
from edge.types import Alarm, Block, Reading
from web_server import WebServer

LOOK, ACT = "look-0123456789ab", "acts-0123456789ab"
OCCURRENCE = "b.bed1.af.1"


def alarm(presence="on", seq=1, t=130.0, text="AF likely", number=1):
    reading = {
        "metric": "ppg.rhythm",
        "value": "af",
        "quality": 0.9,
        "model": "rhythm 1.1.0 onnx-int8",
        "source": "node",
    }
    evidence = {"change": "raised" if seq == 1 else "cleared", "reading": reading, "rule": {"limit": None}}
    occurrence = f"b.bed1.af.{number}"
    return Alarm(
        "bed1/af", occurrence, "physiological", "medium", presence, t, text, "af", "bed1",
        since=100.0, seq=seq, evidence=evidence,
    )  # fmt: skip


def entries(rate=100.0, gap=(120.0, 124.0)):
    """Minute and a half of a pulse of 75 a minute with a gap, a sound, and what was read of them."""
    yield ClockMark(70.0, 1_700_000_070.0)
    for k in range(900):
        t0 = 70.0 + k * 0.1
        t = t0 + np.arange(10) / rate
        if not gap[0] <= t0 < gap[1]:
            wave = np.round(50_000 + 1000 * np.clip(np.sin(2 * np.pi * 1.25 * t), 0, 1) ** 3)
            yield Block("node/ppg", k * 10, t0, rate, wave[:, None])
        sound = np.round(3000 * np.sin(2 * np.pi * 80 * (t0 + np.arange(100) / 1000)))
        yield Block("node/pcg", k * 100, t0, 1000.0, sound[:, None])
        if k % 10 == 9:
            told = {"bed": "bed1", "source": "node"}
            yield Reading("ppg.hr", t0 + 0.1, 75.0, "bpm", 0.9, **told)
            present = 100.0 <= t0 <= 110.0
            detail = {"decision": "present" if present else "absent"}
            yield Reading("pcg.murmur", t0 + 0.1, 0.9, "", 0.9, detail=detail, **told)
            yield Reading("ppg.rhythm", t0 + 0.1, "af" if t0 > 100 else "sinus", "", 0.9, **told)


@pytest.fixture
def kept(tmp_path):
    """A history of one alarm with its recording, and one whose recording is gone."""
    history = History(tmp_path / "history.sqlite")
    for seq, presence in ((1, "on"), (2, "off")):
        history.add(alarm(presence, seq, 129.0 + seq), wall=1_700_000_129.0 + seq, boot="b")
    history.add(alarm(text="=cmd()", number=2, t=150.0), wall=1_700_000_150.0, boot="b")
    header = {"span": [70.0, 160.0], "occurrences": [OCCURRENCE], "identities": {"rhythm": "r"}, "version": "1"}
    with (tmp_path / f"{OCCURRENCE}.evrec").open("wb") as file:
        writer = RecordingWriter(file, header)
        for entry in entries():
            writer.add(entry)
    yield types.SimpleNamespace(history=history, root=tmp_path)
    history.close()


@pytest.fixture
def page(kept):
    with WebServer(history=kept) as server:
        yield server


@pytest.fixture
def guarded(kept, monkeypatch):
    monkeypatch.setenv("PAGE_TOKENS", f"view {LOOK},acknowledge {ACT} night")
    with WebServer(history=kept, token_env="PAGE_TOKENS") as server:
        yield server


def got(server, path, **headers):
    status, said, body = server.request("GET", path, **headers)
    assert (status, said["content-type"]) == (200, "application/json"), body
    return json.loads(body)


def test_the_list_is_newest_first_and_filtered(page):
    said = got(page, "/history")
    assert [a["occurrence"] for a in said["alarms"]] == ["b.bed1.af.2", OCCURRENCE]
    assert said["conditions"] == ["af"]
    assert said["exports"] is True
    assert [a["ended"] for a in said["alarms"]] == [None, 1_700_000_131.0]
    assert len(got(page, "/history?bed=bed1&condition=af&kind=physiological&priority=low&limit=1")["alarms"]) == 1
    assert got(page, "/history?bed=bed2")["alarms"] == []
    assert len(got(page, "/history?bed=&condition=&kind=&priority=")["alarms"]) == 2
    assert [a["occurrence"] for a in got(page, "/history?beyond=b.bed1.af.2")["alarms"]] == [OCCURRENCE]


def test_since_when_is_by_the_clock_of_the_machine_not_of_the_browser(kept):
    with WebServer(clock=ManualClock(500.0, wall=1_700_000_200.0), history=kept) as server:
        assert [a["occurrence"] for a in got(server, "/history?within=60")["alarms"]] == ["b.bed1.af.2"]
        assert len(got(server, "/history?within=3600")["alarms"]) == 2
        assert got(server, f"/history/{OCCURRENCE}")["now"] == 1_700_000_200.0


def test_the_table_holds_every_alarm_however_many_and_however_many_at_one_time(kept, page):
    for number in range(3, 904):
        kept.history.add(alarm(number=number), wall=1_700_000_160.0, boot="b")
    rows = list(csv.DictReader(io.StringIO(page.request("GET", "/history.csv?condition=af")[2].decode())))
    assert [row["occurrence"] for row in rows] == [f"b.bed1.af.{number}" for number in range(903, 0, -1)]
    pages = [got(page, "/history?limit=50")["alarms"]]
    while pages[-1]:
        pages.append(got(page, f"/history?limit=50&beyond={pages[-1][-1]['occurrence']}")["alarms"])
    assert [a["occurrence"] for part in pages for a in part] == [row["occurrence"] for row in rows]


@pytest.mark.parametrize(
    "query",
    [
        "bed=a'b",
        "priority=urgent",
        "beyond=a'b",
        "limit=nan",
        "limit=x",
        "within=inf",
        "table=x",
        "table=1",
        "bed=" + "a" * 99,
    ],
)
def test_a_question_that_is_none_is_refused(page, query):
    assert page.request("GET", f"/history?{query}")[0] == 400
    assert page.request("GET", f"/history.csv?{query}")[0] == 400


def test_a_waveform_has_the_time_of_its_alarm_though_the_clock_was_set_after_it(page, kept):
    kept.history.add(alarm(number=3, t=400.0), wall=1_700_004_000.0, boot="b", moved_s=3600.0)
    assert got(page, f"/history/{OCCURRENCE}")["recording"]["wall"] == 1_700_003_600.0


def test_one_alarm_comes_with_its_waveform_beats_and_findings(page, kept):
    said = got(page, f"/history/{OCCURRENCE}")
    assert [t["seq"] for t in said["transitions"]] == [1, 2]
    assert (said["presence"], said["priority"]) == ("off", "medium")
    assert said["replay"] == f"edge-vitals replay --alarm {OCCURRENCE} {kept.root}/{OCCURRENCE}.evrec"
    assert said["export"] == f"edge-vitals export {kept.root}/{OCCURRENCE}.evrec --edf --csv"
    recording = said["recording"]
    assert (recording["start"], recording["end"], recording["wall"]) == (70.0, 160.0, 1_700_000_000.0)
    beats = np.array(recording["beats"]["node/ppg"])
    truth = np.arange(88, 200) * 0.8 + 0.2  # the sine's maxima
    near = np.abs(beats[:, None] - truth[None, :]).min(axis=1)
    assert np.quantile(near, 0.95) < 0.05
    outside = truth[(truth > 71) & (truth < 159) & ((truth < 119) | (truth > 125))]
    assert (np.abs(outside[:, None] - beats[None, :]).min(axis=1) < 0.05).mean() > 0.95
    assert not ((beats > 120.3) & (beats < 123.7)).any()
    assert {(m["text"], m["source"]) for m in recording["marks"]} == {
        ("murmur", "node"),
        ("atrial fibrillation", "node"),
    }
    (murmur,) = (m for m in recording["marks"] if m["text"] == "murmur")
    assert (murmur["start"], murmur["end"]) == (96.0, 110.0)
    waves = [c for c in recording["waves"] if c["s"] == "node/ppg"]
    times = np.concatenate([c["t"] + np.arange(len(c["v"])) * c["dt"] for c in waves])
    assert not ((times > 120.05) & (times < 123.95)).any()
    assert abs(len(times) / 86.0 - 50.0) < 1.0
    assert max(abs(v) for c in waves for v in c["v"]) <= 20_000
    assert {r[0] for r in recording["readings"]} == {"ppg.hr", "ppg.rhythm"}


def test_of_a_slow_heart_the_beats_are_marked_and_not_the_noise_between_them(kept, page):
    wave = 20_000.0 * (steady(30.0, 60.0, 0.3) + noise(0.3, 60.0, 1))
    with (kept.root / "b.bed1.af.2.evrec").open("wb") as file:
        writer = RecordingWriter(file, {"span": [110.0, 160.0]})
        for k in range(600):
            writer.add(Block("node/ppg", k * 10, 100.0 + k * 0.1, 100.0, np.round(wave[k * 10 : k * 10 + 10, None])))
            writer.add(Reading("ppg.hr", 100.1 + k * 0.1, 30.0, "bpm", 0.9, bed="bed1", source="node"))
    beats = got(page, "/history/b.bed1.af.2")["recording"]["beats"]["node/ppg"]
    assert np.diff(beats) == pytest.approx(2.0, abs=0.1)
    assert len(beats) == 25


def test_beats_and_waveform_are_those_of_the_channel_that_was_read(kept, page):
    wave = 20_000.0 * (steady(75.0, 60.0, 0.3) + noise(0.1, 60.0, 1))
    two = np.round(np.stack([noise(1.0, 60.0, 2), wave], axis=1))
    with (kept.root / "b.bed1.af.2.evrec").open("wb") as file:
        config = "[analyzers.pulse]\nchannel = 1\n"
        writer = RecordingWriter(file, {"span": [110.0, 160.0], "config": config})
        for k in range(600):
            writer.add(Block("node/ppg", k * 10, 100.0 + k * 0.1, 100.0, two[k * 10 : k * 10 + 10]))
            writer.add(Reading("ppg.hr", 100.1 + k * 0.1, 75.0, "bpm", 0.9, bed="bed1", source="node"))
    recording = got(page, "/history/b.bed1.af.2")["recording"]
    assert np.diff(recording["beats"]["node/ppg"]) == pytest.approx(0.8, abs=0.1)
    assert len(recording["beats"]["node/ppg"]) in (62, 63)
    assert max(c["q"] * max(c["v"]) for c in recording["waves"]) > 5000.0


def test_an_answer_is_small_on_the_way(page):
    plain = page.request("GET", f"/history/{OCCURRENCE}")[2]
    status, headers, body = page.request("GET", f"/history/{OCCURRENCE}", Accept_Encoding="gzip, br")
    assert (status, headers["content-encoding"], headers["content-type"]) == (200, "gzip", "application/json")
    assert {**json.loads(gzip.decompress(body)), "now": 0} == {**json.loads(plain), "now": 0}
    static = sum(len(page.request("GET", f"/static/{name}")[2]) for name in STATIC)
    assert static + len(body) < 150_000


STATIC = ("alarms.html", "theme.css", "past.css", "past.js", "past_waves.js", "words.js", "dom.js", "icon.svg")


def test_an_alarm_whose_recording_is_gone_still_has_its_story(page):
    said = got(page, "/history/b.bed1.af.2")
    assert said["recording"] is None
    assert said["transitions"][0]["evidence"]["reading"]["value"] == "af"
    assert page.request("GET", "/history/b.bed1.af.2/recording")[0] == 404


@pytest.mark.parametrize(
    "name", ["b.bed1.af.9", "..%2f..%2fhistory", "%2e%2e", "x%00y", "history.sqlite", "'%20or%20'1"]
)
def test_what_is_no_alarm_is_not_found_whatever_it_is_called(page, name):
    assert page.request("GET", f"/history/{name}")[0] == 404
    assert page.request("GET", f"/history/{name}/recording")[0] == 404


def test_files_are_for_those_who_may_answer_alarms(guarded, kept):
    look, act = guarded.cookie(LOOK), guarded.cookie(ACT)
    assert got(guarded, "/history", Cookie=look)["exports"] is False
    assert got(guarded, f"/history/{OCCURRENCE}", Cookie=look)["recording"] is not None
    for path in ("/history.csv", f"/history/{OCCURRENCE}/recording"):
        assert guarded.request("GET", path, Cookie=look)[0] == 403
    status, headers, body = guarded.request("GET", f"/history/{OCCURRENCE}/recording", Cookie=act)
    assert status == 200
    assert headers["content-disposition"] == f'attachment; filename="{OCCURRENCE}.evrec"'
    assert headers["content-type"] == "application/octet-stream"
    assert body == (kept.root / f"{OCCURRENCE}.evrec").read_bytes()
    _, headers, body = guarded.request("GET", "/history.csv", Cookie=act)
    assert headers["content-disposition"] == 'attachment; filename="alarms.csv"'
    assert headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(body.decode())))
    assert [row["text"] for row in rows] == ["'=cmd()", "AF likely"]
    times = [("2023-11-14T22:15:50.000Z", ""), ("2023-11-14T22:15:30.000Z", "2023-11-14T22:15:31.000Z")]
    assert [(row["raised"], row["ended"]) for row in rows] == times


def test_without_a_log_in_nothing_is_told(guarded):
    for path in ("/history", "/history.csv", f"/history/{OCCURRENCE}", f"/history/{OCCURRENCE}/recording"):
        assert guarded.request("GET", path)[0] == 401
    assert b'id="login"' in guarded.request("GET", "/alarms")[2]


def test_another_name_for_this_server_gets_nothing_and_the_policy_stands(page):
    assert page.request("GET", "/history", Host="evil.example")[0] == 403
    for path in ("/alarms", "/history", f"/history/{OCCURRENCE}", f"/history/{OCCURRENCE}/recording"):
        headers = page.request("GET", path)[1]
        assert headers["content-security-policy"].startswith("default-src 'self'; object-src 'none'")
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
    assert page.request("POST", "/history", Origin=page.origin)[0] == 405


def test_a_page_without_a_history_says_so():
    with WebServer() as server:
        assert server.request("GET", "/history")[0] == 404
        assert server.request("GET", "/alarms")[0] == 200


def test_a_history_that_cannot_be_read_is_no_crash(page, kept):
    kept.history.close()
    for path in ("/history", "/history.csv", f"/history/{OCCURRENCE}", f"/history/{OCCURRENCE}/recording"):
        status, _, body = page.request("GET", path)
        assert (status, json.loads(body)) == (503, {"error": "the history cannot be read now"})


def test_no_text_of_the_table_is_a_formula(page, kept):
    for number, begins in enumerate("=+-@", start=3):
        kept.history.add(alarm(text=f"{begins}1", number=number), wall=1_700_000_160.0, boot="b")
    rows = list(csv.DictReader(io.StringIO(page.request("GET", "/history.csv")[2].decode())))
    assert [row["text"] for row in rows][:4] == ["'@1", "'-1", "'+1", "'=1"]


def test_a_table_that_cannot_be_read_to_its_end_is_not_taken_for_whole(page, kept, monkeypatch):
    whole, times = kept.history.occurrences, itertools.count()

    def once(**asked):
        if next(times):
            raise OSError("gone")
        return whole(**asked)

    monkeypatch.setattr(kept.history, "occurrences", once)
    with pytest.raises(http.client.IncompleteRead):
        page.request("GET", "/history.csv")


def test_a_torn_recording_is_shown_as_far_as_it_goes(page, kept):
    path = kept.root / f"{OCCURRENCE}.evrec"
    path.write_bytes(path.read_bytes()[:-5000])
    assert "torn" in got(page, f"/history/{OCCURRENCE}")["recording"]["torn"]
    path.write_bytes(b"nonsense")
    assert got(page, f"/history/{OCCURRENCE}")["recording"] is None
