"""Which of several m8 a reactor looks at to say when its certificate expires: the one that it dials now."""

from __future__ import annotations

import datetime as dt
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UnavailableError
from monoskope.m8.http import tls
from monoskope.reactor.link.endpoint import Dialled, Endpoint
from monoskope.reactor.link.session import ReactorSession
from monoskope.reactor.timings import Timings
from tests.support.operations import samples
from tests.unit.reactor.bench import Bench


async def test_the_certificate_of_the_server_that_is_dialled_now_is_looked_at(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nothing: Any = None
    servers = ("a.example:1", "b.example:2")
    endpoint = Endpoint(servers, tmp_path, nothing, b"", "", "", events_pb2.StoreCapabilities())
    tried: list[str] = []

    def away(endpoint: Endpoint) -> NoReturn:
        tried.append(endpoint.server)
        if len(tried) == 2:
            session.stop()
        raise UnavailableError("away.")

    session = ReactorSession(endpoint, Listening(), nothing, Timings(backoff_least=0.001), link=away)  # type: ignore[arg-type]
    dialled = Dialled(lambda: session.server, tmp_path)
    await session.run()
    assert tried == ["a.example:1", "b.example:2"]

    asked: list[Any] = []

    def refuse(at: tuple[str, int], **_: object) -> None:
        asked.append(at)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr("ssl.create_default_context", lambda **_: Trust())
    assert dialled.server_expires_at_s() == 0.0
    assert asked == [("b.example", 2)]


async def test_the_metrics_say_when_the_first_authority_expires(tmp_path: Path) -> None:
    ca_file, now = tmp_path / "ca.crt", dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    later, sooner = (tls.make_authority(now=now + dt.timedelta(days=days)).certificate for days in (30, 0))
    ca_file.write_bytes(tls.pem(later) + tls.pem(sooner))
    endpoints = Bench(tmp_path).reactor.endpoints
    endpoints.dialled = Dialled(lambda: "127.0.0.1:1", ca_file)  # where nothing listens
    found = samples((await endpoints.metrics()).body)
    expires = found["m8_reactor_ca_expiry_timestamp_seconds", frozenset()]
    assert expires == sooner.not_valid_after_utc.timestamp() < later.not_valid_after_utc.timestamp()


class Listening:
    """What a session tells when it has ended."""

    def disconnected(self) -> None:
        """Nothing was under way."""


class Trust:
    """No certificates."""

    def set_alpn_protocols(self, _: list[str]) -> None:
        """Nothing is spoken."""


def test_a_reactor_that_copies_nothing_does_not_load_the_client() -> None:
    """It takes memory for as long as the reactor runs."""
    program = "import sys, monoskope.reactor.run; print('monoskope.client.client' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["False"]
