"""``analyze camera``: what its report says of readings and traces, and its picture."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.cli.analyze import camera
from edge.cli.analyze.camera import in_words
from edge.dsp.face.columns import COLUMNS
from edge.dsp.face.rppg import GRID_BPM
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
    assert in_words(RATES, traces()) == [
        "Heart rate: 73 bpm (72 to 74; 2 of 4 readings).",
        "Readings left out: 1 because less than the ten seconds that a rate needs (warming_up); 1 because no face in view "
        "(no_face).",
        "Quality: 0.90 of 1.",
        "Video: 12.0 s, 360 frames, a face in 75% of them.",
        "Limits: read from forehead, cheeks and chin, and never compared with a reference across people. No frame was kept. "
        "Not a medical device.",
        "Model: camera 1 x",
    ]


def test_a_file_that_was_cut_off_is_said_so() -> None:
    assert any(line.startswith("Note: 40 of 400 frames that the file announces") for line in in_words([], traces(), 40))


@pytest.mark.parametrize(
    ("reasons", "why", "left_out"),
    [
        (
            ["warming_up"] * 9 + ["no_face"],
            "no face in view (no_face)",
            ["9 because less than the ten seconds that a rate needs (warming_up); 1 because no face in view (no_face)"],
        ),
        (
            ["warming_up"],
            "less than the ten seconds that a rate needs (warming_up)",
            ["1 because less than the ten seconds that a rate needs (warming_up)"],
        ),
        ([], "less than the ten seconds that a rate needs (too_short)", []),
    ],
)
def test_without_a_rate_it_says_why_and_counts_every_reason(reasons: list[str], why: str, left_out: list[str]) -> None:
    lines = in_words([rate(float(t), None, reason) for t, reason in enumerate(reasons)], [])
    assert lines[0] == f"Heart rate: cannot tell: {why}."
    assert [line for line in lines if line.startswith("Readings left out")] == [
        f"Readings left out: {words}." for words in left_out
    ]
    assert "Video: 0.0 s, 0 frames, a face in 0% of them." in lines
    assert ("Quality: not known." in lines) == ("no_face" not in reasons)


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Any]]:
    """The figure of the picture, kept when it would be thrown away."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    with monkeypatch.context() as kept:
        kept.setattr(pyplot, "close", lambda _: None)
        yield pyplot.gcf
    pyplot.close("all")


@pytest.mark.parametrize("rates", [RATES, RATES[:1], []])
def test_it_is_drawn(tmp_path: Path, rates: list[Reading], drawn: Callable[[], Any]) -> None:
    from edge.cli.analyze.plot_camera import draw

    draw(tmp_path / "out.png", rates, traces(), title="a face")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
    colours, *_, spectrum = drawn().axes
    assert [text.get_text() for text in colours.get_legend().get_texts()][-1] == "background g"
    assert spectrum.get_xlim() == (GRID_BPM[0], GRID_BPM[-1])


def test_without_a_face_no_line_is_promised_and_no_scale(tmp_path: Path, drawn: Callable[[], Any]) -> None:
    from edge.cli.analyze.plot_camera import draw

    blocks = [Block("file/roi", i, i / 30.0, 30.0, np.full((1, len(COLUMNS)), np.nan)) for i in range(120)]
    draw(tmp_path / "out.png", [rate(float(t), None, "no_face") for t in (1, 2, 3)], blocks, title="nobody")
    colours, wave, rates, spectrum = drawn().axes
    assert [axis.texts[0].get_text() for axis in (colours, wave, spectrum)] == [
        "no face seen",
        *["no skin seen for 2 s"] * 2,
    ]
    for axis in (colours, wave, spectrum):
        assert axis.get_legend() is None
        assert not len(axis.get_yticks())
    assert spectrum.get_xlim() == (GRID_BPM[0], GRID_BPM[-1])
    assert [text.get_text() for text in rates.get_legend().get_texts()] == ["silent"]


def test_the_picture_says_the_verdict(
    tmp_path: Path, drawn: Callable[[], Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(camera, "watch", lambda _: camera.Watched(RATES, traces(), 0))
    camera.report(tmp_path / "a.mp4", plot=tmp_path / "out.png")
    assert capsys.readouterr().out.splitlines() == in_words(RATES, traces())
    assert drawn().get_suptitle() == "a.mp4\nHeart rate: 73 bpm (72 to 74; 2 of 4 readings)."
