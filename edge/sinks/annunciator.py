"""The local annunciator: rings in the room itself when nobody elsewhere has confirmed an alarm.

It rings while an alarm says so (``delivery.annunciator``), nobody has acknowledged it and no pause or shelf silences
it: by a command, a sound, a GPIO line, or several of them. A thread does it, so ``send`` never waits. What does not work
is logged and told as the condition ``annunciator_lost`` until a ring of it has worked; a drill that nobody confirms tries the whole of it.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from edge.clock import Clock
from edge.ranges import FromZero, Positive
from edge.sinks._gpio import OutputLine
from edge.sinks._tones import PULSES, write_bursts
from edge.types import PRIORITIES, Alarm, ConfigError, Event

log = logging.getLogger(__name__)

_POLL_S: Final = 0.1
_STOP_S: Final = 3.0
BEEP: Final = "beep"


class Output(Protocol):
    """One way to be heard or seen. Both raise OSError when it does not work."""

    def ring(self, alarm: Alarm, still: Callable[[], bool]) -> bool:
        """Once more for ``alarm``; ``still`` says whether it is still wanted. Whether it rang to its end, and so works."""

    def quiet(self) -> None:
        """Nothing rings any more; calling twice is harmless."""

    def close(self) -> None:
        """The end: quiet, and let go of what was held."""


def build(
    *,
    clock: Clock,
    standing: Sequence[Alarm] = (),
    on_fault: Callable[[str, bool, str], None] | None = None,
    state_dir: Path = Path(),
    command: tuple[str, ...] = (),
    sound: str = "",
    player: tuple[str, ...] = ("aplay", "-q"),
    gpio_line: FromZero | None = None,
    gpio_chip: str = "/dev/gpiochip0",
    active_low: bool = False,
    repeat_s: Positive = 10.0,
    checking: bool = False,
) -> Annunciator | None:
    """What rings at the bedside.

    command: program and arguments, started without a shell; EDGE_VITALS_ALARM, _PRIORITY, _BED and _TEXT are in its
    environment. sound: "beep", or a WAV file. player: the program that plays it. gpio_line: a line that is on while it
    rings. gpio_chip: the chip it belongs to. active_low: it is low while it rings. repeat_s: command and sound again after so long; they are ended when they take longer.
    """
    if not 1.0 <= repeat_s <= 600.0:
        raise ConfigError(f"sinks.annunciator.repeat_s: {repeat_s:g}; from 1 to 600 s")
    if not command and not sound and gpio_line is None:
        raise ConfigError("sinks.annunciator: set command, sound or gpio_line: what is to ring?")
    if command:
        _program("command", command)
    if sound:
        _program("player", player)
        _sound(sound)
    if checking:
        return None
    outputs: list[Output] = []
    if command:
        outputs.append(Program(dict.fromkeys(PULSES, command), repeat_s))
    if sound:
        outputs.append(Program({p: (*player, str(f)) for p, f in _files(sound, state_dir).items()}, repeat_s))
    if gpio_line is not None:
        try:
            outputs.append(Lamp(OutputLine(gpio_chip, gpio_line, active_low=active_low)))
        except OSError as error:
            where = f"line {gpio_line} of {gpio_chip}"
            raise ConfigError(f"sinks.annunciator.gpio_line: {where}: {error.strerror}; is it in use?") from None
    return Annunciator(outputs, clock=clock, repeat_s=repeat_s, standing=standing, on_fault=on_fault)


class Annunciator:
    """See ``build``. rung: how often something was rung."""

    def __init__(
        self,
        outputs: Sequence[Output],
        *,
        clock: Clock,
        repeat_s: float,
        standing: Sequence[Alarm] = (),
        on_fault: Callable[[str, bool, str], None] | None = None,
    ) -> None:
        self._outputs, self._clock, self._repeat_s, self._on_fault = outputs, clock, repeat_s, on_fault
        self._lock = threading.Lock()
        self._wanted = {alarm.id: alarm for alarm in standing if rings(alarm)}
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._broken: dict[int, str] = {}
        self.rung = 0
        self._thread = threading.Thread(target=self._run, name="edge-annunciator", daemon=True)
        self._thread.start()

    def send(self, event: Event) -> None:
        """Take an event; never waits."""
        if not isinstance(event, Alarm):
            return
        with self._lock:
            if rings(event):
                self._wanted[event.id] = event
            else:
                self._wanted.pop(event.id, None)
        self._wake.set()

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002 - a bell has nothing to catch up with
        return True

    def close(self) -> None:
        """Be quiet; calling twice is harmless."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(_STOP_S)

    def _loudest(self) -> Alarm | None:
        with self._lock:
            return max(self._wanted.values(), key=lambda a: (PRIORITIES.index(a.priority), a.t), default=None)

    def _run(self) -> None:
        rung: tuple[str, str] | None = None
        due = 0.0
        while not self._stopping.is_set():
            self._wake.clear()
            alarm = self._loudest()
            if alarm is None:
                if rung is not None:
                    self._each(lambda output: output.quiet())
                rung = None
                self._wake.wait()
                continue
            now = self._clock.now()
            if rung != (alarm.occurrence, alarm.priority) or now >= due:
                if rung is None:
                    log.warning("nobody has confirmed %s (%s): ringing here", alarm.id, alarm.text)
                rung, due = (alarm.occurrence, alarm.priority), now + self._repeat_s
                self._ring(alarm)
            else:
                self._wake.wait(_POLL_S)
        self._each(lambda output: output.close())

    def _ring(self, alarm: Alarm) -> None:
        def still() -> bool:
            loudest = self._loudest()
            return loudest is not None and loudest.priority == alarm.priority and not self._stopping.is_set()

        self._each(lambda output: output.ring(alarm, still))
        self.rung += 1

    def _each(self, do: Callable[[Output], bool | None]) -> None:
        """do: whether the output has shown that it works; one that failed is broken until then."""
        before = "; ".join(self._broken.values())
        for number, output in enumerate(self._outputs):
            try:
                if do(output):
                    self._broken.pop(number, None)
            except Exception as error:  # whatever it is: the others ring, and somebody is told
                if not isinstance(error, OSError):
                    log.exception("annunciator: %s", type(output).__name__)
                self._broken[number] = str(error)
        text = "; ".join(self._broken.values())
        if text != before:
            log.log(logging.ERROR if text else logging.INFO, "annunciator: %s", text or "works again")
            if self._on_fault is not None:
                self._on_fault("annunciator_lost", bool(text), f"The local annunciator does not work: {text}")


class Program:
    """Runs a program for each ring, a different one by priority; ends it when it is no longer wanted or takes too long.

    It leads a group of its own: what it started ends with it, or with the ringing where it goes on without it.
    """

    def __init__(self, by_priority: Mapping[str, tuple[str, ...]], longest_s: float) -> None:
        self._by_priority, self._longest_s = by_priority, longest_s
        self._running: subprocess.Popen[bytes] | None = None
        self._pause = threading.Event()

    def ring(self, alarm: Alarm, still: Callable[[], bool]) -> bool:
        self.quiet()
        command = self._by_priority[alarm.priority]
        named = {"ALARM": alarm.id, "PRIORITY": alarm.priority, "BED": alarm.bed, "TEXT": alarm.text}
        environment = {**os.environ, **{f"EDGE_VITALS_{key}": text for key, text in named.items()}}
        null = subprocess.DEVNULL
        self._running = subprocess.Popen(
            command, env=environment, stdin=null, stdout=null, stderr=null, start_new_session=True
        )
        for _ in range(max(1, round(self._longest_s / _POLL_S))):
            code = _ended(self._running.pid)
            if code is None and still():
                self._pause.wait(_POLL_S)
            elif code is None:
                self.quiet()
                return False
            elif code:
                self.quiet()
                raise OSError(f"{command[0]} ended with code {code}")
            else:
                return True
        self.quiet()
        raise OSError(f"{command[0]} took longer than {self._longest_s:g} s")

    def quiet(self) -> None:
        """End the program and all it started."""
        process, self._running = self._running, None
        if process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def close(self) -> None:
        """The same; nothing else is held."""
        self.quiet()


class Lamp:
    """A line that is on from the first ring until all is quiet."""

    def __init__(self, line: OutputLine) -> None:
        self._line = line

    def ring(self, alarm: Alarm, still: Callable[[], bool]) -> bool:  # noqa: ARG002
        self._line.set(True)
        return True

    def quiet(self) -> None:
        self._line.set(False)

    def close(self) -> None:
        self._line.close()


def rings(alarm: Alarm) -> bool:
    """Whether this alarm, as it stands, is to be heard here."""
    silenced = "paused_until" in alarm.evidence or "shelved_until" in alarm.evidence
    return bool(alarm.delivery.get("annunciator")) and alarm.presence in ("on", "latched") and not silenced


def _ended(pid: int) -> int | None:
    """The exit code of a child, or None while it runs. It stays a zombie: its group's number is not given to others."""
    found = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
    if found is None:
        return None
    return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status


def _program(key: str, command: Sequence[str]) -> None:
    if shutil.which(command[0]) is None:
        raise ConfigError(f"sinks.annunciator.{key}: {command[0]}: no such program")


def _sound(sound: str) -> None:
    if sound != BEEP and not Path(sound).is_file():
        raise ConfigError(f'sinks.annunciator.sound: {sound}: no such file; "{BEEP}" needs none')


def _files(sound: str, state_dir: Path) -> Mapping[str, Path]:
    if sound != BEEP:
        return dict.fromkeys(PULSES, Path(sound))
    try:
        return write_bursts(state_dir)
    except OSError as error:
        raise ConfigError(f"sinks.annunciator.sound: {state_dir}: {error.strerror}") from None
