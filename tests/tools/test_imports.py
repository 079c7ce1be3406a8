"""What the tools take from the program is there: training scripts need torch, which no test has, and break unseen."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
FILES = sorted(path for path in TOOLS.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=[str(path.relative_to(TOOLS)) for path in FILES])
def test_every_name_it_imports_from_the_program_exists(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in ("edge", "firmware_bridge"):
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
