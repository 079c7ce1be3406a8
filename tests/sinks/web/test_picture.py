"""What the page is told, and what a slow viewer loses: thinning, gaps, bounds, order."""

from __future__ import annotations

import asyncio
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import ManualClock
from edge.dsp.face.columns import COLUMNS
from edge.sinks.web.picture import Picture, envelope, waves
from edge.sinks.web.traces import Traces, channels_read
from edge.sinks.web.viewers import BEHIND_S, URGENT_KEPT, WAVES_KEPT, Audience, Viewer
from edge.types import Alarm, Block, Command, CommandResult, Reading, SourceStatus, Stats


def alarm(presence="on", seq=1, occurrence="o1"):
    return Alarm(
        "bed1/af", occurrence, "physiological", "medium", presence, 4.0, "AF", "af", "bed1", seq=seq, value=float("1.5")
    )


def picture(**more):
    made = Picture(clock=ManualClock(10.0), about={"device": "dev"}, **more)
    made.watched = True
    return made


def traces():
    made = Traces()
    made.watched = True
    return made


def points(chunks, stream):
    """(t, v) of a stream in its own units."""
    found = []
    for c in chunks:
        if c["s"] == stream:
            at = [c["t"] + d / 1000 for d in c["d"]] if "d" in c else c["t"] + np.arange(len(c["v"])) * c["dt"]
            found += zip(at, np.array(c["v"]) * c["q"], strict=True)
    return np.array(found)


def test_the_channel_is_drawn_that_the_analyzer_reads():
    config = "[analyzers.pulse]\nchannel = 1\n[analyzers.murmur]\nchannel = 7\n"
    made = Traces(channels=channels_read(config))
    made.watched = True
    rows = np.stack([np.zeros(100), 1000.0 * (np.arange(100) % 2)], axis=1)
    made.take(Block("node/ppg", 0, 0.0, 100.0, rows))
    made.take(Block("node/pcg", 0, 0.0, 100.0, rows[:, 1:]))  # has fewer channels than that
    chunks = made.drain()
    assert all(np.ptp(points(chunks, stream)[:, 1]) > 500.0 for stream in ("node/ppg", "node/pcg"))


@pytest.mark.parametrize(
    "config", ["", "not TOML", "analyzers = 7", "[analyzers]\npulse = 3", "[analyzers.pulse]\nchannel = []"]
)
def test_a_configuration_that_says_nothing_of_channels_means_the_first(config):
    assert set(channels_read(config).values()) <= {0}


def test_of_readings_only_the_newest_is_told_and_of_alarms_each():
    one = picture()
    for number in range(50):
        one.take(Reading("ppg.hr", float(number), 60.0 + number, "bpm", 0.9, bed="bed1", source="node"))
        one.take(alarm("on" if number % 2 else "off", seq=number, occurrence=f"o{number}"))
    urgent, latest = one.changes()
    assert [json.loads(u)["seq"] for u in urgent] == list(range(50))
    assert [json.loads(v)["v"] for v in latest.values()] == [109.0]
    assert one.changes() == ([], {})


def test_a_reading_of_a_time_to_come_is_as_old_as_its_arrival():
    one = picture()
    one.take(Reading("ppg.hr", 600.0, 60.0, "bpm", 0.9, bed="bed1", source="fast"))
    assert [json.loads(item)["t"] for item in one.changes()[1].values()] == [10.0]


def test_a_snapshot_has_all_that_stands():
    one = picture(standing=[alarm()])
    one.take(Reading("ppg.hr", 1.0, None, "bpm", reason="motion", bed="bed1", source="node"))
    one.take(SourceStatus("node", "bed1", 3.0, "offline", "unplugged"))
    one.take(Stats(6.0, {"cpu_s": np.float64(1.0)}))
    whole = one.snapshot()
    assert {item["k"] for item in whole["latest"]} == {"r", "s", "t"}
    assert [a["id"] for a in whole["alarms"]] == ["bed1/af"]
    one.take(alarm("off", 2))
    assert one.snapshot()["alarms"] == []
    assert [a["presence"] for a in one.snapshot()["log"]] == ["off"]


def test_a_reading_is_shown_with_all_that_the_page_writes_of_it():
    one = picture()
    detail = {"decision": "present", "unknown": 0.0004, "site": "MV", "lanes": 2}
    detail["recording"] = {"p": 0.98765, "sites": ("MV", "AV")}
    one.take(
        Reading("pcg.murmur", 8.0004, 0.987654, "probability", 0.456, "", detail, "bed1", "node", model="murmur 1 x")
    )
    one.take(Reading("pcg.hr", 9.0, 61.0, "bpm", 0.9, bed="bed1", source="node"))
    one.take(Reading("pcg.murmur", 9.0, None, "probability", reason="speech", detail=detail, bed="bed2", source="n2"))
    latest = one.changes()[1]
    told = ("bed1/node/pcg.murmur", "bed1/node/pcg.hr", "bed2/n2/pcg.murmur")
    murmur, rate, refused = (json.loads(latest[f"r/{key}"]) for key in told)
    shown = {"decision": "present", "unknown": 0.0, "recording": {"p": 0.988, "sites": ["MV", "AV"]}, "site": "MV"}
    assert murmur == {
        "k": "r", "bed": "bed1", "src": "node", "m": "pcg.murmur", "t": 8.0, "v": 0.9877, "u": "probability", "q": 0.46,
        "why": "", "model": "murmur 1 x", "since": 8.0, "d": shown,
    }  # fmt: skip
    assert (rate["v"], rate["since"], rate["d"]) == (61.0, None, {}), "a number is no verdict that stands"
    assert (refused["v"], refused["why"], refused["since"]) == (None, "speech", None)


def test_a_verdict_says_since_when_it_stands_and_a_refusal_interrupts_it():
    one = picture()

    def since(t, value, reason=""):
        one.take(Reading("ppg.rhythm", t, value, reason=reason, bed="bed1", source="node"))
        return json.loads(one.changes()[1]["r/bed1/node/ppg.rhythm"])["since"]

    assert [since(1.0, "sinus"), since(3.0, "sinus"), since(5.0, "af")] == [1.0, 1.0, 5.0]
    assert since(7.0, None, "motion") is None
    assert since(9.0, "af") == 9.0


def test_what_is_watched_is_asked_for_in_the_main_thread_and_not_often():
    clock, asked = ManualClock(100.0), []

    def watching(now):
        asked.append(now)
        row = {"source": "node", "metric": "ppg.hr", "first": 1.0, "hour": 0.98765, "day": None, "blind": [1] * 99}
        row["minutes"] = [[60.0, 120.0, 2 / 3], [120.0, 150.0004, None]]
        quality = {**row, "metric": "ppg.quality"}
        return {"bed1": {"paused_until": None, "standby_until": 5.0, "coverage": [row, quality]}}

    one = Picture(clock=clock, about={}, watching=watching)
    for _ in range(100):
        clock.advance(0.5)
        one.take(Reading("ppg.hr", clock.now(), 60.0, "bpm", 0.9, bed="bed1", source="node"))
    assert len(asked) == 10
    told = one.snapshot()["latest"][-1]["beds"]["bed1"] if one.snapshot()["latest"][-1]["k"] == "b" else None
    told = told or next(i for i in one.snapshot()["latest"] if i["k"] == "b")["beds"]["bed1"]
    assert [(r["metric"], r["hour"], len(r["blind"])) for r in told["coverage"]] == [("ppg.hr", 0.988, 20)]
    assert told["coverage"][0]["minutes"] == [[60.0, 120.0, 0.667], [120.0, 150.0, None]]


def test_after_an_answer_to_a_command_what_is_watched_is_asked_for_at_once():
    clock, asked = ManualClock(100.0), []
    one = Picture(clock=clock, about={}, watching=lambda now: asked.append(now) or {})
    one.take(Stats(100.0, {"readings": 3}))
    clock.advance(1.0)
    one.take(Stats(101.0, {"readings": 4}))
    clock.advance(1.0)
    one.take(CommandResult(Command("pause", "bed1", 102.0, "c1", "nurse"), 102.0, True))
    assert asked == [100.0, 102.0]
    told = {item["k"]: item for item in one.snapshot()["latest"]}
    assert told == {"t": {"k": "t", "t": 101.0, "figures": {"readings": 4}}, "b": {"k": "b", "beds": {}}}


def test_of_what_happened_whoever_comes_later_is_told_the_last_and_no_more():
    one = picture()
    for seq in range(100):
        one.take(alarm("on" if seq % 2 else "off", seq))
    whole = one.snapshot()
    assert (whole["k"], whole["device"]) == ("hello", "dev")
    assert [told["seq"] for told in whole["log"]] == list(range(40, 100))


def test_an_envelope_is_json_with_the_time_and_the_programs_last_sign_of_life():
    clock = ManualClock(10.0)
    one = Picture(clock=clock, about={})
    clock.advance(1.25)
    one.take(alarm())
    assert one.last_event == 11.25
    assert json.loads(envelope(12.5, 1_700_000_000.25, 11.25, [b'{"k":"x"}', b"1"], synced=False)) == {
        "now": 12.5,
        "wall": 1_700_000_000.25,
        "synced": False,
        "alive": 11.25,
        "m": [{"k": "x"}, 1],
    }


def test_traces_and_faces_are_items_where_there_are_any():
    chunk, face = {"s": "n/ppg", "v": [1]}, {"cam": {}}
    assert waves([], {}) == []
    assert [json.loads(item) for item in waves([chunk], {})] == [{"k": "w", "w": [chunk]}]
    assert [json.loads(item) for item in waves([chunk], face)] == [{"k": "w", "w": [chunk]}, {"k": "f", "f": face}]


@given(st.lists(st.integers(1, 60), min_size=1, max_size=40), st.sampled_from([50.0, 100.0, 125.0, 500.0]))
def test_a_trace_is_thinned_the_same_however_it_was_chunked(sizes, rate):
    wave = np.sin(np.arange(sum(sizes)) / rate * 9.0) * 1000.0 + 60_000.0

    def shown(sizes):
        made, seq = traces(), 0
        for size in sizes:
            made.take(Block("n/ppg", seq, 5.0 + seq / rate, rate, wave[seq : seq + size, None]))
            seq += size
        return points(made.drain(), "n/ppg")

    pieces, whole = shown(sizes), shown([len(wave)])
    assert len(pieces) == len(whole) == len(wave) // max(1, round(rate / 100))
    if len(whole):
        assert np.allclose(pieces[:, 0], whole[:, 0], atol=1e-3)
        assert np.allclose(pieces[:, 1], whole[:, 1], atol=2.0)


def test_sound_is_a_band_that_keeps_every_peak():
    made, sound = traces(), np.zeros((4000, 1))
    sound[1234], sound[2345] = 900.0, -700.0
    made.take(Block("n/pcg", 0, 0.0, 4000.0, sound))
    (chunk,) = made.drain()
    assert len(chunk["v"]) == len(chunk["lo"]) == 100
    assert max(chunk["v"]) * chunk["q"] == pytest.approx(900.0, rel=0.05)
    assert min(chunk["lo"]) * chunk["q"] == pytest.approx(-700.0, rel=0.05)


def test_a_loss_stays_a_gap_and_a_second_lane_draws_nothing_twice():
    made = traces()
    block = Block("n/ppg", 0, 0.0, 100.0, np.arange(10.0)[:, None])
    for one in (block, block, Block("n/ppg", 50, 0.5, 100.0, np.arange(10.0)[:, None])):
        made.take(one)
    chunks = made.drain()
    assert [c["n"] for c in chunks] == [0, 11], "a jump of the number is a loss"
    t = points(chunks, "n/ppg")[:, 0]
    assert len(t) == 20
    assert np.diff(t).max() == pytest.approx(0.41)


def test_where_only_the_other_channel_holds_numbers_the_line_breaks():
    made = traces()
    x = np.stack([np.full(60, 50_000.0), np.zeros(60)], axis=1)
    x[18:22, 0] = np.nan
    x[30:50, 0] = np.nan
    for a in range(0, 60, 10):
        made.take(Block("n/ppg", a, a / 100.0, 100.0, x[a : a + 10]))
    shown = points(made.drain(), "n/ppg")
    assert abs(shown[:, 1]).max() < 1.0
    assert len(shown) == 40
    assert np.diff(shown[:, 0]).max() == pytest.approx(0.21)


def test_a_sensor_with_nothing_on_it_is_flat_and_marked():
    made = traces()
    made.take(Block("n/ppg", 0, 0.0, 100.0, np.full((10, 1), 600.0), flags=frozenset({"sensor_off"})))
    (chunk,) = made.drain()
    assert chunk["off"] == 1
    assert set(chunk["v"]) == {0}


def roi(seq, t, green, *, present=1.0):
    row = np.full(len(COLUMNS), np.nan)
    named = {"forehead_r": 150.0, "forehead_g": green, "present": present, "x": 0.25, "y": 0.25, "w": 0.5, "h": 0.5}
    for name, value in {**named, "yaw": -12.0, "moved": 0.0}.items():
        row[COLUMNS.index(name)] = value
    return Block("cam/roi", seq, t, 30.0, row[None, :])


def test_a_cameras_pulse_rises_when_green_falls_and_no_face_is_a_gap():
    made = traces()
    for k in range(60):
        made.take(roi(k, k / 30, 100.0 + (1.0 if k < 30 else -1.0), present=0.0 if 40 <= k < 50 else 1.0))
    chunks = made.drain()
    shown = points(chunks, "cam/roi")
    assert len(shown) == 50
    assert shown[shown[:, 0] < 0.95][-1, 1] < shown[shown[:, 0] > 1.1][0, 1]
    assert np.diff(shown[:, 0]).max() == pytest.approx(11 / 30, abs=0.002)
    assert made.faces() == {"cam": {"box": [0.25, 0.25, 0.5, 0.5], "yaw": -12}}
    assert made.faces() == {}


def test_nothing_is_kept_while_nobody_looks_and_never_without_bound():
    one = Picture(clock=ManualClock(10.0), about={})
    one.take(alarm())
    assert one.changes() == ([], {}), "the snapshot of whoever comes has it"
    made = Traces()
    made.take(Block("n/ppg", 0, 0.0, 100.0, np.zeros((1, 1))))
    assert made.drain() == []
    made.watched = True
    for k in range(5000):
        made.take(Block("n/ppg", k, k / 100, 100.0, np.zeros((1, 1))))
    assert len(points(made.drain(), "n/ppg")) == 400


def test_frames_never_pass():
    made = traces()
    made.take(Block("cam/video", 0, 0.0, 30.0, np.zeros((1, 4, 4, 3), np.uint8)))
    assert made.drain() == []


def test_a_slow_viewer_loses_traces_and_old_numbers_never_an_alarm():
    viewer = Viewer("x")
    for k in range(200):
        viewer.offer([b"a%d" % k] if k % 2 else [], {"r": b"r%d" % k}, [b"w%d" % k])
    items = viewer.take(0.0)
    assert [i for i in items if i[:1] == b"a"] == [b"a%d" % k for k in range(1, 200, 2)]
    assert [i for i in items if i[:1] == b"r"] == [b"r199"]
    assert [i for i in items if i[:1] == b"w"] == [b"w%d" % k for k in range(200 - WAVES_KEPT, 200)]
    assert viewer.dropped_waves == 200 - WAVES_KEPT
    assert not viewer.overflowed


def test_what_happens_is_gathered_for_whoever_looks_and_for_nobody_when_the_last_has_left():
    one, made = Picture(clock=ManualClock(10.0), about={}), Traces()
    audience = Audience(picture=one, traces=made, clock=ManualClock(10.0), limit=2)
    first, second = audience.join("a"), audience.join("b")
    assert audience.join("c") is None
    audience.leave(first)
    assert (one.watched, made.watched) == (True, True)
    audience.leave(second)
    assert (one.watched, made.watched) == (False, False)


def test_a_viewer_that_takes_nothing_at_all_is_given_up():
    viewer = Viewer("x")
    for k in range(URGENT_KEPT + 1):
        viewer.offer([b"a%d" % k], {}, [])
    assert viewer.overflowed


def test_no_more_than_two_messages_are_on_their_way_and_what_waits_meanwhile_is_the_newest():
    viewer = Viewer("x", confirms=True)

    async def first_two_then_the_first_is_there():
        for t in (1.0, 1.1):
            await viewer.room()
            viewer.offer([b"a"], {"r": b"r%.1f" % t}, [b"w"])
            viewer.take(t)
        waiting = asyncio.create_task(viewer.room())
        viewer.offer([b"b"], {"r": b"r old"}, [b"w"])
        viewer.offer([b"c"], {"r": b"r new"}, [b"w"])
        await asyncio.sleep(0)
        assert not waiting.done()
        viewer.has(0.999)
        await asyncio.sleep(0)
        assert not waiting.done()
        viewer.has(1.0)
        await waiting

    asyncio.run(first_two_then_the_first_is_there())
    assert viewer.take(1.2) == [b"b", b"c", b"r new", b"w", b"w"]


def test_a_viewer_who_is_behind_gets_numbers_and_alarms_without_traces():
    viewer = Viewer("x", confirms=True)
    viewer.take(1.0)
    viewer.offer([b"a"], {"r": b"r"}, [b"w", b"w"])
    assert viewer.take(1.0 + BEHIND_S + 0.1) == [b"a", b"r"]
    assert viewer.dropped_waves == 2
    viewer.has(1.0 + BEHIND_S + 0.1)
    viewer.offer([], {}, [b"w"])
    assert viewer.take(9.0) == [b"w"]
