"""Calibration from a predictions file, by hand."""

import csv
import json
import tomllib

import numpy as np
import pytest

from edge.dsp.promised import promised_threshold
from tool_module import loaded


@pytest.fixture(scope="module")
def calibrate():
    with loaded("calibrate.py") as module:
        yield module


def write(path, rows):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def rhythm_files(folder, people=12, windows=20):
    """Everyone has ten windows without AF (score 0.2, one of 0.9), then ten with (0.8; of the last person 0.1)."""
    label = np.tile([0] * (windows // 2) + [5] * (windows // 2), people).astype(np.uint8)
    subject = np.repeat(np.arange(people), windows).astype(np.uint8)
    np.savez(
        folder / "liu.npz", label=label, subject=subject, label_names=np.array(["SR", "PVC", "PAC", "VT", "SVT", "AF"])
    )
    scores = np.where(label == 5, 0.8, 0.2)
    scores[3::windows] = 0.9
    scores[(subject == people - 1) & (label == 5)] = 0.1
    rows = [{"row": i, "p_AF": f"{s:.2f}", "decision": "x"} for i, s in enumerate(scores)]
    rows[0]["p_AF"] = ""
    write(folder / "pred.csv", rows)
    return folder / "liu.npz", folder / "pred.csv"


def test_bounds_that_can_be_promised_go_into_the_card(calibrate, tmp_path, capsys):
    data, pred = rhythm_files(tmp_path)
    (tmp_path / "card.toml").write_text('name = "rhythm"\n')
    argv = ["rhythm", "--data", str(data), "--pred", str(pred), "--alpha", "0.05", "0.1", "0.2"]
    assert calibrate.main([*argv, "--card", str(tmp_path)]) == 0
    card = tomllib.loads((tmp_path / "card.toml").read_text())
    assert card["name"] == "rhythm"
    told = card["conformal"]
    assert (told["unit"], told["people"], told["events"], told["smallest_missed"]) == ("person", 12, 120, 0.0769)
    assert [(b["missed"], b["threshold"]) for b in told["bounds"]] == [(0.1, 0.1), (0.2, 0.8)]
    assert promised_threshold(card, "af", 0.2) == 0.8
    capsys.readouterr()


def test_rhythm_thresholds_and_confirmation(calibrate, tmp_path, capsys):
    data, pred = rhythm_files(tmp_path)
    argv = ["rhythm", "--data", str(data), "--pred", str(pred), "--json", "--alpha", "0.05", "0.1", "0.2"]
    assert calibrate.main(argv) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["people_with_events"] == 12
    assert [b["value"] for b in told["bounds"]] == [None, 0.1, 0.8], "(0 + 1)/13 and (1 + 1)/13"
    assert told["bounds"][2]["false_alarm_share"] == pytest.approx(0.1)
    one, *_, five = [row for row in told["confirmation"] if (row["k"], row["n"]) in ((1, 1), (5, 7))]
    assert (one["people_falsely_alerted"], one["people_without"], one["delay_p50_s"]) == (12, 12, 10.0)
    assert (five["people_falsely_alerted"], five["false_alarms_an_hour"], five["delay_p50_s"]) == (0, 0.0, 50.0)
    assert five["caught"] == pytest.approx(11 / 12)
    assert calibrate.main(argv[:5]) == 0
    assert "12 people with events: no bound under 0.077 can be promised" in capsys.readouterr().out


def test_in_file_order_an_alarm_is_false_where_none_of_its_windows_is_an_event(calibrate):
    """One window in two is AF: what is called AF between them is no false alarm at a bedside, put in a row it is one."""
    yes, no = 0.9, 0.1
    people = {
        "between": ([yes] * 12, [True, False] * 6),
        "before": ([yes] * 7 + [no] * 3 + [yes] * 2, [False] * 10 + [True] * 2),
        "eighth": ([no] * 3 + [yes] * 5, [True] + [False] * 7),
        "seventh": ([no] * 3 + [yes] * 5, [False, True] + [False] * 6),
        "never": ([no] * 9, [False] * 9),
    }
    scores, events, names = ([], [], [])
    for name, (of_person, truth) in people.items():
        scores, events, names = scores + of_person, events + truth, names + [name] * len(truth)
    scored = calibrate.Scored(np.array(scores), np.array(events), np.array(names))
    (five,) = [row for row in calibrate.confirmation(scored, 0.5) if (row["k"], row["n"]) == (5, 7)]
    assert five["people_falsely_alerted"] == 4
    assert five["people_falsely_alerted_in_order"] == 2, "before and eighth; the others have AF among their seven"
    windows = 0 + 10 + 1 + 1 + 9  # with none of the last seven AF
    assert five["false_alarms_an_hour_in_order"] == pytest.approx(2 / (windows / 360))
    nothing = calibrate.Scored(np.array([yes]), np.array([True]), np.array(["a"]))
    assert {row["false_alarms_an_hour_in_order"] for row in calibrate.confirmation(nothing, 0.5)} == {None}


def test_murmur_thresholds_are_of_audible_recordings(calibrate, tmp_path, capsys):
    labels, pred = [], []
    for person in range(10):
        for site, label in (("AV", "present"), ("MV", "absent_here")):
            path = f"{person}_{site}.flac"
            labels.append({"path": path, "subject": f"s{person}", "label_recording": label})
            pred.append({"path": path, "p_murmur": 0.7 if site == "AV" else 0.3, "quality": 1, "decision": "x"})
    labels.append({"path": "u.flac", "subject": "u", "label_recording": "unknown"})
    pred.append({"path": "u.flac", "p_murmur": 0.9, "quality": 1, "decision": "x"})
    labels.append({"path": "r.flac", "subject": "r", "label_recording": "present"})
    pred.append({"path": "r.flac", "p_murmur": 0.9, "quality": 1, "decision": "unknown"})
    write(tmp_path / "labels.csv", labels)
    write(tmp_path / "pred.csv", pred)
    argv = ["murmur", "--data", str(tmp_path), "--pred", str(tmp_path / "pred.csv"), "--json", "--alpha", "0.1"]
    assert calibrate.main(argv) == 0
    (bound,) = json.loads(capsys.readouterr().out)["bounds"]
    assert (bound["value"], bound["people"], bound["events"], bound["false_alarm_share"]) == (None, 11, 11, None)
    assert bound["risk"] == pytest.approx(1 / 11), "the one answered with unknown is missed at any threshold"
    assert calibrate.main([*argv[:-1], "0.2"]) == 0
    (bound,) = json.loads(capsys.readouterr().out)["bounds"]
    assert (bound["value"], bound["false_alarm_share"]) == (0.7, 0.0)


def test_murmur_thresholds_are_of_recordings_by_themselves(calibrate, tmp_path, capsys):
    """What is made of a recording beside the person's others is not what a threshold of the analyzer meets."""
    rows = [(f"{person}_{site}.flac", person, site) for person in range(10) for site in ("AV", "MV")]
    labels = [
        {"path": path, "subject": f"s{person}", "label_recording": "present" if site == "AV" else "absent_here"}
        for path, person, site in rows
    ]
    together = {"p_murmur": 0.99, "quality": 1, "decision": "unknown"}
    pred = [
        {"path": path, **together, "p_alone": 0.7 if site == "AV" else 0.3, "decision_alone": "x"}
        for path, _, site in rows
    ]
    write(tmp_path / "labels.csv", labels)
    write(tmp_path / "pred.csv", pred)
    argv = ["murmur", "--data", str(tmp_path), "--pred", str(tmp_path / "pred.csv"), "--json", "--alpha", "0.1"]
    assert calibrate.main(argv) == 0
    (bound,) = json.loads(capsys.readouterr().out)["bounds"]
    assert (bound["value"], bound["false_alarm_share"]) == (0.7, 0.0)


def test_bad_files_are_named(calibrate, tmp_path):
    data, pred = rhythm_files(tmp_path)
    with pytest.raises(SystemExit, match=r"none\.csv: No such file"):
        calibrate.main(["rhythm", "--data", str(data), "--pred", str(tmp_path / "none.csv")])
    write(pred, [{"path": "x"}])
    with pytest.raises(SystemExit, match="no column row, p_AF"):
        calibrate.main(["rhythm", "--data", str(data), "--pred", str(pred)])
