"""The serial source on real pseudo-terminals: what it reads, how it says what is wrong, what it survives."""

from __future__ import annotations

import termios
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import ManualClock
from edge.sources._serial.framed import unpack
from edge.sources.serial_port import build
from edge.types import SourceError
from firmware_bridge.decoder import Decoder
from firmware_bridge.frames import Data, Hello, RequestHello, StreamInfo, encode
from firmware_bridge.simulator import Faults, SimulatedStream, Simulator, pack_samples
from serial_line import HELLO, PPG, ppg, read_until


def test_blocks_carry_name_index_channels_and_values(source, line):
    source.open()
    line.send(encode(HELLO, 0) + encode(ppg(500), 1) + encode(ppg(510), 2))
    first, second = read_until(source, 3)
    assert (first.stream, first.seq, second.seq, first.rate, first.labels) == (
        "node/ppg",
        0,
        10,
        100.0,
        ("ir", "red"),
    )
    assert first.data.tolist() == [[7.0, -7.0]] * 10
    assert second.t0 == pytest.approx(first.t0 + 0.1, abs=0.01)
    assert source.hello == HELLO


@pytest.mark.parametrize("rate_hz", [100.0, 25.0])
def test_a_second_stream_of_a_kind_is_counted_and_never_mixed_in(line, caplog, rate_hz):
    second = StreamInfo(4, "ppg", ("ear", "ear2"), rate_hz)
    acc = StreamInfo(5, "acc", ("x", "y"), 100.0)

    def read(hello, *more):
        source = build(name="node", clock=ManualClock(), port=line.path)
        source.open()
        line.send(b"".join(encode(one, n) for n, one in enumerate([hello, *more])))
        found = read_until(source, 1 + len(more))
        source.close()
        return found, source.counters["second_of_kind"]

    def frames(stream, value):
        return [replace(ppg(10 * n, value=value), stream=stream) for n in range(5)]

    alone, none = read(HELLO, *frames(1, 7))
    others = [one for pair in zip(frames(4, 99), frames(5, 3), frames(1, 7), strict=True) for one in pair]
    both, refused = read(replace(HELLO, streams=(PPG, acc, second)), *others)
    heart = [one for one in both if one.kind == "ppg"]
    assert (none, refused, len(both)) == (0, 5, 10)
    assert {one.epoch for one in both} == {0}
    assert [(b.seq, b.rate, b.labels) for b in heart] == [(b.seq, b.rate, b.labels) for b in alone]
    assert [b.data.tolist() for b in heart] == [b.data.tolist() for b in alone]
    assert caplog.text.count("stream 4 is a second ppg and not read; stream 1 is") == 1


def test_loss_and_flags_show_in_the_blocks(source, line):
    source.open()
    line.send(encode(HELLO, 0) + encode(ppg(0), 1) + encode(ppg(30, flags=3), 4))
    _, after = read_until(source, 3)
    assert (after.seq, after.flags) == (30, frozenset({"saturated", "sensor_off"}))
    assert (source.counters["lost_samples"], source.counters["lost_frames"]) == (20, 2)


def test_it_asks_who_is_there_and_works_though_nobody_answers(source, line):
    source.open()
    line.send(encode(ppg(0), 1))
    assert read_until(source, 1) == []
    source.read()
    assert RequestHello() in Decoder().feed(line.heard())
    line.send(encode(HELLO, 2) + encode(ppg(10), 3))
    assert [b.seq for b in read_until(source, 3)] == [0]


def test_a_line_that_gives_back_what_was_asked_is_read_all_the_same(source, line):
    source.open()
    line.send(encode(RequestHello(), 0) + encode(HELLO, 0) + encode(ppg(0), 1))
    assert [b.seq for b in read_until(source, 3)] == [0]


def test_a_board_that_restarts_whenever_it_is_opened_has_time_for_its_first_frame(source, line, clock):
    """A boot loader and sensors may take ten seconds; opened anew after three each time it would never come so far."""
    for waited in (3, 6, 12, 12):
        source.open()
        clock.advance(waited - 0.1)
        assert source.read() == []
        clock.advance(0.2)
        with pytest.raises(SourceError, match=f"silent for {waited} s"):
            source.read()
        source.close()
    source.open()
    clock.advance(10.0)
    line.send(encode(HELLO, 0) + encode(ppg(0), 1))
    assert len(read_until(source, 2)) == 1
    clock.advance(3.1)
    with pytest.raises(SourceError, match="no frame for 3 s"):
        source.read()


def test_who_has_said_what_he_is_is_asked_no_more(source, line, clock):
    source.open()
    line.send(encode(HELLO, 0) + encode(ppg(0), 1))
    read_until(source, 2)
    line.heard()
    for k in range(1, 100):
        clock.advance(0.1)
        line.send(encode(ppg(10 * k), k + 1))
        read_until(source, 2 + k)
    assert line.heard() == b""


def test_a_restart_of_the_device_is_a_new_epoch(source, line):
    source.open()
    line.send(encode(HELLO, 0) + encode(ppg(900), 1) + encode(Hello("node", 2, (PPG,)), 0) + encode(ppg(0), 1))
    before, after = read_until(source, 4)
    assert (before.epoch, after.epoch, after.seq) == (0, 1, 0)
    assert source.counters["lost_samples"] == 0


@pytest.mark.parametrize(
    "then",
    [(replace(PPG, id=2),), (replace(PPG, id=2), PPG), (replace(PPG, channels=("red", "ir")),)],
    ids=["another id", "another first", "other channels"],
)
def test_a_stream_that_is_announced_otherwise_without_a_restart_is_a_new_epoch(source, line, then):
    """Its count is its own: as a continuation its samples would be taken for old ones, or count below 0."""
    source.open()
    first, now = 10 if then[0].id == 2 else 520, [ppg(520), ppg(530)]
    now = [replace(one, stream=then[0].id, index=first + 10 * n) for n, one in enumerate(now)]
    both, told = replace(HELLO, streams=(PPG, replace(PPG, id=2))), replace(HELLO, streams=then)
    line.send(encode(both, 0) + encode(ppg(500), 1) + encode(ppg(510), 2))
    found = read_until(source, 3)
    line.send(encode(told, 3) + encode(now[0], 4) + encode(now[1], 5))
    found += read_until(source, 6)
    assert [(b.epoch, b.seq) for b in found] == [(0, 0), (0, 10), (1, 0), (1, 10)]
    assert {b.labels for b in found[2:]} == {then[0].channels}


def test_opened_again_it_is_a_new_epoch_and_counts_on(source, line):
    source.open()
    line.send(encode(HELLO, 0) + encode(ppg(0), 1))
    (before,) = read_until(source, 2)
    source.close()
    source.open()
    line.send(encode(HELLO, 2) + encode(ppg(10), 3))
    (after,) = read_until(source, 4)
    assert after.epoch == before.epoch + 1


def test_opened_again_it_has_its_whole_time_anew_and_nothing_that_was_heard_before_counts(source, line, clock):
    source.open()
    line.send(b"\x80" * 50)
    source.read()
    clock.advance(3.5)
    with pytest.raises(SourceError) as noise:
        source.read()
    source.close()
    clock.advance(600.0)
    source.open()
    for after_s in (0.0, 3.0):
        clock.advance(after_s)
        assert source.read() == []
    clock.advance(0.5)
    with pytest.raises(SourceError) as silence:
        source.read()
    assert (noise.value.fault, silence.value.fault) == ("port_noise", "port_silent")


def test_a_pulled_cable_is_said_so(source, line):
    source.open()
    line.pull()
    with pytest.raises(SourceError, match="unplugged"):
        for _ in range(20):
            source.read()


def test_a_silent_device(source, clock):
    source.open()
    clock.advance(3.5)
    with pytest.raises(SourceError, match=r"silent for 3 s; is the device powered"):
        source.read()


def test_bytes_that_are_no_frames_point_at_the_baud_rate(source, line, clock):
    source.open()
    line.send(bytes(range(1, 200)) + b"\0" + b"\x80" * 50 + b"\0")
    source.read()
    clock.advance(3.5)
    with pytest.raises(SourceError, match=r"251 bytes but no frame in 3 s; is the baud rate 921600 right"):
        source.read()


@pytest.mark.parametrize(("then", "fault"), [(b"", "port_unplugged"), (b"\x80" * 50, "port_noise")])
def test_frames_that_stop_are_said_so(source, line, clock, then, fault):
    source.open()
    line.send(encode(HELLO, 0))
    read_until(source, 1)
    if then:
        line.send(then)
        source.read()
    clock.advance(3.5)
    with pytest.raises(SourceError, match=r"no frame for 3 s") as error:
        source.read()
    assert error.value.fault == fault


@pytest.mark.parametrize(
    ("sent", "quoted"),
    [
        (b"0123\r\n" + b"50123,49871\r\n" * 9 + b"501", "'50123,49871'"),
        (b'\x1b[0;31mE (312) i2c: "bus" error\x1b[0m\n' * 3, "'E (312) i2c: \"bus\" error'"),
        (b"x" * 300, f"'{'x' * 60}'"),
    ],
    ids=["a sketch that prints readings", "an ESP32's log", "without an end"],
)
def test_text_in_place_of_frames_is_quoted(source, line, clock, sent, quoted):
    source.open()
    line.send(sent)
    source.read()
    clock.advance(3.5)
    with pytest.raises(SourceError) as error:
        source.read()
    assert str(error.value).endswith(f": text but no frame in 3 s: {quoted}; flash a sketch that sends frames")
    assert error.value.fault == "port_text"


def test_what_a_device_prints_after_its_frames_is_quoted(source, line, clock):
    source.open()
    line.send(encode(HELLO, 0))
    read_until(source, 1)
    line.send(b"ets Jul 29 2019\r\nrst:0x8 (TG1WDT_SYS_RESET)\r\n")
    source.read()
    clock.advance(3.5)
    with pytest.raises(SourceError, match=r"rst:0x8 \(TG1WDT_SYS_RESET\)"):
        source.read()


def test_a_port_that_is_not_there(clock, tmp_path):
    with pytest.raises(SourceError, match="no such port; is the device plugged in"):
        build(name="node", clock=clock, port=str(tmp_path / "ttyUSB9")).open()


def test_a_file_is_no_port(clock, tmp_path):
    (tmp_path / "notes.txt").write_text("no port")
    with pytest.raises(SourceError, match="not a serial port"):
        build(name="node", clock=clock, port=str(tmp_path / "notes.txt")).open()


def test_a_busy_port(source, line, clock):
    source.open()
    with pytest.raises(SourceError, match="busy: another program has it open"):
        build(name="other", clock=clock, port=line.path).open()


@pytest.mark.parametrize(
    ("refusal", "says"),
    [
        ((13, "could not open port: [Errno 13] Permission denied"), "no permission; add the user to the group dialout"),
        ((1, "Operation not permitted"), "no permission; add the user to the group dialout"),
        (("could not open port: Permission denied",), "no permission; add the user to the group dialout"),
        ((16, "Device or resource busy"), "busy: another program has it open"),
        ((11, "Resource temporarily unavailable"), "busy: another program has it open"),
        (("Could not exclusively lock port",), "busy: another program has it open"),
        ((25, "no modem lines"), "not a serial port"),
        ((5, "Input/output error\nand more"), "[Errno 5] Input/output error"),
        ((), "SerialException"),
    ],
)
def test_why_a_port_does_not_open_is_said_in_words(clock, line, monkeypatch, refusal, says):
    import serial

    def refuse(*_args, **_keys):
        raise serial.SerialException(*refusal)

    monkeypatch.setattr(serial, "serial_for_url", refuse)
    with pytest.raises(SourceError) as refused:
        build(name="node", clock=clock, port=line.path).open()
    assert str(refused.value) == f"{line.path}: {says}"


def test_a_port_that_goes_while_it_is_opened_is_unplugged(source, line, monkeypatch):
    def flush_late(*port_and_queue, flush=termios.tcflush):
        line.pull()
        flush(*port_and_queue)

    monkeypatch.setattr(termios, "tcflush", flush_late)
    with pytest.raises(SourceError) as gone:
        source.open()
    assert str(gone.value) == f"{line.path}: unplugged (Input/output error)"
    assert gone.value.fault == "port_unplugged"


def test_a_port_that_others_may_have_open_is_opened_beside_them(source, line, clock):
    beside = [build(name=f"n{k}", clock=clock, port=line.path, exclusive=False) for k in range(2)]
    for one in beside:
        one.open()
    for one in beside:
        one.close()


def test_a_url_of_pyserial(clock):
    source = build(name="node", clock=clock, port="loop://")
    source.open()
    source.read()  # asks nothing yet; the line echoes
    source.close()
    with pytest.raises(SourceError, match="not open"):
        source.read()


def test_a_url_that_is_none(clock):
    with pytest.raises(SourceError, match="carrier-pigeon"):
        build(name="node", clock=clock, port="carrier-pigeon://x").open()


@given(st.lists(st.integers(-(1 << 23), (1 << 23) - 1), min_size=1, max_size=30), st.sampled_from([2, 3]))
def test_samples_come_back_as_they_were(values, format_):
    data = Data(1, format_, 1, 0, len(values), 0, 0, pack_samples(values, format_))
    assert unpack(data)[:, 0].tolist() == values


@pytest.mark.parametrize(
    ("format_", "least", "most"),
    [(1, -(1 << 15), (1 << 15) - 1), (2, -(1 << 23), (1 << 23) - 1), (3, -(1 << 31), (1 << 31) - 1), (4, 0, 255)],
)
def test_every_format_has_its_whole_range_channel_by_channel(format_, least, most):
    values = [least, most, 1, 2, most - 1, least + 1]
    data = Data(1, format_, 2, 0, 3, 0, 0, pack_samples(values, format_))
    assert unpack(data).tolist() == [[least, most], [1, 2], [most - 1, least + 1]]


def test_a_device_that_loses_bends_and_restarts_is_told_apart_from_its_loss(source, line, clock):
    """Thirty seconds of a bad line: what arrives, plus what is said to be lost, is what was sent."""
    stream = SimulatedStream(PPG, lambda first, n: [[first + k, 0] for k in range(n)], 10)
    device = Simulator([stream], faults=Faults(loss=0.05, corruption=0.05, jitter_s=0.02, reset_at_s=(12.0,)), seed=3)
    source.open()
    blocks, wire, fed = [], b"", Decoder()
    for k in range(300):
        piece = device.step(k * 0.1)
        fed.feed(piece)
        wire += piece
        clock.advance(0.1)
        if piece:
            line.send(piece)
            blocks += read_until(source, fed.counters["frames_ok"])
    assert {b.epoch for b in blocks} == {0, 1}
    for epoch in (0, 1):
        mine = [b for b in blocks if b.epoch == epoch]
        assert all(b.data[0, 0] - b.seq == mine[0].data[0, 0] - mine[0].seq for b in mine)
        assert np.all(np.diff([b.t0 for b in mine]) > 0)
    assert source.counters["resets"] == 1


@pytest.mark.parametrize("true_hz", [50.0, 75.0, 150.0, 200.0])
@pytest.mark.parametrize("count", [10, 50])
def test_samples_at_another_rate_than_declared_are_a_new_epoch_at_their_own(
    source, line, clock, caplog, true_hz, count
):
    source.open()
    line.send(encode(HELLO, 0))
    blocks, began = [], clock.now()
    for k in range(int(30 * true_hz / count)):
        index, values = k * count, pack_samples([7, -7] * count, 3)
        clock.move_to(began + (index + count - 1) / true_hz)  # it is sent when its last sample was taken
        line.send(encode(Data(1, 3, 2, 0, count, index, round(index / true_hz * 1e6), values), k))
        blocks += read_until(source, 2 + k)
    assert {b.epoch: b.rate for b in blocks} == {0: 100.0, 1: true_hz}
    own = [b for b in blocks if b.epoch == 1]
    assert own[0].t0 - blocks[0].t0 < 5.0
    first = blocks.index(own[0]) * count
    truth = [began + (first + b.seq) / true_hz for b in own]
    assert np.abs(np.array([b.t0 for b in own]) - truth).max() < 0.01
    assert [r.getMessage() for r in caplog.records if r.levelname == "WARNING"] == [
        f"{line.path}: ppg comes at {true_hz:g} samples a second, not 100 as declared; the former is believed"
    ]


def test_samples_that_the_device_lost_uncounted_are_no_other_rate(source, line, clock):
    source.open()
    line.send(encode(HELLO, 0))
    blocks, index, us = [], 0, 0
    for k in range(200):
        lost = k % 20 == 19
        us += 600_000 if lost else 0
        line.send(encode(Data(1, 3, 2, 4 * lost, 10, index, us, pack_samples([7, -7] * 10, 3)), k))
        clock.advance(0.7 if lost else 0.1)
        blocks += read_until(source, 2 + k)
        index, us = index + 10, us + 100_000
    assert {b.rate for b in blocks} == {100.0}
