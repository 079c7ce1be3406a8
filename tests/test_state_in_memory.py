"""A start beside a disk that hangs: beds are watched, and it is said that nothing is kept."""

from __future__ import annotations

import os
import threading

import pytest

from edge import state_in_memory
from edge.assembly import keeps_evidence
from edge.cli import main
from edge.config import parse
from edge.service import build_service
from edge.state_in_memory import answering
from source_and_sink import Kept

WAIT_S = 10.0


@pytest.fixture
def config(tmp_path):
    return parse(
        f'[device]\nname = "w"\nstate_dir = "{tmp_path}/state"\n[sinks.journal]\n[sinks.recorder]\n[sinks.evidence]\n'
        'quota_mb = 5\n[sources.patient]\nkind = "synthetic"\nanalyzers = ["pulse"]\npace = "max"\nseconds = 20\n'
    )


@pytest.fixture
def hung(monkeypatch):
    """A disk that answers when the test is over, and nobody who waits long for it."""
    answers = threading.Event()
    monkeypatch.setattr(state_in_memory, "START_S", 0.05)
    monkeypatch.setattr(state_in_memory, "_beat", lambda _folder: answers.wait(WAIT_S))
    yield
    answers.set()


def test_where_the_disk_answers_all_stays_as_it_is(config, tmp_path):
    (tmp_path / "state").mkdir()
    with answering(config) as found:
        assert found == (config, "")
    assert os.listdir(tmp_path / "state") == ["beat"]


def test_a_folder_that_is_not_there_yet_is_no_disk_that_hangs(config, tmp_path):
    with answering(config) as found:
        assert found == (config, "")
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("hung")
def test_where_it_hangs_the_state_lies_in_memory_and_nothing_grows_there(config, tmp_path):
    with answering(config) as (lent, why):
        assert set(lent.sinks) == {"evidence"}
        assert not keeps_evidence(lent)
        assert lent.state_dir.is_dir()
        assert (lent.sources, lent.beds, lent.device) == (config.sources, config.beds, config.device)
    assert f"the disk of {tmp_path}/state gave no answer for 0.05 s" in why
    assert not lent.state_dir.exists()
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("hung")
def test_the_beds_are_watched_all_the_same_and_an_alarm_says_what_is_lost(config, tmp_path):
    kept = Kept()
    with answering(config) as (lent, why):
        assert build_service(lent, console=False, sinks=[kept], unkept=why).run() == 0
    assert [(a.presence, a.text) for a in kept.alarms("outbox_full")] == [("on", why)]
    assert any(event.metric == "ppg.hr" for event in kept.events if hasattr(event, "metric"))
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("hung")
def test_the_command_begins_beside_such_a_disk(config, tmp_path, capsys):
    (tmp_path / "bedside.toml").write_text(config.text)
    assert main(["run", str(tmp_path / "bedside.toml")]) == 0
    assert "ppg.hr" in capsys.readouterr().out
    assert os.listdir(tmp_path) == ["bedside.toml"]
