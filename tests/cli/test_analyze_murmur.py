"""``analyze murmur``: words for what is heard, a clear reason for every bad file, JSON lines, and a picture."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from edge.cli.analyze_murmur import report
from edge.dsp import synthesis
from edge.types import EdgeVitalsError

soundfile = pytest.importorskip("soundfile")


def heart(seconds: float, rate: int, *, murmur: bool) -> np.ndarray:
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", 75.0)], seconds + 1, seed=3)
    t = np.arange(round(seconds * rate)) / rate
    return 0.3 * synthesis.pcg(beats, t, murmur=[(0.0, 99.0)] if murmur else [], noise=0.02, seed=5)


def said(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    assert report(path) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(("murmur", "words"), [(True, "Murmur: present"), (False, "Murmur: none heard")])
@pytest.mark.parametrize("rate", [4000, 8000])
def test_a_heart_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], murmur: bool, words: str, rate: int
) -> None:
    soundfile.write(tmp_path / "a.wav", heart(8.0, rate, murmur=murmur), rate)
    text = said(tmp_path / "a.wav", capsys)
    assert text.startswith(words)
    assert "bpm" in text
    assert "Not a medical device" in text


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT"])
def test_every_sample_format(tmp_path: Path, capsys: pytest.CaptureFixture[str], subtype: str) -> None:
    soundfile.write(tmp_path / "a.wav", heart(7.0, 4000, murmur=True), 4000, subtype=subtype)
    assert said(tmp_path / "a.wav", capsys).startswith("Murmur: present")


def test_stereo_and_a_wrong_extension_are_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    x = heart(7.0, 4000, murmur=False)
    soundfile.write(tmp_path / "a.wav", np.stack([x, 0 * x], axis=1), 4000)
    (tmp_path / "a.wav").rename(tmp_path / "a.mp4")
    assert said(tmp_path / "a.mp4", capsys).startswith("Murmur: none heard")


@pytest.mark.parametrize(
    ("name", "reason"),
    [("half a second", "too_short"), ("two seconds", "too_short"), ("silence", "no_signal"), ("clipped", "saturated")],
)
def test_a_refusal_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, reason: str) -> None:
    x = {
        "half a second": heart(0.5, 4000, murmur=False),
        "two seconds": heart(2.0, 4000, murmur=False),
        "silence": np.zeros(30_000),
        "clipped": np.clip(50 * heart(7.0, 4000, murmur=False), -0.9, 0.9),
    }[name]
    soundfile.write(tmp_path / "a.wav", x, 4000)
    text = said(tmp_path / "a.wav", capsys)
    assert text.startswith("Murmur: cannot tell")
    assert f"({reason})" in text


def test_what_is_no_sound_ends_the_command_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("this is not a sound")
    soundfile.write(tmp_path / "whole.flac", heart(8.0, 4000, murmur=False), 4000)
    (tmp_path / "half.flac").write_bytes((tmp_path / "whole.flac").read_bytes()[:30])
    for name in ("text.wav", "half.flac", "absent.wav"):
        with pytest.raises(EdgeVitalsError) as failed:
            report(tmp_path / name)
        assert "\n" not in str(failed.value)


def test_jsonl_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    soundfile.write(tmp_path / "a.wav", heart(7.0, 4000, murmur=True), 4000)
    assert report(tmp_path / "a.wav", plot=tmp_path / "out.png", jsonl=True) == 0
    streams = capsys.readouterr()
    readings = [json.loads(line) for line in streams.out.splitlines()]
    assert {r["metric"] for r in readings} == {"pcg.murmur", "pcg.hr", "pcg.quality"}
    assert streams.err.startswith("Murmur: present")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")
