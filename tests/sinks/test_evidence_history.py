"""What is kept of alarms beside their waveforms: when each was raised, what stands, and nothing that nobody was told."""

from __future__ import annotations

import pytest

from kept_evidence import alarm, tell


@pytest.mark.parametrize("step_s", [1_800_000_000.0, -7200.0])
def test_times_in_the_history_are_by_the_clock_as_it_is_set_now(evidence, clock, step_s):
    one, wall = evidence(quota_mb=0), clock.wall()
    tell(one, alarm(90.0))
    clock.step_wall(0.9)  # steered
    tell(one, alarm(95.0, 2))
    clock.step_wall(step_s)
    clock.advance(1.0)
    tell(one, alarm(101.0, 3))
    assert one.flush(5.0)
    raised = [row["raised"] - wall for row in one.history.occurrences()]
    assert raised == pytest.approx([1.9 + step_s, -4.1 + step_s, -10.0 + step_s])


def test_a_thread_held_up_between_its_looks_at_both_clocks_moves_no_times_in_the_history(evidence, clock, monkeypatch):
    one, wall, look, held_s = evidence(quota_mb=0), clock.wall(), clock.wall, iter([5.0])
    tell(one, alarm(90.0))
    monkeypatch.setattr(clock, "wall", lambda: (look(), clock.advance(next(held_s, 0.0)))[0])
    tell(one, alarm(95.0, 2))
    assert one.flush(5.0)
    assert [row["raised"] - wall for row in one.history.occurrences()] == [-5.0, -10.0]


def test_an_alarm_is_in_the_history_at_the_time_at_which_it_was_raised(evidence, clock):
    one = evidence()
    clock.move_to(107.0)
    tell(one, alarm(105.0))
    assert one.flush(5.0)
    assert [row["raised"] for row in one.history.occurrences()] == [clock.wall() - 2.0]


def test_an_alarm_that_a_kill_took_before_anybody_was_told_is_not_in_the_history(evidence, clock):
    one = evidence()
    one.record(alarm(90.0))
    assert one.flush(5.0)
    assert one.history.occurrences() == []


def test_the_history_begins_with_what_stands(evidence, clock):
    one, wall = evidence(), clock.wall() - clock.now()
    tell(one, alarm(90.0))
    tell(one, alarm(95.0, 2))
    one.close()
    standing = alarm(97.0, 2, what="standing", presence="ack")
    one = evidence(standing=(standing, alarm(98.0, 3, what="standing", since=96.0)))
    assert one.flush(5.0)
    shown = [(row["occurrence"][-1], row["presence"], row["raised"], row["ended"]) for row in one.history.occurrences()]
    assert shown == [("3", "on", wall + 96.0, None), ("2", "ack", wall + 95.0, None), ("1", "off", wall + 90.0, None)]
