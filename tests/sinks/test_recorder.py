"""The recorder keeps everything that was handed over, in order, whatever becomes of power, disk and quota."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import threading
from types import SimpleNamespace

import numpy as np
import pytest

from edge.recording import Lost, Recording, Tick
from edge.sinks.recorder import build
from edge.types import Alarm, Block, ConfigError, Reading
from full_disk import full_disk


@pytest.fixture
def recorder(tmp_path, clock):
    made = []

    def make(**settings):
        made.append(build(clock=clock, boot=f"b{len(made)}", state_dir=tmp_path, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def block(i, size=10):
    data = np.random.default_rng(i).integers(-30000, 30000, (size, 1)).astype(float)
    return Block("node/ppg", i * size, 100.0 + i * size / 100.0, 100.0, data)


def tick(recorder, clock, seconds):
    clock.advance(seconds)
    recorder.record(Tick(clock.now()))


def samples(recording):
    return np.concatenate([e.data for e in recording if isinstance(e, Block)])


def test_what_goes_in_comes_out_in_order(recorder, clock):
    one = recorder(header=lambda: {"device": "d", "mono": 100.0})
    entries = [block(0), Reading("ppg.hr", 101.0, 61.0, "bpm", 0.9), block(1), Tick(101.0)]
    for entry in entries:
        one.record(entry)
    one.close()
    recording = Recording(one.folder)
    back = list(recording)
    assert recording.header == {"device": "d", "mono": 100.0, "part": 1}
    assert [type(e) for e in back] == [type(e) for e in entries]
    assert back[1] == entries[1]
    assert samples(back).tobytes() == samples(entries).tobytes()
    assert not recording.torn


def test_entries_reach_the_disk_in_batches_and_an_alarm_at_once(recorder, clock):
    one = recorder(batch_s=10.0)
    part = one.folder / "000001.evrec"
    begun = part.stat().st_size
    for i in range(90):
        one.record(block(i))
        tick(one, clock, 0.1)
    assert one._disk._asked.empty()
    assert part.stat().st_size == begun
    one.record(Alarm("bed1/af", "o", "physiological", "medium", "on", clock.now(), "AF", "af", "bed1"))
    tick(one, clock, 0.25)
    assert one._pending == []
    assert one.flush(5.0)
    assert sum(isinstance(e, Block) for e in Recording(one.folder)) == 90
    one.close()


def test_a_card_is_written_to_no_oftener_than_it_is_to_be(recorder, clock, monkeypatch):
    one = recorder(batch_s=10.0)
    write, entries = one._write, []
    monkeypatch.setattr(one, "_write", lambda batch: (entries.append(len(batch)), write(batch)))
    for _ in range(240):
        tick(one, clock, 0.25)
    assert one.flush(5.0)
    assert entries == [40] * 6


def test_a_power_cut_at_any_byte_of_the_last_batch_costs_only_that_batch(recorder, tmp_path):
    one = recorder()
    part = one.folder / "000001.evrec"
    for i in range(3):
        one.record(block(i))
    one.flush(5.0)
    kept = part.stat().st_size
    one.record(block(3))
    one.close()
    whole = part.read_bytes()
    for length in range(kept, len(whole)):
        part.write_bytes(whole[:length])
        recording = Recording(one.folder)
        assert len(samples(recording)) == 30
        assert bool(recording.torn) == (length > kept)
    part.write_bytes(whole)
    assert len(samples(Recording(one.folder))) == 40


def test_a_batch_that_was_flushed_and_the_name_of_its_part_are_on_the_disk_itself(recorder, monkeypatch):
    synced = {}
    monkeypatch.setattr(
        os, "fsync", lambda fd: synced.update({os.readlink(f"/proc/self/fd/{fd}"): os.fstat(fd).st_size})
    )
    one = recorder()
    part = one.folder / "000001.evrec"
    assert set(synced) == {str(part), str(one.folder), str(one.folder.parent)}
    for i in range(3):
        one.record(block(i))
        assert one.flush(5.0)
        assert synced[str(part)] == part.stat().st_size


CHILD = """
import sys
from pathlib import Path
import numpy as np
from edge.clock import SystemClock
from edge.recording import Tick
from edge.sinks.recorder import build
from edge.types import Block
one = build(clock=SystemClock(), boot="k", state_dir=Path(sys.argv[1]))
i = 0
while True:
    one.record(Block("n/ppg", i, i / 100, 100.0, np.full((10, 1), float(i))))
    i += 10
    if i % 1000 == 0:
        one.flush(5.0)
        print(i, flush=True)
"""


def test_a_process_killed_at_any_moment_keeps_all_that_was_flushed(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    for _ in range(5):
        flushed = int(child.stdout.readline())
    child.kill()
    child.wait(5.0)
    child.stdout.close()
    (folder,) = (tmp_path / "recordings").iterdir()
    recording = Recording(folder)
    blocks = list(recording)
    assert [b.seq for b in blocks] == list(range(0, 10 * len(blocks), 10))
    assert len(blocks) * 10 >= flushed


def test_parts_are_rotated_with_a_header_each_and_the_oldest_go_for_the_quota(recorder, clock):
    made = iter(range(100))
    first = recorder(part_mb=0.02, quota_mb=0.1, keep_free_mb=0.0, header=lambda: {"n": next(made)})
    for i in range(400):
        first.record(block(i, 100))
        tick(first, clock, 10.0)
        first.flush(5.0)
    first.close()
    recording = Recording(first.folder)
    assert len(recording.parts) > 2
    assert sum(p.stat().st_size for p in recording.parts) <= 0.1e6 + 0.02e6
    assert recording.header["part"] == int(recording.parts[0].stem) == recording.header["n"] + 1 > 1
    assert "removed" in recording.missing
    seqs = [e.seq for e in recording if isinstance(e, Block)]
    assert seqs == list(range(seqs[0], 40_000, 100))  # the newest, without a hole
    second = recorder(part_mb=0.02, quota_mb=0.04, keep_free_mb=0.0)
    assert second.folder.name == "00002-b1.evrec"
    left = [p for p in first.folder.glob("*") if p.stat().st_size]
    assert len(left) <= 1  # runs of before go first


def test_runs_are_in_order_beyond_the_digits_that_their_numbers_begin_with(recorder, clock, tmp_path):
    """A service that is started every few seconds for days; what is written now must not be taken for the oldest."""
    before = tmp_path / "recordings" / "99999-b.evrec"
    before.mkdir(parents=True)
    for number in (1, 2):
        (before / f"{number:06d}.evrec").write_bytes(bytes(15_000))
    first = recorder(part_mb=0.02, quota_mb=0.04, keep_free_mb=0.0)
    for i in range(150):
        first.record(block(i, 100))
        tick(first, clock, 10.0)
        first.flush(5.0)
    first.close()
    assert (first.folder.name, before.exists()) == ("100000-b0.evrec", False)
    assert samples(Recording(first.folder))[-100:].tobytes() == block(149, 100).data.tobytes()
    assert recorder().folder.name == "100001-b1.evrec"


def test_a_full_disk_loses_batches_and_says_how_many(recorder, clock, monkeypatch):
    one = recorder()
    one.record(block(0))
    assert one.flush(5.0)
    full = True
    sync = type(one._writer).sync

    def refuses(writer):
        if full:
            raise OSError(errno.ENOSPC, "full")
        sync(writer)

    monkeypatch.setattr(type(one._writer), "sync", refuses)
    one.record(block(1))
    one.record(block(2))
    assert not one.flush(5.0)
    assert one.why_not() == "recordings are not kept: full"
    full = False
    for i in (3, 4):
        one.record(block(i))
        one.flush(5.0)
    assert one.why_not() == ""
    one.close()
    told = [getattr(e, "seq", None) or getattr(e, "entries", None) for e in Recording(one.folder)]
    assert told == [None, 2, 30, 40]  # block 0; two lost, said once and before what came after them
    assert one.lost_entries == 2


def test_a_slow_disk_holds_nobody_up_memory_is_bounded_and_it_is_said_once_an_hour(
    recorder, clock, monkeypatch, caplog
):
    one = recorder()
    gate = threading.Event()
    monkeypatch.setattr(one, "_write", lambda batch: gate.wait())
    for i in range(60):
        one.record(block(i, 500_000))  # 1 MB
    assert one._waiting_bytes <= 1 << 25
    assert one.lost_entries >= 60 - 33 - 4
    assert one.why_not() == "recordings are not kept: the disk is too slow"
    for waited_s, said in ((3599.0, 1), (1.0, 2)):
        clock.advance(waited_s)
        for i in range(5):
            one.record(block(i, 500_000))
        assert caplog.text.count("entries lost so far") == said
    gate.set()


def test_a_disk_that_hangs_where_a_part_begins_is_said_and_holds_nobody_up(recorder, clock, monkeypatch):
    one = recorder(part_mb=0.001)
    asked, gate = threading.Event(), threading.Event()

    def hangs(_folder):
        asked.set()
        gate.wait(60.0)

    monkeypatch.setattr("edge.sinks.recorder.sync_folder", hangs)
    one.record(block(0, 1000))
    assert one.flush(60.0)
    tick(one, clock, 10.0)
    assert asked.wait(60.0)
    one.record(block(1, 1000))
    tick(one, clock, 10.5)
    assert one.lost_entries == 0
    with monkeypatch.context() as later:
        later.setattr("edge.storage.disk_thread.HUNG_S", 0.0)
        assert one.why_not() == "recordings are not kept: the disk does not answer"
    gate.set()
    one.close()
    assert len(samples(Recording(one.folder))) == 2000


def test_a_recording_that_somebody_removes_while_it_is_made_begins_anew(recorder):
    one = recorder(header=lambda: {"device": "d"})
    one.record(block(0))
    assert one.flush(5.0)
    shutil.rmtree(one.folder.parent)
    one.record(block(1))
    assert one.flush(5.0)
    one.close()
    recording = Recording(one.folder)
    assert recording.header == {"device": "d", "part": 2}
    assert [e.seq for e in recording] == [10]


def test_what_is_written_waits_no_more(recorder, monkeypatch):
    one = recorder()
    monkeypatch.setattr("edge.recording.batches._WAITING_BYTES", 2000)
    for i in range(20):
        one.record(block(i, 100))
        assert one.flush(5.0)
    assert len(samples(Recording(one.folder))) == 2000


def test_the_oldest_parts_go_for_what_others_need_of_the_disk_and_the_newest_stays(recorder, clock, monkeypatch):
    free = {"bytes": 1_000_000}
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free["bytes"]))

    def parts(run):
        return sorted(int(path.stem) for path in run.folder.glob("*"))

    def fill(run, until):
        while parts(run)[-1:] != [until]:
            run.record(block(0, 1000))
            tick(run, clock, 10.0)
            run.flush(5.0)

    first = recorder(part_mb=0.001, keep_free_mb=1.0)
    fill(first, 4)
    assert parts(first) == [1, 2, 3, 4]
    free["bytes"] -= 1
    fill(first, 5)
    assert parts(first) == [4, 5]
    first.close()
    second = recorder(part_mb=0.001, keep_free_mb=1.0)
    assert parts(first) == [5]
    fill(second, 2)
    assert not first.folder.exists()
    assert parts(second) == [1, 2]


def test_the_oldest_parts_go_for_what_others_wrote_since_this_part_was_begun(recorder, clock, monkeypatch):
    free = {"bytes": 1_000_000}
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free["bytes"]))
    before = recorder(keep_free_mb=1.0)
    before.close()
    one = recorder(keep_free_mb=1.0)
    one.record(block(0))
    one.flush(5.0)
    assert before.folder.exists()
    free["bytes"] -= 1
    one.record(block(1))
    one.flush(5.0)
    assert not before.folder.exists()
    assert len(samples(Recording(one.folder))) == 20


def test_a_quota_that_cannot_work_is_refused_by_its_key(recorder):
    with pytest.raises(ConfigError, match=r"^sinks.recorder.quota_mb: 100; must be at least twice part_mb, 64"):
        recorder(quota_mb=100.0)


def test_a_folder_that_cannot_be_written_is_named(recorder, tmp_path):
    (tmp_path / "recordings").write_text("a file")
    with pytest.raises(ConfigError, match=r"recordings: cannot be written.*set sinks.recorder.path"):
        recorder()


def test_a_disk_that_is_full_from_the_start_is_tried_again_with_every_batch(recorder, clock, caplog):
    with full_disk():
        one = recorder(keep_free_mb=0.0, header=lambda: {"device": "d"})
        assert f"recorder: {one.folder}: File too large; the watching goes on" in caplog.text
        assert one.why_not() == "recordings are not kept: File too large"
        one.record(block(0))
        assert not one.flush(5.0)
        assert not one.folder.exists()  # no quota finds an empty one, and every start would leave another
    one.record(block(1))
    one.flush(5.0)
    one.close()
    recording = Recording(one.folder)
    assert [type(e) for e in recording] == [Lost, Block]
    assert recording.header == {"device": "d", "part": 1}


def test_a_part_that_could_not_be_begun_is_begun_with_a_later_batch(recorder, monkeypatch):
    one = recorder(keep_free_mb=0.0, part_mb=0.0001, batch_s=1.0)
    begin, fails = one._begin, [OSError(errno.ENOSPC, "No space left on device")] * 2

    def maybe(header):
        if fails:
            raise fails.pop()
        return begin(header)

    monkeypatch.setattr(one, "_begin", maybe)
    for i in range(30):
        one.record(Tick(102.0 + 1.1 * i))
        one.flush(5.0)
    one.close()
    kept = [round((e.t - 102.0) / 1.1) for e in Recording(one.folder) if isinstance(e, Tick)]
    assert fails == []
    assert kept[:2] == [0, 1]
    assert kept[-15:] == list(range(15, 30))
