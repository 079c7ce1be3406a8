"""The fault campaign: its judge finds every kind of fault, and in its short form the product passes."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OFFSET_S = 1_790_000_000.0


@pytest.fixture
def judge():
    before = list(sys.path)
    sys.path.insert(0, str(ROOT / "tools"))
    from campaign import verdict

    yield verdict
    sys.path[:] = before


def said(seq, presence="on", *, t=None, bed="bed1", line="one", occurrence="b.1"):
    t = 100.0 + seq if t is None else t
    alarm = f"{bed}/sensor_off/{line}"
    return {"alarm": alarm, "bed": bed, "seq": seq, "occurrence": occurrence, "presence": presence, "t": t, "boot": "b"}


def heard(one, delay_s=0.01, **changed):
    from campaign.nurse import Message

    fields = {
        "id": one["alarm"], "bed": one["bed"], "seq": one["seq"], "occurrence": one["occurrence"],
        "presence": one["presence"], "mono": one["t"], "boot": "b", "historical": delay_s > 10,
        "t": datetime.fromtimestamp(one["t"] + OFFSET_S, UTC).isoformat(), **changed,
    }  # fmt: skip
    return Message(one["t"] + delay_s, f"vitals/d/{one['bed']}/event", fields, False)


TOLD = [said(1), said(2, "ack"), said(3, "off"), said(4, occurrence="b.2")]


@pytest.fixture
def events(judge):
    """Judges what was heard of ``TOLD``; gives the verdict."""

    def judged(messages, told=TOLD, **more):
        found = judge.Verdict("x")
        judge.judge_events(found, told, messages, **{"wall_offsets": [OFFSET_S], "killed": False, **more})
        return found

    return judged


def test_everything_once_is_right_and_so_is_everything_twice_in_a_row(judge, events):
    record = [heard(one) for one in TOLD]
    verdict = events([*record, *record])
    assert verdict.wrong == []
    assert (verdict.told, verdict.received, verdict.repeated, verdict.lost, verdict.late) == (4, 4, 4, 0, 0)
    assert verdict.latency_ms == pytest.approx((10.0, 10.0))


def test_late_and_said_to_be_late_is_right(judge, events):
    verdict = events([heard(one, 60.0) for one in TOLD])
    assert (verdict.wrong, verdict.late) == ([], 4)


@pytest.mark.parametrize(
    ("spoil", "said_of_it"),
    [
        (lambda r: r[:2] + r[3:], "1 transitions lost"),
        (lambda r: r[:3], "1 transitions lost"),
        (lambda r: [r[0], r[2], r[1], r[3]], "not gapless and in order"),
        (lambda r: [*r, heard(said(5))], "1 transitions that never were"),
        (lambda r: [*r[:3], heard(TOLD[3], presence="ack")], "1 transitions changed"),
        (lambda r: [*r[:3], heard(TOLD[3], 60.0, historical=False)], "not historical"),
        (lambda r: [*r[:3], heard(TOLD[3], t="2026-01-01T00:00:00Z")], "dishonest times"),
        (lambda r: [*r[:3], heard(TOLD[3], mono=1.0)], "dishonest times"),
    ],
)
def test_what_is_lost_late_wrong_or_out_of_order_is_found(judge, events, spoil, said_of_it):
    verdict = events(spoil([heard(one) for one in TOLD]))
    assert any(said_of_it in text for text in verdict.wrong), verdict.wrong


def test_a_killed_run_may_have_written_what_it_did_not_say_but_never_left_a_gap(judge, events):
    record = [heard(one) for one in TOLD]
    assert events([*record, heard(said(5))], killed=True).wrong == []
    assert any("gapless" in text for text in events([*record, heard(said(6))], killed=True).wrong)


def test_numbers_never_begin_again(judge, events):
    told = [*TOLD, said(1, t=200.0, occurrence="c.1")]
    assert any("gapless" in text for text in events([heard(one) for one in told], told).wrong)


def test_retained_alarms_must_be_exactly_those_that_stand(judge):
    def standing(retained):
        verdict = judge.Verdict("x")
        judge.judge_standing(verdict, TOLD, retained, "vitals/d")
        return verdict.wrong

    online = {"vitals/d/status": {"state": "online"}}
    true = {**online, "vitals/d/bed1/alarm/sensor_off/one": {"occurrence": "b.2", "presence": "on"}}
    assert standing(true) == []
    assert "stale" in standing(online)[0]
    assert "stale" in standing({**true, "vitals/d/bed1/alarm/af": {"occurrence": "z", "presence": "on"}})[0]
    assert "status" in standing({**true, "vitals/d/status": {"state": "offline"}})[0]


def test_old_readings_and_growing_memory_are_found(judge):
    from campaign.nurse import Message

    def reading(age_s, **fields):
        return Message(100.0 + age_s, "vitals/d/bed1/reading/x", {"mono": 100.0, "reason": "", **fields}, False)

    verdict = judge.Verdict("x")
    judge.judge_readings(verdict, [reading(1.0, value=60.0), reading(50.0, value=None, reason="motion")])
    judge.judge_memory(verdict, 60_000, 70_000, 12)
    assert verdict.wrong == []
    judge.judge_readings(verdict, [reading(50.0, value=60.0), reading(1.0, value=None)])
    judge.judge_memory(verdict, 60_000, 160_000, 200)
    assert len(verdict.wrong) == 4


def test_its_faults_can_be_named_one_by_one():
    command = [sys.executable, str(ROOT / "tools" / "faults.py"), "--list"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    names = {line.split()[0] for line in listed}
    assert {"broker-killed", "killed-9", "disk-full", "outbox-corrupted", "clock-stepped", "camera-frozen"} <= names
    assert all(len(line.split()) > 3 for line in listed)
    refused = subprocess.run([*command[:-1], "--only", "no-such"], capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "no-such" in refused.stderr


@pytest.mark.slow
def test_the_short_campaign_loses_nothing(new_mosquitto):
    command = [sys.executable, str(ROOT / "tools" / "faults.py"), "--short"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, env=dict(os.environ))
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 failed" in done.stdout
