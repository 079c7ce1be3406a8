"""``edge-vitals simulate`` over recorded readings."""

import argparse
import json
from datetime import datetime

import pytest

from edge.alarms.board import Board
from edge.alarms.rules import AlarmRules
from edge.assembly import places_of
from edge.cli import main, simulate
from edge.config import parse
from edge.dsp.pcg.decision import Calibration
from edge.inference.card import find_card
from edge.recording import ClockMark, MainState, RecordingWriter, Tick
from edge.types import Command, ConfigError, Reading, SourceError, SourceStatus

PLAIN = '[alarms.brady]\nlimit = 45\nsevere_limit = 30\non_delay_s = 5\nmetrics = ["ppg.hr"]\n'


def call(*arguments):
    parser = argparse.ArgumentParser()
    simulate.add(parser.add_subparsers())
    args = parser.parse_args(["simulate", *map(str, arguments)])
    return int(args.func(args))


def record(path, rates, start=1000.0, config=PLAIN):
    with path.open("wb") as file:
        writer = RecordingWriter(file, {"config": config})
        writer.add(SourceStatus("node", "bed1", start, "online"))
        for i, rate in enumerate(rates):
            writer.add(Reading("ppg.hr", start + i, rate, "bpm", 0.9, bed="bed1", source="node"))
    return path


@pytest.fixture
def files(tmp_path):
    night = record(tmp_path / "night.evrec", [70.0] * 60 + [42.0] * 60 + [70.0] * 60)
    day = record(tmp_path / "day.evrec", [70.0] * 60 + [35.0] * 60 + [70.0] * 60, start=5.0)
    lower = tmp_path / "lower.toml"
    lower.write_text(PLAIN.replace("45", "40"))
    return night, day, lower


def test_a_proposal_against_what_was(files, capsys):
    night, _, lower = files
    assert call(night, "--config", lower) == 0
    out = capsys.readouterr().out
    assert "A: 1 alarms" in out
    assert "B: 0 alarms" in out
    assert "missed by B: 1" in out
    assert "bed1/brady medium: Heart rate 42 below 45 bpm" in out


def test_what_differs_is_told_by_the_time_of_day_over_several_recordings_too(files, tmp_path, capsys):
    _, _, lower = files
    nights = [
        slow_night(tmp_path / f"{wall}.evrec", ClockMark(1000.0, wall), ClockMark(1003.0, wall + 3603.0))
        for wall in (1_800_000_000.0, 1_800_100_000.0)
    ]
    assert call(*nights, "--config", lower) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "bed1/brady medium" in line]
    here = [f"  {datetime.fromtimestamp(wall):%Y-%m-%d %H:%M:%S}" for wall in (1_800_003_605.0, 1_800_103_605.0)]
    assert [line.split(" bed1/")[0] for line in lines] == here
    assert call(*nights, "--config", lower, "--json") == 0
    assert [one["wall"] for one in json.loads(capsys.readouterr().out)["missed"]] == [1_800_003_605.0, 1_800_103_605.0]


@pytest.mark.parametrize(
    ("marks", "wall"),
    [
        ([(1000.0, 1_690_000_000.0), (1003.0, 1_800_000_003.0)], 1_800_000_000.0),  # counted back from when it was set
        ([(1000.0, 1_690_000_000.0), (1003.0, 1_690_000_003.0)], None),
    ],
)
def test_a_clock_that_was_not_set_dates_nothing(files, tmp_path, capsys, marks, wall):
    night = slow_night(tmp_path / "unset.evrec", *(ClockMark(*mark) for mark in marks))
    assert call(night, "--config", files[2], "--json") == 0
    (missed,) = json.loads(capsys.readouterr().out)["missed"]
    assert missed["wall"] == (None if wall is None else wall + missed["raised"] - 1000.0)


def test_a_source_that_is_lost_while_nothing_else_is_heard_is_told_as_it_was_live(tmp_path, files, capsys):
    path = record(tmp_path / "pulled.evrec", [70.0] * 60)
    with path.open("ab") as file:
        writer = RecordingWriter(file, {"config": PLAIN})
        writer.add(SourceStatus("node", "bed1", 1063.0, "offline", "unplugged"))
        for i in range(1, 60):
            writer.add(Tick(1063.0 + i / 4))
        writer.add(SourceStatus("node", "bed1", 1400.0, "online"))
    assert call(path, "--config", files[2]) == 0
    assert "A: 1 alarms" in (told := capsys.readouterr().out)
    assert "1 source_lost" in told


def test_two_proposals_over_several_recordings(files, tmp_path, capsys):
    night, day, lower = files
    now = tmp_path / "now.toml"
    now.write_text(PLAIN)
    assert call(night, day, "--config", lower, "--config", now, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["a"]["alarms"], told["b"]["alarms"], len(told["added"]), told["missed"]) == (1, 2, 1, [])
    assert told["watched_s"] == 358.0


def slow_night(path, *entries, config=PLAIN):
    """A slow pulse all night, with other entries at their times."""
    readings = [Reading("ppg.hr", 1000.0 + i, 42.0, "bpm", 0.9, bed="bed1", source="node") for i in range(100)]
    with path.open("wb") as file:
        writer = RecordingWriter(file, {"config": config})
        for one in sorted([*readings, *entries], key=lambda entry: entry.t):
            writer.add(one)
    return path


def moved(t, person):
    return Command("site", "bed1", t, f"c{t}", "nurse", site="AV", person=person)


def remembered(t, person):
    """The board's state when somebody was named by command before the recording began."""
    board = Board(
        {"bed1": AlarmRules()}, places=places_of(parse(PLAIN), Calibration.from_card(find_card("murmur").table))
    )
    if person:
        board.command(moved(t - 50.0, person))
    return MainState(t, board.snapshot(), {})


NOBODY_LISTENS = f"""{PLAIN}
[sources.node]
kind = "synthetic"
analyzers = ["pulse"]
"""


@pytest.mark.parametrize(
    ("entries", "config", "alarms"),
    [
        ([moved(1050.5, "p2")], PLAIN, 2),
        ([remembered(999.0, "p1"), moved(1050.5, "p2")], PLAIN, 2),
        ([remembered(999.0, "p2"), moved(1050.5, "p2")], PLAIN, 1),
        ([moved(1050.5, "p2"), remembered(1060.0, "p2"), moved(1070.5, "p2")], PLAIN, 2),
        ([moved(1050.5, "p2")], f'{PLAIN}[beds.bed1]\nperson = "p2"\n', 1),
        ([remembered(999.0, "p1"), moved(1050.5, "p2")], f'{PLAIN}[beds.bed1]\nperson = "p2"\n', 1),
        ([moved(1050.5, "p2")], NOBODY_LISTENS, 1),
    ],
    ids=[
        "the first who is named", "another than before", "the same as before", "named once, then again",
        "who is configured already", "configured anew since", "refused when it was asked",
    ],
)  # fmt: skip
def test_another_person_in_the_bed_is_another_alarm(tmp_path, files, capsys, entries, config, alarms):
    night = slow_night(tmp_path / "slow.evrec", *entries, config=config)
    now = tmp_path / "now.toml"
    now.write_text(PLAIN)
    assert call(night, "--config", now, "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["a"]["alarms"], told["b"]["alarms"], told["missed"], told["added"]) == (alarms, alarms, [], [])


def test_what_cannot_be_simulated_is_said(files, tmp_path):
    night, _, lower = files
    with pytest.raises(ConfigError, match="needs --config once"):
        call(night)
    with pytest.raises(SourceError, match="holds no readings to judge"):
        call(record(tmp_path / "none.evrec", []), "--config", lower)


def test_a_state_that_another_version_recorded_is_refused_in_one_line(tmp_path, files):
    _, _, lower = files
    saved = {"beds": {"bed1": {"auscultation": {"person": "p-17"}}}}
    night = slow_night(tmp_path / "old.evrec", MainState(1000.0, saved, {}, None))
    with pytest.raises(SourceError, match="another version of the program recorded it, and its states cannot"):
        call(night, "--config", lower)


def test_without_a_header_two_configurations_are_asked_for(files, capsys):
    night, _, lower = files
    raw = bytearray(night.read_bytes())
    raw[20] ^= 0xFF
    night.write_bytes(raw)
    with pytest.raises(ConfigError, match=r"the header is damaged.*; give --config twice"):
        call(night, "--config", lower)
    assert call(night, "--config", lower, "--config", lower) == 0
    assert "the header is damaged" in capsys.readouterr().err
    assert main(["replay", str(night)]) == 2
    assert "the header is damaged" in (told := capsys.readouterr().err)
    assert told.endswith("; name the configuration with --config\n")
    assert main(["replay", str(night), "--config", str(lower), "--exact"]) == 2
    assert "no [sources.NAME], and those of then are not known" in capsys.readouterr().err
    lower.write_text(lower.read_text() + '[sources.node]\nkind = "synthetic"\n')
    assert main(["replay", str(night), "--config", str(lower), "--exact"]) == 3
    assert main(["replay", str(night), "--alarm", "bed1/brady"]) == 1


def test_a_bed_that_the_configuration_does_not_name_is_judged_by_the_rules_of_every_bed(tmp_path, capsys):
    """By the rate of all lanes together, as a run would, and not by each of them."""
    night = tmp_path / "night.evrec"
    with night.open("wb") as file:
        writer = RecordingWriter(file, {"config": "[beds.icu4]\n"})
        for i in range(60):
            writer.add(Reading("ppg.hr", 1000.0 + i, 30.0, "bpm", 0.9, bed="icu4", source="node"))
            writer.add(Reading("fused.hr", 1000.0 + i, 70.0, "bpm", 0.9, bed="icu4"))
    other = tmp_path / "other.toml"
    other.write_text("[beds.bed1]\n")
    assert call(night, "--config", other) == 0
    assert "B: 0 alarms" in capsys.readouterr().out
