"""How soon and how surely an alarm reaches a subscriber over loopback, durable write included.

    .venv/bin/python tools/bench_delivery.py [--seconds 20] [--rate 500] [--json]

The program as ``run`` builds it, with a synthetic patient beside it, a real mosquitto, and a subscriber in a process of
its own. Single alarms give the latency: from the reading that raises one to its event at the subscriber, both by the
machine's monotonic clock. Then ``--rate`` transitions a second are asked for; every one must arrive, once and in order.
"""

from __future__ import annotations

import argparse
import itertools
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np
from campaign.broker import find

from edge.config import parse
from edge.demo.broker import free_port
from edge.program.service import Service, build_service
from edge.types import Reading

CONFIG = """
[device]
name = "bench"
state_dir = "{folder}"
[mqtt]
host = "127.0.0.1"
port = {port}
[beds.patient]
[beds.bench]
[sources.syn]
bed = "patient"
kind = "synthetic"
analyzers = ["pulse"]
[beds.bench.alarms]
silent_s = 0
coverage_limit = 0
[beds.bench.alarms.tachy]
metrics = ["ppg.hr"]
hysteresis = 0
on_delay_s = 0
off_delay_s = 0
severe_limit = 140
latching = false
"""
TOPIC = "vitals/bench/bench/event"
LISTENER = """
import json, sys, threading
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
client = Client(CallbackAPIVersion.VERSION2)
client.on_connect = lambda c, *_: c.subscribe(sys.argv[2], qos=1)
client.on_subscribe = lambda *_: print("ready", flush=True)
client.on_message = lambda c, u, m: print(m.timestamp, json.loads(m.payload)["seq"], flush=True)
client.connect("127.0.0.1", int(sys.argv[1]))
client.loop_forever()
"""


class Listener:
    """The subscriber: (time of arrival, seq) of every event, in order of arrival."""

    def __init__(self, port: int) -> None:
        command = [sys.executable, "-c", LISTENER, str(port), TOPIC]
        self._process = subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8")
        assert self._process.stdout is not None
        self._out = self._process.stdout
        self._out.readline()
        self.heard: list[tuple[float, int]] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._read, name="bench-listener", daemon=True).start()

    def wait(self, count: int, timeout_s: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: len({seq for _, seq in self.heard}) >= count, timeout_s)

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _read(self) -> None:
        for line in self._out:
            at, seq = line.split()
            with self._changed:
                self.heard.append((float(at), int(seq)))
                self._changed.notify_all()


class Patient:
    """Readings that raise and end one alarm in turn; sent: when each transition was asked for, s."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self.sent: list[float] = []

    def turn(self) -> None:
        rate = 70.0 if len(self.sent) % 2 else 180.0
        now = time.monotonic()
        self._service.runtime.post(Reading("ppg.hr", now, rate, "bpm", 1.0, bed="bench", source="bench"))
        self.sent.append(now)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20.0, help="of the flood")
    parser.add_argument("--rate", type=float, default=500.0, help="transitions a second")
    parser.add_argument("--singles", type=int, default=200, help="single alarms for the latency")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if not (args.seconds > 0 and args.rate > 0 and args.singles > 0 and args.seconds * args.rate >= 1):
        parser.error("--seconds, --rate and --singles: each above 0, and at least one transition in all")
    program = find()
    if program is None:
        parser.error("mosquitto is not installed: sudo apt install mosquitto")
    with tempfile.TemporaryDirectory() as folder:
        port, conf = free_port(), Path(folder, "mosquitto.conf")
        settings = f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
        conf.write_text(settings, encoding="utf-8")
        broker = subprocess.Popen([program, "-c", conf], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            figures = measure(Path(folder), port, args)
        finally:
            broker.kill()
            broker.wait()
    if args.json:
        print(json.dumps(figures))
        return 0
    single, flood = figures["single"], figures["flood"]
    print(
        f"single alarms, {single['alarms']}: p50 {single['p50_ms']} ms, p95 {single['p95_ms']} ms, max {single['max_ms']} ms"
    )
    print(
        f"flood, {flood['asked_a_second']:.0f} a second asked for {args.seconds:g} s: {flood['transitions']} transitions, "
        f"{flood['arrived_a_second']:.0f} a second arrived, {flood['lost']} lost, {flood['twice']} twice, "
        f"{flood['out_of_order']} out of order; p50 {flood['p50_ms']} ms, max {flood['max_ms']} ms; "
        f"all there {flood['drained_s']} s after the last"
    )
    return 1 if flood["lost"] or flood["out_of_order"] else 0


def measure(folder: Path, port: int, args: argparse.Namespace) -> dict[str, dict[str, float]]:
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            break
        except OSError:
            time.sleep(0.05)
    service = build_service(parse(CONFIG.format(folder=folder, port=port)), console=False)
    runner = threading.Thread(target=service.run, name="bench-service")
    runner.start()
    listener = Listener(port)
    patient = Patient(service)
    try:
        time.sleep(2.0)
        for done in range(args.singles):
            patient.turn()
            listener.wait(done + 1, 10.0)
            time.sleep(0.02 + 0.01 * (done % 3))
        singles = len(patient.sent)
        began = time.monotonic()
        total = round(args.rate * args.seconds)
        for n in range(total):
            time.sleep(max(0.0, began + n / args.rate - time.monotonic()))
            patient.turn()
        listener.wait(singles + total, 120.0)
    finally:
        service.runtime.stop()
        runner.join(20.0)
        listener.close()
    first: dict[int, float] = {}
    for at, seq in listener.heard:
        first.setdefault(seq, at)
    delay_ms = np.array([1000.0 * (first[n + 1] - t) for n, t in enumerate(patient.sent) if n + 1 in first])
    order = [seq for n, (_, seq) in enumerate(listener.heard) if first[seq] == listener.heard[n][0]]
    last = max(first.values())
    single, flood = delay_ms[:singles], delay_ms[singles:]
    return {
        "single": {"alarms": singles, **_spread(single)},
        "flood": {
            "asked_a_second": total / (patient.sent[-1] - began),
            "arrived_a_second": (len(first) - singles) / (last - began),
            "transitions": total,
            "lost": singles + total - len(first),
            "twice": len(listener.heard) - len(first),
            "out_of_order": sum(b < a for a, b in itertools.pairwise(order)),
            "drained_s": round(last - patient.sent[-1], 2),
            **_spread(flood),
        },
    }


def _spread(ms: np.ndarray) -> dict[str, float]:
    p50, p95 = np.percentile(ms, (50, 95))
    return {"p50_ms": round(float(p50), 2), "p95_ms": round(float(p95), 2), "max_ms": round(float(ms.max()), 1)}


if __name__ == "__main__":
    raise SystemExit(main())
