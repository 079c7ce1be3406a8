"""The serial source and the clocks of devices: off, wandering, or none; and rates that are not as declared."""

from __future__ import annotations

import logging
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from edge.window import Windower
from firmware_bridge.frames import OVERRUN, Data, Hello, StreamInfo, encode
from firmware_bridge.simulator import pack_samples
from serial_line import HELLO, PPG, ppg, read_until

PCG = StreamInfo(2, "pcg", ("mic",), 4000.0)


def warnings(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


@pytest.mark.parametrize("off", [-0.02, -0.005, 0.005, 0.02])
@pytest.mark.parametrize(("stream", "format_", "count", "frame_s"), [(PPG, 3, 10, 0.1), (PCG, 1, 200, 0.05)])
def test_a_device_without_a_crystal_is_put_right_by_the_hosts_clock(
    source, line, clock, caplog, off, stream, format_, count, frame_s
):
    """Its samples are as far off as its clock; the times said stay true for as long as it runs, and so does the rate."""
    source.open()
    line.send(encode(Hello("node", 1, (stream,)), 0))
    samples = pack_samples([7] * (count * len(stream.channels)), format_)
    blocks, truth, began = [], [], clock.now()
    for k in range(int(150 / frame_s)):
        truth.append(began + k * frame_s / (1 + off))
        clock.move_to(truth[-1] + frame_s * (count - 1) / count / (1 + off))
        us = round(k * frame_s * 1e6)
        line.send(encode(Data(stream.id, format_, len(stream.channels), 0, count, k * count, us, samples), k + 1))
        blocks += read_until(source, 2 + k)
    settled = int(60 / frame_s)
    assert np.abs(np.array([b.t0 for b in blocks]) - truth)[settled:].max() < 0.01
    assert [b.epoch for b in blocks[settled:]] == [1] * len(blocks[settled:])
    assert blocks[-1].rate == pytest.approx(stream.rate_hz * (1 + off), rel=0.001)
    own = np.array([b.rate for b in blocks if b.epoch == 1])
    np.testing.assert_allclose(own, stream.rate_hz * (1 + off), rtol=0.004)
    assert warnings(caplog) == [
        f"{line.path}: the device's clock is {abs(off):.1%} {'slow' if off < 0 else 'fast'} by this machine's; "
        "the latter is believed"
    ]


def test_a_restart_does_not_make_a_clock_right_that_was_off(source, line, clock, caplog):
    source.open()
    blocks, frames = [], 0
    for boot in (1, 2):
        line.send(encode(replace(HELLO, boot=boot), 0))
        for k in range(300):
            clock.advance(0.1 / 1.02)
            line.send(encode(ppg(10 * k), k + 1))
            blocks += read_until(source, frames + 2 + k)
        frames += 301
    assert [b.rate for b in blocks[300:]] == pytest.approx([102.0] * 300, rel=0.001)
    assert {b.epoch for b in blocks[300:]} == {2}
    assert len(warnings(caplog)) == 1


def test_a_clock_of_the_device_that_is_right_again_is_believed_again(source, line, clock, caplog):
    source.open()
    line.send(encode(HELLO, 0))
    blocks = []
    for k in range(2500):
        clock.advance(0.1 / (1.02 if k < 500 else 1.0))
        line.send(encode(ppg(10 * k), k + 1))
        blocks += read_until(source, 2 + k)
    assert [blocks[k].rate for k in (0, 300, -1)] == [100.0, pytest.approx(102.0, rel=0.001), 100.0]
    assert blocks[-1].epoch == 2
    assert warnings(caplog) == [
        f"{line.path}: the device's clock is 2.0% fast by this machine's; the latter is believed",
        f"{line.path}: the device's clock is right again by this machine's",
    ]


def test_samples_that_a_device_loses_uncounted_and_owns_up_to_make_no_other_rate(source, line, clock, caplog):
    """50 ms in every second and a half: a span that reached over it would be 3.3 % off, each like the one before."""
    source.open()
    line.send(encode(HELLO, 0))
    blocks, us = [], 0
    for k in range(600):
        lost = k % 15 == 14
        us += 150_000 if lost else 100_000
        clock.advance(0.15 if lost else 0.1)
        line.send(encode(replace(ppg(10 * k, flags=OVERRUN if lost else 0), device_us=us), k + 1))
        blocks += read_until(source, 2 + k)
    assert {b.rate for b in blocks} == {100.0}
    assert not warnings(caplog)


def test_a_crystal_is_left_alone(source, line, clock, caplog):
    source.open()
    line.send(encode(HELLO, 0))
    blocks = []
    for k in range(1500):
        clock.advance(0.1 * (1 + 500e-6))
        line.send(encode(ppg(10 * k), k + 1))
        blocks += read_until(source, 2 + k)
    assert {(b.epoch, b.rate) for b in blocks} == {(0, 100.0)}
    assert not warnings(caplog)


def timed(source, line, clock, device_us, *, every_s):
    """Blocks of a device that sends 10 samples of PPG every so many seconds, with these times of its own."""
    source.open()
    line.send(encode(HELLO, 0))
    blocks = []
    for k, told_us in enumerate(device_us):
        clock.advance(every_s)
        line.send(encode(replace(ppg(10 * k), device_us=told_us), k + 1))
        blocks += read_until(source, 2 + k)
    return blocks


@pytest.mark.parametrize(
    ("told_us", "pace"),
    [(lambda k: 0, 0.0), (lambda k: 100 * k, 0.001), (lambda k: 600_000 * k % 2**32, 6.0)],
    ids=["none", "milliseconds", "another timer"],
)
def test_times_that_are_no_clock_s_are_said_once_and_while_they_last(source, line, clock, caplog, told_us, pace):
    """Every few seconds times begin anew, and no window is ever full: without a word nobody knew why."""
    wrong = f"device_us goes on by {pace:g} s in a second, and must be in microseconds"
    blocks = timed(source, line, clock, map(told_us, range(200)), every_s=0.1)
    assert blocks[-1].epoch > 0
    assert source.complaint == source.clock_wrong == wrong
    assert f"{line.path}: the device's clock is none: {wrong}" in warnings(caplog)
    assert sum("is none" in one for one in warnings(caplog)) == 1
    line.send(encode(Hello("node", 2, (PPG,)), 0) + encode(ppg(0), 1))
    read_until(source, 203)
    assert source.complaint == "", "another firmware, maybe"


def test_a_clock_that_stood_still_and_goes_on_is_one_again(source, line, clock):
    timed(source, line, clock, [100_000 * max(0, k - 50) for k in range(90)], every_s=0.1)
    assert source.clock_wrong == ""


@pytest.mark.parametrize("seconds", [1.5, 4.0, 30.0])
def test_a_host_that_is_busy_for_a_while_takes_no_clock_for_none(source, line, clock, caplog, seconds):
    """First nothing comes, then all at once, five times over."""
    source.open()
    line.send(encode(HELLO, 0))
    began, now = clock.now(), clock.now()
    for k in range(int(70 * seconds)):
        held = int(k / 10 / seconds) % 2 == 1
        if not held or k % 10 == 0:
            now = began + (int(k / 10 / seconds) + 1) * seconds if held else began + (k + 1) / 10
        clock.move_to(max(clock.now(), now))
        line.send(encode(ppg(10 * k), k + 1))
        read_until(source, 2 + k)
        assert source.clock_wrong == ""
    assert not any("is none" in one for one in warnings(caplog))


@pytest.mark.parametrize("times_as_fast", [1.5, 2.5, 4.0, 10.0])
def test_a_line_that_brings_what_it_held_up_faster_than_it_was_taken_takes_no_clock_for_none(
    source, line, clock, caplog, times_as_fast
):
    """As a network does that has more to bring than it can at once."""
    source.open()
    line.send(encode(HELLO, 0))
    began = clock.now()
    for k in range(400):
        clock.move_to(began + max(k / 10, 18.0 + (k / 10 - 10.0) / times_as_fast if k >= 100 else 0.0))
        line.send(encode(ppg(10 * k), k + 1))
        read_until(source, 2 + k)
        assert source.clock_wrong == ""
    assert not any("is none" in one for one in warnings(caplog))


@pytest.mark.parametrize("declared_hz", [20.0, 500.0])
def test_a_rate_too_far_off_to_be_believed_is_said_once(source, line, clock, caplog, declared_hz):
    source.open()
    line.send(encode(replace(HELLO, streams=(replace(PPG, rate_hz=declared_hz),)), 0))
    for k in range(200):
        clock.advance(0.1)
        line.send(encode(ppg(10 * k), k + 1))
        read_until(source, 2 + k)
    assert warnings(caplog) == [
        f"{line.path}: ppg comes at 100 samples a second by the device's clock, and {declared_hz:g} are declared: "
        "too far apart to be read"
    ]


def test_a_clock_of_the_device_that_jumps_is_a_new_epoch_at_the_time_of_the_host(source, line, clock):
    blocks = timed(source, line, clock, [100_000 * k + (600_000_000 if k >= 50 else 0) for k in range(60)], every_s=0.1)
    assert [(b.epoch, b.seq) for b in blocks[49:52]] == [(0, 490), (1, 0), (1, 10)]
    assert blocks[-1].t0 == pytest.approx(clock.now() - 0.1, abs=0.01)


def test_while_times_are_set_right_no_sample_is_taken_for_another(source, line, clock):
    """The first frame came late, and its time is taken back by more than lies between two samples of sound."""
    source.open()
    kept = Windower(keep_s=60.0)
    line.send(encode(Hello("node", 1, (PCG,)), 0))
    for k in range(200):
        clock.move_to(100.0 + 0.05 * k + (0.03 if k < 5 else 0.0))
        samples = pack_samples(range(200 * k, 200 * k + 200), 1)
        line.send(encode(Data(2, 1, 1, 0, 200, 200 * k, 50_000 * k, samples), k + 1))
        for block in read_until(source, k + 2):
            kept.add(block)
    assert kept.cut(90.0, 120.0).data[:, 0].tolist() == list(np.minimum(np.arange(40_000), 32_767))


def test_a_slow_stream_moves_no_other(source, line, clock):
    """A frame leaves when its last sample is taken, one of a single sample at that sample's own time."""
    source.open()
    began, acc = clock.now(), StreamInfo(3, "acc", ("z",), 12.5)
    sent = [(0.1 * k + 0.09, replace(ppg(10 * k), device_us=100_000 * k)) for k in range(100)]
    sent += [(0.08 * k, Data(3, 1, 1, 0, 1, k, 80_000 * k, pack_samples([k], 1))) for k in range(125)]
    line.send(encode(Hello("node", 1, (PPG, acc)), 0))
    blocks = []
    for n, (at_s, frame) in enumerate(sorted(sent, key=lambda one: one[0])):
        clock.move_to(began + at_s)
        line.send(encode(frame, n + 1))
        blocks += read_until(source, n + 2)
    for kind, every_s in (("ppg", 0.1), ("acc", 0.08)):
        mine = [b.t0 - began for b in blocks if b.kind == kind]
        np.testing.assert_allclose(mine, every_s * np.arange(len(mine)), atol=1e-6)


def test_a_rate_that_is_declared_anew_holds_from_then_on(source, line, clock):
    source.open()
    line.send(encode(HELLO, 0) + encode(ppg(0), 1))
    clock.advance(0.2)
    line.send(encode(replace(HELLO, streams=(replace(PPG, rate_hz=50.0),)), 2))
    line.send(encode(replace(ppg(10), device_us=200_000), 3))
    assert [b.rate for b in read_until(source, 4)] == [100.0, 50.0]


def test_a_restart_takes_back_what_was_believed_of_its_rate(source, line, clock):
    blocks = timed(source, line, clock, [200_000 * k for k in range(100)], every_s=0.2)
    line.send(encode(Hello("node", 2, (PPG,)), 0) + encode(ppg(0), 1))
    (again,) = read_until(source, 103)
    assert (blocks[-1].rate, again.rate) == (50.0, 100.0)
    assert (again.epoch, again.seq) == (blocks[-1].epoch + 1, 0)


@pytest.mark.parametrize(
    ("kind", "rate_hz", "every", "us"), [("temp", 1.0, 10, 1), ("batt", 1 / 60, 300, 1), ("spo2", 0.2, 50, 0)]
)
def test_what_is_no_wave_moves_no_wave_whatever_it_says_of_its_time(source, line, clock, kind, rate_hz, every, us):
    source.open()
    began = clock.now()
    line.send(encode(Hello("node", 1, (PPG, StreamInfo(3, kind, ("one",), rate_hz))), 0))
    sent, blocks = 1, []
    for k in range(600):
        clock.move_to(began + (k + 1) / 10)
        frames = [replace(ppg(10 * k), device_us=(2_200_000_000 + 100_000 * k))]
        if k % every == every - 1:
            told_us = us * (2_200_000_000 + 100_000 * (k + 1))
            frames.append(Data(3, 1, 1, 0, 1, k // every, told_us, pack_samples([365], 1)))
        line.send(b"".join(encode(frame, sent + i) for i, frame in enumerate(frames)))
        sent += len(frames)
        blocks += read_until(source, sent)
    assert {b.epoch for b in blocks} == {0}
    waves = [b.t0 - began for b in blocks if b.stream == "node/ppg"]
    np.testing.assert_allclose(waves, (np.arange(600) + 1) / 10 - 0.09, atol=1e-6)
    others = [b.t0 - began for b in blocks if b.stream == f"node/{kind}"]
    np.testing.assert_allclose(others, np.arange(every, 601, every) / 10, atol=1e-6)


def test_a_rate_far_too_low_pushes_no_sample_ever_further_ahead(source, line, clock):
    source.open()
    line.send(encode(Hello("node", 1, (replace(PPG, rate_hz=2.0),)), 0))
    blocks = []
    for k in range(100):
        clock.advance(0.1)
        line.send(encode(ppg(10 * k), k + 1))
        blocks += read_until(source, 2 + k)
        assert clock.now() - 5.1 <= blocks[-1].t0 <= clock.now() + 10.0
    assert blocks[-1].epoch > 0
    assert all(b.t0 == a.t0 + 9 / a.rate + 1e-6 for a, b in pairwise(blocks) if a.epoch == b.epoch), (
        "after its last sample"
    )
