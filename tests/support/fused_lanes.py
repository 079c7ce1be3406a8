"""Readings of lanes, and what fusion makes of them."""

from __future__ import annotations

from edge.fusion import Fusion, fuse
from edge.types import Reading


def lane(name, value, quality=0.8, t=10.0, reason="", **detail):
    source, _, metric = name.partition("/")
    quality = 0.0 if value is None else quality
    reason = reason or ("low_quality" if value is None else "")
    return Reading(metric, t, value, "bpm", quality, reason, detail, "bed1", source)


def fused(*lanes):
    told = fuse({f"{r.source}/{r.metric}": r for r in lanes}, bed="bed1")
    return {r.metric: r for r in told}


def run(readings, flush=True):
    one = Fusion()
    told = [f for r in readings for f in one.update(r)]
    return told + (one.flush() if flush else [])


def hop(name, start, hop_s, values, **kw):
    return [lane(name, v, t=start + i * hop_s, **kw) for i, v in enumerate(values)]
