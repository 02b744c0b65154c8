"""The gRPC server: three services, health and reflection around handlers that know nothing of gRPC."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from monoskope.errors import UnavailableError
from monoskope.host_port import HostPort
from monoskope.m8.background.leased import Leased
from monoskope.m8.background.log_watch import LogWatch
from monoskope.m8.background.timekeeper import LEASE, Timekeeper, lease_s
from monoskope.m8.grpc.services import add_services
from monoskope.m8.methods.table import MAX_MESSAGE, SERVICES
from monoskope.m8.service.app import App
from monoskope.protocol.events import upload_stream

MAX_CALLS = 100
"""Calls of one connection at a time. The client holds back further ones."""

MAX_METADATA = 16_384
"""Bytes of metadata at most: a token and little else."""

SILENT_S = 5.0
"""A connection must end its TLS handshake and begin HTTP/2 within so many seconds, or is closed."""

OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_metadata_size", MAX_METADATA),
    ("grpc.absolute_max_metadata_size", MAX_METADATA),
    ("grpc.max_concurrent_streams", MAX_CALLS),
    # A second server that is started on the same port by mistake must fail, not receive every other call.
    ("grpc.so_reuseport", 0),
    ("grpc.server_handshake_timeout_ms", int(SILENT_S * 1000)),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Otherwise gRPC keeps the latest headers, with tokens, as long as the connection lasts.
    ("grpc.http2.hpack_table_size.decoder", 0),
)


@dataclass(frozen=True, slots=True)
class Bound:
    """A server that is bound to its address and not started yet."""

    server: grpc.aio.Server
    port: int
    health: health.aio.HealthServicer

    async def tell(self, *, is_ready: bool) -> None:
        """Let the health service say whether m8 is ready: of each service, and of the whole."""
        status = health_pb2.HealthCheckResponse.SERVING if is_ready else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", *SERVICES):
            await self.health.set(name, status)


def build_server(app: App, credentials: grpc.ServerCredentials | None, *, address: str = "127.0.0.1:0") -> Bound:
    """Return a server bound to `address`; `running` runs it.

    Args:
        app: What it serves.
        credentials: TLS; None for tests on the loopback interface.
        address: `host:port`; port 0 takes a free one.

    Raises:
        UnavailableError: the address cannot be bound.
    """
    ceiling = ("grpc.max_allowed_incoming_connections", app.connections.most)
    server = grpc.aio.server(options=(*OPTIONS, ceiling))
    add_services(server, app)
    alive = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(alive, server)
    reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    return Bound(server, _bind(server, credentials, address), alive)


def require_free(listen: HostPort) -> None:
    """Check that nobody listens at `listen` now, before anything is changed for a server that could not start.

    Raises:
        UnavailableError: somebody does, or the address is not this machine's.
    """
    try:
        found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, kind, protocol, _, address in found:
            with socket.socket(family, kind, protocol) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind(address)
    except OSError:
        raise _taken(str(listen)) from None


def _bind(server: grpc.aio.Server, credentials: grpc.ServerCredentials | None, address: str) -> int:
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError:
        raise _taken(address) from None


def _taken(address: str) -> UnavailableError:
    return UnavailableError(
        f"m8 cannot listen on {address}.", fix="Stop what listens there, or change `listen` in m8.toml."
    )


async def noticed(seconds: float) -> None:
    """Wait until load balancers have noticed that this process is not ready."""
    await asyncio.sleep(seconds)


@contextlib.asynccontextmanager
async def running(app: App, bound: Bound, *others: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Serve as long as the block runs; beside it the feed, the timekeeper, what watches the log, and `others`.

    After the block m8 says that it is not ready, lets another process keep the time, ends the calls that wait for
    events, so that their callers go on elsewhere, sends every connection away, and gives the calls under way `drain_s`
    seconds.

    When one of those fails, for example because the log was tampered with, the block is cancelled and an
    `ExceptionGroup` with the failure is raised.
    """
    await app.feed.begin()
    async for upload in app.documents.open_uploads():
        app.requests.known(upload_stream(upload.request_id), upload)
    async with asyncio.TaskGroup() as group:
        keeper = Leased(app, LEASE, lambda: Timekeeper(app).run(), ttl_s=lease_s(app.limits.tick_s))
        keeping = group.create_task(keeper.run())
        beside = [group.create_task(work) for work in (app.feed.run(), app.connections.run(bound.port), *others)]
        await bound.server.start()
        await bound.tell(is_ready=True)
        beside.append(group.create_task(LogWatch(app, bound.tell).run()))
        try:
            yield
        finally:
            app.state.is_draining = True
            await bound.health.enter_graceful_shutdown()
            keeping.cancel()
            await asyncio.wait({keeping})
            await noticed(app.limits.not_ready_s)
            app.feed.stop()
            await bound.server.stop(app.limits.drain_s)
            for task in beside:
                task.cancel()
