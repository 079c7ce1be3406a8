"""How the command line starts, and how it ends: little is loaded, and nothing aborts it."""

from __future__ import annotations

import resource
import subprocess
import sys

import pytest

from edge.cli import COMMANDS


def test_starts_without_importing_what_is_heavy():
    heavy = ("cv2", "onnxruntime", "scipy", "ai_edge_litert", "serial", "paho", "matplotlib")
    code = f"import sys, edge.cli; edge.cli.parser(); print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_camera_alone_does_not_load_what_only_heart_sound_needs():
    code = "import sys, edge.analyzers.camera_pulse, edge.transforms.face_roi; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(("argv", "imported"), [("--version", []), ("models", ["models"]), ("none", list(COMMANDS))])
def test_only_the_command_that_is_asked_for_is_imported(argv, imported):
    code = (
        "import atexit, sys, edge.cli\n"
        f"atexit.register(lambda: print([c for c in {COMMANDS} if f'edge.cli.{{c}}' in sys.modules]))\n"
        f"edge.cli.main([{argv!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == str(imported)


@pytest.mark.parametrize(("argv", "budget_s"), [(["-c", "import edge"], 0.3), (["-m", "edge", "--help"], 0.4)])
def test_starting_costs_little(argv, budget_s):
    """Processor time of the best of five, since another program may be running."""
    took_s = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, *argv], check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took_s.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(took_s) < budget_s


def test_a_stop_while_the_parts_load_is_no_traceback(monkeypatch):
    from edge.__main__ import main as started

    class Loading:
        def __getattr__(self, _):
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "edge.cli", Loading())
    assert started() == 130


IN_A_DRIVER = """
import sys, threading
import cv2, numpy
import edge.cli
from edge.__main__ import main

def driven():
    picture = numpy.zeros((400, 400, 3), numpy.uint8)
    while True:
        cv2.GaussianBlur(picture, (0, 0), 3)
        inside.set()

def command():
    threading.Thread(target=driven, name="edge-camera", daemon=True).start()
    inside.wait()
    print("said", end="")
    return 3

inside = threading.Event()
edge.cli.main = command
sys.exit(main())
"""


def test_a_thread_stuck_in_a_driver_does_not_abort_the_end():
    """One that comes back from C++ while the interpreter is taken down ends the process by SIGABRT."""
    pytest.importorskip("cv2")
    done = subprocess.run([sys.executable, "-c", IN_A_DRIVER], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "said", "")
