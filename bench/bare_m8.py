"""The middle of a bare put: the calls and messages of m8 and its five forced writes, with nothing in between."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench import bare_http
from bench.bare import ASK, ID_BYTES, UPLOAD, Cryptography, Kind, Link, Message, Step, Stream
from monoskope import event_loop

_WRITTEN = 4 * 1_024
"""Bytes that one append writes: one page of a database. m8's take several."""


class Disk:
    """Forces writes to a file: what waits together is forced together, as m8's log does."""

    def __init__(self, path: Path, *, on: bool) -> None:
        self._on = on
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        self._thread = ThreadPoolExecutor(1)
        self._waiting: list[asyncio.Future[None]] = []
        self._work: asyncio.Task[None] | None = None

    async def append(self) -> None:
        """Return when a write is on the disk."""
        if not self._on:
            return
        done = asyncio.get_running_loop().create_future()
        self._waiting.append(done)
        if self._work is None:
            self._work = asyncio.create_task(self._write())
        await done

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            await loop.run_in_executor(self._thread, self._force, len(group))
            for done in group:
                done.set_result(None)
        self._work = None

    def _force(self, appends: int) -> None:
        os.pwrite(self._file, bytes(appends * _WRITTEN), 0)
        os.fdatasync(self._file)


class Middle:
    """Carries what the client asks to the reactor, and back."""

    def __init__(self, disk: Disk, cryptography: Cryptography) -> None:
        self._disk = disk
        self._cryptography = cryptography
        self._reactor: asyncio.Future[Link] = asyncio.get_running_loop().create_future()
        self._waiting: dict[bytes, asyncio.Future[bytes]] = {}

    async def attach(self, stream: Stream) -> None:
        """Serve the reactor."""
        link = Link(stream)
        self._reactor.set_result(link)
        await link.serve(self._take)

    async def ask(self, request: bytes) -> bytes:
        """Answer with a key."""
        return await self._carried(Kind.ASKED, request)

    async def upload(self, request: bytes) -> bytes:
        """Answer with a receipt."""
        return await self._carried(Kind.SEALED, request)

    async def _carried(self, kind: Kind, request: bytes) -> bytes:
        message = Message(kind, request[:ID_BYTES], request[ID_BYTES:])
        await self._disk.append()
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._waiting[message.request_id] = answer
        await self._send(message)
        return await answer

    async def _take(self, message: Message) -> None:
        self._cryptography.verified(message.body)
        await self._disk.append()
        if message.kind is not Kind.STARTED:
            self._waiting.pop(message.request_id).set_result(message.body)
        await self._send(Message(Kind.RECORDED, message.request_id))

    async def _send(self, message: Message) -> None:
        await (await asyncio.shield(self._reactor)).send(message)


async def serve(home: Path, port: int, steps: Iterable[str]) -> None:
    """Serve until killed."""
    on = set(steps)
    middle = Middle(Disk(home / "disk", on=Step.DISK in on), Cryptography(on=Step.CRYPTOGRAPHY in on))
    await bare_http.serve(home, port, {ASK: middle.ask, UPLOAD: middle.upload}, middle.attach)


if __name__ == "__main__":
    event_loop.run(serve(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]))
