"""Fenced blocks of the documents, with the remark that stands in the line above."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = (
    ROOT / "README.md",
    *sorted((ROOT / "docs").glob("*.md")),
    ROOT / "firmware_bridge" / "README.md",
    ROOT / "firmware_bridge" / "device" / "README.md",
    *sorted((ROOT / "models").glob("*/*.md")),
    ROOT / "tools" / "README.md",
    ROOT / "tools" / "mosquitto" / "README.md",
)
_BLOCK = re.compile(
    r"(?:^<!-- (?P<remark>[^\n]*?) -->\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class BlockOfText:
    """place: file and line; remark: what the comment above says, "" for none."""

    place: str
    language: str
    remark: str
    text: str


def blocks_of(language: str) -> Iterator[BlockOfText]:
    for path in DOCUMENTS:
        whole = path.read_text(encoding="utf-8")
        for found in _BLOCK.finditer(whole):
            if found["language"] == language:
                line = whole.count("\n", 0, found.start("text"))
                yield BlockOfText(f"{path.relative_to(ROOT)}:{line}", language, found["remark"] or "", found["text"])
