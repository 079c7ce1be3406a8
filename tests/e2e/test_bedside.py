"""The whole chain, nothing replaced: a device on a pseudo-terminal, models, alarms, a real mosquitto, a subscriber.

Time runs faster than outside: the device and the program share a clock that does, so minutes of recording take
seconds. Real recordings are played where there are any.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from edge.config import parse
from edge.demo.pty_device import PtyDevice
from edge.program.service import build_service
from edge.recording import Recording
from edge.types import Alarm, Block, Reading
from firmware_bridge.frames import StreamInfo
from firmware_bridge.simulator import Faults, SimulatedStream, Simulator

SPEED = 6.0
CONFIG = """
[device]
name = "e2e"
state_dir = "{folder}/state"
[mqtt]
host = "127.0.0.1"
port = {port}
[sources.node]
kind = "serial_port"
port = "{folder}/usb-node"
analyzers = {analyzers}
silence_s = 6.0
[alarms.murmur]
k = 2
n = 3
spacing_s = 3
[sinks.journal]
"""


class FastClock:
    """The machine's clock, ``SPEED`` times as fast."""

    def __init__(self):
        self._start = time.monotonic()

    def now(self):
        return 1000.0 + (time.monotonic() - self._start) * SPEED

    def wall(self):
        return 1_790_000_000.0 + (time.monotonic() - self._start) * SPEED

    def synced(self):
        return True

    def counts_from(self):
        return ""

    def sleep(self, seconds):
        threading.Event().wait(seconds / SPEED)  # the pace of a source, not a wait for something


class Subscriber:
    def __init__(self, port):
        self.events, self.readings, self._changed = [], [], threading.Condition()
        ready = threading.Event()
        self.client = Client(CallbackAPIVersion.VERSION2)
        self.client.on_connect = lambda c, *_: c.subscribe("vitals/#", qos=1)
        self.client.on_subscribe = lambda *_: ready.set()
        self.client.on_message = self._take
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        assert ready.wait(10.0)

    def _take(self, _client, _user, message):
        with self._changed:
            if message.payload and message.topic.endswith("/event"):
                self.events.append(json.loads(message.payload))
            elif message.payload and "/reading/" in message.topic:
                self.readings.append(json.loads(message.payload))
            self._changed.notify_all()

    def wait(self, condition, presence, timeout_s=60.0):
        def seen():
            return any(e["condition"] == condition and e["presence"] == presence for e in self.events)

        with self._changed:
            assert self._changed.wait_for(seen, timeout_s), [(e["condition"], e["presence"]) for e in self.events]

    def wait_reading(self, found, timeout_s=60.0):
        with self._changed:
            assert self._changed.wait_for(lambda: any(found(r) for r in self.readings), timeout_s)

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()


def stream(id_, kind, rate, signal, per_frame, format_=3):
    """A stream that plays ``signal`` ``(n,)`` again and again."""
    signal = np.round(np.asarray(signal)).astype(int)

    def samples(first, count):
        return [[int(v)] for v in signal[(first + np.arange(count)) % len(signal)]]

    return SimulatedStream(StreamInfo(id_, kind, ("a",), rate, "counts"), samples, per_frame, format_)


class Bedside:
    """A device, the program and a subscriber, running."""

    def __init__(self, folder, broker, streams, analyzers, record=None):
        self.clock = FastClock()
        text = CONFIG.format(folder=folder, port=broker.port, analyzers=json.dumps(analyzers))
        self.service = build_service(parse(text), clock=self.clock, console=False, record=record)
        self.subscriber = Subscriber(broker.port)
        self.device = PtyDevice(
            Simulator(streams, faults=Faults(drift_ppm=50.0, jitter_s=0.02)), folder / "usb-node", clock=self.clock
        )
        self._thread = threading.Thread(target=self.service.run, name="edge-test-service")

    def __enter__(self):
        self.device.__enter__()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.service.runtime.stop()
        self._thread.join(20.0)
        self.device.__exit__()
        self.subscriber.close()
        assert not self._thread.is_alive()


def bradycardia(data_dir):
    with np.load(data_dir / "ppg" / "cinc2015.npz", allow_pickle=True) as file:
        index = [str(r) for r in file["record"]].index("b659l")
        return file["pleth"][index].astype(float)[130 * 125 :]


def heard_murmur(data_dir):
    import soundfile

    with (data_dir / "pcg" / "labels.csv").open(newline="") as file:
        rows = [r for r in csv.DictReader(file) if r["dataset"] == "circor2022" and r["label_recording"] == "present"]
    row = next(r for r in rows if r["systolic_grade"] == "III/VI" and float(r["seconds"]) > 15)
    sound, rate = soundfile.read(data_dir / "pcg" / row["path"], dtype="int16")
    return sound, float(rate)


def test_real_recordings_over_a_serial_link_raise_the_right_alarms_at_a_real_broker(tmp_path, mosquitto, data_dir):
    sound, sound_rate = heard_murmur(data_dir)
    streams = [
        stream(1, "ppg", 125.0, bradycardia(data_dir), 10),
        stream(2, "pcg", sound_rate, sound, 200, 1),
    ]
    with Bedside(tmp_path, mosquitto, streams, ["pulse", "murmur"]) as bed:
        bed.subscriber.wait("brady", "on")
        bed.subscriber.wait("murmur", "on")
    events = bed.subscriber.events
    assert {e["condition"] for e in events} <= {"brady", "murmur", "low_quality"}
    assert [e["seq"] for e in events] == sorted({e["seq"] for e in events})
    brady = next(e for e in events if e["condition"] == "brady")
    assert 30.0 <= brady["value"] < 45.0
    assert not any(e["historical"] for e in events)


def test_unplugged_is_announced_and_plugged_in_again_goes_on(tmp_path, mosquitto):
    from edge.dsp.synthesis import Episode, beats, ppg

    wave = 50_000 + 2000 * ppg(beats([Episode(0.0, "sinus", 72.0)], 600.0), np.arange(60_000) / 100.0)
    with Bedside(tmp_path, mosquitto, [stream(1, "ppg", 100.0, wave, 10)], ["pulse"]) as bed:
        bed.subscriber.wait_reading(lambda r: r["metric"] == "ppg.hr" and r["value"] is not None)
        bed.device.unplug()
        bed.subscriber.wait("source_lost", "on")
        seen = len(bed.subscriber.readings)
        bed.device.replug()
        bed.subscriber.wait("source_lost", "off")
        bed.subscriber.wait_reading(
            lambda r: r["metric"] == "ppg.hr" and r in bed.subscriber.readings[seen:] and r["value"]
        )
    values = [r["value"] for r in bed.subscriber.readings if r["metric"] == "ppg.hr" and r["value"] is not None]
    assert all(abs(v - 72.0) < 4.0 for v in values)


def test_what_was_recorded_live_replays_to_the_same_readings_and_alarms(tmp_path, mosquitto, data_dir):
    from edge.assembly import ModelShelf, all_lanes, build_board
    from edge.clock import ManualClock
    from edge.fusion import Fusion
    from edge.replay import replay

    record = tmp_path / "live.evrec"
    streams = [stream(1, "ppg", 125.0, bradycardia(data_dir), 10)]
    with Bedside(tmp_path, mosquitto, streams, ["pulse", "rhythm"], record=record) as bed:
        bed.subscriber.wait("brady", "on")
    kept = list(Recording(record))
    header = Recording(record).header
    config = parse(header["config"])
    models = ModelShelf(variants=header["variants"])
    lanes = all_lanes(config, models)
    entries = [e for e in kept if isinstance(e, Block)]
    board = build_board(config, boot=header["boot"])
    again = list(replay(entries, lanes=lanes, board=board, clock=ManualClock(), fusion=Fusion()))

    def readings(events):
        return [e for e in events if isinstance(e, Reading) and not e.metric.startswith("fused")]

    made = readings(kept)
    assert made
    assert readings(again)[: len(made)] == made

    def alarms(events):
        return [(a.id, a.presence, a.t, a.value) for a in events if isinstance(a, Alarm) and a.condition == "brady"]

    assert alarms(again)[: len(alarms(kept))] == alarms(kept) != []


@pytest.mark.slow
def test_the_demo_raises_and_clears_its_three_alarms_within_ninety_seconds():
    from edge import face_models

    done = subprocess.run(
        [sys.executable, "-m", "edge", "demo", "--seconds", "95", "--no-web"],
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    alarms = [line for line in done.stdout.splitlines() if " ALARM " in line]
    for condition in ("bed1/af", "bed1/murmur", "bed1/sensor_off/node"):
        mine = [line for line in alarms if f" {condition} " in line]
        assert [line.split()[3] for line in mine] == ["on", "off"], alarms
        assert all(float(line.split()[0]) < 90.0 for line in mine)
    expected = {"ppg.hr", "ppg.rhythm", "pcg.murmur", "pcg.hr"} | (set() if face_models.missing() else {"camera.hr"})
    seen = next(line for line in done.stdout.splitlines() if "readings seen:" in line)
    assert expected <= set(seen.partition("readings seen:")[2].replace(",", " ").split())
