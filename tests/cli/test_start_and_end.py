"""How the command line starts, and how it ends: little is loaded, and nothing aborts it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from edge.cli import COMMANDS


@pytest.mark.parametrize(
    "module", ["analyzers.camera_pulse", "transforms.face_roi", "analyzers.pulse", "analyzers.rhythm"]
)
def test_what_only_heart_sound_needs_is_not_loaded_without_it(module):
    code = f"import sys, edge.{module}; print('scipy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


@pytest.mark.parametrize(
    ("argv", "imported"), [("--version", []), ("models", ["models"]), ("none", []), ("--help", list(COMMANDS))]
)
def test_only_the_command_that_is_asked_for_is_imported(argv, imported):
    code = (
        "import atexit, sys, edge.cli\n"
        f"atexit.register(lambda: print([c for c in {COMMANDS} if f'edge.cli.{{c}}' in sys.modules]))\n"
        f"edge.cli.main([{argv!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == str(imported)


HELP_OF_ALL = """
import contextlib, edge.cli
for name in edge.cli.COMMANDS:
    with contextlib.suppress(SystemExit):
        edge.cli.main([name, "--help"])
"""


@pytest.mark.parametrize(
    ("code", "foreign"),
    [
        ("import edge", []),
        ("import edge.cli; edge.cli.main(['--help'])", ["msgspec"]),
        (HELP_OF_ALL, ["msgspec"]),
    ],
)
def test_starting_imports_little(code, foreign):
    told = (
        "import atexit, sys\n"
        "atexit.register(lambda: print(sorted({m.split('.')[0] for m in sys.modules} & set(known))))\n"
        "known = ['ai_edge_litert', 'cv2', 'matplotlib', 'msgspec', 'numpy', 'onnxruntime', 'paho', 'scipy', 'serial']\n"
    )
    done = subprocess.run([sys.executable, "-c", told + code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(foreign)


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


OPENS_A_FILE = """
import os, sys, types
from edge.__main__ import main

def command():
    with open(sys.argv[1], "w") as ours:
        print("said")
        os.write(2, b"a library warns")
        return ours.fileno()

sys.modules["edge.cli"] = types.SimpleNamespace(main=command)
sys.exit(main())
"""


@pytest.mark.parametrize("closed", ["2>&-", ">&-", "<&- >&- 2>&-"])
def test_where_input_or_output_is_closed_no_file_of_ours_takes_its_place(tmp_path, closed):
    ours = tmp_path / "ours"
    command = ["sh", "-c", f'exec "$@" {closed}', "sh", sys.executable, "-c", OPENS_A_FILE, str(ours)]
    assert subprocess.run(command, check=False).returncode > 2
    assert ours.read_text() == ""
