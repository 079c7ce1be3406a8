#!/usr/bin/env python3
"""edge-vitals beside other libraries: the same input, one run, each in an environment of its own.

    python tools/bench_peers.py                    all three tables
    python tools/bench_peers.py camera --seconds 15

ppg      heartpy and neurokit2 on contact PPG at rest (CinC 2015 where the ECG is regular, else generated)
camera   vitallens' local POS and open-rppg on generated faces, which no camera filmed
pcg      PyWavelets on five seconds of heart sound: the picture alone

Peers are installed from PyPI into .cache/peers at the versions below and never imported by us; vitallens needs ffmpeg.
Times are processor time against ours, so other work on the machine does not count; "answered" matters as much as the
error, since peers answer always.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
WORKER = ROOT / "tools" / "peers" / "worker.py"
PEERS = {
    "heartpy": ("heartpy", ["heartpy==1.2.7"]),
    "neurokit2": ("neurokit2", ["neurokit2==0.2.13"]),
    "pywavelets": ("PyWavelets", ["PyWavelets==1.9.0"]),
    "vitallens": (
        "vitallens (POS)",
        ["vitallens==0.6.2", "scipy", "psutil", "pillow", "opencv-python-headless", "onnxruntime"],
    ),
    "open_rppg": ("open-rppg", ["open-rppg==0.1.1"]),
}
TASKS = {
    "ppg": ("ours_ppg", ["heartpy", "neurokit2"]),
    "camera": ("ours_camera", ["vitallens", "open_rppg"]),
    "pcg": ("ours_pcg", ["pywavelets"]),
}
FACES = (
    (58.0, "light", 0.006),
    (74.0, "medium", 0.004),
    (96.0, "dark", 0.006),
    (130.0, "medium", 0.004),
    (0.0, "medium", 0.0),
)
_TIMEOUT_S = 3600


@dataclass(frozen=True, slots=True)
class Input:
    """A file for the workers, the truth of each piece (NaN: there is no pulse), and what it is, in words."""

    path: Path
    truth: list[float]
    text: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tasks", nargs="*", choices=[*TASKS, []], help="default: all")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of each generated face video")
    parser.add_argument(
        "--data", type=Path, default=Path(os.environ.get("EDGE_VITALS_DATA", ROOT.parent / "shared/data"))
    )
    options = parser.parse_args()
    sys.path.insert(0, str(ROOT))
    with tempfile.TemporaryDirectory() as folder:
        for task in options.tasks or TASKS:
            ours, peers = TASKS[task]
            inputs = _inputs(task, Path(folder), options)
            rows = [("edge-vitals", _run(sys.executable, ours, inputs))]
            for peer in peers:
                python = _environment(peer)
                rows.append((PEERS[peer][0], _run(python, peer, inputs) if python else None))
            _table(task, inputs, rows)
    return 0


def _inputs(task: str, folder: Path, options: argparse.Namespace) -> list[Input]:
    return {"ppg": _ppg, "camera": _camera, "pcg": _pcg}[task](folder, options)


def _ppg(folder: Path, options: argparse.Namespace) -> list[Input]:
    path = options.data / "ppg" / "cinc2015.npz"
    if not path.exists():
        from edge.dsp.synthesis import Episode, beats, ppg

        rates = [45.0, 60.0, 75.0, 100.0, 140.0]
        t = np.arange(2400) / 100.0
        waves = [ppg(beats([Episode(0.0, "sinus", r)], 30.0, seed=k), t, seed=k) for k, r in enumerate(rates)]
        np.savez(folder / "ppg.npz", x=np.array(waves), fs=100.0)
        return [Input(folder / "ppg.npz", rates, "5 generated pulse waves of 24 s")]
    d = np.load(path)
    off, rate = d["beat_offsets"], float(d["fs"])
    end_s = d["pleth"].shape[1] / rate
    waves, truth = [], []
    for i in range(len(d["record"])):
        beat_s = d["ecg_beats_250hz"][off[i] : off[i + 1]] / 250.0
        rr = np.diff(beat_s[beat_s > end_s - 10])
        if not d["flat_last20s"][i] and len(rr) > 3 and rr.std() / rr.mean() <= 0.1:
            waves.append(np.nan_to_num(d["pleth"][i][-round(24 * rate) :].astype(float)))
            truth.append(60.0 / float(np.median(rr)))
    np.savez(folder / "ppg.npz", x=np.array(waves), fs=rate)
    return [Input(folder / "ppg.npz", truth, f"{len(truth)} records of CinC 2015, the last 24 s")]


def _camera(folder: Path, options: argparse.Namespace) -> list[Input]:
    from edge.demo.face_video import write_video

    made = []
    for k, (bpm, skin, pulse) in enumerate(FACES):
        path = folder / f"face{k}.avi"
        beats = np.arange(0.0, options.seconds + 2.0, 60.0 / bpm) if bpm else None
        write_video(path, seconds=options.seconds, beats=beats, skin=skin, pulse=pulse, seed=k, still=not bpm)
        made.append(Input(path, [bpm or float("nan")], "generated faces, the last one a photograph"))
    return made


def _pcg(folder: Path, _options: argparse.Namespace) -> list[Input]:
    from edge.dsp.synthesis import Episode, beats, pcg

    t = np.arange(10_000) / 2000.0
    sound = pcg(beats([Episode(0.0, "sinus", 70.0)], 6.0), t, murmur=[(0.0, 6.0)], noise=0.01)
    np.savez(folder / "pcg.npz", x=np.array([sound] * 20), fs=2000.0)
    return [Input(folder / "pcg.npz", [], "20 generated heart sounds of 5 s at 2 kHz, 40 bands")]


def _environment(peer: str) -> str | None:
    """The interpreter of a peer's environment, made on first use; None, and said, where it cannot be installed."""
    folder = ROOT / ".cache" / "peers" / peer
    python = folder / "bin" / "python"
    if not (folder / "ready").exists():
        print(f"installing {PEERS[peer][0]} into {folder.relative_to(ROOT)} ...", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        pip = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *PEERS[peer][1]]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode:
            print(f"{peer}: cannot be installed: {done.stderr.strip().splitlines()[-1]}", file=sys.stderr)
            return None
        (folder / "ready").touch()
    return str(python)


def _run(python: str, program: str, inputs: list[Input]) -> dict[str, Any] | None:
    """The worker on every input, joined; None, and said, when it fails. It runs in a folder that is thrown away
    afterwards: vitallens leaves a JSON file a video where it stands."""
    total: dict[str, Any] = {"rates": [], "cpu_s": 0.0, "import_s": 0.0, "rss_mb": 0.0}
    one_thread = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}
    paths = {"PYTHONPATH": str(ROOT)} if program.startswith("ours") else {}
    for given in inputs:
        command = [python, str(WORKER), program, str(given.path)]
        environment = {**os.environ, **one_thread, **paths}
        with tempfile.TemporaryDirectory() as here:
            done = subprocess.run(
                command, cwd=here, env=environment, capture_output=True, text=True, check=False, timeout=_TIMEOUT_S
            )
        if done.returncode:
            print(f"{program}: {(done.stderr.strip() or 'failed').splitlines()[-1]}", file=sys.stderr)
            return None
        found = json.loads(done.stdout.strip().splitlines()[-1])
        total["rates"] += found["rates"]
        total["cpu_s"] += found["cpu_s"]
        total["import_s"] = max(total["import_s"], found["import_s"])
        total["rss_mb"] = max(total["rss_mb"], found["rss_mb"])
    return total


def _table(task: str, inputs: list[Input], rows: list[tuple[str, dict[str, Any] | None]]) -> None:
    truth = np.array([t for given in inputs for t in given.truth])
    ours = rows[0][1]
    print(f"\n{task}: {inputs[0].text}")
    print(
        f"{'':18s} {'time':>8s} {'memory':>8s} {'load s':>7s} {'answered':>9s} {'mean error':>11s} {'within 5':>9s} {'no pulse':>9s}"
    )
    for name, found in rows:
        if found is None or ours is None:
            print(f"{name:18s} not measured")
            continue
        cells = [
            f"{found['cpu_s'] / ours['cpu_s']:7.2f}x",
            f"{found['rss_mb'] / ours['rss_mb']:7.2f}x",
            f"{found['import_s']:7.1f}",
        ]
        if len(truth):
            rates = np.array([np.nan if r is None else r for r in found["rates"]])
            real, said = np.isfinite(truth), np.isfinite(rates)
            error = np.abs(rates - truth)[real & said]
            cells += (
                [f"{said[real].mean():9.2f}", f"{error.mean():11.2f}", f"{(error <= 5).mean():9.2f}"]
                if len(error)
                else ["", "", ""]
            )
            if (~real).any():
                cells.append(f"{'said ' + str(int(said[~real].sum())):>9s}")
        print(f"{name:18s} " + " ".join(cells))


if __name__ == "__main__":
    sys.exit(main())
