"""A store of `m8 dev`: its reactor's folder, made with the reactor's own program, and its place in m8's catalogue."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import commands_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UnavailableError
from monoskope.host_port import HostPort
from monoskope.http.client.destination import Server
from monoskope.http.client.failures import ExchangeError
from monoskope.http.client.pool import Pool
from monoskope.m8.credentials.tokens import Tokens
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.readmodels.stores import STORES
from monoskope.start import reactor_command

START_S = 30.0
"""How long m8 may take to listen."""

CALL_S = 20.0
"""How long m8 may take to answer a command."""

_LOOK_S = 0.1
_MOST_ANSWER = 65_536
_COMMANDS = commands_pb2.DESCRIPTOR.services_by_name["SecretCommandService"].full_name

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


async def enrol(store: DevStore, identity: str, *, server: HostPort, ca: bytes, log: EventLog, tokens: Tokens) -> None:
    """Create and activate `store` as an administrator would, unless that is done.

    The administrator's credential exists for these calls alone.

    Raises:
        UnavailableError: m8 refused or did not answer.
    """
    found = await known(log, store.name)
    if found is not None and found.active:
        return
    issued = await tokens.issue(subject="dev-setup", role=events_pb2.ROLE_ADMINISTRATOR, ttl_s=600)
    try:
        async with _connections(server, ca) as pool:
            if found is None:
                create = commands_pb2.CreateSecretStoreRequest(name=store.name, type=store.type, identity=identity)
                await _command(pool, "CreateSecretStore", create, issued.jwt)
            activate = commands_pb2.ActivateSecretStoreRequest(name=store.name)
            await _command(pool, "ActivateSecretStore", activate, issued.jwt)
    except ExchangeError as error:
        raise UnavailableError(f"m8 did not add the store {store.name!r}: {error}", fix="Read m8's log.") from None
    finally:
        await tokens.revoke(issued.id)


@contextlib.asynccontextmanager
async def _connections(server: HostPort, ca: bytes) -> AsyncIterator[Pool]:
    tls = ssl.create_default_context(cadata=ca.decode("ascii"))
    pool = Pool(Server(server.host, server.port, tls), most_connections=1)
    try:
        yield pool
    finally:
        await pool.close()


async def _command(pool: Pool, name: str, request: Message, token: str) -> None:
    answer = await pool.request(
        "POST",
        f"/{_COMMANDS}/{name}",
        (("content-type", "application/proto"), ("authorization", f"Bearer {token}")),
        request.SerializeToString(),
        timeout_s=CALL_S,
        most_body=_MOST_ANSWER,
    )
    if answer.status != 200:
        said = answer.body.decode(errors="replace")
        raise UnavailableError(f"m8 did not carry out {name}: {said}", fix="Read m8's log.")


async def listening(server: HostPort, ca: bytes) -> None:
    """Wait until m8 answers. Raises `UnavailableError` after 30 s."""
    try:
        async with asyncio.timeout(START_S), _connections(server, ca) as pool:
            while not await _is_ready(pool):  # noqa: ASYNC110 - another process is looked at
                await asyncio.sleep(_LOOK_S)
    except TimeoutError:
        raise UnavailableError("m8 did not start.", fix="Read the end of its log.") from None


async def _is_ready(pool: Pool) -> bool:
    try:
        answer = await pool.request("GET", "/readyz", timeout_s=CALL_S, most_body=_MOST_ANSWER)
    except ExchangeError:
        return False
    return answer.status == 200


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
