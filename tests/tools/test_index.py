"""``tools/README.md`` has a row for every file and folder of ``tools`` and of ``tools/train``, and for nothing else."""

import ast
import re
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / "tools"
INDEX = TOOLS / "README.md"


def rows():
    """First cell of each row, without its backquotes, and the rest of the row."""
    return re.findall(r"^\| `([^`]+)` \| (.*)$", INDEX.read_text(encoding="utf-8"), flags=re.MULTILINE)


def there():
    """Names as the index has them: from ``tools`` on, a folder with a slash at its end."""
    for folder in (TOOLS, TOOLS / "train"):
        for path in folder.iterdir():
            if path != INDEX and path.name != "__pycache__" and not path.name.startswith("."):
                yield f"{path.relative_to(TOOLS).as_posix()}{'/' if path.is_dir() else ''}"


def is_command(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return any(isinstance(node, ast.If) and "__main__" in ast.unparse(node.test) for node in tree.body)


def test_every_file_and_folder_has_one_row_and_no_row_is_of_another():
    assert sorted(name for name, _ in rows()) == sorted(there())


@pytest.mark.parametrize(("name", "rest"), rows(), ids=[name for name, _ in rows()])
def test_what_can_be_run_has_its_command_and_what_cannot_has_none(name, rest):
    if name.endswith(".py"):
        assert (f"`python tools/{name}" in rest) == is_command(TOOLS / name)


def test_what_its_commands_run_is_there():
    commands = re.findall(r"`(?:python )?tools/([\w./-]+)", INDEX.read_text(encoding="utf-8"))
    assert [path for path in commands if not (TOOLS / path).exists()] == []
