"""Calls of m8 over HTTP, each on a connection of its own.

Every JSON that m8 takes or answers must be as openapi.json describes it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from weakref import WeakKeyDictionary

from google.protobuf import json_format
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2  # type: ignore[import-untyped]

from monoskope.api.gateway.v1 import access_pb2, changes_pb2, commands_pb2, log_pb2, queries_pb2
from tests.support import openapi

if TYPE_CHECKING:
    from tests.support.m8_user import User  # which imports this module

Headers = tuple[tuple[str, str], ...]

_GRACE_S = 60.0
"""How long m8 may take to say that the time of a call has run out."""

METHODS: dict[str, MethodDescriptor] = {
    method.input_type.full_name: method
    for file in (commands_pb2, queries_pb2, access_pb2, log_pb2, changes_pb2)
    for service in file.DESCRIPTOR.services_by_name.values()
    for method in service.methods
}
"""Everything that clients call, by the type of its request."""

_OPEN: WeakKeyDictionary[asyncio.AbstractEventLoop, set[Asked]] = WeakKeyDictionary()
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
        _OPEN.setdefault(asyncio.get_running_loop(), set()).add(asked)
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

    async def end(self) -> None:
        """Close the connection at once, and wait until it is closed."""
        _OPEN[asyncio.get_running_loop()].discard(self)
        self.writer.transport.abort()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()


async def hang_up() -> None:
    """Close what a test left open on this loop, and wait until it is."""
    here = asyncio.get_running_loop()
    for sending in list(_SENDING):
        if sending.get_loop() is here:
            sending.cancel()
    for asked in list(_OPEN.get(here, ())):
        await asked.end()


async def ask(
    address: str, method: str, path: str, *headers: tuple[str, str], body: bytes = b"", tls: Any = None
) -> Answered:
    asked = await Asked.send(address, _head(method, path, headers, len(body)), body, tls=tls)
    try:
        return await asked.whole()
    finally:
        await asked.end()


def _head(method: str, path: str, headers: Any, length: int) -> str:
    lines = [f"{method} {path} HTTP/1.1", "Host: m8.test", *(f"{name}: {value}" for name, value in headers)]
    if length or method == "POST":
        lines.append(f"Content-Length: {length}")
    return "".join(f"{line}\r\n" for line in lines)


class CallError(Exception):
    """m8 refused a call, or the connection broke.

    Attributes:
        code: Connect's, for example "not_found"; "unavailable" for a broken connection.
        details: The messages beside it, each with its type's name.
    """

    def __init__(self, code: str, message: str, *details: tuple[str, bytes]) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.details = details

    @classmethod
    def read(cls, said: Any) -> Self:
        """Return the error that m8 said in JSON."""
        details = (
            (one["type"], b64decode(one["value"] + "=" * (-len(one["value"]) % 4), validate=True))
            for one in said.get("details", ())
        )
        return cls(said["code"], said["message"], *details)

    @property
    def json(self) -> dict[str, object]:
        details = [{"type": name, "value": b64encode(value).decode().rstrip("=")} for name, value in self.details]
        return {"code": self.code, "message": self.message, "details": details}

    @property
    def info(self) -> dict[str, str]:
        """What m8 says of its error: our code, the fix, and more."""
        info = error_details_pb2.ErrorInfo.FromString(dict(self.details)["google.rpc.ErrorInfo"])
        assert info.domain == "monoskope"
        return {"code": info.reason, **info.metadata}

    @property
    def status(self) -> Any:
        """The error as a `google.rpc.Status`."""
        status = status_pb2.Status(message=self.message)
        for name, value in self.details:
            status.details.add(type_url=f"type.googleapis.com/{name}", value=value)
        return status

    @property
    def reason(self) -> str:
        return self.info["code"]

    @property
    def retry_after_s(self) -> int:
        """After how long the caller may try again; 0 if m8 does not say."""
        retry = error_details_pb2.RetryInfo.FromString(dict(self.details).get("google.rpc.RetryInfo", b""))
        return int(retry.retry_delay.seconds)


@dataclass(frozen=True)
class Call:
    """A call of one method, in JSON or in protobuf."""

    address: str
    message: Message
    headers: Headers = ()
    timeout_s: float | None = None
    codec: str = "json"
    tls: ssl.SSLContext | None = None

    @property
    def method(self) -> MethodDescriptor:
        return METHODS[self.message.DESCRIPTOR.full_name]

    @property
    def path(self) -> str:
        return f"/{self.method.containing_service.full_name}/{self.method.name}"

    def head(self, body: bytes) -> str:
        stream = "connect+" if self.method.server_streaming else ""
        headers = [("Content-Type", f"application/{stream}{self.codec}"), *self.headers]
        if self.timeout_s is not None:
            headers.append(("Connect-Timeout-Ms", str(int(self.timeout_s * 1000))))
        return _head("POST", self.path, headers, len(body))

    def written(self) -> bytes:
        if self.codec == "proto":
            return self.message.SerializeToString()
        return json_format.MessageToJson(self.message).encode()

    def read(self, body: bytes) -> Any:
        kind = GetMessageClass(self.method.output_type)
        return kind.FromString(body) if self.codec == "proto" else json_format.Parse(body, kind())

    async def answer(self) -> Any:
        body = self.written()
        asked = await Asked.send(self.address, self.head(body), body, tls=self.tls)
        try:
            async with asyncio.timeout(None if self.timeout_s is None else self.timeout_s + _GRACE_S):
                answered = await asked.whole()
        except (asyncio.IncompleteReadError, ConnectionError):
            raise _gone() from None
        finally:
            await asked.end()
        if self.codec == "json":
            openapi.check_call(self.path, answered.status, body, answered.body)
        if answered.status != 200:
            raise CallError.read(answered.json)
        return self.read(answered.body)

    def stream(self) -> Stream:
        """Send it at once; the answers are read one by one."""
        body = self.written()
        body = b"\0" + len(body).to_bytes(4, "big") + body
        return Stream(self, Asked.send(self.address, self.head(body), body, tls=self.tls))


class Stream:
    def __init__(self, call: Call, sending: Coroutine[Any, Any, Asked]) -> None:
        self._call = call
        self._sending = asyncio.create_task(sending)
        _SENDING.add(self._sending)
        self._sending.add_done_callback(_SENDING.discard)
        self._chunks: AsyncIterator[bytes] | None = None
        self._begun = b""

    async def read(self) -> Any:
        """Return the next message, None at the end. Raises `CallError`."""
        try:
            flags, message = await self._next()
            if not flags:
                if self._call.codec == "json":
                    openapi.check_streamed(self._call.method.output_type.name, message)
                return self._call.read(message)
            openapi.check_streamed("EndOfStream", message)
            said = json.loads(message)
            if "error" in said:
                raise CallError.read(said["error"])
        except CallError:
            self.cancel()
            raise
        self.cancel()
        return None

    async def _next(self) -> tuple[int, bytes]:
        if self._chunks is None:
            asked = await self._sending
            answered = await asked.head()
            if answered.status != 200:
                raise CallError.read((await asked.rest(answered)).json)
            self._chunks = asked.chunks()
        try:
            while len(self._begun) < 5 or len(self._begun) < 5 + int.from_bytes(self._begun[1:5], "big"):
                self._begun += await anext(self._chunks)
        except (asyncio.IncompleteReadError, StopAsyncIteration, ValueError):
            raise _gone() from None
        end = 5 + int.from_bytes(self._begun[1:5], "big")
        flags, message, self._begun = self._begun[0], self._begun[5:end], self._begun[end:]
        return flags, message

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (message := await self.read()) is not None:
            yield message

    def cancel(self) -> None:
        # It may have been sent just now, and `_next` not know yet.
        if not self._sending.cancel() and not self._sending.cancelled() and self._sending.exception() is None:
            self._sending.result().close()


def _gone() -> CallError:
    return CallError("unavailable", "the connection broke")


def bearer(user: User) -> tuple[str, str]:
    return user.headers[0]
