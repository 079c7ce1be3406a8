"""Who has a state directory: one program at a time, since two in one would number the same events twice."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
from collections.abc import Iterator
from pathlib import Path

from edge.storage.disk import OUTBOX, is_full, no_state
from edge.types import ConfigError


@contextlib.contextmanager
def only_one(state_dir: Path) -> Iterator[None]:
    """Hold a state directory; raises ConfigError where somebody else does, or it is another user's.

    The system lets go of the lock when the program ends, however it ends.
    """
    path = state_dir / "lock"
    if user := _whose(state_dir / OUTBOX):
        raise ConfigError(
            f"{state_dir}: keeps the state of the user {user}, who could not go on with files of root; run it with: "
            f"sudo -u {user}"
        )
    try:
        state_dir.mkdir(parents=True, exist_ok=True)
        held = path.open("a+b")
    except OSError as error:
        if is_full(error):  # nobody else can begin there, either; somebody must watch
            yield
            return
        raise no_state(state_dir, error) from None
    with held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ConfigError(
                f"{state_dir}: another edge-vitals runs there; stop it, or set device.state_dir"
            ) from None
        yield


def _whose(outbox: Path) -> str:
    """The user whose state root would spoil there, "" for nobody."""
    try:
        uid = outbox.stat().st_uid
        return pwd.getpwuid(uid).pw_name if os.geteuid() == 0 != uid else ""
    except KeyError:
        return f"'#{uid}'"  # as a shell hands it to sudo
    except OSError:
        return ""


def runs_there(state_dir: Path) -> bool:
    """Whether a program holds that state directory, as far as can be told without writing there."""
    try:
        with (state_dir / "lock").open("rb") as held:
            fcntl.flock(held, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False
