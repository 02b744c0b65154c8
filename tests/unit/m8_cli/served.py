"""A running `m8 serve`."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.host_port import HostPort
from monoskope.m8.init import lay_out
from monoskope.m8.settings import ServerSettings, load
from monoskope.testing.parts import program, wait_until
from tests.support import warm
from tests.support.http_calls import Call, CallError
from tests.support.programs import m8

PROGRAM = [sys.executable, "-P", "-m", "monoskope.m8"]
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"}
PATIENCE_S = 60.0
"""For an answer, or an end, of a process of its own on a machine that is busy with other things."""


class Server:
    """A running `m8 serve`, a copy of the loaded process unless the test has the marker `new_interpreters`."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        command = [program("m8"), "serve", "--dir", str(settings.folder)]
        environment = {**ENVIRONMENT, "HOME": str(settings.folder)}
        reads, writes = os.pipe()
        self._says = os.fdopen(reads, encoding="utf-8")
        self.process = warm.spawn(command, Path.cwd(), environment, writes, "")
        os.close(writes)
        self.said_before = ""
        self.first_line = self._says.readline()
        while '"address"' not in self.first_line:
            assert self.first_line, self.said_before
            self.said_before += self.first_line
            self.first_line = self._says.readline()
        self.address: str = json.loads(self.first_line)["address"]

    def line(self) -> str:
        return self._says.readline()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> str:
        """End it and return what it said besides the first line."""
        os.kill(self.process.pid, number)
        code = self.process.wait(PATIENCE_S)
        with self._says:
            said = self._says.read()
        assert code == 0, said
        return said

    def call(self, message: Message, token: str = "", *, over: http.client.HTTPSConnection | None = None) -> Any:
        """Call the method of a request, over a connection that is open or a new one. Raises `CallError`."""
        call = Call(self.address, message, codec="proto")
        headers = {"Content-Type": "application/proto"} | ({"Authorization": f"Bearer {token}"} if token else {})
        with closing(self.https()) if over is None else nullcontext(over) as connection:
            connection.request("POST", call.path, call.written(), headers)
            answer = connection.getresponse()
            body = answer.read()
        if answer.status != 200:
            raise CallError.read(json.loads(body))
        return call.read(body)

    def get_server(self, token: str, over: http.client.HTTPSConnection | None = None) -> queries_pb2.GetServerResponse:
        answer: queries_pb2.GetServerResponse = self.call(queries_pb2.GetServerRequest(), token, over=over)
        return answer

    def until_ready(self, *, is_ready: bool = True) -> None:
        with closing(self.https()) as connection:

            def says_so() -> bool:
                connection.request("GET", "/readyz")
                answer = connection.getresponse()
                answer.read()
                return answer.status == (200 if is_ready else 503)

            wait_until(says_so, what=f"m8 says that it is {'' if is_ready else 'not '}ready")

    def https(self, address: str = "127.0.0.1", *, trusting: bytes = b"") -> http.client.HTTPSConnection:
        """A connection from an address, which trusts one authority alone: the server's own, if no other is given."""
        ca = trusting or (self.settings.folder / "ca.crt").read_bytes()
        context = ssl.create_default_context(cadata=ca.decode("ascii"))
        host, port = self.address.rsplit(":", 1)
        return http.client.HTTPSConnection(
            host, int(port), timeout=PATIENCE_S, source_address=(address, 0), context=context
        )

    def socket(self) -> socket.socket:
        host, port = self.address.rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=PATIENCE_S)


def laid_out(folder: Path, *, toml: str = "[timings]\ntick = 0.1\n", **plan: Any) -> ServerSettings:
    """A server on this machine, with more in its m8.toml. It looks at its log often, so that a test need not wait."""
    lay_out(folder=folder, listen=HostPort("127.0.0.1", 0), **plan)
    with (folder / "m8.toml").open("a", encoding="utf-8") as file:
        file.write(toml)
    return load(folder)


def administrator(settings: ServerSettings, name: str = "anna") -> str:
    words = ("token", "create", "--dir", str(settings.folder), "--role", "administrator", "--subject", name)
    return m8(*words, home=settings.folder).stdout.strip()


@contextmanager
def served(settings: ServerSettings) -> Iterator[Server]:
    server = Server(settings)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()


def refuse(settings: ServerSettings, code: int, said: str) -> None:
    """Start m8 and see that it ends with that code and those words, and changes nothing."""
    done = warm.typed("m8", "serve", "--dir", settings.folder, environment=ENVIRONMENT)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert not settings.address_file.exists()
