"""Many puts at once: what stops all of them, what hides none of the others, and how fast they begin."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from math import inf
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.client import Client, Expect, PutResult
from monoskope.client.http.retry import LONGEST_PAUSE_S, pause_after
from monoskope.client.known.stores import KnownStores
from monoskope.client.runtime.on_asyncio import ASYNCIO, AsyncioRuntime
from monoskope.client.walk.pace import AT_ONCE, Bulk, Pace, RequestTime, Tally
from monoskope.client.walk.target import Target
from monoskope.client.walk.trust import Trust
from monoskope.errors import (
    Code,
    ConflictError,
    Error,
    IdentityChangedError,
    NotFoundError,
    NotTriedError,
    RefusedError,
    TimedOutError,
    UnauthenticatedError,
    UnavailableError,
    UsageError,
)
from monoskope.testing.cluster.identities import Identity
from monoskope.testing.scripted.client import client_for, pinned, settings_for
from monoskope.testing.scripted.m8 import Attempt, ScriptedM8
from monoskope.uri import SecretUri
from tests.support import clocks

VALUES = {"password": b"correct horse battery staple"}
GOOD, OTHER = "vault://app/good", "local://app/other"


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[ScriptedM8]:
    m8 = ScriptedM8()
    m8.add_store("local", Identity(), kind="age")
    async with m8.serving(tmp_path) as scripted:
        pinned(scripted, tmp_path)
        yield scripted


@pytest.fixture
async def client(m8: ScriptedM8, tmp_path: Path) -> AsyncIterator[Client]:
    """A client that is open."""
    async with client_for(m8, tmp_path, retry_for=0.01) as client:
        yield client


@pytest.mark.parametrize(
    ("name", "value", "kind", "said"),
    [
        ("active", False, RefusedError, "deactivated"),
        ("attached", False, UnavailableError, "no reactor"),
        ("key_rule", r"the\-key", RefusedError, "'password'"),
        ("check_and_set", False, RefusedError, "exactly one version"),
        ("max_plaintext", 1, RefusedError, "accepts at most"),
    ],
)
async def test_what_is_known_to_be_wrong_with_one_keeps_all_from_being_asked_for(  # noqa: PLR0917 - one case
    m8: ScriptedM8, client: Client, name: str, value: object, kind: type[Error], said: str
) -> None:
    store = m8.stores["local"]
    reactor = store.reactors[0]
    spoilt = {"active": store, "attached": reactor}.get(name, reactor.capabilities)
    setattr(spoilt, name, value)

    good, other = await client.put_secrets([GOOD, OTHER], VALUES, expect=Expect.ABSENT)

    assert isinstance(good, NotTriedError)
    assert isinstance(other, kind)
    assert said in other.message
    assert (good.uri, other.uri, good.code, m8.attempts) == (GOOD, OTHER, Code.NOT_TRIED, [])


async def test_a_rule_that_is_no_plain_key_is_the_reactors_to_read(m8: ScriptedM8, client: Client) -> None:
    # It would take this program longer than the universe.
    m8.stores["local"].reactors[0].capabilities.key_rule = "(a+)+$"
    results = await client.put_secrets([GOOD, OTHER], {"a" * 60 + "b": b"x"})
    assert [type(result) for result in results] == [PutResult, PutResult]


class Knowing(ScriptedM8):
    """Says who the caller is."""

    def __init__(self) -> None:
        super().__init__()
        self.prefixes = ["vault://app", "local://app", "not a prefix"]
        self.rights = [events_pb2.RIGHT_PUT]
        self.answers[queries_pb2.GetServerRequest] = lambda _: queries_pb2.GetServerResponse(
            role=events_pb2.ROLE_USER, prefixes=self.prefixes, rights=self.rights
        )


async def test_what_the_credential_does_not_cover_is_known_before(tmp_path: Path) -> None:
    async with Knowing().serving(tmp_path) as m8:
        pinned(m8, tmp_path)
        async with client_for(m8, tmp_path) as client:
            results = await client.put_secrets([GOOD, "vault://other/db"], VALUES)
            assert [type(result) for result in results] == [NotTriedError, NotFoundError]
            # A patch shows hashes of values that its user did not send.
            results = await client.patch_secrets([GOOD, "vault://app/db"], VALUES)
            assert ([type(result) for result in results], m8.attempts) == ([RefusedError, RefusedError], [])
            m8.rights.append(events_pb2.RIGHT_SEE_HASH)
            results = await client.patch_secrets([GOOD, "vault://app/db"], VALUES)
            assert [type(result) for result in results] == [PutResult, PutResult]


async def test_one_that_fails_later_hides_no_other_result(m8: ScriptedM8, tmp_path: Path) -> None:
    def end(attempt: Attempt) -> views_pb2.SecretUpload:
        if attempt.request.uri.store == "local":
            return m8.ended(attempt, attempt.failure(upload_pb2.REASON_CONFLICT))
        return m8.honest_end(attempt)

    m8.end = end
    told: list[Tally] = []
    async with Client(
        settings_for(m8, tmp_path), system_known_stores=tmp_path / "none", progress=told.append
    ) as client:
        good, other = await client.put_secrets([GOOD, OTHER], VALUES)

    assert isinstance(good, PutResult)
    assert isinstance(other, ConflictError)
    assert (other.uri, other.reason_name) == (OTHER, "CONFLICT")
    assert told[0] == Tally(2)
    assert told[-1] == Tally(2, done=1, failed=1)


NO_TRUST = Trust(KnownStores(None, system=None), "m8:7443", "vault", pin="SHA256:", notify=None)
MANY = [f"vault://app/s{number}" for number in range(3 * AT_ONCE)]


async def test_a_credential_that_does_not_count_is_shown_for_as_few_as_may_be(m8: ScriptedM8, client: Client) -> None:
    m8.failing["RequestSecretUploadKey"] = [UnauthenticatedError("expired.")] * len(MANY)
    results = await client.import_secrets(MANY)
    kinds = {type(result) for result in results}
    assert kinds == {UnauthenticatedError, NotTriedError}
    assert m8.count("RequestSecretUploadKey") <= AT_ONCE


async def test_once_m8_is_gone_the_rest_is_not_tried(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.failing["RequestSecretUploadKey"] = ["unavailable"] * 100_000
    kind, settings = clocks.clocked(Client, clocks.Clock()), settings_for(m8, tmp_path)
    async with kind(settings, system_known_stores=tmp_path / "none", retry_for=0.01) as client:
        results = await client.import_secrets(MANY)
    assert sum(isinstance(result, NotTriedError) for result in results) == 2 * AT_ONCE


async def test_one_that_nobody_answers_stops_nothing_while_others_end() -> None:
    ended, targets = asyncio.Event(), [Target(SecretUri.parse(uri), views_pb2.SecretStore(), NO_TRUST) for uri in MANY]

    async def one(target: Target) -> str:
        if target is targets[0]:
            await ended.wait()
            raise TimedOutError("time is over.")
        if target is targets[AT_ONCE]:
            ended.set()
        return "done"

    first, *others = await Bulk(ASYNCIO, MANY, tell=None).run(targets, one)
    assert isinstance(first, TimedOutError)
    assert others == ["done"] * (len(MANY) - 1)


def state(client: Client, m8: ScriptedM8) -> str:
    return client.stores.look_at_identity(m8.stores["vault"]).state


async def test_an_agreed_identity_is_pinned_and_the_next_put_asks_nobody(tmp_path: Path) -> None:
    async with ScriptedM8().serving(tmp_path) as m8, client_for(m8, tmp_path) as client:
        assert state(client, m8) == "new"

        assert await client.stores.trust("vault", m8.identity.shown) == m8.identity.shown

        assert state(client, m8) == "pinned"
        assert (await client.put_secret("vault://app/db", {"password": b"x"})).outcome == "UPLOADED"
        assert await client.stores.trust("vault", m8.identity.shown) == m8.identity.shown


async def test_an_identity_before_signed_steps_is_agreed_to_as_their_last(tmp_path: Path) -> None:
    later = Identity()
    async with ScriptedM8().serving(tmp_path) as m8, client_for(m8, tmp_path) as client:
        m8.stores["vault"].rotations.append(m8.identity.rotate(later, "vault"))
        m8.stores["vault"].identity = later.shown

        assert await client.stores.trust("vault", m8.identity.shown) == later.shown
        assert client.stores.look_at_identity(m8.stores["vault"]).pinned == later.shown


async def test_another_identity_than_m8_shows_is_not_pinned(tmp_path: Path) -> None:
    async with ScriptedM8().serving(tmp_path) as m8, client_for(m8, tmp_path) as client:
        with pytest.raises(IdentityChangedError):
            await client.stores.trust("vault", Identity().shown)
        with pytest.raises(UsageError):
            await client.stores.trust("vault", m8.identity.shown[:-1])
        with pytest.raises(NotFoundError):
            await client.stores.trust("other", m8.identity.shown)
        assert state(client, m8) == "new"


async def test_no_pin_is_replaced(tmp_path: Path) -> None:
    async with ScriptedM8().serving(tmp_path) as m8, client_for(m8, tmp_path) as client:
        pinned(m8, tmp_path)
        before = (tmp_path / "known_stores").read_bytes()
        other = Identity()
        m8.stores["vault"].identity = other.shown

        with pytest.raises(IdentityChangedError, match="changed"):
            await client.stores.trust("vault", other.shown)

        assert state(client, m8) == "changed"
        assert (tmp_path / "known_stores").read_bytes() == before


async def test_an_identity_that_another_store_has_is_no_new_one(tmp_path: Path) -> None:
    async with ScriptedM8().serving(tmp_path) as m8, client_for(m8, tmp_path) as client:
        pinned(m8, tmp_path)
        m8.add_store("copy", m8.identity)

        seen = client.stores.look_at_identity(m8.stores["copy"])

        assert seen.state == "changed"
        assert "same identity" in str(seen.changed)


NO_TRUST = cast("Trust", None)


class Clock(AsyncioRuntime):
    """Seconds that pass while somebody sleeps."""

    def __init__(self) -> None:
        self.time = 100.0

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.time += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@given(st.floats(-1e9, 1e9), st.integers(0, 1_000), st.floats(0.001, 2.0))
def test_no_answer_lets_a_client_hammer_or_wait_for_long(told_s: float, times: int, pause_s: float) -> None:
    pause = pause_after(told_s, times, pause_s)
    if told_s > LONGEST_PAUSE_S:
        assert pause is None
    else:
        assert pause is not None
        assert max(2.5 * pause_s, told_s) <= pause <= 1.25 * max(LONGEST_PAUSE_S, 80 * pause_s)


async def test_until_a_limit_is_met_nothing_waits(clock: Clock) -> None:
    pace = Pace(clock)
    for _ in range(1_000):
        await pace.turn(inf)
        pace.taken()
    assert clock.time == 100.0


async def test_after_a_refusal_requests_begin_when_told_and_no_faster_than_they_were_taken(clock: Clock) -> None:
    pace = Pace(clock)
    for _ in range(50):
        await pace.turn(inf)
        pace.taken()
    for _ in range(20):
        assert (pace.refused(1, 0) or 0) >= 1

    begun = []
    for _ in range(45):
        await pace.turn(inf)
        begun.append(clock.time)

    assert begun[0] >= 101.0
    # 45 a second, nine tenths of what was taken, however many were refused together.
    assert begun[-1] - begun[0] == pytest.approx(44 / 45)


async def test_it_becomes_faster_with_what_is_taken_and_slower_with_the_next_refusal(clock: Clock) -> None:
    pace = Pace(clock)
    for _ in range(10):
        pace.taken()
    pace.refused(1, 0)

    async def gap() -> float:
        await pace.turn(inf)
        began = clock.time
        await pace.turn(inf)
        return clock.time - began

    first = await gap()
    assert first == pytest.approx(1 / 9)
    for _ in range(100):
        await pace.turn(inf)
        pace.taken()
    faster = await gap()
    assert faster < first
    pace.refused(1, 0)
    assert await gap() == pytest.approx(faster / 0.9)


async def test_a_limit_of_the_hour_stops_nothing_else(clock: Clock) -> None:
    pace = Pace(clock)
    assert pace.refused(3_600, 0) is None
    await pace.turn(inf)
    assert clock.time == 100.0


async def test_a_request_whose_time_is_over_gives_its_turn_to_the_next(clock: Clock) -> None:
    pace = Pace(clock, pause_s=0.001)
    pause_s = pace.refused(0.2, 0)
    assert pause_s is not None
    with pytest.raises(TimeoutError):
        await pace.turn(clock.time + 0.01)
    assert clock.time == pytest.approx(100.01)
    await pace.turn(inf)
    assert clock.time == pytest.approx(100 + pause_s)


async def test_the_time_of_one_of_several_begins_with_its_place(clock: Clock) -> None:
    pace = Pace(ASYNCIO)
    for _ in range(AT_ONCE):
        await pace.semaphore.acquire()
    alone = RequestTime(ASYNCIO, 0.05, 0.001, pace=pace, several=False)
    several = RequestTime(clock, 0.05, 0.001, pace=pace, several=True)

    async def placed() -> float:
        async with several.admitted():
            return several.remaining_s()

    waiting = asyncio.create_task(placed())
    with pytest.raises(TimeoutError):
        async with alone.admitted():
            pass
    clock.time += 60
    pace.semaphore.release()
    assert await waiting == pytest.approx(0.05)


async def test_all_requests_of_a_client_at_one_store_share_one_pace(m8: ScriptedM8, client: Client) -> None:
    paces = [
        client._session.walk(Target(SecretUri.parse(uri), views_pb2.SecretStore(), NO_TRUST), 1.0)._pace
        for uri in ("vault://app", "vault://other", "local://app")
    ]
    assert paces[0] is paces[1] is not paces[2]
