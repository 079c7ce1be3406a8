"""A start beside a disk that hangs: beds are watched, and it is said that nothing is kept."""

from __future__ import annotations

import os
import shutil
import threading
from contextlib import closing

import pytest

from edge.assembly import ModelShelf, keeps_evidence
from edge.cli import main
from edge.clock import ManualClock
from edge.config import parse
from edge.program import state_in_memory
from edge.program.resume import resumed
from edge.program.service import build_service
from edge.program.state_in_memory import answering
from edge.sinks.outbox import Outbox
from edge.storage.disk import OUTBOX
from edge.storage.state_lock import only_one
from edge.types import DEVICE_BED, Command, ConfigError, Reading
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
        assert found == (config, None)
    assert os.listdir(tmp_path / "state") == ["beat"]


def test_a_folder_that_is_not_there_yet_is_no_disk_that_hangs(config, tmp_path):
    with answering(config) as found:
        assert found == (config, None)
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("hung")
def test_where_it_hangs_the_state_lies_in_memory_and_nothing_grows_there(config, tmp_path):
    with answering(config) as (lent, silent):
        assert set(lent.sinks) == {"evidence"}
        assert not keeps_evidence(lent)
        assert lent.state_dir.is_dir()
        assert (lent.sources, lent.beds, lent.device) == (config.sources, config.beds, config.device)
    assert silent == (tmp_path / "state", 0.05)
    assert not lent.state_dir.exists()
    assert os.listdir(tmp_path) == []


def outbox_of(service):
    return service.runtime.main._out._durable._outbox


@pytest.mark.usefixtures("hung")
def test_the_beds_are_watched_all_the_same_and_alarms_say_what_is_lost(config, tmp_path, monkeypatch):
    monkeypatch.setattr("edge.storage.disk_thread.WAIT_S", 0.05)
    monkeypatch.setattr("edge.sinks.outbox._CLOSE_S", 0.05)
    kept, answers = Kept(), threading.Event()
    with answering(config) as (lent, silent):
        service = build_service(lent, console=False, sinks=[kept], silent=silent)
        outbox_of(service)._ours = lambda: answers.wait(WAIT_S) and False
        assert service.run() == 0
        answers.set()
    assert [(a.presence, a.text) for a in kept.alarms("outbox_full")] == [
        (
            "on",
            f"alarms cannot be written to disk (no answer from {tmp_path}/state in 0.05 s; those before are unknown); they "
            "are sent all the same",
        )
    ]
    assert [(a.presence, a.text) for a in kept.alarms("recording_lost")] == [
        ("on", "neither recordings nor a journal are kept before the next start: the disk gave no answer at this one")
    ]
    assert any(event.metric == "ppg.hr" for event in kept.events if hasattr(event, "metric"))
    assert os.listdir(tmp_path) == []


@pytest.mark.usefixtures("hung")
def test_once_it_answers_alarms_and_state_go_there_nobody_else_may_and_the_alarm_is_over(config, tmp_path):
    clock, kept = ManualClock(100.0, wall=1_800_000_000.0), Kept()
    with answering(config) as (lent, silent):
        service = build_service(lent, clock=clock, console=False, sinks=[kept], silent=silent, boot="boot1")
        main = service.runtime.main
        with service.opened:
            for _ in range(3):
                while not main.mailbox.empty():
                    main.handle(main.mailbox.get())
                clock.advance(6.0)
                main.tick(clock.now())
                service.runtime._on_tick(main.readers)
            with pytest.raises(ConfigError, match="another edge-vitals runs there"), only_one(tmp_path / "state"):
                pass
            main.finish()
            main.close()
    assert [a.presence for a in kept.alarms("outbox_full")] == ["on", "off"]
    assert [a.presence for a in kept.alarms("recording_lost")] == ["on"]
    with only_one(tmp_path / "state"), closing(Outbox(tmp_path / "state" / OUTBOX, clock=clock, boot="boot2")) as box:
        of_device = [row for row in box.waiting() if row.alarm.bed == DEVICE_BED]
        assert [(row.boot, row.alarm.condition, row.alarm.presence) for row in of_device] == [
            ("boot1", "outbox_full", "on"),
            ("boot1", "recording_lost", "on"),
            ("boot1", "outbox_full", "off"),
        ]
        board, _ = resumed(config, "boot2", box, clock, ModelShelf())
        assert box.faults == []
        standing = [one for one in board.active() if one.bed == DEVICE_BED]
        assert [(one.condition, one.occurrence) for one in standing] == [
            ("recording_lost", "boot1._device.recording_lost.1")
        ]


@pytest.mark.usefixtures("hung")
def test_what_stood_stands_still_where_only_the_program_was_started_anew(config, tmp_path, monkeypatch):
    """What the run before said last is in the machine's memory; an alarm that nobody saw is not lost, nor numbered anew."""
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "run"))
    clock, kept = ManualClock(100.0, wall=1_800_000_000.0), Kept()
    killed = build_service(config, clock=clock, console=False, boot="boot1")
    killed.runtime.main.handle(Reading("fused.hr", 100.0, 0.0, quality=0.9, detail={"asystole": True}, bed="bed1"))
    killed.runtime.main.commit()
    shutil.copytree(tmp_path / "run", tmp_path / "died")
    killed.opened.close()
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "died"))
    with answering(config) as (lent, silent):
        service = build_service(lent, clock=clock, console=False, sinks=[kept], silent=silent, boot="boot2")
        main = service.runtime.main
        with service.opened:
            main.tick(clock.now())
            while not main.mailbox.empty():
                main.handle(main.mailbox.get())
            (stands,) = (one for one in main._board.active() if one.condition == "asystole")
            main.handle(Command("ack", "bed1", clock.now(), "c1", "nurse", occurrence=stands.occurrence))
            main.commit()
    assert (stands.occurrence, stands.presence, stands.seq) == ("boot1.bed1.asystole.1", "on", 1)
    (seen,) = kept.alarms("asystole")
    assert (seen.occurrence, seen.presence, seen.seq, seen.epoch) == (stands.occurrence, "ack", 2, "boot1")
    (said,) = kept.alarms("outbox_full")
    assert said.text.endswith("in 0.05 s); they are sent all the same")


@pytest.mark.usefixtures("hung")
def test_the_command_begins_beside_such_a_disk(config, tmp_path, capsys):
    (tmp_path / "bedside.toml").write_text(config.text)
    assert main(["run", str(tmp_path / "bedside.toml")]) == 0
    assert "ppg.hr" in capsys.readouterr().out
    assert {"outbox.sqlite", "lock"} <= set(os.listdir(tmp_path / "state")), "it answers by now"
