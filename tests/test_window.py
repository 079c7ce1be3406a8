"""Windows hold what arrived, say what did not, and do not care how it was chunked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.types import Block
from edge.window import Windower, sample_times
from signals import blocks


def cut_all(data, *, chunk, start, end, rate=100.0, lost=(), t0=0.0):
    windower = Windower(keep_s=60.0)
    for block in blocks(data, chunk=chunk, rate=rate, lost=lost, t0=t0):
        windower.add(block)
    return windower.cut(start, end)


def test_a_full_window_holds_exactly_its_samples():
    window = cut_all(np.arange(1000.0), chunk=10, start=2.0, end=4.0)
    assert window.data[:, 0].tolist() == list(range(200, 400))
    assert window.coverage == 1.0
    assert window.holes == ()


def test_lost_samples_are_a_hole_and_never_padding():
    window = cut_all(np.arange(1000.0), chunk=10, start=2.0, end=4.0, lost=range(250, 300))
    assert len(window.t) == 150
    assert window.holes == ((2.5, 3.0),)
    assert window.coverage == 0.75


def test_one_lost_sample_is_seen():
    window = cut_all(np.arange(1000.0), chunk=10, start=2.0, end=4.0, lost=[300])
    assert window.holes == ((3.0, 3.01),)


def test_before_the_first_and_after_the_last_sample_is_a_hole():
    window = cut_all(np.arange(100.0), chunk=10, start=-1.0, end=2.0)
    assert window.holes == ((-1.0, 0.0), (1.0, 2.0))
    assert window.coverage == pytest.approx(1 / 3)


def test_a_span_without_samples_has_coverage_nothing():
    window = cut_all(np.arange(1000.0), chunk=100, start=4.0, end=5.0, lost=range(300, 600))
    assert len(window.t) == 0
    assert window.coverage == 0.0


def test_a_camera_that_stalls_leaves_a_hole_that_seq_does_not_show():
    windower = Windower(keep_s=10.0)
    times = [0.0, 0.033, 0.066, 0.5, 0.533]
    for seq, t in enumerate(times):
        windower.add(Block("cam/roi", seq, t, 30.0, np.ones((1, 3))))
    (hole,) = windower.cut(0.0, 0.566).holes
    assert hole == pytest.approx((0.066 + 1 / 30, 0.5))


def test_jitter_of_a_camera_is_no_hole():
    windower = Windower(keep_s=10.0)
    for seq, t in enumerate([0.0, 0.04, 0.06, 0.11, 0.133]):
        windower.add(Block("cam/roi", seq, t, 30.0, np.ones((1, 3))))
    assert windower.cut(0.0, 0.15).holes == ()


def test_repeated_samples_are_taken_once_and_time_never_goes_back():
    windower = Windower(keep_s=10.0)
    all_blocks = list(blocks(np.arange(100.0), chunk=10))
    for block in [*all_blocks, all_blocks[3], all_blocks[-1]]:
        assert not windower.add(block), "no new epoch, either"
    window = windower.cut(0.0, 1.0)
    assert window.data[:, 0].tolist() == list(range(100))
    assert (np.diff(window.t) > 0).all()


@pytest.mark.parametrize(
    "change",
    [{"epoch": 1}, {"rate": 50.0}, {"stream": "other/ppg"}, {"data": np.zeros((10, 2))}],
    ids=lambda c: next(iter(c)),
)
def test_a_block_that_does_not_go_on_with_the_stream_forgets_what_was(change):
    windower = Windower(keep_s=10.0)
    for block in blocks(np.arange(100.0), lost=range(40, 60)):
        assert not windower.add(block)
    (again,) = blocks(**{"data": np.arange(10.0), "t0": 3.0, **change})
    assert windower.add(again)
    assert windower.first_t == 3.0
    window = windower.cut(0.0, 4.0)
    assert len(window.t) == 10
    assert window.holes == ((0.0, 3.0), (windower.end, 4.0)), "the old stream's holes are not counted twice"


def test_nothing_is_cut_before_the_first_block():
    assert Windower(keep_s=1.0).cut(0.0, 1.0) is None


def test_a_window_cannot_be_written_to():
    window = cut_all(np.arange(100.0), chunk=10, start=0.0, end=1.0)
    for array in (window.t, window.data):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 1.0


def test_the_last_block_is_kept_whatever_is_forgotten():
    windower = Windower(keep_s=10.0)
    for block in blocks(np.arange(100.0), chunk=10):
        windower.add(block)
    windower.forget(1000.0)
    assert windower.state()["oldest"] == 0.9
    assert len(windower.cut(0.0, 1.0).t) == 10


def test_memory_is_bounded_by_what_is_kept():
    windower = Windower(keep_s=5.0)
    for block in blocks(np.zeros(100_000), chunk=10, lost=range(0, 100_000, 7)):
        windower.add(block)
    assert len(windower.cut(0.0, 1000.0).t) <= 5.2 * 100


@given(
    chunk=st.sampled_from([1, 7, 100, 10_000]),
    rate=st.sampled_from([25.0, 30.0, 100.0, 125.0, 333.0, 2000.0, 44_100.0]),
    t0=st.floats(0, 1e6),
    lost=st.sets(st.integers(0, 299), max_size=60),
    start=st.floats(-0.5, 4.0),
)
def test_chunking_does_not_matter(chunk, rate, t0, lost, start):
    data = np.arange(300.0)
    start = round(t0 + start * 100 / rate, 9)
    span = 200 / rate
    kept = [i for i in range(300) if i not in lost]
    if not kept:
        return
    one = cut_all(data, chunk=1, start=start, end=start + span, rate=rate, lost=lost, t0=t0)
    other = cut_all(data, chunk=chunk, start=start, end=start + span, rate=rate, lost=lost, t0=t0)
    assert other.data.tolist() == one.data.tolist()
    assert np.abs(other.t - one.t).max(initial=0.0) <= 2e-9
    assert other.coverage == pytest.approx(one.coverage, abs=1e-6)


def test_sample_times_do_not_depend_on_chunks_at_usual_rates():
    for rate in (30.0, 100.0, 125.0, 2000.0, 4000.0):
        whole = np.concatenate([sample_times(b) for b in blocks(np.zeros(4000), rate=rate, chunk=4000)])
        small = np.concatenate([sample_times(b) for b in blocks(np.zeros(4000), rate=rate, chunk=7)])
        assert whole.tolist() == small.tolist()


@pytest.mark.parametrize(
    ("rate", "pause_s", "is_hole"),
    [
        (100.0, 0.049, False),  # the time base may shift a block by so much
        (100.0, 0.051, True),
        (10.0, 0.24, False),  # two and a half samples
        (10.0, 0.26, True),
    ],
)
def test_a_pause_is_a_hole_from_two_and_a_half_samples_and_fifty_milliseconds_on(rate, pause_s, is_hole):
    windower = Windower(keep_s=10.0)
    for block in blocks(np.zeros(20), rate=rate, chunk=20):
        windower.add(block)
    windower.add(Block("node/ppg", 20, 20 / rate + pause_s, rate, np.zeros((10, 1))))
    assert bool(windower.cut(0.0, 30 / rate + pause_s).holes) is is_hole


def test_an_edge_may_fall_a_quarter_of_a_sample_beside_one():
    for start, first in ((1.0024, 100.0), (1.0026, 101.0), (0.9976, 100.0), (1.0, 100.0)):
        window = cut_all(np.arange(300.0), chunk=10, start=start, end=start + 1.0)
        assert (window.data[0, 0], len(window.t)) == (first, 100)


def test_repeats_show_by_seq_or_by_time():
    windower = Windower(keep_s=10.0)
    windower.add(Block("node/ppg", 0, 0.0, 100.0, np.arange(10.0)[:, None]))
    windower.add(Block("node/ppg", 5, 0.1, 100.0, np.arange(5.0, 15.0)[:, None]))  # stamped late, counted right
    assert windower.cut(0.0, 0.3).data[:, 0].tolist() == [*range(15)]
    windower.add(Block("node/ppg", 15, windower.cut(0.0, 0.3).t[-1], 100.0, np.array([[15.0], [16.0]])))
    assert windower.cut(0.0, 0.3).data[:, 0].tolist() == [*range(15), 16.0]


def test_flags_are_those_of_the_blocks_inside_and_until_when_they_stood():
    windower = Windower(keep_s=10.0)
    for i, flag in enumerate(("overrun", "saturated", "sensor_off")):
        windower.add(Block("node/ppg", 100 * i, float(i), 100.0, np.zeros((100, 1)), flags=frozenset({flag})))
    assert windower.cut(1.0, 2.0).flags == {"saturated": 2.0}
    assert windower.cut(0.5, 1.6).flags == {"overrun": 1.0, "saturated": 1.6}


def test_a_stream_goes_on_from_a_state_only_with_the_samples_it_needs():
    whole = list(blocks(np.arange(400.0), lost=range(150, 160)))
    one = Windower(keep_s=2.7)
    for block in whole:
        one.add(block)
    for before, works in ((0, True), (90, True), (130, False)):
        two = Windower(keep_s=2.7)
        for block in whole:
            if block.seq >= before:
                two.add(block)
        assert two.restore(one.state()) is works
        assert not works or (two.first_t == 0.0 and two.cut(1.0, 4.0).holes == one.cut(1.0, 4.0).holes)
    assert not two.restore({**one.state(), "oldest": two.first_t, "end": 3.9})


@pytest.mark.parametrize("chunk", [1, 10])
@pytest.mark.parametrize("since", [0, 100, 300])
def test_a_stream_that_goes_on_from_a_state_knows_of_the_hole_before_its_first_sample(chunk, since):
    whole = list(blocks(np.arange(500.0), lost=range(250, 300), chunk=chunk))
    one, two = Windower(keep_s=10.0), Windower(keep_s=10.0)
    for block in whole:
        one.add(block)
        if block.seq >= since:
            two.add(block)
    one.forget(2.75)
    assert two.restore(one.state())
    assert two.state() == one.state() == {"first_t": 0.0, "oldest": 3.0, "end": 5.0, "holes": [[2.5, 3.0]]}
    first, second = one.cut(2.75, 5.0), two.cut(2.75, 5.0)
    assert (second.t.tolist(), second.holes) == (first.t.tolist(), ((2.75, 3.0),))


def test_a_state_of_before_the_first_block_is_none_and_forgets_what_was():
    windower = Windower(keep_s=10.0)
    assert windower.state() is None
    assert (windower.first_t, windower.end, windower.last_block_s) == (None, None, 0.0)
    for block in blocks(np.zeros(25), lost=range(5, 8)):
        windower.add(block)
    assert (windower.first_t, windower.end, windower.last_block_s) == (0.0, 0.25, 0.07)
    assert windower.restore(None)
    assert (windower.state(), windower.cut(0.0, 1.0)) == (None, None)


def test_the_end_of_a_window_may_be_as_far_past_the_last_sample_as_a_pause_is_no_hole():
    assert cut_all(np.zeros(100), chunk=10, start=0.0, end=1.04).holes == ()
    assert cut_all(np.zeros(100), chunk=10, start=0.0, end=1.06).holes == ((1.0, 1.06),)


def test_a_stream_has_ended_where_it_was_silent_for_longer_than_a_pause():
    windower = Windower(keep_s=10.0)
    assert windower.ended_before(1000.0) is False
    for block in blocks(np.zeros(100)):
        windower.add(block)
    assert [windower.ended_before(t) for t in (0.5, 1.04, 1.06)] == [False, False, True]


def test_where_samples_came_again_is_asked_for_inside_of_a_long_hole():
    windower = Windower(keep_s=10.0)
    for block in blocks(np.zeros(500), lost=[*range(100, 110), *range(250, 300)]):
        windower.add(block)
    at = (1.05, 2.49, 2.5, 2.51, 2.99, 3.0)
    assert [windower.hole_end(t, longer_than_s=0.4) for t in at] == [None, None, None, 3.0, 3.0, None]
    assert windower.hole_end(2.7, longer_than_s=0.5) is None, "it is not longer"
    assert windower.hole_end(1.05, longer_than_s=0.05) == 1.1


def test_of_a_hole_that_began_before_what_is_kept_the_rest_is_known():
    windower = Windower(keep_s=10.0)
    for block in blocks(np.zeros(500), lost=range(250, 300)):
        windower.add(block)
    windower.forget(2.75)
    assert windower.cut(2.75, 4.0).holes == ((2.75, 3.0),)
    windower.forget(3.5)
    assert windower.cut(2.75, 4.0).holes == ()


def test_of_a_hole_only_what_lies_in_the_window_counts():
    window = cut_all(np.zeros(500), chunk=10, start=2.0, end=2.75, lost=range(250, 300))
    assert (window.holes, window.coverage) == (((2.5, 2.75),), pytest.approx(2 / 3))
    assert cut_all(np.zeros(500), chunk=10, start=2.0, end=2.5, lost=range(250, 300)).holes == ()


def test_the_oldest_holes_are_forgotten_first():
    windower = Windower(keep_s=10.0)
    for block in blocks(np.zeros(500), lost=[*range(100, 150), *range(250, 300)]):
        windower.add(block)
    windower.forget(2.0)
    assert windower.cut(0.0, 5.0).holes == ((2.5, 3.0),)


def test_a_stream_ends_on_a_whole_nanosecond_like_its_samples():
    windower = Windower(keep_s=10.0)
    windower.add(Block("node/ppg", 0, 0.1, 3.0, np.zeros((1, 1))))
    assert windower.end == 0.433333333


def test_what_may_be_forgotten_is_no_sample_that_a_window_from_there_on_holds():
    windower = Windower(keep_s=10.0)
    for block in blocks(np.arange(100.0), chunk=10):
        windower.add(block)
    windower.forget(0.0924)  # a quarter of a sample past the last one of a block
    assert windower.cut(0.0924, 1.0).data[0, 0] == 9.0
    windower.forget(0.0926)
    assert windower.state()["oldest"] == 0.1


@pytest.mark.parametrize(("pause_s", "is_hole"), [(0.0049, False), (0.0051, True)])
def test_where_samples_were_lost_by_count_half_a_sample_is_a_hole(pause_s, is_hole):
    windower = Windower(keep_s=10.0)
    windower.add(Block("node/ppg", 0, 0.0, 100.0, np.zeros((10, 1))))
    windower.add(Block("node/ppg", 11, 0.1 + pause_s, 100.0, np.zeros((10, 1))))
    assert bool(windower.cut(0.0, 0.2).holes) is is_hole
