"""``check`` refuses what ``run`` refuses, in the same words, and opens nothing."""

from __future__ import annotations

import os
import shutil
import socket
from itertools import takewhile
from pathlib import Path
from tempfile import gettempdir

import pytest

from edge.assembly import refusals
from edge.cli import main
from edge.config import load
from edge.kinds import kind_module, kinds
from edge.storage.state_lock import only_one

MODELS = Path(__file__).resolve().parents[2] / "models"
SOURCE = (
    '[device]\nstate_dir = "state"\n[sources.s]\nkind = "synthetic"\nstreams = ["ppg"]\nseconds = 1\npace = "max"\n'
)
RING = '[delivery]\nroles = ["station"]\n[sinks.annunciator]\n'
LOGIN = '[mqtt]\nhost = "127.0.0.1"\nusername = "ward-3"\n'
SINKS = {
    '[sinks.metrics]\nhost = "192.168..10"\n': "sinks.metrics.host: '192.168..10' is no name or address of a machine",
    '[sinks.web]\nport = 0\ntoken_file = ""\n': "sinks.web.token_file: a text that is not empty, not ''",
    '[sinks.web]\nport = 0\nhost = "300.1.1.1"\n': "sinks.web.host: '300.1.1.1' is no name or address of a machine",
    '[sinks.web]\nport = 0\nhost = "0.0.0.0"\n': "sinks.web: 0.0.0.0 is open to the network: set cert_file and key_file",
    '[sinks.web]\nport = 0\ntoken_file = "/none/tokens"\n': "sinks.web: /none/tokens: cannot be read: ",
    '[sinks.web]\nport = 0\ntoken_env = "EDGE_VITALS_NONE"\n': "sinks.web: the environment has no EDGE_VITALS_NONE",
    RING + 'sound = "/none/bell.wav"\nplayer = ["true"]\n': "sinks.annunciator.sound: /none/bell.wav: no such file",
    RING + 'sound = "beep"\nplayer = ["/none/play"]\n': "sinks.annunciator.player: /none/play: no such program",
    RING + 'command = ["/none/ring"]\n': "sinks.annunciator.command: /none/ring: no such program",
    RING: "sinks.annunciator: set command, sound or gpio_line",
    '[sinks.journal]\npath = "/dev/null/journal"\n': "/dev/null/journal: cannot be written: Not a directory; set sinks.journal.path",
    '[sinks.journal]\npath = "."\n': "state: cannot be written: Is a directory; set sinks.journal.path",
    '[sinks.recorder]\npath = "/dev/null"\n': "/dev/null: cannot be written: Not a directory; set sinks.recorder.path",
    "[sinks.recorder]\nbatch_s = 400\n": "sinks.recorder.batch_s: a number of at most 300",
    "[sinks.evidence]\nbefore_s = 400\n": "sinks.evidence.before_s: a number of at most 120",
}
ALONE = "mqtt.host: a name or address alone; the port is mqtt.port"
BROKER = {
    **{f'[mqtt]\nhost = "{host}"\n': ALONE for host in ("mqtt://127.0.0.1:1883", "127.0.0.1:1883", "[::1]:1883")},
    '[mqtt]\nhost = "192.168..10"\n': "mqtt.host: '192.168..10' is no name or address of a machine",
    LOGIN + 'password_file = "/none/p"\n': "mqtt.password_file: /none/p: No such file or directory",
    LOGIN + 'password_file = "/dev/null"\n': "mqtt.password_file: /dev/null: holds no password",
    LOGIN + 'password_env = "EDGE_VITALS_NONE"\n': "mqtt.password_env: the environment has no EDGE_",
    '[mqtt]\nhost = "127.0.0.1"\npassword_env = "PATH"\n': "mqtt.username: needed, since a password is given",
    LOGIN + 'ca_file = "/none/ca.pem"\n': "mqtt.ca_file: /none/ca.pem: No such file or directory",
    LOGIN + 'ca_file = ""\n': "mqtt.ca_file: a text that is not empty, not ''",
    LOGIN + 'key_file = "/none/key.pem"\n': "mqtt.key_file: the key of a certificate: set cert_file, too",
}
PARTS = {
    "rate_bpm = 500\n": "sources.s.rate_bpm must lie in",
    "[analyzers.pulse]\nhop_s = 60\n": "analyzers.pulse.hop_s: a number of at most 3",
    '[models]\nvariant = "int2"\n': "models.variant: model ",
}


@pytest.fixture
def config(tmp_path):
    (tmp_path / "state").mkdir()

    def write(more):
        path = tmp_path / "bedside.toml"
        path.write_text(SOURCE + more)
        return str(path)

    return write


@pytest.mark.parametrize(("more", "said"), {**SINKS, **BROKER, **PARTS}.items())
def test_check_and_run_refuse_in_the_same_words_with_file_and_key(config, tmp_path, capsys, more, said):
    path = config(more)
    assert main(["check", path]) == 2
    checked = capsys.readouterr().err
    assert checked.startswith(f"edge-vitals: {path}: ")
    assert said in checked
    assert list((tmp_path / "state").iterdir()) == []
    assert main(["run", path, "--quiet"]) == 2
    assert capsys.readouterr().err == checked


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])
def test_two_that_listen_on_one_port_are_refused(config, capsys, host):
    path = config(f'[sinks.metrics]\nport = 47815\nhost = "{host}"\n[sinks.web]\nport = 47815\n')
    assert main(["check", path]) == 2
    assert f"{path}: sinks.web.port: 47815 is that of sinks.metrics, too" in capsys.readouterr().err
    for different in (
        '[sinks.metrics]\nport = 47815\nhost = "127.0.0.2"\n[sinks.web]\nport = 47815\n',
        "[sinks.metrics]\nport = 47815\n[sinks.web]\nport = 47816\n",
    ):
        assert main(["check", config(different)]) == 0


@pytest.mark.parametrize("kind", ["web", "metrics"])
def test_a_port_that_another_program_has_is_refused_before_anything_begins(config, tmp_path, capsys, kind):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        path = config(f"[sinks.{kind}]\nport = {port}\n")
        assert main(["check", path]) == 2
        checked = capsys.readouterr().err
        taken = f"sinks.{kind}: 127.0.0.1:{port}: Address already in use; set another port"
        assert checked == f"edge-vitals: {path}: {taken}\n"
        assert main(["run", path, "--quiet"]) == 2
        assert capsys.readouterr().err == checked
        left = {one.name for one in (tmp_path / "state").iterdir()}
        assert left == {"beat", "lock"}, "the disk was asked, and nothing else was done"
        with only_one(tmp_path / "state"):  # the service that runs has it
            assert main(["check", path]) == 0
    assert main(["check", path]) == 0


@pytest.mark.parametrize("host", ["::1", "fe80::1%eth0", "127.0.0.1", "broker.example"])
def test_a_broker_is_a_name_or_an_address(config, host):
    assert main(["check", config(f'[mqtt]\nhost = "{host}"\n')]) == 0


def test_a_password_in_a_url_is_not_repeated(config, capsys):
    assert main(["check", config('[mqtt]\nhost = "mqtt://ward-3:secret@broker"\n')]) == 2
    assert "secret" not in capsys.readouterr().err


def test_a_place_that_cannot_hold_state_is_refused(config, tmp_path, capsys):
    path = config("")
    (tmp_path / "state").rmdir()
    (tmp_path / "state").touch()
    assert main(["check", path]) == 2
    assert "cannot keep state there: Not a directory; set device.state_dir" in capsys.readouterr().err


def test_nothing_is_opened(config, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as broker:
        broker.settimeout(0.0)
        port = broker.getsockname()[1]
        text = f'[mqtt]\nhost = "127.0.0.1"\nport = {port}\n[sinks.web]\nport = {port}\n[sinks.journal]\n[sinks.recorder]\n'
        sound = 'sound = "beep"\nplayer = ["true"]\ngpio_line = 4\ngpio_chip = "/none"\n'
        assert list(refusals(load(config(text + RING + sound)))) == []
        with pytest.raises(BlockingIOError):
            broker.accept()
    assert list((tmp_path / "state").iterdir()) == []


def test_every_sink_that_can_refuse_has_an_end_before_it_opens():
    """The one without: nothing can be wrong with a console."""
    wanted = {kind for kind in kinds("sinks") if "checking" in kind_module("sinks", kind).build.__annotations__}
    assert set(kinds("sinks")) - wanted == {"console"}


@pytest.mark.skipif(os.geteuid() != 0, reason="dropping rights needs root, as in CI")
def test_a_journal_without_permission_is_refused(config, tmp_path):
    from doctor_findings import in_child

    (tmp_path / "locked").mkdir(mode=0o700)
    path = config(f'[sinks.journal]\npath = "{tmp_path}/locked/j"\n')
    for folder in (tmp_path, *takewhile(lambda one: one != Path(gettempdir()), tmp_path.parents)):
        folder.chmod(0o755)
    said = in_child(lambda: [str(one) for one in refusals(load(path))], nobody=True)
    assert any("j: cannot be written: Permission denied; set sinks.journal.path" in one for one in said)


@pytest.mark.parametrize(
    ("kind", "key", "said"),
    [
        ("files", "path", "no such file"),
        ("camera", "device", "no such file"),
        ("camera", "device", "not a video: a folder"),
        ("files", "path", "has a header and no rows"),
    ],
)
def test_a_file_that_a_source_cannot_read_is_a_mistake(tmp_path, capsys, kind, key, said):
    file = tmp_path / "night"
    if "folder" in said:
        file.mkdir()
    elif "header" in said:
        file.write_text("no numbers here\n")
    path = tmp_path / "c.toml"
    path.write_text(f'[device]\nstate_dir = "state"\n[sources.s]\nkind = "{kind}"\n{key} = "{file}"\nanalyzers = []\n')
    assert main(["check", str(path)]) == 2
    assert capsys.readouterr().err == f"edge-vitals: {path}: sources.s: {file}: {said}\n"


def test_check_tells_every_mistake_and_each_once(config, capsys):
    path = config(
        '[sources.t]\nkind = "synthetic"\nrate_bpm = 500\n[sources.u]\nkind = "synthetic"\n'
        '[analyzers.rhythm]\naf_threshold = 2.0\n[sinks.web]\nhost = "0.0.0.0"\n[sinks.journal]\npath = "."\n'
    )
    assert main(["check", path]) == 2
    said = capsys.readouterr().err.splitlines()
    assert [word for line in said for word in ("rate_bpm", "af_threshold", "web", "journal") if f".{word}" in line] == [
        "af_threshold",
        "rate_bpm",
        "web",
        "journal",
    ]
    assert len(said) == 4


def test_a_model_that_runs_by_another_variant_since_a_file_was_altered_is_told(config, tmp_path, monkeypatch, capsys):
    shutil.copytree(MODELS / "rhythm", tmp_path / "models" / "rhythm")
    path = config('analyzers = ["rhythm"]\n')
    monkeypatch.setenv("EDGE_VITALS_MODELS", str(tmp_path / "models"))
    assert main(["check", path]) == 0
    assert "model_fault" not in capsys.readouterr().out
    altered = tmp_path / "models" / "rhythm" / "rhythm.int8.onnx"
    altered.write_bytes(altered.read_bytes() + b"x")
    assert main(["check", path]) == 0
    (said,) = [line for line in capsys.readouterr().out.splitlines() if "model_fault" in line]
    assert said.startswith(f"{path}: rhythm: {altered}: altered: its SHA-256")


def test_a_password_that_is_no_text_is_refused_in_one_line(config, tmp_path, capsys):
    (tmp_path / "password").write_bytes("schlüssel".encode("latin-1"))
    path = config(LOGIN + f'password_file = "{tmp_path}/password"\n')
    for command in ("check", "run"):
        assert main([command, path]) == 2
        said = f"edge-vitals: {path}: mqtt.password_file: {tmp_path}/password: not a text in UTF-8\n"
        assert capsys.readouterr().err == said
