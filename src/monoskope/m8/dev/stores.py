"""A store of `m8 dev`: its reactor's folder, made with the reactor's own program, and its place in m8's catalogue."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from pathlib import Path

import grpc

from monoskope.api.gateway.v1 import commands_pb2, commands_pb2_grpc, views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UnavailableError
from monoskope.m8.credentials.tokens import Tokens
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.programs import reactor_command
from monoskope.m8.readmodels.stores import STORES

START_S = 30.0
"""How long m8 may take to listen."""

CALL_S = 20.0
"""How long m8 may take to answer a command."""

ATTACH_S = 60.0
"""How long a reactor may take to attach."""


@dataclass(frozen=True, slots=True)
class DevStore:
    """A store and the folder of its reactor."""

    name: str
    type: str
    folder: Path


async def prepare(store: DevStore, *, server: str, ca_file: Path) -> str:
    """Make the reactor's folder if it is not complete, and return the store's identity as it is shown."""
    folder = str(store.folder)
    if not (store.folder / "reactor.toml").exists():
        options = ("--store", store.name, "--type", store.type, "--server", server, "--ca-file", str(ca_file))
        await _reactor("init", folder, *options, "--prefix", "", "--allow-swap")
    if not (store.folder / "fingerprint.key").exists():
        await _reactor("fingerprint-key", "new", folder)
    return (await _reactor("identity", folder)).splitlines()[-1].strip()


async def _reactor(*arguments: str) -> str:
    """Run the reactor's program to its end and return what it printed."""
    process = await asyncio.create_subprocess_exec(
        *reactor_command(*arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        output, complaint = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode != 0:
        said = complaint.decode(errors="replace").strip()
        raise UnavailableError(
            f"m8 reactor {arguments[0]} failed: {said}", fix="Correct that, then start m8 dev again."
        )
    return output.decode()


async def known(log: EventLog, name: str) -> views_pb2.SecretStore | None:
    """What m8 knows of the store `name`, None if nothing."""
    body = await log.get(STORES, name)
    return None if body is None else views_pb2.SecretStore.FromString(body)


async def enrol(store: DevStore, identity: str, *, server: str, ca: bytes, log: EventLog, tokens: Tokens) -> None:
    """Create and activate `store` as an administrator would, over gRPC, unless that is done.

    The administrator's credential exists for these calls alone.

    Raises:
        UnavailableError: m8 refused or did not answer.
    """
    found = await known(log, store.name)
    if found is not None and found.active:
        return
    issued = await tokens.issue(subject="dev-setup", role=events_pb2.ROLE_ADMINISTRATOR, ttl_s=600)
    metadata = (("authorization", f"Bearer {issued.jwt}"),)
    try:
        async with grpc.aio.secure_channel(server, grpc.ssl_channel_credentials(ca)) as channel:
            commands = commands_pb2_grpc.SecretCommandServiceStub(channel)
            if found is None:
                create = commands_pb2.CreateSecretStoreRequest(name=store.name, type=store.type, identity=identity)
                await commands.CreateSecretStore(create, metadata=metadata, timeout=CALL_S, wait_for_ready=True)
            activate = commands_pb2.ActivateSecretStoreRequest(name=store.name)
            await commands.ActivateSecretStore(activate, metadata=metadata, timeout=CALL_S, wait_for_ready=True)
    except grpc.aio.AioRpcError as error:
        raise UnavailableError(
            f"m8 did not add the store {store.name!r}: {error.details()}", fix="Read m8's log."
        ) from None
    finally:
        await tokens.revoke(issued.id)


async def listening(server: str, ca: bytes) -> None:
    """Wait until m8 answers. Raises `UnavailableError` after 30 s."""
    options = (("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 500))
    try:
        async with grpc.aio.secure_channel(server, grpc.ssl_channel_credentials(ca), options) as channel:
            await asyncio.wait_for(channel.channel_ready(), START_S)
    except TimeoutError:
        raise UnavailableError("m8 did not start.", fix="Read the end of its log.") from None


async def attached(log: EventLog, name: str, *, besides: set[bytes]) -> None:
    """Wait until a reactor process that is not in `besides` serves the store. Raises `UnavailableError` after 60 s."""
    seen = await log.head()
    try:
        async with asyncio.timeout(ATTACH_S), contextlib.aclosing(log.subscribe(after=seen)) as events:
            while not await _has_new(log, name, besides):
                await anext(events)
    except (TimeoutError, StopAsyncIteration):
        raise UnavailableError(f"no reactor for the store {name!r} appeared.", fix="Read its log.") from None


async def _has_new(log: EventLog, name: str, besides: set[bytes]) -> bool:
    store = await known(log, name)
    return store is not None and any(one.attached and one.replica not in besides for one in store.reactors)
