"""What both machines replay: the demo's patient as recordings, one a model variant, and a face as a video.

    python tools/emulation/recordings.py FOLDER

Each recording is the same 90 s of pulse, heart sound, acceleration and face colours; only the header differs, which says
which variant of every model a replay takes. The video's heart beats in sinus rhythm: its decoder rounds otherwise on
another processor (FFmpeg's colours by up to 2 of 255), which moves a rate that is said by a bpm at most, but in atrial
fibrillation tips which word one is refused with; that rhythm both machines judge from the same colours, in the
recordings. Made without a clock, so the same on every run.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from edge.demo.face_video import Scene, frames, write_video
from edge.demo.patient import RATES_HZ, ROUND_S, Patient
from edge.demo.settings import ALARMS
from edge.dsp.synthesis import Episode, beats
from edge.inference import catalogue
from edge.inference.card import VariantId
from edge.kinds import construct
from edge.recording import RecordingWriter
from edge.types import Block

VARIANTS = get_args(VariantId)
VIDEO_S = 60.0
_FPS = 15.0
_BLOCK_S = 0.1
_LABELS = {"ppg": ("ir",), "pcg": ("mic",), "acc": ("x", "y", "z")}
_OFF = frozenset({"sensor_off"})
CONFIG = (
    """\
[device]
name = "proof"
[beds.bed1]
person = "demo"
[sources.node]
bed = "bed1"
kind = "serial_port"
port = "/dev/null"
analyzers = ["pulse", "rhythm", "murmur"]
[sources.cam]
bed = "bed1"
kind = "camera"
device = 0
analyzers = ["camera_pulse"]
"""
    + ALARMS
)


def contact(patient: Patient, kind: str) -> Iterator[Block]:
    """A contact sensor's blocks of a tenth of a second, in device counts."""
    rate = RATES_HZ[kind]
    count = round(_BLOCK_S * rate)
    for first in range(0, round(ROUND_S * rate), count):
        flags = _OFF if patient.sensor_off(kind, first) else frozenset[str]()
        data = patient.samples(kind, first, count).astype(np.float64)
        yield Block(f"node/{kind}", first, first / rate, rate, data, 0, _LABELS[kind], flags)


def face(patient: Patient) -> list[Block]:
    """The face's colours as this machine's camera stage makes them of drawn pictures."""
    transform = construct("transforms", "face_roi", {}, {"models": None})
    scene = Scene(fps=_FPS, width=400, height=300, seed=1)
    found = []
    for i, frame in enumerate(frames(scene, ROUND_S, patient.beats_s)):
        found.append(transform(Block("cam/video", i, i / _FPS, _FPS, frame[None], 0, ("b", "g", "r"))))
    return found


def header(variant: VariantId) -> dict[str, object]:
    """Of a recording that every model replays as this variant."""
    return {"config": CONFIG, "variants": dict.fromkeys(catalogue(), variant)}


def main() -> int:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    patient = Patient()
    streams = [*(contact(patient, kind) for kind in RATES_HZ), face(patient)]
    blocks = list(heapq.merge(*streams, key=lambda b: b.t_end))
    for variant in VARIANTS:
        with (folder / f"{variant}.evrec").open("wb") as file:
            writer = RecordingWriter(file, header(variant))
            for block in blocks:
                writer.add(block)
    sinus = beats([Episode(0.0, "sinus", 70.0)], VIDEO_S + 10.0, seed=1)
    video = folder / "face.avi"
    write_video(video, seconds=VIDEO_S, beats=sinus.t, fps=_FPS, width=400, height=300, seed=1)
    return 0


if __name__ == "__main__":
    sys.exit(main())
