"""`edge-vitals replay` as a person meets it: what a recording or a file gives again, and what is missing of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from edge.cli import main
from edge.dsp.synthesis import Episode, beats, ppg
from edge.recording import Recording, RecordingWriter
from edge.types import Alarm, Block, Reading
from synthetic_device import SYNTHETIC


def test_run_and_replay_of_its_recording_say_the_same(tmp_path, capsys):
    config = tmp_path / "bedside.toml"
    text = SYNTHETIC.replace('kind = "synthetic"', 'kind = "synthetic"\npace = "max"\nseconds = 60.0\nrhythm = "af"')
    config.write_text(text + "[alarms.af]\nk = 2\nn = 3\nspacing_s = 4\n[sinks.journal]\n")
    record = tmp_path / "night.evrec"
    assert main(["run", str(config), "--record", str(record), "--quiet"]) == 0
    capsys.readouterr()
    kept = list(Recording(record))
    assert main(["replay", str(record), "--jsonl"]) == 0
    again = [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    def of(metric):
        return [(r.t, r.value, r.reason) for r in kept if isinstance(r, Reading) and r.metric == metric]

    metrics = {r.metric for r in kept if isinstance(r, Reading)}
    assert {"ppg.hr", "ppg.rhythm", "pcg.murmur"} <= metrics
    for metric in metrics - {"fused.hr", "fused.spread"}:
        replayed = [
            (e["t"], e["value"], e["reason"]) for e in again if e["type"] == "reading" and e["metric"] == metric
        ]
        assert replayed == of(metric), metric
    made = sorted((a.id, a.presence, a.t) for a in kept if isinstance(a, Alarm))
    assert sorted((e["id"], e["presence"], e["t"]) for e in again if e["type"] == "alarm") == made
    assert ("bed1/af", "on") in {m[:2] for m in made}


def test_replay_of_a_plain_file_prints_a_summary(tmp_path, capsys):
    t = np.arange(4000) / 100.0
    path = tmp_path / "finger.npz"
    np.savez(path, ppg=np.round(20_000 + 1000 * ppg(beats([Episode(0.0, "sinus", 75.0)], 40.0), t)), fs=100.0)
    assert main(["replay", str(path)]) == 0
    said = capsys.readouterr().out
    assert "ppg.hr" in said
    assert "median 7" in said


def test_replay_reads_a_stream_that_begins_late_and_names_what_is_missing(tmp_path, capsys):
    ppg = 1000.0 + np.sin(2 * np.pi * 1.2 * np.arange(3000) / 100.0)
    ppg[:500] = np.nan
    np.savez(tmp_path / "late.npz", ppg=ppg, acc=np.ones((3, 1500)), fs=100)
    np.savez(tmp_path / "slow.npz", ppg=ppg[500:800], fs=15)
    assert main(["replay", str(tmp_path / "late.npz"), str(tmp_path / "slow.npz")]) == 0
    said = capsys.readouterr()
    assert "late ppg.hr" in said.out
    assert said.err.splitlines() == [
        f"edge-vitals: {tmp_path}/late.npz: ppg begins at 5 s",
        f"edge-vitals: {tmp_path}/late.npz: acc ends at 15 s of 30 s",
        f"edge-vitals: {tmp_path}/slow.npz: ppg is sampled at 15 Hz: heart rate and rhythm need 25 to 500 Hz",
    ]


@pytest.mark.parametrize(("noise", "alarms"), [(0.0, []), (3.0, ["low_quality"])])
def test_a_clean_pulse_without_a_steady_part_is_no_poor_signal_and_noise_is(tmp_path, capsys, noise, alarms):
    t = np.arange(9000) / 100.0
    pulse = ppg(beats([Episode(0.0, "sinus", 75.0)], 92.0), t)
    pulse = pulse - pulse.mean() + np.random.default_rng(0).normal(0, noise + 0.001, len(t))
    np.savez(tmp_path / "a.npz", ppg=pulse, fs=100.0)
    assert main(["replay", str(tmp_path / "a.npz"), "--jsonl"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line["condition"] for line in lines if line["type"] == "alarm"] == alarms
    perfusion = {line["value"] for line in lines if line.get("metric") == "ppg.perfusion"}
    assert perfusion == {None}


def test_a_recording_with_a_setting_that_is_no_longer_allowed_is_refused_in_a_line_and_replayed_with_another(
    tmp_path, capsys
):
    path, config = tmp_path / "old.evrec", tmp_path / "now.toml"
    with path.open("wb") as file:
        writer = RecordingWriter(file, {"config": SYNTHETIC + "[analyzers.pulse]\nhop_s = 60\n"})
        for k in range(150):
            t = np.arange(10) / 100 + k * 0.1
            data = np.round(5000 + 500 * np.sin(2 * np.pi * 1.2 * t))[:, None]
            writer.add(Block("syn/ppg", k * 10, k * 0.1, 100.0, data, 0, ("ir",)))
    assert main(["replay", str(path)]) == 2
    refused = f"edge-vitals: {path} (header): analyzers.pulse.hop_s: a number of at most 3, not 60; "
    assert capsys.readouterr().err == f"{refused}the version that recorded it took it: replay with --config FILE\n"
    config.write_text(SYNTHETIC)
    assert main(["replay", str(path), "--config", str(config)]) == 0
    assert "ppg.hr" in capsys.readouterr().out


def test_a_recording_whose_first_part_is_gone_says_so_where_everything_is_computed_anew(tmp_path, capsys):
    folder = tmp_path / "night.evrec"
    folder.mkdir()
    with (folder / "000002.evrec").open("wb") as file:
        RecordingWriter(file, {"config": SYNTHETIC}).add(Block("syn/ppg", 0, 0.0, 100.0, np.ones((10, 1))))
    assert main(["replay", str(folder)]) == 0
    assert f"edge-vitals: {folder}: 1 part(s) were removed, the first is 2\n" in capsys.readouterr().err


def test_of_several_beds_each_has_its_own_lines_of_the_summary():
    from edge.cli._events import Summary

    both, one = Summary(), Summary()
    for bed, source, bpm in (("bed1", "node", 30.0), ("bed2", "node2", 80.0)):
        for name in ("", source):
            told = Reading("fused.hr" if not name else "ppg.hr", 1.0, bpm, "bpm", 1.0, bed=bed, source=name)
            both.add(told)
            if bed == "bed1":
                one.add(told)
    assert [line.split("  ")[0] for line in both.lines()] == [
        "bed1 fused.hr", "bed1 node ppg.hr", "bed2 fused.hr", "bed2 node2 ppg.hr"
    ]  # fmt: skip
    assert [line.split("median ")[1][:2] for line in both.lines()] == ["30", "30", "80", "80"]
    assert [line.split("  ")[0] for line in one.lines()] == ["fused.hr", "node ppg.hr"]
