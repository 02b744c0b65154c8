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
from contextlib import contextmanager
from pathlib import Path

import grpc

from monoskope.api.gateway.v1 import queries_pb2, queries_pb2_grpc
from monoskope.m8.settings import ServerSettings
from monoskope.testing.parts import program
from tests.support import warm

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
        """Wait for the next line of its operating log."""
        return self._says.readline()

    def stop(self, number: signal.Signals = signal.SIGTERM) -> str:
        """End it and return what it said besides the first line."""
        os.kill(self.process.pid, number)
        code = self.process.wait(PATIENCE_S)
        with self._says:
            said = self._says.read()
        assert code == 0, said
        return said

    def call(self, token: str) -> queries_pb2.GetServerResponse:
        ca = (self.settings.folder / "ca.crt").read_bytes()
        with grpc.secure_channel(self.address, grpc.ssl_channel_credentials(ca)) as channel:
            answer = queries_pb2_grpc.SecretQueryServiceStub(channel).GetServer(
                queries_pb2.GetServerRequest(), metadata=(("authorization", f"Bearer {token}"),), timeout=PATIENCE_S
            )
        assert isinstance(answer, queries_pb2.GetServerResponse)
        return answer

    def https(self, address: str = "127.0.0.1") -> http.client.HTTPSConnection:
        """A connection to the HTTP door from an address, which trusts the server's own authority alone."""
        context = ssl.create_default_context(cafile=self.settings.folder / "ca.crt")
        host, port = self.address.rsplit(":", 1)
        return http.client.HTTPSConnection(
            host, int(port), timeout=PATIENCE_S, source_address=(address, 0), context=context
        )

    def socket(self) -> socket.socket:
        host, port = self.address.rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=PATIENCE_S)


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
