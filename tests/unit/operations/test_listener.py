"""The listener of operations: few paths, GET alone, and bounds against whoever asks too much."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from monoskope import operations as listener
from monoskope.errors import UnavailableError, UsageError
from monoskope.host_port import HostPort
from monoskope.http.server.limits import MOST_HEAD, Limits
from monoskope.operations import Answer, alive, announced_in, listening, parse, readiness


async def _alive() -> Answer:
    return alive()


async def _broken() -> Answer:
    raise RuntimeError("hunter2")


async def _never() -> Answer:
    await asyncio.Event().wait()
    return alive()


HOST = b" HTTP/1.1\r\nHost: localhost\r\n\r\n"
HANDLERS = {"/healthz": _alive, "/broken": _broken, "/never": _never}


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    async with listening(HostPort("127.0.0.1", 0), HANDLERS) as address:
        yield int(address.rpartition(":")[2])


async def said(port: int, request: bytes, *, ends: bool = False) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    if ends:
        writer.write_eof()
    try:
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:7444\r\n\r\n", b"200 OK"),
        (b"GET /healthz HTTP/1.1\r\nhost:[::1]:7444\r\n\r\n", b"200 OK"),
        (b"GET /healthz" + HOST, b"200 OK"),
        (b"GET /healthz HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"421 Misdirected Request"),
        (b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1.evil.example:7444\r\n\r\n", b"421 Misdirected Request"),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHOST:\tevil.example\r\n\r\n", b"400 Bad Request"),
        (b"GET /healthz HTTP/1.1\r\n\r\n", b"400 Bad Request"),
        (b"GET /healthz?verbose=1 HTTP/1.0\r\n\r\n", b"200 OK"),
        (b"GET /" + HOST, b"404 Not Found"),
        (b"GET /healthz/../broken" + HOST, b"404 Not Found"),
        (b"GET //healthz" + HOST, b"404 Not Found"),
        (b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", b"405 Method Not Allowed"),
        (b"HEAD /healthz" + HOST, b"405 Method Not Allowed"),
        (b"GET http://elsewhere/healthz" + HOST, b"400 Bad Request"),
        (b"GET /healthz\r\n\r\n", b"400 Bad Request"),
        (b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"400 Bad Request"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", b"400 Bad Request"),
        (b"GET /" + b"a" * 300 + HOST, b"404 Not Found"),
        (b"GET /healthz HTTP/1.1\r\nX: " + b"a" * MOST_HEAD * 4, b"431 Request Header Fields Too Large"),
    ],
)
async def test_only_a_get_of_a_known_path_is_answered(port: int, request_: bytes, status: bytes) -> None:
    answer = await said(port, request_)
    assert answer.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert b"Connection: close" in answer


async def test_a_defect_is_told_without_its_text(port: int, capsys: pytest.CaptureFixture[str]) -> None:
    answer = await said(port, b"GET /broken" + HOST)
    assert answer.startswith(b"HTTP/1.1 500 ")
    assert b"hunter2" not in answer
    assert "hunter2" not in capsys.readouterr().err


async def test_a_connection_that_ends_gets_no_answer_and_one_that_stalls_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "LIMITS", Limits(idle_s=0, head_s=60, sweep_s=0.01))
    async with listening(HostPort("127.0.0.1", 0), HANDLERS) as address:
        assert await said(int(address.rpartition(":")[2]), b"GET /healthz HT", ends=True) == b""
    monkeypatch.setattr(listener, "LIMITS", Limits(idle_s=0, head_s=0.01, sweep_s=0.01))
    async with listening(HostPort("127.0.0.1", 0), HANDLERS) as address, asyncio.timeout(60):
        while not (answer := await said(int(address.rpartition(":")[2]), b"GET /healthz HT")):
            pass  # it may take us too long to begin
        assert answer.startswith(b"HTTP/1.1 408 ")


async def test_an_answer_that_takes_too_long_is_a_503(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "ANSWER_S", 0.01)
    assert (await said(port, b"GET /never" + HOST)).startswith(b"HTTP/1.1 503 ")


async def test_connections_above_the_limit_are_closed_and_the_others_served(port: int) -> None:
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(listener.LIMITS.most)]
    assert await said(port, b"GET /healthz" + HOST) == b""
    for reader, writer in held:
        writer.write(b"GET /healthz" + HOST)
        assert (await reader.read()).startswith(b"HTTP/1.1 200 ")
        writer.close()
    assert (await said(port, b"GET /healthz" + HOST)).startswith(b"HTTP/1.1 200 ")


async def test_whoever_asks_without_end_is_answered_at_a_pace(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listener, "EVERY_S", 0.05)
    began = asyncio.get_running_loop().time()
    asked = (b"GET /healthz" + HOST, b"GET /" + HOST, b"HEAD /healthz" + HOST)
    answers = await asyncio.gather(*(said(port, one) for one in asked * 2))
    assert all(answer.startswith(b"HTTP/1.1 ") for answer in answers)
    assert asyncio.get_running_loop().time() - began > 5 * 0.05


async def test_an_address_that_is_taken_is_named(port: int) -> None:
    with pytest.raises(UnavailableError, match=f"127.0.0.1:{port}") as raised:
        async with listening(HostPort("127.0.0.1", port), HANDLERS):
            pass
    assert "operations_listen" in raised.value.fix


async def test_a_unix_socket_is_its_owners_alone_and_is_removed(tmp_path: Path) -> None:
    at = parse("unix:o.sock", folder=tmp_path)
    async with listening(at, HANDLERS) as address:
        assert address == f"unix:{tmp_path}/o.sock"
        assert stat.S_IMODE((tmp_path / "o.sock").stat().st_mode) == 0o600
        reader, writer = await asyncio.open_unix_connection(tmp_path / "o.sock")
        writer.write(b"GET /healthz" + HOST)
        assert (await reader.read()).endswith(b'{"alive": true}\n')
        writer.close()
    assert not (tmp_path / "o.sock").exists()


async def test_without_an_address_nothing_listens(tmp_path: Path) -> None:
    async with listening(None, HANDLERS) as address:
        with announced_in(tmp_path / "operations-address", address):
            assert list(tmp_path.iterdir()) == []


def test_another_process_s_address_stays(tmp_path: Path) -> None:
    file = tmp_path / "operations-address"
    with announced_in(file, "127.0.0.1:1"):
        assert file.read_text() == "127.0.0.1:1\n"
        file.write_text("127.0.0.1:2\n")
    assert file.read_text() == "127.0.0.1:2\n"


@pytest.mark.parametrize("text", ["127.0.0.1:7444", "127.9.9.9:0", "[::1]:7444"])
def test_loopback_addresses_are_taken(text: str, tmp_path: Path) -> None:
    assert str(parse(text, folder=tmp_path)) == text


@pytest.mark.parametrize(
    "text",
    [
        *("0.0.0.0:7444", "[::]:7444", "10.0.0.1:7444", "localhost:7444", "example.org:80", ":7444", "7444"),
        *("127.0.0.1", "127.0.0.1:99999", "unix:", "unix:" + "a" * 101, "unix:a\0b", "tcp://127.0.0.1:1", " "),
    ],
)
def test_every_other_address_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        parse(text, folder=tmp_path)
    assert "127.0.0.1:7444" in raised.value.fix


def test_readiness_is_all_or_503() -> None:
    assert readiness({"a": "ok", "b": "ok"}).status == 200
    answer = readiness({"a": "ok", "b": "slow"})
    assert (answer.status, b'"b": "slow"' in answer.body) == (503, True)
