"""The documents are true: generated parts are current, links lead somewhere, and every block in them works."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest

from edge.cli import main, parser
from edge.config import parse
from edge.config.keys import KEYS
from edge.kinds import kinds
from edge.types import ConfigError
from markdown_blocks import DOCUMENTS, ROOT, blocks_of
from tests.docs.test_asyncapi import faults
from tool_module import loaded

NOT_RUN = "not run by tests: "
PROGRAMS = {
    "ls",
    "journalctl",
    "systemctl",
    "apt",
    "python3",
    "pip",
    "cp",
    "mkdir",
    "true",
    "mosquitto_sub",
    "mosquitto_rr",
    "mosquitto_passwd",
    "openssl",
    "printf",
    "chown",
    "chmod",
}
BEDSIDE = """
[device]
name = "ward-3"
state_dir = "state"
[sources.node]
kind = "synthetic"
streams = ["ppg", "pcg"]
rhythm = "af"
pace = "max"
seconds = 120.0
[sinks.journal]
"""


def named(blocks):
    return [pytest.param(block, id=block.place) for block in blocks]


@pytest.fixture(scope="module")
def tool():
    with loaded("docs.py") as module:
        yield module


# ---- what is generated ---------------------------------------------------------------------------------------------


def test_the_generated_parts_are_current(tool):
    old = [path.name for path in DOCUMENTS if tool.written(path.read_text()) != path.read_text()]
    assert old == [], "run: python tools/docs.py"
    used = {name for path in DOCUMENTS for name in re.findall(r"<!-- generated: (\w+) -->", path.read_text())}
    assert used == set(tool.PARTS)


def test_a_docstring_is_taken_apart_by_its_keys(tool):
    doc = "host: where; with port 0 = any. port, zone: two: of them. Raises ConfigError. of ``host`` or not. free: yes"
    assert tool.meanings(doc, ["host", "port", "zone", "free", "none"]) == {
        "host": "where; with port 0 = any",
        "port": "two: of them",
        "zone": "two: of them",
        "free": "yes",
    }


def test_every_key_of_the_tables_is_taken_and_an_unknown_one_is_not():
    head = {
        "device": "[device]",
        "models": "[models]",
        "beds.NAME": "[beds.b]",
        "sources.NAME": '[sources.s]\nkind = "synthetic"',
        "delivery": '[delivery]\nroles = ["nurse"]',
    }
    given = {str: '"b"', str | None: '"onnx-int8"', tuple[str, ...]: "[]", float: "20"}
    for table, keys in KEYS.items():
        for name, key in keys.items():
            value = {"minimum": '"high"', "annunciator": '"last"', "site": '"MV"'}.get(name, given[key.type])
            more = "" if f"\n{name} = " in head[table] else f"{name} = {value}\n"
            bed = "[beds.b]\n" if table != "beds.NAME" else ""
            parse(f"{bed}{head[table]}\n{more}")
        with pytest.raises(ConfigError, match="nonsense: unknown"):
            parse(f"{head[table]}\nnonsense = 1\n")


def test_no_kind_of_source_has_a_key_that_the_source_itself_takes(tool):
    for kind in tool.kinds("sources"):
        assert not set(tool.settings_of(tool.kind_module("sources", kind).build)) & set(KEYS["sources.NAME"]), kind


# ---- links ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(path):
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", text):
        name, _, anchor = target.partition("#")
        at = (path.parent / name).resolve() if name else path
        assert at.exists(), f"{path.name}: {target}"
        if anchor:
            heads = re.findall(r"^#+ (.+)$", at.read_text(encoding="utf-8"), flags=re.MULTILINE)
            assert anchor in {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}, (
                f"{path.name}: {target}"
            )


def test_the_readme_leads_to_every_document():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [path.name for path in DOCUMENTS if path.parent.name == "docs" and f"(docs/{path.name})" not in readme] == []


# ---- blocks --------------------------------------------------------------------------------------------------------


def test_there_are_blocks_of_every_kind():
    assert all(list(blocks_of(language)) for language in ("sh", "toml", "json", "python"))


@pytest.mark.parametrize("block", named(b for b in blocks_of("toml") if not b.remark))
def test_a_configuration_is_valid(block):
    parse(block.text, path=block.place)


@pytest.mark.parametrize("block", named(blocks_of("json")))
def test_a_payload_obeys_its_schema(block):
    channel = block.remark.removeprefix("payload: ")
    assert faults(channel, json.loads(block.text)) == []


@pytest.fixture
def copied(monkeypatch, tmp_path):
    """The files of docs/adding.md as kinds of their own; the configuration that names them."""
    import edge.analyzers
    import edge.sinks
    import edge.sources

    for block in (b for b in blocks_of("python") if b.remark != "run by a test"):
        path = tmp_path / block.remark.removeprefix("file: ")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text)
    for group in (edge.sources, edge.analyzers, edge.sinks):
        folder = tmp_path / "edge" / group.__name__.rpartition(".")[2]
        assert len(list(folder.glob("*.py"))) == 1
        monkeypatch.setattr(group, "__path__", [*group.__path__, str(folder)])
    monkeypatch.setattr(
        "edge.config.kinds",
        lambda group: [*kinds(group), *(path.stem for path in (tmp_path / "edge" / group).glob("*.py"))],
    )
    (toml,) = [block for block in blocks_of("toml") if block.remark]
    return f'[device]\nstate_dir = "state"\n{toml.text}'


def test_the_examples_of_adding_run_together(copied, tmp_path):
    (tmp_path / "c.toml").write_text(copied)
    assert main(["check", str(tmp_path / "c.toml")]) == 0
    assert main(["run", str(tmp_path / "c.toml"), "--quiet", "--record", str(tmp_path / "r.evrec")]) == 0
    from edge.recording import Recording
    from edge.types import Reading

    found = [e for e in Recording(tmp_path / "r.evrec") if isinstance(e, Reading)]
    assert [r.reason for r in found[:3]] == ["warming_up"] * 3
    assert all(450.0 < r.value < 700.0 for r in found[4:])
    counts = dict(line.split() for line in (tmp_path / "state" / "tally.txt").read_text().splitlines())
    assert int(counts["Reading"]) == len(found) == 20


@pytest.mark.parametrize("block", named(b for b in blocks_of("python") if b.remark == "run by a test"))
def test_an_example_in_python_runs(block):
    done = subprocess.run([sys.executable, "-c", block.text], capture_output=True, text=True, check=True, cwd=ROOT)
    *lost, counters = done.stdout.splitlines()
    samples = [int(line.split()[0]) for line in lost]
    assert samples
    assert f"'lost_samples': {sum(samples)}" in counters


# ---- commands ------------------------------------------------------------------------------------------------------


def commands(text):
    """The simple commands of a block as lists of words, without sudo and redirections."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        words.commenters = "#"
        command: list[str] = []
        for word in [*words, ";"]:
            if word in (";", "&&", "||", "|"):
                if command:
                    yield command[: command.index(">")] if ">" in command else command
                command = []
            else:
                command.append(word)


def flags_of_sudo(command):
    """The command that sudo runs."""
    rest = command[1:]
    while rest[0].startswith("-"):
        rest = rest[2:] if rest[0] == "-u" else rest[1:]
    return rest


@pytest.mark.parametrize("block", named(blocks_of("sh")))
def test_every_command_is_one_there_is(block, capsys):
    for given in commands(block.text):
        command = flags_of_sudo(given) if given[0] == "sudo" else given
        program = command[0].rpartition("/")[2] if not command[0].startswith("tools/") else command[0]
        if program in ("python", "python3") and len(command) > 1 and command[1].startswith("tools/"):
            asked_for_help(["python", *command[1:]])
        elif program == "tools/demo":
            parser().parse_args(["demo", *command[1:]])
        elif program == "tools/test":
            assert os.access(ROOT / program, os.X_OK)
        elif program == "tools/build_deb":
            asked_for_help(["python", "tools/debian/build.py", *command[1:]])
        elif program == "edge-vitals":
            parser().parse_args(command[1:])
        else:
            assert program in PROGRAMS, command


def asked_for_help(command):
    """The tool exists, has help, and every option that is used stands in it."""
    python = [sys.executable, str(ROOT / command[1]), "--help"]
    done = subprocess.run(python, capture_output=True, text=True, check=True, cwd=ROOT)
    options = [word.partition("=")[0] for word in command if word.startswith("--")]
    assert [option for option in options if option not in done.stdout] == []


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder with the files that the documents speak of, and the environment to run their commands in."""
    from scipy.io import wavfile

    from edge.demo.face_video import write_video
    from edge.dsp.synthesis import Episode, beats, pcg, ppg

    folder = tmp_path_factory.mktemp("desk")
    (folder / "bin").mkdir()
    (folder / "bin" / "edge-vitals").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m edge "$@"\n')
    (folder / "bin" / "edge-vitals").chmod(0o755)
    for name in ("bedside.toml", "now.toml"):
        (folder / name).write_text(BEDSIDE)
    (folder / "proposed.toml").write_text(f"{BEDSIDE}\n[alarms.tachy]\nlimit = 120\n")
    heart = beats([Episode(0.0, "sinus", 75.0)], 32.0)
    sound = pcg(heart, np.arange(60_000) / 2000.0, noise=0.01)
    for name in ("heart", "aortic", "mitral"):
        wavfile.write(folder / f"{name}.wav", 2000, np.int16(8000 * sound / np.abs(sound).max()))
    np.savetxt(
        folder / "finger.csv",
        np.round(50_000 + 2000 * ppg(heart, np.arange(3000) / 100.0)),
        fmt="%d",
        header="ppg",
        comments="",
    )
    write_video(folder / "face.avi", seconds=3.0, fps=15.0, width=320, height=240)
    (folder / "face.avi").rename(folder / "face.mp4")  # the decoder looks inside
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "MPLCONFIGDIR": str(folder / "mpl")}
    record = ["edge-vitals", "run", "bedside.toml", "--quiet", "--record", "night.evrec"]
    subprocess.run(record, cwd=folder, env=environment, check=True, capture_output=True)
    return folder, environment


@pytest.mark.slow
@pytest.mark.parametrize("block", named(b for b in blocks_of("sh") if not b.remark.startswith(NOT_RUN)))
def test_every_command_works(block, desk):
    folder, environment = desk
    command = ["sh", "-e", "-c", block.text]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, (done.stdout[-1000:], done.stderr[-1000:])
    assert "Traceback" not in done.stderr


def test_what_is_not_run_says_why():
    marked = [block.remark for block in blocks_of("sh") if block.remark]
    assert all(remark.startswith(NOT_RUN) and len(remark) > len(NOT_RUN) for remark in marked)


def test_every_kind_of_entry_of_a_recording_is_in_the_table():
    from edge.recording.packing import KINDS

    text = (ROOT / "docs" / "recordings.md").read_text(encoding="utf-8")
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("| `")]
    named = {word for row in rows for word in re.findall(r"`(\w+)`", row)}
    assert named >= {"header", "block", "batch", *KINDS}
