"""Proof of watching: which share of the last hour and day each metric was known, and when and why it was not.

Time counts as watched up to a reading with a value, from the reading before it and for at most ``LONGEST_HOP_S``; all
other time since the metric was first heard is blind, except standby, which is left out of the share. Memory is bounded:
minutes of an hour, quarters of a day and the last ``KEPT`` blind intervals of each metric, in whole milliseconds.

What was known before a restart counts again once the metric is heard again, and the time between is blind, too: nobody
watched. Inside, times are those of the run that began the record, so that buckets stay what they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from edge.ranges import LONGEST_HOP_S
from edge.types import Reading, SourceStatus

SHORTEST_S: Final = 5.0
"""Blind intervals shorter than this are counted in the share and not listed."""
KEPT: Final = 64
HOUR_S: Final = 3600.0
DAY_S: Final = 86400.0
DOWN: Final = "not running"
_GRAINS_MS: Final = (60_000, 900_000)
_SPANS_MS: Final = (3_600_000, 86_400_000)


class _Stream:
    """One metric of one source; times in ms."""

    def __init__(self, first_ms: int) -> None:
        self.first = first_ms
        self.last = first_ms
        self.buckets: tuple[dict[int, list[int]], ...] = ({}, {})
        self.blind: list[tuple[int, int, str]] = []
        self.open: dict[str, int] = {}
        self.open_since = first_ms
        self.downs: list[tuple[int, int]] = []

    def add(self, t: int, cause: str, silence: str) -> None:
        """Account for the time up to a reading at ``t``; cause: "" when it has a value."""
        start, self.last = self.last, t
        known_from = max(start, t - round(LONGEST_HOP_S * 1000))
        if known_from > start:
            self._blind(start, known_from, silence)
        if cause:
            self._blind(known_from, t, cause)
        else:
            self._close(known_from)
        if cause in ("", "standby"):
            for grain, buckets in zip(_GRAINS_MS, self.buckets, strict=True):
                _spread(buckets, grain, known_from, t, 1 if cause else 0)
        for grain, span, buckets in zip(_GRAINS_MS, _SPANS_MS, self.buckets, strict=True):  # indices only rise
            oldest = t // grain - span // grain
            while buckets and (first := next(iter(buckets))) <= oldest:
                del buckets[first]

    def came_back(self, t: int) -> None:
        """The program runs again and hears this metric at ``t``."""
        if t > self.last:
            self.downs = [down for down in (*self.downs, (self.last, t)) if down[1] > t - _SPANS_MS[0]]
            self._blind(self.last, t, DOWN)
            self._close(t)
            self.last = t

    def down(self, now: int) -> int:
        """How long the program did not run in the last hour, ms."""
        start = now - _SPANS_MS[0]
        return sum(max(0, b - max(a, start)) for a, b in self.downs)

    def share(self, which: int, now: int) -> float | None:
        """Watched share of the last span up to ``now``; None when all of it was standby or nothing has passed."""
        grain, span = _GRAINS_MS[which], _SPANS_MS[which]
        oldest = now // grain - span // grain + 1
        start = max(self.first, oldest * grain)
        inside = [bucket for index, bucket in self.buckets[which].items() if index >= oldest]
        expected = now - start - sum(bucket[1] for bucket in inside)
        return min(1.0, sum(bucket[0] for bucket in inside) / expected) if expected > 0 else None

    def minutes(self, now: int) -> list[tuple[int, int, float | None]]:
        """(start, end, watched share) of every minute of the last hour since the metric was first heard; the share is None
        of a standby. Ends at the last reading where the next one is not late."""
        grain, span = _GRAINS_MS[0], _SPANS_MS[0]
        until = now if now - self.last > LONGEST_HOP_S * 1000 else self.last
        told = []
        for index in range(now // grain - span // grain + 1, until // grain + 1):
            start, end = max(self.first, index * grain), min(until, (index + 1) * grain)
            watched, standby = self.buckets[0].get(index, (0, 0))
            if end > start:
                told.append(
                    (start, end, min(1.0, watched / (end - start - standby)) if end - start > standby else None)
                )
        return told

    def intervals(self, now: int, silence: str) -> list[tuple[int, int, str]]:
        """Blind intervals, oldest first, with the one that lasts still."""
        open_ = dict(self.open)
        if now - self.last > LONGEST_HOP_S * 1000:
            open_[silence] = open_.get(silence, 0) + now - self.last
        lasting = [(self.open_since if self.open else self.last, now, _main(open_))] if open_ else []
        return [i for i in self.blind + lasting if i[1] - i[0] >= SHORTEST_S * 1000]

    def _blind(self, start: int, end: int, cause: str) -> None:
        if end > start:
            if not self.open:
                self.open_since = start
            self.open[cause] = self.open.get(cause, 0) + end - start

    def _close(self, end: int) -> None:
        if self.open and end - self.open_since >= SHORTEST_S * 1000:
            self.blind = [*self.blind, (self.open_since, end, _main(self.open))][-KEPT:]
        self.open = {}


class Coverage:
    """Coverage of every metric of every source of one bed. Readings of a lane come in order."""

    def __init__(self) -> None:
        self._streams: dict[tuple[str, str], _Stream] = {}
        self._before: dict[tuple[str, str], _Stream] = {}  # of an earlier run, not heard again so far
        self._causes: dict[str, str] = {}  # why a source was silent last
        self._over: dict[str, int] = {}  # and when that was over, where it is, ms
        self._offset_ms = 0

    def reading(self, reading: Reading, *, standby: bool = False) -> None:
        """Account for the time up to this reading."""
        key, t = (reading.source, reading.metric), self._ms(reading.t)
        stream = self._streams.get(key)
        if stream is None:
            stream = self._streams[key] = self._before.pop(key) if key in self._before else _Stream(t)
            stream.came_back(t)
        elif t > stream.last:
            cause = "standby" if standby else reading.reason if reading.value is None else ""
            stream.add(t, cause, self._silence(reading.source, stream))

    def status(self, status: SourceStatus) -> None:
        """Remember why a source is silent, and from when on that explains no more silence."""
        if status.state == "disabled":
            for streams in (self._streams, self._before):
                for key in [key for key in streams if key[0] == status.source]:
                    del streams[key]
        if status.state in ("offline", "disabled"):
            self._causes[status.source] = status.reason or status.state
            self._over.pop(status.source, None)
        elif status.source in self._causes:
            self._over.setdefault(status.source, self._ms(status.t))

    def streams(self) -> list[tuple[str, str]]:
        """(source, metric) of all that was heard."""
        return sorted(self._streams)

    def share(self, source: str, metric: str, now: float, over_s: float = HOUR_S) -> float | None:
        """Watched share, 0..1, of the last hour or day (or since the start); None = unknown."""
        stream = self._streams.get((source, metric))
        return None if stream is None else stream.share(int(over_s > HOUR_S), self._ms(now))

    def share_running(self, source: str, metric: str, now: float) -> float | None:
        """The same of the last hour, of the time the program ran: what an alarm may blame on a signal."""
        stream = self._streams.get((source, metric))
        share = self.share(source, metric, now)
        if stream is None or share is None:
            return None
        span = min(self._ms(now) - stream.first, _SPANS_MS[0])
        ran = span - min(span, stream.down(self._ms(now)))
        return min(1.0, share * span / ran) if ran > 0 else None

    def watched_s(self, source: str, metric: str, now: float) -> float:
        """Seconds since the metric was first heard, or heard again after a restart."""
        stream = self._streams.get((source, metric))
        if stream is None:
            return 0.0
        return now - self._s(stream.downs[-1][1] if stream.downs else stream.first)

    def main_cause(self, source: str, metric: str, now: float) -> str:
        """What most of the listed blind time of the last hour is due to."""
        seconds: dict[str, int] = {}
        since = self._ms(now - HOUR_S)
        stream = self._streams[source, metric]
        for start, end, cause in stream.intervals(self._ms(now), self._silence(source, stream)):
            if end > since and cause != DOWN:
                seconds[cause] = seconds.get(cause, 0) + end - max(start, since)
        return _main(seconds) if seconds else "short gaps"

    def report(self, now: float) -> list[dict[str, Any]]:
        """For each metric: source, metric, first (heard, s), hour and day (shares or None), minutes of the hour [[start,
        end, share or None]], blind [{start, end, cause}]."""
        told = []
        for source, metric in self.streams():
            stream = self._streams[source, metric]
            blind = stream.intervals(self._ms(now), self._silence(source, stream))
            told.append(
                {
                    "source": source,
                    "metric": metric,
                    "first": self._s(stream.first),
                    "hour": self.share(source, metric, now),
                    "day": self.share(source, metric, now, DAY_S),
                    "minutes": [[self._s(a), self._s(b), share] for a, b, share in stream.minutes(self._ms(now))],
                    "blind": [{"start": self._s(a), "end": self._s(b), "cause": cause} for a, b, cause in blind],
                }
            )
        return told

    def snapshot(self) -> dict[str, Any]:
        """Everything needed to go on, in JSON's types."""
        return {
            "causes": dict(self._causes),
            "over": dict(self._over),
            "offset_ms": self._offset_ms,
            "streams": [
                {
                    "key": list(key),
                    "first": s.first,
                    "last": s.last,
                    "buckets": [[[index, *bucket] for index, bucket in sorted(b.items())] for b in s.buckets],
                    "blind": [list(interval) for interval in s.blind],
                    "open": dict(s.open),
                    "open_since": s.open_since,
                    "downs": [list(down) for down in s.downs],
                    "heard": key in self._streams,
                }
                for key, s in {**self._before, **self._streams}.items()
            ],
        }

    def restore(self, saved: Mapping[str, Any], shift_s: float = 0.0, *, restarted: bool = False) -> None:
        """Go on from ``snapshot()``, its times moved by ``shift_s``. restarted: by another run of the program."""
        self._causes = {} if restarted else dict(saved["causes"])
        self._over = {} if restarted else dict(saved.get("over", {}))
        self._offset_ms = saved.get("offset_ms", 0) - round(shift_s * 1000)
        self._streams, self._before = {}, {}
        for state in saved["streams"]:
            source, metric = state["key"]
            heard = state.get("heard", True) and not restarted
            stream = (self._streams if heard else self._before)[source, metric] = _Stream(int(state["first"]))
            stream.downs = [(int(a), int(b)) for a, b in state.get("downs", ())]
            stream.last, stream.open, stream.open_since = int(state["last"]), dict(state["open"]), state["open_since"]
            minutes, quarters = ({int(index): [int(a), int(b)] for index, a, b in rows} for rows in state["buckets"])
            stream.buckets = (minutes, quarters)
            stream.blind = [(a, b, cause) for a, b, cause in state["blind"]]

    def _ms(self, t: float) -> int:
        return round(t * 1000) + self._offset_ms

    def _s(self, ms: int) -> float:
        return (ms - self._offset_ms) / 1000

    def _silence(self, source: str, stream: _Stream) -> str:
        """Why this stream came no more: what its source was lost for, unless it was heard again after that."""
        over = self._over.get(source)
        return self._causes.get(source, "no data") if over is None or over > stream.last else "no data"


def _main(seconds: Mapping[str, int]) -> str:
    return max(seconds, key=lambda cause: (seconds[cause], cause))


def _spread(buckets: dict[int, list[int]], grain: int, start: int, end: int, column: int) -> None:
    while start < end:
        index = start // grain
        upto = min(end, (index + 1) * grain)
        buckets.setdefault(index, [0, 0])[column] += upto - start
        start = upto
