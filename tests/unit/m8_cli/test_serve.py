"""`m8 serve` as a process: TLS and nothing else, tokens that count at once and stop counting at once, a clean end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.client.connection import Connection
from monoskope.client.http import methods
from monoskope.exit_codes import ExitCode
from monoskope.host_port import HostPort
from monoskope.m8.init import lay_out
from monoskope.m8.limits.connections import BURST_S
from monoskope.m8.limits.settings import AccessLimits
from monoskope.m8.settings import ServerSettings
from tests.support import warm
from tests.support.http_calls import CallError
from tests.unit.m8_cli.served import ENVIRONMENT, PATIENCE_S, Server, refuse, served


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return lay_out(folder=tmp_path / "m8", listen=HostPort("127.0.0.1", 0))


@pytest.fixture
def server(settings: ServerSettings) -> Iterator[Server]:
    with served(settings) as running:
        yield running


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server for all tests that only dial it."""
    with served(lay_out(folder=tmp_path_factory.mktemp("listening") / "m8", listen=HostPort("127.0.0.1", 0))) as one:
        yield one


def m8(settings: ServerSettings, *arguments: str) -> str:
    done = warm.typed("m8", *arguments, "--dir", settings.folder, environment=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def user_token(settings: ServerSettings) -> str:
    options = ("--role", "user", "--subject", "alice", "--prefix", "local://", "--right", "put")
    return m8(settings, "token", "create", *options).strip()


def test_a_token_made_beside_the_server_counts_until_it_is_revoked_beside_it(server: Server) -> None:
    token = user_token(server.settings)
    assert server.get_server(token).subject == "alice"
    [listed] = json.loads(m8(server.settings, "token", "list", "-o", "json"))
    m8(server.settings, "token", "revoke", listed["id"])
    with pytest.raises(CallError) as caught:
        server.get_server(token)
    assert caught.value.code == "unauthenticated"
    assert "was revoked" in caught.value.message
    with closing(server.https()) as door:
        door.request("GET", "/readyz")
        assert json.load(door.getresponse())["ready"] is True
    assert token not in server.stop()


def test_two_servers_share_one_log(server: Server) -> None:
    with served(server.settings) as second:
        assert second.address != server.address
        rows = json.loads(m8(server.settings, "replicas", "-o", "json"))
        assert {row["address"] for row in rows} == {server.address, second.address}
        assert all(f"localhost:{row['address'].rpartition(':')[2]}" in row["names"] for row in rows)
        token = user_token(server.settings)
        assert second.get_server(token).subject == server.get_server(token).subject == "alice"
        second.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_address_stands_in_its_file_while_it_is_served(settings: ServerSettings, number: signal.Signals) -> None:
    server = Server(settings)
    assert settings.address_file.read_text() == f"{server.address}\n"
    server.stop(number)
    assert not settings.address_file.exists()


def test_a_server_leaves_anothers_address_alone(server: Server) -> None:
    with served(server.settings) as second:
        server.stop()
        assert server.settings.address_file.read_text() == f"{second.address}\n"


def handshake(server: Server, version: ssl.TLSVersion) -> str | None:
    context = ssl.create_default_context(cafile=str(server.settings.folder / "ca.crt"))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")
    context.set_alpn_protocols(["h2"])
    context.minimum_version = context.maximum_version = version
    with server.socket() as plain, context.wrap_socket(plain, server_hostname="localhost") as secured:
        return secured.version()


def test_modern_tls_is_spoken(listening: Server) -> None:
    assert handshake(listening, ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert handshake(listening, ssl.TLSVersion.TLSv1_3) == "TLSv1.3"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_old_tls_is_not(listening: Server) -> None:
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            handshake(listening, version)


def client_hello() -> bytes:
    """What a client says first: whoever copied it once can say it without end."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    said = ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), said).do_handshake()
    return said.read()


def answered(server: Server, hellos: int, address: str) -> int:
    """How many copied ClientHellos of an address the HTTP door answers."""
    host, port = server.address.rsplit(":", 1)
    hello, count = client_hello(), 0
    with contextlib.ExitStack() as opened:
        ones = []
        for _ in range(hellos):
            ones.append(opened.enter_context(socket.create_connection((host, int(port)), PATIENCE_S, (address, 0))))
            with contextlib.suppress(ConnectionError):
                ones[-1].sendall(hello)
        for one in ones:
            with contextlib.suppress(ConnectionError):
                count += bool(one.recv(1))
    return count


def test_copied_client_hellos_cost_their_own_address_and_others_get_in(server: Server) -> None:
    token, limit = user_token(server.settings), AccessLimits().handshakes_per_address
    with closing(server.https()) as door:
        door.request("POST", *said_by(token))
        assert door.getresponse().status == 200
    begun = time.monotonic()
    count = answered(server, 200, "127.0.0.2")
    assert 0 < count <= limit * (BURST_S + time.monotonic() - begun)
    for address in ("127.0.0.3", "127.0.0.1"):
        with closing(server.https(address)) as door:
            door.request("POST", *said_by(token))
            assert door.getresponse().status == 200, "a newcomer, and one whose address is known"
    assert answered(server, 2 * limit * BURST_S, "127.0.0.1") == 2 * limit * BURST_S, (
        "many users are behind it, perhaps"
    )


def test_users_who_come_at_once_from_one_address_are_all_answered(settings: ServerSettings) -> None:
    with (settings.folder / "m8.toml").open("a", encoding="utf-8") as file:
        file.write("[limits]\nhandshakes = 8\nhandshakes_per_address = 8\n")
    token = user_token(settings)
    with served(settings) as running:

        async def user() -> str:
            connection = Connection(running.address, settings.folder / "ca.crt", token, pause_s=0.1)
            try:
                asked = queries_pb2.GetServerRequest()
                return (await connection.call(methods.GET_SERVER, asked, PATIENCE_S)).subject
            finally:
                await connection.close()

        async def come() -> list[str]:
            return await asyncio.gather(*(user() for _ in range(24)))

        assert asyncio.run(come()) == ["alice"] * 24


def said_by(token: str) -> tuple[str, bytes, dict[str, str]]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return "/monoskope.api.gateway.v1.SecretQueryService/GetServer", b"{}", headers


def test_plaintext_is_not_answered(listening: Server) -> None:
    host, port = listening.address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=PATIENCE_S) as plain:
        plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert not plain.recv(1000).startswith(b"HTTP")


def loose_key(settings: ServerSettings) -> None:
    settings.tls_key.chmod(0o644)


def no_token_key(settings: ServerSettings) -> None:
    settings.signing_key.unlink()


def foreign_log(settings: ServerSettings) -> None:
    settings.event_log.write_bytes(b"x" * 5000)
    settings.event_log.chmod(0o600)


@pytest.mark.parametrize(
    ("spoil", "code", "said"),
    [
        (loose_key, ExitCode.REFUSED, "chmod 600"),
        (no_token_key, ExitCode.USAGE, "token-signing.key"),
        (foreign_log, ExitCode.UNAVAILABLE, "log.db"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_keeps_it_from_starting_is_said_without_a_traceback(
    settings: ServerSettings, spoil: Callable[[ServerSettings], None], code: int, said: str
) -> None:
    spoil(settings)
    refuse(settings, code, said)


def test_a_port_that_is_taken_is_said(settings: ServerSettings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        (settings.folder / "m8.toml").write_text(f'listen = "{address}"\n')
        refuse(settings, ExitCode.UNAVAILABLE, address)
