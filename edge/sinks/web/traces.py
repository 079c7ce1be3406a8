"""Blocks as traces for the eye: thinned, without baseline, as small integers; a loss stays a loss.

Workers hand in blocks (``take``), the server's own thread turns them into chunks ten times a second (``drain``), and
only while somebody looks. No frame of a camera passes here: a camera's blocks are colours of regions of skin already.
"""

from __future__ import annotations

import math
import threading
import tomllib
from collections import deque
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from edge.dsp.face.columns import COLUMNS, SKIN
from edge.types import Block

SHOWN_HZ: Final = 100.0
"""Points a second of a trace: more than a screen shows of a sweep of eight seconds."""
_KINDS: Final = ("ppg", "pcg", "ecg", "roi")
_READ_BY: Final = {"ppg": "pulse", "pcg": "murmur"}
_WAITING: Final = 400  # blocks that wait for the server's thread: some ten seconds
_BASELINE_S: Final = {"ppg": 1.5, "ecg": 1.0, "pcg": 1.0, "roi": 1.0}
_PEAK_S: Final = 4.0
_STEPS: Final = 2000.0  # of resolution within the present amplitude
_RED = [COLUMNS.index(f"{area}_r") for area in SKIN]
_GREEN = [COLUMNS.index(f"{area}_g") for area in SKIN]
_PRESENT, _YAW, _MOVED = (COLUMNS.index(name) for name in ("present", "yaw", "moved"))
_BOX = [COLUMNS.index(name) for name in "xywh"]


def channels_read(config: str) -> dict[str, int]:
    """By kind of stream, which channel its analyzers read by a configuration's text: that one is to be seen."""
    try:
        analyzers = tomllib.loads(config).get("analyzers", {})
        return {kind: int(analyzers.get(name, {}).get("channel", 0)) for kind, name in _READ_BY.items()}
    except (tomllib.TOMLDecodeError, AttributeError, TypeError, ValueError):
        return {}


def read_channel(block: Block, channels: Mapping[str, int]) -> NDArray[Any]:
    """The samples of the channel that is read, or of the last where there are fewer."""
    samples: NDArray[Any] = block.data[:, min(channels.get(block.kind, 0), block.data.shape[1] - 1)]
    return samples


class Traces:
    """The traces of every stream that the page can show, ``shown_hz`` points a second at most. channels: see
    ``channels_read``."""

    def __init__(self, shown_hz: float = SHOWN_HZ, channels: Mapping[str, int] = MappingProxyType({})) -> None:
        self._shown_hz, self._channels = shown_hz, channels
        self._lock = threading.Lock()
        self._blocks: deque[Block] = deque(maxlen=_WAITING)
        self._traces: dict[str, _Trace] = {}
        self._faces: dict[str, dict[str, Any]] = {}
        self.watched = False

    def take(self, block: Block) -> None:
        """Any thread: keep a block for the next drain; nothing while nobody looks."""
        if self.watched and block.kind in _KINDS:
            with self._lock:
                self._blocks.append(block)

    def drain(self) -> list[dict[str, Any]]:
        """The chunks since the last call, in order of time: s stream, t of the first point (s), then dt between
        points (s) and n, the number of the first (a jump is a loss), or the list d (ms after t); v values in units of
        q, lo the lower edge where the trace is a band, off 1 while nothing lies on the sensor."""
        with self._lock:
            blocks, self._blocks = self._blocks, deque(maxlen=_WAITING)
        chunks: list[dict[str, Any]] = []
        for block in blocks:
            trace = self._traces.get(block.stream)
            if trace is None:
                trace = self._traces[block.stream] = (
                    _Face(block, self._shown_hz)
                    if block.kind == "roi"
                    else _Trace(block, self._shown_hz, self._channels)
                )
            chunk = trace.add(block)
            if chunk is not None:
                _append(chunks, {"s": block.stream, **chunk})
            if isinstance(trace, _Face):
                self._faces[block.source] = trace.seen
        return chunks

    def faces(self) -> dict[str, dict[str, Any]]:
        """Where the face of each camera is: box in shares of the frame, yaw in degrees; empty = no face."""
        faces, self._faces = self._faces, {}
        return faces


def _append(chunks: list[dict[str, Any]], chunk: dict[str, Any]) -> None:
    """Join points of one camera trace into one chunk: blocks of one sample each would cost a frame's head a point."""
    for last in reversed(chunks):
        if last["s"] == chunk["s"]:
            if "d" in last and last["q"] == chunk["q"]:
                last["d"].append(round((chunk["t"] - last["t"]) * 1000))
                last["v"] += chunk["v"]
                return
            break
    chunks.append(chunk)


class _Trace:
    """One stream of samples: bins of ``stride`` samples, as their mean or, for sound, their lowest and highest."""

    def __init__(self, block: Block, shown_hz: float, channels: Mapping[str, int] = MappingProxyType({})) -> None:
        self._shown_hz, self._channels = shown_hz, channels
        self._band = block.kind == "pcg"
        self._shown = 0
        self._baseline_s = _BASELINE_S[block.kind]
        self._begin(block)

    def _begin(self, block: Block) -> None:
        self._stride = max(1, round(block.rate / self._shown_hz))
        self._epoch, self._next = block.epoch, block.seq
        self._carry: NDArray[np.float64] = np.empty(0)
        self._baseline: float | None = None
        self._peak = 0.0

    def add(self, block: Block) -> dict[str, Any] | None:
        if block.epoch == self._epoch and block.seq < self._next:
            return None  # another lane's copy
        data = np.asarray(read_channel(block, self._channels), dtype=np.float64)
        finite = np.isfinite(data)
        if not finite.any():
            return None  # only other channels hold numbers: as if it had not come, so that the line breaks
        if block.epoch != self._epoch:
            self._begin(block)
            self._shown += 1
        elif block.seq != self._next:
            self._carry = self._carry[:0]
            self._shown += 1
        self._next = block.next_seq
        off = "sensor_off" in block.flags
        if off:
            self._baseline, self._peak = None, 0.0
        if not finite.all():  # what is missing is drawn at the level, from which no pulse stands out
            data = np.where(finite, data, data[finite].mean() if self._baseline is None else self._baseline)
        start = block.t0 - len(self._carry) / block.rate
        data = np.concatenate([self._carry, data]) if len(self._carry) else data
        bins = len(data) // self._stride
        self._carry = data[bins * self._stride :]
        if not bins:
            return None
        rows = data[: bins * self._stride].reshape(bins, self._stride)
        dt = self._stride / block.rate
        level = self._levels(rows.mean(axis=1), dt)
        high, low = (
            (rows.max(axis=1) - level, rows.min(axis=1) - level) if self._band else (rows.mean(axis=1) - level,) * 2
        )
        if off:
            high, low = np.zeros(bins), np.zeros(bins)
        q = self._unit(max(float(high.max()), -float(low.min())), bins * dt)
        chunk: dict[str, Any] = {"t": round(start, 4), "dt": round(dt, 6), "n": self._shown, "q": q}
        self._shown += bins
        chunk["v"] = np.rint(high / q).astype(int).tolist()
        if self._band:
            chunk["lo"] = np.rint(low / q).astype(int).tolist()
        return {**chunk, "off": 1} if off else chunk

    def _levels(self, means: NDArray[np.float64], dt: float) -> NDArray[np.float64]:
        level = float(means[0]) if self._baseline is None else self._baseline
        share, levels = 1.0 - math.exp(-dt / self._baseline_s), []
        for mean in means.tolist():
            level += share * (mean - level)
            levels.append(level)
        self._baseline = level
        return np.asarray(levels)

    def _unit(self, peak: float, span_s: float) -> float:
        """The value of one step, a power of ten, from the amplitude of the last seconds."""
        self._peak = max(peak, self._peak * math.exp(-span_s / _PEAK_S))
        return 10.0 ** math.ceil(math.log10(max(self._peak, 1e-9) / _STEPS))


class _Face(_Trace):
    """A camera's pulse: green against red of the skin that is seen, which cancels most changes of light."""

    def _begin(self, block: Block) -> None:
        super()._begin(block)
        self._t: float | None = None
        self._smooth = 0.0
        self._red = self._green = 0.0
        self.seen: dict[str, Any] = {}

    def add(self, block: Block) -> dict[str, Any] | None:
        if block.epoch == self._epoch and block.seq < self._next:
            return None
        if block.epoch != self._epoch:
            self._begin(block)
        self._next = block.next_seq
        row = np.asarray(block.data[-1], dtype=np.float64)
        reds, greens = row[_RED], row[_GREEN]
        known = np.isfinite(reds) & np.isfinite(greens)
        if row[_PRESENT] != 1.0 or row[_MOVED] == 1.0 or not known.any():
            self._t, self.seen = None, {}
            return None
        yaw = float(row[_YAW])
        self.seen = {"box": [round(float(v), 3) for v in row[_BOX]], "yaw": round(yaw) if math.isfinite(yaw) else None}
        red, green = max(1.0, float(reds[known].mean())), max(1.0, float(greens[known].mean()))
        if self._t is None or not 0.0 < block.t0 - self._t < 0.5:
            self._red, self._green, self._smooth, dt = red, green, 0.0, 1.0 / block.rate
        else:
            dt = block.t0 - self._t
        self._t = block.t0
        share = 1.0 - math.exp(-dt / self._baseline_s)
        self._red += share * (red - self._red)
        self._green += share * (green - self._green)
        pulse = red / self._red - green / self._green  # more blood takes more green away
        self._smooth += (1.0 - math.exp(-dt / 0.05)) * (pulse - self._smooth)
        q = self._unit(abs(self._smooth), dt)
        return {"t": round(block.t0, 4), "d": [0], "q": q, "v": [round(self._smooth / q)]}
