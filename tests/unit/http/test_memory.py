"""The attack: the memory of a server and of a client, searched for what they got and sent."""

from __future__ import annotations

import contextlib
import http.client
import os
import secrets
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from monoskope.start import execution_environment
from monoskope.testing.search import Wanted
from monoskope.testing.search.memory import look_in_memory
from tests.support.absent import need_memory
from tests.support.certificates import client_certificate

CALLS = 40
PATIENCE_S = 60.0

PROGRAM = """
import asyncio, ssl, sys
from monoskope import event_loop
from monoskope.host_port import HostPort
from monoskope.http.messages import Response
from monoskope.http.server.server import serving

class Application:
    most_body = 1_000_000
    async def accept(self, head):
        assert head.header("authorization")
        return self
    async def answer(self, read):
        body = await read()
        if body.startswith(b"defect"):
            raise RuntimeError(body)
        return Response(200, (), b"%d" % len(body))

async def main():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(sys.argv[1], sys.argv[2])
    async with serving(HostPort("127.0.0.1", 0), Application(), tls=tls) as port:
        print(port, flush=True)
        await asyncio.to_thread(sys.stdin.read)

event_loop.run(main())
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], int]]:
    need_memory()
    files = tmp_path / "certificate", tmp_path / "key"
    for file, text in zip(files, client_certificate(), strict=True):
        file.write_text(text)
    hardened = execution_environment(dict(os.environ))
    assert hardened is not None
    program = [sys.executable, "-c", PROGRAM, *map(str, files)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=hardened) as running:
        assert running.stdout is not None
        yield running, int(running.stdout.readline())


def call(connection: http.client.HTTPSConnection, token: str, body: bytes) -> None:
    connection.request("POST", "/", body, {"Authorization": f"Bearer {token}"})
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, b"%d" % len(body))


def copies_left(process: subprocess.Popen[str], common: str) -> int:
    """How often any of the tokens is in the server's memory: once it is nowhere, or when patience is over."""
    until = time.monotonic() + PATIENCE_S
    wanted = [Wanted.of("token", common.encode()), Wanted.of("program", b"assert head.header")]
    while True:
        found = look_in_memory(process.pid, wanted)
        assert found.total("program", "raw") > 0, "the search does not find what is certainly there"
        if found.total("token", "raw") == 0 or time.monotonic() > until:
            return found.total("token", "raw")


def test_no_token_and_no_body_stays_in_memory(server: tuple[subprocess.Popen[str], int]) -> None:
    process, port = server
    common = secrets.token_hex(24)
    trusts = ssl.create_default_context()
    trusts.check_hostname, trusts.verify_mode = False, ssl.CERT_NONE
    connection = http.client.HTTPSConnection("127.0.0.1", port, context=trusts)
    for number in range(CALLS):
        call(connection, f"{common}{number:04}", common.encode() * (1 + number * 40))
    assert copies_left(process, common) == 0, "also while the connection is open"
    connection.close()
    broken = http.client.HTTPSConnection("127.0.0.1", port, context=trusts)
    broken.request("POST", "/", b"defect" + common.encode(), {"Authorization": f"Bearer {common}"})
    assert broken.getresponse().status == 500
    broken.close()
    assert copies_left(process, common) == 0


IDLE, MOST_KIB = 50, 80


def resident_kib(process: subprocess.Popen[str]) -> int:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:"))


def test_a_connection_takes_little_memory(server: tuple[subprocess.Popen[str], int]) -> None:
    """Though the event loop has a buffer of 256 KiB for each, and the allocator fills what it hands out."""
    process, port = server
    trusts = ssl.create_default_context()
    trusts.check_hostname, trusts.verify_mode = False, ssl.CERT_NONE
    with contextlib.ExitStack() as held:

        def opened(number: int) -> int:
            for _ in range(number):
                connection = http.client.HTTPSConnection("127.0.0.1", port, context=trusts)
                held.callback(connection.close)
                call(connection, "token", b"body")
            return resident_kib(process)

        before = opened(10)
        assert opened(IDLE) - before < IDLE * MOST_KIB


LARGE, SMALL = 40_000, 10
"""How often a body repeats its text: more than a connection takes that nobody reads, and less."""

CLIENT = """
import asyncio, ssl, sys
from monoskope import event_loop
from monoskope.http.client.destination import Server
from monoskope.http.client.destination import ExchangeError, LateError
from monoskope.http.client.pool import Pool
{start}

async def main():
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    pool = Pool(Server("127.0.0.1", int(sys.argv[1]), tls))
    for way in sys.argv[3].split(","):
        how, times = way.split("-")
        asked = asyncio.ensure_future(ask(pool, how, int(times)))
        if how == "cancel":
            while not any(connection._sent for connection in pool._busy):
                await asyncio.sleep(0)
            asked.cancel()
        await asyncio.wait([asked])
        del asked
    print("over", flush=True)
    await asyncio.to_thread(sys.stdin.read)

async def ask(pool, how, times):
    text = sys.argv[2][::-1].encode()
    headers = [("authorization", "Bearer " + text.decode())]
    for _ in range(100):
        try:
            await pool.request("POST", "/", headers, text * times, timeout_s=0.3 if how == "late" else 60, most_body=9)
        except LateError as error:
            if not error.sent:  # too late for the handshake
                continue
        except ExchangeError:
            pass
        return
    raise TimeoutError("not one of them was sent")

run(main())
"""
STARTS = {"asyncio": "from asyncio import run", "uvloop": "from uvloop import run"}


class Deaf:
    """A server of TLS that never reads."""

    def __init__(self, folder: Path) -> None:
        files = folder / "certificate", folder / "key"
        for file, text in zip(files, client_certificate(), strict=True):
            file.write_text(text)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(*files)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._held: list[ssl.SSLSocket] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                self._held.append(self._context.wrap_socket(self._listening.accept()[0], server_side=True))

    def stop(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._thread.join(60)
        for one in (self._listening, *self._held):
            one.close()


@pytest.fixture
def deaf(tmp_path: Path) -> Iterator[Deaf]:
    need_memory()
    server = Deaf(tmp_path)
    yield server
    server.stop()


@pytest.mark.parametrize("loop", STARTS)
def test_nothing_of_a_request_that_nobody_read_is_left_once_it_is_given_up(deaf: Deaf, loop: str) -> None:
    text = secrets.token_hex(24)
    ways = ",".join(f"{how}-{times}" for how in ("late", "cancel") for times in (SMALL, LARGE))
    program = [sys.executable, "-c", CLIENT.replace("{start}", STARTS[loop]), str(deaf.port), text[::-1], ways]
    hardened = execution_environment(dict(os.environ))
    assert hardened is not None
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=hardened) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "over\n"
        wanted = [Wanted.of("text", text.encode()), Wanted.of("control", text[::-1].encode())]
        until = time.monotonic() + PATIENCE_S
        while (found := look_in_memory(running.pid, wanted)).total("text", "raw") and time.monotonic() < until:
            pass
        assert found.total("control", "raw") > 0
        assert found.total("text", "raw") == 0
