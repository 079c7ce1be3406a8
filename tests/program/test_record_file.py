"""What ``run --record`` writes never takes the place of what was recorded before, and holds up nobody."""

from __future__ import annotations

import logging
import threading

import pytest

from edge.clock import ManualClock
from edge.program.record_file import RecordFile
from edge.recording import Lost, Recording, RecordingWriter, Tick
from edge.types import ConfigError
from full_disk import full_disk
from read_only import read_only


def begun(path, clock=None):
    return RecordFile(path, clock or ManualClock(), lambda: {"device": "d"})


def record(path, t):
    file = begun(path)
    file.record(Tick(t))
    file.close()


def said(caplog, level):
    return [one.getMessage() for one in caplog.records if one.levelno == level]


def test_a_recording_that_exists_is_kept_and_the_next_ones_go_beside_it(tmp_path, caplog):
    asked = tmp_path / "night.evrec"
    for t in (1.0, 2.0, 3.0):
        record(asked, t)
    beside = [asked, tmp_path / "night-2.evrec", tmp_path / "night-3.evrec"]
    assert [list(Recording(path)) for path in beside] == [[Tick(1.0)], [Tick(2.0)], [Tick(3.0)]]
    assert sorted(tmp_path.iterdir()) == sorted(beside)
    assert said(caplog, logging.WARNING) == [
        f"{asked} exists and is kept; this recording is {path}" for path in beside[1:]
    ]


def test_a_device_file_is_written_as_it_is(tmp_path, caplog):
    pipe = tmp_path / "out"
    pipe.symlink_to("/dev/null")
    record(pipe, 1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert caplog.records == []


@pytest.mark.parametrize("name", ["none/night.evrec", "."])
def test_what_cannot_be_written_is_refused_in_words(tmp_path, name):
    with pytest.raises(ConfigError, match="cannot be written"):
        begun(tmp_path / name)


def test_a_read_only_place_is_a_mistake_unless_it_was_written_before(tmp_path, caplog):
    path = tmp_path / "disk" / "night.evrec"
    path.parent.mkdir()
    with (
        read_only(path.parent),
        pytest.raises(ConfigError, match=f"^{path}: cannot be written: Read-only file system$"),
    ):
        begun(path)
    path.touch()
    with read_only(path.parent):
        file = begun(path)
        assert file.why_not() == "recordings are not kept: Read-only file system"
        file.close()
    assert said(caplog, logging.ERROR) == [f"{path}: Read-only file system; the watching goes on"]


def test_a_name_by_which_replay_would_not_know_it_is_a_mistake(tmp_path):
    path = tmp_path / "night"
    with pytest.raises(ConfigError, match=f"^{path}: the name of a recording ends in .evrec: {path}.evrec$"):
        begun(path)
    assert not path.exists()


def test_a_disk_without_room_is_tried_again_and_what_is_missing_is_said(tmp_path, caplog):
    path, clock = tmp_path / "night.evrec", ManualClock(5.0)
    with full_disk():
        file = begun(path, clock)
        file.record(Tick(1.0))
        assert not file.flush(5.0)
        assert file.why_not() == "recordings are not kept: File too large"
        assert list(tmp_path.iterdir()) == []
    file.record(Tick(2.0))
    file.flush(5.0)
    assert file.why_not() == ""
    file.close()
    assert list(Recording(path)) == [Lost(5.0, 1), Tick(2.0)]
    assert said(caplog, logging.ERROR)[0] == f"{path}: File too large; the watching goes on"


def test_a_disk_that_was_pulled_out_is_written_again_when_it_is_back(tmp_path, caplog):
    """Whoever goes on with the open file writes to nobody, without an error."""
    disk, path = tmp_path / "disk", tmp_path / "disk" / "night.evrec"
    disk.mkdir()
    file = begun(path, ManualClock(5.0))
    file.record(Tick(1.0))
    assert file.flush(5.0)
    disk.rename(tmp_path / "pulled")
    file.record(Tick(2.0))
    assert not file.flush(5.0)
    assert file.why_not() == "recordings are not kept: No such file or directory"
    disk.mkdir()
    file.record(Tick(3.0))
    file.flush(5.0)
    assert file.why_not() == ""
    file.close()
    assert list(Recording(tmp_path / "pulled" / "night.evrec")) == [Tick(1.0)]
    assert list(Recording(path)) == [Lost(5.0, 1), Tick(3.0)]
    assert said(caplog, logging.WARNING) == [f"{path}: the file is gone, perhaps with its disk; another one is begun"]


def test_a_disk_that_hangs_holds_up_nobody_and_is_said(tmp_path, monkeypatch):
    path, gate = tmp_path / "night.evrec", threading.Event()
    asked = threading.Event()
    file = begun(path)
    add = RecordingWriter.add_batch

    def hangs(writer, packed):
        asked.set()
        gate.wait()
        return add(writer, packed)

    monkeypatch.setattr(RecordingWriter, "add_batch", hangs)
    for t in range(30):
        file.record(Tick(float(t)))
    assert asked.wait(60.0)
    assert file.why_not() == ""
    with monkeypatch.context() as later:
        later.setattr("edge.storage.disk_thread.HUNG_S", 0.0)
        assert file.why_not() == "recordings are not kept: the disk does not answer"
    gate.set()
    assert file.flush(60.0)
    assert file.why_not() == ""
    file.close()
    assert list(Recording(path)) == [Tick(float(t)) for t in range(30)]
