"""Where recordings and history go that a full disk does not take: what waits is there as soon as it has room."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edge.clock import ManualClock
from edge.sinks.evidence import build
from edge.sinks.history import History
from edge.types import Alarm, ConfigError

ALARM = Alarm(
    "bed1/af", "b.bed1.af.1", "physiological", "medium", "on", 120.0, "AF", "af", "bed1",
    since=115.0, seq=1, evidence={"change": "raised"},
)  # fmt: skip


@pytest.fixture
def evidence(tmp_path):
    made = []

    def make(**settings):
        layout = {"bed1": {"sources": {"node": "serial_port"}}}
        made.append(build(clock=ManualClock(120.0), boot="b", state_dir=tmp_path, layout=layout, **settings))
        return made[-1]

    yield make
    for one in made:
        one.close()


def refuses(number):
    def mkdir(*_, **__):
        raise OSError(number, os.strerror(number))

    return mkdir


def test_where_the_disk_is_full_from_the_start_the_folder_is_made_when_it_has_room(evidence, tmp_path, monkeypatch):
    with monkeypatch.context() as full:
        full.setattr(Path, "mkdir", refuses(errno.ENOSPC))
        one = evidence()
    one.record(ALARM)
    assert one.flush(5.0)
    assert [path.name for path in (tmp_path / "evidence").iterdir()] == ["b.bed1.af.1.evrec"]


def test_a_folder_that_may_not_be_made_is_an_error_of_the_configuration(evidence, monkeypatch):
    with monkeypatch.context() as refused:
        refused.setattr(Path, "mkdir", refuses(errno.EACCES))
        with pytest.raises(ConfigError, match=r"evidence: cannot be written: .*Permission denied"):
            evidence()


def test_an_alarm_that_the_disk_refused_for_the_history_is_in_it_after_the_end(evidence, tmp_path):
    one = evidence(quota_mb=0)
    assert one.flush(5.0)
    one.history._db.execute("pragma query_only = 1")
    one.send(ALARM)
    assert one.flush(5.0)
    one.history._db.execute("pragma query_only = 0")
    one.close()
    again = History(tmp_path / "history.sqlite")
    assert [row["occurrence"] for row in again.occurrences()] == ["b.bed1.af.1"]
    again.close()
