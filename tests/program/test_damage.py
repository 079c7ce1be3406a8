"""What the service cannot read it says, and numbers go on, or say that they do not."""

from __future__ import annotations

import json
import sqlite3

import pytest

from edge.config import parse
from edge.program.service import build_service
from edge.program.state_disk import DAMAGE_TOLD_S
from edge.sinks._outbox.copy import StateCopy
from outbox_on_disk import header_lost
from service_runs import CONFIG, command, fast
from source_and_sink import Kept


def spoil(folder, what, *entries):
    """Write something else where the board's state lies, or ``entries`` of it."""
    db = sqlite3.connect(folder / "outbox.sqlite")
    with db:
        rows = [(entry, what) for entry in entries or ["board"]]
        db.executemany("insert or replace into state values (?, ?)", rows)
    db.close()


# ---- what cannot be read ----------------------------------------------------------------------------------

DAMAGED = {
    "no JSON": b"\xff\x00",
    "cut short": b'{"version": 1, "boot": "x", "be',
    "another version": json.dumps({"version": 99}).encode(),
    "no object": b"[]",
    "null": b"null",
    "a number": b"3",
    "without its parts": json.dumps({"version": 1, "boot": "x", "beds": {}}).encode(),
    "a bed without its parts": json.dumps({"version": 1, "boot": "x", "t": 1.0, "beds": {"bed1": {}}}).encode(),
    "times that are none": json.dumps({"version": 1, "boot": "x", "t": "noon", "beds": {}}).encode(),
}


@pytest.mark.parametrize("what", DAMAGED.values(), ids=DAMAGED)
def test_a_state_that_cannot_be_read_is_left_behind_and_said_to_be(run, folder, clock, what):
    run(fast(clock))
    spoil(folder, what)
    for path in folder.glob("outbox.copy.*"):
        path.unlink()
    sink = run(fast(clock))
    (said,) = sink.alarms("outbox_full")
    assert (said.bed, said.presence, said.kind) == ("_device", "on", "technical")
    assert "the alarm state was not readable" in said.text
    assert [a.presence for a in sink.alarms("tachy")] == ["on"]


def test_the_next_run_finds_a_state_again(run, folder, clock):
    run()
    spoil(folder, b"null")
    (on,) = run(fast(clock)).alarms("tachy")
    (acked,) = run(command("ack", clock, id="bed1/tachy")).alarms("tachy")
    assert (acked.occurrence, acked.seq) == (on.occurrence, on.seq + 1)


def test_a_damaged_outbox_is_a_technical_alarm_and_the_service_runs(run, folder, clock, outbox_after):
    run(fast(clock))
    (folder / "outbox.sqlite").write_bytes(b"no database at all" * 500)
    clock.advance(5.0)
    sink = run(command("ack", clock, id="bed1/tachy"))
    (said,) = sink.alarms("outbox_full")
    assert "the outbox was damaged" in said.text
    assert [a.presence for a in sink.alarms("tachy")] == ["ack"]
    assert {row.alarm.condition for row in outbox_after().waiting()} == {"outbox_full", "tachy"}


def test_the_alarm_of_a_damaged_outbox_ends_after_an_hour_by_itself(folder, clock):
    sink = Kept()
    folder.mkdir()
    (folder / "outbox.sqlite").write_bytes(b"no database at all" * 500)
    service = build_service(parse(CONFIG.format(folder=folder)), clock=clock, console=False, sinks=[sink])
    runtime = service.runtime
    with service.opened:
        for advance_s, presences in ((0.0, ["on"]), (DAMAGE_TOLD_S - 1.0, ["on"]), (1.0, ["on"]), (6.0, ["on", "off"])):
            clock.advance(advance_s)
            runtime._on_tick(())
            while runtime._take(0.0):
                pass
            runtime.main.tick(clock.now())
            alarms = [a for a in sink.alarms("outbox_full") if a.evidence["change"] != "realarmed"]
            assert [a.presence for a in alarms] == presences


def test_a_condition_the_program_no_longer_knows_does_not_stop_it(run, folder, clock):
    run(fast(clock))
    db = sqlite3.connect(folder / "outbox.sqlite")
    (state,) = db.execute("select value from state").fetchone()
    db.close()
    known = {key: value for key, value in json.loads(state).items() if key != "crc"}
    spoil(folder, json.dumps(known).encode().replace(b"bed1/tachy", b"bed1/older"))
    assert [a.presence for a in run(fast(clock)).alarms("tachy")] == ["on"]


# ---- the outbox damaged: numbers go on, or say that they do not ---------------------------------------------


def all_lost(content):
    return b"\xff" * len(content)


def damage(folder, how):
    path = folder / "outbox.sqlite"
    path.write_bytes(how(path.read_bytes()))


@pytest.mark.parametrize("how", [header_lost, all_lost])
def test_numbers_and_what_stands_go_on_over_a_damaged_outbox(run, clock, folder, how):
    said = goes_on(run, clock, lambda: damage(folder, how))
    assert "the outbox was damaged" in said.text


@pytest.mark.parametrize("what", DAMAGED.values(), ids=DAMAGED)
def test_for_a_state_that_cannot_be_read_the_second_copy_stands_in(run, folder, clock, what):
    said = goes_on(run, clock, lambda: spoil(folder, what))
    assert "not readable" in said.text


def test_a_record_of_watching_that_is_unreadable_too_does_not_keep_the_second_copy_from_standing_in(run, folder, clock):
    said = goes_on(run, clock, lambda: spoil(folder, b"\xff\x00", "board", "coverage"))
    assert "not readable" in said.text


def goes_on(run, clock, harm):
    """An alarm that was raised before the harm is acknowledged after it, numbers unbroken; the alarm about the harm."""
    (on,) = run(fast(clock)).alarms("tachy")
    clock.advance(5.0)
    harm()
    sink = run(command("ack", clock, id="bed1/tachy"))
    (acked,) = sink.alarms("tachy")
    assert (acked.presence, acked.occurrence, acked.seq, acked.epoch) == ("ack", on.occurrence, on.seq + 1, on.epoch)
    (said,) = sink.alarms("outbox_full")
    assert said.presence == "on"
    return said


def test_after_a_power_cut_that_cost_the_outbox_numbers_begin_a_new_epoch(run, clock, folder):
    (on,) = run(fast(clock)).alarms("tachy")
    clock.advance(5.0)
    last = StateCopy(folder / "outbox.copy").read()
    damage(folder, all_lost)
    before = StateCopy(folder / "outbox.copy", machine="the start before the power cut")
    before.write(last.turn + 1, last.state)
    (acked,) = run(command("ack", clock, id="bed1/tachy")).alarms("tachy")
    before.close()
    assert (acked.presence, acked.occurrence) == ("ack", on.occurrence)
    assert acked.epoch != on.epoch
    assert acked.seq > on.seq + 1000


def test_where_everything_is_lost_numbers_begin_at_one_in_a_new_epoch(run, clock, folder):
    (on,) = run(fast(clock)).alarms("tachy")
    clock.advance(5.0)
    damage(folder, all_lost)
    for path in folder.glob("outbox.copy.*"):
        path.unlink()
    (new,) = run(fast(clock)).alarms("tachy")
    assert (new.seq, on.seq) == (1, 1)
    assert new.epoch != on.epoch
    assert new.occurrence != on.occurrence
