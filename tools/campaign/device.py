"""The process under attack as seen from outside: started, told, killed, measured, and what it said of itself."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from campaign.scaled_clock import ScaledClock

_SCRIPT = Path(__file__).with_name("bedside.py")
_SAMPLE_S = 0.1
START_S = 40.0


class Device:
    """One device through all its runs. said: every transition that its sinks got, in order, of all runs."""

    def __init__(self, folder: Path, config: str, clock: ScaledClock) -> None:
        self.folder, self.clock = folder, clock
        self.state = folder / "state"
        self.config = folder / "device.toml"
        self.config.write_text(config, encoding="utf-8")
        self.said: list[dict[str, Any]] = []
        self.notes: list[dict[str, Any]] = []
        self.peak_kb = self.settled_kb = self.most_files = 0
        self._changed = threading.Condition()
        self._process: subprocess.Popen[str] | None = None
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Start a run and wait until it is up."""
        ready = len(self.notes)
        command = [sys.executable, str(_SCRIPT), str(self.config), json.dumps(self.clock.arguments)]
        with (self.folder / "device.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, encoding="utf-8",
                env={**os.environ, "CAMPAIGN_BOOT": uuid.uuid4().hex[:12]},
            )  # fmt: skip
        self._threads = [
            threading.Thread(target=self._listen, name="device-said", args=(self._process,), daemon=True),
            threading.Thread(target=self._measure, name="device-measure", args=(self._process,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()
        if not self.wait(lambda: any("ready" in n for n in self.notes[ready:]) or self._ended(), START_S):
            raise RuntimeError(f"the device does not start: {self.log()[-2000:]}")
        if self._ended():
            raise RuntimeError(f"the device ended: {self.log()[-2000:]}")

    def order(self, do: str, **fields: Any) -> None:
        """One line to the process; see ``bedside.Orders``."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": do, **fields}) + "\n")
        self._process.stdin.flush()

    def kill(self) -> None:
        """kill -9, then everything that it had said by then."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM and a clean end. Harmless when it does not run."""
        self._end(signal.SIGTERM)

    def limit_files(self, size: int | None) -> None:
        """No file may grow past ``size`` bytes (RLIMIT_FSIZE: a full disk); None = as large as it likes."""
        assert self._process is not None
        _, hard = resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (hard if size is None else size, hard))

    def wait(self, found: Callable[[], bool], timeout_s: float) -> bool:
        """Until ``found``, looked at whenever something is said; whether it was."""
        with self._changed:
            return self._changed.wait_for(found, timeout_s)

    def settled(self) -> None:
        """From here on memory should not grow."""
        self.settled_kb = self.peak_kb = self._status("VmRSS")

    def cpu_s(self) -> float:
        """Processor time of this run so far, all its threads, s."""
        assert self._process is not None
        fields = Path(f"/proc/{self._process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stored(self) -> tuple[int, Mapping[str, int]]:
        """Of the outbox on disk, after the end: transitions that still wait, and the board's last seq by bed."""
        db = sqlite3.connect(self.state / "outbox.sqlite")
        try:
            waiting = db.execute("select count(*) from event").fetchone()[0]
            state = db.execute("select value from state where key = 'board'").fetchone()
        finally:
            db.close()
        beds = json.loads(state[0])["beds"] if state else {}
        return int(waiting), {name: int(bed["seq"]) for name, bed in beds.items() if bed["seq"]}

    def log(self) -> str:
        return (self.folder / "device.log").read_text(encoding="utf-8", errors="replace")

    def _ended(self) -> bool:
        return self._process is None or self._process.poll() is not None

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(number)
        try:
            process.wait(20.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(f"the device does not stop: {self.log()[-2000:]}") from None
        finally:
            for thread in self._threads:
                thread.join(5.0)
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            try:
                fields = json.loads(line)
            except ValueError:  # cut off by kill -9
                continue
            with self._changed:
                (self.said if "alarm" in fields else self.notes).append(fields)
                self._changed.notify_all()

    def _measure(self, process: subprocess.Popen[str]) -> None:
        done = threading.Event()
        while process.poll() is None:
            self.peak_kb = max(self.peak_kb, self._status("VmRSS", process.pid))
            try:
                self.most_files = max(self.most_files, len(os.listdir(f"/proc/{process.pid}/fd")))
            except OSError:
                break
            done.wait(_SAMPLE_S)
        with self._changed:
            self._changed.notify_all()

    def _status(self, key: str, pid: int | None = None) -> int:
        if pid is None:
            assert self._process is not None
            pid = self._process.pid
        try:
            with open(f"/proc/{pid}/status", encoding="utf-8") as lines:
                return next((int(line.split()[1]) for line in lines if line.startswith(key)), 0)
        except OSError:
            return 0
