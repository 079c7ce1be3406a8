"""Pictures: noise is not drawn as a pulse, holes stay where they were, and nobody who stops reading loses one."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from edge.cli import main
from edge.dsp import synthesis
from edge.types import Block, Reading

pytest.importorskip("matplotlib")


@pytest.fixture
def drawn(monkeypatch):
    """The axes of the picture, kept when it would be thrown away."""
    from matplotlib import pyplot

    monkeypatch.setattr(pyplot, "close", lambda _: None)
    yield lambda: pyplot.gcf().axes
    monkeypatch.undo()
    pyplot.close("all")


def marks(axis):
    return sum(len(line.get_xdata()) for line in axis.lines if line.get_marker() == "v")


def test_a_row_without_a_verdict_has_no_beats_and_the_scale_of_the_others(tmp_path, drawn):
    from edge.cli.analyze.plot_ppg import draw

    t = np.arange(2000) / 100.0
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", 72.0)], 22, seed=4)
    noise = np.random.default_rng(0).normal(0, 1.0, 2000)
    x = np.where(t < 10, 1500.0 * synthesis.ppg(beats, t, seed=4), 0.0) + noise
    readings = [
        Reading("ppg.rhythm", 10.0, "sinus", "", 0.9, detail={"p_AF": 0.01}),
        Reading("ppg.rhythm", 20.0, None, "", 0.1, "low_quality"),
        *(Reading("ppg.hr", float(s), 72.0 + 0.01 * s, "bpm", 0.9) for s in range(8, 11)),
    ]
    draw(tmp_path / "out.png", [Block("file/ppg", 0, 0.0, 100.0, x[:, None])], readings, [], title="")
    pulse, nothing, rate = drawn()
    assert marks(pulse) > 8
    assert marks(nothing) == 0
    assert pulse.get_ylim() == nothing.get_ylim()
    assert nothing.get_title(loc="left") == "cannot tell: low_quality"
    assert np.nanmax(np.abs(nothing.lines[-1].get_ydata())) < 0.05 * nothing.get_ylim()[1]
    low, high = rate.get_ylim()
    assert high - low >= 20
    assert rate.get_xlim() == (0.0, 20.0)


@pytest.mark.parametrize("size", [1e-3, 1500.0])
def test_what_is_refused_throughout_is_drawn_whole(tmp_path, drawn, size):
    from edge.cli.analyze.plot_ppg import draw

    x = size * np.random.default_rng(0).normal(0, 1.0, (2000, 1))
    readings = [Reading("ppg.rhythm", t, None, "", 0.1, "low_quality") for t in (10.0, 20.0)]
    draw(tmp_path / "out.png", [Block("file/ppg", 0, 0.0, 100.0, x)], readings, [], title="")
    *rows, _rate = drawn()
    tallest = max(np.nanmax(np.abs(row.lines[-1].get_ydata())) for row in rows)
    assert [row.get_ylim() for row in rows] == [(-1.1 * tallest, 1.1 * tallest)] * 2


def test_a_row_is_drawn_the_way_up_it_was_judged(tmp_path, drawn):
    """A wave of even slopes does not say itself which way is up: the analyzer took it from the window before."""
    from edge.cli.analyze.plot_ppg import draw

    t = np.arange(2000) / 100.0
    even = np.cos(2 * np.pi * 1.2 * t) + 0.3 * np.cos(2 * np.pi * 2.4 * t)  # sharp tops, flat feet
    readings = [Reading("ppg.rhythm", end, "sinus", "", 0.9, detail={"p_AF": 0.01}) for end in (10.0, 20.0)]
    signs = [(8.0, 1.0), (10.0, 1.0), (12.0, -1.0), (20.0, -1.0)]
    draw(tmp_path / "out.png", [Block("file/ppg", 0, 0.0, 100.0, even[:, None])], readings, signs, title="")
    for axis, sign in zip(drawn()[:2], (1.0, -1.0), strict=True):
        beats, wave = axis.lines
        shown = np.interp(beats.get_xdata(), wave.get_xdata(), wave.get_ydata())
        np.testing.assert_allclose(beats.get_ydata(), shown)
        assert (beats.get_ydata() > 0.3).all()
        assert np.corrcoef(wave.get_ydata(), np.interp(wave.get_xdata(), t, even))[0, 1] * sign > 0.95


def test_the_beats_drawn_are_those_that_were_judged(tmp_path, drawn, capsys):
    """A wave turned over in the middle, with a hole: what the analyzer counted is what is marked."""
    from edge.cli.analyze.ppg import report

    t = np.arange(6000) / 100.0
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", 72.0)], 62, seed=4)
    x = 20_000 + 1000.0 * synthesis.ppg(beats, t, seed=4) * np.where(t < 33.0, 1.0, -1.0)
    x[(t > 18.0) & (t < 18.3)] = np.nan
    np.savez(tmp_path / "a.npz", ppg=x, fs=100.0)
    report(tmp_path / "a.npz", plot=tmp_path / "a.png", jsonl=True)
    lines = map(json.loads, capsys.readouterr().out.splitlines())
    counted = {r["t"]: r["detail"].get("beats", 0) for r in lines if r["metric"] == "ppg.quality"}
    rows = drawn()[:-1]
    assert [marks(axis) for axis in rows] == [counted[10.0 * (k + 1)] for k in range(6)]
    assert sum(map(marks, rows)) > 30


def test_of_a_long_file_some_rows_of_each_verdict_are_drawn_and_all_verdicts_below(tmp_path, drawn):
    from edge.cli.analyze.plot_ppg import draw

    t = np.arange(72_000) / 100.0
    heart = synthesis.beats([synthesis.Episode(0.0, "sinus", 72.0)], 722, seed=4)
    wave = 1500.0 * synthesis.ppg(heart, t, seed=4)
    words = {300.0: "af", 450.0: "ectopy", 460.0: None}
    readings = [
        Reading("ppg.rhythm", end, word, "", 0.9, "" if word else "motion", detail={"p_AF": 0.01})
        for end in np.arange(10.0, 721.0, 10.0).tolist()
        for word in [words.get(end, "sinus")]
    ]
    blocks = [Block("file/ppg", i, i / 100.0, 100.0, wave[i : i + 6000, None]) for i in range(0, 72_000, 6000)]
    draw(tmp_path / "out.png", blocks, readings, [], title="night.csv")
    *rows, rate = drawn()
    assert len(rows) == 12
    begun = [row.get_xlim()[0] for row in rows]
    assert begun == sorted(begun)
    said = dict(zip(begun, [row.get_title(loc="left").split()[0] for row in rows], strict=True))
    assert {at: word for at, word in said.items() if word != "sinus"} == {290.0: "af", 440.0: "ectopy", 450.0: "cannot"}
    assert {0.0, 710.0} <= set(said)
    strip = {bars.get_label(): bars.get_paths() for bars in rate.collections}
    assert {word: len(spans) for word, spans in strip.items()} == {"sinus": 69, "af": 1, "ectopy": 1}
    assert strip["af"][0].get_extents().intervalx.tolist() == [290.0, 300.0]
    rate.figure.canvas.draw()
    assert [label.get_text() for label in rate.get_xticklabels()] == [f"0:{m:02d}:00" for m in range(0, 13, 2)]
    assert rows[-1].get_xticklabels()[0].get_text() == "0:11:50"
    assert rate.get_xlabel() == "h:min:s"


def of_a_long_file(tmp_path, drawn, words):
    """Rows by where they begin, with what is said of each, and the title; words: verdict, or reason after "-", by its
    window's end, s."""
    from edge.cli.analyze.plot_ppg import draw

    blocks = [Block("file/ppg", 100 * s, float(s), 100.0, np.sin(np.arange(100.0) / 9)[:, None]) for s in range(300)]
    readings = [
        Reading("ppg.rhythm", t, None, "", 0.0, word[1:])
        if word.startswith("-")
        else Reading("ppg.rhythm", t, word, "", 0.9, detail={"p_AF": 0.1})
        for t, word in words.items()
    ]
    draw(tmp_path / "out.png", blocks, readings, [], title="a.csv")
    *rows, rate = drawn()
    said = {row.get_xlim()[0]: row.get_title(loc="left").removeprefix("cannot tell: ").split()[0] for row in rows}
    return said, rate.figure.get_suptitle()


def test_each_verdict_and_each_reason_has_its_share_of_the_rows_and_one_at_least(tmp_path, drawn):
    words = {float(t): "-motion" for t in range(2, 301, 2)}
    words |= {2.0: "-warming_up"} | {float(t): "sinus" for t in range(22, 36, 2)}
    words |= dict.fromkeys((100.0, 112.0), "-gap") | {164.0: "af"}
    said, title = of_a_long_file(tmp_path, drawn, words)
    by_word = {word: [at for at, one in said.items() if one == word] for word in set(said.values())}
    assert {word: len(at) for word, at in by_word.items()} == {"motion": 9, "sinus": 1, "gap": 1, "af": 1}
    assert by_word["sinus"] == [20.0]
    assert by_word["gap"] == [90.0]
    assert by_word["af"] == [154.0], "it is in no row of 10 s from the begin, and is shown all the same"
    assert list(said) == sorted(said)
    told = "12 of 146 windows of 10 s, of each verdict and each reason by its share, one at least; all verdicts below"
    assert " ".join(title.splitlines()[1:]) == told


def test_halves_are_shown_as_halves(tmp_path, drawn):
    words = {float(t): "sinus" if t <= 150 else "ectopy" for t in range(10, 301, 2)}
    said, _ = of_a_long_file(tmp_path, drawn, words)
    assert sorted(said.values()) == ["ectopy"] * 6 + ["sinus"] * 6
    assert {0.0, 290.0} <= set(said)


def test_a_pulse_wave_is_drawn_with_its_verdict_and_its_units(tmp_path, drawn, capsys):
    from edge.cli.analyze.ppg import report

    t = np.arange(2500) / 100.0
    wave = synthesis.ppg(synthesis.beats([synthesis.Episode(0.0, "sinus", 66.0)], 29, seed=0), t + 2.0, seed=0)
    np.savez(tmp_path / "a.npz", ppg=np.where(t > 20, np.random.default_rng(0).normal(0, 1, 2500), wave), fs=100.0)
    report(tmp_path / "a.npz", plot=tmp_path / "out.png")
    told = capsys.readouterr().out.splitlines()
    *rows, rate = drawn()
    own = [line for line in told if line.startswith(("Heart rate:", "Rhythm:", "Also:", "Windows left out:"))]
    assert len(own) >= 3
    assert " ".join(rate.figure.get_suptitle().splitlines()) == " ".join(["a.npz", *own])
    assert {(row.get_ylabel(), row.get_xlabel()) for row in rows} == {("PPG, a.u.", "s")}
    assert rate.get_ylabel() == "heart rate, bpm"


def test_a_hole_in_the_sound_is_shaded_and_what_follows_keeps_its_time(tmp_path, drawn):
    from edge import inference
    from edge.cli.analyze.plot_murmur import draw

    sound = np.random.default_rng(0).normal(0, 0.1, 14_000)
    sound[12_000:13_000] *= 2.0
    blocks = [
        Block("f/pcg", a, a / 2000.0, 2000.0, sound[a : a + 2000, None]) for a in (0, 2000, 6000, 8000, 10_000, 12_000)
    ]
    draw(tmp_path / "out.png", blocks, [], inference.load("murmur"), title="")
    wave = drawn()[0]
    assert [p.get_x() for p in wave.patches] == [pytest.approx(2.0)]
    assert [p.get_width() for p in wave.patches] == [pytest.approx(1.0)]
    line = wave.lines[0]
    loud = np.convolve(np.square(line.get_ydata()), np.ones(1000) / 1000, "valid").argmax()
    assert line.get_xdata()[loud] == pytest.approx(6.0, abs=0.05)


def heart(seconds, rate=2000.0, *, murmur):
    t = np.arange(round(seconds * rate)) / rate
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", 72.0)], seconds + 1, seed=3)
    return synthesis.pcg(beats, t, murmur=[(0.0, seconds)] if murmur else [], noise=0.02, seed=5)


def murmur_drawn(tmp_path, sound):
    soundfile = pytest.importorskip("soundfile")
    from edge.cli.analyze.murmur import report

    soundfile.write(tmp_path / "a.wav", 0.3 * sound / np.abs(sound).max(), 2000, subtype="FLOAT")
    report(tmp_path / "a.wav", plot=tmp_path / "out.png")


def test_a_long_sound_is_drawn_where_the_murmur_is_strongest_and_all_its_windows_below(tmp_path, drawn):
    quiet, loud = heart(31.0, murmur=False), heart(25.0, murmur=True)
    murmur_drawn(tmp_path, np.concatenate([quiet, loud]))
    wave, scales, heard, everything = drawn()
    begin, end = wave.get_xlim()
    assert 30.0 <= begin <= 36.0
    assert end == begin + 20.0
    assert wave.get_title(loc="left") == f"0:{begin:04.1f} to 0:{end:04.1f} of 0:56.0, shaded below: most like a murmur"
    assert scales.get_xlim() == heard.get_xlim() == (begin, end)
    assert list(scales.images[0].get_extent()[:2]) == [begin, end]
    assert wave.lines[0].get_xdata()[[0, -1]].tolist() == [begin, pytest.approx(end - 1 / 2000)]
    assert heard.lines[0].get_xdata().tolist() == [begin + 2.5 + k for k in range(16)]
    assert everything.lines[0].get_xdata().tolist() == [2.5 + k for k in range(52)]
    assert everything.get_xlim() == (0.0, 56.0)


def test_a_night_of_sound_is_labelled_by_the_clock_and_its_windows_show_how_many_they_are(tmp_path, drawn):
    from edge import inference
    from edge.cli.analyze.plot_murmur import draw

    hour = [Block("f/pcg", 2000 * s, float(s), 2000.0, np.full((2000, 1), s % 7 - 3.0)) for s in range(3600)]
    readings = [
        Reading("pcg.murmur", end, 0.9 if end == 1800.0 else 0.1, "", 0.9, detail={"complete": True})
        for end in np.arange(5.0, 3601.0).tolist()
    ]
    draw(tmp_path / "out.png", hour, readings, inference.load("murmur"), title="night.wav")
    wave, *_, everything = drawn()
    everything.figure.canvas.draw()
    assert wave.get_title(loc="left") == "29:40.0 to 30:00.0 of 1:00:00.0, shaded below: most like a murmur"
    assert wave.get_xticklabels()[0].get_text() == "0:29:40"
    assert [label.get_text() for label in everything.get_xticklabels()][::6] == ["0:00:00", "1:00:00"]
    assert everything.get_xlabel() == "h:min:s"
    assert everything.lines[0].get_alpha() < 0.5
    assert everything.patches[0].get_linewidth() > 1.0


def test_the_threshold_is_drawn_and_whose_it_is(tmp_path, drawn):
    from edge import inference
    from edge.dsp.pcg.decision import Calibration

    murmur_drawn(tmp_path, heart(25.0, murmur=True))
    _, _, heard, everything = drawn()
    threshold = Calibration.from_card(inference.load("murmur").card).recording[3]
    for axis in (heard, everything):
        assert list(axis.lines[1].get_ydata()) == [threshold, threshold]
    said = [text.get_text() for text in heard.get_legend().get_texts()]
    assert said[-1] == f"present from {threshold:.2f} on: the recording decides, no single window"


@pytest.mark.parametrize(("channel", "which"), [(None, "the first"), (1, "number 1")])
def test_a_channel_that_was_not_heard_is_said_in_the_picture(tmp_path, drawn, channel, which):
    soundfile = pytest.importorskip("soundfile")
    from edge.cli.analyze.murmur import report

    both = np.stack([heart(6.0, murmur=False), heart(6.0, murmur=True)], axis=1)
    soundfile.write(tmp_path / "a $x$.wav", 0.3 * both / np.abs(both).max(), 2000, subtype="FLOAT")
    report(tmp_path / "a $x$.wav", plot=tmp_path / "out.png", channel=channel)
    name, verdict, unheard = drawn()[0].figure.get_suptitle().splitlines()
    assert name == "a $x$.wav"
    assert verdict.startswith("Murmur: none heard" if channel is None else "Murmur: present")
    assert unheard == f"of 2 channels only {which} was heard"


@pytest.mark.parametrize("width", [5.0, 12.0])
def test_a_title_is_no_wider_than_its_picture(tmp_path, drawn, width):
    from edge.cli.analyze.picture import picture

    with picture(
        tmp_path / "out.png", 1, size=(width, 5.0), title="$a\\b$.wav\n" + "samples that are no numbers; " * 10
    ) as axes:
        figure = axes[0].figure
        figure.canvas.draw()
        assert figure._suptitle.get_window_extent().width < figure.bbox.width


def test_nothing_answered_in_a_long_sound_shows_its_beginning(tmp_path, drawn):
    murmur_drawn(tmp_path, np.random.default_rng(0).standard_normal(50_000))
    wave, _, heard, everything = drawn()
    assert wave.get_title(loc="left") == "0:00.0 to 0:20.0 of 0:25.0, shaded below"
    assert [text.get_text() for text in heard.texts] == ["no window was answered"]
    assert not len(everything.lines[0].get_xdata())


@pytest.mark.parametrize("hz", [50.0, 60.0])
def test_a_hum_is_drawn_as_little_as_the_analyzer_hears_it(tmp_path, drawn, hz):
    x = heart(11.0, murmur=True)
    murmur_drawn(tmp_path, x)
    clean = drawn()[0].lines[0].get_ydata()
    murmur_drawn(tmp_path, x + 30 * x.std() * np.sin(2 * np.pi * hz * np.arange(len(x)) / 2000))
    wave = drawn()[0]
    assert wave.get_ylabel() == "sound, 25–800 Hz\nwithout mains hum"
    assert np.corrcoef(wave.lines[0].get_ydata(), clean)[0, 1] > 0.95


@pytest.mark.parametrize(("seconds", "steps"), [(5.0, 32), (3.1, 19)])
def test_the_networks_activation_is_that_of_the_windows_which_the_analyzer_judged(seconds, steps):
    from edge import inference
    from edge.analyzers.murmur import activation
    from edge.cli.analyze.plot_murmur import activations
    from edge.dsp.pcg import listening

    x = heart(seconds, murmur=True)
    x += 30 * x.std() * np.sin(2 * np.pi * 50 * np.arange(len(x)) / 2000)
    model = inference.load("murmur")
    last = min(5.0, np.floor(seconds))
    answered = [Reading("pcg.murmur", last, 0.9, "", 1.0, detail={"complete": last == 5.0})]
    times, logits = activations(x, 2000.0, 0.0, answered, model)
    sound, _ = listening.listen_to(x[: round(last * 2000)], 2000.0)
    assert np.array_equal(logits[:steps], activation(model, sound.picture)[:steps])
    assert np.isnan(logits[steps:]).all()
    assert times[0] == 2.5 / 32


def test_a_package_that_is_missing_is_said_before_the_work(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert main(["analyze", "murmur", str(tmp_path / "none.wav"), "--plot", str(tmp_path / "out.png")]) == 2
    assert capsys.readouterr().err == "edge-vitals: matplotlib is not installed: pip install 'edge-vitals[plot]'\n"


def test_a_reader_that_goes_away_takes_no_picture_with_it(tmp_path):
    t = np.arange(1500) / 100.0
    np.savez(tmp_path / "a.npz", ppg=1000.0 + np.sin(2 * np.pi * 1.2 * t), fs=100)
    command = [sys.executable, "-u", "-m", "edge", "analyze", "ppg", str(tmp_path / "a.npz")]
    end, other = os.pipe()
    os.close(end)
    done = subprocess.run(
        [*command, "--plot", str(tmp_path / "a.png")], stdout=other, stderr=subprocess.PIPE, timeout=120, check=False
    )
    os.close(other)
    assert (done.returncode, done.stderr) == (1, b"")
    assert (tmp_path / "a.png").stat().st_size > 1000
