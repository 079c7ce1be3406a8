"""What the lanes of one bed say of the heart rate together: ``fused.hr`` and ``fused.spread``, in front of the board.

Each whole second ``[s, s + 1)`` of reading time is fused once, from the first reading of each lane in it (a lane with a
longer hop counts for two seconds). A second is done when every live lane has come that far, or another lane is 2 s
past it. A lane is live in a second when it spoke 2 to 5 s before it, so a new lane counts after 2 s. Hence the order
in which threads deliver lanes does not matter while they keep within 2 s of reading time of each other.

Lanes that agree (within 5 bpm or 10 %, whichever is more) and outweigh the rest by quality make the value; else there
is none (``disagreement``). At least two agreeing lanes overrule a third for the alarms too and are named in
``detail``; otherwise the slowest and the fastest of all good lanes count, so that doubt never hides an alarm. What is
kept from alarming is named in ``suppressed``, there and in the evidence of ``hr_disagree``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import pairwise
from typing import Any, Final

from edge.types import Reading

METRICS: Final = ("ppg.hr", "pcg.hr", "camera.hr")
"""In order of trust: the first one present gives the reason where no lane has a value."""
HR: Final = "fused.hr"
SPREAD: Final = "fused.spread"
HOP_S: Final = 1.0
MIN_QUALITY: Final = 0.2
GOOD_QUALITY: Final = 0.5
"""From here on a lane may contradict another one (``fused.spread``, a missing beat)."""
LAG_S: Final = 2.0
LIVE_S: Final = 5.0
STALE_S: Final = 10.0
_CARRY_S: Final = 2.0


class Fusion:
    """Readings of all beds in, fused readings out; keeps a few seconds of readings per lane and nothing else."""

    def __init__(self) -> None:
        self._beds: dict[str, _BedFusion] = {}

    def update(self, reading: Reading) -> list[Reading]:
        """Take a reading of any lane; the fused readings of every second it completes, oldest first."""
        if reading.metric not in METRICS:
            return []
        bed = self._beds.get(reading.bed)
        if bed is None:
            bed = self._beds[reading.bed] = _BedFusion(reading.bed)
        return bed.update(reading)

    def state(self) -> dict[str, Any]:
        """By bed, everything needed to go on, in MessagePack's types."""
        return {name: bed.state() for name, bed in self._beds.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state()``."""
        self._beds = {name: _BedFusion(name) for name in state}
        for name, bed in self._beds.items():
            bed.restore(state[name])

    def flush(self) -> list[Reading]:
        """The end of a recording: fuse what is still waited for."""
        return [fused for name in sorted(self._beds) for fused in self._beds[name].flush()]


class _BedFusion:
    def __init__(self, bed: str) -> None:
        self._bed = bed
        self._lanes: dict[tuple[int, str], list[Reading]] = {}
        self._second: int | None = None
        self._newest = -math.inf

    def update(self, reading: Reading) -> list[Reading]:
        lane = self._lanes.setdefault((METRICS.index(reading.metric), reading.source), [])
        if lane and reading.t <= lane[-1].t:
            return []
        lane.append(reading)
        self._newest = max(self._newest, reading.t)
        if self._second is None:
            self._second = math.floor(reading.t)
        self._second = max(self._second, math.floor(self._newest - STALE_S))
        found: list[Reading] = []
        while self._newest >= self._second and self._complete(self._second):
            found += self._fuse(self._second)
            self._second += 1
        for kept in self._lanes.values():
            while len(kept) > 1 and kept[0].t < self._second - LIVE_S:
                del kept[0]
        return found

    def state(self) -> dict[str, Any]:
        lanes = [[*key, [asdict(reading) for reading in kept]] for key, kept in self._lanes.items()]
        return {"lanes": lanes, "second": self._second, "newest": self._newest}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._lanes = {(i, source): [Reading(**r) for r in kept] for i, source, kept in state["lanes"]}
        self._second, self._newest = state["second"], state["newest"]

    def flush(self) -> list[Reading]:
        found: list[Reading] = []
        while self._second is not None and self._newest >= self._second:
            found += self._fuse(self._second)
            self._second += 1
        return found

    def _complete(self, second: int) -> bool:
        if self._newest >= second + 1 + LAG_S:
            return True
        live = [lane for lane in self._lanes.values() if _live(lane, second)]
        return all(lane[-1].t >= second for lane in live)

    def _fuse(self, second: int) -> list[Reading]:
        given: dict[str, Reading] = {}
        fresh = False
        for key in sorted(self._lanes):
            lane = self._lanes[key]
            if not _live(lane, second):
                continue
            inside = next((r for r in lane if second <= r.t < second + 1), None)
            before = next((r for r in reversed(lane) if second - _CARRY_S <= r.t < second), None)
            fresh = fresh or inside is not None
            reading = inside or before
            if reading is not None:
                given[f"{reading.source}/{reading.metric}"] = reading
        return fuse(given, bed=self._bed) if fresh else []


def fuse(given: Mapping[str, Reading], *, bed: str = "") -> list[Reading]:
    """Fuse the readings of one moment, by lane in order of trust; ``fused.spread`` only of two lanes or more."""
    t = max(reading.t for reading in given.values())
    rates = {
        name: float(reading.value)
        for name, reading in given.items()
        if reading.value is not None and not isinstance(reading.value, str) and reading.quality >= MIN_QUALITY
    }
    weights = {name: given[name].quality for name in rates}
    agree, decided = _agreement(rates, weights)
    overruled = [name for name in rates if name not in agree] if decided and len(agree) > 1 else []
    speaking = [name for name in rates if name not in overruled]
    detail: dict[str, Any] = {
        "lanes": {name: rates.get(name) for name in given},
        "agree": agree if decided else [],
        "overruled": {name: rates[name] for name in overruled},
        **_findings(given, rates, speaking),
    }
    if models := {name: reading.model for name, reading in given.items() if reading.model}:
        detail["models"] = models
    detail["suppressed"] = _suppressed(given, rates, overruled, detail)
    value, quality, reason = None, 0.0, _why_none(given)
    if rates:
        reason = "" if decided else "disagreement"
    if decided:
        of_agreeing = math.fsum(weights[name] for name in agree)
        value = rates[agree[0]] + math.fsum(weights[n] * (rates[n] - rates[agree[0]]) for n in agree) / of_agreeing
        surely = 1.0 - math.prod(1.0 - weights[name] for name in agree)
        quality = surely * of_agreeing / math.fsum(weights.values())
    fused = [Reading(HR, t, value, "bpm", quality, reason, detail, bed=bed)]
    return fused + _spread(given, rates, detail, t, bed)


def _live(lane: Sequence[Reading], second: int) -> bool:
    return any(second - LIVE_S <= reading.t <= second - LAG_S for reading in lane)


def _tolerance_bpm(a: float, b: float) -> float:
    """±5 bpm or ±10 %, whichever is greater: the accuracy commonly asked of monitors (ANSI/AAMI EC13)."""
    return max(5.0, 0.1 * (a + b) / 2)


def _agreement(rates: Mapping[str, float], weights: Mapping[str, float]) -> tuple[list[str], bool]:
    """The heaviest group of lanes that all agree, and whether it outweighs the others."""
    if not rates:
        return [], False
    ordered = sorted(rates, key=lambda name: rates[name])
    groups = [
        [name for name in ordered[i:] if rates[name] - rates[slowest] <= _tolerance_bpm(rates[slowest], rates[name])]
        for i, slowest in enumerate(ordered)
    ]
    best = max(groups, key=lambda group: (math.fsum(weights[name] for name in group), len(group)))
    inside = math.fsum(weights[name] for name in best)
    outside = math.fsum(weights.values()) - inside
    decided = (len(best) > 1 and inside > outside) or inside >= 2 * outside
    return [name for name in rates if name in best], decided


def _figure(reading: Reading, key: str, rate: float | None) -> float | None:
    """A lane's own figure of its beats where it gives one, else its rate."""
    if key not in reading.detail:
        return rate
    figure = reading.detail[key]
    return float(figure) if isinstance(figure, int | float) and not isinstance(figure, bool) else None


def _findings(given: Mapping[str, Reading], rates: Mapping[str, float], speaking: Sequence[str]) -> dict[str, Any]:
    slow = [_figure(given[name], "brady_bpm", rates[name]) for name in speaking]
    fast = [_figure(given[name], "tachy_bpm", rates[name]) for name in speaking]
    says = {name: r.detail["asystole"] for name, r in given.items() if r.detail.get("asystole") is not None}
    missing = [name for name, said in says.items() if said and not _contradicted(name, given, rates)]
    gaps = [given[name].detail.get("longest_gap_s") for name in missing or says]
    return {
        "brady_bpm": min((x for x in slow if x is not None), default=None),
        "tachy_bpm": max((x for x in fast if x is not None), default=None),
        "asystole": (1 if missing else 0) if says else None,
        "longest_gap_s": max((float(x) for x in gaps if x is not None), default=None),
    }


def _contradicted(name: str, given: Mapping[str, Reading], rates: Mapping[str, float]) -> bool:
    """Whether two other good lanes agree on a pulse. Their windows are 5 to 10 s long, so this can hold a true alarm
    back for that long and no longer: once the pulse is gone they have no value."""
    others = sorted(rate for other, rate in rates.items() if other != name and given[other].quality >= GOOD_QUALITY)
    return any(b - a <= _tolerance_bpm(a, b) for a, b in pairwise(others))


def _suppressed(
    given: Mapping[str, Reading], rates: Mapping[str, float], overruled: Sequence[str], found: Mapping[str, Any]
) -> list[str]:
    """Alarms that an overruled lane alone might have raised and agreement keeps away."""
    kept = []
    for name in overruled:
        slow, fast = _figure(given[name], "brady_bpm", rates[name]), _figure(given[name], "tachy_bpm", rates[name])
        if slow is not None and (found["brady_bpm"] is None or slow < found["brady_bpm"]):
            kept.append("brady")
        if fast is not None and (found["tachy_bpm"] is None or fast > found["tachy_bpm"]):
            kept.append("tachy")
    if found["asystole"] == 0 and any(r.detail.get("asystole") for r in given.values()):
        kept.append("asystole")
    return sorted(set(kept))


def _why_none(given: Mapping[str, Reading]) -> str:
    return next((reading.reason for reading in given.values() if reading.reason), "low_quality")


def _spread(
    given: Mapping[str, Reading], rates: Mapping[str, float], found: Mapping[str, Any], t: float, bed: str
) -> list[Reading]:
    if len(given) < 2:
        return []
    good = [name for name in rates if given[name].quality >= GOOD_QUALITY]
    if len(good) < 2:
        return [Reading(SPREAD, t, None, "bpm", 0.0, "low_quality", bed=bed)]
    spread = max(rates[name] for name in good) - min(rates[name] for name in good)
    quality = min(given[name].quality for name in good)
    told = {"suppressed": ", ".join(found["suppressed"])} if found["suppressed"] else {}
    told |= {"models": found["models"]} if "models" in found else {}
    return [Reading(SPREAD, t, spread, "bpm", quality, detail={**{n: rates[n] for n in good}, **told}, bed=bed)]
