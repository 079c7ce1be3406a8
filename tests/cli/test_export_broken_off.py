"""An export that is broken off, does not fit or meets a file of its name: no half of a night under a whole one's name."""

from __future__ import annotations

import itertools
import os

import pytest

from edge.cli import main
from edge.cli.export.edf import write_edf
from edge.cli.export.grid import Grid
from edge.cli.export.tracks import session
from edge.recording import Recording
from export_night import WRITERS, long_recording, night
from full_disk import full_disk


@pytest.fixture
def recording(tmp_path):
    return night(tmp_path)


@pytest.mark.parametrize(
    ("form", "name"),
    [("edf", "node.edf"), ("wfdb", "node-ppg.atr"), ("csv", "readings.csv"), ("parquet", "marks.parquet")],
)
def test_a_file_that_exists_is_kept_and_named(recording, tmp_path, capsys, form, name):
    kept = tmp_path / "night" / name
    kept.parent.mkdir()
    kept.write_text("of another night")
    assert main(["export", str(recording.path), f"--{form}"]) == 2
    assert f"edge-vitals: {kept}: exists and is kept; set --out to another folder" in capsys.readouterr().err
    assert kept.read_text() == "of another night"


@pytest.mark.parametrize("form", ["edf", "wfdb", "csv", "parquet"])
def test_what_does_not_fit_leaves_no_half_of_a_night_behind(recording, tmp_path, capsys, form):
    with full_disk(2000):
        assert main(["export", str(recording.path), f"--{form}"]) == 2
    assert f"edge-vitals: {tmp_path / 'night'}: cannot be written: File too large" in capsys.readouterr().err
    assert list((tmp_path / "night").iterdir()) == []


@pytest.mark.parametrize("form", ["edf", "wfdb", "csv", "parquet"])
def test_an_export_that_is_broken_off_leaves_nothing_and_can_be_begun_again(recording, tmp_path, monkeypatch, form):
    def asked_to_stop(whole):
        yield from itertools.islice(Recording.entries(whole), 100)
        raise KeyboardInterrupt

    whole = session(recording)
    with monkeypatch.context() as patched:
        patched.setattr(Recording, "__iter__", asked_to_stop)
        with pytest.raises(KeyboardInterrupt):
            WRITERS[form](whole, tmp_path)
    assert list(tmp_path.iterdir()) == [recording.path]
    assert all(path.stat().st_size for path in WRITERS[form](whole, tmp_path))
    assert not list(tmp_path.glob("*.part"))


def test_a_file_appears_under_its_name_when_it_is_whole(recording, tmp_path, monkeypatch):
    seen = []
    finish = Grid.finish
    monkeypatch.setattr(
        Grid, "finish", lambda grid: (seen.append(sorted(p.name for p in tmp_path.iterdir())), finish(grid))[1]
    )
    write_edf(session(recording), tmp_path)
    assert seen[0] == ["night.evrec", f"node.edf.{os.getpid()}.part"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["night.evrec", "node.edf"]


@pytest.mark.parametrize("seen", [True, False])
def test_who_waits_at_a_terminal_sees_how_far_it_is(tmp_path, capsys, monkeypatch, seen):
    long_recording(tmp_path / "a.evrec", 3)
    monkeypatch.setattr("sys.stderr.isatty", lambda: seen)
    assert main(["export", str(tmp_path / "a.evrec"), "--wfdb"]) == 0
    shown = [text.rstrip() for text in capsys.readouterr().err.split("\r")]
    assert shown.count("  1:00.0 ...") == shown.count("  2:00.0 ...") == (3 if seen else 0)
    assert shown[-1] == ""
