"""The gRPC door: three services, health and reflection around handlers that know nothing of gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from monoskope.host_port import HostPort
from monoskope.m8.grpc.services import add_services
from monoskope.m8.listening import can_share, require_alone, taken
from monoskope.m8.methods.table import MAX_MESSAGE, SERVICES
from monoskope.m8.service.app import App

MAX_CALLS = 100
"""Calls of one connection at a time. The client holds back further ones."""

MAX_METADATA = 16_384
"""Bytes of metadata at most: a token and little else."""

SILENT_S = 5.0
"""A connection must end its TLS handshake and begin HTTP/2 within so many seconds, or is closed."""

SERVERS = 8
"""Servers of one door, at most. gRPC's Python library takes up one call of a server in a turn of the event loop, and a
busy loop takes tens of milliseconds for a turn (docs/adr/0062-servers-of-the-grpc-door.md)."""

OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_metadata_size", MAX_METADATA),
    ("grpc.absolute_max_metadata_size", MAX_METADATA),
    ("grpc.max_concurrent_streams", MAX_CALLS),
    ("grpc.server_handshake_timeout_ms", int(SILENT_S * 1000)),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # Nothing packed, as at the HTTP door: a message of 4 kB could take the time and the memory of 4 MiB.
    ("grpc.compression_enabled_algorithms_bitset", 0b1),
    # Otherwise gRPC keeps the latest headers, with tokens, as long as the connection lasts.
    ("grpc.http2.hpack_table_size.decoder", 0),
)


@dataclass(frozen=True, slots=True)
class Bound:
    """The servers of a door, bound to one address (`doors.Door`)."""

    servers: tuple[grpc.aio.Server, ...]
    port: int
    health: health.aio.HealthServicer

    async def start(self) -> None:
        """Take calls."""
        for server in self.servers:
            await server.start()

    async def tell(self, *, is_ready: bool) -> None:
        """Let the health service say whether m8 is ready: of each service, and of the whole."""
        status = health_pb2.HealthCheckResponse.SERVING if is_ready else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", *SERVICES):
            await self.health.set(name, status)

    async def leaving(self) -> None:
        """Let the health service say that m8 stops, whatever is told of it later."""
        await self.health.enter_graceful_shutdown()

    async def stop(self, drain_s: float) -> None:
        """Send every connection away, and give the calls under way so many seconds."""
        await asyncio.gather(*(server.stop(drain_s) for server in self.servers))


def servers_within(files: int, connections: int) -> int:
    """Return how many servers a door has.

    Args:
        files: How many files the process may open. Several servers together take half of them at most.
        connections: How many connections one server may have: as many as the door. Who fills one with fewer would keep
            others out, and be nowhere near the limit of the door.
    """
    return max(1, min(SERVERS, files // (2 * connections))) if can_share() else 1


def build_server(
    app: App,
    credentials: Callable[[], grpc.ServerCredentials] | None,
    *,
    address: str = "127.0.0.1:0",
    servers: int = 1,
) -> Bound:
    """Return servers bound to `address`; `doors.running` runs them.

    Args:
        app: What they serve.
        credentials: Makes the TLS of one server; None for tests on the loopback interface.
        address: `host:port`; port 0 takes a free one.
        servers: How many share the address.

    Raises:
        UnavailableError: the address cannot be bound, or is another process's, too.
    """
    alive = health.aio.HealthServicer()
    options = (
        *OPTIONS,
        ("grpc.so_reuseport", int(servers > 1)),
        ("grpc.max_allowed_incoming_connections", app.connections.most),
    )
    made: list[grpc.aio.Server] = []
    port = 0
    for _ in range(servers):
        made.append(_server(app, alive, options))
        port = _bind(made[-1], None if credentials is None else credentials(), address)
        address = str(HostPort.parse(address).at(port))
    if servers > 1:
        # A second m8 that is started there by mistake must fail, not receive every other call.
        require_alone(address, port)
    return Bound(tuple(made), port, alive)


def _server(app: App, alive: health.aio.HealthServicer, options: tuple[tuple[str, int], ...]) -> grpc.aio.Server:
    server = grpc.aio.server(options=options)
    add_services(server, app)
    health_pb2_grpc.add_HealthServicer_to_server(alive, server)
    reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    return server


def _bind(server: grpc.aio.Server, credentials: grpc.ServerCredentials | None, address: str) -> int:
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError:
        raise taken(address, "listen") from None
