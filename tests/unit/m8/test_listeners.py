"""Several servers of one m8 share the address of its gRPC door, and nobody else does."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from monoskope.errors import UnavailableError
from monoskope.exit_codes import ExitCode
from monoskope.host_port import HostPort
from monoskope.m8.grpc import tls
from monoskope.m8.grpc.presented import PresentedCertificate
from monoskope.m8.grpc.server import LISTENERS, Bound, build_server, listeners
from monoskope.m8.init import Plan, lay_out
from monoskope.m8.listening import claim
from monoskope.m8.settings import ServerSettings
from tests.support.m8_world import World, an_m8
from tests.unit.m8_cli.served import served
from tests.unit.m8_cli.test_serve import refuse

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a door has one server")

TRIES = 16 * LISTENERS
"""Connections of which each server gets one: the chance that one gets none is 1 in 3 million."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with an_m8(tmp_path) as world:
        yield world


def laid_out(folder: Path, listen: HostPort) -> ServerSettings:
    return lay_out(Plan(folder=folder, listen=listen, names=["localhost"], http_listen=None))


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return laid_out(tmp_path / "m8", HostPort("127.0.0.1", 0))


@contextlib.asynccontextmanager
async def bound(world: World, presented: PresentedCertificate | None = None) -> AsyncIterator[Bound]:
    """A door with all of its servers, which take calls."""
    door = build_server(world.app, None if presented is None else presented.credentials, servers=LISTENERS)
    await door.start()
    await door.tell(is_ready=True)
    yield door
    await door.stop(0.0)


async def answers(port: int) -> bool:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


def shown(port: int) -> bytes:
    """The certificate that a new connection is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as connection:
        return connection.getpeercert(True) or b""


@pytest.mark.parametrize(("connections", "expected"), [(1, 1), (250, 1), (500, 2), (2_000, 8), (7_000, 8)])
def test_a_door_has_a_server_for_so_many_places(connections: int, expected: int) -> None:
    assert listeners(connections) == expected


async def test_every_server_takes_calls_until_the_door_stops(world: World) -> None:
    async with bound(world) as door:
        assert len(door.servers) == LISTENERS
        for _ in range(TRIES):
            assert await answers(door.port)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", door.port))


async def test_every_server_presents_a_renewed_certificate(world: World, settings: ServerSettings) -> None:
    async with bound(world, PresentedCertificate(settings)) as door:
        before = shown(door.port)
        made = tls.make([], now=dt.datetime.now(dt.UTC))
        settings.tls_key.write_bytes(made.key)
        settings.tls_certificate.write_bytes(made.certificate)
        after = {shown(door.port) for _ in range(TRIES)}
    assert len(after) == 1
    assert before not in after


def test_a_second_m8_at_the_address_of_one_with_several_servers_does_not_start(
    settings: ServerSettings, tmp_path: Path
) -> None:
    with served(settings) as running:
        address = HostPort.parse(running.address)
        for number, host in enumerate((address.host, "0.0.0.0", "localhost")):
            other = laid_out(tmp_path / str(number), HostPort(host, address.port))
            refuse(other, ExitCode.UNAVAILABLE, f"cannot listen on {host}:{address.port}")


def test_two_that_start_at_once_do_not_get_one_address() -> None:
    with socket.create_server(("127.0.0.1", 0)) as lent:
        listen = HostPort("127.0.0.1", lent.getsockname()[1])
    refused = pytest.raises(UnavailableError, match=f"cannot listen on {listen}")
    with claim(listen, "listen"), refused, claim(listen, "listen"):  # and neither listens yet
        pytest.fail("both have it")
    with claim(listen, "listen"):  # the first one has gone
        pass


async def test_all_servers_together_have_the_places_of_the_door(world: World) -> None:
    world.app.connections.most = 2 * LISTENERS
    async with bound(world) as door:
        with contextlib.ExitStack() as held:
            opened = [held.enter_context(socket.create_connection(("127.0.0.1", door.port), 20)) for _ in range(TRIES)]
            # A server with room greets first (SETTINGS, RFC 9113), one without closes.
            greeted = sum(one.recv(1) != b"" for one in opened)
    assert LISTENERS < greeted <= 2 * LISTENERS
