"""``analyze camera``: what its report says of readings and traces, and its picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge.cli.analyze.camera import in_words
from edge.dsp.face.columns import COLUMNS
from edge.types import Block, Reading


def rate(t: float, value: float | None, reason: str = "", **detail: object) -> Reading:
    return Reading("camera.hr", t, value, "bpm", 0.0 if value is None else 0.9, reason, detail, model="camera 1 x")


def traces(seconds: float = 12.0) -> list[Block]:
    """A face whose green follows a pulse of 72 bpm; away in the last quarter."""
    found = []
    for i in range(round(seconds * 30)):
        row = np.full((1, len(COLUMNS)), 100.0)
        there = i < 0.75 * seconds * 30
        row[0, COLUMNS.index("present")] = there
        row[0, COLUMNS.index("forehead_g")] = 100.0 + np.sin(2 * np.pi * 1.2 * i / 30.0) if there else np.nan
        found.append(Block("file/roi", i, 5.0 + i / 30.0, 30.0, row))
    return found


RATES = [
    rate(10.0, None, "warming_up"),
    rate(15.0, 72.0),
    rate(16.0, 74.0, snr_db=3.5),
    rate(17.0, None, "no_face"),
]


def test_every_finding_has_its_line() -> None:
    lines = in_words(RATES, traces())
    assert lines[:3] == [
        "12.0 s, 360 frames, a face in 75% of them",
        "heart rate 73 bpm (72 to 74) in 2 of 3 seconds",
        "  silent for 1 s: no face in view",
    ]
    assert lines[3] == "last window: snr_db 3.5"
    assert lines[4].endswith("; model camera 1 x")


def test_a_file_that_was_cut_off_is_said_so() -> None:
    assert any(line.startswith("40 of 400 frames that the file announces") for line in in_words([], traces(), 40))


def test_without_a_rate_it_says_why_and_without_a_face_too() -> None:
    lines = in_words([rate(10.0, None, "warming_up")], [])
    assert lines[:3] == [
        "0.0 s, 0 frames, a face in 0% of them",
        "no heart rate",
        "  silent for 1 s: less than the ten seconds that a rate needs",
    ]


@pytest.mark.parametrize("rates", [RATES, RATES[:1], []])
def test_it_is_drawn(tmp_path: Path, rates: list[Reading]) -> None:
    pytest.importorskip("matplotlib")
    from edge.cli.analyze.plot_camera import draw

    draw(tmp_path / "out.png", rates, traces(), title="a face")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
