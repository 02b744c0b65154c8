"""The attack: m8's memory, searched for the credentials of those who called it."""

from __future__ import annotations

import secrets
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPResponse, HTTPSConnection
from pathlib import Path
from urllib.parse import urlencode

import pytest

from monoskope.api.secrets.v1 import events_pb2
from monoskope.host_port import HostPort
from monoskope.m8 import opened
from monoskope.m8.credentials.tokens import Issued, Tokens
from monoskope.m8.http.requests import enveloped
from monoskope.m8.init import lay_out
from monoskope.m8.settings import ServerSettings
from monoskope.testing.search import Wanted
from monoskope.testing.search.memory import look_in_memory
from tests.support.absent import need_memory
from tests.unit.m8_cli.served import PATIENCE_S, Server, served

pytestmark = pytest.mark.new_interpreters

CALLS = 50
READ_BUFFER = 14
"""Calls as small as these that an open connection's read buffer of 8 KiB can hold at most."""
SUBJECT = f"anna-{secrets.token_hex(12)}"


async def issue(issuer: Tokens) -> Issued:
    rights = [events_pb2.RIGHT_PUT]
    return await issuer.issue(
        subject=SUBJECT, role=events_pb2.ROLE_USER, prefixes=["local://"], rights=rights, ttl_s=3_600
    )


@pytest.fixture
async def tokens(settings: ServerSettings) -> list[str]:
    """One for each call, of one subject: so they have their first half in common."""
    async with opened.opened_log(settings) as log:
        issuer = opened.open_tokens(settings, log)
        return [(await issue(issuer)).jwt for _ in range(CALLS)]


@pytest.fixture
def settings(tmp_path: Path) -> ServerSettings:
    return lay_out(folder=tmp_path / "m8", listen=HostPort("127.0.0.1", 0))


@pytest.fixture
def server(settings: ServerSettings, tokens: list[str]) -> Iterator[Server]:
    need_memory()
    with served(settings) as running:
        yield running


def copies(server: Server, tokens: list[str]) -> int:
    """Copies of any of the tokens in m8's memory, which certainly knows who called."""
    common = tokens[0][60:120]
    assert all(common in token for token in tokens)
    wanted = [Wanted.of("token", common.encode()), Wanted.of("signature", tokens[-1].rpartition(".")[2].encode())]
    result = look_in_memory(server.process.pid, [*wanted, Wanted.of("subject", SUBJECT.encode())])
    assert result.total("subject", "raw") > 0
    return result.total("token") + result.total("signature")


def copies_left(server: Server, tokens: list[str], *, at_most: int) -> int:
    """The copies once there are no more than `at_most`, or when patience is over."""
    until = time.monotonic() + PATIENCE_S
    while (found := copies(server, tokens)) > at_most and time.monotonic() < until:
        pass
    return found


GET_SERVER = "/monoskope.api.gateway.v1.SecretQueryService/GetServer"
WATCH = "/monoskope.api.gateway.v1.SecretQueryService/WatchEvents"


CREATE = "/monoskope.api.gateway.v1.AccessService/CreateToken"
EXCHANGE = "/oauth2/token"
STREAMED = "application/connect+json"
FORM = "application/x-www-form-urlencoded"
EXCHANGED = {
    "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
    "subject_token_type": "urn:ietf:params:oauth:token-type:id_token",
}
FEW = 8
"""So many exchanges that are refused are answered to one address at once."""


def post(
    one: HTTPSConnection, token: str, path: str = GET_SERVER, kind: str = "application/json", body: bytes = b"{}"
) -> HTTPResponse:
    one.request("POST", path, body, {"Authorization": f"Bearer {token}", "Content-Type": kind})
    return one.getresponse()


def test_no_token_is_left_in_m8s_memory_once_its_connection_is_closed(server: Server, tokens: list[str]) -> None:
    for token in tokens:
        with closing(server.https()) as one:
            assert post(one, token).read()
            assert post(one, token[:-8] + "AAAAAAAA").read()
            assert post(one, token, kind="text/plain").read()
            # A stream that goes on until its reader hangs up.
            assert post(one, token, WATCH, STREAMED, enveloped(b"{}")).status == 200
    assert copies_left(server, tokens, at_most=0) == 0


def test_no_token_is_left_by_what_is_refused_or_broken_off(server: Server, tokens: list[str]) -> None:
    """Nothing of m8 looks for garbage by the clock: no end of a call may leave its token in a reference cycle."""
    for token in tokens[:FEW]:
        with closing(server.https()) as one:
            assert b"invalid_argument" in post(one, token, body=b'{"no": [').read()
            assert post(one, token, "/nothing").read()
            assert b"permission_denied" in post(one, token, CREATE).read()
        with closing(server.https()) as one:
            form = urlencode({**EXCHANGED, "subject_token": token})
            one.request("POST", EXCHANGE, form, {"Content-Type": FORM})
            assert one.getresponse().status == 400
        with closing(server.https()) as one:
            one.putrequest("POST", GET_SERVER)
            one.putheader("Authorization", f"Bearer {token}")
            one.putheader("Content-Type", "application/json")
            one.putheader("Content-Length", "9")
            one.endheaders(b"{")
    assert copies_left(server, tokens, at_most=0) == 0


def test_no_token_is_left_by_a_watch_that_is_overdue_or_calls_that_the_log_fails(
    server: Server, settings: ServerSettings, tokens: list[str]
) -> None:
    for token in tokens[:FEW]:
        with closing(server.https()) as one:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": STREAMED, "Connect-Timeout-Ms": "100"}
            one.request("POST", WATCH, enveloped(b"{}"), headers)
            assert b"deadline_exceeded" in one.getresponse().read()
    with closing(sqlite3.connect(settings.event_log)) as log:
        log.execute("ALTER TABLE events RENAME TO away")
        for token in tokens[:FEW]:
            with closing(server.https()) as one:
                assert b"unavailable" in post(one, token).read()
        log.execute("ALTER TABLE away RENAME TO events")
    assert copies_left(server, tokens, at_most=0) == 0


def test_an_open_connection_keeps_no_more_than_its_read_buffer(server: Server, tokens: list[str]) -> None:
    with closing(server.https()) as one:
        for token in tokens:
            assert post(one, token).read()
        assert copies_left(server, tokens, at_most=READ_BUFFER) <= READ_BUFFER
    assert copies_left(server, tokens, at_most=0) == 0
