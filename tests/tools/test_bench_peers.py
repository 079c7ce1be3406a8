"""A peer leaves nothing behind: vitallens writes a file a video into the folder it is started in."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from tool_module import loaded

WORKER = """
import json, os, sys
from pathlib import Path
Path("vitallens_face0.json").write_text("left")
Path(sys.argv[2]).with_suffix(".where").write_text(os.getcwd())
print("a line of its own")
print(json.dumps({"rates": [60.0], "cpu_s": 1.5, "import_s": 0.5, "rss_mb": 80.0}))
"""


@pytest.fixture
def tool():
    with loaded("bench_peers.py") as module:
        yield module


def test_a_worker_runs_in_a_folder_that_is_thrown_away(tool, tmp_path, monkeypatch):
    start = tmp_path / "start"
    start.mkdir()
    monkeypatch.chdir(start)
    monkeypatch.setattr(tool, "WORKER", tmp_path / "worker.py")
    tool.WORKER.write_text(WORKER)
    inputs = [tool.Input(tmp_path / f"face{k}.avi", [60.0], "") for k in range(2)]
    found = tool._run(sys.executable, "vitallens", inputs)
    assert found == {"rates": [60.0, 60.0], "cpu_s": 3.0, "import_s": 0.5, "rss_mb": 80.0}
    assert list(start.iterdir()) == []
    for given in inputs:
        where = Path(given.path.with_suffix(".where").read_text())
        assert not where.is_relative_to(start)
        assert not where.exists()


def test_memory_is_the_workers_own_and_not_that_of_whoever_made_its_input(tool, tmp_path):
    np.savez(tmp_path / "sound.npz", x=np.zeros((1, 10_000)), fs=2000.0)
    made = np.ones(32 << 20)
    found = tool._run(sys.executable, "ours_pcg", [tool.Input(tmp_path / "sound.npz", [], "")])
    assert 20 < found["rss_mb"] < made.nbytes / 2**20


def test_a_worker_that_fails_is_said_in_one_line(tool, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tool, "WORKER", tmp_path / "worker.py")
    tool.WORKER.write_text("raise SystemExit('no such thing')")
    assert tool._run(sys.executable, "heartpy", [tool.Input(tmp_path / "x", [], "")]) is None
    assert capsys.readouterr().err == "heartpy: no such thing\n"
