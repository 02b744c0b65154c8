"""Several servers of one m8 share the address of its gRPC door, and no other m8 does."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import socket
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from monoskope.api.gateway.v1 import queries_pb2, queries_pb2_grpc
from monoskope.errors import UnavailableError
from monoskope.exit_codes import ExitCode
from monoskope.host_port import HostPort
from monoskope.m8.grpc.server import SERVERS, Bound, build_server, servers_within
from monoskope.m8.http import tls
from monoskope.m8.http.presented import PresentedCertificate
from monoskope.m8.init import Plan, lay_out
from monoskope.m8.methods.table import SERVICES
from monoskope.m8.settings import ServerSettings
from tests.support.m8_world import PATIENCE_S, World, an_m8
from tests.unit.m8_cli.served import Server, refuse, served

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a door has one server")

TRIES = 16 * SERVERS
"""Connections of which each server gets one: the chance that one gets none is 1 in 3 million."""

LISTENS = """
import socket, sys
host = sys.argv[1]
with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listening:
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    listening.bind((host, 0))
    listening.listen()
    print(listening.getsockname()[1], flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def another(host: str) -> Iterator[int]:
    """Another process of this user, which shares its port with all who ask; yields that port."""
    command = [sys.executable, "-I", "-S", "-c", LISTENS, host]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield int(process.stdout.readline())  # it ends when its input does, with the block


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with an_m8(tmp_path) as world:
        yield world


def laid_out(folder: Path, listen: HostPort) -> ServerSettings:
    """An m8 whose few connections allow it all servers, however few files it may open."""
    settings = lay_out(Plan(folder=folder, listen=listen, names=["localhost"], http_listen=None))
    with (folder / "m8.toml").open("a") as file:
        file.write("\n[limits]\nconnections = 16\n")
    return settings


def needs(host: str) -> None:
    """Skip where this machine has no such address."""
    with contextlib.closing(socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)) as trial:
        try:
            trial.bind((host, 0))
        except OSError:
            pytest.skip(f"there is no {host} here")


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return laid_out(tmp_path / "m8", HostPort("127.0.0.1", 0))


@contextlib.asynccontextmanager
async def bound(world: World, presented: PresentedCertificate | None = None) -> AsyncIterator[Bound]:
    """A door with all of its servers, which take calls."""
    door = build_server(world.app, None if presented is None else presented.credentials, servers=SERVERS)
    await door.start()
    await door.tell(is_ready=True)
    yield door
    await door.stop(0.0)


async def answers(port: int) -> None:
    """See that a new connection reaches m8: its health, its reflection, and a method of its own."""
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        answer = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest())
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
        asked = reflection_pb2.ServerReflectionRequest(list_services="")
        told = await reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([asked])).read()
        assert set(SERVICES) < {service.name for service in told.list_services_response.service}
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await queries_pb2_grpc.SecretQueryServiceStub(channel).GetServer(queries_pb2.GetServerRequest())
        assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


def shown(port: int) -> bytes:
    """The certificate that a new connection is shown."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    with socket.create_connection(("127.0.0.1", port)) as plain, context.wrap_socket(plain) as connection:
        return connection.getpeercert(True) or b""


@pytest.mark.parametrize(
    ("files", "connections", "expected"),
    [(65_536, 2_000, 8), (1_048_576, 16, 8), (1_024, 384, 1), (1_024, 16, 8), (20_000, 2_000, 5), (65_536, 20_000, 1)],
)
def test_all_servers_together_take_no_more_than_half_of_the_files(files: int, connections: int, expected: int) -> None:
    assert servers_within(files, connections) == expected


async def test_every_server_takes_calls_until_the_door_stops(world: World) -> None:
    async with bound(world) as door:
        assert len(door.servers) == SERVERS
        for _ in range(TRIES):
            await answers(door.port)
    async with asyncio.timeout(PATIENCE_S):  # gRPC's own threads close what listens
        while takes_connections(door.port):
            await asyncio.sleep(0.01)


def takes_connections(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionError:
        return False
    return True


async def test_every_server_presents_a_renewed_certificate(world: World, settings: ServerSettings) -> None:
    async with bound(world, PresentedCertificate(settings)) as door:
        before = shown(door.port)
        made = tls.make([], now=dt.datetime.now(dt.UTC))
        settings.tls_key.write_bytes(made.key)
        settings.tls_certificate.write_bytes(made.certificate)
        after = {shown(door.port) for _ in range(TRIES)}
    assert len(after) == 1
    assert before not in after


async def test_a_server_is_not_full_before_the_door_is(world: World) -> None:
    """Else who finds out which server takes a connection could fill one, and stay far below all limits."""
    world.app.connections.most = SERVERS
    async with bound(world) as door:
        with contextlib.ExitStack() as held:
            opened = [
                held.enter_context(socket.create_connection(("127.0.0.1", door.port), PATIENCE_S))
                for _ in range(SERVERS)
            ]
            # A server with room greets first (SETTINGS, RFC 9113), one without closes.
            assert all(one.recv(1) for one in opened)


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0", "::"])
def test_what_another_process_would_share_is_refused(world: World, host: str) -> None:
    needs(host)
    with another(host) as port, pytest.raises(UnavailableError, match=f"cannot listen on 127.0.0.1:{port}"):
        build_server(world.app, None, address=f"127.0.0.1:{port}", servers=SERVERS)


@pytest.mark.parametrize("host", ["127.0.0.2", "::1"])
async def test_the_same_port_of_another_address_is_free(world: World, host: str) -> None:
    needs(host)
    with contextlib.ExitStack() as others:
        port = others.enter_context(another(host))
        while not is_free(port):  # somebody else has it here
            port = others.enter_context(another(host))
        door = build_server(world.app, None, address=f"127.0.0.1:{port}", servers=SERVERS)
        await door.start()
        await door.stop(0.0)


def is_free(port: int) -> bool:
    """Whether nobody has the port at 127.0.0.1."""
    with socket.socket() as trial:
        try:
            trial.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


@pytest.mark.parametrize(("first", "second"), [("127.0.0.1", "0.0.0.0"), ("::1", "localhost"), ("::", "127.0.0.1")])
def test_a_second_m8_at_the_address_of_a_first_does_not_start(tmp_path: Path, first: str, second: str) -> None:
    needs(first)
    with served(laid_out(tmp_path / "first", HostPort(first, 0))) as running:
        listen = HostPort(second, HostPort.parse(running.address).port)
        refuse(laid_out(tmp_path / "second", listen), ExitCode.UNAVAILABLE, f"cannot listen on {listen}")


def test_where_nobody_sees_who_shares_an_address_a_door_has_one_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monoskope.m8.listening._TABLES", (Path("/proc/self/net/none"),))
    assert servers_within(65_536, 16) == 1


def test_servers_that_are_not_seen_themselves_are_refused(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monoskope.m8.listening._own_sockets", lambda: iter(()))
    with pytest.raises(UnavailableError, match="cannot listen"):
        build_server(world.app, None, servers=2)


def test_a_door_of_m8_has_all_of_its_servers(settings: ServerSettings) -> None:
    with served(settings) as running:
        assert listeners(running) == SERVERS


def listeners(server: Server) -> int:
    """How many sockets listen at the server's port (proc(5))."""
    address = f"0100007F:{HostPort.parse(server.address).port:04X} "  # in IPv6, it stands behind a prefix
    tables = [Path("/proc/self/net", name).read_text().splitlines() for name in ("tcp", "tcp6")]
    return sum(address in line and " 0A " in line for lines in tables for line in lines)
