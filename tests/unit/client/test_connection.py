"""A connection to m8: how it is dialled, directly or by a proxy, and what is told when it fails."""

from __future__ import annotations

import ast
import asyncio
import datetime as dt
import re
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from google.protobuf.message import Message

from monoskope import client
from monoskope.api.gateway.v1 import queries_pb2
from monoskope.client import Client
from monoskope.client.connection import CALLS_AT_ONCE, Connection
from monoskope.client.http import methods, retry
from monoskope.client.http.connect import ERRORS
from monoskope.client.http.retry import pause_after
from monoskope.client.http.transport import find_roots, proxy_for
from monoskope.client.queries import Queries, request_id_bytes
from monoskope.client.runtime import blocking
from monoskope.client.settings import ClientSettings
from monoskope.errors import (
    Code,
    Error,
    IdentityChangedError,
    NotFoundError,
    NotReachedError,
    RateLimitedError,
    TimedOutError,
    UsageError,
)
from monoskope.m8.http import tls
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.faults.tcp_proxy import OPENED, proxy

ASYNCIO, BLOCKING = "asyncio", "blocking"


@pytest.fixture(params=[ASYNCIO, BLOCKING])
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[ScriptedM8]:
    async with ScriptedM8().serving(tmp_path) as scripted:
        yield scripted


async def ask(server: str, ca_file: Path, way: str = ASYNCIO, *, pause_s: float = 0.2) -> None:
    async def once() -> None:
        runtime = blocking.BlockingRuntime() if way == BLOCKING else None
        connection = Connection(server, ca_file, "a.b.c", pause_s=pause_s, runtime=runtime, retry_for_s=0)
        try:
            await Queries(connection).store("vault")
        finally:
            await connection.close()

    await (asyncio.to_thread(blocking.run, once()) if way == BLOCKING else once())


async def test_an_address_where_nobody_listens_is_said_not_to_be_reached(way: str, tmp_path: Path) -> None:
    ca_file = tmp_path / "ca.crt"
    ca_file.write_bytes(tls.make([], now=dt.datetime.now(dt.UTC)).ca)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        server = f"127.0.0.1:{taken.getsockname()[1]}"

        with pytest.raises(NotReachedError) as caught:
            await ask(server, ca_file, way)

    assert server in caught.value.message
    assert "`server`" in caught.value.fix


async def test_a_proxy_that_leads_nowhere_is_named(m8: ScriptedM8, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(NotReachedError, match="through the proxy that https_proxy names") as caught:
            await ask(m8.server, m8.ca_file, way)
    assert "no_proxy" in caught.value.fix


async def test_a_proxy_sees_nothing_of_a_call(m8: ScriptedM8, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with proxy(m8.server, tunnel=OPENED) as between:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{between.port}")
        await ask(m8.server, m8.ca_file, way)
        await between.ends()
    assert m8.count("GetSecretStore") == 1
    assert between.asked.startswith(f"CONNECT {m8.server} HTTP/1.1".encode())
    assert b"a.b.c" not in between.asked


async def test_a_certificate_of_another_authority_is_refused(m8: ScriptedM8, way: str, tmp_path: Path) -> None:
    other = tmp_path / "other.crt"
    other.write_bytes(tls.make([], now=dt.datetime.now(dt.UTC)).ca)

    with pytest.raises(IdentityChangedError) as caught:
        await ask(m8.server, other, way)

    assert str(other) in caught.value.message
    assert "`ca_file`" in caught.value.fix
    assert m8.calls == []


async def test_a_certificate_for_another_name_is_refused(m8: ScriptedM8, way: str) -> None:
    server = m8.server.replace("127.0.0.1", "[::ffff:127.0.0.1]")

    with pytest.raises(IdentityChangedError, match="does not carry that name"):
        await ask(server, m8.ca_file, way)
    assert m8.calls == []


@pytest.mark.parametrize("content", [None, "no certificate"])
async def test_a_ca_file_that_is_none_is_named(way: str, tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_text(content)

    with pytest.raises(UsageError, match="CA file"):
        await ask("127.0.0.1:1", path, way)


@pytest.mark.parametrize("code", list(Code))
async def test_each_code_comes_back_as_its_class(m8: ScriptedM8, way: str, code: Code) -> None:
    error = Error("what happened.", fix="what to do.", code=code)
    if code is Code.RATE_LIMITED:
        error = RateLimitedError("what happened.", fix="what to do.", retry_after_s=3_600)
    m8.failing["GetSecretStore"] = [error] * 9

    with pytest.raises(Error) as caught:
        # After such a pause, in which what is not available may come back, the time of the call would be over.
        await ask(m8.server, m8.ca_file, way, pause_s=60.0)

    assert type(caught.value) is ERRORS[code]
    assert caught.value.code is code
    assert (caught.value.message, caught.value.fix) == ("m8 says: what happened.", "m8 suggests: what to do.")
    assert caught.value.by_m8


async def test_foreign_text_cannot_steer_a_terminal(m8: ScriptedM8, way: str) -> None:
    m8.failing["GetSecretStore"] = [NotFoundError("\x1b[2J\x07gone\n" + "x" * 1_000, fix="\x1b]0;title\x07")]

    with pytest.raises(NotFoundError) as caught:
        await ask(m8.server, m8.ca_file, way)

    assert caught.value.message.isprintable()
    assert caught.value.fix.isprintable()
    assert caught.value.message.startswith("m8 says: \\u001b[2J\\u0007gone\\u000ax")
    assert caught.value.fix == "m8 suggests: \\u001b]0;title\\u0007"
    assert len(caught.value.message) < 600


@pytest.mark.parametrize("text", ["", "ab", "zz" * 16, "00 " * 16, "00" * 17])
def test_a_request_id_is_32_hex_digits(text: str) -> None:
    with pytest.raises(UsageError):
        request_id_bytes(text)


async def test_a_client_that_is_not_open_says_so(tmp_path: Path) -> None:
    client = Client(ClientSettings(server="m8:1", ca_file=tmp_path, token="t", known_stores=tmp_path))

    with pytest.raises(UsageError, match="not open") as caught:
        await client.put_secret("vault://a", {"k": b""})
    assert "async with" in caught.value.fix


async def test_a_ca_can_be_given_as_text(m8: ScriptedM8) -> None:
    m8.more = lambda method, message: queries_pb2.GetServerResponse(version="1")  # type: ignore[method-assign]
    settings = ClientSettings(server=m8.server, token="a.b.c", ca=m8.ca_file.read_text())

    async with Client(settings) as client:
        assert (await client.queries.server()).version == "1"


async def test_without_a_ca_file_the_systems_authorities_count(
    m8: ScriptedM8, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    m8.more = lambda method, message: queries_pb2.GetServerResponse(version="1")  # type: ignore[method-assign]
    settings = ClientSettings(server=m8.server, token="a.b.c")

    monkeypatch.setenv("SSL_CERT_FILE", str(m8.ca_file))
    async with Client(settings) as client:
        assert (await client.queries.server()).version == "1"

    other = tmp_path / "other.crt"
    other.write_bytes(tls.make([], now=dt.datetime.now(dt.UTC)).ca)
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    with pytest.raises(IdentityChangedError, match="system's list") as caught:
        async with Client(settings) as client:
            await client.queries.server()
    assert "`ca_file`" in caught.value.fix

    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    with pytest.raises(UsageError, match="cannot be read"):
        async with Client(settings):
            pass


def test_a_system_without_a_list_of_authorities_is_told_how_to_name_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "is_file", lambda _: False)

    with pytest.raises(UsageError, match="no list of certificate authorities") as caught:
        find_roots(None, "", {})
    assert "`ca_file`" in caught.value.fix


async def test_what_m8_has_no_place_for_is_asked_again_when_m8_says(m8: ScriptedM8) -> None:
    m8.failing["GetSecretStore"] = [RateLimitedError("too much.", retry_after_s=0.01)] * 3

    await ask(m8.server, m8.ca_file)

    assert m8.count("GetSecretStore") == 4


async def test_without_a_word_when_to_return_there_is_a_pause(m8: ScriptedM8, monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    def noted(told_s: float, times: int, pause_s: float) -> float:
        pauses.append(pause_after(told_s, times, pause_s) or 0.0)
        return 0.0

    monkeypatch.setattr(retry, "pause_after", noted)
    m8.failing["GetSecretStore"] = [RateLimitedError("too much.")] * 4

    await ask(m8.server, m8.ca_file)

    assert all(1.0 * 2**number <= pause <= 1.25 * 2**number for number, pause in enumerate(pauses))
    assert len(pauses) == 4


async def test_a_limit_of_the_day_is_told_and_not_waited_for(m8: ScriptedM8, way: str) -> None:
    m8.failing["GetSecretStore"] = [RateLimitedError("enough for today.", fix="Wait.", retry_after_s=7_200)]

    with pytest.raises(RateLimitedError, match="enough for today") as caught:
        await ask(m8.server, m8.ca_file, way)

    assert (caught.value.retry_after_s, caught.value.code, caught.value.by_m8) == (7_200, Code.RATE_LIMITED, True)
    assert m8.count("GetSecretStore") == 1


class Slow:
    """In the place of a transport: answers once `enough` is set, and counts how many calls are open."""

    def __init__(self, enough_at: int = 0) -> None:
        self._enough_at = enough_at
        self._open = 0
        self._enough = asyncio.Event()
        self.most = 0

    async def call(self, *_what: object, **_more: object) -> Message:
        self._open += 1
        self.most = max(self.most, self._open)
        if self._open == self._enough_at:
            self._enough.set()
        await self._enough.wait()
        self._open -= 1
        return queries_pb2.GetSecretStoreResponse()

    async def close(self) -> None:
        pass


def slowed(m8: ScriptedM8, transport: Slow) -> Connection:
    connection = Connection(m8.server, m8.ca_file, "a.b.c")
    connection._servers.transports[m8.server] = cast("Any", transport)
    return connection


async def test_a_connection_has_only_so_many_calls_open(m8: ScriptedM8) -> None:
    transport = Slow(CALLS_AT_ONCE)
    connection = slowed(m8, transport)
    ask = connection.call
    request = queries_pb2.GetSecretStoreRequest()
    await asyncio.gather(*(ask(methods.GET_SECRET_STORE, request, 30) for _ in range(CALLS_AT_ONCE * 3)))
    await connection.close()
    assert transport.most == CALLS_AT_ONCE


async def test_a_call_that_gets_no_place_ends_in_time(m8: ScriptedM8) -> None:
    connection = slowed(m8, Slow())
    ask = connection.call
    request = queries_pb2.GetSecretStoreRequest()
    waiting = [asyncio.create_task(ask(methods.GET_SECRET_STORE, request, 30)) for _ in range(CALLS_AT_ONCE)]
    await asyncio.sleep(0)
    with pytest.raises(TimedOutError):
        await ask(methods.GET_SECRET_STORE, request, 0.01)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    await connection.close()


HOST = "m8.example.org"
PROXY = "http://proxy.example.org:3128"


@pytest.mark.parametrize("variable", ["https_proxy", "HTTPS_PROXY"])
@pytest.mark.parametrize("text", [PROXY, f"{PROXY}/", "proxy.example.org:3128"])
def test_the_environment_names_a_proxy(variable: str, text: str) -> None:
    found = proxy_for(HOST, {variable: text, "http_proxy": "http://other:1"})
    assert found is not None
    assert (found[0], found[1].host, found[1].port, found[1].authorization) == (variable, "proxy.example.org", 3128, "")


def test_without_the_variable_or_with_an_empty_one_there_is_none() -> None:
    assert proxy_for(HOST, {}) is None
    assert proxy_for(HOST, {"https_proxy": "", "http_proxy": PROXY, "all_proxy": PROXY}) is None


@pytest.mark.parametrize(
    ("exempt", "is_exempt"),
    [
        *((one, True) for one in ("*", HOST, "other, .example.org", "example.org", "ORG", f"a,{HOST.upper()},b")),
        *((one, False) for one in ("", ",", "ample.org", "m8.example.org.uk", "8.example.org")),
    ],
)
def test_an_exempt_host_alone_is_dialled_directly(exempt: str, is_exempt: bool) -> None:
    assert (proxy_for(HOST, {"https_proxy": PROXY, "no_proxy": exempt}) is None) is is_exempt


def test_a_proxy_may_ask_who_comes() -> None:
    found = proxy_for(HOST, {"https_proxy": "http://me:p%40ss@proxy.example.org:3128"})
    assert found is not None
    assert found[1].authorization == "Basic bWU6cEBzcw=="
    assert "bWU6" not in repr(found)


@pytest.mark.parametrize(
    "text",
    ["https://proxy:3128", "socks5://proxy:1080", "http://", "http://me:hunter2@:1", "http://a b:1", "http://p:0"],
)
def test_what_is_no_proxy_is_refused_and_not_shown(text: str) -> None:
    with pytest.raises(UsageError, match="https_proxy names no proxy that can be used") as caught:
        proxy_for(HOST, {"https_proxy": text})
    assert "hunter2" not in str(caught.value)


_COMMAND = re.compile(r"`monoctl [^`]*`")
_ONE_SIDED = re.compile(r"(?<!-)--[a-z{]|`[a-z_]+=|Expect\.|`[a-z_]+\(\)`")


def _texts() -> Iterator[str]:
    """Every text of the client that is no docstring, with `{}` for what is filled in."""
    for path in Path(client.__file__).parent.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        notes = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            match node:
                case ast.JoinedStr(values=values):
                    yield "".join(str(part.value) if isinstance(part, ast.Constant) else "{}" for part in values)
                case ast.Constant(value=str(text)) if id(node) not in notes:
                    yield text


def test_sentences_name_neither_flags_nor_python() -> None:
    assert [text for text in _texts() if _ONE_SIDED.search(_COMMAND.sub("", text))] == []
