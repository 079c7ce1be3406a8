"""What ``tools/test --oldest`` tries are the oldest versions that pyproject.toml allows, of everything that runs."""

import tomllib
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"train", "dev", "tflite"}  # what makes the models, what tests, and a legacy runtime that wants numpy < 2


def bounds():
    """Package to the oldest version that is allowed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [one for name, group in project["optional-dependencies"].items() if name not in ELSEWHERE for one in group]
    wanted = [Requirement(one) for one in (*project["dependencies"], *extras)]
    return {
        one.name: Version(next(s.version for s in one.specifier if s.operator == ">="))
        for one in wanted
        if one.name != project["name"]
    }


def test_every_bound_has_its_version_and_no_other():
    ours, _, _ = (ROOT / "tools" / "oldest.lock").read_text().partition("# Beside them")
    lines = ours.splitlines()
    pinned = {name: Version(version) for name, _, version in (one.partition("==") for one in lines if one[0] != "#")}
    oldest = bounds()
    assert pinned.keys() == oldest.keys()
    assert {name: version.release[: len(oldest[name].release)] for name, version in pinned.items()} == {
        name: version.release for name, version in oldest.items()
    }
