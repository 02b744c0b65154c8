"""A driver that breaks as a path of its store says, with the value in whatever it raises. Installed as a plugin.

The second segment of a path is a script: `METHOD.FAULT` or `METHOD.FAULT.N`, several joined by `--`. At its Nth call,
the first without N, and at all that follow, METHOD fails so. `written` is what follows a write that has happened. Below
it is the driver `age`, so that nothing of a value is kept in memory.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import re
import ssl
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any, NoReturn

import aiohttp
import msgspec
import pyrage
from cryptography.exceptions import InvalidTag

from monoskope.protocol.payload import Payload
from monoskope.stores.age.files import AgeStore
from monoskope.stores.driver import (
    CannotReadError,
    Capabilities,
    Snapshot,
    StoreConflictError,
    StoreRefusedError,
    StoreUnavailableError,
    UnknownOutcomeError,
    UnsupportedError,
)

OURS = {
    "refused": StoreRefusedError,
    "unsupported": UnsupportedError,
    "away": StoreUnavailableError,
    "conflict": StoreConflictError,
    "unreadable": CannotReadError,
    "unknown": UnknownOutcomeError,
}
"""What the contract allows a driver to raise; here with the engine's words in it, which it forbids."""

GATE = "gate"
"""A fault that waits until a file of this name is in the store's folder, and then is none; it leaves one of its own."""
_KEYS = re.compile("(?!forbidden).*")


def _json(value: bytes) -> NoReturn:
    json.loads(b'{"value": ' + json.dumps(value.decode("latin-1")).encode())
    raise AssertionError


def _unicode(value: bytes) -> NoReturn:
    (value + b"\xff\xfe").decode("ascii")
    (b"\xff" + value).decode("utf-8")
    raise AssertionError


def _validation(value: bytes) -> NoReturn:
    msgspec.json.decode(json.dumps({"value": value.decode("latin-1")}).encode(), type=dict[str, int])
    raise AssertionError


def _age(value: bytes) -> NoReturn:
    pyrage.decrypt(value, [pyrage.x25519.Identity.generate()])
    raise AssertionError


def _deep(value: bytes) -> NoReturn:
    held = value + b"."
    _deep(held)


def _group(value: bytes) -> NoReturn:
    found: list[Exception] = []
    for fault in ("json", "unicode", "division", "http"):
        try:
            LIBRARIES[fault](value)
        except Exception as error:  # noqa: BLE001
            found.append(error)
    raise ExceptionGroup(repr(value), [found[0], ExceptionGroup("inner", found[1:])])


def _http(value: bytes) -> NoReturn:
    info: Any = SimpleNamespace(url=value.decode("latin-1"), real_url="", headers={"X-Body": value.decode("latin-1")})
    raise aiohttp.ClientResponseError(info, (), status=500, message=value.decode("latin-1"))


def _made(kind: Callable[[str], Exception]) -> Callable[[bytes], NoReturn]:
    def fail(value: bytes) -> NoReturn:
        text = f"about {value.decode('latin-1')}"
        # The frame holds the exception, and the exception the frame.
        failure = kind(text)
        raise failure from ValueError(value)

    return fail


LIBRARIES: Mapping[str, Callable[[bytes], NoReturn]] = {
    "json": _json,
    "unicode": _unicode,
    "validation": _validation,
    "age": _age,
    "recursion": _deep,
    "group": _group,
    "http": _http,
    "division": _made(ZeroDivisionError),
    "key": _made(KeyError),
    "system": _made(OSError),
    "memory": _made(MemoryError),
    "timeout": _made(TimeoutError),
    "tls": _made(ssl.SSLError),
    "tag": _made(InvalidTag),
}
"""What libraries raise; no driver should let it out."""


def _fail(fault: str, value: bytes) -> NoReturn:
    if fault not in OURS:
        LIBRARIES[fault](value)
    text = value.decode("latin-1")
    try:
        _json(value)
    except ValueError as error:
        failure = OURS[fault](f"the engine says: {text}", fix=text)
        raise failure from error


class BreakingStore(AgeStore):
    kind = "breaking"
    _calls: Counter[tuple[tuple[str, ...], str]]

    @property
    def capabilities(self) -> Capabilities:
        return dataclasses.replace(super().capabilities, key_rule=_KEYS)

    async def _break(self, method: str, path: tuple[str, ...], value: bytes) -> None:
        calls = self.__dict__.setdefault("_calls", Counter())
        calls[path, method] += 1
        for step in path[1].split("--") if "." in path[1] else ():
            where, fault, first = (*step.split("."), "1")[:3]
            if where != method or calls[path, method] < int(first):
                continue
            held = value + b"."
            if fault == "hang":
                await asyncio.Event().wait()
            elif fault == GATE:
                (self._root / f"{GATE}-{path[-1]}").touch()
                while not (self._root / GATE).exists():
                    await asyncio.sleep(0.05)
            else:
                _fail(fault, held)

    async def _there(self, path: tuple[str, ...]) -> bytes:
        snapshot = await super().read(path) if self.__dict__["_identities"] else None
        return b"" if snapshot is None else b"".join(snapshot.payload.values())

    async def read_version(self, path: tuple[str, ...]) -> str:
        await self._break("version", path, await self._there(path))
        return await super().read_version(path)

    async def read(self, path: tuple[str, ...]) -> Snapshot | None:
        await self._break("read", path, await self._there(path))
        return await super().read(path)

    async def read_at(self, path: tuple[str, ...], version: str) -> Snapshot | None:
        found = await super().read_at(path, version)
        await self._break("earlier", path, b"" if found is None else b"".join(found.payload.values()))
        return found

    async def find(self, path: tuple[str, ...], write_tag: str) -> str | None:
        await self._break("find", path, await self._there(path))
        return await super().find(path, write_tag)

    async def write(
        self,
        path: tuple[str, ...],
        payload: Payload,
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        value = b"".join(payload.values())
        await self._break("write", path, value)
        version = await super().write(path, payload, replacing=replacing, write_tag=write_tag, options=options)
        await self._break("written", path, value)
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
        value = b"".join((changes or {}).values())
        await self._break("write", path, value)
        version = await super().patch(path, changes, remove, replacing=replacing, write_tag=write_tag, options=options)
        await self._break("written", path, value)
        return version
