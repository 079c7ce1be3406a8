"""Log lines are objects with ids, whatever is in them."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys

import pytest

from edge.program.logs import JsonFormatter, LogSink
from edge.types import Alarm, SourceStatus


@pytest.fixture
def lines():
    out = io.StringIO()
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonFormatter({"device": "ward", "boot": "b1"}))
    logger = logging.getLogger("edge")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lambda: [json.loads(line) for line in out.getvalue().splitlines()]
    logger.removeHandler(handler)
    logger.setLevel(level)


def test_every_line_carries_device_and_boot_and_an_alarm_its_ids_and_a_source_is_told_when_it_changes(lines):
    sink = LogSink()
    sink.send(Alarm("bed1/af", "o1", "physiological", "medium", "on", 1.0, "AF\nlikely", "af", "bed1", seq=4))
    sink.send(SourceStatus("node", "bed1", 2.0, "offline", "unplugged"))
    sink.send(SourceStatus("node", "bed1", 60.0, "offline", "unplugged", coverage={"ppg.hr": {}}))
    alarm, source = lines()
    assert {**alarm, "device": "ward", "boot": "b1"} == alarm
    assert (alarm["alarm"], alarm["occurrence"], alarm["seq"], alarm["level"]) == ("bed1/af", "o1", 4, "warning")
    assert (source["source"], source["text"]) == ("node", "source offline unplugged")


def test_an_exception_stays_one_line(lines):
    try:
        raise ValueError("bad")
    except ValueError:
        logging.getLogger("edge.x").exception("failed")
    (line,) = lines()
    assert "ValueError: bad" in line["error"]


def test_the_service_logs_in_json(tmp_path):
    config = tmp_path / "c.toml"
    config.write_text(
        '[device]\nname = "ward"\nstate_dir = "s"\n[sources.node]\nkind = "synthetic"\nseconds = 3\npace = "max"\n'
    )
    command = [sys.executable, "-m", "edge", "run", str(config), "--log", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    told = [json.loads(line) for line in done.stderr.splitlines()]
    assert any(line.get("source") == "node" for line in told)
    assert {line["device"] for line in told} == {"ward"}
    assert len({line["boot"] for line in told}) == 1
