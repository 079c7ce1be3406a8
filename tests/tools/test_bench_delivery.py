"""The delivery benchmark refuses what it cannot measure in one line."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType

import pytest

from tool_module import loaded


@pytest.fixture(scope="module")
def tool() -> Iterator[ModuleType]:
    with loaded("bench_delivery.py", beside=True) as module:
        yield module


@pytest.mark.parametrize(
    "arguments", [["--seconds", "0"], ["--rate", "-1"], ["--singles", "0"], ["--seconds", "0.1", "--rate", "1"]]
)
def test_nothing_to_measure_is_a_usage_error(tool, arguments, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench_delivery.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        tool.main()
    assert ended.value.code == 2
    assert "each above 0" in capsys.readouterr().err


def test_a_missing_broker_is_said_with_its_remedy(tool, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench_delivery.py"])
    monkeypatch.setattr("shutil.which", lambda *_args, **_kw: None)
    with pytest.raises(SystemExit):
        tool.main()
    assert "sudo apt install mosquitto" in capsys.readouterr().err
