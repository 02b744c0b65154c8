"""The gRPC door: three services, health and reflection around handlers that know nothing of gRPC."""

from __future__ import annotations

from dataclasses import dataclass

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from monoskope.m8.grpc.services import add_services
from monoskope.m8.listening import taken
from monoskope.m8.methods.table import MAX_MESSAGE, SERVICES
from monoskope.m8.service.app import App

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
    # Nothing packed, as at the HTTP door: a message of 4 kB could take the time and the memory of 4 MiB.
    ("grpc.compression_enabled_algorithms_bitset", 0b1),
    # Otherwise gRPC keeps the latest headers, with tokens, as long as the connection lasts.
    ("grpc.http2.hpack_table_size.decoder", 0),
)


@dataclass(frozen=True, slots=True)
class Bound:
    """A server that is bound to its address (`doors.Door`)."""

    server: grpc.aio.Server
    port: int
    health: health.aio.HealthServicer

    async def start(self) -> None:
        """Take calls."""
        await self.server.start()

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
        await self.server.stop(drain_s)


def build_server(app: App, credentials: grpc.ServerCredentials | None, *, address: str = "127.0.0.1:0") -> Bound:
    """Return a server bound to `address`; `doors.running` runs it.

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


def _bind(server: grpc.aio.Server, credentials: grpc.ServerCredentials | None, address: str) -> int:
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError:
        raise taken(address, "listen") from None
