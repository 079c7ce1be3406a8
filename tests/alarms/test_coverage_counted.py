"""Proof of watching against a plain count of every stretch of time, through losses, standby and restarts of the program."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.alarms.coverage import Coverage
from edge.types import Reading, SourceStatus

HOUR, DAY, MINUTE, QUARTER = 3_600_000, 86_400_000, 60_000, 900_000
KEY = ("node", "ppg.hr")


class Counted:
    """One metric's time in stretches ``(begin, end, what)``, ms: "" is known; ``cuts`` end a blind interval."""

    def __init__(self) -> None:
        self.stretches: list[tuple[int, int, str]] = []
        self.losses: list[tuple[str, int | None]] = []
        self.downs: list[tuple[int, int]] = []
        self.cuts: set[int] = set()
        self.first: int | None = None
        self.last = 0
        self.heard = False

    def silence(self) -> str:
        """What the newest loss of the source was for, if it lasted beyond the last reading."""
        reason, over = self.losses[-1] if self.losses else ("no data", None)
        return reason if over is None or over > self.last else "no data"

    def reading(self, t: int, what: str) -> None:
        if self.first is None:
            self.first = self.last = t
        elif not self.heard and t > self.last:
            self.stretches.append((self.last, t, "not running"))
            self.downs.append((self.last, t))
            self.cuts.add(t)
        elif t > self.last:
            middle = max(self.last, t - 5000)
            self.stretches += [(self.last, middle, self.silence()), (middle, t, what)]
        self.heard, self.last = True, max(t, self.last)

    def blind(self, now: int) -> list[tuple[int, int, str]]:
        """Those that ended, and the one that lasts."""
        ended: list[tuple[int, int, str]] = []
        begin, ms = self.last, dict[str, int]()
        for a, b, what in self.stretches:
            if what and b > a:
                begin = begin if ms else a
                ms[what] = ms.get(what, 0) + b - a
            if ms and (not what or b in self.cuts):
                ended.append((begin, b if what else a, longest(ms)))
                begin, ms = self.last, {}
        ended = [one for one in ended if one[1] - one[0] >= 5000][-64:]
        if now - self.last > 5000:
            ms[self.silence()] = ms.get(self.silence(), 0) + now - self.last
        return ended + ([(begin, now, longest(ms))] if ms and now - begin >= 5000 else [])

    def within(self, begin: int, what: str) -> int:
        return sum(max(0, b - max(a, begin)) for a, b, told in self.stretches if told == what)

    def share(self, now: int, span: int, grain: int) -> float | None:
        begin = max(self.first or 0, (now // grain - span // grain + 1) * grain)
        expected = now - begin - self.within(begin, "standby")
        return self.within(begin, "") / expected if expected > 0 else None

    def minutes(self, now: int) -> list[tuple[int, int, float | None]]:
        until, told = now if now - self.last > 5000 else self.last, []
        for begin in range((now // MINUTE - 59) * MINUTE, until + 1, MINUTE):
            a, b = max(self.first or 0, begin), min(until, begin + MINUTE)
            ms = {
                what: sum(max(0, min(b, d) - max(a, c)) for c, d, w in self.stretches if w == what)
                for what in ("", "standby")
            }
            if b > a:
                told.append((a, b, ms[""] / (b - a - ms["standby"]) if b - a > ms["standby"] else None))
        return told


def longest(ms: dict[str, int]) -> str:
    return max(ms, key=lambda cause: (ms[cause], cause))


GAPS = st.sampled_from([0, 400, 1000, 1000, 2000, 4999, 5000, 5001, 7000, 40_000, 700_000, 3_000_000, 20_000_000])
STEPS = st.lists(
    st.tuples(
        GAPS, st.sampled_from(["", "", "", "motion", "gap", "standby", "lost", "off", "found", "weak", "restart", "disabled"])
    ),
    max_size=60,
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(STEPS, st.integers(0, 10**9), GAPS)
@example([(0, ""), (5000, "motion"), (1000, "restart"), (1000, "motion"), (9000, "motion")], 0, 0)
@example([(0, ""), (1000, ""), (0, "restart"), (2_000_000, ""), (1000, "motion"), (5000, "")], 0, 5000)
@example([(0, "")] + 5 * [(700_000, ""), (40_000, "motion")], 59_000, 1000)
def test_everything_told_is_what_counting_gives(steps, start, after):
    one, plain, t, shift = Coverage(), Counted(), start, 0

    def local(ms):
        return (ms + shift) / 1000

    for gap, what in steps:
        t += gap
        if what in ("lost", "off"):
            one.status(SourceStatus("node", "bed1", local(t), "offline", "unplugged" if what == "lost" else ""))
            plain.losses.append(("unplugged" if what == "lost" else "offline", None))
        elif what in ("found", "weak"):
            one.status(
                SourceStatus("node", "bed1", local(t), "online" if what == "found" else "degraded", "", since=0.0)
            )
            if plain.losses and plain.losses[-1][1] is None:
                plain.losses[-1] = (plain.losses[-1][0], t)
        elif what == "disabled":
            one.status(SourceStatus("node", "bed1", local(t), "disabled", ""))
            plain = Counted()
            plain.losses.append(("disabled", None))
        elif what == "restart":
            saved = json.loads(json.dumps(one.snapshot()))
            one = Coverage()
            one.restore(saved, 12.0, restarted=True)
            shift += 12_000
            plain.heard, plain.losses = False, []
        else:
            value, quality = (70.0, 0.9) if what in ("", "standby") else (None, 0.0)
            reason = "" if value else what
            told = Reading("ppg.hr", local(t), value, "bpm", quality, reason, bed="bed1", source="node")
            one.reading(told, standby=what == "standby")
            plain.reading(t, what)
        two = Coverage()
        two.reading(Reading("camera.hr", 0.0, 70.0, "bpm", 0.9, bed="bed1", source="cam"))
        two.restore(json.loads(json.dumps(one.snapshot())))
        one = two
    t += after
    assert one.streams() == ([KEY] if plain.heard else [])
    if not plain.heard:
        assert one.report(local(t)) == []
        assert one.share(*KEY, local(t)) is one.share_running(*KEY, local(t)) is None
        assert one.watched_s(*KEY, local(t)) == 0.0
        return
    (row,) = one.report(local(t))
    blind = plain.blind(t)
    told = [(round(b["start"] * 1000) - shift, round(b["end"] * 1000) - shift, b["cause"]) for b in row["blind"]]
    assert told == blind
    hour, day = plain.share(t, HOUR, MINUTE), plain.share(t, DAY, QUARTER)
    assert row == {"source": "node", "metric": "ppg.hr", "first": local(plain.first), "hour": hour, "day": day,
                   "minutes": row["minutes"], "blind": row["blind"]}  # fmt: skip
    assert [
        (round(a * 1000) - shift, round(b * 1000) - shift, share) for a, b, share in row["minutes"]
    ] == plain.minutes(t)
    assert one.share(*KEY, local(t)) == hour
    began = plain.downs[-1][1] if plain.downs else plain.first
    assert one.watched_s(*KEY, local(t)) == pytest.approx((t - began) / 1000, abs=1e-6)
    span = min(t - plain.first, HOUR)
    ran = span - min(span, sum(max(0, b - max(a, t - HOUR)) for a, b in plain.downs))
    running = None if hour is None or ran <= 0 else min(1.0, hour * span / ran)
    assert one.share_running(*KEY, local(t)) == running
    ms: dict[str, int] = {}
    for a, b, cause in blind:
        if b > t - HOUR and cause != "not running":
            ms[cause] = ms.get(cause, 0) + b - max(a, t - HOUR)
    assert one.main_cause(*KEY, local(t)) == (longest(ms) if ms else "short gaps")
    minutes, quarters = one.snapshot()["streams"][0]["buckets"]
    assert len(minutes) <= 60
    assert len(quarters) <= 96
