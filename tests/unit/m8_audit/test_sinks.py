"""Sinks of audit lines: a file, a syslog server or a webhook has a line only when that is sure."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import ssl
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from monoskope.errors import Error
from monoskope.host_port import HostPort
from monoskope.http.client.trusted import TlsFiles
from monoskope.m8.audit import sinks as webhook_sink
from monoskope.m8.audit import syslog_sink
from monoskope.m8.audit.lines import Batch, DeliveryError, Line
from monoskope.m8.audit.sinks import FileSink, WebhookSink, mac
from monoskope.m8.audit.syslog_sink import SyslogSink, framed, message, structured
from monoskope.m8.sink_settings import FileTarget, SyslogTarget, WebhookTarget
from monoskope.settings import write_private
from tests.support.audit_receivers import certificate, server_tls
from tests.support.certificates import serving
from tests.support.failures import failure


def batch(*positions: int) -> Batch:
    return Batch(tuple(Line("events", 1, position, b'{"position":%d}' % position) for position in positions))


def positions(path: Path) -> list[int]:
    return [json.loads(line)["position"] for line in path.read_bytes().splitlines()]


def file_sink(path: Path, *, max_bytes: int = 0) -> FileSink:
    return FileSink(FileTarget(path, max_bytes, 2))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@pytest.fixture
async def file(path: Path) -> AsyncIterator[FileSink]:
    found = file_sink(path)
    yield found
    await found.close()


async def test_the_file_is_for_m8_alone_and_grows(path: Path, file: FileSink) -> None:
    file.check()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await file.deliver(batch(1, 2))
    await file.deliver(batch(3))
    assert positions(path) == [1, 2, 3]


async def test_a_file_that_others_can_read_is_refused_at_the_start_and_later(path: Path, file: FileSink) -> None:
    path.touch(0o644)
    path.chmod(0o644)
    with pytest.raises(Error, match="others than its owner"):
        file.check()
    await failure(DeliveryError, file.deliver(batch(1)), "others than its owner")
    assert path.read_bytes() == b""


def test_what_is_no_file_is_refused_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(Error, match="regular file"):
        file_sink(Path(os.devnull)).check()
    with pytest.raises(Error, match="cannot be written"):
        file_sink(tmp_path / "no" / "folder").check()


async def test_a_large_file_is_moved_away_and_as_many_are_kept_as_is_said(path: Path, tmp_path: Path) -> None:
    small = file_sink(path, max_bytes=30)
    for position in range(1, 8):
        await small.deliver(batch(position))
    await small.close()
    kept = {file.name: positions(file) for file in tmp_path.glob("audit.jsonl*")}
    assert kept == {"audit.jsonl.2": [3, 4], "audit.jsonl.1": [5, 6], "audit.jsonl": [7]}
    assert {stat.S_IMODE(file.stat().st_mode) for file in tmp_path.glob("audit.jsonl*")} == {0o600}


async def test_a_file_that_somebody_else_moves_away_is_made_anew(path: Path, file: FileSink, tmp_path: Path) -> None:
    await file.deliver(batch(1))
    path.rename(tmp_path / "moved")
    await file.deliver(batch(2))
    assert (positions(tmp_path / "moved"), positions(path)) == ([1], [2])


async def test_a_line_that_was_cut_by_a_kill_is_followed_by_a_new_line(path: Path, file: FileSink) -> None:
    path.touch(0o600)
    path.write_bytes(b'{"position":1}\n{"posi')
    await file.deliver(batch(2))
    assert path.read_bytes() == b'{"position":1}\n{"posi\n{"position":2}\n'


async def test_on_a_full_disk_no_part_of_a_batch_stays_and_it_is_written_later(
    path: Path, file: FileSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    await file.deliver(batch(1))
    write, room = os.write, 20

    def full(descriptor: int, content: memoryview) -> int:
        nonlocal room
        if not room:
            raise OSError(28, "No space left on device")
        done = write(descriptor, bytes(content[:room]))
        room -= done
        return done

    monkeypatch.setattr(os, "write", full)
    await failure(DeliveryError, file.deliver(batch(2, 3)), "No space left")
    assert positions(path) == [1]
    monkeypatch.setattr(os, "write", write)
    await file.deliver(batch(2, 3))
    assert positions(path) == [1, 2, 3]


LINE = Line("events", 1_700_000_000_000, 12, b'{"position":12}')
LARGE = Batch((Line("events", 1, 1, b"x" * 7_000),) * 200)
"""More than what the server's buffers take."""


SECRET = b"0123456789abcdef0123456789abcdef"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    certificate(tmp_path)
    write_private(tmp_path / "secret", SECRET + b"\n")
    return tmp_path


def reading(taken: list[bytes]) -> Serve:
    """A server that reads to the end and closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(await reader.read())
        writer.close()

    return serve


def syslog(folder: Path, port: int, *, host: str = "127.0.0.1") -> SyslogSink:
    return SyslogSink(SyslogTarget(HostPort(host, port), TlsFiles(folder / "ca.crt")), host="here")


def test_a_message_is_counted_in_octets_and_has_its_position_as_structured_data() -> None:
    text = b'<110>1 2023-11-14T22:13:20.000Z here m8 - events [m8@32473 kind="events" position="12"] {"position":12}'
    assert message(LINE, host="here") == text
    assert framed(text) == b"%d " % len(text) + text


def test_structured_data_escapes_what_would_end_it() -> None:
    assert structured("m8@32473", {"uri": 'a"]\\b\nc\x1bé'}) == '[m8@32473 uri="a\\"\\]\\\\b?c??"]'


async def test_a_server_that_reads_to_the_end_and_closes_has_taken_the_lines(folder: Path) -> None:
    taken: list[bytes] = []
    async with serving(reading(taken), server_tls(folder)) as port:
        await syslog(folder, port).deliver(Batch((LINE, LINE)))
    assert taken == [framed(message(LINE, host="here")) * 2]


async def test_a_connection_that_is_cut_has_taken_nothing(folder: Path) -> None:
    """The end of the stream without the end of TLS can be anybody's."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.transport.abort()

    async with serving(serve, server_tls(folder)) as port:
        await failure(DeliveryError, syslog(folder, port).deliver(LARGE), "syslog server")


async def test_a_server_that_does_not_end_tls_has_taken_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It reads all, and then ends the connection without TLS, as somebody on the way could."""
    trusting = ssl.create_default_context

    def lenient(*words: Any, **named: Any) -> ssl.SSLContext:
        context = trusting(*words, **named)
        context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF  # as Python 3.11.2 of Debian 12 does by itself
        return context

    monkeypatch.setattr(ssl, "create_default_context", lenient)

    async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner = await asyncio.open_connection("127.0.0.1", inside)

        async def up() -> None:
            while data := await reader.read(4096):
                inner.write(data)

        async def down() -> None:
            # From the moment at which the lines are there, nothing comes back: no end of TLS.
            while (data := await inner_reader.read(4096)) and not taken:
                writer.write(data)
            writer.write_eof()

        try:
            await asyncio.gather(up(), down())
        finally:
            inner.transport.abort()
            with contextlib.suppress(OSError):
                await inner.wait_closed()

    taken: list[bytes] = []
    async with serving(reading(taken), server_tls(folder)) as inside, serving(between, None) as port:
        with pytest.raises(DeliveryError, match="does not say that it has read all lines") as raised:
            await syslog(folder, port).deliver(Batch((LINE,)))
    assert "ossl" in raised.value.fix
    assert taken


async def test_a_server_that_ended_tls_early_has_taken_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one that is stopped at that moment: its `close_notify` is genuine, and answers nothing."""
    has_ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    send = syslog_sink._Channel.send

    async def send_late(channel: syslog_sink._Channel, content: bytes) -> None:
        await has_ended.wait()
        await send(channel, content)

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        tls = server_tls(folder).wrap_socket(connection, server_side=True)
        tls.setblocking(False)
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.unwrap()
        tls.close()
        loop.call_soon_threadsafe(has_ended.set)

    monkeypatch.setattr(syslog_sink._Channel, "send", send_late)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving_it = asyncio.create_task(asyncio.to_thread(serve, listener))
        await failure(DeliveryError, syslog(folder, listener.getsockname()[1]).deliver(Batch((LINE,))), "syslog server")
        await serving_it


async def test_lines_are_taken_once_every_byte_is_acknowledged(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a slow network the end of the stream comes before the reset that answers the lines."""
    left = [7, 7, 0]
    monkeypatch.setattr(syslog_sink, "_unacknowledged", lambda _connection: left.pop(0))
    async with serving(reading([]), server_tls(folder)) as port:
        await syslog(folder, port).deliver(Batch((LINE,)))
    assert left == []


async def test_a_byte_that_was_answered_with_a_reset_is_not_acknowledged() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as ours:
        theirs, _ = listener.accept()
        theirs.close()
        assert ours.recv(1) == b""
        ours.sendall(b"lines")
        await failure(ConnectionResetError, syslog_sink._acknowledged(ours))


async def test_a_server_of_another_name_gets_no_line(folder: Path) -> None:
    taken: list[bytes] = []
    async with serving(reading(taken), server_tls(folder), host="127.0.0.2") as port:
        await failure(DeliveryError, syslog(folder, port, host="127.0.0.2").deliver(Batch((LINE,))), "not trusted")
    assert not any(taken)


@pytest.mark.parametrize("server", ["hangs", "hangs without TLS", "talks"])
async def test_a_server_that_does_not_read_ends_it(folder: Path, monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    monkeypatch.setattr(syslog_sink, "TIMEOUT_S", 0.2)
    reached = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        while server == "talks":
            writer.write(b"x" * 65_536)
            await writer.drain()
        await asyncio.get_running_loop().create_future()

    tls = None if server == "hangs without TLS" else server_tls(folder)
    async with serving(serve, tls) as port, asyncio.timeout(60):
        while not reached.is_set():  # the time may be over before they have shaken hands
            with pytest.raises(DeliveryError, match="syslog server" if server == "talks" else "in time"):
                await syslog(folder, port).deliver(LARGE)


async def test_certificates_that_were_renewed_count_after_a_failure(folder: Path) -> None:
    async with serving(reading([]), server_tls(folder)) as port:
        to = syslog(folder, port)
        right = (folder / "ca.crt").read_bytes()
        certificate(folder)  # another authority
        await failure(DeliveryError, to.deliver(Batch((LINE,))), "not trusted")
        (folder / "ca.crt").write_bytes(right)
        await to.deliver(Batch((LINE,)))


BATCH = Batch((Line("events", 1, 12, b'{"position":12}'), Line("events", 1, 13, b'{"position":13}')))
NOW_MS = 1_700_000_000_123
Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


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
        await failure(DeliveryError, posted(folder, server.port), said)
    assert len(server.requests) == 1


async def test_a_receiver_that_hangs_ends_the_try(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_sink, "TIMEOUT_S", 0.3)

    async def hang(_writer: asyncio.StreamWriter) -> None:
        await asyncio.get_running_loop().create_future()

    async with answering(folder, hang) as server, asyncio.timeout(60):
        while not server.requests:  # the time may be over before they have shaken hands
            await failure(DeliveryError, posted(folder, server.port), "LateError")


async def test_a_server_of_another_name_gets_no_request(folder: Path) -> None:
    async with answering(folder, says(b""), host="127.0.0.2") as server:
        await failure(DeliveryError, posted(folder, server.port, host="127.0.0.2"), "not trusted")
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
