"""Build the wheel, the sdist and the npm package from a commit, twice, in places that differ, and compare the bytes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NPM = Path("clients") / "typescript"

_SURROUNDINGS: tuple[Mapping[str, str], ...] = (
    {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"},
    {"TZ": "Pacific/Chatham", "LC_ALL": "C", "PYTHONHASHSEED": "2"},
)
"""What must make no difference. The folders differ in name and length, and the umask in what it lets others do, too."""
_UMASKS = (0o022, 0o077)


class NotReproducibleError(Exception):
    """Two builds of one commit differ; names the files."""


class FailedError(Exception):
    """A command that builds failed; has what it wrote."""


def commit(root: Path = ROOT) -> tuple[str, str]:
    """Return the commit that is checked out, and its time in seconds since 1970 (SOURCE_DATE_EPOCH)."""
    shown = _run(["git", "show", "--no-patch", "--format=%H %ct", "HEAD"], root, os.environ)
    name, _, seconds = shown.strip().partition(" ")
    return name, seconds


def changed(root: Path = ROOT) -> str:
    """Return what `git status` says is not committed, "" if nothing is."""
    return _run(["git", "status", "--porcelain"], root, os.environ)


def build_twice(out: Path, root: Path = ROOT, *, with_python: bool = True, with_npm: bool = True) -> list[Path]:
    """Build all that is asked for twice and put it into `out`, which must not exist; return the files, sorted by name.

    Raises:
        NotReproducibleError: a file differs between the two builds, or one of them lacks it.
        FailedError: a build failed.
    """
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory(prefix="another-and-longer-") as second:
        built = []
        for number, folder in enumerate((Path(first), Path(second))):
            built.append(_build(root, folder, number, with_python=with_python, with_npm=with_npm))
        check_same(*built)
        shutil.copytree(built[0], out)
    return sorted(out.iterdir())


def check_same(first: Path, second: Path) -> None:
    """Raise `NotReproducibleError` unless both folders hold files of the same names with the same bytes."""
    names = sorted({path.name for folder in (first, second) for path in folder.iterdir()})
    different = [name for name in names if _bytes(first / name) != _bytes(second / name)]
    if different:
        raise NotReproducibleError(f"two builds of one commit differ in {', '.join(different)}.")


def _build(root: Path, folder: Path, number: int, *, with_python: bool, with_npm: bool) -> Path:
    source, out = folder / "source", folder / "out"
    _export(root, source)
    out.mkdir()
    _, seconds = commit(root)
    environment = {**os.environ, **_SURROUNDINGS[number], "SOURCE_DATE_EPOCH": seconds, "HOME": str(folder)}
    umask = os.umask(_UMASKS[number])
    try:
        for target in ("sdist", "wheel") if with_python else ():
            command = [sys.executable, "-m", "hatchling", "build", "--target", target, "--directory", str(out)]
            _run(command, source, environment)
        if with_npm:
            _build_npm(source / NPM, out, environment)
    finally:
        os.umask(umask)
    return out


def _build_npm(source: Path, out: Path, environment: Mapping[str, str]) -> None:
    _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], source, environment)
    _run(["npm", "run", "build"], source, environment)
    for path in (source / "dist").rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)  # npm packs the modes that the umask left
    _run(["npm", "pack", "--ignore-scripts", "--pack-destination", str(out)], source, environment)


def _export(root: Path, source: Path) -> None:
    """Write the committed files, and nothing else, to `source`."""
    source.mkdir()
    with tempfile.TemporaryFile() as packed:
        subprocess.run(["git", "archive", "--format=tar", "HEAD"], cwd=root, check=True, stdout=packed)
        packed.seek(0)
        with tarfile.open(fileobj=packed) as archive:
            archive.extraction_filter = getattr(tarfile, "data_filter", None)  # which Python 3.11.2 has not
            archive.extractall(source)


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None


def _run(command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> str:
    ended = subprocess.run(
        command,
        cwd=folder,
        env=dict(environment),
        check=False,
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        raise FailedError(f"{' '.join(command)} ended with {ended.returncode}:\n{ended.stdout}{ended.stderr}")
    return ended.stdout
