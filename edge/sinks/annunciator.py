"""The local annunciator: rings in the room itself when nobody elsewhere has confirmed an alarm.

It rings while an alarm says so (``delivery.annunciator``), nobody has acknowledged it and no pause or shelf silences
it: by a command, a sound, a GPIO line, or several of them. The most urgent is heard, several of one priority in turn, and
a drill only where nothing real rings. A thread does it, so ``send`` never waits. What does not
work is logged and told as the condition ``annunciator_lost`` until a ring of it has worked; a drill that nobody
confirms tries the whole of it.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar

from edge.clock import Clock
from edge.ranges import FromZero, Repeat
from edge.sinks._annunciator.bells import POLL_S, Lamp, Output, Program
from edge.sinks._annunciator.gpio import OutputLine
from edge.sinks._annunciator.tones import PULSES, write_bursts
from edge.types import PRIORITIES, Alarm, ConfigError, Event

log = logging.getLogger(__name__)

_STOP_S: Final = 3.0
BEEP: Final = "beep"
_Said = TypeVar("_Said")


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
    repeat_s: Repeat = 10.0,
    checking: bool = False,
) -> Annunciator | None:
    """What rings at the bedside.

    command: program and arguments, started without a shell; EDGE_VITALS_ALARM, _PRIORITY, _BED and _TEXT are in its
    environment, and _DRILL, "1" for a test. sound: "beep", or a WAV file. player: the program that plays it. gpio_line:
    a line that is on while it rings. gpio_chip: the chip it belongs to. active_low: it is low while it rings. repeat_s:
    command and sound again after so long; they are ended when they take longer.
    """
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
        self._turns: dict[tuple[str, str], int] = {}  # when each was heard last, counted in rings
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._broken: dict[int, str] = {}
        self._said = ""
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

    def _next(self) -> Alarm | None:
        """Of the most urgent ones that which was not heard for longest."""
        with self._lock:
            return max(self._wanted.values(), key=lambda a: (_urgency(a), -self._turn(a), a.t), default=None)

    def _turn(self, alarm: Alarm) -> int:
        return self._turns.get((alarm.occurrence, alarm.priority), 0)

    def _take_turn(self, alarm: Alarm) -> None:
        with self._lock:
            wanted = {(one.occurrence, one.priority) for one in self._wanted.values()}
        self._turns = {key: turn for key, turn in self._turns.items() if key in wanted}
        self._turns[alarm.occurrence, alarm.priority] = self.rung + 1

    def _run(self) -> None:
        rung: tuple[bool, int] | None = None
        due, everything = 0.0, range(len(self._outputs))
        while not self._stopping.is_set():
            self._wake.clear()
            alarm = self._next()
            if alarm is None:
                if rung is not None:
                    self._each(everything, lambda output: output.quiet())
                rung = None
                self._turns.clear()
                self._wake.wait()
                continue
            now = self._clock.now()
            first = not self._turn(alarm)
            if first or rung != _urgency(alarm) or now >= due:
                if first:
                    log.warning("nobody has confirmed %s (%s): ringing here", alarm.id, alarm.text)
                rung, due = _urgency(alarm), now + self._repeat_s
                self._take_turn(alarm)
                self._ring(alarm)
            else:
                self._wake.wait(POLL_S)
        self._each(everything, lambda output: output.close())

    def _ring(self, alarm: Alarm) -> None:
        """All outputs at once, until each has come to its end or something else is to be heard."""
        ringing = [*self._each(range(len(self._outputs)), lambda output: output.ring(alarm))]
        while ringing:
            says = self._each(ringing, lambda output: output.rings())
            self._say_broken(works=[number for number, rings in says.items() if not rings])
            ringing = [number for number, rings in says.items() if rings]
            other = self._next()
            if other is None or _urgency(other) != _urgency(alarm) or (ringing and self._stopping.wait(POLL_S)):
                break  # the next ring, or the quiet that comes now, ends what still rings
        self.rung += 1

    def _each(self, numbers: Iterable[int], do: Callable[[Output], _Said]) -> dict[int, _Said]:
        """The answers of those outputs that did not fail."""
        answers: dict[int, _Said] = {}
        for number in numbers:
            output = self._outputs[number]
            try:
                answers[number] = do(output)
            except Exception as error:  # whatever it is: the others ring, and somebody is told
                if not isinstance(error, OSError):
                    log.exception("annunciator: %s", type(output).__name__)
                self._broken[number] = str(error)
        self._say_broken()
        return answers

    def _say_broken(self, *, works: Iterable[int] = ()) -> None:
        """works: outputs that have shown it; one that failed is broken until then."""
        for number in works:
            self._broken.pop(number, None)
        text = "; ".join(self._broken.values())
        if text != self._said:
            self._said = text
            log.log(logging.ERROR if text else logging.INFO, "annunciator: %s", text or "works again")
            if self._on_fault is not None:
                self._on_fault("annunciator_lost", bool(text), f"The local annunciator does not work: {text}")


def rings(alarm: Alarm) -> bool:
    """Whether this alarm, as it stands, is to be heard here."""
    silenced = "paused_until" in alarm.evidence or "shelved_until" in alarm.evidence
    return bool(alarm.delivery.get("annunciator")) and alarm.presence in ("on", "latched") and not silenced


def _urgency(alarm: Alarm) -> tuple[bool, int]:
    """A drill comes after everything real."""
    return not alarm.drill, PRIORITIES.index(alarm.priority)


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
