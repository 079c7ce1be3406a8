"""One program on one input, in its own environment: ``worker.py PROGRAM INPUT`` prints a line of JSON.

``rates`` bpm or null for each piece of the input, ``cpu_s`` of computing without imports and loading, the least of
``repeats`` runs, with all threads and programs it starts, so that other work on the machine does not count;
``import_s`` likewise; ``rss_mb`` at its peak. Nothing here is imported by the product.
"""

from __future__ import annotations

import json
import resource
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Job = tuple[Callable[[], list[float | None]], int]


def heartpy(path: str) -> Job:
    import heartpy as hp

    x, fs = _waves(path)

    def one(wave: Any) -> float | None:
        try:
            _, found = hp.process(hp.scale_data(wave), fs)
        except Exception:  # it raises on what it cannot read
            return None
        return _number(found["bpm"])

    return lambda: [one(w) for w in x], 1


def neurokit2(path: str) -> Job:
    import neurokit2 as nk

    x, fs = _waves(path)

    def one(wave: Any) -> float | None:
        try:
            signals, _ = nk.ppg_process(wave, sampling_rate=fs)
        except Exception:  # it raises on what it cannot read
            return None
        return _number(signals["PPG_Rate"].to_numpy()[-round(10 * fs) :].mean())

    return lambda: [one(w) for w in x], 1


def ours_ppg(path: str) -> Job:
    from edge.analyzers import pulse
    from edge.lane import Lane
    from edge.types import Block

    x, fs = _waves(path)

    def one(wave: Any) -> float | None:
        lane = Lane(bed="b", source="f", primary="ppg", analyzers={"pulse": pulse.build(hop_s=8.0)})
        return _number(lane.feed(Block("f/ppg", 0, 0.0, fs, wave[:, None].copy()))[-1].value)

    return lambda: [one(w) for w in x], 1


def pywavelets(path: str) -> Job:
    import pywt

    x, fs = _waves(path)
    scales = pywt.frequency2scale("cmor1.5-1.0", np.geomspace(25.0, 800.0, 40) / fs)

    def run() -> list[float | None]:
        for wave in x:
            power = np.abs(pywt.cwt(wave, scales, "cmor1.5-1.0", 1 / fs, method="fft")[0]) ** 2
            power.reshape(len(power), -1, round(0.02 * fs)).mean(axis=2)
        return []

    return run, 3


def ours_pcg(path: str) -> Job:
    from edge.dsp.pcg.frontend import scalogram

    x, _ = _waves(path)

    def run() -> list[float | None]:
        for wave in x:
            scalogram(wave)
        return []

    return run, 3


def vitallens(path: str) -> Job:
    from vitallens import Method, VitalLens

    def run() -> list[float | None]:
        faces = VitalLens(method=Method.POS)(path)
        return [_number(faces[0]["vitals"]["heart_rate"]["value"]) if faces else None]

    return run, 1


def open_rppg(path: str) -> Job:
    import rppg

    model = rppg.Model()

    def run() -> list[float | None]:
        return [_number((model.process_video(path) or {}).get("hr"))]

    return run, 1


def ours_camera(path: str) -> Job:
    from edge import inference
    from edge.cli.analyze.camera import watch
    from edge.transforms import face_roi

    parts = (inference.load("camera_pulse"), face_roi.build())

    def run() -> list[float | None]:
        rates = (r.value for r in watch(path, parts=parts)[0] if r.metric == "camera.hr")
        said = [value for value in rates if value is not None and not isinstance(value, str)]
        return [_number(np.median(said)) if said else None]

    return run, 1


def _waves(path: str) -> tuple[list[Any], float]:
    with np.load(path) as file:
        return list(file["x"].astype(float)), float(file["fs"])


def _number(value: Any) -> float | None:
    return float(value) if value is not None and np.isfinite(value) else None


def _cpu_s() -> float:
    """Processor time of this process and of those it started and has waited for, s."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _peak_mb() -> float:
    """The most memory that this process had, MB. Linux's ``ru_maxrss`` is no less than that of whoever started it."""
    (line,) = (one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM:"))
    return int(line.split()[1]) / 1024


def main() -> int:
    warnings.simplefilter("ignore")
    program, path = sys.argv[1:]
    began = _cpu_s()
    run, repeats = globals()[program](path)
    import_s = _cpu_s() - began
    taken = []
    for _ in range(repeats):
        began = _cpu_s()
        rates = run()
        taken.append(_cpu_s() - began)
    print(json.dumps({"rates": rates, "cpu_s": min(taken), "import_s": import_s, "rss_mb": _peak_mb()}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
