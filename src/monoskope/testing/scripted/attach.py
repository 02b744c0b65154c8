"""The gRPC side of a scripted m8: every method of every service, by one function."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import grpc
import grpc.aio
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import access_pb2, commands_pb2, log_pb2, queries_pb2, views_pb2
from monoskope.errors import Error
from monoskope.m8.grpc.calls import status_of
from monoskope.m8.grpc.tls import Certificate
from monoskope.testing.scripted.log import ScriptedLog


class Scripted(Protocol):
    """What answers."""

    received: list[bytes]
    calls: list[str]
    failing: dict[str, list[Error | grpc.StatusCode | bytes]]
    log: ScriptedLog | None

    def handle(self, method: str, message: Message) -> Message:
        """Answer one call, or raise what to answer with."""

    def watched(self) -> Iterator[views_pb2.EventSummary]:
        """Yield what WatchEvents streams."""


def log_service(m8: Scripted) -> Sequence[tuple[Any, Any]]:
    """Return the service of the log with its messages, if `m8` has a log. It is none of those whose calls it notes."""
    return [] if m8.log is None else [(log_pb2, log_pb2.DESCRIPTOR.services_by_name["LogService"])]


class ScriptedServices(grpc.GenericRpcHandler):
    """Every method of every service, by one function."""

    def __init__(self, m8: Scripted) -> None:
        self._m8 = m8
        self._methods: dict[str, Any] = {}
        for module, service in (
            (commands_pb2, commands_pb2.DESCRIPTOR.services_by_name["SecretCommandService"]),
            (queries_pb2, queries_pb2.DESCRIPTOR.services_by_name["SecretQueryService"]),
            (access_pb2, access_pb2.DESCRIPTOR.services_by_name["AccessService"]),
            *log_service(m8),
        ):
            for method in service.methods:
                request = getattr(module, method.input_type.name)
                make = self._stream if method.server_streaming else self._unary
                self._methods[f"/{service.full_name}/{method.name}"] = make(method.name, request)

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:  # noqa: ANN401 - grpc's own
        """Return the method's handler, None for a method that no service has."""
        return self._methods.get(handler_call_details.method)

    def _unary(self, name: str, request: type[Message]) -> Any:  # noqa: ANN401 - grpc's own
        async def answer(message: Message, context: Any) -> Message | bytes:  # noqa: ANN401 - grpc's own
            self._m8.received.append(message.SerializeToString())
            self._m8.calls.append(name)
            try:
                failing = self._m8.failing.get(name)
                failure = failing.pop(0) if failing else None
                if isinstance(failure, bytes):
                    self._m8.handle(name, message)
                    return failure
                if failure is not None:
                    await _fail(context, failure)
                return self._m8.handle(name, message)
            except Error as error:
                await _fail(context, error)
                raise

        return grpc.unary_unary_rpc_method_handler(
            answer,
            request_deserializer=request.FromString,
            response_serializer=lambda message: message if isinstance(message, bytes) else message.SerializeToString(),
        )

    def _stream(self, name: str, request: type[Message]) -> Any:  # noqa: ANN401 - grpc's own
        async def answer(message: Message, _context: object) -> AsyncIterator[Message]:
            self._m8.received.append(message.SerializeToString())
            self._m8.calls.append(name)
            for event in self._m8.watched():
                yield queries_pb2.WatchEventsResponse(event=event)

        return grpc.unary_stream_rpc_method_handler(
            answer,
            request_deserializer=request.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )


async def _fail(context: Any, failure: Error | grpc.StatusCode) -> None:  # noqa: ANN401 - grpc's own
    """Abort as m8 does: a status, and google.rpc.ErrorInfo beside it. A bare status looks like a broken connection."""
    if isinstance(failure, grpc.StatusCode):
        await context.abort(failure, "broken")
        return
    await context.abort_with_status(status_of(failure))


@asynccontextmanager
async def grpc_door(m8: Scripted, made: Certificate, options: Sequence[tuple[str, Any]]) -> AsyncIterator[str]:
    """Listen on a free port of 127.0.0.1; yields the server's name. `options` are gRPC's."""
    server = grpc.aio.server(options=options)
    server.add_generic_rpc_handlers([ScriptedServices(m8)])
    port = server.add_secure_port("127.0.0.1:0", grpc.ssl_server_credentials([(made.key, made.certificate)]))
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
