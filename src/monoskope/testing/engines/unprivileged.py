"""Programs within reach of the user as whom PostgreSQL runs when root runs the tests.

`nobody` can often not enter the folder of our own programs: a Python below /root, a checkout below a home folder.
Patroni then hangs without a message. What `nobody` does not reach is copied to where it does.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from monoskope.testing.engines.postgres import user
from monoskope.testing.parts import dying_with_us

_NOT_COPIED = shutil.ignore_patterns(
    "site-packages", "test", "tests", "idlelib", "lib2to3", "tkinter", "ensurepip", "__pycache__", "config-*"
)


def owned_folder(prefix: str) -> Path:
    """Make a folder below the system's folder for temporary files, which belongs to `user()` and which it reaches."""
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    if user():
        folder.chmod(0o755)
        give(folder)
    return folder


def give(path: Path) -> None:
    """Make `user()` the owner of a file or folder."""
    if name := user():
        owner = pwd.getpwnam(name)
        os.chown(path, owner.pw_uid, owner.pw_gid)


def within_reach(source: Path, copies: Path) -> Path:
    """Return `source`, or its copy in the folder `copies` if `user()` does not reach it."""
    if _reaches(source):
        return source
    copy = copies / source.name
    if not copy.exists():
        shutil.copytree(source, copy, symlinks=True)
    return copy


def _reaches(path: Path) -> bool:
    """Whether `user()` can list or start what is at `path`."""
    if not user():
        return True
    test = dying_with_us(["/usr/bin/test", "-r", str(path), "-a", "-x", str(path)], user=user())
    return subprocess.run(test, check=False).returncode == 0


def python_within_reach(copies: Path, *packages: str) -> tuple[str, dict[str, str]]:
    """Return a Python that `user()` can start, and the environment in which it finds `packages`.

    Args:
        copies: Where it is copied to if need be.
        packages: Names of distributions; those that they require are found, too.
    """
    site = Path(sysconfig.get_path("purelib"))
    if _reaches(Path(sys.executable).resolve()) and _reaches(site):
        return sys.executable, {}
    version = f"python{sysconfig.get_python_version()}"
    program = copies / "bin" / version
    if not program.exists():
        _copy_interpreter(copies, version, program)
        for name in _with_requirements(packages):
            _copy_distribution(name, copies / "site")
    return str(program), {"PYTHONPATH": str(copies / "site"), "LD_LIBRARY_PATH": str(copies / "lib")}


def _copy_interpreter(copies: Path, version: str, program: Path) -> None:
    program.parent.mkdir(parents=True)
    shutil.copy(Path(sys.executable).resolve(), program)
    shutil.copytree(sysconfig.get_path("stdlib"), copies / "lib" / version, ignore=_NOT_COPIED)
    for library in Path(sysconfig.get_config_var("LIBDIR")).glob("libpython3*.so*"):
        shutil.copy(library, copies / "lib")


def _with_requirements(packages: Sequence[str]) -> Iterator[str]:
    """Yield the names of distributions that are installed, with those that they require, each once."""
    seen: set[str] = set()
    waiting = [Requirement(package) for package in packages]
    while waiting:
        wanted = waiting.pop()
        if wanted.name.lower() in seen:
            continue
        seen.add(wanted.name.lower())
        yield wanted.name
        for text in metadata.requires(wanted.name) or ():
            needed = Requirement(text)
            extras = wanted.extras or {""}
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(needed)


def _copy_distribution(name: str, site: Path) -> None:
    for file in metadata.files(name) or ():
        source = Path(str(file.locate()))
        if ".." in file.parts or "__pycache__" in file.parts or not source.is_file():
            continue
        target = site / file
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
