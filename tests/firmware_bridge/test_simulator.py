"""The simulated device: deterministic, honest about what it lost, restarts and obeys as a real one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware_bridge.decoder import Decoder, Reset, Samples
from firmware_bridge.frames import Ack, Hello, RequestHello, Start, Stop, StreamInfo, encode
from firmware_bridge.simulator import Faults, SimulatedStream, Simulator, pack_samples


def ramp(first, count):
    return [[first + k] for k in range(count)]


def device(faults=None, seed=0, rates=((1, "ppg", 100.0, 10), (2, "pcg", 4000.0, 200))):
    streams = [SimulatedStream(StreamInfo(i, kind, ("a",), rate), ramp, per) for i, kind, rate, per in rates]
    return Simulator(streams, faults=faults or Faults(), seed=seed)


def run(simulator, seconds, step_s=0.05):
    decoder, items = Decoder(), []
    for k in range(int(seconds / step_s) + 1):
        items += decoder.feed(simulator.step(k * step_s))
    return decoder, items


def test_a_clean_line_carries_every_sample_in_order():
    decoder, items = run(device(), 10.05)
    values = [
        int.from_bytes(i.data.samples[k : k + 4], "little")
        for i in items
        if isinstance(i, Samples) and i.info.kind == "ppg"
        for k in range(0, len(i.data.samples), 4)
    ]
    assert values == list(range(1000))
    assert sum(isinstance(i, Hello) for i in items) == 3  # at the start and every five seconds
    assert {k: v for k, v in decoder.counters.items() if v} == {"frames_ok": decoder.counters["frames_ok"]}


def test_the_same_seed_sends_the_same_bytes():
    faults = Faults(drift_ppm=50, jitter_s=0.03, loss=0.1, corruption=0.1, reset_at_s=(3.0,))
    one, two = device(faults, seed=4), device(faults, seed=4)
    assert [one.step(k * 0.1) for k in range(80)] == [two.step(k * 0.1) for k in range(80)]


@settings(max_examples=40, deadline=None)
@given(st.floats(0.0, 0.5), st.floats(0.0, 0.3), st.integers(0, 10_000))
def test_what_it_says_was_lost_is_what_the_receiver_counts(loss, corruption, seed):
    """Between the first and the last frame received; before and after, nothing frames the loss."""
    simulator = device(Faults(loss=loss, corruption=corruption), seed, rates=((1, "ppg", 100.0, 10),))
    decoder, items = run(simulator, 30.0)
    got = [i for i in items if isinstance(i, Samples)]
    if not got:
        return
    received = sum(i.data.count for i in got)
    first, end = got[0].data.index, got[-1].data.index + got[-1].data.count
    assert received + 10 * decoder.counters["no_hello"] == 3000 - simulator.lost_samples.get(1, 0)
    assert decoder.counters["lost_samples"] == end - first - received


def test_a_restart_is_seen_as_one():
    decoder, items = run(device(Faults(reset_at_s=(4.0, 7.5))), 10.0)
    assert decoder.counters["resets"] == sum(isinstance(i, Reset) for i in items) == 2
    assert decoder.counters["lost_samples"] == 0


def test_bursts_come_together():
    simulator = device(Faults(burst_s=0.25), rates=((1, "ppg", 100.0, 10),))
    sizes = [len(simulator.step(k * 0.05)) for k in range(1, 60)]
    assert sum(s > 0 for s in sizes) <= 13


def test_it_answers_and_obeys():
    simulator = device(rates=((1, "ppg", 100.0, 10),))
    decoder = Decoder()
    decoder.feed(simulator.step(0.0))
    simulator.receive(encode(RequestHello(), 0) + encode(Stop(0), 1), 0.01)
    items = decoder.feed(simulator.step(1.0))
    assert [type(i) for i in items] == [Hello, Ack]
    assert items[1] == Ack(18, 1, 0)
    simulator.receive(encode(Start(1), 2), 1.0)
    items = decoder.feed(simulator.step(2.0))
    assert items[0] == Ack(17, 2, 0)
    assert decoder.counters["lost_samples"] == 0
    assert any(isinstance(i, Samples) for i in items)


def test_commands_that_come_together_are_each_acknowledged_by_their_own_number():
    simulator, decoder = device(), Decoder()
    simulator.step(0.0)
    simulator.receive(encode(Stop(1), 7) + encode(Start(1), 8), 0.01)
    acks = [one for one in decoder.feed(simulator.step(0.02)) if isinstance(one, Ack)]
    assert acks == [Ack(18, 7, 0), Ack(17, 8, 0)]


@given(st.lists(st.integers(-(1 << 33), 1 << 33), min_size=1, max_size=20), st.sampled_from([1, 2, 3, 4]))
def test_converters_clip(values, format_):
    width, signed = {1: (2, True), 2: (3, True), 3: (4, True), 4: (1, False)}[format_]
    packed = pack_samples(values, format_)
    low, high = (-(1 << 8 * width - 1), (1 << 8 * width - 1) - 1) if signed else (0, 255)
    back = [int.from_bytes(packed[i : i + width], "little", signed=signed) for i in range(0, len(packed), width)]
    assert back == [min(high, max(low, v)) for v in values]
