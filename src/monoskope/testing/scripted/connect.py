"""The door of a scripted m8: one function answers every method of every service, as Connect carries it."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from google.protobuf import json_format
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import access_pb2, changes_pb2, commands_pb2, log_pb2, queries_pb2
from monoskope.errors import Error
from monoskope.host_port import HostPort
from monoskope.http.messages import Body, Decision, Head, Response, Send, Streamed
from monoskope.http.server.server import serving
from monoskope.m8.http import refused
from monoskope.m8.http.requests import end_of_stream, enveloped, only_message
from monoskope.m8.http.tls import Certificate

if TYPE_CHECKING:
    from monoskope.testing.scripted.m8 import ScriptedM8

_MOST_BODY = 2_097_152


class ScriptedDoor:
    """Every method of every service (`http.messages.Application`). An m8 without a log has no LogService."""

    def __init__(self, m8: ScriptedM8) -> None:
        self._m8 = m8
        self._methods: dict[str, tuple[str, type[Message], bool]] = {}
        for module in (commands_pb2, queries_pb2, access_pb2, changes_pb2, *([] if m8.log is None else [log_pb2])):
            for service in module.DESCRIPTOR.services_by_name.values():
                for method in service.methods:
                    request = getattr(module, method.input_type.name)
                    path = f"/{service.full_name}/{method.name}"
                    self._methods[path] = (method.name, request, method.server_streaming)

    async def accept(self, head: Head) -> Decision:
        """Read the body of every call, and answer it."""
        found = self._methods.get(head.path)
        if found is None:
            return refused.plain(404, "unimplemented", "nothing is at this path.")
        return _Call(self._m8, *found, is_json=head.header("content-type") == "application/json")


@dataclass(slots=True)
class _Call:
    m8: ScriptedM8
    name: str
    request: type[Message]
    streams: bool
    is_json: bool
    most_body: int = _MOST_BODY

    async def answer(self, body: Body) -> Response | Streamed:
        content = await body()
        message = self._parsed(only_message(content) if self.streams else content)
        self.m8.received.append(message.SerializeToString())
        self.m8.calls.append(self.name)
        if self.streams:
            return Streamed(200, (("Content-Type", "application/connect+proto"),), self._events)
        try:
            return self._unary(message)
        except Error as error:
            return refused.response(error)

    def _parsed(self, content: bytes) -> Message:
        return json_format.Parse(content, self.request()) if self.is_json else self.request.FromString(content)

    def _unary(self, message: Message) -> Response:
        failing = self.m8.failing.get(self.name)
        failure = failing.pop(0) if failing else None
        if isinstance(failure, Error):
            raise failure
        if isinstance(failure, str):
            return refused.plain(refused.HTTP_STATUS[failure], failure, "broken")
        answer = self.m8.handle(self.name, message)
        if self.is_json:
            return Response(200, (refused.JSON,), json_format.MessageToJson(answer).encode())
        answered = answer.SerializeToString() if failure is None else failure
        return Response(200, (("Content-Type", "application/proto"),), answered)

    async def _events(self, send: Send) -> None:
        for event in self.m8.watched():
            await send(enveloped(queries_pb2.WatchEventsResponse(event=event).SerializeToString()))
        await send(end_of_stream(None))


@asynccontextmanager
async def door(m8: ScriptedM8, context: ssl.SSLContext) -> AsyncIterator[str]:
    """Listen on a free port of 127.0.0.1; yields the server's name."""
    async with serving(HostPort("127.0.0.1", 0), ScriptedDoor(m8), tls=context, drain_s=0.1) as port:
        yield f"127.0.0.1:{port}"


def showing(made: Certificate) -> ssl.SSLContext:
    """Return the context of a server that shows a certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(["http/1.1"])
    with TemporaryDirectory() as name:
        certificate, key = Path(name) / "certificate", Path(name) / "key"
        certificate.write_bytes(made.certificate)
        key.write_bytes(made.key)
        context.load_cert_chain(certificate, key)
    return context
