"""``replay --alarm``: one alarm of a live run is made again from its own recording, or it is said where not."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from edge.cli import main
from edge.cli.replay.alarm import _cut, decided
from edge.config import parse
from edge.dsp.synthesis import Episode, beats, ppg
from edge.program.service import build_service
from edge.recording import MainState, Recording, RecordingWriter, Tick
from edge.types import Alarm, Block, Fault
from whole_program import TWO_BEDS, for_seconds, run_to_its_end

CONFIG = """
[device]
name = "ward"
state_dir = "{folder}"
[sinks.recorder]
"""
SOURCES = {"bed1": "node", "bed2": "fast"}


@pytest.fixture(scope="module")
def ward(tmp_path_factory):
    """The state directory of a run of two minutes of two beds."""
    folder = tmp_path_factory.mktemp("ward")
    text = CONFIG.format(folder=folder) + TWO_BEDS.format(pace=for_seconds(120))
    (folder / "ward.toml").write_text(text)
    run_to_its_end(text)
    return folder


def raised(ward):
    (recording,) = (ward / "recordings").iterdir()
    return [e for e in Recording(recording) if isinstance(e, Alarm) and e.evidence["change"] == "raised"]


def test_every_alarm_carries_its_evidence_and_names_a_recording(ward):
    alarms = raised(ward)
    all_blocks = [e for e in Recording(next((ward / "recordings").iterdir())) if isinstance(e, Block)]
    ends = {
        bed: (
            min(b.t0 for b in all_blocks if b.source == source),
            max(b.t_end for b in all_blocks if b.source == source),
        )
        for bed, source in SOURCES.items()
    }
    assert {a.condition for a in alarms} >= {"af", "tachy", "murmur"}
    for alarm in alarms:
        assert alarm.evidence["recording"] == f"{alarm.occurrence}.evrec"
        recording = Recording(ward / "evidence" / alarm.evidence["recording"])
        assert alarm.occurrence in recording.header["occurrences"]
        start, end = recording.header["span"]
        blocks = [e for e in recording if isinstance(e, Block)]
        assert {b.source for b in blocks} == {SOURCES[alarm.bed]}
        first, last = ends[alarm.bed]
        assert blocks[0].t0 <= max(start, first + 0.2)
        assert blocks[-1].t_end >= min(end, last) - 0.2
        assert start <= alarm.since - 30.0
        assert end >= alarm.t + 30.0
        if alarm.kind == "physiological":
            readings = alarm.evidence["readings"]
            assert readings[-1][1:3] == [alarm.evidence["reading"]["value"], alarm.evidence["reading"]["quality"]]
            assert {verdict for *_, verdict in readings} >= {"yes"}
            assert set(alarm.evidence["rule"]) >= {"limit", "on_delay_s", "off_delay_s", "confirm"}
        if alarm.condition in ("af", "murmur"):
            model = {"af": "rhythm", "murmur": "murmur"}[alarm.condition]
            assert alarm.evidence["reading"]["model"].startswith(f"{model} ")
            assert alarm.evidence["card"] == recording.header["cards"][model]
            assert len(alarm.evidence["card"]) == 64


def test_every_alarm_is_made_again_from_its_own_recording(ward, capsys):
    for alarm in raised(ward):
        assert main(["replay", "--alarm", alarm.occurrence, str(ward / "evidence")]) == 0
        said = capsys.readouterr()
        assert f"{alarm.occurrence}: the same alarm; " in said.err
        assert "bit for bit those made live" in said.err
        assert alarm.id in said.out


@pytest.mark.slow
def test_and_from_the_whole_recording_and_by_its_id_and_from_the_state_directory(ward, capsys):
    (recording,) = (ward / "recordings").iterdir()
    for alarm in raised(ward):
        assert main(["replay", "--alarm", alarm.occurrence, str(recording), "--jsonl"]) == 0
        assert f'"occurrence":"{alarm.occurrence}"' in capsys.readouterr().out
    assert main(["replay", "--alarm", "bed1/af", "--config", str(ward / "ward.toml")]) == 0
    assert "card" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("evidence", "before_s", "after_s"), [("", 30.0, 30.0), ("[sinks.evidence]\nbefore_s = 5\nafter_s = 8", 5.0, 8.0)]
)
def test_it_is_cut_out_of_a_longer_recording_as_the_configuration_of_then_asked(tmp_path, evidence, before_s, after_s):
    source = '[sources.node]\nbed = "bed1"\nkind = "synthetic"\n'
    path = tmp_path / "long.evrec"
    af = Alarm(
        "bed1/af", "a.bed1.af.1", "physiological", "medium", "on", 200.0, "AF", "af", "bed1",
        since=200.0, evidence={"change": "raised"},
    )  # fmt: skip
    with path.open("wb") as file:
        writer = RecordingWriter(file, {"config": f"[beds.bed1]\n{source}{evidence}\n"})
        for t in range(300):
            writer.add(Tick(float(t)))
            writer.add(MainState(t + 0.5, {"beds": {}}, {}))
            if t == 200:
                writer.add(af)
    kept = _cut(Recording(path), "a.bed1.af.1")
    ticks = [entry.t for entry in kept if isinstance(entry, Tick)]
    late_s = 6.0  # behind the clock samples come at most
    assert (ticks[0], ticks[-1]) == (200.0 - before_s, 200.0 + after_s + late_s)


@pytest.mark.slow
def test_its_recording_opens_in_other_programs_sample_for_sample(ward, tmp_path):
    edfio = pytest.importorskip("edfio", reason="edfio is not installed")
    alarm = next(a for a in raised(ward) if a.condition == "af")
    path = ward / "evidence" / alarm.evidence["recording"]
    assert main(["export", str(path), "--edf", "--csv", "--out", str(tmp_path)]) == 0
    edf = edfio.read_edf(tmp_path / "node.edf")
    pulse = next(s for s in edf.signals if s.label.startswith("ppg"))
    samples = np.concatenate([e.data[:, 0] for e in Recording(path) if isinstance(e, Block) and e.kind == "ppg"])
    np.testing.assert_allclose(pulse.data[: len(samples)], samples, atol=1e-6)
    assert [a.onset for a in edf.annotations if a.text.startswith("alarm: bed1/af on")]


def test_samples_that_were_altered_are_found(ward, tmp_path, capsys):
    alarm = next(a for a in raised(ward) if a.condition == "tachy")
    recording = Recording(ward / "evidence" / alarm.evidence["recording"])
    path = tmp_path / f"{alarm.occurrence}.evrec"
    with path.open("wb") as file:
        writer = RecordingWriter(file, recording.header)
        for entry in recording:
            if isinstance(entry, Block) and entry.kind == "ppg":
                data = entry.data * np.where(np.arange(len(entry.data)) % 2, 1.01, 1.0)[:, None]
                entry = Block(entry.stream, entry.seq, entry.t0, entry.rate, data, entry.epoch)  # noqa: PLW2901
            writer.add(entry)
    assert main(["replay", "--alarm", alarm.occurrence, str(path)]) == 3
    assert "NOT" in capsys.readouterr().err


def test_a_torn_recording_says_so_and_is_not_the_same(ward, tmp_path, capsys):
    alarm = next(a for a in raised(ward) if a.condition == "af")
    path = tmp_path / f"{alarm.occurrence}.evrec"
    whole = (ward / "evidence" / path.name).read_bytes()
    path.write_bytes(whole[: len(whole) // 3])
    assert main(["replay", "--alarm", alarm.occurrence, str(path)]) == 3
    said = capsys.readouterr().err
    assert "NOT raised again" in said
    assert "torn" in said


def test_an_alarm_that_is_not_there_is_answered_with_those_that_are(ward, tmp_path, capsys):
    assert main(["replay", "--alarm", "bed1/brady", str(ward / "evidence")]) == 1
    assert "no alarm bed1/brady; the newest there are: " in capsys.readouterr().err
    assert main(["replay", "--alarm", "x", str(tmp_path / "none")]) == 1
    assert "no such recording or folder" in capsys.readouterr().err
    shutil.copy(next((ward / "evidence").glob("*.evrec")), tmp_path / "a.bed1.af.1.evrec")
    shutil.copy(next((ward / "evidence").glob("*.evrec")), tmp_path / "b.bed1.af.2.evrec")
    assert main(["replay", "--alarm", "bed1/af", str(tmp_path)]) == 1
    assert "was raised 2 times; name one of a.bed1.af.1, b.bed1.af.2" in capsys.readouterr().err


@pytest.mark.slow
def test_alarms_of_the_device_itself_and_of_a_second_run_are_made_again_too(tmp_path, capsys):
    config = parse(CONFIG.format(folder=tmp_path) + TWO_BEDS.format(pace=for_seconds(40)))
    for _ in range(2):
        service = build_service(config, console=False)
        service.runtime.post(Fault("model_fault", 0.0, True, "rhythm: altered", source="rhythm"))
        assert service.run() == 0
    names = sorted(p.stem for p in (tmp_path / "evidence").iterdir())
    assert sum("._device.model_fault." in name for name in names) == 1  # the second run still has the first one's
    assert sum(".murmur." in name for name in names) == 1
    recordings = sorted((tmp_path / "recordings").iterdir())
    for name in names:
        assert main(["replay", "--alarm", name, str(tmp_path / "evidence")]) == 0, capsys.readouterr().err
    assert main(["replay", str(recordings[1]), "--exact"]) == 0
    assert "bit for bit" in capsys.readouterr().err


def test_no_frame_of_a_camera_is_ever_kept(tmp_path):
    from edge.evidence import Ring
    from edge.recording import pack

    frame = Block("cam/video", 0, 0.0, 30.0, np.zeros((1, 48, 64, 3), np.uint8))
    with pytest.raises(ValueError, match="camera frames are never recorded"):
        pack(frame)
    ring = Ring({"cam": "bed1"}, before_s=30.0, after_s=30.0)
    with pytest.raises(ValueError, match="never"):
        ring.take(frame, dict)


@pytest.mark.slow
def test_an_accelerometer_that_fell_silent_long_before_an_alarm_spoils_nothing_of_it(tmp_path, capsys):
    t = np.arange(40_000) / 100.0
    rhythm = [Episode(0.0, "sinus", 70.0), Episode(320.0, "sinus", 170.0)]
    still = np.tile([[0.0], [0.0], [1000.0]], 2000)
    np.savez(tmp_path / "bed.npz", ppg=ppg(beats(rhythm, 400.0, seed=1), t, seed=1), acc=still, fs=100.0)
    source = f'[sources.node]\nkind = "files"\npath = "{tmp_path}/bed.npz"\npace = "max"\nanalyzers = ["pulse"]\n'
    run_to_its_end(f'[device]\nname = "ward"\nstate_dir = "{tmp_path}/state"\n{source}')
    assert main(["replay", "--alarm", "bed1/tachy", str(tmp_path / "state" / "evidence")]) == 0
    verdict = capsys.readouterr().err
    assert "the same alarm" in verdict
    assert "bit for bit" in verdict
    assert "taken as recorded" not in verdict


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"metric": "ppg.hr", "value": 34.61, "quality": 0.923, "reason": "", "detail": {}}, "ppg.hr 35, quality 0.92"),
        ({"text": "no data for more than 3 s"}, "no data for more than 3 s"),
        (
            {
                "metric": "pcg.murmur", "value": 0.0018, "quality": 0.669, "reason": "",
                "detail": {"patient": {"decision": "present", "p_present": 0.819, "sites": {"MV": {}, "AV": {}}}},
            },
            "pcg.murmur 0.00, quality 0.67; the person, by MV, AV: present (0.82)",
        ),
    ],
)  # fmt: skip
def test_what_decided_is_told_in_words(told, words):
    assert decided(told) == words
