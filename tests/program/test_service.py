"""A service goes on where it was: alarms, acknowledgements, pauses, numbers."""

from __future__ import annotations

import socket
import sqlite3
import threading
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from edge.clock import ManualClock
from edge.config import parse
from edge.program.service import build_service, hops_of
from edge.types import BedStatus, CommandResult, ConfigError, Reading
from service_runs import CONFIG, command, fast
from source_and_sink import Kept


def test_every_transition_is_in_the_outbox_and_seen_by_the_sinks(run, clock, outbox_after):
    sink = run(fast(clock), fast(clock, "bed2"))
    (first,), (second,) = ([a for a in sink.alarms("tachy") if a.bed == bed] for bed in ("bed1", "bed2"))
    assert (first.presence, first.seq, second.seq) == ("on", 1, 1)
    assert [row.alarm.id for row in outbox_after().waiting()] == [first.id, second.id]


def test_an_alarm_stands_after_a_restart_and_an_acknowledged_one_stays_so(run, clock):
    (on,) = run(fast(clock)).alarms("tachy")
    clock.advance(5.0)
    (acked,) = run(command("ack", clock, id="bed1/tachy")).alarms("tachy")
    assert (acked.presence, acked.occurrence, acked.seq) == ("ack", on.occurrence, on.seq + 1)
    clock.advance(5.0)
    sink = run(command("ack", clock, id="bed1/tachy"))
    (result,) = [e for e in sink.events if isinstance(e, CommandResult)]
    assert (result.ok, result.text, sink.alarms("tachy")) == (True, "bed1/tachy was acknowledged already", [])


def test_numbers_go_on_without_a_gap_over_many_restarts(run, clock, outbox_after):
    for _ in range(5):
        run(fast(clock), command("ack", clock, id="bed1/tachy"), command("standby", clock, seconds=1.0))
        clock.advance(2.0)
    rows = outbox_after().waiting()
    assert [row.alarm.seq for row in rows] == list(range(1, 16))
    assert len({row.alarm.occurrence for row in rows}) == 5
    assert len({row.boot for row in rows}) == 5


@pytest.mark.parametrize(("broker", "kept"), [("", [13, 14, 15]), ('[mqtt]\nhost = "b"\n', list(range(1, 16)))])
def test_of_events_that_no_broker_will_take_the_newest_are_kept(run, clock, outbox_after, monkeypatch, broker, kept):
    sink = Kept()
    monkeypatch.setattr("edge.sinks.mqtt.build", lambda *, host: sink)
    monkeypatch.setattr("edge.program.resume.UNSENT_KEPT", 4)
    monkeypatch.setattr("edge.program.resume._UNSENT_AT_ONCE", 3)
    for _ in range(5):
        items = fast(clock), command("ack", clock, id="bed1/tachy"), command("standby", clock, seconds=1.0)
        run(*items, config=CONFIG + broker)
        clock.advance(2.0)
    assert [row.alarm.seq for row in outbox_after().waiting()] == kept


def test_a_repeated_command_is_not_done_again_after_a_restart(run, clock):
    again = command("ack", clock, id="bed1/tachy")
    run(fast(clock), again)
    run(command("standby", clock, seconds=0.5))
    clock.advance(1.0)
    assert [a.presence for a in run(fast(clock), again).alarms("tachy")] == ["on"]


def test_a_confirmation_and_the_asking_for_one_survive_a_restart(run, clock):
    chained = CONFIG + '[delivery]\nroles = ["station"]\nconfirm_within_s = 60\n'
    (raised,) = run(fast(clock), config=chained).alarms("tachy")
    assert (raised.delivery["asked"], raised.delivery["nobody"]) == (["station"], False)
    clock.advance(61.0)
    (step,) = run(config=chained).alarms("tachy")
    assert (step.evidence["change"], step.delivery["nobody"], step.seq) == ("unconfirmed", True, 2)
    confirm = command("received", clock, role="station", occurrence=raised.occurrence)
    (received,) = run(confirm, config=chained).alarms("tachy")
    assert (received.delivery["received"], received.delivery["nobody"], received.seq) == ("station", False, 3)
    clock.advance(120.0)
    assert run(config=chained).alarms("tachy") == []


def test_how_much_was_watched_is_known_over_restarts_and_the_time_between_is_blind(folder):
    """Three runs of 400 s with 600 s between them, each of a machine just started: its clock begins anew."""
    for number in range(3):
        clock = ManualClock(50.0, wall=1_800_000_000.0 + 1000.0 * number)
        service = build_service(parse(CONFIG.format(folder=folder)), clock=clock, console=False, sinks=[Kept()])
        for t in range(401):
            service.runtime.post(Reading("ppg.hr", 50.0 + t, 70.0, "bpm", 1.0, bed="bed1", source="node"))
        clock.advance(400.0)
        assert service.run() == 0
    (row,) = service.runtime.main._board.coverage("bed1", clock.now())
    spans = [(round(b["start"]), round(b["end"]), b["cause"]) for b in row["blind"]]
    assert spans == [(-1550, -950, "not running"), (-550, 50, "not running")]
    assert row["hour"] == pytest.approx(1200 / 2400, abs=0.01)
    assert row["first"] == pytest.approx(-1950.0)


@pytest.mark.parametrize("broken", [b"{", b'{"bed1": {"streams": 5}}', b"[]"])
def test_a_record_of_watching_that_is_not_readable_is_said_and_costs_no_alarm(run, clock, folder, broken):
    (raised,) = run(fast(clock)).alarms("tachy")
    db = sqlite3.connect(folder / "outbox.sqlite")
    with db:
        db.execute("insert or replace into state values ('coverage', ?)", (broken,))
    db.close()
    again = run(command("ack", clock, occurrence=raised.occurrence))
    assert "record of watching" in again.alarms("outbox_full")[0].text
    assert [e.ok for e in again.events if isinstance(e, CommandResult)] == [True]


@pytest.mark.parametrize("name", ["pause", "standby"])
def test_a_pause_with_nothing_sounding_is_kept_too(folder, run, clock, name):
    run(command(name, clock, seconds=300.0))
    clock.advance(10.0)
    sink = run(fast(clock))
    if name == "standby":
        assert sink.alarms("tachy") == []
    else:
        (alarm,) = sink.alarms("tachy")
        assert alarm.evidence["paused_until"] > clock.now()


def test_in_standby_a_rate_is_told_as_unknown_for_that_reason_until_its_end(run, clock):
    def told(*items):
        readings = run(*items).of(Reading)
        return {(one.bed, one.metric, one.value, one.quality, one.reason) for one in readings}

    def rates(bed):
        return [replace(fast(clock, bed), t=clock.now() + i) for i in range(4)]

    assert told(command("standby", clock, seconds=60.0), *rates("bed1"), *rates("bed2")) == {
        ("bed1", "ppg.hr", None, 0.0, "standby"),
        ("bed1", "fused.hr", None, 0.0, "standby"),
        ("bed2", "ppg.hr", 180.0, 1.0, ""),
        ("bed2", "fused.hr", 180.0, 1.0, ""),
    }
    clock.advance(60.0)
    assert told(*rates("bed1")) == {("bed1", "ppg.hr", 180.0, 1.0, ""), ("bed1", "fused.hr", 180.0, 1.0, "")}


def test_after_the_machine_itself_restarted_standing_alarms_have_times_of_this_run(run, clock, folder, monkeypatch):
    run(fast(clock))
    given = {}
    monkeypatch.setattr(
        "edge.program.service.construct", lambda group, name, keys, injected, where: given.update(injected) or Kept()
    )
    young = ManualClock(20.0)
    config = parse(CONFIG.format(folder=folder) + '[mqtt]\nhost = "127.0.0.1"\n')
    service = build_service(config, clock=young, console=False)
    service.opened.close()
    (standing,) = given["standing"]
    assert (standing.id, standing.presence) == ("bed1/tachy", "on")
    assert standing.since <= standing.t <= young.now()


def test_a_pause_ends_when_it_was_said_to_however_long_the_restart_took(run, clock):
    run(command("pause", clock, seconds=60.0))
    clock.advance(61.0)
    (alarm,) = run(fast(clock)).alarms("tachy")
    assert "paused_until" not in alarm.evidence


@pytest.mark.parametrize("step_s", [-7200.0, -1.8e9])
def test_a_clock_that_cannot_be_right_does_not_move_what_was_saved(run, clock, step_s):
    run(command("pause", clock, seconds=60.0))
    clock.step_wall(step_s)
    clock.advance(3600.0)
    (alarm,) = run(fast(clock)).alarms("tachy")
    assert alarm.evidence["paused_until"] == clock.now() + 60.0


def test_a_bed_that_is_no_longer_configured_ends_its_alarms(run, clock):
    run(fast(clock, "bed2"))
    kept = run(config=CONFIG.replace("[beds.bed2]", ""))
    (end,) = kept.alarms("tachy")
    assert (end.bed, end.presence, end.seq) == ("bed2", "off", 2)
    assert {status.bed for status in kept.of(BedStatus)} == {"bed1"}  # and what is retained of bed2 is not said again


def test_a_disk_that_refuses_is_an_alarm_and_gets_everything_once_it_takes_it_again(folder, clock, outbox_after):
    service = build_service(parse(CONFIG.format(folder=folder)), clock=clock, console=False, sinks=[sink := Kept()])
    box = service.runtime.main._out._durable._outbox
    box._store.db.execute("pragma query_only=on")
    service.runtime.post(fast(clock))
    assert service.runtime._take(0.0)
    assert [a.presence for a in sink.alarms("tachy")] == ["on"]
    (full,) = sink.alarms("outbox_full")
    assert full.text == "alarms cannot be written to disk; they are sent all the same"
    box._store.db.execute("pragma query_only=off")
    for _ in range(2):
        clock.advance(10.0)
        service.runtime.main.tick(clock.now())
    assert [a.presence for a in sink.alarms("outbox_full")] == ["on", "off"]
    assert [row.alarm.condition for row in outbox_after().waiting()] == ["tachy", "outbox_full", "outbox_full"]
    service.opened.close()


def test_a_disk_that_hangs_holds_no_alarm_for_longer_than_a_moment(folder, clock, outbox_after, monkeypatch):
    monkeypatch.setattr("edge.storage.disk_thread.WAIT_S", 0.05)
    service = build_service(parse(CONFIG.format(folder=folder)), clock=clock, console=False, sinks=[sink := Kept()])
    box, answers = service.runtime.main._out._durable._outbox, threading.Event()
    box._disk.ask(lambda: answers.wait(10.0))
    service.runtime.post(fast(clock))
    assert service.runtime._take(0.0)
    assert [a.presence for a in sink.alarms("tachy")] == ["on"]
    answers.set()
    assert box._disk.ask(lambda: True).result(10.0)
    clock.advance(10.0)
    service.runtime.main.tick(clock.now())
    assert sink.alarms("outbox_full") == [], "it was late, and no more"
    assert [row.alarm.condition for row in outbox_after().waiting()] == ["tachy"]
    service.opened.close()


# ---- the rest of building ---------------------------------------------------------------------------------


def test_the_alarm_of_a_broker_that_is_lost_says_what_is_lost(folder, clock, monkeypatch):
    links, sink = [], Kept()
    monkeypatch.setattr("edge.sinks.mqtt.build", lambda *, host, on_link: links.append(on_link) or sink)
    config = CONFIG.format(folder=folder) + '[alarms.broker_lost]\non_delay_s = 0\n[mqtt]\nhost = "b"\n'
    service = build_service(parse(config), clock=clock, console=False)
    links[0](False, "not reachable: Connection refused")
    assert service.run() == 0
    assert [a.text for a in sink.alarms("broker_lost")] == ["Broker: not reachable: Connection refused"]


def test_a_place_that_cannot_hold_state_is_one_line(tmp_path, clock):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"cannot keep state there: .*; set device\.state_dir"):
        build_service(parse(CONFIG.format(folder=tmp_path / "file" / "state")), clock=clock, console=False)


def test_what_was_opened_is_closed_when_building_fails(folder, clock, tmp_path):
    config = parse(CONFIG.format(folder=folder) + '[mqtt]\nhost = "127.0.0.1"\npassword_file = "/none"\n')
    with pytest.raises(ConfigError, match="password_file"):
        build_service(config, clock=clock, console=False)
    sinks = '[mqtt]\nhost = "127.0.0.1"\nport = 1\n[sinks.journal]\n'
    with pytest.raises(ConfigError, match="cannot be written"):
        build_service(
            parse(CONFIG.format(folder=folder) + sinks),
            clock=clock,
            console=False,
            record=tmp_path / "no" / "rec.evrec",
        )
    assert not [thread.name for thread in threading.enumerate() if thread.name == "edge-mqtt"]


@pytest.mark.parametrize("refused", ["[sinks.journal]\npath = '/proc/none'\n", "[sinks.web]\nhost = '0.0.0.0'\n", ""])
def test_nobody_hears_of_a_start_that_is_refused(folder, clock, tmp_path, refused):
    with socket.create_server(("127.0.0.1", 0)) as broker:
        broker.settimeout(0.0)
        text = CONFIG + f'[mqtt]\nhost = "127.0.0.1"\nport = {broker.getsockname()[1]}\n' + refused
        record = tmp_path / ("night.evrec" if refused else "no/night.evrec")
        with pytest.raises(ConfigError):
            build_service(parse(text.format(folder=folder)), clock=clock, console=False, record=record)
        with pytest.raises(BlockingIOError):
            broker.accept()
    assert not record.exists()


def test_alarms_hold_numbers_of_any_float_type(run, clock):
    odd = Reading("ppg.hr", clock.now(), np.float64(180.0), "bpm", 1.0, bed="bed1", source="node")
    (alarm,) = run(odd).alarms("tachy")
    (acked,) = run(command("ack", clock, id="bed1/tachy")).alarms("tachy")
    assert (alarm.value, acked.value) == (180.0, 180.0)


def test_hops_are_by_metric_and_a_heart_rate_is_fused_too():
    def lane(*analyzers):
        return SimpleNamespace(analyzers={str(n): one for n, one in enumerate(analyzers)})

    murmur, pulse = (SimpleNamespace(hop_s=h, metrics=m) for h, m in ((2.5, ["pcg.murmur"]), (1.5, ["ppg.hr", "b"])))
    assert hops_of([lane(murmur)]) == {"pcg.murmur": 2.5}
    expected = {"pcg.murmur": 2.5, "ppg.hr": 1.5, "b": 1.5, "fused.hr": 1.0}
    assert hops_of([lane(murmur), lane(pulse)]) == expected
