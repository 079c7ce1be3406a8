"""Every alarm leaves the waveform around it, from which it is made again; the disk is never filled and nobody waits."""

from __future__ import annotations

import os
import shutil
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from edge.evidence import Ring
from edge.recording import LaneState, MainState, Recording, Tick
from edge.sinks.evidence import build
from edge.types import Alarm, Block, ConfigError, Fault, Reading
from kept_evidence import LAYOUT, alarm, tell


def second(t, source="node", size=100):
    data = np.random.default_rng(int(t)).integers(-3000, 3000, (size, 1)).astype(float)
    return Block(f"{source}/ppg", int(t) * size, float(t), float(size), data)


def states(t, source="node", oldest=None):
    stream = {"first_t": 0.0, "oldest": t - 20.0 if oldest is None else oldest, "end": t, "holes": []}
    board = {"beds": {"bed1": {"seq": 1}, "bed2": {"seq": 2}}, "t": t}
    return [
        LaneState(source, "ppg", t, {"streams": {"ppg": stream}}),
        MainState(t, board, {"bed1": {}, "bed2": {}}),
    ]


def feed(one, clock, start, end, source="node"):
    """Seconds of samples, with what the program says of itself in between."""
    for t in range(start, end):
        clock.move_to(t + 1.0)
        one.record(second(t, source))
        one.record(Reading("ppg.hr", t + 1.0, 60.0, "bpm", 0.9, bed="bed1", source=source))
        one.record(Tick(t + 1.0))
        if t % 15 == 0:
            for state in states(t + 1.0, source):
                one.record(state)


def test_the_waveform_before_and_after_is_written_when_its_time_has_come(evidence, clock, tmp_path):
    one = evidence(header=lambda: {"device": "d"})
    feed(one, clock, 100, 300)
    one.record(alarm(300.0))
    feed(one, clock, 300, 331)
    assert len(one._ring.wanted) == 1
    feed(one, clock, 331, 332)  # a reading of two seconds later: whatever came late is there
    assert one._ring.wanted == []
    assert one.flush(5.0)
    recording = Recording(tmp_path / "evidence" / "b.bed1.af.1.evrec")
    entries = list(recording)
    blocks = [e for e in entries if isinstance(e, Block)]
    assert abs(recording.path.stat().st_mtime - time.time()) < 600.0, "whoever lists the files sees when it was"
    assert recording.header == {
        "device": "d", "bed": "bed1", "span": [265.0, 330.0], "occurrences": ["b.bed1.af.1"],
    }  # fmt: skip
    assert [b.t0 for b in blocks] == [float(t) for t in range(int(blocks[0].t0), 332)]
    assert blocks[0].t0 <= 265.0 - 20.0
    assert all(np.array_equal(b.data, second(b.t0).data) for b in blocks)
    (main,) = (e for e in entries if isinstance(e, MainState))
    assert main.t <= 265.0
    assert set(main.board["beds"]) == set(main.fusion) == {"bed1"}
    (lane,) = (e for e in entries if isinstance(e, LaneState))
    assert entries.index(lane) < entries.index(main)
    assert blocks[0].t0 == lane.state["streams"]["ppg"]["oldest"], "not a second that a lane looks back at is missing"
    assert [e for e in entries[: entries.index(main)] if not isinstance(e, Block | LaneState)] == []
    assert not recording.torn


def test_another_bed_never_enters(evidence, clock, tmp_path):
    one = evidence()
    for t in range(100, 200):
        feed(one, clock, t, t + 1)
        one.record(second(t, "other"))
        one.record(Reading("ppg.hr", t + 1.0, 60.0, "bpm", 0.9, bed="bed2", source="other"))
        one.record(Fault("broker_lost", t + 1.0, True))
    one.record(alarm(200.0))
    one.record(alarm(200.0, bed="bed2"))
    one.close()
    for bed, source in (("bed1", "node"), ("bed2", "other")):
        entries = list(Recording(tmp_path / "evidence" / f"b.{bed}.af.1.evrec"))
        assert {e.source for e in entries if isinstance(e, Block | LaneState)} == {source}
        assert {e.bed for e in entries if isinstance(e, Reading | Alarm)} == {bed}
        assert not any(isinstance(e, Fault) for e in entries)


def test_alarms_that_come_together_share_one_recording_and_a_flood_is_bounded(evidence, clock, tmp_path, caplog):
    one = evidence()
    feed(one, clock, 100, 200)
    for number in range(1, 2001):
        tell(one, alarm(200.0 + number * 0.01, number))
    feed(one, clock, 200, 260)
    assert one.flush(10.0)
    paths = list((tmp_path / "evidence").glob("*.evrec"))
    assert len(paths) == 50
    assert len({p.stat().st_ino for p in paths}) == 1
    assert len(Recording(paths[0]).header["occurrences"]) == 50
    assert len(one.history.occurrences(limit=200)) == 200
    assert caplog.messages == ["evidence: no recording of 1950 alarm(s) of bed1: too many came together"]
    assert one.why_not() == "the recordings of alarms are not kept: too many came together"
    one.record(alarm(300.0, 2001))
    assert one.flush(10.0)
    assert one.why_not() == ""
    assert len(caplog.messages) == 1, "nothing is missing of one that came alone"


def test_only_a_beginning_asks_for_a_recording(evidence, clock, tmp_path):
    one = evidence()
    feed(one, clock, 100, 150)
    for number, what in enumerate(("acknowledged", "escalated", "cleared")):
        one.record(alarm(150.0, number, what=what))
    one.close()
    assert one.lost == 0
    assert list((tmp_path / "evidence").iterdir()) == []


def test_the_oldest_recordings_go_for_what_others_need_of_the_disk(evidence, clock, tmp_path, monkeypatch):
    one = evidence(keep_free_mb=1.0)
    for number, free, left in (
        (1, 2_000_000, [1]),
        (2, 2_000_000, [1, 2]),
        (3, 1_000_000, [3]),
        (4, 2_000_000, [3, 4]),
    ):
        monkeypatch.setattr(shutil, "disk_usage", lambda _, free=free: SimpleNamespace(free=free))
        one.record(alarm(1000.0 * number, number))
        assert one.flush(5.0)
        kept = sorted(int(p.stem.rpartition(".")[2]) for p in (tmp_path / "evidence").glob("*.evrec"))
        assert kept == left


def test_the_oldest_recordings_go_for_the_quota_and_the_history_stays(evidence, clock, tmp_path):
    one, before = evidence(quota_mb=0.1, keep_free_mb=0.0), 0
    for number in range(1, 13):
        t = 100 + number * 200
        feed(one, clock, t, t + 150)
        tell(one, alarm(t + 150.0, number))
        feed(one, clock, t + 150, t + 183)
        assert one.flush(5.0)
        path = tmp_path / "evidence" / f"b.bed1.af.{number}.evrec"
        os.utime(path, (number, number))
        there = len(list(path.parent.glob("*.evrec")))
        assert before + 1 - there <= 2, "no more than it takes before it is packed"
        before = there
    size = path.stat().st_size
    left = sorted(int(p.stem.rpartition(".")[2]) for p in path.parent.glob("*.evrec"))
    assert left[-1] == 12
    assert left == list(range(left[0], 13))
    assert 1 < len(left) < 8
    assert len(left) * size <= 0.1e6
    assert len(one.history.occurrences()) == 12


@pytest.mark.parametrize("linked", [True, False])
def test_a_clock_that_was_set_back_does_not_make_the_newest_recording_the_oldest(
    evidence, clock, tmp_path, monkeypatch, linked
):
    if not linked:  # a file system without hard links
        monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(1, "Operation not permitted")))
    one = evidence(quota_mb=0.1, keep_free_mb=0.0)
    tomorrow = time.time() + 86400.0
    for number in range(1, 13, 2):
        t = 100 + number * 200
        feed(one, clock, t, t + 150)
        one.record(alarm(t + 150.0, number))
        one.record(alarm(t + 150.0, number + 1))
        feed(one, clock, t + 150, t + 183)
        assert one.flush(5.0)
        if number == 1:
            for path in (tmp_path / "evidence").glob("*.evrec"):
                os.utime(path, (tomorrow, tomorrow))
    left = sorted(int(p.stem.rpartition(".")[2]) for p in (tmp_path / "evidence").glob("*.evrec"))
    assert left == list(range(left[0], 13))
    assert 2 < left[0] < 12


def test_a_copy_that_breaks_off_is_nobodys_recording(evidence, clock, tmp_path, monkeypatch):
    """On a file system without hard links, where alarms that share a recording have a copy each."""

    def breaks_off(_source, copy):
        copy.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError(1, "Operation not permitted")))
    monkeypatch.setattr(shutil, "copyfile", breaks_off)
    one = evidence()
    feed(one, clock, 100, 120)
    for number in (1, 2):
        one.record(alarm(120.0, number))
    assert not one.flush(5.0)
    assert [p.name for p in (tmp_path / "evidence").iterdir()] == ["b.bed1.af.1.evrec"]


def test_what_a_power_cut_left_half_written_takes_no_room(evidence, tmp_path):
    (tmp_path / "evidence").mkdir()
    (tmp_path / "evidence" / f"a.bed1.af.1.evrec.{2**22 + 1}.part").write_bytes(b"half")
    assert evidence().flush(5.0)
    assert list((tmp_path / "evidence").iterdir()) == []


def test_a_quota_of_nothing_keeps_only_the_history(evidence, clock, tmp_path):
    one = evidence(quota_mb=0.0)
    feed(one, clock, 100, 150)
    tell(one, alarm(150.0))
    one.close()
    assert list((tmp_path / "evidence").iterdir()) == []
    assert (tmp_path / "history.sqlite").exists()


def test_a_disk_that_hangs_holds_nobody_up(evidence, clock, monkeypatch):
    one = evidence()
    gate = threading.Event()
    monkeypatch.setattr(one, "_make_room", lambda _: gate.wait(10.0))
    feed(one, clock, 100, 120)
    for number in range(1, 20):
        one.record(alarm(120.0 + 100 * number, number))
        one.record(Tick(170.0 + 100 * number))
    assert one.lost == 19 - 8, "so many may wait"
    assert one.why_not() == "the recordings of alarms are not kept: the disk is too slow"
    gate.set()
    assert one.flush(5.0) is False
    assert len(list(one.root.iterdir())) == 19 - one.lost, "nothing else waits in memory"


def test_alarms_of_many_beds_may_come_at_once(evidence, clock, monkeypatch):
    """A hub with the sensors of all of them is unplugged."""
    beds = [f"bed{number}" for number in range(12)]
    one = evidence(layout={bed: {"sources": {f"node-{bed}": "serial_port"}} for bed in beds})
    gate = threading.Event()
    monkeypatch.setattr(one, "_make_room", lambda _: gate.wait(10.0) and 0)
    for bed in beds:
        one.record(second(119.0, f"node-{bed}"))
        one.record(alarm(120.0, bed=bed))
    one.record(Tick(170.0))
    gate.set()
    assert one.flush(5.0)
    assert sorted(path.name for path in one.root.iterdir()) == sorted(f"b.{bed}.af.1.evrec" for bed in beds)


def test_a_disk_that_hangs_is_told_though_one_recording_alone_waits_and_keeps_nobody_from_the_end(
    evidence, clock, monkeypatch
):
    one = evidence()
    began, answers = threading.Event(), threading.Event()

    def hang(*_, **__):
        with one.history._lock:
            began.set()
            answers.wait(10.0)

    monkeypatch.setattr(one.history, "add", hang)
    feed(one, clock, 100, 120)
    tell(one, alarm(120.0))
    assert began.wait(10.0)
    assert one.why_not() == "", "it has just begun"
    assert one.flush(0.01) is False
    with monkeypatch.context() as later:
        later.setattr("edge.storage.disk_thread.HUNG_S", 0.0)
        later.setattr("edge.sinks.evidence._CLOSE_S", 0.05)
        assert one.why_not() == "the recordings of alarms are not kept: the disk does not answer"
        one.close()
    answers.set()


def test_a_full_disk_costs_the_recording_and_is_said(evidence, clock, tmp_path, monkeypatch, caplog):
    one = evidence()

    def refuses(*_):
        raise OSError(28, "No space left on device")

    feed(one, clock, 100, 120)
    assert one.why_not() == ""
    with monkeypatch.context() as full:
        full.setattr("os.fsync", refuses)
        one.record(alarm(120.0))
        assert not one.flush(5.0)
    assert one.lost == 1
    assert "No space left" in caplog.text
    assert one.why_not() == "the recordings of alarms are not kept: No space left on device"
    assert list((tmp_path / "evidence").iterdir()) == []
    one.record(alarm(300.0, 2))
    one.flush(5.0)
    assert one.why_not() == ""


def test_one_recording_that_fails_costs_no_other(evidence, clock, tmp_path, monkeypatch, caplog):
    one = evidence()
    feed(one, clock, 100, 120)
    with monkeypatch.context() as broken:
        broken.setattr("edge.sinks.evidence.exact_part", lambda *_: 1 / 0)
        one.record(alarm(120.0))
        one.flush(5.0)
    assert "ZeroDivisionError" in caplog.text
    one.record(alarm(300.0, 2))
    one.flush(5.0)
    assert [p.name for p in (tmp_path / "evidence").iterdir()] == ["b.bed1.af.2.evrec"]


def test_memory_is_bounded_in_time_and_in_bytes():
    ring = Ring({"node": "bed1"}, before_s=30.0, after_s=30.0)
    for t in range(1000):
        ring.take(second(t), dict)
        ring.take(Tick(t + 1.0), dict)
    assert 200 < len(ring._entries["bed1"]) < 2 * 260
    wide = Ring({"node": "bed1"}, before_s=30.0, after_s=30.0)
    for t in range(300):
        wide.take(second(t, size=100_000), dict)
        wide.take(Tick(t + 1.0), dict)
    kept = sum(e.data.nbytes for e in wide._entries["bed1"] if isinstance(e, Block))
    assert (1 << 25) - 800_000 < kept == wide._bytes["bed1"] <= 1 << 25


@pytest.mark.parametrize("checking", [False, True])
def test_a_folder_that_cannot_be_written_is_named(evidence, tmp_path, checking):
    (tmp_path / "evidence").write_text("a file")
    with pytest.raises(ConfigError, match=r"evidence: cannot be written: Not a directory; set sinks\.evidence\.path"):
        evidence(checking=checking)


def test_a_configuration_that_is_only_checked_makes_no_folder(clock, tmp_path):
    assert build(clock=clock, boot="b", state_dir=tmp_path, layout=LAYOUT, checking=True) is None
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_somebody_removed_is_made_again(evidence, tmp_path):
    one = evidence()
    shutil.rmtree(tmp_path / "evidence")
    one.record(alarm(1000.0))
    assert one.flush(5.0)
    assert [path.name for path in (tmp_path / "evidence").iterdir()] == ["b.bed1.af.1.evrec"]


def test_samples_that_come_late_are_waited_for_and_silence_is_not_waited_for_for_ever(evidence, clock):
    one = evidence()
    feed(one, clock, 100, 200)
    one.record(alarm(200.0))
    one.record(Tick(235.0))
    assert len(one._ring.wanted) == 1
    for t in range(200, 235):
        one.record(second(t))
    one.record(Tick(236.5))
    assert one._ring.wanted == []
