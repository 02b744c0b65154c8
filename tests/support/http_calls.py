"""Calls of m8 over HTTP that look like gRPC's to a test, so that one suite asks at both doors.

Every JSON that m8 takes or answers on the way must be as openapi.json describes it.

What m8 says of an error is turned back into the error that gRPC's library raises: a test asserts the same of both.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from base64 import b64decode
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import grpc
import grpc.aio
from google.protobuf import json_format
from google.protobuf.any_pb2 import Any as Packed
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import status_pb2  # type: ignore[import-untyped]

from tests.support import openapi

if TYPE_CHECKING:
    from tests.support.m8_world import User  # which imports this module

_GRACE_S = 60.0
"""How long m8 may take to say that the time of a call has run out."""


_OPEN: set[Asked] = set()
_SENDING: set[asyncio.Task[Asked]] = set()


@dataclass
class Answered:
    """An answer of HTTP. Names of headers are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes = field(default=b"", repr=False)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Asked:
    """A request that was sent: its head is answered at once, and its body piece by piece."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    @classmethod
    async def send(cls, address: str, head: str, body: bytes = b"", *, tls: Any = None) -> Self:
        host, port = address.rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port), ssl=tls)
        writer.write(head.encode("latin-1") + b"\r\n" + body)
        asked = cls(reader, writer)
        _OPEN.add(asked)
        return asked

    async def head(self) -> Answered:
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        fields = (line.partition(":") for line in lines[1:] if line)
        return Answered(int(lines[0].split()[1]), {name.lower(): value.strip() for name, _, value in fields})

    async def whole(self) -> Answered:
        return await self.rest(await self.head())

    async def rest(self, answered: Answered) -> Answered:
        answered.body = await self._reader.readexactly(int(answered.headers.get("content-length", "0")))
        return answered

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the pieces of a chunked body."""
        while (size := int((await self._reader.readline()).strip(), 16)) > 0:
            yield await self._reader.readexactly(size)
            await self._reader.readline()

    def close(self) -> None:
        self.writer.close()


async def hang_up() -> None:
    """Close what a test left open, and wait until it is."""
    for sending in list(_SENDING):
        sending.cancel()
    for asked in list(_OPEN):
        asked.close()
        with contextlib.suppress(OSError):
            await asked.writer.wait_closed()
    _OPEN.clear()


async def ask(
    address: str, method: str, path: str, *headers: tuple[str, str], body: bytes = b"", tls: Any = None
) -> Answered:
    """Send one request, and return its answer."""
    asked = await Asked.send(address, _head(method, path, headers, len(body)), body, tls=tls)
    try:
        return await asked.whole()
    finally:
        asked.close()


def _head(method: str, path: str, headers: Any, length: int) -> str:
    lines = [f"{method} {path} HTTP/1.1", "Host: m8.test", *(f"{name}: {value}" for name, value in headers)]
    if length or method == "POST":
        lines.append(f"Content-Length: {length}")
    return "".join(f"{line}\r\n" for line in lines)


class HttpStub:
    """Looks like gRPC's stub of a service."""

    def __init__(self, address: str, service: ServiceDescriptor, codec: str = "json") -> None:
        for method in service.methods:
            kind = HttpStream if method.server_streaming else HttpUnary
            setattr(self, method.name, kind(address, method, codec))

    def __getattr__(self, name: str) -> Callable[..., Any]:
        raise AttributeError(name)


@dataclass(frozen=True)
class _Method:
    """A method at an address, whose messages are in JSON or in protobuf."""

    address: str
    method: MethodDescriptor
    codec: str

    @property
    def path(self) -> str:
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    def head(self, body: bytes, metadata: Any, timeout: float | None) -> str:
        stream = "connect+" if self.method.server_streaming else ""
        headers = [("Content-Type", f"application/{stream}{self.codec}"), *metadata]
        if timeout is not None:
            headers.append(("Connect-Timeout-Ms", str(int(timeout * 1000))))
        return _head("POST", self.path, headers, len(body))

    def written(self, message: Message) -> bytes:
        if self.codec == "proto":
            return message.SerializeToString()
        return json_format.MessageToJson(message).encode()

    def read(self, body: bytes) -> Message:
        kind = GetMessageClass(self.method.output_type)
        return kind.FromString(body) if self.codec == "proto" else json_format.Parse(body, kind())


class HttpUnary(_Method):
    """A unary method, which is called as gRPC's."""

    async def __call__(self, message: Message, *, metadata: Any = (), timeout: float | None = None) -> Any:
        body = self.written(message)
        asked = await Asked.send(self.address, self.head(body, metadata, timeout), body)
        try:
            async with asyncio.timeout(None if timeout is None else timeout + _GRACE_S):
                answered = await asked.whole()
        except asyncio.IncompleteReadError:
            raise _gone() from None
        finally:
            asked.close()
        if self.codec == "json":
            openapi.check_call(self.path, answered.status, body, answered.body)
        if answered.status != 200:
            raise rpc_error(answered.json)
        return self.read(answered.body)


class HttpStream(_Method):
    """A streaming method, which is called as gRPC's."""

    def __call__(self, message: Message, *, metadata: Any = (), timeout: float | None = None) -> HttpCall:
        body = self.written(message)
        body = b"\0" + len(body).to_bytes(4, "big") + body
        return HttpCall(self, Asked.send(self.address, self.head(body, metadata, timeout), body))


class HttpCall:
    """Looks like gRPC's call of a streaming method."""

    def __init__(self, method: _Method, sending: Coroutine[Any, Any, Asked]) -> None:
        self._method = method
        self._sending = asyncio.create_task(sending)
        _SENDING.add(self._sending)
        self._sending.add_done_callback(_SENDING.discard)
        self._asked: Asked | None = None
        self._chunks: AsyncIterator[bytes] | None = None
        self._begun = b""

    async def read(self) -> Any:
        """Return the next message, or `grpc.aio.EOF`. Raises `AioRpcError`."""
        try:
            flags, message = await self._next()
            if not flags:
                if self._method.codec == "json":
                    openapi.check_streamed(self._method.method.output_type.name, message)
                return self._method.read(message)
            openapi.check_streamed("EndOfStream", message)
            said = json.loads(message)
            if "error" in said:
                raise rpc_error(said["error"])
        except grpc.aio.AioRpcError:
            self.cancel()
            raise
        self.cancel()
        return grpc.aio.EOF

    async def _next(self) -> tuple[int, bytes]:
        if self._chunks is None:
            self._asked = await self._sending
            answered = await self._asked.head()
            if answered.status != 200:
                raise rpc_error((await self._asked.rest(answered)).json)
            self._chunks = self._asked.chunks()
        try:
            while len(self._begun) < 5 or len(self._begun) < 5 + int.from_bytes(self._begun[1:5], "big"):
                self._begun += await anext(self._chunks)
        except (asyncio.IncompleteReadError, StopAsyncIteration, ValueError):
            raise _gone() from None
        end = 5 + int.from_bytes(self._begun[1:5], "big")
        flags, message, self._begun = self._begun[0], self._begun[5:end], self._begun[end:]
        return flags, message

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (message := await self.read()) is not grpc.aio.EOF:
            yield message

    def cancel(self) -> None:
        """Hang up."""
        self._sending.cancel()
        if self._asked is not None:
            self._asked.close()


def rpc_error(said: Any) -> grpc.aio.AioRpcError:
    """Return what gRPC would raise for an error of Connect."""
    name = {"canceled": "CANCELLED"}.get(said["code"], said["code"].upper())
    code = grpc.StatusCode[name]
    details = [
        Packed(
            type_url=f"type.googleapis.com/{one['type']}",
            value=b64decode(one["value"] + "=" * (-len(one["value"]) % 4), validate=True),
        )
        for one in said.get("details", ())
    ]
    status = status_pb2.Status(code=code.value[0], message=said["message"], details=details)
    trailing = grpc.aio.Metadata(("grpc-status-details-bin", status.SerializeToString()))
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, said["message"])


def _gone() -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, grpc.aio.Metadata(), grpc.aio.Metadata(), "hung up")


def bearer(user: User) -> tuple[str, str]:
    """The header with the user's token."""
    return user.metadata[0]
