"""What ``run --record`` writes never takes the place of what was recorded before."""

from __future__ import annotations

import errno
import logging
import os

import pytest

from edge import record_file
from edge.record_file import RecordFile
from edge.recording import Recording, Tick
from edge.types import ConfigError


def record(path, t):
    file = RecordFile(path, {"device": "d"})
    file.add(Tick(t))
    file.close()


def test_a_recording_that_exists_is_kept_and_the_next_ones_go_beside_it(tmp_path, caplog):
    asked = tmp_path / "night.evrec"
    for t in (1.0, 2.0, 3.0):
        record(asked, t)
    beside = [asked, tmp_path / "night-2.evrec", tmp_path / "night-3.evrec"]
    assert [list(Recording(path)) for path in beside] == [[Tick(1.0)], [Tick(2.0)], [Tick(3.0)]]
    assert sorted(tmp_path.iterdir()) == sorted(beside)
    said = [one.getMessage() for one in caplog.records if one.levelno == logging.WARNING]
    assert said == [f"{asked} exists and is kept; this recording is {path}" for path in beside[1:]]


def test_a_device_file_is_written_as_it_is(tmp_path):
    pipe = tmp_path / "out"
    pipe.symlink_to("/dev/null")
    record(pipe, 1.0)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", ["none/night.evrec", "."])
def test_what_cannot_be_written_is_refused_in_words(tmp_path, name):
    with pytest.raises(ConfigError, match="cannot be written"):
        RecordFile(tmp_path / name, {})


@pytest.mark.parametrize(
    ("number", "there", "goes_on"),
    [
        (errno.ENOSPC, False, True),
        (errno.EROFS, True, True),  # it was written before: the card has failed
        (errno.EROFS, False, False),
        (errno.EACCES, True, False),
    ],
)
def test_a_disk_without_room_ends_the_recording_and_no_watching(tmp_path, monkeypatch, caplog, number, there, goes_on):
    path = tmp_path / "night.evrec"
    if there:
        path.touch()

    def refuse(_path):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(record_file, "_new", refuse)
    if not goes_on:
        with pytest.raises(ConfigError, match=f"^{path}: cannot be written: {os.strerror(number)}$"):
            RecordFile(path, {})
        return
    file = RecordFile(path, {})
    file.add(Tick(1.0))
    file.close()
    said = f"{path}: the recording ends here: {os.strerror(number)}; the watching goes on"
    assert [one.getMessage() for one in caplog.records] == [said]


class Failing:
    """A file that takes so many writes."""

    def __init__(self, takes):
        self.takes, self.writes = takes, 0

    def write(self, content):
        self.writes += 1
        if self.writes > self.takes:
            raise OSError(errno.ENOSPC, "no room")
        return len(content)

    def close(self):
        raise OSError(errno.ENOSPC, "no room at the end")


@pytest.mark.parametrize(("takes", "writes", "why"), [(3, 4, "no room"), (99, 6, "no room at the end")])
def test_a_recording_that_no_longer_fits_ends_once(tmp_path, monkeypatch, caplog, takes, writes, why):
    path, disk = tmp_path / "night.evrec", Failing(takes)
    monkeypatch.setattr(record_file, "_new", lambda path: (path, disk))
    file = RecordFile(path, {})
    for t in range(4):
        file.add(Tick(float(t)))
    file.close()
    assert disk.writes == writes
    assert [one.getMessage() for one in caplog.records] == [
        f"{path}: the recording ends here: {why}; the watching goes on"
    ]
