"""What is sent again when m8 or its log is away, and what is not."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
from google.protobuf.message import Message
from hypothesis import given, settings
from hypothesis import strategies as st

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.client import Client, queries
from monoskope.client.connection import Connection
from monoskope.client.http import transport as http
from monoskope.client.http.methods import CREATE_SECRET_STORE, GET_SECRET_STORE, Method
from monoskope.client.http.retry import MOST_TURNED_AWAY
from monoskope.client.http.transport import Metadata, Transport
from monoskope.client.login.credential import Exchange, Issued
from monoskope.client.queries import Queries
from monoskope.client.runtime import Runtime, blocking
from monoskope.errors import (
    AwayError,
    Error,
    NotReachedError,
    OutcomeUnknownError,
    RateLimitedError,
    TimedOutError,
    UnauthenticatedError,
    UnavailableError,
)
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import client_for, pinned, settings_for, stores_of
from monoskope.testing.scripted.m8 import ScriptedM8
from tests.support.clocks import BlockingOnClock, Clock, OnClock, clocked

R = TypeVar("R", bound=Message)

CA = "-----BEGIN CERTIFICATE-----"
TIME_S = 30.0
PAUSE_S = 0.2
FAULTS: dict[str, Callable[[], Error]] = {
    "not sent": lambda: http.silent("m8", http.NotSentError),
    "turned away": lambda: http.silent("m8", http.TurnedAwayError),
    "stale": lambda: http.silent("m8", http.StaleConnectionError),
    "broken": lambda: http.silent("m8", NotReachedError),
    "unavailable": lambda: UnavailableError("the disk is full.", by_m8=True),
    "away": lambda: AwayError("the database is away.", by_m8=True),
    "limited": lambda: RateLimitedError("too fast.", by_m8=True),
    "limited for no time": lambda: RateLimitedError("too fast.", by_m8=True, retry_after_s=1e-9),
    "refused token": lambda: UnauthenticatedError("expired.", by_m8=True),
    "m8's time is over": lambda: TimedOutError("over.", by_m8=True),
}


class NewTokens:
    """Gives another token each time."""

    source = "a test"

    def __init__(self) -> None:
        self.given = 0

    async def issue(self, exchange: Exchange, runtime: Runtime, *, refused: str) -> Issued:
        del exchange, runtime, refused
        self.given += 1
        return Issued(f"a.b.{self.given}", 3_600.0)


class Failing:
    """Answers no call."""

    def __init__(self, faults: list[str], sent: list[str], server: str) -> None:
        self._faults, self._sent, self._server = faults, sent, server

    async def call(
        self, method: Method[R], request: Message, timeout_s: float, metadata: Metadata, *, fresh: bool = False
    ) -> R:
        del method, request, timeout_s, metadata
        fault = self._faults[len(self._sent) % len(self._faults)]
        self._sent.append(self._server)
        if fault == "stale" and fresh:
            fault = "broken"  # a new connection was never idle
        raise FAULTS[fault]()  # noqa: RSE102 - each makes a new one

    async def stream(self, method: Method[R], request: Message, metadata: Metadata) -> AsyncGenerator[R]:
        del request, metadata
        yield method.answer()

    async def close(self) -> None:
        pass


def sends(
    faults: list[str], *, servers: int, resends: int | None = 0, method: Method[Any] = GET_SECRET_STORE
) -> tuple[int, float, Error]:
    """Return how often a call was sent whose sends fail so, one after the other, how long it took, and its end."""
    clock, sent = Clock(), list[str]()

    class Scripted(Connection):
        def _dial(self, server: str) -> Transport:
            return Failing(faults, sent, server)

    names = [f"m8-{number}:7443" for number in range(servers)]
    runtime = BlockingOnClock(clock)
    connection = Scripted(names, None, NewTokens(), ca=CA, pause_s=PAUSE_S, runtime=runtime)
    request = queries_pb2.GetSecretStoreRequest()
    began = clock.time
    with pytest.raises(Error) as caught:
        blocking.run(connection.call(method, request, TIME_S, resends=resends))
    return len(sent), clock.time - began, caught.value


@settings(max_examples=300)
@given(
    st.lists(st.sampled_from(sorted(FAULTS)), min_size=1, max_size=6),
    st.integers(1, 3),
    st.sampled_from([0, 3, 16, None]),
)
def test_no_call_is_sent_more_often_than_the_worst_case(faults: list[str], servers: int, resends: int | None) -> None:
    count, took_s, _ = sends(faults, servers=servers, resends=resends)
    assert count <= (servers + 2) * (4 + TIME_S / (2.5 * PAUSE_S))
    assert took_s <= TIME_S


@pytest.mark.parametrize(
    ("fault", "count"),
    [
        ("not sent", 2),
        ("turned away", 2 * (1 + MOST_TURNED_AWAY)),
        ("stale", 1),
        ("broken", 1),
        ("unavailable", 1),
        ("away", 1),
        ("refused token", 2),
        ("m8's time is over", 1),
    ],
)
def test_a_command_is_sent_again_only_if_m8_did_not_take_it(fault: str, count: int) -> None:
    assert sends([fault], servers=2, method=CREATE_SECRET_STORE)[0] == count


@pytest.mark.parametrize(("resends", "count"), [(0, 1), (3, 4), (16, 17)])
def test_a_call_that_does_not_reach_m8_is_sent_again_as_often_as_its_caller_says(resends: int, count: int) -> None:
    assert sends(["broken"], servers=1, resends=resends)[0] == count
    assert sends(["unavailable"], servers=1, resends=resends)[0] == 1


def test_what_was_sent_before_is_asked_for_until_time_is_over() -> None:
    for fault in ("broken", "unavailable", "away", "turned away", "m8's time is over"):
        count, took_s, end = sends([fault], servers=1, resends=None)
        assert count > 10
        assert took_s == pytest.approx(TIME_S)
        assert isinstance(end, TimedOutError)


FULL = UnavailableError("the event log cannot be written: the disk is full.", fix="Make room.")
AWAY = AwayError("the event log fails over.", fix="Wait.")


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[ScriptedM8]:
    async with ScriptedM8().serving(tmp_path) as scripted:
        scripted.add_store("vault", Identity())
        yield scripted


@pytest.fixture
async def connection(m8: ScriptedM8) -> AsyncIterator[Connection]:
    connection = Connection(m8.server, m8.ca_file, "a.b.c", pause_s=0.01)
    yield connection
    await connection.close()


async def test_a_query_is_asked_again_until_it_is_answered(m8: ScriptedM8, connection: Connection) -> None:
    m8.failing["GetSecretStore"] = [AWAY] * 4

    assert (await Queries(connection).store("vault")).name == "vault"
    assert m8.calls == ["GetSecretStore"] * 5


async def test_an_unanswered_query_ends_with_what_m8_said(m8: ScriptedM8, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queries, "CALL_TIMEOUT_S", 85.0)
    connection = Connection(m8.server, m8.ca_file, "a.b.c", pause_s=10.0, runtime=OnClock(Clock()))
    m8.failing["GetSecretStore"] = [AWAY] * 1_000

    with pytest.raises(UnavailableError, match="fails over") as caught:
        await Queries(connection).store("vault")
    assert caught.value.by_m8
    assert m8.calls == ["GetSecretStore"] * 3  # the third pause, of 40 s or more, would end after the time is over
    await connection.close()


async def test_a_command_that_may_not_be_sent_twice_is_sent_once(m8: ScriptedM8, connection: Connection) -> None:
    m8.failing["DeactivateSecretStore"] = [AWAY] * 2

    with pytest.raises(UnavailableError, match="fails over"):
        await stores_of(connection).deactivate("vault")
    assert m8.calls == ["DeactivateSecretStore"]


async def test_a_full_disk_is_told_at_once_and_not_waited_for(m8: ScriptedM8, connection: Connection) -> None:
    m8.failing["GetSecretStore"] = [FULL] * 2

    with pytest.raises(UnavailableError, match="the disk is full") as caught:
        await Queries(connection).store("vault")
    assert m8.calls == ["GetSecretStore"]
    assert caught.value.by_m8


async def test_a_put_to_a_full_disk_ends_at_once_and_says_why(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.failing["RequestSecretUploadKey"] = [FULL] * 2
    pinned(m8, tmp_path)
    async with client_for(m8, tmp_path) as client:
        with pytest.raises(UnavailableError, match="the disk is full"):
            await client.put_secret("vault://app/db", {"password": b"correct horse"})
    assert m8.calls.count("RequestSecretUploadKey") == 1


async def test_a_put_whose_sealed_secret_finds_no_room_says_why_after_its_wait(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.failing["RequestUploadSecret"] = [FULL] * 1_000
    pinned(m8, tmp_path)
    clock = Clock()
    kind = clocked(Client, clock)
    async with kind(settings_for(m8, tmp_path), system_known_stores=tmp_path / "none", pause_s=1.0) as client:
        with pytest.raises(OutcomeUnknownError, match=r"no receipt came within 20 s \(m8 says: .*the disk is full\)"):
            await client.put_secret("vault://app/db", {"password": b"correct horse"}, timeout=20)
    assert clock.time == Clock().time + 20
    assert m8.count("RequestUploadSecret") > 5
