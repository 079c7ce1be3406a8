"""An alarm on a camera's pulse: made again from traces of skin; of the pictures nothing is anywhere on the disk."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest

from edge import face_models
from edge.cli import main
from edge.demo.face_video import write_video
from edge.dsp.face.columns import COLUMNS
from edge.recording import Recording
from edge.types import Alarm, Block, Stats
from source_and_sink import Kept
from whole_program import run_to_its_end

pytestmark = pytest.mark.slow
CONFIG = """
[device]
name = "ward"
state_dir = "{folder}/state"
[sinks.recorder]
[sources.cam]
kind = "camera"
device = "{folder}/face.avi"
pace = "max"
[alarms.tachy]
metrics = ["camera.hr"]
limit = 50
severe_limit = 250
on_delay_s = 2
"""


def test_an_alarm_of_a_camera_is_kept_as_traces_and_made_again(tmp_path, capsys):
    if face_models.missing():
        pytest.skip("no face models: edge-vitals models pull")
    write_video(tmp_path / "face.avi", seconds=30.0, width=320, height=240)
    kept_events = Kept()
    run_to_its_end(CONFIG.format(folder=tmp_path), sinks=[kept_events])
    state = tmp_path / "state"
    kept = [*(state / "evidence").glob("*.evrec"), *(state / "recordings").iterdir()]
    blocks = {path: [e for e in Recording(path) if isinstance(e, Block)] for path in kept}
    assert all(len(found) > 300 for found in blocks.values())
    for block in itertools.chain(*blocks.values()):
        assert (block.kind, block.data.shape) == ("roi", (1, len(COLUMNS)))
    frames = frames_of(tmp_path / "face.avi")
    largest = max(p.stat().st_size for p in state.rglob("*") if p.is_file())
    assert largest < 0.1 * sum(len(cv2.imencode(".jpg", f, [cv2.IMWRITE_JPEG_QUALITY, 50])[1]) for f in frames)
    pieces = [np.ascontiguousarray(f[h, 100:164]).tobytes() for f in frames[::30] for h in range(0, 240, 12)]
    for path in (p for p in state.rglob("*") if p.is_file()):
        content = path.read_bytes()
        assert not any(piece in content for piece in pieces)
    assert {stats.figures["frames_written"] for stats in kept_events.of(Stats)} <= {0}
    raised = [e for p in kept for e in Recording(p) if isinstance(e, Alarm) and e.condition == "tachy"]
    assert raised[0].evidence["reading"]["model"].startswith("camera_pulse ")
    assert main(["replay", "--alarm", raised[0].occurrence, str(state / "evidence")]) == 0
    assert "the same alarm" in capsys.readouterr().err


def frames_of(path):
    video = cv2.VideoCapture(str(path))
    found = []
    while (frame := video.read())[0]:
        found.append(frame[1])
    video.release()
    return found
