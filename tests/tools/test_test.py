"""``tools/test`` makes every check, unless a file or folder among its arguments says that some tests are wanted alone."""

import shutil
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[2] / "tools" / "test"
CHECKS = ["ruff", "ruff", "mypy", "mypy", "lint-imports"]
SETUP = """
root={root} venv=venv
cd {root}
environment() {{ :; }}
face_models() {{ :; }}
debian() {{ :; }}
say() {{ :; }}
"""


@pytest.fixture
def run(tmp_path):
    """Runs the script with programs that only say their names, where ``tests/test_a.py`` exists; gives those names."""
    (tmp_path / "tools").mkdir()
    shutil.copy(SCRIPT, tmp_path / "tools" / "test")
    (tmp_path / "tools" / "setup.sh").write_text(SETUP.format(root=tmp_path))
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").touch()
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    for name in {*CHECKS, "pytest"}:
        program = tmp_path / "venv" / "bin" / name
        program.write_text(f"#!/bin/sh\necho {name}\n")
        program.chmod(0o755)

    def called(*arguments):
        command = ["sh", str(tmp_path / "tools" / "test"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path / "tools")
        return done.stdout.split()

    return called


@pytest.mark.parametrize("arguments", [[], ["--slow"], ["-x"], ["-k", "beats"], ["-x", "--slow"], ["no/such/file"]])
def test_every_check_is_made(run, arguments):
    assert run(*arguments) == [*CHECKS, "pytest"]


@pytest.mark.parametrize(
    "arguments",
    [["tests"], ["-x", "tests/test_a.py"], ["tests/test_a.py::test_b[1]"], ["--slow", "tests"], ["--oldest", "-x"]],
)
def test_what_is_named_is_tested_alone(run, arguments):
    assert run(*arguments) == ["pytest"]
