"""One synthetic bed in real time in a process of its own: what ``edge-vitals bench`` starts to see latency, processor
time and memory as a service would have them. Prints JSON:

    python -m edge.cli.bench.live SECONDS VARIANTS.json STREAM…
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import Any

_STARTED = time.monotonic()

_CONFIG = """
[device]
name = "bench"
[beds.bench]
[sources.bench]
kind = "synthetic"
streams = {streams}
analyzers = {analyzers}
"""
_CAMERA = """
[sources.cam]
kind = "camera"
device = "{video}"
loop = true
"""
_VIDEO = "import sys; from edge.demo.face_video import write_video; write_video(sys.argv[1], seconds=10.0, heart_rate_bpm=66.0)"


class Listener:
    """A sink that keeps the latency of every reading."""

    def __init__(self) -> None:
        self.latency_ms: list[float] = []
        self.first_s = float("nan")
        self.started = _STARTED
        self.known = 0

    def send(self, event: Any) -> None:
        from edge.types import Reading

        if isinstance(event, Reading) and event.source:
            now = time.monotonic()
            if not self.latency_ms:
                self.first_s = now - self.started
            self.known += event.value is not None
            self.latency_ms.append((now - event.t) * 1e3)

    def flush(self, timeout_s: float) -> bool:  # noqa: ARG002
        return True

    def close(self) -> None:
        pass


def main(arguments: Sequence[str]) -> int:
    """Run and print the figures."""
    import os

    import numpy as np

    from edge.config import ANALYZERS_BY_STREAM, parse
    from edge.extras import installed, why_not
    from edge.program.service import build_service
    from edge.runtime.stats import resident_mb
    from edge.types import ConfigError

    imported_s = time.monotonic() - _STARTED
    seconds, streams = float(arguments[0]), list(arguments[2:])
    on_wire = [s for s in streams if s != "video"]
    analyzers = [a for s in on_wire for a in ANALYZERS_BY_STREAM.get(s, ())]
    listener = Listener()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["STATE_DIRECTORY"] = folder  # nothing of this run may reach the state of a service
        with contextlib.suppress(OSError):
            shutil.copy(arguments[1], folder)
        text = _CONFIG.format(streams=json.dumps(on_wire), analyzers=json.dumps(analyzers))
        if "video" in streams:  # drawn by another process, whose memory is not the service's
            video = f"{folder}/face.avi"
            if not installed("cv2"):
                raise ConfigError(str(why_not(ModuleNotFoundError(name="cv2"))))
            subprocess.run([sys.executable, "-c", _VIDEO, video], check=True)
            text += _CAMERA.format(video=video)
        started = time.monotonic()
        listener.started = started - imported_s
        config = parse(text)
        service = build_service(config, console=False, sinks=[listener])
        ready_s = time.monotonic() - started + imported_s
        spent = time.process_time()
        service.run(seconds)
        share = (time.process_time() - spent) / seconds
    latency = (
        [round(float(q), 2) for q in np.percentile(listener.latency_ms, (50, 95))] if listener.latency_ms else None
    )
    figures = {
        "streams": streams,
        "models": sorted(service.models.identities().values()),
        "readings": len(listener.latency_ms),
        "readings_with_value": listener.known,
        "latency_p50_ms": latency[0] if latency else None,
        "latency_p95_ms": latency[1] if latency else None,
        "core_share": round(share, 4),
        "resident_mb": round(resident_mb(), 1),
        "ready_s": round(ready_s, 2),
        "first_reading_s": round(listener.first_s, 2) if latency else None,
    }
    print(json.dumps(figures))
    return 0


if __name__ == "__main__":
    from edge.types import EdgeVitalsError

    try:
        sys.exit(main(sys.argv[1:]))
    except EdgeVitalsError as error:
        sys.exit(str(error))
