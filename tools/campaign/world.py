"""A broker, a wire, a device and a subscriber, with one fault to come; and the verdict on what arrived."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from campaign import verdict as judge
from campaign.broker import OPEN, Mosquitto
from campaign.device import Device
from campaign.nurse import Nurse, retained
from campaign.patient import Finger, clip
from campaign.pictures import PictureServer
from campaign.scaled_clock import ScaledClock
from campaign.verdict import Verdict
from campaign.wire import Wire

NAME = "bedside"
SYNTHETIC = '[sources.node]\nkind = "synthetic"\nanalyzers = ["pulse"]\n'
_CONFIG = """
[device]
name = "{name}"
state_dir = "state"
[mqtt]
host = "127.0.0.1"
port = {port}
keepalive_s = {keepalive_s}
{mqtt}
{beds}
{sources}
[alarms.sensor_off]
on_delay_s = 0
off_delay_s = 0
[alarms.model_fault]
off_delay_s = 0
{alarms}
[sinks.journal]
"""
_COMPLETE_S = 60.0
_WITHIN_S = 60.0
"""How long what must arrive is waited for, real seconds."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault. run: does it; speed: of the device's clock in the short form; killed: see
    ``judge_events``; tracebacks: the log may hold some; forgetful: so is the broker, when it ends;
    alone: not beside others, whose figures it would spoil."""

    name: str
    text: str
    run: Callable[[World], None]
    speed: float = 1.0
    sources: str = SYNTHETIC
    alarms: str = ""
    mqtt: str = ""
    beds: int = 1
    keepalive_s: int = 2
    broker: str = OPEN
    wire: bool = False
    killed: bool = False
    tracebacks: bool = False
    forgetful: bool = False
    alone: bool = False


FAULTS: list[Fault] = []


def fault(name: str, **options: Any) -> Callable[[Callable[[World], None]], Callable[[World], None]]:
    """Enter a function into the campaign; its docstring says in one line what it does."""

    def enter(run: Callable[[World], None]) -> Callable[[World], None]:
        FAULTS.append(Fault(name, (run.__doc__ or "").strip(), run, **options))
        return run

    return enter


@dataclass(slots=True)
class World:
    """What a fault has to work with. short: seconds instead of minutes."""

    fault: Fault
    short: bool
    folder: Path
    clock: ScaledClock
    broker: Mosquitto
    wire: Wire | None
    device: Device
    verdict: Verdict
    finger: Finger = field(default_factory=Finger)
    wall_offsets: list[float] = field(default_factory=list)
    nurse: Any = None
    port: Any = None
    line: Any = None
    pictures: Any = None
    healed_at: float | None = None

    @property
    def speed(self) -> float:
        """Of the device's clock: what this machine takes for anything is so much longer by it."""
        return self.fault.speed if self.short else 1.0

    @property
    def relay(self) -> Wire:
        """The wire; only a fault with ``wire=True`` has one."""
        assert self.wire is not None
        return self.wire

    def pick(self, short: float, long: float) -> float:
        return short if self.short else long

    def wait(self, seconds: float) -> None:
        """Let so many seconds of the device's clock pass."""
        self.clock.sleep(seconds)

    def raise_and_clear(self, *names: str) -> None:
        """Each alarm line is raised, then each is cleared, and the device has said so."""
        for on in (True, False):
            before = len(self.device.said)
            for name in names:
                self.device.order("fault", source=name, on=on)
            self.expect(self.device.wait(lambda: len(self.device.said) >= before + len(names), 20.0), "no transitions")  # noqa: B023

    def flood(self, count: int, per_s: float, *, wait: bool = True, **more: Any) -> None:
        """``count`` transitions, so many a second; see ``bedside.Orders``."""
        done = len(self.device.notes)
        self.device.order("flood", count=count, per_s=per_s, **more)
        if wait:
            self.flooded(done, count / per_s if per_s else 60.0)

    def flooded(self, since: int, about_s: float) -> dict[str, Any]:
        """Wait for the end of a flood that began at note ``since``."""

        def note() -> dict[str, Any] | None:
            return next((n for n in self.device.notes[since:] if "flooded" in n), None)

        self.expect(self.device.wait(lambda: note() is not None, 30.0 + 4 * about_s), "the flood does not end")
        return note() or {}

    def healed(self) -> None:
        """The fault is over: recovery is counted from here."""
        self.healed_at = time.monotonic()

    def expect(self, held: bool, text: str) -> None:
        self.verdict.demand(held, text)

    def expect_event(self, condition: str, presence: str, *, since: int = 0) -> None:
        """An alarm event arrives, within ``_WITHIN_S``, among the messages from index ``since`` on."""
        held = self.nurse.wait(lambda: self.nurse.knows(condition, presence, since), _WITHIN_S)
        self.expect(held, f"no {condition} {presence} within {_WITHIN_S:.0f} s")

    def expect_said(self, alarm: str, presence: str) -> None:
        """The device says so itself, whether or not anybody hears it."""

        def said() -> bool:
            return any((s["alarm"], s["presence"]) == (alarm, presence) for s in self.device.said)

        self.expect(self.device.wait(said, _WITHIN_S), f"{alarm} is not {presence} within {_WITHIN_S:.0f} s")

    def expect_reading(self, found: Callable[[Mapping[str, Any]], bool], *, since: int = 0) -> None:
        """A reading for which ``found`` holds arrives among the messages from index ``since`` on."""

        def seen() -> bool:
            return any(m.fields and "/reading/" in m.topic and found(m.fields) for m in self.nurse.messages[since:])

        self.expect(self.nurse.wait(seen, _WITHIN_S), f"no such reading within {_WITHIN_S:.0f} s")

    def complete(self) -> bool:
        """Whether everything said so far has arrived."""
        said = {(s["occurrence"], s["seq"]) for s in self.device.said}
        return self.nurse.wait(lambda: len(self.nurse.arrived) >= len(said) and said <= self.nurse.arrived, _COMPLETE_S)

    def _said(self) -> list[Mapping[str, Any]]:
        """What the device said; of runs that were killed, what they wrote down, which is what arrives."""
        if not self.fault.killed:
            return list(self.device.said)
        return [{**m.fields, "alarm": m.fields["id"]} for m in self.nurse.events()]

    def judge(self) -> None:
        """Wait for the rest, then hold everything against everything."""
        everything = self.complete()
        if self.healed_at is not None and everything:
            self.verdict.recovery_s = time.monotonic() - self.healed_at
        root, said = f"vitals/{NAME}", self._said
        kept: dict[str, dict[str, Any]] = {}
        for _ in range(20):  # retained topics follow the events by a moment
            trial = Verdict("")
            kept = retained(self.broker.port)
            judge.judge_standing(trial, said(), kept, root)
            if not trial.wrong:
                break
            self.clock.sleep(0.5)
        judge.judge_standing(self.verdict, said(), kept, root)
        self.device.stop()
        if everything:
            self.complete()  # what it said at its end
        events = self.nurse.events()
        judge.judge_events(
            self.verdict, self.device.said, events,
            wall_offsets=self.wall_offsets, killed=self.fault.killed, speed=self.speed,
        )  # fmt: skip
        judge.judge_readings(self.verdict, self.nurse.readings(), speed=self.speed)
        judge.judge_memory(self.verdict, self.device.settled_kb, self.device.peak_kb, self.device.most_files)
        waiting, seqs = self.device.stored()
        self.expect(waiting == 0, f"{waiting} transitions still wait in the outbox")
        last = {m.fields["bed"]: m.fields["seq"] for m in events}
        self.expect(seqs == last, f"the device's last numbers are {seqs}, the subscriber's {last}")
        quiet = self.fault.tracebacks or "Traceback" not in self.device.log()
        self.expect(quiet, f"the device's log holds a traceback: {self.device.log()[-1500:]}")


@contextlib.contextmanager
def world(one: Fault, program: str, folder: Path, *, short: bool) -> Iterator[World]:
    """Everything built and running, and everything ended afterwards."""
    clock = ScaledClock.starting_now(one.speed if short else 1.0)
    with contextlib.ExitStack() as opened:
        (folder / "broker").mkdir(parents=True)
        (folder / "device").mkdir()
        (folder / "broker" / "acl").write_text("topic readwrite #\n", encoding="utf-8")
        broker = Mosquitto(program, folder / "broker", one.broker.format(folder=folder / "broker"))
        opened.callback(broker.stop, kill=True)
        broker.start()
        wire = opened.enter_context(Wire(broker.port)) if one.wire else None
        pictures = opened.enter_context(PictureServer(clock)) if "{url}" in one.sources else None
        config = _CONFIG.format(
            name=NAME,
            port=wire.port if wire else broker.port,
            keepalive_s=one.keepalive_s,
            mqtt=one.mqtt,
            beds="\n".join(f"[beds.bed{n + 1}]" for n in range(one.beds)),
            sources=one.sources.format(folder=folder, url=pictures.url if pictures else ""),
            alarms=one.alarms,
        )
        device = Device(folder / "device", config, clock)
        opened.callback(device.stop)
        made = World(one, short, folder, clock, broker, wire, device, Verdict(one.name))
        made.wall_offsets.append(clock.wall() - clock.now())
        made.pictures = pictures
        if "serial_port" in one.sources:
            made.port, made.line = clip(folder / "usb-clip", made.finger, clock)
            opened.enter_context(made.port)
        made.nurse = Nurse(broker.port, clock, listens_only=one.forgetful)
        opened.callback(made.nurse.close)
        yield made
