"""A lane emits at every hop while blocks arrive, whatever the chunks, and one bad analyzer harms no other."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.lane import Lane
from edge.types import Block, Reading
from signals import Echo, blocks

RNG = np.random.default_rng(7)
PPG = np.round(RNG.normal(size=1000) * 1000)
ACC = np.round(RNG.normal(size=(500, 3)) * 1000)
LONG = np.round(RNG.normal(size=4000) * 1000)


def lane(*analyzers, **kw):
    named = {f"echo{i}": a for i, a in enumerate(analyzers)}
    return Lane(bed="bed1", source="node", primary="ppg", analyzers=named, **kw)


def run(one, feed):
    readings = [r for b in feed for r in one.feed(b)]
    return readings + one.finish()


def interleaved(ppg_chunk, acc_chunk):
    both = [*blocks(PPG, chunk=ppg_chunk), *blocks(ACC, stream="node/acc", rate=50.0, chunk=acc_chunk)]
    return sorted(both, key=lambda b: (b.t0, b.kind))


def test_emits_at_every_hop_from_the_first():
    readings = run(lane(Echo()), blocks(PPG))
    assert [r.t for r in readings] == [float(t) for t in range(1, 11)]
    assert readings[0].detail["coverage"] == 0.5
    assert readings[1].detail["coverage"] == 1.0
    assert {(r.bed, r.source) for r in readings} == {("bed1", "node")}


@pytest.mark.parametrize("chunk", [1, 7, 100, 1000])
def test_chunking_does_not_change_a_reading(chunk):
    assert run(lane(Echo()), blocks(PPG, chunk=chunk)) == run(lane(Echo()), blocks(PPG, chunk=10))


@pytest.mark.parametrize("chunk", [420, 700, 1000])
def test_a_window_is_whole_however_long_a_block_is(chunk):
    def readings(ppg_chunk, acc_chunk):
        ppg = blocks(LONG, chunk=ppg_chunk)
        acc = blocks(LONG[::2], stream="node/acc", rate=50.0, chunk=acc_chunk)
        echo = Echo(streams=("ppg", "acc?"), window_s=16.0)
        return run(lane(echo), sorted([*ppg, *acc], key=lambda b: (b.t_end, b.kind)))

    whole = readings(10, 5)
    assert [r.detail["n"] for r in whole] == [min(1600, 100 * (k + 1)) for k in range(40)]
    assert readings(chunk, chunk // 2) == whole


@pytest.mark.parametrize(("ppg_chunk", "acc_chunk"), [(1, 1), (7, 3), (100, 50), (1000, 500), (100, 1), (7, 500)])
def test_chunking_of_companions_does_not_matter_either(ppg_chunk, acc_chunk):
    def echo():
        return Echo(streams=("ppg", "acc?"), hop_s=0.7)

    assert run(lane(echo()), interleaved(ppg_chunk, acc_chunk)) == run(lane(echo()), interleaved(10, 5))


def test_goes_on_without_a_companion_that_stopped():
    feed = [*blocks(PPG[:200]), *blocks(ACC[:100], stream="node/acc", rate=50.0), *blocks(PPG, chunk=10)]
    feed = sorted(feed[:30], key=lambda b: b.t0) + feed[50:]
    one = lane(Echo(streams=("ppg", "acc?")))
    readings = run(one, feed)
    assert [r.t for r in readings] == [float(t) for t in range(1, 11)]
    assert "acc" not in readings[-1].detail["companions"]


def test_two_analyzers_keep_their_own_hops():
    readings = run(lane(Echo(hop_s=1.0), Echo(hop_s=2.5, window_s=5.0)), blocks(PPG, chunk=100))
    assert [r.t for r in readings] == sorted(r.t for r in readings)
    assert [r.t for r in readings if r.detail["n"] > 200] == [2.5, 5.0, 7.5, 10.0]


def test_of_two_analyzers_the_longer_window_is_whole():
    readings = run(lane(Echo(), Echo(hop_s=2.5, window_s=10.0)), blocks(PPG))
    assert [r.detail["n"] for r in readings if r.detail["n"] > 200] == [250, 500, 750, 1000]


@pytest.mark.parametrize("chunk", [1, 10, 100])
def test_a_hop_may_be_longer_than_a_window(chunk):
    """Between two windows lies a time of which nothing is kept."""
    readings = run(lane(Echo(hop_s=5.0, window_s=2.0)), blocks(PPG, chunk=chunk))
    assert [(r.t, r.detail["first"], r.detail["coverage"]) for r in readings] == [(5.0, 3.0, 1.0), (10.0, 8.0, 1.0)]


def test_a_new_epoch_resets_and_starts_a_new_grid():
    echo = Echo()
    one = lane(echo)
    run(one, blocks(PPG[:250]))
    readings = run(one, blocks(PPG[:250], epoch=1, t0=20.3))
    assert echo.resets == 1
    assert [r.t for r in readings] == [21.3, 22.3]
    assert readings[0].detail["coverage"] == 0.5


@pytest.mark.parametrize("chunk", [1, 10, 100])
def test_hops_go_on_through_a_hole(chunk):
    readings = run(lane(Echo()), blocks(PPG, lost=range(300, 600), chunk=chunk))
    assert [r.t for r in readings] == [float(t) for t in range(1, 11)]
    assert readings[5].detail["coverage"] == 0.0


@pytest.mark.parametrize("chunk", [1, 10, 100])
@pytest.mark.parametrize("ahead", ["ppg", "acc"])
def test_a_window_that_ended_in_a_hole_is_whole_before_it(ahead, chunk):
    """Whichever stream comes again first: of both the newest samples are nearly 3 s ahead of the window's end."""
    lost = range(2490, 2780)
    ppg = blocks(LONG, chunk=chunk, lost=lost)
    acc = blocks(LONG, stream="node/acc", chunk=chunk, lost=lost)
    feed = sorted([*ppg, *acc], key=lambda b: (b.t0, b.kind != ahead))
    readings = run(lane(Echo(streams=("ppg", "acc?"), window_s=16.0)), feed)
    (hop,) = [r for r in readings if r.t == 25.0]
    assert {kind: n for kind, (n, _) in hop.detail["companions"].items()} == {"ppg": 1590, "acc": 1590}


@pytest.mark.parametrize("chunk", [1, 10, 100])
def test_nothing_is_said_afterwards_of_a_long_silence(chunk):
    """What would be said of it when the stream is back is old news: to the alarms, and of whether this machine keeps up."""
    two = lane(Echo(hop_s=1.0), Echo(hop_s=2.5, window_s=5.0))
    readings = run(two, blocks(PPG, lost=range(250, 700), chunk=chunk))
    assert [r.t for r in readings] == [1.0, 2.0, 2.5, 7.0, 7.5, 8.0, 9.0, 10.0, 10.0]
    assert [r.detail["coverage"] for r in readings[3:5]] == pytest.approx([0.0, 0.1])


@pytest.mark.parametrize(("until", "said"), [(550, [3.0, 4.0, 5.0]), (551, [])])
def test_a_silence_is_long_from_three_seconds_on(until, said):
    readings = run(lane(Echo()), blocks(PPG, lost=range(250, until)))
    assert [r.t for r in readings] == [1.0, 2.0, *said, 6.0, 7.0, 8.0, 9.0, 10.0]


@pytest.mark.parametrize(("began", "later_by"), [(0.0, 0.5), (300.5, 0.5), (7000.0, 0.25)])
def test_a_stream_that_was_away_for_days_is_not_made_up_for_hop_by_hop(began, later_by):
    one, back = lane(Echo()), began + 500_000.0
    early, later = blocks(PPG[:200], t0=began), blocks(PPG[:200], t0=back + later_by)
    run(one, early)
    readings = run(one, [replace(block, seq=block.seq + 50_000_000) for block in later])
    assert [r.t for r in readings] == [back + 1.0, back + 2.0]


class Broken(Echo):
    def __call__(self, windows):
        raise RuntimeError("broken on purpose")


def test_a_broken_analyzer_is_a_model_fault_and_harms_no_other():
    broken, echo = Broken(), Echo()
    broken.metrics = ("ppg.rhythm",)
    one = lane(broken, echo)
    readings = run(one, blocks(PPG))
    faults = [r for r in readings if r.metric == "ppg.rhythm"]
    assert len(faults) == 10
    assert {(r.value, r.reason) for r in faults} == {(None, "model_fault")}
    assert sum(r.metric == "ppg.hr" for r in readings) == 10
    assert len(one.take_faults()) == 10
    assert one.take_faults() == []


def test_a_transform_stands_in_front_of_the_window():
    class Half:
        def __call__(self, block):
            return Block("node/ppg", block.seq, block.t0, block.rate, block.data / 2, epoch=block.epoch)

        def reset(self):
            pass

    one = lane(Echo(), transforms={"raw": Half()})
    assert one.kinds == {"ppg", "raw"}
    feed = blocks(PPG * 2, stream="node/raw")
    assert run(one, feed) == run(lane(Echo()), blocks(PPG))


class Since:
    """A transform with a memory: each sample less the first one since its last reset; gives nothing for a ``skip``."""

    def __init__(self, skip=()):
        self.first, self.skip = None, skip

    def __call__(self, block):
        if block.seq in self.skip:
            return None
        self.first = block.data[0, 0] if self.first is None else self.first
        return Block("node/ppg", block.seq, block.t0, block.rate, block.data - self.first, epoch=block.epoch)

    def reset(self):
        self.first = None


def test_a_transform_begins_anew_with_an_epoch_and_not_within_one():
    one, ramp = lane(Echo(), transforms={"raw": Since()}), np.arange(200.0)
    values = []
    for epoch, level in enumerate((7.0, 5.0, 3.0)):
        values += [r.value for r in run(one, blocks(ramp + level, stream="node/raw", t0=10.0 * epoch, epoch=epoch))]
    assert values == [float(ramp[:100].sum()), float(ramp.sum())] * 3


def test_what_a_transform_gives_nothing_for_is_a_hole():
    one = lane(Echo(), transforms={"raw": Since(skip=range(100, 200))})
    readings = run(one, blocks(PPG[:300], stream="node/raw"))
    assert [r.detail["holes"] for r in readings] == [((-1.0, 0.0),), ((1.0, 2.0),), ((1.0, 2.0),)]


def test_a_stream_of_no_concern_is_let_pass_and_what_enters_a_window_is_observed():
    one, seen = lane(Echo(streams=("ppg", "acc?"))), []
    one.observe = seen.append
    assert one.feed(Block("node/ecg", 0, 0.0, 100.0, np.zeros((500, 1)))) == []
    one.prime(Block("node/ecg", 0, 0.0, 100.0, np.zeros((500, 1))))
    feed = interleaved(10, 5)
    run(one, feed)
    assert seen == feed


def test_a_companion_that_begins_anew_begins_no_new_grid():
    echo = Echo(streams=("ppg", "acc?"))
    feed = [*blocks(PPG), *blocks(ACC[:200], stream="node/acc", rate=50.0)]
    feed += blocks(ACC[200:], stream="node/acc", rate=50.0, t0=4.0, epoch=1)
    readings = run(lane(echo), sorted(feed, key=lambda b: (b.t0, b.kind)))
    assert [r.t for r in readings] == [float(t) for t in range(1, 11)]
    assert echo.resets == 0


@pytest.mark.parametrize(("late_s", "n"), [(0.0, 100), (0.24, 100), (0.4, 95)])
def test_a_hop_waits_a_quarter_second_and_a_block_of_each_for_a_companion(late_s, n):
    """By when its blocks come, not by their own time; one that is there already is not waited for."""
    one = lane(Echo(streams=("ppg", "acc?")))
    ppg = [(b.t_end, b) for b in blocks(PPG[:300], chunk=2)]
    acc = [(b.t_end + late_s, b) for b in blocks(ACC[:150], stream="node/acc", rate=50.0, chunk=1)]
    came = {}
    for now, block in sorted([*ppg, *acc], key=lambda item: (item[0], item[1].kind)):
        for reading in one.feed(block):
            came[reading.t] = (round(now - reading.t, 3), reading.detail["companions"]["acc"][0])
    after_s, held = came[2.0]
    assert held == n
    assert after_s == pytest.approx(min(late_s, 0.29), abs=0.0201)


def test_the_end_of_the_stream_is_the_end_of_waiting():
    one = lane(Echo(streams=("ppg", "acc?")))
    feed = [*blocks(ACC[:95], stream="node/acc", rate=50.0), *blocks(PPG[:200])]
    assert [r.t for b in feed for r in one.feed(b)] == [1.0]
    (last,) = one.finish()
    assert (last.t, last.detail["companions"]["acc"][0]) == (2.0, 95)


def test_after_a_reset_all_begins_anew():
    echo = Echo(streams=("ppg", "acc?"))
    one = lane(echo)
    for block in interleaved(10, 5)[:100]:
        one.feed(block)
    one.reset()
    assert echo.resets == 1
    readings = run(one, blocks(PPG[:250], t0=20.3))
    assert [(r.t, r.detail["coverage"], [*r.detail["companions"]]) for r in readings] == [
        (21.3, 0.5, ["ppg"]),
        (22.3, 1.0, ["ppg"]),
    ]


def test_an_analyzer_of_another_primary_is_refused():
    with pytest.raises(ValueError, match="primary is 'ppg'"):
        lane(Echo(streams=("pcg",)))


@pytest.mark.parametrize("settings", [{"hop_s": 0.0}, {"hop_s": -1.0}, {"window_s": 0.0}])
def test_an_analyzer_that_would_never_move_on_is_refused(settings):
    with pytest.raises(ValueError, match="above 0"):
        lane(Echo(**settings))


def test_a_reading_is_either_known_or_says_why():
    with pytest.raises(ValueError, match="needs a reason"):
        Reading("ppg.hr", 0.0, None)
    with pytest.raises(ValueError, match="finite"):
        Reading("ppg.hr", 0.0, float("nan"))
    with pytest.raises(ValueError, match="unknown reason"):
        Reading("ppg.hr", 0.0, None, reason="because")


def interrupted(lost, chunk, new_epoch):
    """Ten seconds of both streams, the primary with losses and perhaps in a new epoch from 10.3 s on."""
    ppg = [*blocks(PPG, chunk=chunk, lost=lost)]
    if new_epoch:
        ppg += [*blocks(PPG[:400], chunk=chunk, t0=10.3, epoch=1)]
    return sorted([*ppg, *blocks(ACC, stream="node/acc", rate=50.0, chunk=5)], key=lambda b: (b.t0, b.kind))


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 149),
    st.sets(st.integers(0, 999), max_size=300),
    st.sampled_from([1, 7, 10, 100]),
    st.floats(0.0, 12.0),
    st.booleans(),
)
def test_another_lane_goes_on_from_a_state_as_this_one_does(split, lost, chunk, lead_s, new_epoch):
    """Wherever it is taken; where the blocks before it do not reach back far enough it is refused, not half restored."""
    feed = interrupted(lost, chunk, new_epoch)
    split = min(split, len(feed))
    one, other = (lane(Echo(streams=("ppg", "acc?"), hop_s=0.7)) for _ in range(2))
    for block in feed[:split]:
        one.feed(block)
    state = msgspec.msgpack.decode(msgspec.msgpack.encode(one.state()))
    primed = [block for block in feed[:split] if block.t_end > feed[split - 1].t_end - lead_s]
    for block in primed:
        other.prime(block)
    held = {kind: stream["oldest"] for kind, stream in state["streams"].items() if stream is not None}
    reaches = all(any(b.kind == kind and b.t0 <= t < b.t_end for b in primed) for kind, t in held.items())
    assert other.restore(state) == reaches
    if reaches:
        first = state["streams"]["ppg"] and state["streams"]["ppg"]["first_t"]
        due = {} if first is None else {"ppg.hr": pytest.approx(first + 0.7 * state["hops"]["echo0"])}
        assert other.answers_from == (due or {"ppg.hr": -np.inf})
        assert run(other, feed[split:]) == run(one, feed[split:])
        assert other.state() == one.state()


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 149), st.sets(st.integers(0, 999), max_size=300), st.sampled_from([1, 7, 10, 100]), st.booleans())
def test_a_lane_holds_no_block_that_no_window_to_come_can_reach(split, lost, chunk, new_epoch):
    """But for the last one of a stream; so its state needs no block from before, across losses and epochs."""
    feed = interrupted(lost, chunk, new_epoch)
    split = min(split, len(feed))
    one = lane(Echo(streams=("ppg", "acc?"), hop_s=0.7))
    for block in feed[:split]:
        one.feed(block)
    state = one.state()
    ppg = state["streams"]["ppg"]
    if ppg is None:
        return
    reached = ppg["first_t"] + 0.7 * state["hops"]["echo0"] - 2.0
    for kind, stream in state["streams"].items():
        if stream is not None:
            came = [b for b in feed[:split] if b.kind == kind]
            assert stream["oldest"] == came[-1].t0 or any(b.t0 == stream["oldest"] and b.t_end > reached for b in came)
            assert kind == "ppg" or stream["end"] > reached - 0.06


def test_a_companion_that_fell_silent_long_ago_is_no_part_of_the_state():
    one, other = (lane(Echo(streams=("ppg", "acc?"))) for _ in range(2))
    feed = sorted([*blocks(PPG), *blocks(ACC[:100], stream="node/acc", rate=50.0)], key=lambda b: b.t0)
    for block in feed:
        one.feed(block)
    for block in feed[-40:]:
        other.prime(block)
    state = one.state()
    assert state["streams"]["acc"] is None
    assert other.restore(state)
    again = [*blocks(PPG[:300], t0=10.0), *blocks(ACC[:150], stream="node/acc", rate=50.0, t0=10.4)]
    again = [Block(b.stream, b.seq + (1000 if b.kind == "ppg" else 520), b.t0, b.rate, b.data) for b in again]
    again.sort(key=lambda b: b.t0)
    assert run(other, again) == run(one, again)
