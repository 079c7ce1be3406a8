"""What each stage between the wire and a reading costs here, each on synthetic input of known size.

A stage that needs what is not installed is named with the reason, never left out in silence.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edge.sources.synthetic import RATES_HZ
from edge.types import Analyzer, Block, EdgeVitalsError

if TYPE_CHECKING:
    from edge.lane import Lane

_ROI_HZ = 30.0
_FACE = {"present": 1.0, "x": 0.4, "y": 0.3, "w": 0.2, "h": 0.3, "faces": 1.0, "brightness": 120.0, "change": 1.0}


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: median of one call, ms; calls a second in use; share of a core that makes; or why it was not run."""

    name: str
    median_ms: float = float("nan")
    calls_per_s: float = 0.0
    core_share: float = float("nan")
    text: str = ""

    @property
    def streams_per_core(self) -> float:
        """How many such streams fill one core."""
        return 1.0 / self.core_share if self.core_share > 0 else float("nan")


def stages(models: Callable[[str], Any], signal_s: float) -> Iterator[Stage]:
    """Every stage in turn; signal_s: how much signal the analyzers get."""
    from edge.kinds import kinds

    yield _guarded("serial decode", _serial_decode)
    yield _guarded("window cut, 10 s at 100 Hz", _window_cut)
    for kind in kinds("analyzers"):
        yield _guarded(f"analyzer {kind}", lambda kind=kind: _analyzer(kind, models, signal_s))  # type: ignore[misc]
    if "face_roi" in kinds("transforms"):
        yield _guarded("face_roi, 640 x 480", _face_roi)


def _guarded(name: str, measure: Callable[[], Stage]) -> Stage:
    try:
        return measure()
    except (EdgeVitalsError, ImportError) as error:
        return Stage(name, text=f"not run: {error}")
    except Exception as error:  # one broken part must not hide what the others cost
        return Stage(name, text=f"failed: {error!r}")


def _repeated(call: Callable[[], object], seconds: float = 0.5, least: int = 5) -> float:
    """Median of one call, ms."""
    call()
    times: list[float] = []
    started = time.perf_counter()
    while len(times) < least or time.perf_counter() - started < seconds:
        before = time.perf_counter()
        call()
        times.append((time.perf_counter() - before) * 1e3)
    return statistics.median(times)


def serial_second() -> list[bytes]:
    """A second of PPG at 100 Hz and sound at 4 kHz as the device sends it, in pieces of 10 ms."""
    from firmware_bridge.frames import StreamInfo
    from firmware_bridge.simulator import SimulatedStream, Simulator

    def ramp(first: int, count: int) -> list[list[int]]:
        return [[i % 20_000] for i in range(first, first + count)]

    device = Simulator(
        [
            SimulatedStream(StreamInfo(1, "ppg", ("ir",), RATES_HZ["ppg"]), ramp, per_frame=10),
            SimulatedStream(StreamInfo(2, "pcg", ("mic",), RATES_HZ["pcg"]), ramp, per_frame=80, format=1),
        ]
    )
    return [device.step(i / 100.0) for i in range(101)]


def _serial_decode() -> Stage:
    from firmware_bridge.decoder import Decoder

    pieces = serial_second()

    def decode() -> int:
        decoder = Decoder()
        return sum(len(decoder.feed(piece)) for piece in pieces)

    median_ms = _repeated(decode)
    return Stage("serial decode, 1 s of PPG and 4 kHz sound", median_ms, 1.0, median_ms / 1e3)


def _window_cut() -> Stage:
    from edge.window import Windower

    windower = Windower(keep_s=12.0)
    for block in synthetic_blocks("ppg", 12.0):
        windower.add(block)
    median_ms = _repeated(lambda: windower.cut(2.0, 12.0), 0.2)
    return Stage("window cut, 10 s at 100 Hz", median_ms, 1.0, median_ms / 1e3)


def bench_lane(kind: str, models: Callable[[str], Any]) -> tuple[Lane, Analyzer, list[str]]:
    """A lane with that analyzer alone, the analyzer, and the kinds of the streams it is fed."""
    from edge.kinds import construct
    from edge.lane import Lane

    analyzer: Analyzer = construct("analyzers", kind, {}, {"models": models})
    primary = analyzer.streams[0]
    streams = [k.rstrip("?") for k in analyzer.streams if k.rstrip("?") in RATES_HZ or k == primary]
    return Lane(bed="bench", source="bench", primary=primary, analyzers={kind: analyzer}), analyzer, streams


def bench_blocks(streams: Sequence[str], span_s: float) -> list[Block]:
    """Those streams of the synthetic heart in the order in which they come."""
    return sorted((b for s in streams for b in synthetic_blocks(s, span_s)), key=lambda b: b.t_end)


def _analyzer(kind: str, models: Callable[[str], Any], signal_s: float) -> Stage:
    """The analyzer in its lane over ``signal_s``: per call the hop's own time, in the share all that the lane does."""
    lane, analyzer, streams = bench_lane(kind, models)
    span_s = max(signal_s, analyzer.window_s + 4 * analyzer.hop_s)
    blocks = bench_blocks(streams, span_s)
    hops: list[float] = []
    total = 0.0
    for block in blocks:
        before = time.perf_counter()
        readings = lane.feed(block)
        taken = time.perf_counter() - before
        if block.t_end > analyzer.window_s:
            total += taken
            if readings:
                hops.append(taken * 1e3)
    if faults := lane.take_faults():
        raise EdgeVitalsError(f"{type(faults[0].error).__name__}: {faults[0].error}")
    share = total / (span_s - analyzer.window_s)
    return Stage(f"analyzer {kind}", statistics.median(hops), 1.0 / analyzer.hop_s, share)


def _face_roi() -> Stage:
    from edge.kinds import construct

    transform = construct("transforms", "face_roi", {}, {})
    frame = np.full((1, 480, 640, 3), 128, np.uint8)
    frame[:, ::2, ::3] += 40
    count = 0

    def one() -> None:
        nonlocal count
        transform(Block("bench/video", count, count / 30.0, 30.0, frame.copy()))
        count += 1

    median_ms = _repeated(one, 1.0, 31)
    return Stage("face_roi, 640 x 480 at 30 a second, no face in it", median_ms, 30.0, median_ms * 30.0 / 1e3)


def synthetic_blocks(kind: str, seconds: float) -> Sequence[Block]:
    """A synthetic heart as the source of that name gives it; ``roi``: a still face's colours at 30 frames a second."""
    from edge.clock import ManualClock
    from edge.replay import read_all
    from edge.sources import synthetic

    if kind == "roi":
        return list(_roi_blocks(seconds))
    clock = ManualClock()
    return list(read_all(synthetic.build(name="bench", clock=clock, streams=(kind,), pace="max", seconds=seconds)))


def _roi_blocks(seconds: float) -> Iterator[Block]:
    from edge.dsp import synthesis
    from edge.dsp.face.columns import COLUMNS, SKIN
    from edge.dsp.face.spectra import BLOOD_RGB

    heart = synthesis.beats([synthesis.Episode(0.0, "sinus", 72.0)], seconds + 1.0)
    t = np.arange(round(seconds * _ROI_HZ)) / _ROI_HZ
    wave = synthesis.ppg(heart, t)
    rng = np.random.default_rng(0)
    still = dict.fromkeys(COLUMNS, 0.0) | _FACE
    rows = np.tile(list(still.values()), (len(t), 1))
    for i, name in enumerate(COLUMNS):
        area, _, colour = name.rpartition("_")
        if area:
            blood = 0.01 * BLOOD_RGB["rgb".index(colour)] * wave if area in SKIN else 0.0
            rows[:, i] = 120.0 * (1.0 - blood)
        if area or name in ("brightness", "change"):
            rows[:, i] += 0.1 * rng.random(len(t))
    for i, at in enumerate(t):
        yield Block("bench/roi", i, float(at), _ROI_HZ, rows[i : i + 1].copy(), labels=COLUMNS)
