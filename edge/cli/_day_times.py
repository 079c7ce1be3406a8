"""The time of day at which something in a recording happened, as far as the recording knows it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from edge.cli._events import clock_text
from edge.clock import iso
from edge.recording import ClockMark, Entry, Recording, set_marks, wall_at


class DayTimes:
    """Monotonic times of one recording as this machine's time zone has them; of none: seconds of a file.

    Where the clock was set later, times before are counted back from then. One that was never set says nothing: times
    stay those since the board's start, and that is said.
    """

    def __init__(self, recording: Recording | None = None) -> None:
        self._marks: list[ClockMark] = []
        self._said = ""
        self._recording = recording
        if recording is None:
            return
        begun = recording.header
        if "wall" in begun and "mono" in begun:
            self._add(ClockMark(float(begun["mono"]), float(begun["wall"])))
        for entry in () if self._marks else recording.entries(samples=False):
            if isinstance(entry, ClockMark):
                self._add(entry)
                if self._marks:
                    break
        first = self._marks[0].t if self._marks else 0.0
        self._counted_until = first if first > begun.get("mono", first) else None

    def watched(self, entries: Iterable[Entry]) -> Iterator[Entry]:
        """The same entries; what they say of the clock is taken in as they pass."""
        for entry in entries:
            if isinstance(entry, ClockMark) and (not self._marks or entry.t > self._marks[-1].t):
                self._add(entry)
            yield entry

    def wall(self, t: float) -> float | None:
        """Unix time, s, or None where the clock was not set."""
        return wall_at(t, self._marks)

    def told(self, t: float) -> dict[str, object]:
        """What a line of JSON says of it beside the monotonic time; of a file nothing."""
        wall = self.wall(t)
        return {} if self._recording is None else {"time": None if wall is None else iso(wall)}

    def line(self, t: float, text: str) -> str:
        """``22:03:10  text``, ``m:ss.s`` where the clock says nothing; before it, where that is new, a line that says of
        what day and time zone the times from here on are."""
        wall, said = self.wall(t), self._heading(t)
        heading = "" if said == self._said else f"{said}\n"
        self._said = said
        return f"{heading}{clock_text(t) if wall is None else f'{_local(wall):%H:%M:%S}':>8}  {text}"

    def _heading(self, t: float) -> str:
        if self._recording is None:
            return ""
        wall = self.wall(t)
        if wall is None:
            return "the clock was not set: times since the board's start"
        local = _local(wall)
        back = self._counted_until is not None and t < self._counted_until
        return f"{local:%Y-%m-%d}, UTC{local.isoformat()[-6:]}" + (
            ", counted back: the clock was not set" if back else ""
        )

    def _add(self, mark: ClockMark) -> None:
        self._marks += set_marks([mark])


def _local(wall: float) -> datetime:
    return datetime.fromtimestamp(wall).astimezone()
