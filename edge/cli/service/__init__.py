"""``edge-vitals service``: run at every start of the machine, watched and in a sandbox, by systemd."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

from edge.cli.service.files import CONFIG, DROP_INS, files, packaged, word

STATE = "var/lib/edge-vitals"
IN_MEMORY = "run/edge-vitals"
"""The unit's RuntimeDirectoryPreserve= keeps it: a service that was killed has left the last word of its alarms there."""
_COMMAND_S = 120.0
"""A stop takes up to the unit's TimeoutStopSec, and a busy board half a minute to read all its units anew."""
_START_S = 210.0
"""The unit's TimeoutStopSec and TimeoutStartSec, and some more."""
_DEVICES = (
    ("control", "--reload"),
    ("trigger", "--settle", "--subsystem-match=tty", "--subsystem-match=video4linux"),  # those that are plugged in
)
_ACTIONS = {
    "install": "write the unit (watchdog, sandbox), udev rules and the service's user, then start it",
    "uninstall": "stop it and remove those files",
    "status": "is it installed, current and running",
}
_EXAMPLES = {
    "install": f"sudo edge-vitals service install {CONFIG}",
    "uninstall": "sudo edge-vitals service uninstall",
    "status": "edge-vitals service status",
}


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = subparsers.add_parser(
        "service",
        help="install, remove or look at the systemd service",
        description="Run at every start of the machine, watched and in a sandbox. Needs root but for status and --root.",
        epilog=f"example: {_EXAMPLES['install']}",
    )
    actions = command.add_subparsers(dest="action", metavar="ACTION", required=True)
    for name, text in _ACTIONS.items():
        about, example = f"{text[0].upper()}{text[1:]}.", f"example: {_EXAMPLES[name]}"
        action = actions.add_parser(name, help=text, description=about, epilog=example)
        if name != "uninstall":
            action.add_argument("config", nargs="?", default=CONFIG, help=f"an absolute path (default {CONFIG})")
            action.add_argument("--program", help="what to start; by default this Python with `-m edge`")
        else:
            action.add_argument("--purge", action="store_true", help="remove state, configuration and user as well")
        action.add_argument("--root", metavar="FOLDER", default="/", help="files below this folder; nothing is started")
    command.set_defaults(func=run)


def run(args: argparse.Namespace) -> int:
    """Do what was asked; status exits with 3 when the service is not installed, not current or not running."""
    root = Path(args.root)
    live = root == Path("/") and shutil.which("systemctl") is not None
    if live and args.action != "status" and os.geteuid() != 0:
        from edge.types import ConfigError

        raise ConfigError(f"service {args.action}: needs root; run it with sudo")
    if args.action == "uninstall":
        return _uninstall(root, live=live, purge=args.purge)
    program = args.program or _program()
    if args.action == "install":
        return _install(root, program, args.config, live=live)
    return _status(root, program, args.config, live=live)


def _program() -> str:
    """What was started now: the script edge-vitals, or this Python with the module."""
    script = Path(sys.argv[0]).absolute()
    by_name = script.name == "edge-vitals" and os.access(script, os.X_OK)
    return word(str(script)) if by_name else f"{word(sys.executable)} -m edge"


def _install(root: Path, program: str, config: str, *, live: bool) -> int:
    from edge.config import load
    from edge.types import ConfigError

    at = root / config.lstrip("/") if root != Path("/") else Path(config)
    if not Path(config).is_absolute():
        raise ConfigError(f"{config}: the service needs an absolute path")
    load(at, to_watch=True)
    for name, content in files(program, config).items():
        if _read(root / packaged(name)) == content:
            _remove(root / name)  # of an installation before: it would hide the package's
            print(f"{root / packaged(name)}: current, of the package")
            continue
        path = root / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}; run it with sudo") from None
        print(path)
    if live:
        _do("systemd-sysusers", "edge-vitals.conf")
        if (root / STATE).exists():  # what root left there by a run by hand would keep the service out
            _do("chown", "--recursive", "--no-dereference", "edge-vitals:edge-vitals", str(root / STATE), may_fail=True)
        _do("systemctl", "daemon-reload")
        for command in _DEVICES:
            _do("udevadm", *command, may_fail=True)  # a container has none, and can watch all the same
        _do("systemctl", "enable", "edge-vitals")
        _start()
    return 0


def _start() -> None:
    """Start it anew; it is ready, or EdgeVitalsError says what it said itself. systemd goes on trying."""
    from edge.types import EdgeVitalsError

    try:
        _do("systemctl", "restart", "edge-vitals", limit_s=_START_S)
    except EdgeVitalsError as error:
        raise EdgeVitalsError(f"the service does not start: {_last_words() or error}") from None


def _last_words(*, also_before: bool = False) -> str:
    """The last line that the service's last run logged, "" where there is none or we may not read it.

    also_before: or that of a run before, where systemd tries a failed one again: a new one says nothing at first.
    """
    try:
        run_id, tries = (
            _asked("systemctl", "show", "--value", f"--property={name}", "edge-vitals")
            for name in ("InvocationID", "NRestarts")
        )
        if not run_id:
            return ""
        _asked("journalctl", "--sync")
        last = ("journalctl", "--quiet", "--no-pager", "--output=cat", "--lines=1")
        said = _asked(*last, f"_SYSTEMD_INVOCATION_ID={run_id}")
        if not said and also_before and tries not in ("", "0"):
            said = _asked(*last, "--boot", "_SYSTEMD_UNIT=edge-vitals.service")
        return said
    except (OSError, subprocess.TimeoutExpired):
        return ""


def _asked(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_S, check=False).stdout.strip()


def _uninstall(root: Path, *, live: bool, purge: bool) -> int:
    if live:
        _do("systemctl", "disable", "--now", "edge-vitals", may_fail=True)
    for name in files("", ""):
        _remove(root / name)
    if purge:
        for folder in (STATE, IN_MEMORY, "etc/edge-vitals", DROP_INS):
            _remove(root / folder)
    if live:
        _do("systemctl", "daemon-reload")
        _do("udevadm", "control", "--reload", may_fail=True)
        if purge:
            _do("userdel", "edge-vitals", may_fail=True)
    return 0


def _status(root: Path, program: str, config: str, *, live: bool) -> int:
    good = True
    for name, content in files(program, config).items():
        path = root / name
        if not path.exists() and (root / packaged(name)).exists():
            path = root / packaged(name)
        found = _read(path)
        word = "current" if found == content else "another version: install it again" if found else "not installed"
        good &= found == content
        print(f"{path}: {word}")
    if live:
        command = ["systemctl", "is-active", "edge-vitals"]
        said = subprocess.run(command, capture_output=True, text=True, timeout=_COMMAND_S, check=False)
        good &= said.returncode == 0
        lines = (said.stdout.strip() or said.stderr.strip() or "unknown").splitlines()
        print(f"edge-vitals: {lines[0]}")
        if said.returncode and (last := _last_words(also_before=True)):
            print(f"its last words: {last}")
    return 0 if good else 3


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _remove(path: Path) -> None:
    from edge.types import ConfigError

    try:
        if path.is_dir():
            shutil.rmtree(path)
        elif path.exists():
            path.unlink()
        else:
            return
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; run it with sudo") from None
    print(f"removed {path}")


def _do(*command: str, may_fail: bool = False, limit_s: float = _COMMAND_S) -> None:
    from edge.types import EdgeVitalsError

    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)
    except OSError as error:
        why = str(error.strerror)
    except subprocess.TimeoutExpired:
        why = f"no answer in {limit_s:g} s"
    else:
        if not done.returncode:
            return
        why = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    if not may_fail:
        raise EdgeVitalsError(f"{' '.join(command)}: {why}")
