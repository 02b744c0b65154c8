"""What is sent again when m8 or its log is away, and what is not."""

from __future__ import annotations

import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.client import Client
from monoskope.client.connection import Connection
from monoskope.client.http import transport as http
from monoskope.client.http.methods import CREATE_SECRET_STORE, GET_SECRET_STORE, Method
from monoskope.client.http.retry import Absence, Patience, Wait
from monoskope.client.http.transport import Metadata
from monoskope.client.login.credential import Exchange, Issued
from monoskope.client.queries import Queries
from monoskope.client.runtime import Runtime, blocking, within
from monoskope.client.settings import RETRY_FOR_S
from monoskope.errors import (
    AwayError,
    Error,
    IdentityChangedError,
    NotFoundError,
    NotReachedError,
    OutcomeUnknownError,
    ProtocolError,
    RateLimitedError,
    RefusedError,
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
    "away": lambda: AwayError("m8 says: the database is away; since noon.", by_m8=True),
    "limited": lambda: RateLimitedError("too fast.", by_m8=True),
    "limited for no time": lambda: RateLimitedError("too fast.", by_m8=True, retry_after_s=1e-9),
    "wrong address": lambda: http.silent("m8", http.WrongAddressError),
    "bad certificate": lambda: IdentityChangedError("the certificate of m8 is not signed by an authority."),
    "refused": lambda: RefusedError("no.", by_m8=True),
    "unknown": lambda: NotFoundError("no such store.", by_m8=True),
    "no message": lambda: ProtocolError("no message of this protocol."),
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


class Outcome(NamedTuple):
    """What became of one call."""

    sends: int
    took_s: float
    end: Error
    told: list[tuple[float, str]]
    """What its user was told while it waited, and after how many seconds."""


def sends(
    faults: list[str],
    *,
    servers: int = 1,
    sent: bool = False,
    method: Method[Any] = GET_SECRET_STORE,
    retry_for: float = RETRY_FOR_S,
    within_s: float | None = None,
) -> Outcome:
    """Return what becomes of a call whose sends fail so, one after the other."""
    clock, seen, told = Clock(), list[str](), list[tuple[float, str]]()

    names = [f"m8-{number}:7443" for number in range(servers)]
    runtime = BlockingOnClock(clock)
    began = clock.time
    connection = Connection(
        names,
        None,
        NewTokens(),
        ca=CA,
        pause_s=PAUSE_S,
        runtime=runtime,
        retry_for_s=retry_for,
        tell=lambda sentence: told.append((clock.time - began, sentence)),
    )
    connection._servers.transports |= {name: Failing(faults, seen, name) for name in names}
    request = queries_pb2.GetSecretStoreRequest()
    with pytest.raises(Error) as caught, within(runtime, within_s):
        blocking.run(connection.call(method, request, TIME_S, sent=sent))
    return Outcome(len(seen), clock.time - began, caught.value, told)


@given(
    st.lists(st.sampled_from(sorted(FAULTS)), min_size=1, max_size=6), st.integers(1, 3), st.booleans(), st.booleans()
)
def test_no_call_is_sent_more_often_than_the_worst_case(
    faults: list[str], servers: int, sent: bool, waits: bool
) -> None:
    retry_for = RETRY_FOR_S if waits and not sent else 0.0
    outcome = sends(faults, servers=servers, sent=sent, retry_for=retry_for)
    most_s = TIME_S + retry_for
    assert outcome.sends <= (servers + 2) * (4 + most_s / (2.5 * PAUSE_S))
    assert outcome.took_s <= most_s


AT_M8 = "waiting for m8 at m8-0:7443 to come back, up to 30 s …"
AT_ITS_DATABASE = "waiting for what m8 needs to come back (m8 says: the database is away), up to 30 s …"


@pytest.mark.parametrize(
    ("fault", "waited", "says"),
    [
        ("not sent", True, AT_M8),
        ("turned away", True, AT_M8),
        ("broken", True, AT_M8),
        ("stale", True, AT_M8),
        ("away", True, AT_ITS_DATABASE),
        ("wrong address", False, ""),
        ("bad certificate", False, ""),
        ("refused token", False, ""),
        ("refused", False, ""),
        ("unknown", False, ""),
        ("unavailable", False, ""),
        ("m8's time is over", False, ""),
        ("no message", False, ""),
    ],
)
def test_what_comes_back_by_itself_is_waited_for_and_the_rest_is_told_at_once(
    fault: str, waited: bool, says: str
) -> None:
    outcome = sends([fault])
    assert outcome.end.code is FAULTS[fault]().code
    if not waited:
        assert (outcome.took_s, outcome.told) == (0, [])
        return
    assert RETRY_FOR_S - 10 <= outcome.took_s < RETRY_FOR_S
    ((after_s, said),) = outcome.told
    assert said == says
    assert after_s <= 6
    # Whoever waits for nothing is told at once, and a short wait says nothing of itself.
    assert sends([fault], retry_for=0).took_s == 0
    assert sends([fault], retry_for=4).told == []
    # The caller's own time counts before.
    assert sends([fault], within_s=12).took_s < 12


def test_each_absence_is_told_once_and_again_when_it_comes_again() -> None:
    clock, told = Clock(), list[str]()
    patience = Patience(BlockingOnClock(clock), retry_for_s=30, tell=told.append)
    m8 = Absence("m8", "m8 at m8:7443 to come back")
    for _ in range(2):
        calls = [Wait(patience), Wait(patience)]
        for _ in range(10):
            assert all(call.goes_on(m8, 2, since=clock.time, until=math.inf) for call in calls)
            clock.time += 2
        assert len(told) == 1
        told.clear()
        for call in calls:
            call.over()


def test_no_server_of_a_list_is_waited_for_together() -> None:
    outcome = sends(["not sent"], servers=3)
    assert outcome.told[0][1] == "waiting for m8 at m8-0:7443 or m8-1:7443 or m8-2:7443 to come back, up to 30 s …"
    assert "m8 does not answer at any of m8-0:7443, m8-1:7443, m8-2:7443." in outcome.end.message
    # One that has no room, or a name that leads nowhere, is no reason to give up while another one may be starting.
    for other in ("unavailable", "wrong address"):
        assert sends(["not sent", other], servers=2).took_s > 10
    assert sends(["wrong address", "unavailable"], servers=2).took_s == 0


@pytest.mark.parametrize(
    ("fault", "waited"),
    [
        ("not sent", True),
        ("turned away", True),
        ("stale", False),
        ("broken", False),
        ("unavailable", False),
        ("away", False),
        ("m8's time is over", False),
    ],
)
def test_a_command_is_sent_again_only_if_m8_did_not_take_it(fault: str, *, waited: bool) -> None:
    outcome = sends([fault], servers=2, method=CREATE_SECRET_STORE)
    assert (outcome.sends > 10) == waited
    assert waited or (outcome.sends, outcome.took_s) == (1, 0)


def test_a_refused_token_is_renewed_once() -> None:
    assert sends(["refused token"], servers=2, method=CREATE_SECRET_STORE).sends == 2


def test_what_was_sent_before_is_asked_for_until_time_is_over() -> None:
    for fault in ("broken", "unavailable", "away", "turned away", "m8's time is over"):
        outcome = sends([fault], sent=True, retry_for=0)
        assert outcome.sends > 5
        assert outcome.took_s == pytest.approx(TIME_S)
        assert isinstance(outcome.end, TimedOutError)


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


async def test_an_unanswered_query_ends_with_what_m8_said(m8: ScriptedM8) -> None:
    runtime = OnClock(Clock())
    connection = Connection(m8.server, m8.ca_file, "a.b.c", pause_s=10.0, runtime=runtime, retry_for_s=85)
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
