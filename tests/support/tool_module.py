"""A script under ``tools/`` as a module."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

TOOLS = Path(__file__).resolve().parents[2] / "tools"


@contextmanager
def loaded(path: str, *, beside: bool = False) -> Iterator[ModuleType]:
    """``tools/PATH`` while it is needed; then what it put on the import path is taken off. beside: with its folder on it."""
    name = "tool_" + path.removesuffix(".py").replace("/", "_")
    spec = importlib.util.spec_from_file_location(name, TOOLS / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = list(sys.path)
    sys.modules[name] = module
    if beside:
        sys.path.insert(0, str((TOOLS / path).parent))
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        sys.path[:] = before
        del sys.modules[name]
