"""What of an alarm's recording is drawn: which samples, numbers and findings, and from when until when each of them
holds."""

from __future__ import annotations

import types

import numpy as np
import pytest

from early_beats import steady
from edge.recording import Recording, RecordingWriter, Tick
from edge.sinks.web.past import Past, waveform
from edge.types import Alarm, Block, Reading

ALARM = {"t": 130.0, "wall": 1_700_000_130.5, "evidence": {"reading": {"metric": "ppg.rhythm"}}}


def told(entries, alarm=ALARM, *, span=(100.0, 160.0), damaged="", torn="", parts=(), **header):
    recording = types.SimpleNamespace(
        header={"span": span, **header}, said=[*filter(None, (damaged, torn))], parts=parts
    )
    return waveform(recording, entries, alarm)


def reading(metric, t, value, *, source="node", quality=0.9, **detail):
    reason = "motion" if value is None else ""
    return Reading(metric, t, value, "", quality, reason, detail, bed="bed1", source=source)


def second(t, source="node", epoch=0):
    return Block(f"{source}/acc", int(t), float(t), 1.0, np.zeros((1, 3)), epoch)


def pulse(start, seconds, *, source="node", epoch=0, rate=100.0):
    """A pulse of 75 a minute in blocks of a second."""
    wave = np.round(20_000.0 * steady(75.0, seconds))
    return [
        Block(f"{source}/ppg", k * 100, start + k, rate, wave[k * 100 : k * 100 + 100, None], epoch)
        for k in range(int(seconds))
    ]


def spans(said, text):
    return [(mark["source"], mark["start"], mark["end"]) for mark in said["marks"] if mark["text"] == text]


def test_atrial_fibrillation_is_marked_where_it_was_found_and_nowhere_else():
    found = [second(96.0)]
    for t, value in ((110.0, "sinus"), (120.0, "af"), (130.0, "af"), (135.0, None), (140.001, "af"), (150.0, "af")):
        found.append(reading("ppg.rhythm", t, value))
    found.append(reading("ppg.rhythm", 131.0, "sinus", source="other"))
    said = told(found)
    assert said["marks"] == [
        {"source": "node", "kind": "ppg", "text": "atrial fibrillation", "start": 110.0, "end": 130.0},
        {"source": "node", "kind": "ppg", "text": "atrial fibrillation", "start": 130.001, "end": 150.0},
    ]


def test_a_murmur_is_marked_five_seconds_back_but_not_before_the_first_sample_there_is():
    present, absent = {"decision": "present"}, {"decision": "absent"}
    said = told(
        [
            second(98.0),
            second(99.0),
            reading("pcg.murmur", 101.0, 0.9, **present),
            reading("pcg.murmur", 106.0, 0.9, **present),
            reading("pcg.murmur", 108.0, 0.1, **absent),
            reading("pcg.murmur", 112.0, 0.9, **present),
            reading("pcg.murmur", 120.0, 0.9, source="silent", **present),
        ]
    )
    assert spans(said, "murmur") == [("node", 98.0, 106.0), ("node", 107.0, 112.0), ("silent", 120.0, 120.0)]


def test_two_sources_and_two_findings_are_never_joined():
    said = told(
        [
            second(96.0),
            second(96.0, "other"),
            reading("ppg.rhythm", 120.0, "af"),
            reading("ppg.rhythm", 121.0, "af", source="other"),
            reading("pcg.murmur", 122.0, 0.9, decision="present"),
            reading("ppg.rhythm", 122.0, "af"),
        ]
    )
    assert spans(said, "murmur") == [("node", 117.0, 122.0)]
    assert spans(said, "atrial fibrillation") == [("node", 110.0, 122.0), ("other", 111.0, 121.0)]


def test_readings_are_those_of_the_span_heart_rates_and_what_the_alarm_rests_on():
    rates = [reading(f"{lane}.hr", 120.0 + k, 60.0 + k) for k, lane in enumerate(("ppg", "pcg", "camera", "fused"))]
    said = told(
        [
            reading("ppg.hr", 99.999, 61.0),
            reading("ppg.hr", 100.0, 62.00049, quality=0.456),
            *rates,
            reading("ppg.hr", 125.0, None, quality=0.0),
            reading("ppg.rhythm", 130.00049, "af"),
            reading("pcg.murmur", 131.0, 0.9),
            reading("ppg.hr", 160.0, 63.0),
            reading("ppg.hr", 160.001, 64.0),
        ]
    )
    assert said["readings"] == [
        ["ppg.hr", 100.0, 62.0, 0.46, ""],
        ["ppg.hr", 120.0, 60.0, 0.9, ""],
        ["pcg.hr", 121.0, 61.0, 0.9, ""],
        ["camera.hr", 122.0, 62.0, 0.9, ""],
        ["fused.hr", 123.0, 63.0, 0.9, ""],
        ["ppg.hr", 125.0, None, 0.0, "motion"],
        ["ppg.rhythm", 130.0, "af", 0.9, ""],
        ["ppg.hr", 160.0, 63.0, 0.9, ""],
    ]


def test_an_alarm_that_rests_on_no_reading_shows_the_heart_rates():
    said = told([reading("ppg.rhythm", 120.0, "af"), reading("ppg.hr", 120.0, 60.0)], {**ALARM, "evidence": {}})
    assert [row[0] for row in said["readings"]] == ["ppg.hr"]


def test_the_waveform_settles_before_its_span_and_is_drawn_within_it():
    level = np.r_[np.zeros(400), np.full(7000, 50_000.0)]  # the sensor is put on as the settling begins
    blocks = [Block("node/ppg", k, 92.0 + k / 100, 100.0, level[k : k + 100, None]) for k in range(0, 7400, 100)]
    said = told(blocks)
    times = np.concatenate([c["t"] + np.arange(len(c["v"])) * c["dt"] for c in said["waves"]])
    assert (times[0], times[-1]) == (100.0, 159.98)
    assert max(abs(v) * c["q"] for c in said["waves"] for v in c["v"]) < 1.0


def test_beats_are_marked_where_a_rate_of_that_source_was_read_within_ten_seconds_after():
    both = [*pulse(96.0, 60.0), *pulse(96.4, 60.0, source="other"), second(120.0)]
    entries = sorted(both, key=lambda block: block.t0)
    entries += [reading("ppg.hr", 125.0, 75.0), reading("pcg.hr", 135.0, 75.0), reading("ppg.hr", 145.0, None)]
    beats = told(entries)["beats"]
    found = beats.pop("node/ppg")
    assert beats == {"other/ppg": []}, "of another sensor nothing was read, and only a pulse wave has beats"
    assert len(found) in (12, 13)
    assert 115.0 <= found[0] < 115.8
    assert 124.2 < found[-1] <= 125.0
    assert np.diff(found) == pytest.approx(0.8, abs=0.03)


def test_beats_before_the_span_are_not_marked_and_a_new_epoch_is_no_beat():
    entries = [*pulse(96.0, 10.0), *pulse(106.0, 10.0, epoch=1)]
    entries += [reading("ppg.hr", 100.0 + k, 75.0) for k in range(20)]
    found = np.array(told(entries)["beats"]["node/ppg"])
    assert 100.0 <= found[0] < 100.8
    truth = np.r_[96.0 + np.arange(0.3, 10.0, 0.8), 106.0 + np.arange(0.3, 10.0, 0.8)] + 0.17
    assert np.abs(found[:, None] - truth[None, :]).min(axis=1).max() < 0.05


@pytest.mark.parametrize(("seconds", "marked"), [(2, False), (4, True)])
def test_in_a_moment_of_pulse_wave_no_beats_are_looked_for(seconds, marked):
    said = told([*pulse(110.0, float(seconds)), reading("ppg.hr", 115.0, 75.0)])
    assert bool(said["beats"]["node/ppg"]) is marked


def test_what_a_recording_is_of_is_told_beside_it(tmp_path):
    parts = [tmp_path / "1", tmp_path / "2"]
    for size, part in enumerate(parts, 3):
        part.write_bytes(b"x" * size)
    fields = {"version": "1.2", "identities": {"rhythm": "r"}, "occurrences": ["a", "b"]}
    said = told([], damaged="damaged in a place", torn="torn at the end", parts=parts, **fields)
    assert (said["start"], said["end"], said["wall"], said["bytes"]) == (100.0, 160.0, 1_700_000_000.5, 7)
    assert (said["version"], said["models"], said["together"]) == ("1.2", {"rhythm": "r"}, 2)
    assert said["torn"] == "damaged in a place; torn at the end"
    plain = told([])
    assert (plain["version"], plain["models"], plain["together"], plain["torn"]) == ("", {}, 0, "")


def test_every_transition_of_an_alarm_is_a_moment():
    fields = ("o1", "physiological", "medium", "on")
    raised, silent = (
        Alarm("bed1/af", *fields, t, "AF", "af", "bed1", seq=1, evidence=evidence)
        for t, evidence in ((130.0, {"change": "raised"}), (131.0, {}))
    )
    assert told([raised, Tick(130.5), silent])["moments"] == [[130.0, "raised", "bed1/af"], [131.0, "", "bed1/af"]]


def test_a_recording_whose_header_is_damaged_is_shown_from_its_first_sample_to_its_last(tmp_path):
    path = tmp_path / "b.bed1.af.1.evrec"
    with path.open("wb") as file:
        writer = RecordingWriter(file, {"span": [100.0, 160.0], "version": "1"})
        for entry in (*pulse(98.0, 20.0), reading("ppg.hr", 117.0, 75.0)):
            writer.add(entry)
    whole = path.read_bytes()
    path.write_bytes(whole[:21] + bytes([whole[21] ^ 0xFF]) + whole[22:])
    assert Recording(path).headless
    history = types.SimpleNamespace(
        transitions=lambda _: [{**ALARM, "delivery": {}}],
        occurrences=lambda **_: [{"presence": "on", "priority": "medium"}],
    )
    said = Past(types.SimpleNamespace(history=history, root=tmp_path)).one("b.bed1.af.1")["recording"]
    assert (said["start"], said["end"], said["version"]) == (98.0, 118.0, "")
    assert "the header is damaged" in said["torn"]
    assert [row[1] for row in said["readings"]] == [117.0]


def test_a_file_of_an_alarm_that_is_not_in_the_history_is_nobodys(tmp_path):
    (tmp_path / "b.bed1.af.1.evrec").write_bytes(b"x")
    known = types.SimpleNamespace(transitions=lambda _: [ALARM])
    unknown = types.SimpleNamespace(transitions=lambda _: [])
    kept = {"known": known, "unknown": unknown}
    files = {
        name: Past(types.SimpleNamespace(history=history, root=tmp_path)).recording("b.bed1.af.1")
        for name, history in kept.items()
    }
    assert files == {"known": tmp_path / "b.bed1.af.1.evrec", "unknown": None}


def test_where_neither_header_nor_samples_are_left_the_moment_of_the_alarm_is_told():
    said = waveform(types.SimpleNamespace(header={}, said=["damaged"], parts=()), [Tick(140.0)], ALARM)
    assert (said["start"], said["end"], said["waves"], said["torn"]) == (130.0, 130.0, [], "damaged")


def test_samples_that_are_missing_here_and_there_hide_no_beat():
    blocks = pulse(100.0, 20.0)
    holed = [
        Block(b.stream, b.seq, b.t0, b.rate, np.where(np.arange(100)[:, None] % 10 == 3, np.nan, b.data))
        for b in blocks
    ]
    rates = [reading("ppg.hr", 101.0 + k, 75.0) for k in range(20)]
    whole, with_holes = (told([*some, *rates])["beats"]["node/ppg"] for some in (blocks, holed))
    assert len(whole) == 25
    assert with_holes == pytest.approx(whole, abs=0.02)


def test_a_pulse_wave_without_one_number_has_no_beats_and_no_line():
    said = told([Block("node/ppg", 0, 110.0, 100.0, np.full((1000, 1), np.nan)), reading("ppg.hr", 115.0, 75.0)])
    assert (said["beats"], said["waves"]) == ({"node/ppg": []}, [])


def test_a_gap_invents_no_beat_and_a_sensor_that_draws_the_pulse_upside_down_has_the_same():
    blocks, rates = pulse(100.0, 30.0), [reading("ppg.hr", 100.0 + k, 75.0) for k in range(31)]
    turned = [Block(b.stream, b.seq, b.t0, b.rate, -b.data) for b in blocks]
    whole, upside_down, with_gap = (
        told([*some, *rates])["beats"]["node/ppg"] for some in (blocks, turned, blocks[:10] + blocks[14:])
    )
    assert len(whole) == 37
    assert upside_down == whole
    assert [t for t in with_gap if 110.0 < t < 114.0] == []
    assert set(whole) - set(with_gap) == {t for t in whole if 109.5 < t < 114.5}
