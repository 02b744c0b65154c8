"""A syslog server that lies, hangs, hides its name or ends too early has not taken a line."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest

from monoskope.host_port import HostPort
from monoskope.http.client.trusted import TlsFiles
from monoskope.m8.audit import syslog_sink
from monoskope.m8.audit.lines import Batch, DeliveryError, Line
from monoskope.m8.audit.syslog_sink import SyslogSink, framed, message, structured
from monoskope.m8.sink_settings import SyslogTarget
from tests.support.audit_receivers import certificate, server_tls
from tests.support.certificates import serving

LINE = Line("events", 1_700_000_000_000, 12, b'{"position":12}')
LARGE = Batch((Line("events", 1, 1, b"x" * 7_000),) * 200)
"""More than what the server's buffers take."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    certificate(tmp_path)
    return tmp_path


def sink(folder: Path, port: int, *, host: str = "127.0.0.1") -> SyslogSink:
    return SyslogSink(SyslogTarget(HostPort(host, port), TlsFiles(folder / "ca.crt")), host="here")


def test_a_message_is_counted_in_octets_and_has_its_position_as_structured_data() -> None:
    text = b'<110>1 2023-11-14T22:13:20.000Z here m8 - events [m8@32473 kind="events" position="12"] {"position":12}'
    assert message(LINE, host="here") == text
    assert framed(text) == b"%d " % len(text) + text


def test_structured_data_escapes_what_would_end_it() -> None:
    assert structured("m8@32473", {"uri": 'a"]\\b\nc\x1bé'}) == '[m8@32473 uri="a\\"\\]\\\\b?c??"]'


async def test_a_server_that_reads_to_the_end_and_closes_has_taken_the_lines(folder: Path) -> None:
    taken: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(await reader.read())
        writer.close()

    async with serving(serve, server_tls(folder)) as port:
        await sink(folder, port).deliver(Batch((LINE, LINE)))
    assert taken == [framed(message(LINE, host="here")) * 2]


async def test_a_connection_that_is_cut_has_taken_nothing(folder: Path) -> None:
    """The end of the stream without the end of TLS can be anybody's."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.transport.abort()

    async with serving(serve, server_tls(folder)) as port:
        with pytest.raises(DeliveryError, match="syslog server"):
            await sink(folder, port).deliver(LARGE)


async def test_a_server_that_does_not_answer_the_end_of_tls_has_taken_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(await reader.read())
        writer.close()

    async with serving(serve, server_tls(folder)) as inside, serving(between, None) as port:
        with pytest.raises(DeliveryError, match="does not say that it has read all lines") as raised:
            await sink(folder, port).deliver(Batch((LINE,)))
    assert "ossl" in raised.value.fix
    assert taken


async def test_a_server_that_ended_tls_before_the_lines_came_has_taken_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
        with pytest.raises(DeliveryError, match="syslog server"):
            await sink(folder, listener.getsockname()[1]).deliver(Batch((LINE,)))
        await serving_it


async def test_lines_are_taken_only_once_every_byte_is_acknowledged(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a slow network the end of the stream comes before the reset that answers the lines."""
    left = [7, 7, 0]
    monkeypatch.setattr(syslog_sink, "_unacknowledged", lambda _connection: left.pop(0))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with serving(serve, server_tls(folder)) as port:
        await sink(folder, port).deliver(Batch((LINE,)))
    assert left == []


async def test_a_byte_that_was_answered_with_a_reset_is_not_acknowledged() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()) as ours:
        theirs, _ = listener.accept()
        theirs.close()
        assert ours.recv(1) == b""
        ours.sendall(b"lines")
        with pytest.raises(ConnectionResetError):
            await syslog_sink._acknowledged(ours)


async def test_a_server_of_another_name_gets_no_line(folder: Path) -> None:
    taken: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(await reader.read())
        writer.close()

    async with serving(serve, server_tls(folder), host="127.0.0.2") as port:
        with pytest.raises(DeliveryError, match="not trusted"):
            await sink(folder, port, host="127.0.0.2").deliver(Batch((LINE,)))
    assert not any(taken)


@pytest.mark.parametrize("speaks", [True, False], ids=["TLS", "no TLS"])
async def test_a_server_that_hangs_ends_the_try(folder: Path, monkeypatch: pytest.MonkeyPatch, speaks: bool) -> None:
    monkeypatch.setattr(syslog_sink, "TIMEOUT_S", 0.2)

    reached = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        reached.set()
        await asyncio.get_running_loop().create_future()

    async with serving(serve, server_tls(folder) if speaks else None) as port, asyncio.timeout(60):
        while not reached.is_set():  # the time may be over before they have shaken hands
            with pytest.raises(DeliveryError, match="in time"):
                await sink(folder, port).deliver(LARGE)


async def test_a_server_that_talks_and_does_not_listen_ends_the_try(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syslog_sink, "TIMEOUT_S", 0.2)

    reached = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        reached.set()
        while True:
            writer.write(b"x" * 65_536)
            await writer.drain()

    async with serving(serve, server_tls(folder)) as port, asyncio.timeout(60):
        while not reached.is_set():
            with pytest.raises(DeliveryError, match="syslog server"):
                await sink(folder, port).deliver(LARGE)


async def test_certificates_that_were_renewed_count_after_a_failure(folder: Path) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with serving(serve, server_tls(folder)) as port:
        to = sink(folder, port)
        right = (folder / "ca.crt").read_bytes()
        certificate(folder)  # another authority
        with pytest.raises(DeliveryError, match="not trusted"):
            await to.deliver(Batch((LINE,)))
        (folder / "ca.crt").write_bytes(right)
        await to.deliver(Batch((LINE,)))
