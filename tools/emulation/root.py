"""A Debian arm64 root that runs on this machine through qemu-user: made once, kept in the cache, entered by ``Root.run``.

What is mounted for a command is mounted in a mount namespace of its own, together with a process namespace: when the
command ends or is killed, mounts and children are gone with it. Only the registration of qemu with the kernel is seen by
the rest of the machine; it is taken back where it was made here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

SUITE = "bookworm"
PYTHON = "311"  # of that suite
PACKAGES = ("python3", "python3-venv", "python3-pip", "mosquitto", "gcc", "libc6-dev")
MIRROR_VARIABLE = "EDGE_VITALS_DEBIAN_MIRROR"
_QEMU = "/usr/bin/qemu-aarch64-static"
_BINFMT = Path("/proc/sys/fs/binfmt_misc")
_RULE = "edge-vitals-aarch64"
_MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
_MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
PROCESSOR = "cortex-a72"
"""That of a Raspberry Pi 4. QEMU's own choice has vectors that no such board has, whose matrix products raise flags of
divisions by zero that are none."""
_ENTER = """
set -e
mount -t proc proc "$1/proc"
mount --rbind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/tmp"
root=$1; shift
exec chroot "$root" "$@"
"""
_UNPACK = 'dpkg-deb --fsys-tarfile "$1" | tar -C "$2" --keep-directory-symlink -xf -'
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


class CannotError(Exception):
    """This machine cannot do it; the text is one line and names the remedy."""


class Root:
    """The root folder. It holds the virtual environment ``/opt/venv`` once the wheels are installed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @property
    def is_made(self) -> bool:
        return (self.folder / "usr/bin/python3").exists()

    def make(self) -> None:
        """debootstrap resolves and fetches from the mirror this machine's apt uses; the packages are unpacked by this
        machine's own dpkg. Its second stage, which runs every maintainer script emulated, takes ten times as long and
        sets up nothing that is needed here but the few files of ``_settle``.
        """
        if not shutil.which("debootstrap") or not Path(_QEMU).exists():
            raise CannotError("needs: apt-get install debootstrap qemu-user-static")
        partial = self.folder.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        command = ["debootstrap", "--arch=arm64", "--foreign", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
        keyring = [f"--keyring={_KEYRING}"] if _KEYRING.exists() else []
        _checked([*command, *keyring, SUITE, str(partial), mirror()], env={**os.environ, **_proxies()})
        for package in sorted((partial / "var/cache/apt/archives").glob("*.deb")):
            _checked(["sh", "-c", _UNPACK, "sh", str(package), str(partial)])
        _settle(partial)
        shutil.rmtree(partial / "var/cache/apt")
        partial.rename(self.folder)

    def run(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        capture: bool = False,
        timeout_s: float | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run inside, with no environment but ``env``; TimeoutExpired after ``timeout_s``, and then nothing is left."""
        inside = {
            "PATH": "/opt/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            "QEMU_CPU": PROCESSOR,
            **(env or {}),
        }
        words = [f"{k}={v}" for k, v in inside.items()]
        enter = ["unshare", "--mount", "--pid", "--fork", "--kill-child", "sh", "-c", _ENTER, "sh", str(self.folder)]
        full = [*enter, "/usr/bin/env", "-i", f"--chdir={cwd}", *words, *command]
        return subprocess.run(full, capture_output=capture, text=True, timeout=timeout_s, check=False)


def need_root() -> None:
    """Raises CannotError for any other user."""
    if os.geteuid() != 0:
        raise CannotError("needs root: qemu is registered with the kernel (binfmt_misc), and chroot is used")


@contextlib.contextmanager
def aarch64_runs() -> Iterator[None]:
    """Have the kernel hand aarch64 programs to qemu; taken back at the end when it was not so before."""
    need_root()
    mounted = not (_BINFMT / "register").exists()
    if mounted and subprocess.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(_BINFMT)], check=False).returncode:
        raise CannotError("this kernel has no binfmt_misc: run it on a machine or in a container that has")
    registered = False
    try:
        if not any(_serves(rule) for rule in _BINFMT.iterdir()):
            if not Path(_QEMU).exists():
                raise CannotError("needs: apt-get install debootstrap qemu-user-static")
            (_BINFMT / "register").write_text(f":{_RULE}:M::{_MAGIC}:{_MASK}:{_QEMU}:F", encoding="ascii")
            registered = True
        yield
    finally:
        if registered:
            (_BINFMT / _RULE).write_text("-1", encoding="ascii")
        if mounted:
            subprocess.run(["umount", str(_BINFMT)], check=False)


def _settle(folder: Path) -> None:
    """What maintainer scripts would have made and a program here expects: users, this host's name, a C compiler's; and a
    folder for /proc, which debootstrap makes a link to itself where it runs in a container."""
    if (folder / "proc").is_symlink():
        (folder / "proc").unlink()
        (folder / "proc").mkdir()
    for name in ("passwd", "group"):
        shutil.copy(folder / f"usr/share/base-passwd/{name}.master", folder / "etc" / name)
    (folder / "etc/hosts").write_text("127.0.0.1 localhost\n", encoding="ascii")
    (folder / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files\n", encoding="ascii")
    if not (folder / "usr/bin/cc").exists():
        (folder / "usr/bin/cc").symlink_to("gcc")


def _serves(rule: Path) -> bool:
    """Whether an enabled rule runs aarch64 programs inside a chroot too (flag F: qemu is opened beforehand)."""
    if rule.name in ("register", "status"):
        return False
    lines = rule.read_text(encoding="utf-8").splitlines()
    flags = next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")
    return lines[0] == "enabled" and "aarch64" in lines[1] and "F" in flags


def mirror() -> str:
    """The Debian mirror that apt uses here for the suite, or the one named in the environment."""
    if given := os.environ.get(MIRROR_VARIABLE):
        return given
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)", "Created-By: Packages"]
    with contextlib.suppress(OSError):
        for line in subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines():
            uri, _, rest = line.partition(" ")
            if rest == f"{SUITE} main":
                return uri
    raise CannotError(f"apt has no Debian {SUITE} here; {MIRROR_VARIABLE} names a mirror")


def _proxies() -> dict[str, str]:
    found = {}
    for scheme in ("http", "https"):
        with contextlib.suppress(OSError):
            command = ["apt-config", "shell", "X", f"Acquire::{scheme}::Proxy"]
            told = subprocess.run(command, capture_output=True, text=True, check=False).stdout
            if value := told.partition("=")[2].strip().strip("'"):
                found[f"{scheme}_proxy"] = value
    return found


def _checked(command: Sequence[str], *, env: Mapping[str, str] | None = None) -> None:
    if subprocess.run(command, env=env, check=False, stdout=sys.stderr).returncode:
        raise CannotError(f"{Path(command[0]).name} failed; see above")
