"""The times of a recorded video's frames: its own, never back, with cuts said to be cuts."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge.sources._camera.frame_times import FrameTimes


def told(own, rate_hz=10.0):
    times = FrameTimes(rate_hz)
    return [times.next(t) for t in own]


def test_the_videos_own_times_are_kept_whatever_its_nominal_rate():
    assert told([0.0, 0.05, 0.07, 2.0], rate_hz=7.5) == [(0.0, False), (0.05, False), (0.07, False), (2.0, False)]


def test_a_time_that_is_missing_repeated_or_a_little_back_is_one_nominal_step_on():
    found = told([0.0, None, 0.25, 0.25, 0.2, 0.6])
    assert not any(cut for _, cut in found)
    assert [round(t, 6) for t, _ in found] == [0.0, 0.1, 0.25, 0.35, 0.45, 0.6]


def test_behind_a_long_gap_or_a_new_beginning_the_own_times_go_on():
    found = told([0.0, 0.5, 60.5, 60.7, 0.0, 0.3])
    assert [cut for _, cut in found] == [False, False, True, False, True, False]
    assert [round(t, 6) for t, _ in found] == [0.0, 0.5, 0.6, 0.8, 0.9, 1.2]


def test_times_that_stood_still_are_no_reason_to_count_by_the_nominal_rate():
    """Of a recorder that was held up and stamps as it writes; it took 28 a second for 30 until they were 1 s apart."""
    own = [i / 30 for i in range(60)] + [2.2] * 6 + [2.2 + i / 30 for i in range(300)]
    found = told(own, rate_hz=28.0)
    cuts = [i for i, (_, cut) in enumerate(found) if cut]
    assert len(cuts) == 1
    assert cuts[0] < 100
    after = [t for t, _ in found[cuts[0] :]]
    assert abs((after[-1] - after[0]) - (own[-1] - own[cuts[0]])) < 1e-9


@given(st.lists(st.floats(0.0, 100.0), max_size=40))
def test_between_cuts_the_times_keep_to_the_videos_own(own):
    own, ahead = [0.0, *own], []
    for (t, cut), said in zip(told(own), own, strict=True):
        ahead = [] if cut else ahead
        ahead.append(t - said)
        assert max(ahead) - min(ahead) < 0.25 + 0.1 + 1e-9


def test_a_video_without_times_is_told_from_one_with():
    for own, untimed in (([None] * 20, True), ([0.0] * 20, True), ([0.0] * 5 + [0.4] * 15, False)):
        times = FrameTimes(25.0)
        for t in own:
            times.next(t)
        assert times.untimed == untimed
    assert not FrameTimes(25.0).untimed


@given(st.lists(st.none() | st.floats(0.0, 100.0), max_size=40))
def test_time_always_rises(own):
    found = [t for t, _ in told(own)]
    assert all(b > a for a, b in pairwise(found))
