"""What people ask of the board: each of one bed, each with an end, none silences more than it names."""

from __future__ import annotations

import pytest

from board_told import board, hr, rates, say, standing, through_json, what
from edge.alarms.board import ANSWERED_KEPT
from edge.alarms.commands import asked_by
from edge.types import Command, CommandResult, Reading, SourceStatus


def test_poor_signal_pauses_and_neither_raises_nor_clears():
    one = board()
    assert rates(one, [43, 43, None, None, 43, 43]) == [(5.0, "on", "raised")]
    assert rates(one, [None] * 50, 6.0) == []
    assert standing(one) == {"bed1/brady": "on"}


def test_acknowledging_one_leaves_the_others():
    one = board(beds=("bed1", "bed2"))
    one.update(Reading("ppg.rhythm", 0.0, "af", quality=0.9, bed="bed1", source="node"))
    one.update(Reading("pcg.murmur", 0.0, 0.9, quality=0.9, bed="bed1", source="node"))
    one.update(Reading("ppg.rhythm", 0.0, "af", quality=0.9, bed="bed2", source="other"))
    result, told = one.command(say("ack", 1.0))
    assert not result.ok
    assert result.text == "several alarms stand, name one: bed1/af, bed1/murmur"
    assert told == []
    result, told = one.command(say("ack", 1.0, id="bed1/af"))
    assert what(told) == [("bed1/af", "ack", "acknowledged")]
    assert {a.id: a.presence for a in one.active()} == {"bed1/af": "ack", "bed1/murmur": "on", "bed2/af": "on"}


def test_an_acknowledgement_is_of_its_occurrence_only():
    one = board()
    rates(one, [43] * 3 + [70] * 2 + [43] * 3)
    for named in ({"occurrence": "boot.bed1.brady.1"}, {"occurrence": "boot.bed1.brady.2", "id": "bed1/af"}):
        result, told = one.command(say("ack", 10.0, **named))
        assert (result.ok, told) == (False, [])
    assert one.command(say("ack", 10.0, occurrence="boot.bed1.brady.2"))[0].ok
    assert standing(one) == {"bed1/brady": "ack"}
    result, told = one.command(say("ack", 11.0, occurrence="boot.bed1.brady.2"))
    assert (result.ok, told) == (True, [])


def test_an_answer_to_what_was_heard_before_an_alarm_sounded_again_does_not_acknowledge_it():
    one = board()
    (raised,) = [told for t in range(3) for told in one.update(hr(float(t), 43))]
    one.update(Reading("ppg.rhythm", 3.0, "af", quality=0.9, bed="bed1", source="node"))
    (escalated,) = [told for t in (4.0, 5.0) for told in one.update(hr(t, 38))]
    assert (escalated.priority, escalated.occurrence) == ("high", raised.occurrence)
    two = board(boot="next", state=through_json(one))
    for each in (one, two):
        result, told = each.command(say("ack", 6.0, occurrence=raised.occurrence, seq=raised.seq))
        assert (result.ok, told) == (False, [])
        assert result.text == "bed1/brady has sounded again since event 1: look at it as it is now"
        assert each.command(say("ack", 6.0, id="bed1/af", seq=escalated.seq))[0].ok, (
            "another one's number is a time, too"
        )
        result, told = each.command(say("ack", 6.0, occurrence=raised.occurrence, seq=escalated.seq))
        assert what(told) == [("bed1/brady", "ack", "acknowledged")]


def test_a_number_does_not_grow_old_by_what_does_not_sound():
    one = board()
    (raised,) = [told for t in range(3) for told in one.update(hr(float(t), 43))]
    assert [a.seq for a in one.command(say("pause", 3.0, seconds=60))[1]] == [raised.seq + 1]
    assert one.command(say("ack", 4.0, id="bed1/brady", seq=raised.seq))[0].ok


def test_a_repeated_command_is_answered_again_and_not_done_again():
    one = board()
    rates(one, [43] * 3)
    first, told = one.command(say("ack", 5.0, command_id="same"))
    assert len(told) == 1
    rates(one, [70] * 2 + [43] * 3, 6.0)
    repeated = say("ack", 20.0, command_id="same")
    assert one.command(repeated) == (CommandResult(repeated, 20.0, first.ok, first.text), [])
    assert standing(one) == {"bed1/brady": "on"}


def test_pause_has_an_end_and_changes_no_presence():
    one = board()
    rates(one, [43] * 3)
    result, told = one.command(say("pause", 10.0, seconds=60))
    assert (result.text, what(told)) == ("sound paused for 60 s", [("bed1/brady", "on", "paused")])
    assert told[0].evidence["paused_until"] == 70.0
    assert one.paused_until("bed1") == 70.0
    assert one.update(Reading("ppg.rhythm", 20.0, "af", quality=0.9, bed="bed1"))[0].evidence["paused_until"] == 70.0
    assert one.tick(69.9) == []
    assert sorted(what(one.tick(70.0))) == [("bed1/af", "on", "resumed"), ("bed1/brady", "on", "resumed")]
    assert one.paused_until("bed1") is None


def test_a_pause_holds_the_re_alarm_back():
    one = board()
    rates(one, [43] * 3)
    one.command(say("pause", 100.0, seconds=60))
    assert one.tick(150.0) == []
    assert [c for _, _, c in what(one.tick(165.0))] == ["resumed"]
    assert [(a.t, a.evidence["change"]) for a in one.tick(261.0)] == [(260.0, "realarmed")]


def test_a_pause_that_is_over_says_nothing_of_what_came_after_it():
    one = board()
    one.command(say("pause", 0.0, seconds=5))
    (raised,) = one.update(Reading("ppg.rhythm", 7.0, "af", quality=0.9, bed="bed1"))
    assert "paused_until" not in raised.evidence
    assert one.tick(8.0) == []


@pytest.mark.parametrize(("name", "ended"), [("pause", "resumed"), ("shelve", "unshelved")])
def test_the_end_of_a_silence_sounds_what_only_changed_since(name, ended):
    """A fall of priority in the instant before the clock runs on is for the eye: whoever rings by events waits for this."""
    one = board()
    rates(one, [38] * 3)
    one.command(say(name, 3.0, id="bed1/brady" if name == "shelve" else "", seconds=7))
    assert rates(one, [44, 44], 9.2) == [(10.2, "on", "deescalated")]
    (told,) = one.tick(10.25)
    assert (told.t, told.presence, told.evidence["change"]) == (10.2, "on", ended)
    assert not {"paused_until", "shelved_until"} & set(told.evidence)


def test_shelving_is_of_one_line():
    one = board()
    rates(one, [43] * 3)
    one.update(Reading("ppg.rhythm", 3.0, "af", quality=0.9, bed="bed1"))
    result, told = one.command(say("shelve", 5.0, id="bed1/af", seconds=30))
    assert result.ok
    assert what(told) == [("bed1/af", "on", "shelved")]
    assert what(one.tick(40.0)) == [("bed1/af", "on", "unshelved")]
    assert not one.command(say("shelve", 5.0, id="bed1/none", seconds=30))[0].ok


def test_what_is_shelved_does_not_sound_again_and_then_counts_from_the_end_of_its_shelf():
    one = board()
    rates(one, [43] * 3)
    one.command(say("shelve", 50.0, id="bed1/brady", seconds=100))
    assert one.tick(149.9) == []
    assert what(one.tick(150.0)) == [("bed1/brady", "on", "unshelved")]
    assert one.tick(249.9) == []
    assert what(one.tick(250.0)) == [("bed1/brady", "on", "realarmed")]


def test_a_shelf_that_is_over_says_nothing_of_what_came_after_it():
    one = board()
    af = {
        t: Reading("ppg.rhythm", t, word, quality=0.9, bed="bed1")
        for t, word in ((3.0, "af"), (11.0, "sinus"), (12.0, "af"))
    }
    one.update(af[3.0])
    one.command(say("shelve", 5.0, id="bed1/af", seconds=5))
    assert what(one.update(af[11.0]) + one.update(af[12.0])) == [
        ("bed1/af", "off", "cleared"),
        ("bed1/af", "on", "raised"),
    ]
    assert one.tick(13.0) == []


def test_only_the_latest_commands_are_known_again():
    one = board()
    for n in range(ANSWERED_KEPT + 1):
        one.command(say("pause", float(n), command_id=f"n{n}", seconds=600))
    assert len(one.snapshot()["beds"]["bed1"]["answered"]) == ANSWERED_KEPT
    one.command(say("pause", 300.0, command_id="n1", seconds=600))
    assert one.paused_until("bed1") == ANSWERED_KEPT + 600.0, "known still"
    one.command(say("pause", 301.0, command_id="n0", seconds=600))
    assert one.paused_until("bed1") == 901.0, "forgotten, so it is done"


def test_standby_ignores_readings_ends_what_they_raised_and_has_an_end():
    one = board()
    rates(one, [38] * 3)
    result, told = one.command(say("standby", 5.0, seconds=100))
    assert (result.text, what(told)) == ("standby for 100 s", [("bed1/brady", "off", "standby")])
    assert told[0].evidence["by"] == "nurse"
    assert rates(one, [38] * 90, 6.0) == []
    assert what(one.update(SourceStatus("node", "bed1", 96.0, "offline"))) == []
    assert what(one.tick(99.5)) == [("bed1/source_lost/node", "on", "raised")]
    assert one.standby_until("bed1", 100.0) == 105.0
    assert rates(one, [38], 104.9) == []
    assert rates(one, [38], 105.0) == [(105.0, "on", "raised")]
    assert one.standby_until("bed1", 105.0) is None


def test_a_reading_of_before_standby_that_comes_late_raises_nothing_that_would_stand_until_its_end():
    one = board()
    one.command(say("standby", 5.0, seconds=100))
    assert what(one.update(hr(4.9, 70.0, asystole=1))) == []
    assert what(one.update(hr(105.0, 70.0, asystole=1))) == [("bed1/asystole", "on", "raised")]


def test_one_command_id_is_one_command():
    one = board()
    rates(one, [43] * 4)
    one.command(say("ack", 5.0, command_id="same", id="bed1/brady"))
    for other in (
        say("pause", 6.0, command_id="same", seconds=60),
        say("ack", 6.0, command_id="same", id="bed1/brady", seq=1),
    ):
        text = "command_id 'same' was used for another command; nothing was done"
        assert one.command(other) == (CommandResult(other, 6.0, False, text), [])
    assert one.paused_until("bed1") is None
    two = board(boot="next", state=through_json(one))
    assert two.command(say("ack", 7.0, command_id="same", id="bed1/brady"))[0].text == "bed1/brady acknowledged"
    assert not two.command(say("ack", 8.0, command_id="same"))[0].ok


def test_a_command_from_before_events_were_named_is_known_again_in_a_state_of_then():
    assert asked_by(Command("ack", "bed1", 5.0, "same", "nurse", id="bed1/brady")) == "f413bbb8"


def test_standby_can_be_ended_early():
    one = board()
    one.command(say("standby", 5.0, seconds=100))
    assert one.command(say("standby", 10.0, seconds=0))[0].text == "standby ended"
    assert rates(one, [38], 9.0) == []
    assert rates(one, [38], 10.0) == [(10.0, "on", "raised")]


def test_reset_ends_only_what_is_latched():
    one = board()
    rates(one, [38] * 2)
    assert not one.command(say("reset", 2.0, id="bed1/brady"))[0].ok
    assert one.command(say("reset", 2.0))[0].text == "0 latched reset"
    rates(one, [70] * 2, 3.0)
    assert what(one.command(say("reset", 6.0))[1]) == [("bed1/brady", "off", "reset")]


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (say("ack"), "no alarm stands unacknowledged"),
        (say("ack", id="bed1/brady"), "bed1/brady does not stand"),
        (say("ack", occurrence="x"), "occurrence x does not stand"),
        (say("ack", bed="bed9"), "no bed 'bed9' here"),
        (say("pause"), "pause needs an end: seconds, 0 to 600"),
        (say("pause", seconds=-1), "pause needs an end: seconds, 0 to 600"),
        (say("pause", seconds=float("inf")), "pause needs an end: seconds, 0 to 600"),
        (say("pause", seconds=601), "pause of 601 s is too long: at most 600 s"),
        (say("standby", seconds=1e6), "standby of 1e+06 s is too long: at most 28800 s"),
        (say("shelve", seconds=1), "no alarm '' to shelve"),
        (say("reset", id="bed1/brady"), "bed1/brady does not stand"),
        (say("mute"), "'mute' is not one of ack, pause, shelve, standby, reset, site, received, drill"),
    ],
)
def test_refusals_say_why(command, says):
    assert board().command(command) == (CommandResult(command, command.t, False, says), [])


def test_the_end_of_a_shelf_is_told_only_of_what_sounds_again():
    one = board()
    rates(one, [43] * 3)
    one.command(say("shelve", 4.0, id="bed1/brady", seconds=30))
    one.command(say("ack", 5.0, id="bed1/brady"))
    assert what(one.tick(40.0)) == []
    assert standing(one) == {"bed1/brady": "ack"}
