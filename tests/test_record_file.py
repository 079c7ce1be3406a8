"""What ``run --record`` writes never takes the place of what was recorded before."""

from __future__ import annotations

import logging

import pytest

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
