"""Tokens that end while a client is open: asked for before each call, renewed once, and never shown."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.client import Client, ClientSettings, SyncClient, WorkloadToken
from monoskope.client.connection import Connection, RenewedError
from monoskope.client.http.methods import GET_SERVER, WATCH_EVENTS
from monoskope.client.login.credential import Caller, Exchange, Issued, IssuerAwayError
from monoskope.client.login.id_token import claims_of
from monoskope.client.queries import Queries
from monoskope.client.runtime import Runtime
from monoskope.client.runtime.on_asyncio import ASYNCIO
from monoskope.errors import Code, Error, ProtocolError, UnauthenticatedError, UnavailableError, UsageError
from tests.support.exchanging import ExchangingM8, jwt


class Tokens:
    """A source whose tokens have numbers."""

    source = "a test"

    def __init__(self, *, lasts_s: float = 900.0, most: int = 99) -> None:
        self.given = 0
        self.lasts_s = lasts_s
        self.most = most
        self.failure: Error | None = None

    async def issue(self, exchange: Exchange, runtime: Runtime, *, refused: str) -> Issued:
        await asyncio.sleep(0)
        if self.failure is not None:
            raise self.failure
        self.given = min(self.given + 1, self.most)
        return Issued(f"token-{self.given}", self.lasts_s)


async def none(token: str, kind: str) -> Issued:
    raise AssertionError((token, kind))


def caller(tokens: Tokens) -> Caller:
    return Caller(tokens, none, ASYNCIO)


async def test_many_calls_at_once_ask_once() -> None:
    tokens = Tokens()
    one = caller(tokens)
    assert set(await asyncio.gather(*(one.token() for _ in range(20)))) == {"token-1"}
    assert tokens.given == 1
    assert set(await asyncio.gather(*(one.token(refused="token-1") for _ in range(20)))) == {"token-2"}
    assert tokens.given == 2
    assert "token-" not in repr(one)
    one.forget()
    assert one.last == ""


async def test_a_token_is_renewed_before_it_ends() -> None:
    tokens = Tokens(lasts_s=59)
    one = caller(tokens)
    assert [await one.token(), await one.token()] == ["token-1", "token-2"]


async def test_a_token_that_still_counts_is_used_while_the_issuer_is_away() -> None:
    tokens = Tokens(lasts_s=59)
    one = caller(tokens)
    await one.token()
    tokens.failure = IssuerAwayError("the issuer's host does not answer.")
    assert await one.token() == "token-1"
    with pytest.raises(IssuerAwayError):
        await one.token(refused="token-1")
    tokens.failure = UnauthenticatedError("your login has ended.")
    with pytest.raises(UnauthenticatedError):
        await one.token()


class Scripted:
    """A transport that refuses some tokens, and streams events until a token ends."""

    def __init__(self, *refused: str, ends: int = 0) -> None:
        self.sent: list[str] = []
        self._refused = refused
        self._ends = ends

    def _check(self, metadata: Any) -> None:
        token = dict(metadata)["authorization"].removeprefix("Bearer ")
        self.sent.append(token)
        if token in self._refused:
            raise UnauthenticatedError("m8 says: the token has expired.")

    async def call(self, method: Any, request: Message, timeout_s: float, metadata: Any, **_: Any) -> Any:
        self._check(metadata)
        return queries_pb2.GetServerResponse(subject="it")

    async def stream(self, method: Any, request: Any, metadata: Any) -> AsyncGenerator[Any]:
        self._check(metadata)
        after = request.after
        for position in range(after + 1, after + 3):
            yield queries_pb2.WatchEventsResponse(event=views_pb2.EventSummary(position=position))
        if self._ends:
            self._ends -= 1
            raise UnauthenticatedError("m8 says: the token has expired.")

    async def close(self) -> None:
        pass


@pytest.fixture
def connected(tmp_path: Path) -> Any:
    (tmp_path / "ca.crt").write_text("-----BEGIN CERTIFICATE-----\n")

    def made(tokens: Tokens | str, transport: Scripted) -> Connection:
        connection = Connection("127.0.0.1:1", tmp_path / "ca.crt", tokens)
        connection._servers.transports["127.0.0.1:1"] = transport
        return connection

    return made


async def test_a_call_that_is_refused_is_made_once_more_with_a_new_token(connected: Any) -> None:
    transport = Scripted("token-1")
    connection = connected(Tokens(), transport)
    assert (await connection.call(GET_SERVER, queries_pb2.GetServerRequest(), 5)).subject == "it"
    assert (transport.sent, connection.token) == (["token-1", "token-2"], "token-2")
    await connection.close()
    assert connection.token == ""


@pytest.mark.parametrize(
    ("tokens", "sent"), [(Tokens(), ["token-1", "token-2"]), ("given", ["given"])], ids=["two", "given"]
)
async def test_a_call_that_is_refused_twice_ends(connected: Any, tokens: Tokens | str, sent: list[str]) -> None:
    transport = Scripted(*sent)
    with pytest.raises(UnauthenticatedError):
        await connected(tokens, transport).call(GET_SERVER, queries_pb2.GetServerRequest(), 5)
    assert transport.sent == sent


async def test_a_watch_goes_on_when_its_token_ends_without_saying_so(connected: Any) -> None:
    transport = Scripted(ends=2)
    lost: list[Error] = []
    connection = connected(Tokens(), transport)
    found = [event.position async for event in Queries(connection).follow(after=0, lost=lost.append)]
    assert (found, transport.sent, lost) == ([1, 2, 3, 4, 5, 6], ["token-1", "token-2", "token-3"], [])


async def test_a_stream_ends_with_the_token_that_was_given(connected: Any) -> None:
    connection = connected("given", Scripted(ends=1))
    with pytest.raises(UnauthenticatedError):
        await drained(connection)


async def test_a_stream_that_is_refused_at_its_start_begins_again(connected: Any) -> None:
    transport = Scripted("token-1")
    assert len(await drained(connected(Tokens(), transport))) == 2
    with pytest.raises(RenewedError) as caught:
        await drained(connected(Tokens(), Scripted(ends=1)))
    assert isinstance(caught.value, UnavailableError)


async def drained(connection: Connection) -> list[Any]:
    streamed: AsyncIterator[Any] = connection.stream(WATCH_EVENTS, queries_pb2.WatchEventsRequest())
    return [one async for one in streamed]


def test_a_program_with_a_token_of_its_platform_is_renewed_by_the_sdk(tmp_path: Path) -> None:
    given = jwt(aud="m8", sub="deploy")
    with ExchangingM8().serving_in_thread(tmp_path) as m8:
        m8.clock_s = 86_400  # m8's clock does not matter to the client
        credential = WorkloadToken(lambda: given, audience="m8")
        settings = ClientSettings(server=m8.server, ca_file=m8.ca_file, credential=credential)
        with SyncClient(settings) as client:
            client.get_server()
            assert client.subject == "user:corp:deploy"
            m8.failing["GetServer"] = [UnauthenticatedError("the token was revoked.")]
            client.get_server()
        assert m8.exchanged == [given, given]
        assert claims_of(m8.exchanged[0])["aud"] == "m8"


def claiming(claims: str) -> str:
    return f"e30.{base64.urlsafe_b64encode(claims.encode()).decode().rstrip('=')}.c2ln"


def test_what_a_hostile_m8_gives_for_a_login_is_a_token_or_is_refused(tmp_path: Path) -> None:
    """It becomes a header of each call, and a line of the login's file."""
    taken = [
        claiming(text) for text in (f'{{"iat": 1, "exp": 1{"0" * 400}}}', '{"iat": NaN, "exp": 1e999}', "[" * 5_000)
    ]
    refused = ["", "x y", "x\r\nEvil: 1", "é", "x" * 8_193]
    with ExchangingM8().serving_in_thread(tmp_path) as m8:
        for m8.gives in (*taken, *refused):
            credential = WorkloadToken(lambda: jwt(aud="m8"), audience="m8")
            settings = ClientSettings(server=m8.server, ca_file=m8.ca_file, credential=credential)
            with SyncClient(settings) as client:
                if m8.gives in taken:
                    client.get_server()
                    continue
                with pytest.raises(ProtocolError) as caught:
                    client.get_server()
            assert caught.value.message == f"what m8 at {m8.server} gave for the login is no token."


def test_settings_have_a_token_or_a_source_of_tokens() -> None:
    with pytest.raises(UsageError, match="both token and credential are given"):
        ClientSettings(server="m8:1", token="t", credential=Tokens())
    with pytest.raises(UsageError, match="does not hold a token"):
        ClientSettings(server="m8:1")
    assert Client(ClientSettings(server="m8:1", credential=Tokens())).settings.credential_source == "a test"


def test_an_issuer_that_is_away_is_no_m8_that_is_away() -> None:
    error = IssuerAwayError("it does not answer.")
    assert error.code is Code.UNAVAILABLE
    assert not isinstance(error, UnavailableError)
