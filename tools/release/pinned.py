"""Check that everything that is installed is pinned: to one version, and by a hash of its bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.release.built import ROOT

_PINNED = re.compile(r"^[a-z0-9][a-z0-9._-]*(\[[a-z0-9,._-]+\])?==[^\s;*]+( ;[^\\]*)?\s*\\?$", re.IGNORECASE)
_HASH = re.compile(r"^\s+--hash=sha256:[0-9a-f]{64}\s*\\?$")
_INTEGRITY = re.compile(r"^sha512-[A-Za-z0-9+/]{86}==$")
_EXACT = re.compile(r"^(npm:(@[a-z0-9._-]+/)?[a-z0-9._-]+@)?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$")


def python_lists(root: Path = ROOT) -> list[Path]:
    """Return every locked list of Python packages."""
    return sorted([*root.glob("requirements/*.txt"), *root.glob("deploy/containers/*.txt")])


def npm_locks(root: Path = ROOT) -> list[Path]:
    """Return every lock of npm packages."""
    found = root.rglob("package-lock.json")
    return sorted(path for path in found if not {"node_modules", ".venv", "build"} & set(path.relative_to(root).parts))


def unpinned(root: Path = ROOT) -> list[str]:
    """Return one sentence for each dependency that is not pinned, [] if all are."""
    return [
        *(trouble for path in python_lists(root) for trouble in _in_list(path, root)),
        *(trouble for path in npm_locks(root) for trouble in _in_lock(path, root)),
        *(trouble for path in npm_locks(root) for trouble in _in_package(path.with_name("package.json"), root)),
    ]


def requirements(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Yield each requirement of a locked list: its first line, and the lines that follow it."""
    first, more = "", list[str]()
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        if line[0].isspace():
            more.append(line)
            continue
        if first:
            yield first, more
        first, more = line, []
    if first:
        yield first, more


def _in_list(path: Path, root: Path) -> Iterable[str]:
    where = path.relative_to(root)
    for first, more in requirements(path):
        name = first.split("==")[0].strip()
        if not _PINNED.match(first):
            yield f"{where}: {name} is not pinned to one version."
        if not more or not all(_HASH.match(line) for line in more):
            yield f"{where}: {name} has no hash, or more beside hashes."


def _in_lock(path: Path, root: Path) -> Iterable[str]:
    for place, package in json.loads(path.read_text(encoding="utf-8"))["packages"].items():
        if place and not package.get("link") and not _INTEGRITY.match(package.get("integrity", "")):
            yield f"{path.relative_to(root)}: {place} has no SHA-512."


def _in_package(path: Path, root: Path) -> Iterable[str]:
    package = json.loads(path.read_text(encoding="utf-8"))
    for kind in ("dependencies", "devDependencies", "optionalDependencies"):
        for name, version in package.get(kind, {}).items():
            if not _EXACT.match(version):
                yield f"{path.relative_to(root)}: {name} is {version}, not one version."
