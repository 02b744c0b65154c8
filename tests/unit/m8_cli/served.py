"""A running `m8 serve`."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import grpc

from monoskope.api.gateway.v1 import queries_pb2, queries_pb2_grpc
from monoskope.m8.settings import ServerSettings

PROGRAM = [sys.executable, "-P", "-m", "monoskope.m8"]
ENVIRONMENT = {"PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"}


class Server:
    """A running `m8 serve`."""

    def __init__(self, settings: ServerSettings) -> None:
        self.settings = settings
        command = [*PROGRAM, "serve", "--dir", str(settings.folder)]
        environment = {**ENVIRONMENT, "HOME": str(settings.folder)}
        self.process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        self.said_before = ""
        self.first_line = self.process.stderr.readline()
        while '"address"' not in self.first_line:
            assert self.first_line, self.said_before
            self.said_before += self.first_line
            self.first_line = self.process.stderr.readline()
        self.address: str = json.loads(self.first_line)["address"]
        self.http_address: str = json.loads(self.first_line)["http_address"]

    def stop(self, number: signal.Signals = signal.SIGTERM) -> str:
        """End it and return what it said besides the first line."""
        self.process.send_signal(number)
        said = self.process.communicate(timeout=30)[1]
        assert self.process.returncode == 0, said
        return said

    def call(self, token: str) -> queries_pb2.GetServerResponse:
        ca = (self.settings.folder / "ca.crt").read_bytes()
        with grpc.secure_channel(self.address, grpc.ssl_channel_credentials(ca)) as channel:
            answer = queries_pb2_grpc.SecretQueryServiceStub(channel).GetServer(
                queries_pb2.GetServerRequest(), metadata=(("authorization", f"Bearer {token}"),), timeout=20
            )
        assert isinstance(answer, queries_pb2.GetServerResponse)
        return answer

    def https(self) -> http.client.HTTPSConnection:
        """A connection to the HTTP door, which trusts the server's own authority alone."""
        context = ssl.create_default_context(cafile=self.settings.folder / "ca.crt")
        host, port = self.http_address.rsplit(":", 1)
        return http.client.HTTPSConnection(host, int(port), timeout=20, context=context)

    def socket(self) -> socket.socket:
        host, port = self.address.rsplit(":", 1)
        return socket.create_connection((host, int(port)), timeout=20)


@contextmanager
def served(settings: ServerSettings) -> Iterator[Server]:
    server = Server(settings)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.stop()
