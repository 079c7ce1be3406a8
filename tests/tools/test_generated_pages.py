"""Pages that a tool writes say what the tool would say: a correction by hand would be lost with the next run."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from string import Formatter

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ("docs/pulse.md", "tools/pulse_report.py", ["TEMPLATE"]),
    ("models/murmur/README.md", "tools/train/murmur_report.py", ["IN_SHORT", "MADE", "TRIED", "TOGETHER"]),
    ("models/murmur/README.md", "tools/train/murmur_limits.py", ["LIMITS", "PASSING", "NOISE"]),
    ("models/camera_pulse/README.md", "tools/train/camera_report.py", ["NETWORK", "TEXT"]),
]


def constants(path: Path) -> dict[str, str]:
    """The texts that a module gives names to, without running it."""
    found = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            found[node.targets[0].id] = node.value.value
    return found


def in_one_line(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


@pytest.mark.parametrize(("page", "tool", "names"), PAGES)
def test_the_fixed_text_of_a_page_is_that_of_the_tool_that_writes_it(page, tool, names):
    written, texts = in_one_line((ROOT / page).read_text(encoding="utf-8")), constants(ROOT / tool)
    parts = [in_one_line(fixed) for name in names for fixed, *_ in Formatter().parse(texts[name])]
    assert sum(map(len, parts)) > 500, "there is text to compare"
    assert [part for part in parts if part not in written] == []


@pytest.mark.parametrize("card", sorted((ROOT / "models").glob("*/README.md")), ids=lambda page: page.parent.name)
def test_what_a_card_says_in_short_stands_in_its_tables(card):
    short, _, rest = card.read_text(encoding="utf-8").partition("\n## Limits\n")
    figures = re.findall(r"\d+\.\d+", short)
    assert figures, "a card begins with what it is worth, and then says its limits"
    assert [figure for figure in figures if not re.search(rf"(?<![\d.]){re.escape(figure)}(?!\d)", rest)] == []
