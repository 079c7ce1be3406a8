"""What time of day a recording's times were: counted back where the clock was set late, silent where it never was."""

from __future__ import annotations

import time
from datetime import datetime

import pytest

from edge.cli import main
from edge.cli._day_times import DayTimes
from edge.recording import ClockMark, Recording, RecordingWriter, Tick
from edge.types import SourceStatus

NEVER_SET = 1_690_000_000.0


@pytest.fixture
def zone(request):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TZ", request.param)
        time.tzset()
        yield
    time.tzset()


in_berlin = pytest.mark.parametrize("zone", ["Europe/Berlin"], indirect=True)


def unix(text):
    return datetime.fromisoformat(text).timestamp()


@pytest.fixture
def recorded(tmp_path):
    def make(wall, entries, mono=5000.0):
        path = tmp_path / "night.evrec"
        with path.open("wb") as file:
            writer = RecordingWriter(file, {"mono": mono, "wall": wall})
            for entry in entries:
                writer.add(entry)
        return Recording(path)

    return make


def ticks(recording):
    told = DayTimes(recording)
    return [told.line(one.t, "x") for one in told.watched(recording) if isinstance(one, Tick)]


@in_berlin
def test_days_and_the_end_of_summer_time_are_said_where_they_change(recorded, zone):
    start = unix("2026-10-24T23:59:00+02:00")
    hour = 3600.0
    night = recorded(start, [Tick(5000.0), Tick(5000.0 + 60.0), Tick(5000.0 + 2.5 * hour), Tick(5000.0 + 3.5 * hour)])
    assert ticks(night) == [
        "2026-10-24, UTC+02:00\n23:59:00  x",
        "2026-10-25, UTC+02:00\n00:00:00  x",
        "02:29:00  x",
        "2026-10-25, UTC+01:00\n02:29:00  x",
    ]


@in_berlin
def test_times_before_the_clock_was_set_are_counted_back(recorded, zone):
    set_at = unix("2026-10-24T22:00:00+02:00")
    night = recorded(
        NEVER_SET, [Tick(5001.0), ClockMark(5001.0, NEVER_SET + 1.0), ClockMark(5060.0, set_at), Tick(5061.0)]
    )
    assert ticks(night) == [
        "2026-10-24, UTC+02:00, counted back: the clock was not set\n21:59:01  x",
        "2026-10-24, UTC+02:00\n22:00:01  x",
    ]


def test_a_clock_that_was_never_set_says_nothing(recorded):
    night = recorded(NEVER_SET, [Tick(5000.0), ClockMark(5060.0, NEVER_SET + 60.0), Tick(5061.0)])
    assert ticks(night) == [
        "the clock was not set: times since the board's start\n1:23:20.0  x",
        "1:24:21.0  x",
    ]


@in_berlin
def test_a_clock_that_is_set_right_counts_from_then_on(recorded, zone):
    start = unix("2026-10-24T22:00:00+02:00")
    night = recorded(start, [Tick(5010.0), ClockMark(5020.0, start + 20.0 - 42.0), Tick(5020.0), Tick(5030.0)])
    assert ticks(night) == ["2026-10-24, UTC+02:00\n22:00:10  x", "21:59:38  x", "21:59:48  x"]


@pytest.mark.parametrize(
    ("wall", "time_of_day", "key"),
    [(1_792_872_000.0, "20:00:10", "2026-10-24T20:00:10.000Z"), (NEVER_SET, "1:23:30.0", None)],
)
@pytest.mark.parametrize("zone", ["UTC"], indirect=True)
def test_replay_says_when_it_was(recorded, zone, tmp_path, capsys, wall, time_of_day, key):
    recorded(wall, [SourceStatus("node", "bed1", 5010.0, "offline", "unplugged", since=5010.0)])
    config = tmp_path / "bedside.toml"
    config.write_text('[sources.node]\nkind = "synthetic"\nanalyzers = ["pulse"]\n')
    asked = ["replay", str(tmp_path / "night.evrec"), "--config", str(config)]
    assert main(asked) == 0
    assert f"{time_of_day:>8}  source node: offline unplugged" in capsys.readouterr().out.splitlines()
    assert main([*asked, "--jsonl"]) == 0
    assert f'"time":{"null" if key is None else chr(34) + key + chr(34)},' in capsys.readouterr().out
