"""The connection that blocks, against a server that says exactly what a test has it say."""

from __future__ import annotations

import contextlib
import datetime as dt
import gc
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from monoskope.http.client import blocking
from monoskope.http.client.blocking import BlockingPool, connect
from monoskope.http.client.destination import (
    BrokenError,
    LateError,
    MalformedError,
    NotSentError,
    Proxy,
    Server,
    StaleError,
    TooLargeError,
    TurnedAwayError,
    UntrustedError,
)
from monoskope.http.client.exchange import ResponseReader
from monoskope.m8.http import tls
from tests.faults.tcp_proxy import OPENED, proxy_in_thread

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CLOSE = None
"""In a script: the end of the connection."""
Script = list[bytes | None]

MADE = tls.make(["127.0.0.1"], now=dt.datetime.now(dt.UTC))


def trusting(ca: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=ca.decode())
    context.options |= ssl.OP_IGNORE_UNEXPECTED_EOF  # as Python 3.11.2 of Debian 12 does by itself
    return context


class Scripted:
    """A server of TLS: each connection has a script, and each item of it answers one request."""

    def __init__(self, folder: Path) -> None:
        (folder / "certificate").write_bytes(MADE.certificate)
        (folder / "key").write_bytes(MADE.key)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(folder / "certificate", folder / "key")
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.scripts: list[Script] = []
        self.received: list[bytes] = []
        self.clean = True
        """Whether it ends TLS by TLS's own word."""
        self.closed = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def server(self) -> Server:
        return Server("127.0.0.1", self.port, trusting(MADE.ca))

    def _serve(self) -> None:
        while True:
            try:
                plain, _ = self._listening.accept()
            except OSError:
                return
            with plain, contextlib.suppress(OSError):  # the client refused the certificate, or went away
                # Who has gone by now is not wrapped: `ssl` would leave that connection open.
                if plain.recv(1, socket.MSG_PEEK):
                    self._play(self._context.wrap_socket(plain, server_side=True))
            self.closed.release()

    def _play(self, connection: ssl.SSLSocket) -> None:
        with connection:
            for said in self.scripts.pop(0) if self.scripts else []:
                if said is CLOSE:
                    break
                content = b""
                while not content.endswith(b"\r\n\r\n{}"):
                    piece = connection.recv(65_536)
                    if not piece:
                        return
                    content += piece
                self.received.append(content)
                connection.sendall(said)
            else:
                connection.recv(1)
            if self.clean:
                connection.settimeout(0)  # to say the word, and not to wait for the client's
                connection.unwrap()

    def stop(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._thread.join(60)


@pytest.fixture
def scripted(tmp_path: Path) -> Iterator[Scripted]:
    server = Scripted(tmp_path)
    yield server
    server.stop()


def ask(line: BlockingPool, *, fresh: bool = False, timeout_s: float = 60.0, most_body: int = 100) -> bytes:
    return line.request("POST", "/x", (("a", "b"),), b"{}", timeout_s=timeout_s, most_body=most_body, fresh=fresh).body


@pytest.fixture
def line(scripted: Scripted) -> Iterator[BlockingPool]:
    made = BlockingPool(scripted.server, connect_timeout_s=60.0)
    yield made
    made.close()


def test_one_connection_carries_one_request_after_the_other(scripted: Scripted, line: BlockingPool) -> None:
    scripted.scripts = [[OK, OK]]
    assert (ask(line), ask(line)) == (b"ok", b"ok")
    head = f"POST /x HTTP/1.1\r\nHost: 127.0.0.1:{scripted.port}\r\na: b\r\nContent-Length: 2\r\n\r\n{{}}"
    assert scripted.received == [head.encode()] * 2


def test_a_connection_that_was_closed_while_it_was_idle_is_not_used(scripted: Scripted, line: BlockingPool) -> None:
    scripted.scripts = [[OK, CLOSE], [OK]]
    ask(line)
    assert scripted.closed.acquire(timeout=60)
    assert ask(line) == b"ok"


def test_connections_that_were_idle_for_too_long_are_closed_when_another_one_is_put_back() -> None:
    pool = BlockingPool(Server("m8.example.org", 443, trusting(MADE.ca)), idle_s=15.0)
    old, new = (ssl.create_default_context().wrap_socket(socket.socket(), server_hostname="m8") for _ in range(2))
    pool._idle.append((old, time.monotonic() - 16.0))
    whole = ResponseReader("GET", most_body=10)
    whole.feed(OK)
    pool._put_back(new, whole)
    assert (old.fileno() == -1, new.fileno() == -1) == (True, False)
    pool.close()
    assert new.fileno() == -1


def test_a_connection_that_is_reset_before_tls_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As by a server that stops with the connection in its queue. What is left open is told of as it is collected."""
    dialled = blocking._dialled

    def reset(host: str, port: int, deadline: float) -> socket.socket:
        plain = dialled(host, port, deadline)
        listening.close()
        assert select.select([plain], [], [], 60.0)[0]
        return plain

    monkeypatch.setattr(blocking, "_dialled", reset)
    listening = socket.create_server(("127.0.0.1", 0))
    with pytest.raises(TurnedAwayError):
        connect(Server("127.0.0.1", listening.getsockname()[1], trusting(MADE.ca)), time.monotonic() + 60.0)
    gc.collect()


def test_bytes_that_nobody_asked_for_are_never_an_answer(scripted: Scripted, line: BlockingPool) -> None:
    scripted.scripts = [[OK + OK.replace(b"ok", b"no")], [OK]]
    assert (ask(line), ask(line)) == (b"ok", b"ok")


def test_an_idle_connection_that_ends_is_told_of_and_replaced(scripted: Scripted, line: BlockingPool) -> None:
    scripted.scripts = [[OK, b"", CLOSE], [OK, CLOSE], [OK]]
    ask(line)
    with pytest.raises(StaleError):
        ask(line)
    assert ask(line) == ask(line, fresh=True) == b"ok"
    assert len(scripted.received) == 4


@pytest.mark.parametrize("clean", [True, False])
@pytest.mark.parametrize("said", [b"", OK[:-1]], ids=["nothing", "half an answer"])
def test_an_answer_that_is_cut_off_is_none(scripted: Scripted, line: BlockingPool, said: bytes, *, clean: bool) -> None:
    scripted.clean = clean
    scripted.scripts = [[said, CLOSE], [OK]]
    with pytest.raises(BrokenError):
        ask(line)


def test_the_end_of_an_answer_without_a_length_must_be_tlss_own(scripted: Scripted, line: BlockingPool) -> None:
    scripted.scripts = [[b"HTTP/1.1 200 OK\r\n\r\nok", CLOSE]] * 2
    assert ask(line) == b"ok"
    scripted.clean = False
    with pytest.raises(BrokenError):
        ask(line)


def test_what_is_no_answer_and_what_is_too_large_end_the_connection(scripted: Scripted, line: BlockingPool) -> None:
    scripted.scripts = [[b"SSH-2.0-x\r\n\r\n"], [b"HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n"], [OK]]
    with pytest.raises(MalformedError):
        ask(line)
    with pytest.raises(TooLargeError):
        ask(line)
    assert ask(line) == b"ok"


def test_a_server_that_says_nothing_is_waited_for_until_the_time_is_over(
    scripted: Scripted, line: BlockingPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.scripts = [[b""], [OK]]
    time_s, passed_s = time.monotonic, 0.0
    monkeypatch.setattr(time, "monotonic", lambda: time_s() + passed_s)

    def nearly_over() -> None:
        nonlocal passed_s
        passed_s = 999.9

    with pytest.raises(LateError) as caught:
        line.request("POST", "/x", (("a", "b"),), b"{}", timeout_s=1_000, most_body=100, sent=nearly_over)
    assert caught.value.sent
    assert ask(line) == b"ok"


def test_a_look_whether_the_server_stands_is_given_what_is_left_of_the_time(scripted: Scripted) -> None:
    scripted.scripts = [[b""]]
    left: list[float] = []

    def look(left_s: float) -> None:
        left.append(left_s)
        raise NotSentError("it does not stand.")

    line = BlockingPool(scripted.server, look_s=0.01, look=look)
    with pytest.raises(NotSentError, match="does not stand"):
        ask(line)
    line.close()
    assert 0 < left[0] < 60


def test_a_name_that_is_never_found_is_looked_up_until_the_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    over = threading.Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: over.wait(120) and [])

    with pytest.raises(LateError):
        BlockingPool(Server("m8.example.org", 443, trusting(MADE.ca))).request("GET", "/", timeout_s=0.01, most_body=1)

    assert not over.is_set()
    over.set()


def test_nothing_is_sent_where_nobody_listens_or_nobody_is_trusted(scripted: Scripted) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(NotSentError):
            ask(BlockingPool(Server("127.0.0.1", taken.getsockname()[1], trusting(MADE.ca))))
    other = tls.make(["127.0.0.1"], now=dt.datetime.now(dt.UTC)).ca
    with pytest.raises(UntrustedError) as caught:
        ask(BlockingPool(Server("127.0.0.1", scripted.port, trusting(other))))
    assert (caught.value.certificate, caught.value.misnamed) == (True, False)
    with pytest.raises(UntrustedError) as caught:
        ask(BlockingPool(Server("::ffff:127.0.0.1", scripted.port, trusting(MADE.ca))))
    assert (caught.value.certificate, caught.value.misnamed) == (True, True)
    assert scripted.received == []


def test_a_stream_is_read_as_it_comes(scripted: Scripted, line: BlockingPool) -> None:
    scripted.scripts = [[b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n1\r\nb\r\n0\r\n\r\n"]]
    stream = line.stream("POST", "/x", (), b"{}", timeout_s=60)
    assert (stream.status, b"".join(stream.pieces(60))) == (200, b"ab")
    stream.close()


def test_a_proxy_opens_a_tunnel_and_sees_no_request(scripted: Scripted) -> None:
    scripted.scripts = [[OK]]
    with proxy_in_thread(scripted.port, tunnel=OPENED) as proxy:
        line = BlockingPool(scripted.server._replace(proxy=Proxy("127.0.0.1", proxy.port, "Basic eDp5")))
        assert ask(line) == b"ok"
        line.close()
    named = f"127.0.0.1:{scripted.port}"
    expected = f"CONNECT {named} HTTP/1.1\r\nHost: {named}\r\nproxy-authorization: Basic eDp5\r\n\r\n"
    assert proxy.asked == expected.encode()


@pytest.mark.parametrize("answer", [b"HTTP/1.1 407 No\r\nContent-Length: 0\r\n\r\n", b"nonsense\r\n\r\n", b""])
def test_a_proxy_that_opens_no_tunnel_gets_nothing(scripted: Scripted, answer: bytes) -> None:
    with proxy_in_thread(scripted.port, tunnel=answer) as proxy:
        server = scripted.server._replace(proxy=Proxy("127.0.0.1", proxy.port, "Basic eDp5"))
        assert "eDp5" not in repr(server)
        with pytest.raises((NotSentError, LateError)):
            ask(BlockingPool(server, connect_timeout_s=0.3))
    assert scripted.received == []


def test_sending_ends_at_the_deadline_however_slowly_the_server_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS sends a large request record by record, and each of them may take nearly all of the time."""
    now = [100.0]

    class Slow:
        """A socket of TLS whose peer reads a record in four seconds of its own time."""

        waits = 0.0

        def settimeout(self, seconds: float) -> None:
            self.waits = seconds

        def send(self, data: memoryview) -> int:
            now[0] += min(4.0, self.waits)
            if self.waits < 4.0:
                raise TimeoutError
            return min(16_384, len(data))

        def sendall(self, data: bytes) -> None:
            sent = 0
            while sent < len(data):
                sent += self.send(memoryview(data)[sent:])

    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with pytest.raises(LateError) as late:
        blocking._send(cast("ssl.SSLSocket", Slow()), bytes(1_000_000), 110.0)
    assert (late.value.sent, now[0]) == (True, 110.0)
