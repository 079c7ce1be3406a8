"""From when until when a bed's last minutes are cut out for an alarm, and that they are still there by then."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from edge.evidence import CONFIRM_S, Ring, Span, exact_part
from edge.recording import STATE_EVERY_S, Damage, LaneState, MainState, Tick
from edge.types import Alarm, Block, Fault, Reading

BEFORE_S, AFTER_S = 30.0, 20.0


@pytest.fixture
def ring():
    return Ring({"node": "bed1"}, before_s=BEFORE_S, after_s=AFTER_S)


def alarm(t, number=1, *, since=None):
    return Alarm(
        "bed1/af", f"o{number}", "physiological", "medium", "on", t, "AF", "af", "bed1",
        since=t - 5.0 if since is None else since, evidence={"change": "raised"},
    )  # fmt: skip


def spans(ring):
    return [(span.occurrences, span.start, span.until) for span in ring.wanted]


def test_an_alarm_of_a_bed_that_nothing_watches_asks_for_nothing(ring):
    drill = replace(alarm(200.0), bed="bed2", id="bed2/drill")
    assert ring.take(drill, dict) == []
    assert ring.wanted == []


def test_a_cameras_pictures_are_never_kept(ring):
    with pytest.raises(ValueError, match="camera frames are never kept"):
        ring.take(Block("node/video", 0, 1.0, 30.0, np.zeros((1, 4, 4, 3), np.uint8)), dict)
    assert not any(ring._entries.values())


@pytest.mark.parametrize(
    ("condition", "bed", "kept_by"),
    [
        ("model_fault", "bed1", "bed1"),
        ("model_fault", "", "_device"),
        ("broker_lost", "bed1", "_device"),
        ("model_fault", "bed2", None),
    ],
)
def test_a_fault_is_kept_where_its_alarm_stands(ring, condition, bed, kept_by):
    ring.take(Fault(condition, 1.0, True, bed=bed), dict)
    assert [name for name, entries in ring._entries.items() if entries] == ([kept_by] if kept_by else [])


def test_alarms_share_a_recording_while_that_of_the_first_goes_on_and_later_ones_have_their_own(ring):
    for number, t in enumerate((200.0, 210.0, 220.0, 220.5, 240.5, 240.6), 1):
        ring.take(alarm(t, number), dict)
    assert spans(ring) == [
        (["o1", "o2", "o3"], 165.0, 240.0),
        (["o4", "o5"], 185.5, 260.5),
        (["o6"], 205.6, 260.6),
    ]


def test_a_shared_recording_begins_with_whichever_alarm_began_to_hold_first(ring):
    ring.take(alarm(200.0), dict)
    ring.take(alarm(201.0, 2, since=150.0), dict)
    ring.take(alarm(202.0, 3, since=190.0), dict)
    assert spans(ring) == [(["o1", "o2", "o3"], 120.0, 222.0)]


@pytest.mark.parametrize(("since", "start"), [(200.0, 170.0), (110.5, 80.5), (110.0, 80.0), (20.0, 80.0)])
def test_what_took_long_to_be_raised_has_its_beginning_cut_off(ring, since, start):
    ring.take(alarm(200.0, since=since), dict)
    assert spans(ring) == [(["o1"], start, 220.0)]


def test_of_the_slowest_alarm_everything_is_still_there_when_it_is_cut_out(ring):
    """Two share a recording, the second as late as may be; a replay needs the states before it, which look back 20 s."""
    done = []
    for t in range(1000):
        ring.take(Block("node/ppg", t * 10, float(t), 10.0, np.zeros((10, 1))), dict)
        if t == 600:
            ring.take(alarm(600.0, since=600.0 - CONFIRM_S), dict)
        if t == 620:
            ring.take(alarm(620.0, 2), dict)
        done += ring.take(Tick(t + 1.0), dict)
    ((span, kept),) = done
    assert (span.start, span.until) == (480.0, 640.0)
    assert kept[0].t_end == span.start - 2 * STATE_EVERY_S - 20.0


def test_a_lane_that_runs_ahead_of_the_main_thread_makes_nothing_be_forgotten(ring):
    """Its samples and states are of a time that the main thread has not come to yet, and so may be the alarm."""
    first = samples(0.0)
    for entry in (first, Tick(1.0), samples(1000.0), lane(1000.0, "ppg", ppg=980.0)):
        ring.take(entry, dict)
    assert ring._entries["bed1"][0] is first
    ring.take(Tick(1000.0), dict)
    assert [entry.t0 for entry in ring._entries["bed1"] if isinstance(entry, Block)] == [1000.0]


def part(entries, start):
    return exact_part(entries, Span("bed1", start + 5.0, start, start + 20.0, {}))


def samples(t, kind="ppg"):
    return Block(f"node/{kind}", int(t * 10), t, 10.0, np.zeros((10, 1)))


def lane(t, primary, variant=None, **oldest):
    state = {"streams": {k: None if o is None else {"oldest": o} for k, o in oldest.items()}}
    return LaneState("node", primary, t, state if variant is None else {**state, "models": {"pulse": variant}})


def main(t):
    return MainState(t, {"beds": {"bed1": {"seq": t}}}, {})


def test_of_what_came_before_the_boards_state_only_what_its_lanes_need_is_kept():
    heart = Reading("ppg.hr", 9.0, 70.0, "bpm", 1.0, bed="bed1", source="node")
    wanted = [
        damaged := Damage(1.0, 0.5, 100),
        looked_back_at := samples(5.0),
        pulse := lane(10.0, "ppg", ppg=5.5),
        meanwhile := samples(7.0, "acc"),
        sound := lane(10.0, "acc", acc=None),
        under_way := samples(8.0, "acc"),
        before := main(11.0),
        later := samples(11.0),
        begun := lane(14.0, "pcg", pcg=13.0),
        ticked := Tick(15.0),
    ]
    all_of_them = [
        samples(0.0), damaged, lane(3.0, "ppg", ppg=0.0), looked_back_at, samples(2.0, "acc"), heart, main(6.0),
        pulse, meanwhile, sound, under_way,
        heart, before, later, lane(12.0, "ppg", ppg=0.0), main(13.0), begun, ticked,
    ]  # fmt: skip
    assert part(all_of_them, 11.0) == wanted


def test_of_later_states_of_a_lane_those_are_kept_that_tell_of_another_variant_of_a_model():
    entries = [
        slow := lane(10.0, "ppg", "slow", ppg=5.5), before := main(11.0), lane(12.0, "ppg", "slow", ppg=7.0),
        fast := lane(13.0, "ppg", "fast", ppg=8.0), lane(14.0, "ppg", "fast", ppg=9.0),
        again := lane(15.0, "ppg", "slow", ppg=9.0),
    ]  # fmt: skip
    assert part(entries, 11.0) == [slow, before, fast, again]


@pytest.mark.parametrize("order", [1, -1])
def test_of_a_stream_that_two_lanes_look_back_at_that_is_kept_which_either_needs(order):
    lanes = [lane(10.0, "ppg", ppg=5.5), lane(10.0, "acc", ppg=3.5)][::order]
    entries = [samples(1.0), samples(3.0), samples(5.0), *lanes, main(11.0)]
    assert part(entries, 11.0) == entries[1:]


def test_where_the_board_told_its_state_too_late_its_first_one_is_begun_with():
    heart = Reading("ppg.hr", 9.0, 70.0, "bpm", 1.0, bed="bed1", source="node")
    assert part([heart, main(20.0), heart, main(30.0)], 12.0) == [main(20.0), heart]


def test_without_a_state_all_that_is_there_is_kept(ring):
    entries = [Tick(1.0), samples(1.0), Tick(2.0), alarm(3.0)]
    for entry in entries:
        ring.take(entry, dict)
    ((span, kept),) = ring.cut(all_of_them=True)
    assert exact_part(kept, span) == entries


def test_a_recording_waits_for_the_slower_stream_but_not_for_one_that_is_gone():
    def run(slow_to):
        """The tick at which the recording of an alarm at 10 s is cut, with pulse and its readings on time to 45 s."""
        ring = Ring({"node": "bed1"}, before_s=30.0, after_s=30.0)
        ring.take(alarm(10.0), dict)
        for t in range(10, 45):
            ring.take(Block("node/ppg", t * 100, float(t), 100.0, np.zeros((100, 1)), 0), dict)
            behind = Block("node/acc", t * 100, t - 3.0, 100.0, np.zeros((100, 3)), 0)
            if behind.t_end <= slow_to:
                ring.take(behind, dict)
            told = Reading("ppg.hr", t + 1.0, 70.0, "bpm", 1.0, bed="bed1", source="node")
            if ring.take(told, dict):
                return "reading", t + 1.0, behind.t_end
        for t in range(40, 60):
            if ring.take(Tick(float(t)), dict):
                return "tick", float(t), slow_to
        return None

    assert run(slow_to=60.0) == ("reading", 43.0, 40.0)
    assert run(slow_to=20.0) == ("tick", 46.0, 20.0)
