"""A webhook that redirects, hangs, answers without end, has another name or says no has not taken a line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from monoskope.errors import Error
from monoskope.host_port import HostPort
from monoskope.http.client.trusted import TlsFiles
from monoskope.m8.audit import sinks as webhook_sink
from monoskope.m8.audit.lines import Batch, DeliveryError, Line
from monoskope.m8.audit.sinks import WebhookSink, mac
from monoskope.m8.sink_settings import WebhookTarget
from monoskope.settings import write_private
from tests.support.audit_receivers import certificate, server_tls
from tests.support.certificates import serving

BATCH = Batch((Line("events", 1, 12, b'{"position":12}'), Line("events", 1, 13, b'{"position":13}')))
SECRET = b"0123456789abcdef0123456789abcdef"
NOW_MS = 1_700_000_000_123
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    certificate(tmp_path)
    write_private(tmp_path / "secret", SECRET + b"\n")
    return tmp_path


class Server:
    def __init__(self) -> None:
        self.requests: list[bytes] = []
        self.port = 0


@asynccontextmanager
async def answering(folder: Path, answer: Answer, *, host: str = "127.0.0.1") -> AsyncIterator[Server]:
    found = Server()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        found.requests.append(head + await reader.readexactly(length))
        await answer(writer)

    async with serving(serve, server_tls(folder), host=host) as found.port:
        yield found


def says(text: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(text)
        await writer.drain()

    return answer


async def posted(folder: Path, port: int, *, host: str = "127.0.0.1") -> None:
    target = WebhookTarget(HostPort(host, port), "/m8?to=a", folder / "secret", TlsFiles(folder / "ca.crt"))
    sink = WebhookSink(target, clock=lambda: NOW_MS)
    try:
        await sink.deliver(BATCH)
    finally:
        await sink.close()


async def test_a_request_has_a_mac_over_label_time_positions_and_body(folder: Path) -> None:
    async with answering(folder, says(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as server:
        await posted(folder, server.port)
    (request,) = server.requests
    head, _, body = request.partition(b"\r\n\r\n")
    assert head.startswith(b"POST /m8?to=a HTTP/1.1\r\n")
    assert body == b'{"position":12}\n{"position":13}\n'
    assert b"Monoskope-Audit-Time: 1700000000\r\n" in head
    assert b"Monoskope-Audit-Positions: 12-13\r\n" in head
    # printf 'm8/audit/v1\0001700000000\00012-13\000{"position":12}\n{"position":13}\n' |
    #     openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef
    assert b"Monoskope-Audit-Mac: " + MAC + b"\r\n" in head + b"\r\n"
    assert SECRET not in request


MAC = b"cd44b3e27052b516f4f4f2ffc51a42c9d25c0b79f0ddfb8f1bec60684123b7c6"


def test_the_mac_depends_on_each_part() -> None:
    parts = {"time": "1", "positions": "1-2", "body": b"b"}
    right = mac(SECRET, time="1", positions="1-2", body=b"b")
    for changed in ({"time": "2"}, {"positions": "1-3"}, {"positions": "access"}, {"body": b"c"}):
        assert mac(SECRET, **{**parts, **changed}) != right  # type: ignore[arg-type]
    assert mac(b"another" * 8, **parts) != right  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"HTTP/1.1 307 Moved\r\nLocation: /m9\r\nContent-Length: 0\r\n\r\n", "redirects"),
        (b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n", "answers with 403"),
        (b"HTTP/1.1 503 Away\r\nContent-Length: 0\r\n\r\n", "answers with 503"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n" + bytes(70_000), "TooLargeError"),
        (b"nonsense\r\n\r\n", "MalformedError"),
        (b"", "BrokenError"),
    ],
    ids=["redirect", "403", "503", "endless", "nonsense", "nothing"],
)
async def test_only_2xx_takes_the_lines(folder: Path, answer: bytes, said: str) -> None:
    async with answering(folder, says(answer)) as server:
        with pytest.raises(DeliveryError, match=said):
            await posted(folder, server.port)
    assert len(server.requests) == 1


async def test_a_receiver_that_hangs_ends_the_try(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_sink, "TIMEOUT_S", 0.3)

    async def hang(_writer: asyncio.StreamWriter) -> None:
        await asyncio.get_running_loop().create_future()

    async with answering(folder, hang) as server, asyncio.timeout(60):
        while not server.requests:  # the time may be over before they have shaken hands
            with pytest.raises(DeliveryError, match="LateError"):
                await posted(folder, server.port)


async def test_a_server_of_another_name_gets_no_request(folder: Path) -> None:
    async with answering(folder, says(b""), host="127.0.0.2") as server:
        with pytest.raises(DeliveryError, match="not trusted"):
            await posted(folder, server.port, host="127.0.0.2")
    assert server.requests == []


@pytest.mark.parametrize(
    ("content", "mode", "said"),
    [(SECRET, 0o640, "others than its owner"), (b"short", 0o600, "less than 32 bytes"), (None, 0, "does not exist")],
    ids=["open to a group", "short", "missing"],
)
def test_a_secret_is_long_and_for_m8_alone(folder: Path, content: bytes | None, mode: int, said: str) -> None:
    path = folder / "secret"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
        path.chmod(mode)
    target = WebhookTarget(HostPort("localhost", 1), "/", path, TlsFiles())
    with pytest.raises(Error, match=said):
        WebhookSink(target, clock=lambda: 0).check()
