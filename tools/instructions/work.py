"""The work that is counted: each stage a few times on the same input, between two marks. Run under callgrind by main.py.

    python tools/instructions/work.py OUT.json

Every stage is prepared before callgrind counts at all, which makes it several times slower. A mark is a call of
``os.ctermid``, which nothing else here makes: callgrind is told to dump and begin anew at the C function of that name,
so the dumps hold, in turn, what came before a stage and the stage. OUT.json names the stages.
"""

from __future__ import annotations

import gc
import io
import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from edge import face_models, inference
from edge.assembly import ModelShelf
from edge.cli.bench import stages as bench
from edge.types import Block, EdgeVitalsError, Reading

VARIANT = "onnx-int8"
"""The variant of every model inside an analyzer's hop: fixed, since the fastest is another on another machine."""
HOPS = 2
_WARM_UP_HOPS = 1
_RUNS = 3


@dataclass(frozen=True, slots=True)
class Work:
    """One stage: ``run`` does ``calls`` of what happens ``calls_per_s`` times a second in use (0: not by itself)."""

    name: str
    run: Callable[[], object]
    calls: int
    calls_per_s: float = 0.0


def stages() -> Iterator[Work]:
    """Every stage in turn, each prepared and run once, so that what is counted is the steady state."""
    yield _serial()
    yield from (_analyzer(kind) for kind in ("pulse", "rhythm", "murmur", "camera_pulse"))
    if not face_models.missing():  # third-party files, fetched apart
        yield _face()
    yield _alarms()
    yield _record()
    for name, card in inference.catalogue().items():
        if isinstance(card, EdgeVitalsError):
            raise card
        yield from (_model(name, variant.id) for variant in card.variants)


def _serial() -> Work:
    from firmware_bridge.decoder import Decoder

    pieces = bench.serial_second()

    def decode() -> None:
        decoder = Decoder()
        for piece in pieces:
            decoder.feed(piece)

    decode()
    return Work("serial decode, 1 s of PPG and 4 kHz sound", decode, 1, 1.0)


def _analyzer(kind: str) -> Work:
    lane, analyzer, streams = bench.bench_lane(kind, ModelShelf(variant=VARIANT))
    before_s = analyzer.window_s + _WARM_UP_HOPS * analyzer.hop_s + 0.5
    blocks = bench.bench_blocks(streams, before_s + HOPS * analyzer.hop_s)
    for block in blocks:
        if block.t_end <= before_s:
            lane.feed(block)
    counted = [block for block in blocks if block.t_end > before_s]

    def hops() -> None:
        readings = [r for block in counted for r in lane.feed(block)]
        if len({r.t for r in readings}) != HOPS or lane.take_faults() or any(r.value is None for r in readings):
            raise RuntimeError(f"{kind}: not {HOPS} hops that are answered: {readings}")

    return Work(f"{kind}, one hop", hops, HOPS, 1.0 / analyzer.hop_s)


def _face() -> Work:
    """Half a second of pictures: one detection and five meshes, as in every half second of a face that stays."""
    from edge.demo.face_video import Scene, frames
    from edge.kinds import construct

    transform = construct("transforms", "face_roi", {}, {"models": None})
    (small,) = frames(Scene(motion=0.0, fps=1.0, width=320, height=240), 1.0)
    frame = np.ascontiguousarray(small.repeat(2, axis=0).repeat(2, axis=1))

    def one(i: int) -> Block | None:
        return transform(Block("bench/video", i, i / 30.0, 30.0, frame[None].copy()))

    def half_a_second() -> None:
        rows = [one(i) for i in range(15, 30)]
        if any(row is None or not row.data[0, row.labels.index("present")] for row in rows):
            raise RuntimeError("the drawn face was not found")

    one(0)
    return Work("face_roi, one frame of 640 x 480, a face in it", half_a_second, 15, 30.0)


def _alarms() -> Work:
    """Board, fusion and the payload of each reading: a second with the readings that one of all streams makes."""
    from edge.alarms.board import Board
    from edge.alarms.rules import rules_from
    from edge.clock import ManualClock
    from edge.fusion import Fusion
    from edge.sinks._mqtt.payloads import Payloads

    board, fusion, payloads = Board({"bench": rules_from({})}, boot="b"), Fusion(), Payloads(ManualClock(), "b")
    rates = [(metric, source) for metric, source in (("ppg.hr", "node"), ("pcg.hr", "node"), ("camera.hr", "cam"))]

    def second(t: int) -> None:
        made = [Reading(m, float(t), 70.0, "bpm", 0.9, bed="bench", source=s) for m, s in rates]
        made.append(Reading("pcg.murmur", float(t), 0.1, "", 0.9, bed="bench", source="node"))
        for reading in made:
            for one in (reading, *fusion.update(reading)):
                board.update(one)
                payloads.reading(one, t)
        for quarter in range(4):
            board.tick(t + quarter / 4)

    for t in range(1, 4):
        second(t)
    return Work("alarms, fusion and payloads, 1 s", lambda: second(4), 1, 1.0)


def _record() -> Work:
    from edge.recording import RecordingWriter, pack

    blocks = bench.bench_blocks(["ppg", "acc", "pcg"], 1.0)

    def second() -> None:
        RecordingWriter(io.BytesIO(), {}).add_batch([pack(block) for block in blocks])

    second()
    return Work("record, 1 s of PPG, motion and 4 kHz sound", second, 1, 1.0)


def _model(name: str, variant: str) -> Work:
    model = inference.load(name, variant=variant)
    if model.variant != variant:
        raise EdgeVitalsError(f"{name} {variant}: {'; '.join(model.notes)}")
    rng = np.random.default_rng(0)
    inputs = [rng.standard_normal(shape).astype(np.float32) for shape in model.card["input"]["shape"]]
    for _ in range(_RUNS):
        model.run(*inputs)

    def runs() -> None:
        for _ in range(_RUNS):
            model.run(*inputs)

    return Work(f"model {name} {variant}", runs, _RUNS)


def machine() -> dict[str, object]:
    """What the counts depend on beside the program: the features this processor shows, Python, the libraries."""
    from importlib.metadata import version

    from numpy._core._multiarray_umath import __cpu_features__ as features

    packages = ("numpy", "scipy", "onnxruntime", "ai-edge-litert", "opencv-python-headless", "msgspec")
    return {
        "machine": platform.machine(),
        "python": ".".join(platform.python_version_tuple()[:2]),
        "features": sorted(name for name, there in features.items() if there),
        "versions": {package: version(package) for package in packages},
    }


def main() -> int:
    told = []
    prepared = list(stages())
    with subprocess.Popen(
        ["vgdb", f"--pid={os.getpid()}", "instrumentation", "on"], stdout=subprocess.DEVNULL
    ) as told_to:
        while told_to.poll() is None:  # awake, since valgrind looks for commands while code runs
            pass
    if told_to.returncode:
        raise RuntimeError("valgrind's vgdb could not tell it to count")
    for work in prepared:
        gc.collect()
        gc.disable()
        os.ctermid()
        work.run()
        os.ctermid()
        gc.enable()
        told.append({"name": work.name, "calls": work.calls, "calls_per_s": work.calls_per_s})
    Path(sys.argv[1]).write_text(json.dumps({"machine": machine(), "stages": told}), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
