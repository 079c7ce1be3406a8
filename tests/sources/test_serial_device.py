"""The serial source and devices that are off, deaf, or mean: what it makes of their silence and their words."""

from __future__ import annotations

import logging
from dataclasses import replace

import pytest

from edge.types import SourceError
from firmware_bridge.frames import Data, DeviceEvent, Hello, StreamInfo, encode
from firmware_bridge.simulator import pack_samples
from serial_line import HELLO, PPG, ppg, read_until

PCG = StreamInfo(2, "pcg", ("mic",), 4000.0)


def warnings(caplog):
    return [r.getMessage() for r in caplog.records if r.levelno >= logging.WARNING]


def test_a_device_that_only_sends_is_not_unplugged_by_what_it_is_asked(source, line, clock):
    """Nobody reads the line's other end, which fills; a stream that HELLO does not name makes the source ask on."""
    source.open()
    line.send(encode(HELLO, 0))
    read_until(source, 1)
    for k in range(5000):
        clock.advance(1.0)
        line.send(encode(Data(9, 1, 1, 0, 1, k, 0, b"\1\0"), k + 1))
        source.read()
    assert source.counters["frames_ok"] == 5001
    source.close()
    while line.heard():
        pass
    source.open()
    source.read()
    assert line.heard(), "asked anew: another device may be there"
    line.send(encode(HELLO, 0) + encode(ppg(0), 1))
    assert len(read_until(source, 5003)) == 1


def test_what_is_not_known_here_is_named_once_and_a_device_may_say_what_it_likes(source, line, caplog):
    odd = Hello("no\x1b[2Jde\n", 1, (PPG, StreamInfo(3, "spo2\nERROR", ("x",), 1.0)))
    source.open()
    line.send(encode(odd, 0) + encode(odd, 1) + encode(ppg(0), 2))
    assert len(read_until(source, 3)) == 1
    assert source.hello.device == "no?[2Jde?"
    assert warnings(caplog) == [
        f"{line.path}: the device announces what is not known here and ignored: stream kind spo2?ERROR"
    ]


def test_what_the_device_reports_is_logged_and_not_over_and_over(source, line, clock, caplog):
    source.open()
    line.send(b"".join(encode(DeviceEvent(3, 0, "no answer"), k) for k in range(50)) + encode(DeviceEvent(9, 0), 50))
    read_until(source, 51)
    clock.advance(61.0)
    line.send(encode(DeviceEvent(3, 0, "no answer"), 51))
    read_until(source, 52)
    said = f"{line.path}: the device says: sensor error (no answer)"
    assert warnings(caplog) == [said, f"{line.path}: the device says: event 9", said]


def test_it_announces_what_its_hello_names_until_it_is_opened_again(source, line):
    assert source.announced == ()
    source.open()
    streams = (PCG, PPG, StreamInfo(3, "ppg", ("ir",), 100.0))
    line.send(encode(Hello("node", 1, streams), 0))
    read_until(source, 1)
    assert source.announced == ("pcg", "ppg")
    source.close()
    source.open()
    assert source.announced == ()


def test_a_sensor_error_is_its_complaint_while_it_is_repeated_and_until_it_restarts(source, line, clock):
    source.open()
    line.send(encode(DeviceEvent(2, 0, "3.4 V"), 0) + encode(Hello("d", 1, ()), 1))
    read_until(source, 2)
    assert source.complaint == ""
    for seq in (2, 3):
        line.send(encode(DeviceEvent(3, 0, "no answer"), seq))
        read_until(source, seq + 1)
        clock.advance(14.0)
        assert source.complaint == "the device says: sensor error (no answer)"
    clock.advance(2.0)
    assert source.complaint == ""
    line.send(encode(DeviceEvent(3, 0), 4))
    read_until(source, 5)
    assert source.complaint == "the device says: sensor error"
    line.send(encode(Hello("d", 2, ()), 0))
    read_until(source, 6)
    assert source.complaint == ""


def test_a_device_of_another_version_is_not_taken_for_a_wrong_baud_rate(source, line, clock, monkeypatch):
    source.open()
    with monkeypatch.context() as newer:
        newer.setattr("firmware_bridge.frames.VERSION", 2)
        line.send(encode(HELLO, 0) + encode(ppg(0), 1))
    while source.counters["unknown_version"] < 2:
        assert source.read() == []
    clock.advance(3.1)
    with pytest.raises(SourceError, match="another version of the wire format"):
        source.read()


def test_a_period_declared_as_a_rate_is_refused_and_said_once(source, line, caplog):
    """Each frame would reach a quarter of an hour ahead, and every hop up to there be computed."""
    source.open()
    line.send(encode(Hello("node", 1, (replace(PPG, rate_hz=0.01),)), 0))
    line.send(b"".join(encode(ppg(10 * k), k + 1) for k in range(5)))
    assert read_until(source, 6) == []
    assert warnings(caplog) == [
        f"{line.path}: ppg is declared at 0.01 samples a second, at which one frame would last 1000 s; not read"
    ]


def test_a_device_that_restarts_again_and_again_is_named_once_a_minute(source, line, clock, caplog):
    source.open()
    line.send(encode(HELLO, 0))
    said = f"{line.path}: the device restarts again and again, or its index or device_us goes back"
    frames = 1
    for every_s, times, warned in ((31.0, 5, 0), (2.0, 25, 1), (2.0, 15, 2)):
        for _ in range(times):
            clock.advance(every_s)
            line.send(encode(ppg(500), frames) + encode(ppg(0), frames + 1))
            frames += 2
            read_until(source, frames)
        assert warnings(caplog) == [said] * warned


def test_what_is_no_wave_may_come_as_seldom_as_it_likes(source, line, clock, caplog):
    source.open()
    line.send(encode(Hello("node", 1, (PPG, StreamInfo(3, "temp", ("skin",), 0.01))), 0))
    line.send(encode(Data(3, 1, 1, 0, 1, 0, 0, pack_samples([365], 1)), 1))
    (block,) = read_until(source, 2)
    assert (block.stream, block.rate, block.data.tolist()) == ("node/temp", 0.01, [[365.0]])
    clock.advance(300.0)
    line.send(encode(Data(3, 1, 1, 0, 3, 1, 0, pack_samples([365, 366, 367], 1)), 2))
    (block,) = read_until(source, 3)
    assert block.t0 == clock.now() - 200.0, "the last of its samples has just come"
    assert warnings(caplog) == []


def test_a_frame_may_last_half_a_minute_and_no_longer(source, line, caplog):
    source.open()
    line.send(encode(Hello("node", 1, (replace(PPG, rate_hz=0.5),)), 0) + encode(ppg(0, count=15), 1))
    assert len(read_until(source, 2)) == 1
    line.send(encode(ppg(15, count=16), 2))
    assert read_until(source, 3) == []
    assert len(warnings(caplog)) == 1
