"""Several secrets of one call, and identities that are agreed to in advance."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.client import Client, Expect, PutResult
from monoskope.client.known.stores import PinsInMemory
from monoskope.client.runtime.on_asyncio import ASYNCIO
from monoskope.client.walk.pace import AT_ONCE, Bulk, Tally
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

VALUES = {"password": b"correct horse battery staple"}
GOOD, OTHER = "vault://app/good", "local://app/other"


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[ScriptedM8]:
    m8 = ScriptedM8()
    m8.add_store("local", Identity(), kind="age")
    async with m8.serving(tmp_path) as scripted:
        pinned(scripted, tmp_path)
        yield scripted


def _deactivated(store: views_pb2.SecretStore) -> None:
    store.active = False


def _alone(store: views_pb2.SecretStore) -> None:
    store.reactors[0].attached = False


def _with_one_key(store: views_pb2.SecretStore) -> None:
    store.reactors[0].capabilities.key_rule = r"the\-key"


def _blind(store: views_pb2.SecretStore) -> None:
    store.reactors[0].capabilities.check_and_set = False


def _small(store: views_pb2.SecretStore) -> None:
    store.reactors[0].capabilities.max_plaintext = 1


@pytest.mark.parametrize(
    ("spoil", "kind", "said"),
    [
        (_deactivated, RefusedError, "deactivated"),
        (_alone, UnavailableError, "no reactor"),
        (_with_one_key, RefusedError, "'password'"),
        (_blind, RefusedError, "exactly one version"),
        (_small, RefusedError, "accepts at most"),
    ],
)
async def test_what_is_known_to_be_wrong_with_one_keeps_all_from_being_asked_for(
    m8: ScriptedM8, tmp_path: Path, spoil: Callable[[views_pb2.SecretStore], None], kind: type[Error], said: str
) -> None:
    spoil(m8.stores["local"])

    async with client_for(m8, tmp_path) as client:
        good, other = await client.put_secrets([GOOD, OTHER], VALUES, expect=Expect.ABSENT)

    assert isinstance(good, NotTriedError)
    assert isinstance(other, kind)
    assert said in other.message
    assert (good.uri, other.uri, good.code) == (GOOD, OTHER, Code.NOT_TRIED)
    assert m8.attempts == []


async def test_a_rule_that_is_no_plain_key_is_the_reactors_to_read(m8: ScriptedM8, tmp_path: Path) -> None:
    # It would take this program longer than the universe.
    m8.stores["local"].reactors[0].capabilities.key_rule = "(a+)+$"
    async with client_for(m8, tmp_path) as client:
        results = await client.put_secrets([GOOD, OTHER], {"a" * 60 + "b": b"x"})
    assert [type(result) for result in results] == [PutResult, PutResult]


class Knowing(ScriptedM8):
    """Says who the caller is."""

    def __init__(self) -> None:
        super().__init__()
        self.prefixes = ["vault://app", "local://app", "not a prefix"]
        self.rights = [events_pb2.RIGHT_PUT]

    def more(self, method: str, message: object) -> queries_pb2.GetServerResponse:
        del method, message
        return queries_pb2.GetServerResponse(role=events_pb2.ROLE_USER, prefixes=self.prefixes, rights=self.rights)


async def test_what_the_credential_does_not_cover_is_known_before(tmp_path: Path) -> None:
    async with Knowing().serving(tmp_path) as m8:
        pinned(m8, tmp_path)
        async with client_for(m8, tmp_path) as client:
            results = await client.put_secrets([GOOD, "vault://other/db"], VALUES)
            assert [type(result) for result in results] == [NotTriedError, NotFoundError]
            # A patch shows hashes of values that its user did not send.
            results = await client.patch_secrets([GOOD, "vault://app/db"], VALUES)
            assert [type(result) for result in results] == [RefusedError, RefusedError]
            assert m8.attempts == []
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


NO_TRUST = Trust(PinsInMemory({}), "m8:7443", "vault", pin="SHA256:", notify=None)
MANY = [f"vault://app/s{number}" for number in range(3 * AT_ONCE)]


async def test_a_credential_that_does_not_count_is_shown_for_as_few_as_may_be(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.failing["RequestSecretUploadKey"] = [UnauthenticatedError("expired.")] * len(MANY)
    async with client_for(m8, tmp_path) as client:
        results = await client.import_secrets(MANY)
    kinds = {type(result) for result in results}
    assert kinds == {UnauthenticatedError, NotTriedError}
    assert m8.count("RequestSecretUploadKey") <= AT_ONCE


async def test_once_m8_is_gone_the_rest_is_not_tried(m8: ScriptedM8, tmp_path: Path) -> None:
    m8.failing["RequestSecretUploadKey"] = ["unavailable"] * 100_000
    async with client_for(m8, tmp_path) as client:
        results = await client.import_secrets(MANY, timeout=0.3)
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
