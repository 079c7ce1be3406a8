"""``analyze murmur --one-person``: what several recordings say together, in words and as JSON."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from edge.cli import main
from edge.cli.analyze.person import in_words, tell_person
from edge.dsp import synthesis
from edge.dsp.pcg.decision import Calibration, PatientVerdict, Scores, Verdict, judge_patient, judge_together
from edge.inference.card import find_card

soundfile = pytest.importorskip("soundfile")
RATE = 4000


def verdict(p: float, decision: str, murmur: float) -> Verdict:
    return Verdict(p, decision, 0.9, 4, Scores(murmur, -3.0, -5.0, 0.5, -1.0, -3.0))


LOUD, CLEAR = verdict(0.9, "present", 2.0), verdict(0.02, "absent", -2.0)
REFUSED = Verdict(None, "unknown", 0.0, 0, None, "speech")


def test_what_is_heard_together_in_words() -> None:
    noisy = verdict(0.02, "unknown", -2.0)
    files = {"aortic.wav": LOUD, "tv.wav": CLEAR, "mv.wav": REFUSED, "pv.wav": noisy}
    together = [verdict(0.8, "present", 2.0), verdict(0.06, "absent", -2.0), REFUSED, verdict(0.4, "present", -2.0)]
    assert in_words(files, together, PatientVerdict(0.4, 0.1, 0.5, "present"), 0.1) == [
        "One person, 4 recordings: a murmur is present.",
        "Probabilities: present 0.40, cannot tell 0.10, absent 0.50; to be right counts 5, 3 and 1.",
        "Each recording in the light of the others, present from 0.10 on:",
        "  aortic.wav  present     0.80 (by itself 0.90)",
        "  tv.wav      none heard  0.06 (by itself 0.02)",
        "  mv.wav      not judged: somebody is speaking, or there is music (speech)",
        "  pv.wav      present     0.40 (by itself 0.02 and could not tell)",
    ]
    unknown = in_words({"a": LOUD, "b": noisy}, [LOUD, noisy], PatientVerdict(0.4, 0.1, 0.5, "present"), 0.1)
    assert unknown[-1] == "  b  cannot tell 0.02 (by itself 0.02)"


def test_one_recording_has_no_others_and_of_nothing_nothing_is_told() -> None:
    clear, nothing = PatientVerdict(0.02, 0.03, 0.95, "absent"), PatientVerdict(None, None, None, "unknown")
    assert in_words({"a.wav": CLEAR}, [CLEAR], clear, 0.1) == [
        "One person, one recording: no murmur heard.",
        "Probabilities: present 0.02, cannot tell 0.03, absent 0.95; to be right counts 5, 3 and 1.",
    ]
    assert in_words({"a": REFUSED, "b": REFUSED}, [REFUSED, REFUSED], nothing, 0.1) == [
        "One person, 2 recordings: cannot tell: none of them could be judged."
    ]


def test_json_says_the_same_as_the_words_beside_it(capsys: pytest.CaptureFixture[str]) -> None:
    files = {"a.wav": LOUD, "b.wav": CLEAR, "c.wav": REFUSED}
    calibration = Calibration.from_card(find_card("murmur").table)
    alone = list(files.values())
    person, together = judge_patient(alone, calibration), judge_together(alone, calibration)
    tell_person(files, jsonl=True)
    streams = capsys.readouterr()
    told = json.loads(streams.out)
    assert streams.out == json.dumps(told, separators=(",", ":")) + "\n", "as tight as the readings before it"
    recordings = told.pop("recordings")
    shares = {key: getattr(person, key) for key in ("decision", "p_present", "p_unknown", "p_absent")}
    assert told == {"type": "person", **shares}
    for (file, one), judged, row in zip(files.items(), together, recordings, strict=True):
        assert row == {
            "file": file,
            "windows": one.windows,
            "reason": one.reason,
            "p_alone": one.p,
            "decision_alone": one.decision,
            "p_together": judged.p,
            "decision_together": judged.decision,
        }
    assert streams.err.splitlines()[1:] == in_words(files, together, person, calibration.together[3])


def write(path: Path, *, murmur: bool) -> str:
    beats = synthesis.beats([synthesis.Episode(0.0, "sinus", 75.0)], 9.0, seed=3)
    t = np.arange(8 * RATE) / RATE
    sound = synthesis.pcg(beats, t, murmur=[(0.0, 99.0)] if murmur else [], noise=0.02, seed=5)
    soundfile.write(path, 0.3 * sound, RATE)
    return str(path)


def test_files_of_one_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [write(tmp_path / f"{name}.wav", murmur=name == "loud") for name in ("loud", "clear")]
    (tmp_path / "broken.wav").write_bytes(b"RIFF no sound")
    assert main(["analyze", "murmur", "--one-person", *files]) == 0
    each, _, told = capsys.readouterr().out.rpartition("\n\n")
    assert each.count("Murmur: ") == 2
    lines = told.splitlines()
    assert lines[0] == "One person, 2 recordings: a murmur is present."
    assert [line.split()[:2] for line in lines[3:]] == [[files[0], "present"], [files[1], "present"]]
    assert main(["analyze", "murmur", "--one-person", *files, str(tmp_path / "broken.wav")]) == 1
    streams = capsys.readouterr()
    assert streams.out.rpartition("\n\n")[2].splitlines() == lines, "of those that could be read"
    assert streams.err.startswith(f"edge-vitals: {tmp_path / 'broken.wav'}")
    assert main(["analyze", "murmur", "--jsonl", "--one-person", *files]) == 0
    streams = capsys.readouterr()
    *readings, person = map(json.loads, streams.out.splitlines())
    assert [(line["type"], line["file"]) for line in readings] == [
        ("reading", file) for file in files for _ in range(24)
    ]
    assert [line for line in streams.err.splitlines() if line in files] == files
    assert [person["type"], person["decision"]] == ["person", "present"]


def test_a_name_that_is_no_utf_8_is_escaped(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / os.fsdecode(b"b\xff.wav")
    file.write_bytes(Path(write(tmp_path / "a.wav", murmur=False)).read_bytes())
    assert main(["analyze", "murmur", "--jsonl", "--one-person", str(file)]) == 0
    *readings, person = map(json.loads, capsys.readouterr().out.splitlines())
    assert {line["file"] for line in (*readings, *person["recordings"])} == {f"{tmp_path}/b\\udcff.wav"}


def test_only_heart_sound_is_of_one_person(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "ppg", "--one-person", str(tmp_path / "a.csv")]) == 2
    assert "--one-person is for murmur" in capsys.readouterr().err
