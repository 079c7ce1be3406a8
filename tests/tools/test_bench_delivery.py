"""The delivery benchmark refuses what it cannot measure in one line."""

from __future__ import annotations

import pytest

from tools import bench_delivery


@pytest.mark.parametrize(
    "arguments", [["--seconds", "0"], ["--rate", "-1"], ["--singles", "0"], ["--seconds", "0.1", "--rate", "1"]]
)
def test_nothing_to_measure_is_a_usage_error(arguments, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench_delivery.py", *arguments])
    with pytest.raises(SystemExit) as ended:
        bench_delivery.main()
    assert ended.value.code == 2
    assert "each above 0" in capsys.readouterr().err


def test_a_missing_broker_is_said_with_its_remedy(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["bench_delivery.py"])
    monkeypatch.setattr("shutil.which", lambda *_args, **_kw: None)
    with pytest.raises(SystemExit):
        bench_delivery.main()
    assert "sudo apt install mosquitto" in capsys.readouterr().err
