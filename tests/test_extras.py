"""A package that an extra brings and that is not there is one line with the extra in it, whatever asks for it."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from edge.cli import main
from edge.cli.doctor import findings
from edge.config import load
from edge.extras import EXTRA_OF, why_not

ROOT = Path(__file__).resolve().parents[1]
CAMERA = '[device]\nstate_dir = "state"\n[sources.cam]\nkind = "camera"\n'
SERIAL = '[device]\nstate_dir = "state"\n[sources.node]\nkind = "serial_port"\nport = "/dev/ttyNONE"\n'
PAGE = '[device]\nstate_dir = "state"\n[sources.s]\nkind = "synthetic"\nanalyzers = []\n[sinks.web]\nport = 0\n'


@pytest.fixture
def without(monkeypatch):
    return lambda *names: [monkeypatch.setitem(sys.modules, name, None) for name in names]


@pytest.fixture
def given(tmp_path):
    def written(text):
        path = tmp_path / "c.toml"
        path.write_text(text)
        return str(path)

    return written


def test_every_model_is_in_the_wheel():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    shipped = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    assert set(shipped) == {f"models/{path.parent.name}" for path in (ROOT / "models").glob("*/card.toml")}


def test_every_extra_that_is_named_is_one_of_the_project():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(EXTRA_OF.values()) <= set(extras)


@pytest.mark.parametrize(
    ("package", "text", "commands", "place"),
    [
        ("cv2", CAMERA, ["check", "explain", "run"], "transforms.face_roi: "),
        ("cv2", CAMERA + "analyzers = []\n", ["check"], "sources.cam: "),
        ("serial", SERIAL, ["check"], "sources.node: "),
        ("websockets", PAGE, ["check", "run"], "sinks.web: "),
        ("prometheus_client", PAGE.replace("web", "metrics"), ["check", "run"], "sinks.metrics: "),
    ],
)
def test_a_configuration_that_needs_it_is_refused_in_one_line(without, given, capsys, package, text, commands, place):
    without(package)
    path = given(text)
    for command in commands:
        assert main([command, path]) == 2
        said = capsys.readouterr().err.splitlines()[-1]
        remedy = f"{package} is not installed: pip install 'edge-vitals[{EXTRA_OF[package]}]'"
        assert said == f"edge-vitals: {path}: {place}{remedy}"


def test_doctor_goes_on_where_a_package_is_missing(without, given):
    without("cv2")
    found = list(findings(load(given(CAMERA)), listen_s=0.1))
    assert [one.fault for one in found].count("package_missing") == 2
    assert "clock" in {one.step for one in found}


def test_commands_that_need_it_say_so_in_one_line(without, given, capsys):
    without("cv2", "amqtt")
    assert main(["demo", "--seconds", "1"]) == 2
    assert capsys.readouterr().err == "edge-vitals: the demo needs amqtt, cv2: pip install 'edge-vitals[demo]'\n"
    assert main(["analyze", "camera", given("x")]) == 2
    assert capsys.readouterr().err == "edge-vitals: cv2 is not installed: pip install 'edge-vitals[camera]'\n"


def test_a_package_that_is_there_and_does_not_load_is_not_called_missing():
    broken = ImportError("libGL.so.1: cannot open\nshared object file", name="cv2")
    assert why_not(broken) == "cv2 is installed and cannot be loaded: libGL.so.1: cannot open shared object file"


def test_an_import_that_no_extra_brings_is_a_fault_of_ours(monkeypatch):
    assert why_not(ModuleNotFoundError("No module named 'nonsense'", name="nonsense")) is None
    assert why_not(ImportError("cannot import name 'x'")) is None

    def broken(_):
        import edge.nonsense  # noqa: F401

    monkeypatch.setattr("edge.cli.check.run", broken)
    with pytest.raises(ModuleNotFoundError):
        main(["check", "c.toml"])
