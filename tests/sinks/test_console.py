"""The console: alarms and sources always, readings when they change, colour only on a terminal."""

from __future__ import annotations

import io
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import ManualClock
from edge.sinks.console import Console, build
from edge.types import Alarm, Command, CommandResult, Reading, SourceStatus, Stats


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Gone(io.StringIO):
    """A pipe whose reader has left."""

    def flush(self):
        raise BrokenPipeError


def reading(value, metric="ppg.hr", unit="bpm", reason="", bed="bed1", source="node"):
    return Reading(metric, 12.0, value, unit, 0.0 if reason else 1.0, reason, bed=bed, source=source)


def alarm(presence="on", priority="high", **more):
    return Alarm("bed1/tachy", "o1", "physiological", priority, presence, 3.25, "Too fast", "tachy", "bed1", **more)


def lines(*events, stream=None, **kw):
    out = stream or io.StringIO()
    console = Console(out, **kw)
    for event in events:
        console.send(event)
    assert console.flush(1.0)
    console.close()
    return out.getvalue().splitlines()


def test_an_alarm_is_a_line_every_time():
    assert lines(alarm(), alarm(), alarm("off"), readings=False) == [
        "         3.2 ALARM on       high    bed1/tachy: Too fast",
        "         3.2 ALARM on       high    bed1/tachy: Too fast",
        "         3.2 ALARM off      high    bed1/tachy: Too fast",
    ]


def test_who_was_asked_is_said_for_as_long_as_the_alarm_stands():
    asked = {"asked": ["station"], "received": "", "annunciator": True, "nobody": False}
    assert lines(alarm(delivery=asked), alarm("off", delivery=asked)) == [
        "         3.2 ALARM on       high    bed1/tachy: Too fast (not confirmed, ringing at the bed; asked: station)",
        "         3.2 ALARM off      high    bed1/tachy: Too fast",
    ]


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (SourceStatus("node", "bed1", 5.0, "online"), "source node online"),
        (SourceStatus("node", "bed1", 5.0, "offline", "unplugged"), "source node offline: unplugged"),
        (SourceStatus("node", "bed1", 5.0, "online", blind_s=2.25), "source node online, blind for 2.2 s"),
    ],
)
def test_a_source_is_told_with_why_and_how_long_nothing_was_seen(status, line):
    assert lines(status, readings=False) == [f"         5.0 {line}"]


@pytest.mark.parametrize(
    ("event", "said"),
    [
        (reading(61.4), "bed1/node        ppg.hr         61 bpm"),
        (reading(-9.994), "bed1/node        ppg.hr         -9.99 bpm"),
        (reading(0.25, "pcg.murmur", ""), "bed1/node        pcg.murmur     0.25"),
        (reading("af", "ppg.rhythm", ""), "bed1/node        ppg.rhythm     af"),
        (reading(None, reason="sensor_off"), "bed1/node        ppg.hr         -- (sensor off)"),
        (reading(70.0, "fused.hr", source=""), "bed1             fused.hr       70 bpm"),
    ],
)
def test_a_reading_says_its_value_or_why_there_is_none(event, said):
    assert lines(event) == [f"        12.0 {said}"]


def test_a_reading_is_said_again_only_when_it_changed():
    values = [60.0, 62.9, 57.1, 63.0, 65.9, None, None, 66.0]
    said = [line.split()[3] for line in lines(*(reading(v, reason="" if v else "motion") for v in values))]
    assert said == ["60", "63", "--", "66"]


def test_each_bed_source_and_metric_is_judged_for_itself():
    events = [reading(60.0), reading(60.0, bed="bed2"), reading(60.0, source="cam"), reading(60.0, "camera.hr")]
    assert len(lines(*events, *events)) == 4


def test_a_slow_drift_is_followed():
    said = [float(line.split()[3]) for line in lines(*(reading(60.0 + step) for step in range(31)))]
    assert said == [60.0 + 3 * step for step in range(11)]


def test_what_is_for_machines_is_left_out():
    quiet = [reading(0.9, "ppg.quality", ""), reading(3.0, "fused.spread")]
    others = [CommandResult(Command("ack", "bed1", 1.0, "c", "n"), 1.0, True), Stats(1.0, {})]
    assert lines(*quiet, *others) == []
    assert lines(reading(60.0), readings=False) == []


@pytest.mark.parametrize(
    ("event", "colour"),
    [
        (alarm("on", "high"), "\x1b[1;31m"),
        (alarm("latched", "medium"), "\x1b[33m"),
        (alarm("off", "high"), "\x1b[2m"),
        (SourceStatus("node", "bed1", 1.0, "offline"), "\x1b[2m"),
    ],
)
def test_colour_is_for_terminals_only(event, colour):
    (plain,) = lines(event)
    assert "\x1b" not in plain
    assert lines(event, stream=Terminal()) == [f"{colour}{plain}\x1b[0m"]
    assert "\x1b" not in lines(reading(60.0), stream=Terminal())[0]


@given(st.lists(st.one_of(st.none(), st.floats(20.0, 250.0)), max_size=40))
def test_what_was_last_said_is_never_far_from_what_is_so(values):
    out = io.StringIO()
    console, truth = Console(out), []
    for value in values:
        console.send(reading(value, reason="" if value else "motion"))
        said = out.getvalue().splitlines()[-1].split()[3]
        truth.append(said == "--" if value is None else said != "--" and abs(float(said) - value) <= 3.5)
    assert all(truth)


def test_a_reader_that_has_gone_does_not_stop_the_end():
    console = Console(Gone())
    assert console.flush(1.0) is False
    console.close()


def test_it_prints_where_the_program_prints(capsys):
    noon = datetime(2026, 3, 1, 12, 0, 0).astimezone().timestamp()
    console = build(clock=ManualClock(now=5.0, wall=noon + 5.0), readings=False)
    console.send(alarm())
    console.send(reading(60.0))
    assert capsys.readouterr().out == "12:00:03 ALARM on       high    bed1/tachy: Too fast\n"


def test_a_reader_that_left_is_said_once_and_nothing_raises(caplog):
    class Left(io.StringIO):
        tried = 0

        def write(self, text):
            Left.tried += 1
            raise BrokenPipeError(32, "Broken pipe")

    console = Console(Left())
    console.send(alarm())
    console.send(alarm())
    assert Left.tried == 1
    assert [r.message for r in caplog.records] == [
        "the console cannot be written to (Broken pipe); it is silent from now on"
    ]


def test_a_terminal_that_wants_no_colour_gets_none(monkeypatch):
    lines = []
    for value in ("", "1"):
        monkeypatch.setenv("NO_COLOR", value)
        terminal = Terminal()
        Console(terminal).send(reading(None, reason="motion"))
        Console(terminal).send(Alarm("bed1/af", "o", "physiological", "high", "on", 1.0, "AF", "af", "bed1"))
        lines.append("\x1b" in terminal.getvalue())
    assert lines == [True, False]
