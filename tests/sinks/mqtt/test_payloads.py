"""What a source's status says of how much was watched."""

from __future__ import annotations

import json

import pytest

from edge.clock import ManualClock
from edge.sinks._mqtt.payloads import Payloads
from edge.types import Alarm, SourceStatus

BLIND = [{"start": 10.0 * k, "end": 10.0 * k + 2.0, "cause": "motion"} for k in range(12)]


def test_coverage_has_shares_and_the_latest_blind_intervals_in_wall_time():
    payloads = Payloads(ManualClock(now=200.0, wall=1_800_000_200.0), "boot")
    covered = {"ppg.hr": {"hour": 0.98765, "day": None, "blind": BLIND}}
    told = json.loads(payloads.source(SourceStatus("node", "bed1", 200.0, "online", since=5.0, coverage=covered)))
    assert told["state"] == "online"
    row = told["coverage"]["ppg.hr"]
    assert (row["hour"], row["day"], len(row["blind"])) == (0.9877, None, 8)
    assert row["blind"][-1] == {
        "start": "2027-01-15T08:01:50.000Z",
        "end": "2027-01-15T08:01:52.000Z",
        "cause": "motion",
    }


@pytest.mark.parametrize(
    ("wall", "kept", "synced"),
    [(1_000.0, True, False), (1_800_000_000.0, False, False), (1_800_000_000.0, True, True)],
)
def test_whether_the_clock_is_kept_is_told_with_everything(wall, kept, synced):
    assert Payloads(ManualClock(now=50.0, wall=wall, kept=kept), "b").stamp(50.0)["clock_synced"] is synced


def test_a_brief_alarm_has_of_its_evidence_only_what_changed():
    evidence = {"change": "raised", "span": [1, 5]}
    alarm = Alarm("bed1/af", "o1", "physiological", "medium", "on", 5.0, "AF", "af", "bed1", evidence=evidence)
    payloads = Payloads(ManualClock(now=5.0), "b")
    told, brief = (json.loads(payloads.alarm(alarm, brief=brief)) for brief in (False, True))
    assert told.pop("evidence") == evidence
    assert brief.pop("evidence") == {"change": "raised"}
    assert told == brief


def test_a_change_of_state_has_none():
    payloads = Payloads(ManualClock(), "boot")
    assert "coverage" not in json.loads(payloads.source(SourceStatus("node", "bed1", 0.0, "offline", "unplugged")))
