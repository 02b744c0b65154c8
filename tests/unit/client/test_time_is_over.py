"""The time of a call is for everything together: whatever takes it, the call ends within a second of its end."""

from __future__ import annotations

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client, PutResult
from monoskope.client.http.transport import find_roots
from monoskope.client.login import issuer
from monoskope.client.login.renewing import turn
from monoskope.client.runtime import blocking, within
from monoskope.client.settings import ClientSettings
from monoskope.errors import ConflictError, Error, OutcomeUnknownError, TimedOutError, UnavailableError
from monoskope.http.client.blocking import BlockingPool
from monoskope.http.client.exchange import Answer
from monoskope.m8.http import tls
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import pinned, settings_for
from monoskope.testing.scripted.log import ScriptedLog
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8
from tests.support.clocks import Clock, Kind, OnClock, blocking_client, clocked

TIMEOUT_S = 20
VALUES = {"password": b"correct horse battery staple"}
SLOW_S = 9.0


class SlowM8(ScriptedM8):
    """Takes nine seconds for each answer about a store or a secret, and gives no key before the time is over.

    No answer takes longer than the call's time, after which the client waits for none.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock
        self.longest = clock.time + TIMEOUT_S
        self.log: ScriptedLog = ScriptedLog(5)
        self.key_answer = self.no_key
        self.add_store("other", Identity())
        self.answers[queries_pb2.GetSecretRequest] = lambda asked: queries_pb2.GetSecretResponse(
            secret=views_pb2.Secret(uri=asked.uri)
        )

    def no_key(self, _: Attempt) -> queries_pb2.GetSecretUploadKeyResponse:
        return queries_pb2.GetSecretUploadKeyResponse(state=views_pb2.UPLOAD_STATE_REQUESTED)

    def handle(self, method: str, message: Message) -> Message:
        if method in {"GetSecretStore", "GetSecret"}:
            self.clock.time = max(self.clock.time, min(self.clock.time + SLOW_S, self.longest))
        return super().handle(method, message)


@pytest.fixture(params=["asyncio", "blocking"])
def kind(request: pytest.FixtureRequest) -> Kind:
    return blocking_client if request.param == "blocking" else Client


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def m8(kind: Kind, clock: Clock, tmp_path: Path) -> AsyncIterator[SlowM8]:
    async with SlowM8(clock).serving(tmp_path) as m8:
        yield m8


@pytest.fixture
def settings(m8: SlowM8, tmp_path: Path) -> ClientSettings:
    pinned(m8, tmp_path)
    return settings_for(m8, tmp_path)


async def run(kind: Kind, clock: Clock, settings: ClientSettings, work: Callable[[Client], object]) -> object:
    """Run one command, and return what it raised."""

    async def whole() -> object:
        folder = settings.known_stores_path
        assert folder is not None
        client = clocked(kind, clock)(settings, system_known_stores=folder.with_name("none"), pause_s=0.5)
        async with client:
            try:
                result = work(client)
                return await result if isinstance(result, Awaitable) else result
            except Error as error:
                return error

    return await (asyncio.to_thread(blocking.run, whole()) if kind is blocking_client else whole())


CALLS: dict[str, Callable[[Client], object]] = {
    "put": lambda client: client.put_secret("app/db", VALUES, timeout=TIMEOUT_S),
    "put with notes": lambda client: client.put_secret("vault://app/db", VALUES, labels={"a": "b"}, timeout=TIMEOUT_S),
    "compare": lambda client: client.compare_secret("app/db", VALUES, timeout=TIMEOUT_S),
    "delete": lambda client: client.delete_secret("app/db", timeout=TIMEOUT_S),
    "copy": lambda client: client.copy_secret("vault://app/db", "other://app/db", timeout=TIMEOUT_S),
    "list upstream": lambda client: anext(aiter(client.list_upstream_pages("app", timeout=TIMEOUT_S))),
}


@pytest.mark.parametrize("name", list(CALLS))
async def test_a_call_ends_in_time_anywhere(kind: Kind, clock: Clock, settings: ClientSettings, name: str) -> None:
    began = clock.time

    ended = await run(kind, clock, settings, CALLS[name])

    assert isinstance(ended, TimedOutError), ended
    assert began + SLOW_S < clock.time <= began + TIMEOUT_S + 1


async def test_a_time_of_which_the_next_pause_leaves_next_to_nothing_is_told_to_be_over(
    kind: Kind, clock: Clock, settings: ClientSettings
) -> None:
    """And not that no reactor could take it: for those the client waits longer."""
    # A pause of two seconds follows after 17.5: it would leave too little for another try, but something.
    ended = await run(kind, clock, settings, lambda client: client.put_secret("app/db", VALUES, timeout=19.51))

    assert isinstance(ended, TimedOutError), ended


async def test_what_was_sent_is_awaited_in_time(kind: Kind, clock: Clock, settings: ClientSettings, m8: SlowM8) -> None:
    m8.key_answer = m8.honest_key
    m8.end = lambda attempt: views_pb2.SecretUpload(
        request_id=attempt.request.request_id, state=views_pb2.UPLOAD_STATE_UPLOADING
    )
    began = clock.time

    ended = await run(kind, clock, settings, CALLS["put"])

    assert isinstance(ended, OutcomeUnknownError), ended
    assert clock.time <= began + TIMEOUT_S + 1


@pytest.mark.parametrize(("name", "unknown"), [("put", "vault"), ("copy", "other")])
async def test_a_persons_time_is_not_the_calls(  # noqa: PLR0917 - fixtures
    kind: Kind, clock: Clock, settings: ClientSettings, m8: SlowM8, name: str, unknown: str
) -> None:
    """Who looks an identity up takes some minutes, and what was asked for is done afterwards."""
    m8.key_answer = m8.honest_key
    m8.end = lambda attempt: m8.ended(attempt, attempt.failure(upload_pb2.REASON_CONFLICT))
    file = settings.known_stores_path
    assert file is not None
    file.write_text("".join(line for line in file.read_text().splitlines(True) if f" {unknown} " not in line))

    def agreed(_: str) -> bool:
        m8.longest += 300
        clock.time += 300
        return True

    def work(client: Client) -> object:
        client._session._confirm = agreed
        return CALLS[name](client)

    ended = await run(kind, clock, settings, work)

    assert isinstance(ended, ConflictError), ended


async def test_a_login_that_another_program_renews_is_awaited_no_longer_than_the_call_has_time(tmp_path: Path) -> None:
    runtime = OnClock(Clock())
    began = runtime.now()
    async with turn(tmp_path / "login", runtime):  # that of the other program
        with within(runtime, TIMEOUT_S), pytest.raises(TimedOutError, match="still renewing the login"):
            async with turn(tmp_path / "login", runtime):
                pass
    assert began + TIMEOUT_S <= runtime.now() <= began + TIMEOUT_S + 1


def test_an_issuer_is_asked_no_longer_than_the_call_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refresh token that an issuer gave out and that is not waited for would be lost."""
    given: dict[str, float] = {}

    def answered(_: BlockingPool, method: str, *__: object, timeout_s: float, **___: object) -> Answer:
        given[method] = timeout_s
        return Answer(200, (), b"")

    monkeypatch.setattr(BlockingPool, "request", answered)
    runtime = OnClock(Clock())
    ca = tls.make(["login.example.org"], now=dt.datetime.now(dt.UTC)).ca
    with within(runtime, 3):
        for method in ("GET", "POST"):
            issuer.request(method, "https://login.example.org/x", (), None, find_roots(None, ca.decode()), named="x")
    assert given == {"GET": 3.0, "POST": issuer.TIMEOUT_S}


async def a_put(m8: SlowM8, folder: Path, clock: Clock, told: list[tuple[float, str]], **more: float) -> object:
    """Put, and return what came of it. Takes note of what is told while it waits, and when."""
    began = clock.time
    client = Client(
        settings_for(m8, folder),
        system_known_stores=folder / "none",
        runtime=OnClock(clock),
        notify=lambda sentence: told.append((clock.time - began, sentence)),
        retry_for=more.get("retry_for"),
    )
    async with client:
        try:
            return await client.put_secret("vault://app/db", VALUES, timeout=more.get("timeout", 120.0))
        except Error as error:
            return error


async def test_a_reactor_that_gives_no_key_is_told_after_the_time_and_nothing_is_sealed(
    m8: SlowM8, settings: ClientSettings, clock: Clock, tmp_path: Path
) -> None:
    assert settings.retry_for == 30
    told: list[tuple[float, str]] = []
    began = clock.time
    ended = await a_put(m8, tmp_path, clock, told)
    assert isinstance(ended, UnavailableError)
    assert (ended.reason_name, ended.by_m8) == ("NO_REACTOR", False)
    assert 25 < clock.time - began - SLOW_S <= 30
    ((after_s, said),) = [one for one in told if "waiting" in one[1]]
    assert said == "waiting for a reactor of the store vault to answer, up to 30 s …"
    assert after_s - SLOW_S <= 6
    assert m8.count("RequestUploadSecret") == 0


@pytest.mark.parametrize(("given", "error"), [({"retry_for": 0}, UnavailableError), ({"timeout": 15}, TimedOutError)])
async def test_who_waits_for_no_reactor_is_told_at_once_and_nobody_beyond_their_own_time(  # noqa: PLR0917 - fixtures
    m8: SlowM8, settings: ClientSettings, clock: Clock, tmp_path: Path, given: dict[str, float], error: type[Error]
) -> None:
    began = clock.time
    assert isinstance(await a_put(m8, tmp_path, clock, [], **given), error)
    assert clock.time - began <= given.get("timeout", SLOW_S)


async def test_a_reactor_that_comes_back_in_time_is_waited_for(
    m8: SlowM8, settings: ClientSettings, clock: Clock, tmp_path: Path
) -> None:
    back_at = clock.time + SLOW_S + 20
    failed = queries_pb2.GetSecretUploadKeyResponse(
        state=views_pb2.UPLOAD_STATE_ENDED, reason=upload_pb2.REASON_NO_REACTOR
    )
    ends = [failed]

    def key(attempt: Attempt) -> queries_pb2.GetSecretUploadKeyResponse:
        if clock.time >= back_at:
            return m8.honest_key(attempt)
        # m8 ends a request that no reactor takes, and a new one is made.
        return ends.pop() if ends and clock.time >= back_at - 10 else m8.no_key(attempt)

    m8.key_answer = key
    assert isinstance(await a_put(m8, tmp_path, clock, []), PutResult)
    assert m8.count("RequestUploadSecret") == 1
