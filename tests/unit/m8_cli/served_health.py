"""What the health service of a running `m8 serve` says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.unit.m8_cli.served import Server

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@contextmanager
def health(server: Server) -> Iterator[health_pb2_grpc.HealthStub]:
    """What the health service says."""
    ca = (server.settings.folder / "ca.crt").read_bytes()
    with grpc.secure_channel(server.address, grpc.ssl_channel_credentials(ca)) as channel:
        yield health_pb2_grpc.HealthStub(channel)


def statuses(stub: health_pb2_grpc.HealthStub) -> Iterator[int]:
    """Of the whole server, one after the other."""
    return (answer.status for answer in stub.Watch(health_pb2.HealthCheckRequest(), timeout=300))
