"""``edge-vitals demo``: zero hardware, one command, nothing on the way that is special to the demo.

A simulated microcontroller speaks the wire format on a pseudo-terminal that the serial source opens; a generated face
is played through the camera source; the models, alarms and the MQTT sink are those of ``run``; what is printed is what
a subscriber of the embedded broker receives.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from edge.cli._options import port, seconds
from edge.extras import installed
from edge.types import ConfigError

if TYPE_CHECKING:
    from edge.clock import Clock
    from edge.demo.subscriber import Subscriber

NEEDED = ("amqtt", "cv2", "serial")
PAGE_PORT = 8080
WANTED = ("af", "murmur", "sensor_off")


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "demo",
        help="a synthetic patient, end to end, without hardware",
        description="An embedded MQTT broker, a synthetic patient whose microcontroller speaks the wire format over a "
        "pseudo-terminal and whose face is a generated video, and a subscriber that prints what it receives. The "
        "script of 90 s has an atrial fibrillation, a murmur, motion and a finger that slips out of its sensor; the "
        "demo's alarm delays are shortened for it. Runs until Ctrl-C, or for --seconds.",
        epilog="example: edge-vitals demo --seconds 90",
    )
    command.add_argument("--seconds", type=seconds, metavar="N", help="stop after so long, with exit code 0")
    command.add_argument("--no-web", action="store_true", help="without the page")
    command.add_argument(
        "--port", type=port, default=0, metavar="P", help="port of the embedded broker; by default a free one"
    )
    command.add_argument(
        "--web-port", type=port, default=0, metavar="P", help=f"port of the page; by default {PAGE_PORT}, or a free one"
    )
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Play the demo."""
    from edge import face_models
    from edge.cli.run import stop_signals
    from edge.clock import SystemClock
    from edge.config import parse
    from edge.demo.broker import Broker
    from edge.demo.settings import text
    from edge.demo.subscriber import Subscriber
    from edge.program.service import build_service

    absent = [package for package in NEEDED if not installed(package)]
    if absent:
        raise ConfigError(f"the demo needs {', '.join(absent)}: pip install 'edge-vitals[demo]'")
    logging.basicConfig(level=logging.WARNING, format="%(levelname).1s %(name)s %(message)s", stream=sys.stderr)
    for chatty in ("amqtt", "asyncio", "transitions"):  # the embedded broker's
        logging.getLogger(chatty).setLevel(logging.CRITICAL)
    clock = SystemClock()
    screen = Screen(clock)
    with contextlib.ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="edge-vitals-")))
        missing = face_models.missing()
        video = None if missing else _face(folder, screen)
        if missing:
            screen.say("demo", f"no camera: {', '.join(missing)} missing; `edge-vitals models pull` fetches them")
        broker = opened.enter_context(Broker(port=args.port))
        screen.say(
            "demo",
            f"MQTT broker on 127.0.0.1:{broker.port}; try: edge-vitals watch --broker mqtt://127.0.0.1:{broker.port}",
        )
        link = folder / "usb-demo-node"
        page_port = None if args.no_web else _page_port(args.web_port, screen)
        told = text(folder=folder, broker_port=broker.port, serial_port=link, video=video, page_port=page_port)
        service = build_service(parse(told, path="demo.toml"), clock=clock, console=False)
        if service.page_url:
            screen.say("demo", f"the page: {service.page_url}")
        subscriber = Subscriber(port=broker.port, prefix="vitals/demo", clock=clock, say=screen.say)
        opened.callback(subscriber.close)
        opened.enter_context(_device(link, screen))
        with stop_signals() as told_of_signals:
            told_of_signals(service.runtime.stop)
            left_s = None if args.seconds is None else max(0.0, args.seconds - screen.elapsed_s())
            code = service.run(left_s)
        screen.summary(subscriber)
    return code


def _face(folder: Path, screen: Screen) -> Path:
    from edge.demo.face_video import write_video
    from edge.demo.patient import ROUND_S, Patient

    path = folder / "face.avi"
    screen.say("demo", "drawing a face whose skin pulses ...")
    write_video(path, seconds=ROUND_S, fps=15.0, beats=Patient().beats_s, width=400, height=300, seed=1)
    return path


def _page_port(asked: int, screen: Screen) -> int | None:
    """The page's port: the one asked for, else the usual one if it is free, else any (0); None without the extra."""
    from edge.ports import Listener, is_taken

    missing = [name for name in ("starlette", "uvicorn", "websockets") if not installed(name)]
    if missing:
        screen.say("demo", f"no page: {', '.join(missing)} missing; pip install 'edge-vitals[web]'")
        return None
    if asked:
        return asked
    return 0 if is_taken(Listener("sinks.web", "127.0.0.1", PAGE_PORT)) else PAGE_PORT


def _device(link: Path, screen: Screen) -> contextlib.AbstractContextManager[object]:
    from edge.demo.patient import RATES_HZ, SCRIPT, Patient
    from edge.demo.pty_device import PtyDevice
    from firmware_bridge.frames import SENSOR_OFF, StreamInfo
    from firmware_bridge.simulator import Faults, SimulatedStream, Simulator

    patient = Patient()

    def stream(id_: int, kind: str, channels: tuple[str, ...], per_frame: int, format_: int) -> SimulatedStream:
        return SimulatedStream(
            StreamInfo(id_, kind, channels, RATES_HZ[kind], "mg" if kind == "acc" else "counts"),
            lambda first, count: patient.samples(kind, first, count).tolist(),
            per_frame,
            format_,
            lambda first: SENSOR_OFF if patient.sensor_off(kind, first) else 0,
        )

    streams = [
        stream(1, "ppg", ("ir",), 10, 3),
        stream(2, "pcg", ("mic",), 400, 1),
        stream(3, "acc", ("x", "y", "z"), 10, 1),
    ]
    device = Simulator(streams, "demo-node", Faults(drift_ppm=40.0, jitter_s=0.01))
    told: list[float] = []

    def tell(now: float) -> None:
        for happening in SCRIPT:
            if happening.t <= now and happening.t not in told:
                told.append(happening.t)
                screen.say("patient", happening.text)

    return PtyDevice(device, link, on_step=tell)


class Screen:
    """Lines with the time since the start; colour only on a terminal."""

    _COLOURS = {"ALARM": "1;31", "patient": "36", "status": "2", "demo": "2"}  # noqa: RUF012

    def __init__(self, clock: Clock) -> None:
        self._clock, self._start = clock, clock.now()
        self._lock = threading.Lock()
        self._colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def elapsed_s(self) -> float:
        """Seconds since the command was started."""
        return self._clock.now() - self._start

    def say(self, who: str, what: str) -> None:
        """One line, from any thread."""
        line = f"{self._clock.now() - self._start:6.1f} s  {who:<8} {what}"
        if self._colour and who in self._COLOURS:
            line = f"\x1b[{self._COLOURS[who]}m{line}\x1b[0m"
        with self._lock, contextlib.suppress(BrokenPipeError):
            print(line, flush=True)

    def summary(self, subscriber: Subscriber) -> None:
        """What was seen, at the end."""
        self.say("demo", f"readings seen: {', '.join(sorted(subscriber.metrics)) or 'none'}")
        for condition in dict.fromkeys([*WANTED, *(c for c, _ in subscriber.alarms)]):
            seen = [p for c, p in subscriber.alarms if c == condition]
            self.say("demo", f"alarm {condition:<12} {' -> '.join(seen) or 'not in this run'}")
