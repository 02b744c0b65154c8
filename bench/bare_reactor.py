"""The reactor of a bare put: its messages, its two requests to the engine, and no rule about any of them."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import ssl
import sys
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TypedDict

import aiohttp
import grpc
import grpc.aio
from cryptography.hazmat.primitives.hpke import MLKEM768X25519PrivateKey

from bench.bare import ATTACH, RECEIPT, SERVICE, STARTED, Cryptography, Kind, Message, Step
from bench.counts import IN_FLIGHT
from monoskope import event_loop


class Engine(TypedDict):
    """Where to write, and as whom."""

    ca_file: str
    token: str
    mount: str
    """`https://host:port/v1/MOUNT`"""
    prefix: str
    values: dict[str, str]


class Reactor:
    """Answers what the middle carries to it."""

    def __init__(
        self,
        stream: grpc.aio.StreamStreamCall[bytes, bytes],
        http: aiohttp.ClientSession | None,
        engine: Engine,
        cryptography: Cryptography,
    ) -> None:
        self._stream = stream
        self._http = http
        self._engine = engine
        self._cryptography = cryptography
        self._sending = asyncio.Lock()
        self._keys: dict[bytes, MLKEM768X25519PrivateKey | None] = {}
        self._recorded: dict[bytes, asyncio.Future[None]] = {}
        self._paths = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Serve until the stream ends."""
        while isinstance(content := await self._stream.read(), bytes):
            message = Message.parse(content)
            if message.kind is Kind.RECORDED:
                if (waiting := self._recorded.pop(message.request_id, None)) is not None:
                    waiting.set_result(None)
                continue
            work = self._grant(message) if message.kind is Kind.ASKED else self._write(message)
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _grant(self, message: Message) -> None:
        self._keys[message.request_id], grant = self._cryptography.new_key()
        await self._send(Kind.GRANTED, message.request_id, grant)

    async def _write(self, message: Message) -> None:
        self._cryptography.open(message.body, self._keys.pop(message.request_id))
        path = f"{self._engine['prefix']}/bare-{os.getpid()}-{next(self._paths)}"
        if self._http is not None:
            async with self._http.get(f"{self._engine['mount']}/metadata/{path}") as answer:
                await answer.read()
        self._recorded[message.request_id] = recorded = asyncio.get_running_loop().create_future()
        await self._send(Kind.STARTED, message.request_id, STARTED)
        await recorded
        if self._http is not None:
            body = json.dumps({"data": self._engine["values"], "options": {"cas": 0}})
            async with self._http.post(f"{self._engine['mount']}/data/{path}", data=body) as answer:
                answer.raise_for_status()
                await answer.read()
        await self._send(Kind.ENDED, message.request_id, RECEIPT)

    async def _send(self, kind: Kind, request_id: bytes, content: bytes) -> None:
        message = Message(kind, request_id, self._cryptography.sign(content))
        async with self._sending:
            await self._stream.write(message.serialise())


async def attach(credentials: grpc.ChannelCredentials, port: str, engine: Engine, steps: Iterable[str]) -> None:
    """Attach, and serve until killed."""
    on = set(steps)
    async with AsyncExitStack() as stack:
        http = None
        if Step.ENGINE in on:
            tls = ssl.create_default_context(cafile=engine["ca_file"])
            connector = aiohttp.TCPConnector(limit=IN_FLIGHT, ssl=tls)
            headers = {"X-Vault-Token": engine["token"]}
            http = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, headers=headers))
        channel = await stack.enter_async_context(grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials))
        stream: grpc.aio.StreamStreamCall[bytes, bytes] = channel.stream_stream(f"/{SERVICE}/{ATTACH}")()
        await Reactor(stream, http, engine, Cryptography(on=Step.CRYPTOGRAPHY in on)).run()


if __name__ == "__main__":
    home = Path(sys.argv[1])
    where = json.loads((home / "engine.json").read_text(encoding="utf-8"))
    roots = grpc.ssl_channel_credentials((home / "ca.crt").read_bytes())
    event_loop.run(attach(roots, sys.argv[2], where, sys.argv[3:]))
