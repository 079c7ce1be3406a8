"""A state directory has one program at a time."""

from __future__ import annotations

import pytest

from edge.storage.state_lock import only_one, runs_there
from edge.types import ConfigError


def test_a_state_directory_is_made_held_by_one_and_let_go(tmp_path):
    folder = tmp_path / "not" / "yet"
    assert not runs_there(folder)
    for _ in range(2):
        with only_one(folder):
            assert runs_there(folder)
            with pytest.raises(ConfigError, match="another edge-vitals runs there"), only_one(folder):
                pass
            assert runs_there(folder), "asking takes nothing from who has it"
        assert not runs_there(folder)


def test_where_no_state_can_be_kept_that_is_said(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(
            ConfigError, match=r"file/state: cannot keep state there: Not a directory; set device.state_dir$"
        ),
        only_one(tmp_path / "file" / "state"),
    ):
        pass
