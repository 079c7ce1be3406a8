"""``analyze murmur``: words for what is heard, a clear reason for every bad file, JSON lines, and a picture."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from edge.analyzers import murmur
from edge.cli import main
from edge.cli.analyze.murmur import WHY, report
from edge.dsp import synthesis
from edge.types import ConfigError, EdgeVitalsError, SourceError

soundfile = pytest.importorskip("soundfile")


def heart(seconds: float, rate: int, *, murmur: bool) -> np.ndarray:
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", 75.0)], seconds + 1, seed=3)
    t = np.arange(round(seconds * rate)) / rate
    return 0.3 * synthesis.pcg(beats, t, murmur=[(0.0, 99.0)] if murmur else [], noise=0.02, seed=5)


def said(path: Path, capsys: pytest.CaptureFixture[str]) -> str:
    report(path)
    return capsys.readouterr().out


@pytest.mark.parametrize(("murmur", "words"), [(True, "Murmur: present"), (False, "Murmur: none heard")])
@pytest.mark.parametrize("rate", [1000, 4000, 8000, 48_000])
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
    text = said(tmp_path / "a.mp4", capsys)
    assert text.startswith("Murmur: none heard")
    assert text.endswith("Note: of 2 channels only the first was heard: --channel takes another.\n")


def test_another_channel_is_heard_when_asked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    both = np.stack([np.zeros(8 * 4000), heart(8.0, 4000, murmur=True)], axis=1)
    soundfile.write(tmp_path / "two.wav", both, 4000)
    assert main(["analyze", "murmur", str(tmp_path / "two.wav")]) == 0
    told = capsys.readouterr().out
    assert told.startswith("Murmur: cannot tell")
    assert told.endswith("Note: of 2 channels only the first was heard: --channel takes another.\n")
    assert main(["analyze", "murmur", str(tmp_path / "two.wav"), "--channel", "1"]) == 0
    told = capsys.readouterr().out
    assert told.startswith("Murmur: present")
    assert told.endswith("Note: of 2 channels only number 1 was heard: --channel takes another.\n")
    with pytest.raises(SourceError, match="no channel 2"):
        report(tmp_path / "two.wav", channel=2)


def speech(t: np.ndarray) -> np.ndarray:
    """Vowels of a quarter of a second, a pitch of 120 Hz with harmonics."""
    syllable = np.clip((t % 0.4) / 0.28, 0, 1)
    phase = 2 * np.pi * np.cumsum(120 * (1 + 0.1 * np.sin(3 * t))) * (t[1] - t[0])
    sound = sum(np.sin(k * phase) / (1 + ((k * 120 - 550) / 120) ** 2) for k in range(1, 9))
    return 0.2 * np.sin(np.pi * syllable) ** 0.5 * sound


def music(t: np.ndarray) -> np.ndarray:
    """A chord of plucked strings every 0.43 s, never the same twice running."""
    out = np.zeros(len(t))
    for k, at in enumerate(np.arange(0, t[-1], 0.43)):
        s = np.maximum(t - at, 0)
        for f in (220.0, 277.2, 329.6, 440.0 * 2 ** ((k * 5 % 12) / 12)):
            out += np.exp(-s / 0.3) * np.sin(2 * np.pi * f * s)
    return 0.1 * out


def telephone(t: np.ndarray) -> np.ndarray:
    """A heart as a telephone line passes it on: nothing under 300 Hz."""
    x = heart(len(t) / 8000, 8000, murmur=False)
    spectrum = np.fft.rfft(x)
    spectrum[np.fft.rfftfreq(len(x), 1 / 8000) < 300] = 0
    return np.fft.irfft(spectrum, len(x))


T = np.arange(32_000) / 4000
REFUSED = {
    "half a second": (lambda: heart(0.5, 4000, murmur=False), 4000, {"too_short"}),
    "two seconds": (lambda: heart(2.0, 4000, murmur=False), 4000, {"too_short"}),
    "silence": (lambda: np.zeros(30_000), 4000, {"no_signal"}),
    "clipped": (lambda: np.clip(50 * heart(7.0, 4000, murmur=False), -0.9, 0.9), 4000, {"saturated"}),
    "a tone of 50 Hz": (lambda: 0.5 * np.sin(2 * np.pi * 50 * T), 4000, {"no_signal", "out_of_distribution"}),
    "a tone of 440 Hz": (lambda: 0.5 * np.sin(2 * np.pi * 440 * T), 4000, {"no_signal", "out_of_distribution"}),
    "a tone of 1 kHz": (lambda: 0.5 * np.sin(2 * np.pi * 1000 * T), 4000, {"no_signal"}),
    "music": (lambda: music(T), 4000, {"out_of_distribution", "speech"}),
    "speech": (lambda: speech(T), 4000, {"speech"}),
    "a telephone line": (lambda: telephone(np.arange(64_000) / 8000), 8000, {"no_signal", "out_of_distribution"}),
    "two tones that beat": (
        lambda: 0.2 * (np.sin(2 * np.pi * 100 * T) + 0.8 * np.sin(2 * np.pi * 101.3 * T)),
        4000,
        {"out_of_distribution"},
    ),
    "a beep 75 times a minute": (
        lambda: (
            0.2 * np.sin(2 * np.pi * 200 * T) * (T % 0.8 < 0.15) + 1e-4 * np.random.default_rng(1).normal(size=len(T))
        ),
        4000,
        {"out_of_distribution"},
    ),
    "lost packets written as zeros": (
        lambda: heart(8.0, 4000, murmur=False) * (T % 1.0 < 0.9),
        4000,
        {"gap"},
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    make, rate, reasons = REFUSED[name]
    soundfile.write(tmp_path / "a.wav", make(), rate)
    text = said(tmp_path / "a.wav", capsys)
    assert text.startswith("Murmur: cannot tell")
    assert "probability" not in text
    assert any(f"{WHY[reason]} ({reason})" in text for reason in reasons)


@pytest.mark.parametrize(
    ("rate", "why"),
    [
        (500, "sampled at only 500 Hz: it takes sound from 1 kHz on, since a murmur needs 500 Hz of bandwidth"),
        (199_000, "sampled at 199 kHz: it takes sound up to 192 kHz"),
    ],
)
def test_a_rate_that_does_not_serve_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], rate: int, why: str
) -> None:
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 4 * rate), rate)
    assert said(tmp_path / "a.wav", capsys).startswith(f"Murmur: cannot tell: {why} (low_quality).\n")


def test_192_khz_is_heard_as_its_help_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "1 to 192 kHz" in str(murmur.build.__doc__)
    soundfile.write(tmp_path / "a.wav", heart(5.5, 192_000, murmur=True), 192_000)
    assert said(tmp_path / "a.wav", capsys).startswith("Murmur: present")


def test_what_is_no_sound_ends_the_command_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("this is not a sound")
    soundfile.write(tmp_path / "whole.flac", heart(8.0, 4000, murmur=False), 4000)
    soundfile.write(tmp_path / "whole.wav", heart(8.0, 4000, murmur=False), 4000)
    for name, share in (("start.flac", 0.001), ("half.flac", 0.5), ("half.wav", 0.5), ("empty.wav", 0.0)):
        whole = (tmp_path / "whole").with_suffix(Path(name).suffix).read_bytes()
        (tmp_path / name).write_bytes(whole[: int(share * len(whole))])
    for name in ("text.wav", "start.flac", "half.flac", "half.wav", "empty.wav", "absent.wav"):
        with pytest.raises(EdgeVitalsError) as failed:
            report(tmp_path / name)
        assert "\n" not in str(failed.value)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (3.1, "1 window of 3 s)"),
        (4.7, "2 windows of up to 4 s)"),
        (5.5, "1 window of 5 s)"),
        (7.0, "3 windows of 5 s)"),
    ],
)
def test_the_windows_are_as_many_and_as_long_as_they_were(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], seconds: float, words: str
) -> None:
    soundfile.write(tmp_path / "a.wav", heart(seconds, 4000, murmur=True), 4000)
    assert words in said(tmp_path / "a.wav", capsys).splitlines()[0]


def test_long_sound_is_not_kept_in_memory_and_who_waits_sees_how_far_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    soundfile.write(tmp_path / "a.wav", np.zeros(150 * 48_000), 48_000)
    tracemalloc.start()
    report(tmp_path / "a.wav")
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 15e6  # as 64-bit numbers it would be 58 MB
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    report(tmp_path / "a.wav")
    told = ["  1:00.0 of 2:30.0 ...", "  2:00.0 of 2:30.0 ...", ""]
    assert capsys.readouterr().err == "".join(f"{text:<32}\r" for text in told)


def test_jsonl_and_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("matplotlib")
    soundfile.write(tmp_path / "a.wav", heart(7.0, 4000, murmur=True), 4000)
    report(tmp_path / "a.wav", plot=tmp_path / "out.png", jsonl=True)
    streams = capsys.readouterr()
    readings = [json.loads(line) for line in streams.out.splitlines()]
    assert {r["metric"] for r in readings} == {"pcg.murmur", "pcg.hr", "pcg.quality"}
    assert {r["file"] for r in readings} == {str(tmp_path / "a.wav")}, "of one file, too"
    assert streams.err.startswith("Murmur: present")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_a_refused_sound_is_drawn_without_a_murmur(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("matplotlib")
    from edge.cli.analyze import plot_murmur

    monkeypatch.setattr(plot_murmur, "activations", lambda *_: pytest.fail("refused, yet the network was asked"))
    soundfile.write(tmp_path / "a.wav", speech(T), 4000)
    report(tmp_path / "a.wav", plot=tmp_path / "out.png")
    assert (tmp_path / "out.png").read_bytes().startswith(b"\x89PNG")


def test_too_little_to_draw_is_one_line(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    soundfile.write(tmp_path / "a.wav", np.zeros(10), 4000)
    with pytest.raises(ConfigError, match="cannot be drawn"):
        report(tmp_path / "a.wav", plot=tmp_path / "out.png")
    assert not (tmp_path / "out.png").exists()


def test_sound_that_ends_before_the_file_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    sound = np.random.default_rng(0).normal(size=8000)
    sound[4000:] = np.nan
    np.savez(tmp_path / "a.npz", pcg=sound, fs=2000)
    report(tmp_path / "a.npz")
    assert capsys.readouterr().out.splitlines()[-1] == "Note: pcg ends at 2 s of 4 s."
