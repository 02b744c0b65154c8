"""How a hostile m8 asks the real one: bytes as they came, over connections that are kept."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

from monoskope.host_port import HostPort
from monoskope.http.client.websocket_client import ClientSocket, connect
from monoskope.http.messages import Response
from monoskope.m8.http.requests import enveloped
from monoskope.m8.methods import MAX_MESSAGE
from tests.support.hostile_rules import ATTACH

Headers = tuple[tuple[str, str], ...]
_KEPT = ("content-type", "retry-after", "www-authenticate")


class NotAnsweredError(Exception):
    """A call gets another answer than a message."""

    def __init__(self, response: Response) -> None:
        super().__init__(f"{response.status} {response.body.decode(errors='replace')}")
        self.response = response


class _Connection:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, path: str, headers: Headers, kind: str, body: bytes) -> None:
        lines = [
            f"POST {path} HTTP/1.1",
            "Host: m8",
            f"Content-Type: {kind}",
            f"Content-Length: {len(body)}",
            *(f"{name}: {value}" for name, value in headers),
        ]
        self.writer.write("\r\n".join((*lines, "", "")).encode() + body)

    async def head(self) -> tuple[int, dict[str, str]]:
        first, *lines = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines if line)
        return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in fields}

    async def body(self, headers: dict[str, str]) -> bytes:
        return await self.reader.readexactly(int(headers.get("content-length", "0")))

    async def chunks(self) -> AsyncIterator[bytes]:
        while (size := int((await self.reader.readline()).strip(), 16)) > 0:
            yield await self.reader.readexactly(size)
            await self.reader.readline()


class Upstream:
    """The real m8.

    Args:
        ca_file: Its authority; None where it speaks no TLS.
    """

    def __init__(self, at: str, ca_file: Path | None) -> None:
        self._at = HostPort.parse(at)
        self._tls = None if ca_file is None else ssl.create_default_context(cafile=ca_file)
        self._idle: list[_Connection] = []

    async def call(self, path: str, headers: Headers, body: bytes) -> bytes:
        while self._idle:
            # One that m8 closed while it was idle has answered nothing, and got nothing that counts.
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                return await self._asked(self._idle.pop(), path, headers, body)
        return await self._asked(await self._dial(), path, headers, body)

    async def _asked(self, connection: _Connection, path: str, headers: Headers, body: bytes) -> bytes:
        try:
            connection.send(path, headers, "application/proto", body)
            status, fields = await connection.head()
            content = await connection.body(fields)
        except BaseException:
            connection.writer.transport.abort()
            raise
        if fields.get("connection", "") != "close":
            self._idle.append(connection)
        if status != 200:
            kept = tuple((name, value) for name, value in fields.items() if name in _KEPT)
            raise NotAnsweredError(Response(status, kept, content))
        return content

    async def stream(self, path: str, headers: Headers, message: bytes) -> AsyncIterator[bytes]:
        """Yield the messages of a stream until m8 ends it."""
        connection = await self._dial()
        try:
            connection.send(path, headers, "application/connect+proto", enveloped(message))
            await connection.head()
            begun = b""
            async for chunk in connection.chunks():
                begun += chunk
                while len(begun) >= 5 and len(begun) >= (end := 5 + int.from_bytes(begun[1:5])):
                    flags, content, begun = begun[0], begun[5:end], begun[end:]
                    if flags:
                        return
                    yield content
        finally:
            connection.writer.transport.abort()

    async def attach(self) -> ClientSocket:
        return await connect(self._at, ATTACH, self._tls, most_message=8 * MAX_MESSAGE)

    async def _dial(self) -> _Connection:
        return _Connection(*await asyncio.open_connection(self._at.host, self._at.port, ssl=self._tls))

    def close(self) -> None:
        for connection in self._idle:
            connection.writer.transport.abort()
