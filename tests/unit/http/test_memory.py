"""The attack: the memory of a server, searched for the tokens and bodies of the requests that it answered."""

from __future__ import annotations

import http.client
import os
import secrets
import ssl
import subprocess
import sys
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
