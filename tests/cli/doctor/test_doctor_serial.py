"""Faults of a serial device, each produced with a real terminal."""

from __future__ import annotations

import fcntl
import os
import threading
import tty
from dataclasses import replace

import numpy as np
import pytest

from doctor_findings import PPG, in_child, listening, needs_root, serial, wave, words
from firmware_bridge.frames import Data, DeviceEvent, Hello, StreamInfo, encode, parse
from firmware_bridge.simulator import Faults, SimulatedStream, Simulator


def test_a_device_that_is_well(device):
    found = serial(device())
    assert words(found) == []
    assert "node/ppg" in found[-1].text


def test_port_missing(tmp_path):
    assert words(serial(tmp_path / "none")) == ["port_missing"]


@needs_root
def test_port_permission():
    master, slave = os.openpty()
    path = os.ttyname(slave)
    os.chmod(path, 0o600)
    assert in_child(lambda: words(serial(path)), nobody=True) == ["port_permission"]
    os.close(master)
    os.close(slave)


def test_port_busy():
    master, slave = os.openpty()
    fcntl.flock(slave, fcntl.LOCK_EX)
    assert words(serial(os.ttyname(slave))) == ["port_busy"]
    os.close(master)
    os.close(slave)


def test_port_not_serial(tmp_path):
    (tmp_path / "file").write_text("x")
    assert words(serial(tmp_path / "file")) == ["port_not_serial"]


class Talks:
    """A device that sends what it is told to."""

    def __init__(self, content):
        self.content = content

    def step(self, now):
        return self.content(now)

    def receive(self, data, now):
        pass


def test_port_silent(device):
    assert words(serial(device(device=Talks(lambda now: b"")))) == ["port_silent"]


def test_port_noise(device):
    noise = np.random.default_rng(1).bytes
    assert words(serial(device(device=Talks(lambda now: noise(200))), 3.5)) == ["port_noise"]


def test_port_text(device):
    (found,) = serial(device(device=Talks(lambda now: b"50123,49871\r\n")), 3.5)
    assert found.fault == "port_text"
    assert "'50123,49871'" in found.text


def test_port_framing_and_samples_lost(device):
    found = words(serial(device(faults=Faults(corruption=0.2)), 2.5))
    assert "port_framing" in found
    assert "samples_lost" in found


def test_port_unplugged():
    master, slave = os.openpty()
    tty.setraw(slave)
    name = os.ttyname(slave)
    pulled = threading.Timer(0.5, lambda: (os.close(slave), os.close(master)))
    pulled.start()
    assert words(serial(name, 3.5)) == ["port_unplugged"]
    pulled.join()


def test_firmware_old_by_its_version(device, monkeypatch):
    monkeypatch.setattr("firmware_bridge.simulator.Hello", lambda *said, fw: Hello(*said, fw="0.9.3"))
    (old,) = [one for one in serial(device()) if one.fault]
    assert old.fault == "firmware_old"
    assert "0.9.3" in old.text


def test_firmware_old_by_its_wire_format(device, monkeypatch):
    monkeypatch.setattr("firmware_bridge.frames.VERSION", 7)
    path = device()
    simulator = Simulator([SimulatedStream(PPG, wave, 10)])
    frames = [simulator.step(i * 0.05) for i in range(40)]
    monkeypatch.setattr("firmware_bridge.frames.VERSION", 1)
    waiting = iter(frames)
    assert path.exists()
    assert words(serial(device(device=Talks(lambda now: next(waiting, b"")))))[0] == "firmware_old"


def test_hello_missing(device):
    class Mute(Simulator):
        def _say_hello(self, at):
            self._hello_due = at + 3600.0

    assert words(serial(device(device=Mute([SimulatedStream(PPG, wave, 10)])))) == ["hello_missing"]


def test_a_hello_that_is_none_is_told_from_none(device):
    class Odd(Simulator):
        def _send(self, frame, at):
            _, message = parse(frame[:-1])
            if isinstance(message, Hello):
                frame = encode(replace(message, streams=(replace(PPG, id=0),)), 0)
            return super()._send(frame, at)

    (found,) = serial(device(device=Odd([SimulatedStream(PPG, wave, 10)])))
    assert (found.fault, "frames that do not say what they should" in found.text) == ("hello_missing", True)


def test_device_resets(device):
    assert "device_resets" in words(serial(device(faults=Faults(reset_at_s=(0.4, 0.7, 1.0, 1.3))), 2.0))


def test_device_clock(device):
    class Milliseconds(Simulator):
        def _send(self, frame, at):
            _, message = parse(frame[:-1])
            if isinstance(message, Data):
                frame = encode(replace(message, device_us=message.device_us // 1000), 0)
            return super()._send(frame, at)

    found = serial(device(device=Milliseconds([SimulatedStream(PPG, wave, 10)])), 3.0)
    assert words(found) == ["device_clock"]
    assert (found[0].state, "device_us goes on by 0.00" in found[0].text) == ("fail", True)


@pytest.mark.parametrize("sends", [True, False])
def test_sensor_error(device, sends):
    class Complains(Simulator):
        def step(self, now):
            return super().step(now) + encode(DeviceEvent(3, 0, "no answer"), 0)

    streams = [SimulatedStream(PPG, wave, 10)] if sends else []
    found = serial(device(device=Complains(streams)))
    assert words(found) == ["sensor_error"]
    assert "the device says: sensor error (no answer)" in found[0].text


def test_stream_missing(device):
    text = f'kind = "serial_port"\nport = "{device()}"\nanalyzers = ["pulse", "murmur"]\n'
    (missing,) = [one for one in listening(text) if one.fault]
    assert missing.fault == "stream_missing"
    assert "no pcg, which murmur" in missing.text


PCG_LATE = SimulatedStream(StreamInfo(2, "pcg", ("mic",), 1.0), wave, 400)  # its first frame comes after minutes
IDLE = 'no pcg: nothing to do for murmur; analyzers = ["pulse", "rhythm"] saves what it takes'
ACC = SimulatedStream(StreamInfo(3, "acc", ("x",), 100.0), wave, 10)


@pytest.mark.parametrize(
    ("streams", "found"),
    [
        ([SimulatedStream(PPG, wave, 10)], []),
        ([SimulatedStream(PPG, wave, 10), PCG_LATE], ["stream_missing"]),
        ([ACC], ["stream_missing", "stream_missing"]),
    ],
    ids=["a sensor without a microphone", "one that announces a microphone", "nothing that anything looks at"],
)
def test_a_stream_that_only_the_usual_analyzers_look_at_need_not_come(device, streams, found):
    """As ``run`` sees it: a PPG sensor with the default configuration is whole."""
    told = listening(f'kind = "serial_port"\nport = "{device(device=Simulator(streams))}"\n')
    assert words(told) == found
    assert any(one.text == IDLE for one in told) is (found == [])


def test_stream_twice(device):
    streams = [SimulatedStream(info, wave, 10) for info in (PPG, replace(PPG, id=4, rate_hz=25.0))]
    found = serial(device(device=Simulator(streams)))
    assert words(found) == ["stream_twice"]
    (twice,) = [one for one in found if one.fault]
    assert (twice.state, "ppg as 1, 4" in twice.text) == ("warn", True)


def test_rate_wrong(device):
    class Fast(Simulator):
        def step(self, now):
            return super().step(now * 1.5)

    fast = Fast([SimulatedStream(PPG, wave, 10)])
    assert "rate_wrong" in words(serial(device(device=fast), 3.0))


def test_what_a_device_kept_until_somebody_listened_is_no_wrong_rate(device):
    class Kept(Simulator):
        ahead_s = 0.0

        def step(self, now):
            return super().step(now + self.ahead_s)

        def receive(self, data, now):
            self.ahead_s = 1.0
            super().receive(data, now + self.ahead_s)

    kept = Kept([SimulatedStream(PPG, wave, 10)])
    found = serial(device(device=kept), 3.0)
    assert (kept.ahead_s, words(found)) == (1.0, [])


def test_frames_that_come_together_once_a_second_are_no_wrong_rate(device):
    assert words(serial(device(faults=Faults(burst_s=1.0)), 4.6)) == []


def test_rate_wrong_by_a_little_on_the_devices_own_clock(device):
    class Other(Simulator):
        def _send_data(self, stream, first, complete):
            super()._send_data(replace(stream, info=replace(stream.info, rate_hz=95.0)), first, complete)

    found = serial(device(device=Other([SimulatedStream(PPG, wave, 10)])), 4.5)
    (wrong,) = [one for one in found if one.fault]
    assert wrong.fault == "rate_wrong"
    assert "node/ppg: 95 samples a second by the device's clock, declared 100" in wrong.text


def test_rate_low(device):
    slow = StreamInfo(1, "ppg", ("ir",), 15.0)
    assert words(serial(device(device=Simulator([SimulatedStream(slow, wave, 1)])))) == ["rate_low"]


@pytest.mark.parametrize(("bit", "word"), [(1, "saturated"), (2, "sensor_off")])
def test_what_the_device_flags(device, bit, word):
    assert words(serial(device(flags=lambda first: bit))) == [word]


def test_signal_flat(device):
    assert words(serial(device(samples=lambda first, count: [[77]] * count))) == ["signal_flat"]


@pytest.mark.parametrize("kind", ["temp", "batt", "spo2", "video"])
def test_what_is_no_wave_may_stay_the_same(device, kind):
    still = SimulatedStream(StreamInfo(3, kind, ("one",), 2.0), lambda first, count: [[365]] * count, 1)
    told = serial(device(device=Simulator([SimulatedStream(PPG, wave, 10), still])))
    assert words(told) == []
    assert [one.state for one in told if one.text.startswith(f"node/{kind}: ")] == ["ok"]


def test_source_failed_says_what_the_system_said():
    (failed,) = serial("socket://127.0.0.1:1")
    assert failed.fault == "source_failed"
    assert "socket://127.0.0.1:1: " in failed.text
    assert "refused" in failed.text.lower()
