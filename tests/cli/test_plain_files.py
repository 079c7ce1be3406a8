"""``replay`` of plain files: each is a source of its own, whatever the files are called."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edge.cli import main
from edge.cli.replay.plain_files import source_names
from edge.dsp.synthesis import Episode, beats, ppg


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["50_light.avi"], ["50_light"]),
        (["a/Finger 1.csv", "b/finger-1.csv", "finger_1.csv"], ["finger-1", "finger-1-2", "finger_1"]),
        (["x.csv", "x-2.csv", "d/x.csv"], ["x", "x-2", "x-3"]),
        (["音.wav", "_.wav"], ["file", "file-2"]),
    ],
)
def test_every_file_has_a_name_of_its_own(paths, names):
    assert source_names(paths) == names


def test_two_files_of_one_name_are_two_signals(tmp_path, capsys):
    paths = []
    for rate_bpm in (60.0, 90.0):
        folder = tmp_path / f"{rate_bpm:g}"
        folder.mkdir()
        wave = 50_000 + 2000 * ppg(beats([Episode(0.0, "sinus", rate_bpm)], 21.0), np.arange(2000) / 100.0)
        np.savetxt(folder / "finger.csv", np.round(wave), fmt="%d", header="ppg", comments="")
        paths.append(str(folder / "finger.csv"))
    assert main(["replay", *paths, "--rate", "100", "--jsonl"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    last = {e["source"]: e["value"] for e in events if e["type"] == "reading" and e["metric"] == "ppg.hr"}
    assert {name: round(value / 5) * 5 for name, value in last.items()} == {"finger": 60, "finger-2": 90}
