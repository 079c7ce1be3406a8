"""The Debian package in a fresh Debian: installs without a network, runs, keeps state on upgrade, leaves nothing on
purge."""

from __future__ import annotations

import faulthandler
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tool_module import loaded

PARTS = Path(__file__).resolve().parents[2] / "tools" / "debian"
LIMIT_S = 600
CONFIG = """
[device]
name = "bed"
state_dir = "/var/lib/edge-vitals"
[sources.syn]
kind = "synthetic"
streams = ["ppg", "pcg"]
pace = "max"
seconds = 20.0
[sinks.journal]
"""


@pytest.mark.parametrize("script", ["postinst", "prerm", "postrm"])
def test_a_maintainers_script_is_valid_shell(script):
    assert subprocess.run(["sh", "-n", str(PARTS / script)], check=False).returncode == 0


def test_a_purge_leaves_nothing_in_memory():
    """A service that was killed leaves the last word of its alarms there, for a user who is gone then."""
    purge = (PARTS / "postrm").read_text().partition('if [ "$1" = purge ]')[2]
    assert {"/var/lib/edge-vitals", "/run/edge-vitals", "/etc/edge-vitals"} <= set(purge.split())


def test_the_documents_name_what_the_package_holds():
    told = (PARTS.parents[1] / "docs" / "service.md").read_text().partition("\n## With a Debian package\n")[2]
    first = told.strip().partition("\n\n")[0]
    with loaded("debian/build.py") as build:
        assert {f"`{extra}`" for extra in build.EXTRAS.split(",")} <= set(first.replace(",", " ").split())


class Chroot:
    """A Debian of its own. Commands run without our environment and without a network."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def run(self, *command: str, check: bool = True) -> str:
        offline = ["unshare", "--net"]
        clean = ["env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8"]
        full = [*offline, "chroot", str(self.root), *clean, *command]
        done = subprocess.run(full, capture_output=True, text=True, timeout=LIMIT_S, check=False)
        assert not check or done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
        return done.stdout + done.stderr

    def state(self) -> dict[str, bytes]:
        """The service's files by path below its state folder."""
        folder = self.root / "var/lib/edge-vitals"
        return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}

    def everything(self) -> set[str]:
        logs = ("var/log", "var/lib/dpkg", "var/cache", "etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-")
        found = {
            str(Path(folder, name).relative_to(self.root))
            for folder, dirs, files in os.walk(self.root)
            for name in (*dirs, *files)
        }
        return {name for name in found if not name.startswith(logs)}


@pytest.fixture(scope="module")
def package_and_debian(tmp_path_factory):
    """The package and a Debian that has Python and nothing else, made at the same time: both wait for downloads."""
    if os.geteuid() != 0:
        pytest.skip("a chroot needs root, as in CI")
    for program in ("dpkg-deb", "debootstrap"):
        if shutil.which(program, path="/usr/sbin:/usr/bin") is None:
            pytest.skip(f"{program} is not installed; on a Debian-like machine tools/test --slow installs it")
    faulthandler.cancel_dump_traceback_later()  # this takes minutes
    out, root = tmp_path_factory.mktemp("deb"), tmp_path_factory.mktemp("debian")
    root.chmod(0o755)
    in_memory = ["mount", "-t", "tmpfs", "-o", "size=2g,mode=755", "tmpfs", str(root)]  # dpkg syncs every file
    mounted = subprocess.run(in_memory, capture_output=True, check=False).returncode == 0
    make_root = ["debootstrap", "--variant=minbase", "--include=python3", "bookworm", str(root)]
    build = [sys.executable, str(PARTS / "build.py"), "--out", str(out), "--extras", "serial,litert"]
    try:
        with subprocess.Popen(make_root, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as making:
            built = subprocess.run(build, capture_output=True, text=True, timeout=LIMIT_S, check=False)
            said, _ = making.communicate(timeout=LIMIT_S)
        assert making.returncode == 0, said[-1000:]
        assert built.returncode == 0, built.stderr
        (package,) = out.glob("*.deb")
        yield package, Chroot(root)
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(root)], check=True)
        else:
            shutil.rmtree(root, ignore_errors=True)


@pytest.mark.slow
def test_install_run_upgrade_remove_purge(package_and_debian, tmp_path):
    package, debian = package_and_debian
    assert "+py3.11_" in package.name
    before = debian.everything()
    shutil.copy(package, debian.root / "edge-vitals.deb")
    assert "/etc/edge-vitals/config.toml" in debian.run("dpkg", "-i", "/edge-vitals.deb")
    assert debian.run("edge-vitals", "--version").startswith("edge-vitals ")
    installed = debian.root / "usr/lib/edge-vitals"
    assert not list(installed.rglob("tests")), "test suites have no place on a monitor's card"
    about = debian.root / "usr/share/doc/edge-vitals"
    assert "Permission is hereby granted" in (about / "copyright").read_text()
    assert (about / "docs/configuration.md").is_file(), "--help names it"
    found = debian.run("edge-vitals", "doctor", check=False)
    assert "ok   models           murmur" in found
    assert "fail" not in found

    (debian.root / "etc/edge-vitals/config.toml").write_text(CONFIG)
    assert "right. 1 bed(s)" in debian.run("edge-vitals", "check", "/etc/edge-vitals/config.toml")
    as_service = ("setpriv", "--reuid", "edge-vitals", "--regid", "edge-vitals", "--clear-groups")
    assert "bed1/syn" in debian.run(*as_service, "edge-vitals", "run", "/etc/edge-vitals/config.toml")
    state = debian.state()
    assert {"outbox.sqlite", "journal.jsonl"} <= set(state)
    assert "current, of the package" in debian.run("edge-vitals", "service", "install")
    assert "not installed" not in debian.run("edge-vitals", "service", "status")
    assert not list((debian.root / "etc/systemd").rglob("edge-vitals*"))

    newer = tmp_path / "newer"
    subprocess.run(["dpkg-deb", "-R", str(package), str(newer)], check=True)
    for compiled in list(newer.rglob("__pycache__")):  # as another Python builds it
        shutil.rmtree(compiled)
    control = newer / "DEBIAN" / "control"
    control.write_text(control.read_text().replace("\nVersion: ", "\nVersion: 1000:"))
    subprocess.run(
        ["dpkg-deb", "-Znone", "-b", str(newer), str(debian.root / "newer.deb")], check=True, stdout=subprocess.DEVNULL
    )
    debian.run("dpkg", "-i", "/newer.deb")
    assert "1000:" in debian.run("dpkg-query", "-W", "edge-vitals")
    assert list((installed / "lib/edge/__pycache__").glob("lane.*.pyc")), "what was not compiled is so now"
    assert debian.state() == state
    assert (debian.root / "etc/edge-vitals/config.toml").read_text() == CONFIG

    debian.run("dpkg", "--remove", "edge-vitals")
    assert not (debian.root / "usr/lib/edge-vitals").exists()
    assert debian.state() == state
    debian.run("dpkg", "--purge", "edge-vitals")
    assert debian.everything() - before == {"edge-vitals.deb", "newer.deb"}
    assert before <= debian.everything()
    assert "no such user" in debian.run("id", "edge-vitals", check=False)
