"""A disk that is full or failed when the service starts: beds are watched all the same, and it says what it cannot do."""

from __future__ import annotations

import json
import logging
import resource
import shutil
import signal
import subprocess
import sys

import pytest

from edge.assembly import refusals
from edge.config import parse
from edge.program.service import build_service
from edge.recording.batches import BatchedRecording
from edge.storage.state_lock import only_one
from edge.types import ConfigError, Fault
from full_disk import full_disk
from read_only import read_only
from service_runs import CONFIG, fast
from source_and_sink import Kept

EVERYTHING = (
    CONFIG
    + """
[sinks.journal]
[sinks.recorder]
keep_free_mb = 0
"""
)


def test_a_recording_of_an_alarm_that_another_disk_does_not_take_is_told(folder, clock, monkeypatch):
    def refuses(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("edge.storage.whole_files._sync", refuses)
    sink = Kept()
    settings = CONFIG.format(folder=folder) + f'[sinks.evidence]\npath = "{folder / "other"}"\n'
    service = build_service(parse(settings), clock=clock, console=False, sinks=[sink])
    main = service.runtime.main
    with service.opened:
        main.handle(Fault("name_clash", clock.now(), True))
        (evidence,) = (one for one in main._out._sinks if type(one).__name__ == "Evidence")
        assert not evidence.flush(10.0)
        service.runtime._on_tick(main.readers)
        main.handle(main.mailbox.get_nowait())
        main.commit()
        (told,) = sink.alarms("recording_lost")
        assert told.text == "the recordings of alarms are not kept: Input/output error"
        assert (told.bed, told.presence, told.priority) == ("_device", "on", "low")
        assert sink.alarms("outbox_full") == []


def test_alarms_are_raised_and_the_full_disk_is_one_until_there_is_room(
    folder, clock, outbox_after, caplog, monkeypatch
):
    sink, recordings, record = Kept(), set(), BatchedRecording.record
    monkeypatch.setattr(BatchedRecording, "record", lambda one, entry: (recordings.add(one), record(one, entry)))
    with full_disk():
        service = build_service(
            parse(EVERYTHING.format(folder=folder)), clock=clock, console=False, sinks=[sink], record=folder / "a.evrec"
        )
        main = service.runtime.main
        main.mailbox.put(fast(clock))

        def turn(seconds):
            while not main.mailbox.empty():
                main.handle(main.mailbox.get())
            main.commit()
            clock.advance(seconds)
            main.tick(clock.now())
            service.runtime._on_tick(main.readers)

        turn(1.0)
        (said,) = sink.alarms("outbox_full")
        assert (said.bed, said.presence) == ("_device", "on")
        assert said.text == "alarms cannot be written to disk (File too large); they are sent all the same"
        assert [a.presence for a in sink.alarms("tachy")] == ["on"]
        turn(30.0)
        (unkept,) = sink.alarms("recording_lost")
        assert (unkept.bed, unkept.presence, unkept.priority) == ("_device", "on", "low")
        assert [a.presence for a in sink.alarms("outbox_full")] == ["on"]
    assert len(recordings) == 2
    for _ in range(4):
        turn(6.0)
        for one in recordings:
            one.flush(60.0)
    assert [a.presence for a in sink.alarms("outbox_full")] == ["on", "off"]
    assert sink.alarms("recording_lost")[-1].presence == "off"
    with service.opened:
        main.finish()
        main.close()
    assert {row.alarm.condition for row in outbox_after().waiting()} >= {"outbox_full", "tachy"}
    said = [one.getMessage() for one in caplog.records if one.levelno >= logging.ERROR]
    for part in ("evidence: ", "recorder: ", "a.evrec: "):
        assert any(part in line and "File too large" in line for line in said)


@pytest.mark.parametrize("ended", ["stopped", "killed"])
def test_a_disk_that_is_read_only_since_the_last_run_keeps_nobody_from_watching(
    folder, clock, run, ended, tmp_path, outbox_after
):
    """What waits on it is sent, what stood stands, what is new goes out from memory; an alarm says what is wrong."""
    if ended == "stopped":
        run(fast(clock), config=EVERYTHING)
    else:
        killed = build_service(parse(EVERYTHING.format(folder=tmp_path / "other")), clock=clock, console=False)
        killed.runtime.main.handle(fast(clock))
        killed.runtime.main.commit()
        shutil.copytree(tmp_path / "other", folder)
        killed.opened.close()
    sink = Kept()
    with read_only(folder), only_one(folder):
        waiting = [row.alarm.condition for row in outbox_after().waiting()]
        config = parse(EVERYTHING.format(folder=folder))
        assert list(refusals(config)) == []
        service = build_service(config, clock=clock, console=False, sinks=[sink], boot="second")
        service.runtime.post(Fault("clock_step", clock.now(), True, "jumped"))
        assert service.run() == 0
    assert waiting == ["tachy"]
    assert [a.presence for a in sink.alarms("clock_step")] == ["on"]
    (said,) = sink.alarms("outbox_full")
    assert said.text == "alarms cannot be written to disk (Read-only file system); they are sent all the same"


def test_a_read_only_place_that_nobody_wrote_to_is_a_mistake(folder, clock):
    folder.mkdir()
    with read_only(folder), pytest.raises(ConfigError, match="cannot keep state there: Read-only file system"):
        build_service(parse(CONFIG.format(folder=folder)), clock=clock, console=False)


NODE = """
[sources.node]
kind = "synthetic"
analyzers = ["pulse"]
[sinks.recorder]
keep_free_mb = 0
batch_s = 1
"""


@pytest.mark.slow
def test_a_disk_that_fills_up_during_a_run_is_an_alarm_before_any_other_alarm_comes(folder, tmp_path):
    """The program itself, which is told of nothing but that its files may not grow."""
    config = tmp_path / "c.toml"
    config.write_text(CONFIG.format(folder=folder) + NODE)
    command = [sys.executable, "-u", "-m", "edge", "run", str(config), "--quiet", "--log", "json"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as program:
        try:
            beats = folder / "beat"
            lines = (json.loads(line) for line in iter(program.stderr.readline, ""))
            while not beats.exists():
                assert program.poll() is None
            _, hard = resource.prlimit(program.pid, resource.RLIMIT_FSIZE)
            resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (0, hard))
            told = alarms(lines, 1) | alarms(lines, 1)
            resource.prlimit(program.pid, resource.RLIMIT_FSIZE, (hard, hard))
            over = alarms(lines, 2)
            program.send_signal(signal.SIGTERM)
            assert program.wait(20.0) == 0
        finally:
            program.kill()
    refused, unkept = "alarms cannot be written to disk", "recordings are not kept: File too large"
    assert told["_device/outbox_full"].startswith(f"alarm on: {refused}")
    assert over["_device/outbox_full"].startswith(f"alarm off: {refused}")
    assert told["_device/recording_lost"] == f"alarm on: {unkept}"
    assert over["_device/recording_lost"] == f"alarm off: {unkept}"


def alarms(lines, count):
    """The next so many alarms of a log, by id."""
    found = {}
    for line in lines:
        if "alarm" in line:
            found[line["alarm"]] = line["text"]
        if len(found) == count:
            return found
    raise AssertionError(f"the program ended; {found}")
