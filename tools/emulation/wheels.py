"""The wheel of this checkout and the real aarch64 wheels it needs, fetched by this machine's pip, installed in the root."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

from root import PYTHON, CannotError, Root

EXTRAS = "all,parquet"
TESTING = ("pytest", "hypothesis", "edfio", "wfdb", "cryptography", "jsonschema", "pyyaml")
_PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux2014_aarch64", "manylinux_2_17_aarch64")
_TARGET = ["--only-binary=:all:", *(w for p in _PLATFORMS for w in ("--platform", p)), "--python-version", PYTHON]
_PIP = [sys.executable, "-m", "pip"]
_INSIDE = "opt/wheels"


def install(checkout: Path, root: Root) -> str:
    """Build, fetch, unpack; what was installed, in words. What this checkout needs is fetched once for its lock file.

    This machine's pip unpacks the wheels for the root's Python, since pip itself takes minutes under emulation.
    """
    folder = root.folder / _INSIDE
    for old in folder.glob("edge_vitals-*.whl"):
        old.unlink()
    _checked([*_PIP, "wheel", "-qq", "--no-deps", "-w", str(folder), str(checkout)], "the wheel cannot be built")
    (own,) = folder.glob("edge_vitals-*.whl")
    stamp, needs = folder / "installed", _needs(checkout)
    if not stamp.exists() or stamp.read_text(encoding="ascii") != needs:
        _everything(own, checkout / "tools" / "dev.lock", root)
        stamp.write_text(needs, encoding="ascii")
    _checked([*_unpack(root), "--upgrade", "--no-deps", str(own)], "the wheel cannot be unpacked")
    native = sorted({wheel.name.split("-")[0] for wheel in folder.glob("*aarch64.whl")})
    return f"{len(list(folder.glob('*.whl')))} wheels, native: {', '.join(native)}"


def _everything(own: Path, lock: Path, root: Root) -> None:
    folder = root.folder / _INSIDE
    wanted = [f"{own}[{EXTRAS}]", *TESTING, "-c", str(lock), "-f", str(folder)]
    _checked([*_PIP, "download", "-qq", *_TARGET, "-d", str(folder), *wanted], "the aarch64 wheels cannot be fetched")
    shutil.rmtree(root.folder / "opt/venv", ignore_errors=True)
    if root.run(["/usr/bin/python3", "-m", "venv", "--without-pip", "/opt/venv"]).returncode:
        raise CannotError("the root has no working Python; remove it from the cache and begin again")
    _checked([*_unpack(root), *wanted], "the wheels cannot be unpacked")


def _unpack(root: Root) -> list[str]:
    (packages,) = root.folder.glob("opt/venv/lib/python3*/site-packages")
    return [*_PIP, "install", "-qq", "--no-index", "--no-compile", *_TARGET, "--target", str(packages)]


def _needs(checkout: Path) -> str:
    found = hashlib.sha256(repr((EXTRAS, TESTING, _TARGET)).encode())
    for name in ("pyproject.toml", "tools/dev.lock"):
        found.update((checkout / name).read_bytes())
    return found.hexdigest()


def _checked(command: list[str], text: str) -> None:
    if subprocess.run(command, check=False, stdout=sys.stderr).returncode:
        raise CannotError(f"{text}; see above")
