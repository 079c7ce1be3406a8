"""The annunciator: rings for what nobody confirmed, for nothing else, and says so when it cannot."""

from __future__ import annotations

import logging
import threading
import wave
from pathlib import Path

import pytest

from edge.config import parse
from edge.sinks._annunciator.bells import Program
from edge.sinks._annunciator.tones import PULSES, RATE_HZ, burst
from edge.sinks.annunciator import Annunciator, build, rings
from edge.types import Alarm, ConfigError, Reading
from unconfirmed import alarm, script

WAIT_S = 10.0


class Bell:
    """An output that keeps what it was told."""

    def __init__(self):
        self.told, self.error, self.works, self._changed = [], None, True, threading.Condition()

    def ring(self, one):
        self._tell((one.id, one.priority))
        if self.error is not None:
            raise self.error

    def rings(self):
        return not self.works

    def quiet(self):
        self._tell("quiet")

    def close(self):
        self._tell("closed")

    def _tell(self, what):
        with self._changed:
            self.told.append(what)
            self._changed.notify_all()

    def wait(self, *expected):
        with self._changed:
            assert self._changed.wait_for(lambda: self.told == list(expected), WAIT_S), self.told


@pytest.fixture
def bell():
    return Bell()


@pytest.fixture
def annunciator(bell, clock):
    one = Annunciator([bell], clock=clock, repeat_s=10.0)
    yield one
    one.close()


RING = ("bed1/tachy", "medium")


def test_it_rings_again_until_somebody_has_it(annunciator, bell, clock):
    annunciator.send(alarm())
    bell.wait(RING)
    clock.advance(10.0)
    bell.wait(RING, RING)
    annunciator.send(alarm(local=False))
    bell.wait(RING, RING, "quiet")
    annunciator.close()
    annunciator.close()
    assert bell.told == [RING, RING, "quiet", "closed"]


def both_ring(annunciator, bell):
    """An alarm, and one of the same priority that rings at once, which is returned as the bell hears it."""
    brady = ("bed1/brady", "medium")
    annunciator.send(alarm())
    bell.wait(RING)
    annunciator.send(alarm(condition="brady", occurrence="o2"))
    bell.wait(RING, brady)
    return brady


def test_after_a_pause_it_rings_at_once(annunciator, bell):
    expected = []
    for one, told in ((alarm(), RING), (alarm(paused_until=70.0), "quiet"), (alarm(), RING)):
        annunciator.send(one)
        expected.append(told)
        bell.wait(*expected)


def test_after_a_pause_it_rings_at_once_although_another_rings_too(annunciator, bell, clock):
    brady = both_ring(annunciator, bell)
    annunciator.send(alarm(paused_until=130.0))
    clock.advance(10.0)
    bell.wait(RING, brady, brady)
    annunciator.send(alarm())
    bell.wait(RING, brady, brady, RING)


def test_it_falls_silent_amid_a_ring_and_rings_for_the_next(annunciator, bell):
    bell.works = False  # goes on until it is ended
    for number in range(1, 3):
        annunciator.send(alarm(occurrence=f"o{number}"))
        bell.wait(*[RING, "quiet"] * (number - 1), RING)
        annunciator.send(alarm("ack", occurrence=f"o{number}"))
        bell.wait(*[RING, "quiet"] * number)


def test_between_rings_and_when_all_is_quiet_it_rests(annunciator, bell, monkeypatch):
    looked = []
    monkeypatch.setattr(annunciator, "_next", lambda: looked.append(1) or Annunciator._next(annunciator))
    annunciator.send(alarm())
    bell.wait(RING)
    threading.Event().wait(0.1)
    annunciator.send(alarm("ack"))
    bell.wait(RING, "quiet")
    threading.Event().wait(0.1)
    assert len(looked) < 10


def test_an_output_is_asked_until_it_ends_or_fails(clock, caplog):
    bell, asked, told, changed = Bell(), [True, True, OSError("took longer")], [], threading.Condition()

    def still():
        answer = asked.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    def on_fault(*what):
        with changed:
            told.append(what[1:])
            changed.notify_all()

    bell.rings = still
    one = Annunciator([bell], clock=clock, repeat_s=10.0, on_fault=on_fault)
    one.send(alarm())
    with changed:
        assert changed.wait_for(lambda: told, WAIT_S)
    one.close()
    assert (told, asked) == ([(True, "The local annunciator does not work: took longer")], [])


def test_a_more_urgent_alarm_rings_at_once_and_the_other_goes_on_after_it(annunciator, bell):
    annunciator.send(alarm())
    bell.wait(RING)
    annunciator.send(alarm(condition="asystole", priority="high", occurrence="o2"))
    bell.wait(RING, ("bed1/asystole", "high"))
    annunciator.send(alarm("ack", condition="asystole", priority="high", occurrence="o2"))
    bell.wait(RING, ("bed1/asystole", "high"), RING)


def test_of_one_priority_each_has_its_turn(annunciator, bell, clock):
    brady = both_ring(annunciator, bell)
    for so_far in ([RING], [RING, brady], [RING, brady, RING]):
        clock.advance(10.0)
        bell.wait(RING, brady, *so_far)


@pytest.mark.parametrize("real", ["low", "medium", "high"])
def test_a_drill_hides_nothing_real(annunciator, bell, clock, real):
    test = alarm(condition="drill", occurrence="o2", t=9.0, drill=True)
    annunciator.send(alarm(priority=real))
    rung = ("bed1/tachy", real)
    bell.wait(rung)
    annunciator.send(test)
    clock.advance(10.0)
    bell.wait(rung, rung)
    annunciator.send(alarm("ack", priority=real))
    bell.wait(rung, rung, ("bed1/drill", "medium"))
    annunciator.send(alarm(priority=real, occurrence="o3"))
    bell.wait(rung, rung, ("bed1/drill", "medium"), rung)


@pytest.mark.parametrize(
    ("one", "heard"),
    [
        (alarm(), True),
        (alarm("latched"), True),
        (alarm("ack"), False),
        (alarm("off"), False),
        (alarm(local=False), False),
        (alarm(paused_until=70.0), False),
        (alarm(shelved_until=70.0), False),
        (Alarm("bed1/af", "o", "physiological", "high", "on", 0.0, "AF", "af", "bed1"), False),
    ],
)
def test_only_what_nobody_has_and_nobody_silenced_is_heard(one, heard):
    assert rings(one) is heard


def test_what_stood_unconfirmed_rings_after_a_restart(bell, clock):
    seen = alarm("ack", condition="af", priority="high")
    one = Annunciator([bell], clock=clock, repeat_s=10.0, standing=[alarm(), seen])
    bell.wait(RING)
    one.close()


def test_readings_are_no_business_of_it(annunciator, bell):
    annunciator.send(Reading("ppg.hr", 1.0, 60.0, "bpm", 1.0))
    assert annunciator.flush(0.0)
    annunciator.close()
    assert bell.told == ["closed"]


@pytest.mark.parametrize("error", [OSError("no bell"), ValueError("no bell")])
def test_an_output_that_fails_is_told_once_and_the_other_still_rings(clock, caplog, error):
    broken, good, told, changed = Bell(), Bell(), [], threading.Condition()
    broken.error = error

    def on_fault(*what):
        with changed:
            told.append(what)
            changed.notify_all()

    one = Annunciator([broken, good], clock=clock, repeat_s=10.0, on_fault=on_fault)
    one.send(alarm())
    good.wait(RING)
    clock.advance(10.0)
    good.wait(RING, RING)
    broken.error = None
    clock.advance(10.0)
    with changed:
        assert changed.wait_for(lambda: len(told) == 2, WAIT_S)
    assert told == [
        ("annunciator_lost", True, "The local annunciator does not work: no bell"),
        ("annunciator_lost", False, "The local annunciator does not work: "),
    ]
    one.close()
    assert caplog.text.count("annunciator: no bell") == 1
    assert ("Traceback" in caplog.text) is isinstance(error, ValueError), "a bug is logged as one"
    assert caplog.text.count("ringing here") == 1


def test_only_a_ring_that_worked_ends_the_fault(clock, caplog):
    caplog.set_level(logging.INFO)
    bell, told, first = Bell(), [], threading.Event()
    bell.error = OSError("no bell")
    one = Annunciator([bell], clock=clock, repeat_s=10.0, on_fault=lambda *what: (told.append(what[:2]), first.set()))
    one.send(alarm())
    bell.wait(RING)
    assert first.wait(WAIT_S), "although nothing rings"
    one.send(alarm("ack"))
    bell.wait(RING, "quiet")
    bell.error, bell.works = None, False  # acknowledged while it rings
    one.send(alarm(occurrence="o2"))
    bell.wait(RING, "quiet", RING)
    one.send(alarm("ack", occurrence="o2"))
    bell.wait(RING, "quiet", RING, "quiet")
    assert told == [("annunciator_lost", True)]
    assert "works again" not in caplog.text
    bell.works = True
    one.send(alarm(occurrence="o3"))
    bell.wait(RING, "quiet", RING, "quiet", RING)
    one.close()
    assert told == [("annunciator_lost", True), ("annunciator_lost", False)]
    assert caplog.text.count("works again") == 1


def test_an_output_that_hangs_keeps_no_other_from_ringing(tmp_path, clock, bell):
    hangs = Program(dict.fromkeys(PULSES, (script(tmp_path, "exec sleep 600"),)), 600.0)
    one = Annunciator([hangs, bell], clock=clock, repeat_s=600.0)
    one.send(alarm())
    bell.wait(RING)
    one.send(alarm(condition="asystole", priority="high", occurrence="o2"))
    bell.wait(RING, ("bed1/asystole", "high"))
    one.close()
    assert one.rung == 2


def rung(clock, **settings):
    """What is set rings once; what went wrong."""
    told, deadline = [], threading.Event()
    one = build(clock=clock, standing=[alarm(priority="high")], on_fault=lambda *what: told.append(what), **settings)
    while one.rung == 0:
        assert not deadline.wait(0.01)
    one.close()
    return told


def test_a_command_rings(tmp_path, clock):
    assert rung(clock, command=(script(tmp_path, f'echo "$1" > {tmp_path}/heard'), "loud")) == []
    assert (tmp_path / "heard").read_text() == "loud\n"


def test_a_sound_of_ones_own_is_given_to_the_player(tmp_path, clock):
    (tmp_path / "own.wav").write_bytes(b"RIFF own")
    assert rung(clock, sound=str(tmp_path / "own.wav"), player=(script(tmp_path, f'cp "$1" {tmp_path}/played'),)) == []
    assert (tmp_path / "played").read_bytes() == b"RIFF own"


def test_a_beep_is_written_and_given_to_the_player(tmp_path, clock):
    player = script(tmp_path, f'cp "$2" {tmp_path}/played')
    assert rung(clock, state_dir=tmp_path, sound="beep", player=(player, "-q")) == []
    with wave.open(str(tmp_path / "played")) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (RATE_HZ, 1, 2)
        assert file.readframes(file.getnframes()) == burst("high")


def test_a_command_that_fails_is_told(tmp_path, clock):
    told = rung(clock, command=(script(tmp_path, "exit 3"),))
    assert [(condition, present) for condition, present, _ in told] == [("annunciator_lost", True)]


def test_a_line_is_asked_for_as_it_is_set_and_switched(clock, monkeypatch):
    told = []

    class Line:
        def __init__(self, *which, **how):
            told.append((which, how))

        def set(self, on):
            told.append(on)

        def close(self):
            told.append("closed")

    monkeypatch.setattr("edge.sinks.annunciator.OutputLine", Line)
    assert rung(clock, gpio_line=17, gpio_chip="/dev/gpiochip4", active_low=True) == []
    assert told == [(("/dev/gpiochip4", 17), {"active_low": True}), True, "closed"]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({}, "set command, sound or gpio_line"),
        ({"command": ("/none/ring",)}, "sinks.annunciator.command: /none/ring: no such program"),
        ({"sound": "beep", "player": ("/none/play",)}, "sinks.annunciator.player: /none/play: no such program"),
        ({"sound": "/none.wav", "player": ("true",)}, "sinks.annunciator.sound: /none.wav: no such file"),
        ({"sound": "beep", "player": ("true",), "state_dir": Path("/dev/null")}, "sound: /dev/null: Not a directory"),
        ({"gpio_line": 4, "gpio_chip": "/none"}, "line 4 of /none: No such file"),
    ],
)
def test_what_cannot_ring_is_a_configuration_error(clock, tmp_path, settings, says):
    with pytest.raises(ConfigError, match=says):
        build(clock=clock, **{"state_dir": tmp_path, **settings})


def test_what_can_ring_is_checked_without_ringing(clock):
    assert build(clock=clock, command=("true",), checking=True) is None


def test_an_annunciator_needs_somebody_who_could_confirm():
    with pytest.raises(ConfigError, match=r"sinks.annunciator: rings for what nobody confirms: add \[delivery\]"):
        parse('[sinks.annunciator]\ncommand = ["true"]')
    config = parse('[delivery]\nroles = ["station"]\n[sinks.annunciator]\ncommand = ["true"]')
    assert config.delivery.names == ("station",)
