"""Ties the table of methods to a gRPC server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import Any, TypeAlias, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from monoskope.m8.grpc.calls import Context, arrival, refuse
from monoskope.m8.methods import calls
from monoskope.m8.methods.table import SERVICES, Kind, Method, methods
from monoskope.m8.service.app import App

_Callable: TypeAlias = Callable[..., Any]
"""The function that gRPC calls."""


def add_services(server: grpc.aio.Server, app: App) -> None:
    """Let `server` answer every method of every service."""
    found = methods(app).values()
    for service in SERVICES:
        handlers = {method.name: _handler(app, method) for method in found if method.service == service}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


def _handler(app: App, method: Method) -> grpc.RpcMethodHandler[Any, Any]:
    kinds = {
        Kind.UNARY: (grpc.unary_unary_rpc_method_handler, _unary),
        Kind.STREAMING: (grpc.unary_stream_rpc_method_handler, _streaming),
        Kind.ATTACHING: (grpc.stream_stream_rpc_method_handler, _attaching),
    }
    wrap, adapt = kinds[method.kind]
    return wrap(
        adapt(app, method),
        # Nothing is parsed before its size is checked, and what users send not before their token is.
        request_deserializer=None,
        response_serializer=_serialise,
    )


def _serialise(message: Message) -> bytes:
    return message.SerializeToString()


def _unary(app: App, method: Method) -> _Callable:
    async def call(request: bytes, context: Context) -> Message:
        arrived = arrival(context)

        async def work() -> Message:
            async with calls.admitted(app, method, arrived) as caller:
                return await calls.respond(app, method, calls.request_of(method, request), caller)

        ended = await calls.traced(app, arrived, method.name, work)
        if ended.answer is None:
            await refuse(context, ended.failure)
        return ended.answer

    return call


def _streaming(app: App, method: Method) -> _Callable:
    async def call(request: bytes, context: Context) -> None:
        arrived = arrival(context)

        async def work() -> None:
            caller = await calls.caller_of(app, method, arrived)
            async with contextlib.aclosing(
                calls.stream(method, calls.request_of(method, request), caller)
            ) as responses:
                async for response in responses:
                    await context.write(response)

        ended = await calls.answered(app, arrived, method.name, work)
        if ended.error is not None:
            await refuse(context, ended.error)

    return call


def _attaching(app: App, method: Method) -> _Callable:
    """Reactors carry no token: their login proves who they are."""

    async def call(requests: AsyncIterator[bytes], context: Context) -> None:
        one_at_a_time = asyncio.Lock()
        arrived = arrival(context)

        async def send(response: Message) -> None:
            async with one_at_a_time:
                await context.write(response)

        async def work() -> None:
            # Closed here, not by the garbage collector, which may come after the event loop has ended.
            async with (
                contextlib.aclosing(cast("AsyncGenerator[bytes]", aiter(requests))) as incoming,
                contextlib.aclosing(calls.parsed(incoming)) as messages,
            ):
                await method.handler(messages, send, arrived.peer)

        ended = await calls.answered(app, arrived, method.name, work)
        if ended.error is not None:
            await refuse(context, ended.error)

    return call
