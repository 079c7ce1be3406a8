"""A tiny model of every variant on disk, to be used or spoiled by a test.

``python tools/tiny_model.py`` makes it anew, with the extra ``train``; needed only when the format of model folders changes.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge.inference import bench

ALL = ("onnx-int8", "onnx-fp32", "litert-int8", "litert-fp32")
TINY = Path(__file__).parents[1] / "models" / "tiny"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder of models with one, free to be spoiled."""
    shutil.copytree(TINY, tmp_path / "models" / "tiny")
    return tmp_path / "models"


def sample(seed: int = 0, batch: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    state = rng.uniform(-1, 1, (batch, 2)).astype(np.float32)
    return state, rng.standard_normal((batch, 1, 1, 32)).astype(np.float32)


def edit_card(root: Path, old: str, new: str) -> None:
    path = root / "tiny" / "card.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def without(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    _forget(monkeypatch, *modules)
    for name in modules:
        monkeypatch.setitem(sys.modules, name, None)


def broken(monkeypatch: pytest.MonkeyPatch, folder: Path, module: str, why: str) -> None:
    """A module that is installed and whose import ends with ``raise why``."""
    _forget(monkeypatch, module)
    (folder / f"{module}.py").write_text(f"raise {why}")
    monkeypatch.syspath_prepend(str(folder))


def _forget(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    for name in [m for m in sys.modules if m.split(".")[0] in modules]:
        monkeypatch.delitem(sys.modules, name)


def timed(monkeypatch: pytest.MonkeyPatch, by_class: dict[str, list[float]]) -> list[str]:
    """Timing comes from a table: engine class name to the times of its variants in turn."""
    seen: list[str] = []

    def times(engine: Any, *_: Any) -> list[float]:
        name = type(engine).__name__
        seen.append(name)
        return [by_class[name][seen.count(name) - 1]] * 3

    monkeypatch.setattr(bench, "_times_ms", times)
    return seen
