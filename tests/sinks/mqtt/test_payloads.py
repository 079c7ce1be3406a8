"""What a source's status says of how much was watched."""

from __future__ import annotations

import json

from edge.clock import ManualClock
from edge.sinks._mqtt.payloads import Payloads
from edge.types import SourceStatus

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


def test_a_change_of_state_has_none():
    payloads = Payloads(ManualClock(), "boot")
    assert "coverage" not in json.loads(payloads.source(SourceStatus("node", "bed1", 0.0, "offline", "unplugged")))
