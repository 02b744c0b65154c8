"""An engine in memory: a driver whose every call can fail."""

from __future__ import annotations

import dataclasses
import itertools
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec

from monoskope.protocol.payload import Payload
from monoskope.stores.driver import (
    NOTHING,
    CannotReadError,
    Capabilities,
    DeletedVersion,
    Names,
    Snapshot,
    StoreConflictError,
    StoreDriver,
    UnsupportedError,
)
from monoskope.uri import SecretUri

URI = SecretUri.parse("memory://team-a/db")


class MemoryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """No settings."""


class MemoryStore(StoreDriver):
    """An engine in memory whose every call can be made to fail, or to be overtaken by somebody else's write."""

    kind = "memory"
    Config = MemoryConfig

    def __init__(self, *, kind: str = "memory", **capable: Any) -> None:
        """It can do everything but match what it can read, and what `capable` says, by the names of `Capabilities`."""
        self.kind = kind  # type: ignore[misc]
        can: dict[str, Any] = {each.name: True for each in dataclasses.fields(Capabilities) if each.type == "bool"}
        self._capabilities = Capabilities(131_072, **(can | {"matches": False} | capable))
        self.content: dict[tuple[str, ...], list[tuple[str, Payload, str]]] = defaultdict(list)
        self.aside: dict[tuple[str, ...], tuple[list[tuple[str, Payload, str]], str]] = {}
        """What was deleted so that it can come back, by path, with the name of the deletion."""
        self.failures: dict[str, deque[Any]] = defaultdict(deque)
        """By method: what its next calls do first. An exception is raised, a callable is called, None does nothing."""
        self.foreign: set[str] = set()
        """Names that the engine lists at every path, besides those of `content`."""
        self.calls: list[str] = []
        self.calls_at: defaultdict[tuple[str, ...], list[str]] = defaultdict(list)
        self.options: list[object | None] = []
        self.destroyed: list[bool] = []
        self._number = 0

    @classmethod
    async def open(cls, config: MemoryConfig, *, state_dir: Path) -> Self:
        del config, state_dir
        return cls()

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    def _begin(self, method: str, path: tuple[str, ...]) -> None:
        self.calls.append(method)
        self.calls_at[path].append(method)
        if self.failures[method]:
            failure = self.failures[method].popleft()
            if isinstance(failure, BaseException):
                raise failure
            if failure is not None:
                failure()

    def put(self, secret: Mapping[str, bytes], path: tuple[str, ...] = URI.path, tag: str = "") -> str:
        """Write past the reactor, as somebody else would, and return the version."""
        self._number += 1
        version = f"v{self._number}"
        self.aside.pop(path, None)
        self.content[path].append((version, Payload(secret), tag))
        return version

    def now(self, path: tuple[str, ...] = URI.path) -> str:
        return self.content[path][-1][0] if self.content[path] else NOTHING

    def check(self, path: tuple[str, ...], options: object | None) -> None:
        self._begin("check", path)
        self.options.append(options)

    async def read_version(self, path: tuple[str, ...]) -> str:
        self._begin("read_version", path)
        return self.now(path)

    async def write(
        self,
        path: tuple[str, ...],
        payload: Payload,
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        self.options.append(options)
        self._begin("write", path)
        if replacing is not None and replacing != self.now(path):
            raise StoreConflictError("it is another version.")
        version = self.put(payload, path, write_tag)
        self._begin("written", path)
        return version

    async def patch(
        self,
        path: tuple[str, ...],
        changes: Payload | None,
        remove: Sequence[str],
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        self.options.append(options)
        self._begin("patch", path)
        if not self.content[path] or replacing not in {None, self.now(path)}:
            raise StoreConflictError("it is another version.")
        kept = {key: value for key, value in self.content[path][-1][1].items() if key not in remove}
        version = self.put(kept | dict(changes or {}), path, write_tag)
        self._begin("patched", path)
        return version

    async def delete(self, path: tuple[str, ...], *, replacing: str | None, destroy: bool) -> None:
        self._begin("delete", path)
        if not self.content[path] or replacing not in {None, self.now(path)}:
            raise StoreConflictError("it is another version.")
        self.destroyed.append(destroy)
        self.set_aside(path, destroy=destroy)
        self._begin("deleted", path)

    def set_aside(self, path: tuple[str, ...] = URI.path, *, destroy: bool = False) -> None:
        """Delete past the reactor, as somebody else would."""
        versions, self.content[path] = self.content[path], []
        if not destroy:
            self.aside[path] = versions, f"deletion {len(self.calls)}"

    async def deleted_version(self, path: tuple[str, ...]) -> DeletedVersion | None:
        self._begin("deleted_version", path)
        return self._deleted(path)

    def _deleted(self, path: tuple[str, ...]) -> DeletedVersion | None:
        versions, deletion = self.aside.get(path, ([], ""))
        return DeletedVersion(versions[-1][0], deletion) if versions and not self.content[path] else None

    async def undelete(self, path: tuple[str, ...], deleted: DeletedVersion, *, write_tag: str) -> str:
        del write_tag
        self._begin("undelete", path)
        if self._deleted(path) != deleted:
            raise StoreConflictError("it is another version.")
        self.content[path], _ = self.aside.pop(path)
        self._begin("undeleted", path)
        return self.now(path)

    async def read_at(self, path: tuple[str, ...], version: str) -> Snapshot | None:
        self._begin("read_at", path)
        found = (payload for each, payload, _ in self.content[path] if each == version)
        payload = next(found, None)
        return None if payload is None else Snapshot(version, payload)

    async def find(self, path: tuple[str, ...], write_tag: str) -> str | None:
        self._begin("find", path)
        if not self._capabilities.write_tag:
            raise UnsupportedError("no tags.")
        return next((version for version, _, tag in reversed(self.content[path]) if tag == write_tag), None)

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        self._begin("read", path)
        if not self._capabilities.readable:
            raise CannotReadError("write-only.")
        if not self.content[path]:
            return None
        version, payload, _ = self.content[path][-1]
        return Snapshot(version, payload)

    async def matches(self, path: tuple[str, ...], payload: Payload) -> tuple[str, bool]:
        self._begin("matches", path)
        return self.now(path), bool(self.content[path]) and dict(self.content[path][-1][1]) == dict(payload)

    async def list_names(self, path: tuple[str, ...]) -> Names:
        self._begin("list_names", path)
        below = [place[len(path) :] for place, there in self.content.items() if there and place[: len(path)] == path]
        folders = {rest[0] for rest in below if len(rest) > 1}
        return Names({*self.foreign, *(rest[0] for rest in below if len(rest) == 1)}, folders)

    async def close(self) -> None:
        self.calls.append("close")


class Unversioned(MemoryStore):
    """An engine that shows what is there and nothing of how it came there."""

    def __init__(self, *, readable: bool = True) -> None:
        super().__init__(check_and_set=False, write_tag=False, readable=readable, soft_delete=False, versions=False)
        self._looks = itertools.count()

    def _seen(self, path: tuple[str, ...]) -> str:
        return f"seen{next(self._looks)}" if self.now(path) else NOTHING

    async def read_version(self, path: tuple[str, ...]) -> str:
        await super().read_version(path)
        return self._seen(path)

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        found = await super().read(path)
        return None if found is None else Snapshot(self._seen(path), found.payload)
