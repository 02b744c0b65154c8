"""Ties the methods of the services in `proto/` to their handlers; one without a handler is an error at the start."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeAlias

import grpc
import grpc.aio
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from monoskope.api.gateway.v1 import commands_pb2, queries_pb2, reactor_pb2
from monoskope.errors import UsageError
from monoskope.failpoints import failpoint
from monoskope.m8.grpc.calls import Context, answered, caller_of, traced
from monoskope.m8.queries.events import Events
from monoskope.m8.queries.queries import Queries
from monoskope.m8.service.app import App, Caller
from monoskope.m8.service.commands import Commands
from monoskope.m8.service.notes import NotesCommands
from monoskope.m8.service.reactors import Reactors
from monoskope.m8.service.validate import validate

_COMMANDS = commands_pb2.DESCRIPTOR.services_by_name["SecretCommandService"]
_QUERIES = queries_pb2.DESCRIPTOR.services_by_name["SecretQueryService"]
_REACTORS = reactor_pb2.DESCRIPTOR.services_by_name["ReactorService"]

MAX_LOGIN = 65_536
"""Bytes of a reactor's first message at most: the most capabilities and the most rotations take half of that."""

MAX_MESSAGE = 1_258_291
"""Bytes in a message at most (1.2 MiB): the largest sealed secret and what belongs to it."""

_WAITING = frozenset({"RequestSecretUploadKey", "GetSecretUploadKey", "GetSecretUpload"})
_SENDING = frozenset({"RequestUploadSecret"})
_LISTING = frozenset({"ListSecrets", "ListSecretVersions", "ListSecretStores", "GetSecretStore", "ListEvents"})
_ONE_AT_A_TIME = _LISTING | {"UpdateSecretNotes"}

_Callable: TypeAlias = Callable[..., Any]
"""A handler, or the function that gRPC calls. Static types cannot express that its types follow from the method's."""

SERVICES: tuple[str, ...] = (_COMMANDS.full_name, _QUERIES.full_name, _REACTORS.full_name)
"""Full names of the services."""


def add_services(server: grpc.aio.Server, app: App) -> None:
    """Let `server` answer every method of every service."""
    handlers = _handlers(app)
    for service in (_COMMANDS, _QUERIES, _REACTORS):
        methods = {method.name: _method(app, method, handlers[method.name]) for method in service.methods}
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service.full_name, methods),))


def _handlers(app: App) -> dict[str, _Callable]:
    commands, queries, events, reactors = Commands(app), Queries(app), Events(app), Reactors(app)
    return {
        "RequestSecretUploadKey": commands.request_secret_upload_key,
        "RequestUploadSecret": commands.request_upload_secret,
        "UpdateSecretNotes": NotesCommands(app).update_secret_notes,
        "CreateSecretStore": commands.create_secret_store,
        "ActivateSecretStore": commands.activate_secret_store,
        "DeactivateSecretStore": commands.deactivate_secret_store,
        "SetDefaultSecretStore": commands.set_default_secret_store,
        "ReplaceSecretStoreIdentity": commands.replace_secret_store_identity,
        "StartFingerprintKeyRotation": commands.start_fingerprint_key_rotation,
        "FinishFingerprintKeyRotation": commands.finish_fingerprint_key_rotation,
        "GetSecretUploadKey": queries.get_secret_upload_key,
        "GetSecretUpload": queries.get_secret_upload,
        "GetSecret": queries.get_secret,
        "ListSecrets": queries.list_secrets,
        "ListSecretVersions": queries.list_secret_versions,
        "GetSecretStore": queries.get_secret_store,
        "ListSecretStores": queries.list_secret_stores,
        "GetServer": queries.get_server,
        "ListEvents": events.list_events,
        "WatchEvents": events.watch_events,
        "Attach": reactors.attach,
    }


def _method(app: App, method: MethodDescriptor, handler: _Callable) -> grpc.RpcMethodHandler[Any, Any]:
    kinds = {
        (False, False): (grpc.unary_unary_rpc_method_handler, _unary),
        (False, True): (grpc.unary_stream_rpc_method_handler, _streaming),
        (True, True): (grpc.stream_stream_rpc_method_handler, _attaching),
    }
    wrap, adapt = kinds[(method.client_streaming, method.server_streaming)]
    request_class: type[Message] = GetMessageClass(method.input_type)
    return wrap(
        adapt(app, method.name, handler),
        # The size of a reactor's first message is checked before it is parsed.
        request_deserializer=None if adapt is _attaching else request_class.FromString,
        response_serializer=_serialise,
    )


def _serialise(message: Message) -> bytes:
    return message.SerializeToString()


def _unary(app: App, name: str, handler: _Callable) -> _Callable:
    async def call(request: Message, context: Context) -> Message:
        async def work() -> Message:
            caller = await caller_of(app, context)
            validate(request)
            async with _place(app, name, caller):
                response: Message = await handler(request, caller)
            failpoint("m8.before-answer", name)
            return response

        return await traced(app, context, name, work)

    return call


@contextlib.asynccontextmanager
async def _place(app: App, name: str, caller: Caller) -> AsyncIterator[None]:
    """Hold the places that a call of that name needs, so that one user's many calls do not delay others.

    Raises:
        RateLimitedError: the caller has too many such calls.
    """
    if name in _SENDING:
        with app.sending.held(caller.principal):
            yield
    elif name in _WAITING:
        with app.waiting.held(caller.principal):
            yield
    elif name in _ONE_AT_A_TIME:
        # Each subject has one listing at a time: it can read thousands of documents. An edit of notes waits for no
        # reactor, so many of them would fill the log as fast as it takes them.
        with app.waiting.held(caller.principal):
            async with app.listing.held(caller.principal.subject):
                yield
    else:
        yield


def _streaming(app: App, name: str, handler: _Callable) -> _Callable:
    async def call(request: Message, context: Context) -> None:
        async def work() -> None:
            caller = await caller_of(app, context)
            validate(request)
            async with contextlib.aclosing(handler(request, caller)) as responses:
                async for response in responses:
                    await context.write(response)

        await answered(app, context, name, work)

    return call


def _attaching(app: App, name: str, handler: _Callable) -> _Callable:
    """Reactors carry no token: their login proves who they are."""

    async def call(requests: AsyncIterator[bytes], context: Context) -> None:
        one_at_a_time = asyncio.Lock()

        async def send(response: Message) -> None:
            async with one_at_a_time:
                await context.write(response)

        async def work() -> None:
            await handler(_parsed(aiter(requests)), send, context.peer())

        await answered(app, context, name, work)

    return call


async def _parsed(incoming: AsyncIterator[bytes]) -> AsyncIterator[reactor_pb2.AttachRequest]:
    """Yield a reactor's messages. Raises `UsageError` if the first one is too large, or one does not parse."""
    largest = MAX_LOGIN
    async for message in incoming:
        if len(message) > largest:
            raise UsageError(f"a login has at most {MAX_LOGIN:,} bytes.", fix="Announce less.")
        largest = MAX_MESSAGE
        try:
            yield reactor_pb2.AttachRequest.FromString(message)
        except DecodeError:
            raise UsageError("a message is not an AttachRequest.", fix="Update the reactor or m8.") from None
