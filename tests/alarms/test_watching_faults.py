"""Faults of the device: several causes of one alarm."""

from __future__ import annotations

from board_told import board, say, standing
from edge.types import Fault


def disk(t, source, text=""):
    return Fault("outbox_full", t, bool(text), text, source=source)


def acknowledged(*faults):
    """A board whose ``outbox_full`` came of these faults and was acknowledged at 10 s."""
    one = board()
    for fault in faults:
        one.update(fault)
    one.command(say("ack", 10.0, bed="_device", id="_device/outbox_full"))
    assert standing(one) == {"_device/outbox_full": "ack"}
    return one


def changes(alarms):
    return [(a.presence, a.evidence["change"], a.text) for a in alarms]


def test_a_further_cause_of_what_was_acknowledged_sounds_again_and_all_are_named():
    one = acknowledged(disk(1.0, "damage", "the outbox was damaged"))
    told = one.update(disk(60.0, "disk", "no room"))
    assert changes(told) == [("on", "widened", "the outbox was damaged; no room")]
    assert one.update(disk(61.0, "disk", "no room")) == []


def test_of_several_causes_at_once_the_first_sounds_and_the_next_word_names_those_that_hold():
    one = board()
    assert changes(one.update(disk(1.0, "disk", "no room"))) == [("on", "raised", "no room")]
    assert one.update(disk(1.5, "damage", "the outbox was damaged")) == []
    assert one.update(disk(2.0, "disk")) == []
    _, told = one.command(say("ack", 3.0, bed="_device", id="_device/outbox_full"))
    assert changes(told) == [("ack", "acknowledged", "the outbox was damaged")]


def test_a_cause_that_is_back_before_it_is_over_and_one_that_ends_sound_nothing():
    one = acknowledged(disk(1.0, "damage", "the outbox was damaged"), disk(2.0, "disk", "no room"))
    for fault in (disk(20.0, "disk"), disk(22.0, "disk", "no room"), disk(30.0, "damage")):
        assert one.update(fault) + one.tick(fault.t) == []
    one.update(disk(40.0, "disk"))
    assert changes(one.tick(46.0)) == [("off", "cleared", "no room")]


def test_a_cause_that_must_last_before_it_counts_sounds_nothing_at_once():
    one = board()
    one.update(Fault("overload", 0.0, True, "pulse is slow", source="pulse"))
    one.tick(6.0)
    one.command(say("ack", 10.0, bed="_device", id="_device/overload"))
    assert one.update(Fault("overload", 20.0, True, "murmur is slow", source="murmur")) == []
