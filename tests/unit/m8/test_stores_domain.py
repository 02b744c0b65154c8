"""What becomes of stores, and how they are listed."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from typing import Any

import pytest
from google.protobuf.message import Message

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import AlreadyExistsError, ConflictError, NotFoundError, RefusedError, UsageError
from monoskope.m8.domain import fingerprint_key, reactors, stores
from monoskope.m8.domain.events import CATALOGUE_STREAM, reactor_stream, write
from monoskope.m8.domain.fingerprint_key import FingerprintKeyIds
from monoskope.m8.domain.reactors import Attachments
from monoskope.m8.domain.stores import Catalogue
from monoskope.m8.readmodels.stores import KEPT_DETACHED
from monoskope.protocol.identity import IDENTITY_ROTATION, ProofError
from tests.support.m8_user import User, pages
from tests.support.m8_walk import Documents
from tests.support.m8_world import World
from tests.support.vectors import KEY_ID, Signer, step

OTHER_KEY = "0123456789abcdef"


def after(catalogue: Catalogue, events: Sequence[Message]) -> Catalogue:
    for event in events:
        catalogue = catalogue.after(event)
    return catalogue


def with_stores(**identities: str) -> Catalogue:
    catalogue = Catalogue()
    for name, identity in identities.items():
        catalogue = after(catalogue, stores.create(catalogue, name=name, kind="vault", identity=identity))
    return catalogue


def test_a_store_begins_inactive_and_the_first_is_the_default() -> None:
    catalogue = with_stores(vault=Signer().shown, local=Signer().shown)
    assert not catalogue.store("vault").active
    assert catalogue.default == "vault"
    assert after(catalogue, stores.set_default(catalogue, "local")).default == "local"


def test_names_and_identities_never_return() -> None:
    first, second = Signer().shown, Signer().shown
    catalogue = with_stores(vault=first)
    catalogue = after(catalogue, stores.replace_identity(catalogue, "vault", second))
    with pytest.raises(AlreadyExistsError):
        stores.create(catalogue, name="vault", kind="age", identity=Signer().shown)
    for identity in (first, second):
        with pytest.raises(AlreadyExistsError, match="vault"):
            stores.create(catalogue, name="local", kind="age", identity=identity)
    with pytest.raises(AlreadyExistsError):
        stores.replace_identity(catalogue, "vault", first)


def test_repeating_a_command_records_nothing() -> None:
    identity = Signer().shown
    catalogue = with_stores(vault=identity)
    assert stores.deactivate(catalogue, "vault") == []
    catalogue = after(catalogue, stores.activate(catalogue, "vault"))
    assert catalogue.store("vault").active
    assert (stores.activate(catalogue, "vault"), stores.set_default(catalogue, "vault")) == ([], [])
    assert stores.replace_identity(catalogue, "vault", identity) == []


def test_an_unknown_store_is_not_found() -> None:
    for decide in (stores.activate, stores.deactivate, stores.set_default):
        with pytest.raises(NotFoundError):
            decide(Catalogue(), "vault")


@pytest.mark.parametrize("name", ["", "Vault", "1st", "a" * 64, "a/b"])
def test_a_bad_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        stores.create(Catalogue(), name=name, kind="vault", identity=Signer().shown)


class TestRotations:
    """Steps are followed from the store's identity on; nothing else moves it."""

    def test_several_steps_are_followed_and_known_ones_passed_over(self) -> None:
        keys = [Signer() for _ in range(4)]
        steps = [step(old, new) for old, new in itertools.pairwise(keys)]
        catalogue = with_stores(vault=keys[0].shown)
        catalogue = after(catalogue, stores.rotate_identity(catalogue, "vault", steps[:1]))
        catalogue = after(catalogue, stores.rotate_identity(catalogue, "vault", steps))
        assert catalogue.store("vault").identity == keys[3].shown
        assert stores.rotate_identity(catalogue, "vault", steps) == []

    def test_a_step_of_others_or_that_a_key_did_not_sign_leads_nowhere(self) -> None:
        old, new, other = Signer(), Signer(), Signer()
        catalogue = with_stores(vault=old.shown, local=other.shown)
        assert stores.rotate_identity(catalogue, "vault", [step(Signer(), Signer())]) == []
        forged = step(old, new)
        forged.old_signature = new.sign(IDENTITY_ROTATION, forged.content).signature
        for one in (forged, step(old, new, "local")):
            with pytest.raises(ProofError):
                stores.rotate_identity(catalogue, "vault", [one])
        with pytest.raises(ProofError, match="in use"):
            stores.rotate_identity(catalogue, "vault", [step(old, other)])

    def test_a_replaced_identity_ends_the_chain_that_users_are_told(self) -> None:
        old, new = Signer(), Signer()
        documents = Documents()
        catalogue = with_stores(vault=old.shown)
        created = events_pb2.SecretStoreCreated(name="vault", type="vault", identity=old.shown)
        documents.record("secret-stores", [created, *stores.rotate_identity(catalogue, "vault", [step(old, new)])])
        store = documents.get("secret-stores", "vault", views_pb2.SecretStore.FromString)
        assert (store.identity, len(store.rotations)) == (new.shown, 1)
        third = Signer().shown
        documents.record("secret-stores", [events_pb2.SecretStoreIdentityReplaced(name="vault", identity=third)])
        store = documents.get("secret-stores", "vault", views_pb2.SecretStore.FromString)
        assert (store.identity, len(store.rotations)) == (third, 0)


def test_the_default_moves_from_one_store_to_the_other() -> None:
    documents = Documents()
    for name in ("vault", "local"):
        created = events_pb2.SecretStoreCreated(name=name, type="vault", identity=Signer().shown)
        documents.record("secret-stores", [created, events_pb2.DefaultSecretStoreSet(name=name)])
    for name, is_default in (("vault", False), ("local", True)):
        assert documents.get("secret-stores", name, views_pb2.SecretStore.FromString).is_default is is_default
    assert documents.bodies["default-store", ""] == b"local"


NONE = FingerprintKeyIds()


def followed(key: FingerprintKeyIds, events: Sequence[Message]) -> FingerprintKeyIds:
    for event in events:
        key = key.after(event)
    return key


ADOPTED = followed(NONE, fingerprint_key.adopt(NONE, KEY_ID))
"""The first key id is adopted; another counts only by an administrator's word."""
ROTATING = followed(ADOPTED, fingerprint_key.start_rotation(ADOPTED, OTHER_KEY))


def test_the_first_fingerprint_key_is_adopted_and_a_rotation_allows_both_and_then_the_new_one_alone() -> None:
    assert fingerprint_key.adopt(ADOPTED, KEY_ID) == []
    with pytest.raises(RefusedError, match=OTHER_KEY):
        fingerprint_key.adopt(ADOPTED, OTHER_KEY)
    assert ROTATING.allowed == {KEY_ID, OTHER_KEY}
    assert fingerprint_key.start_rotation(ROTATING, OTHER_KEY) == []
    done = followed(ROTATING, fingerprint_key.finish_rotation(ROTATING, OTHER_KEY))
    assert done.allowed == {OTHER_KEY}
    assert fingerprint_key.finish_rotation(done, OTHER_KEY) == []


@pytest.mark.parametrize("key_id", ["0" * 15, "0" * 17, "G" * 16])
def test_what_is_no_id_of_a_fingerprint_key_is_neither_adopted_nor_rotated_to(key_id: str) -> None:
    with pytest.raises(UsageError, match="16 hex digits"):
        fingerprint_key.adopt(NONE, key_id)
    with pytest.raises(UsageError, match="16 hex digits"):
        fingerprint_key.start_rotation(ADOPTED, key_id)


def test_a_rotation_of_a_fingerprint_key_that_does_not_fit_conflicts() -> None:
    for begin, key in ((NONE, KEY_ID), (ADOPTED, KEY_ID), (ROTATING, "f" * 16)):
        with pytest.raises(ConflictError):
            fingerprint_key.start_rotation(begin, key)
    for end, key in ((ADOPTED, OTHER_KEY), (ROTATING, "f" * 16)):
        with pytest.raises(ConflictError):
            fingerprint_key.finish_rotation(end, key)


def test_a_rotation_that_was_a_mistake_is_given_up_with_the_former_id_and_nobody_is_told_to_finish_it() -> None:
    with pytest.raises(ConflictError) as refused:
        fingerprint_key.start_rotation(ROTATING, "f" * 16)
    assert f"give it up: monoctl finish fingerprint-key-rotation {KEY_ID}" in refused.value.fix
    with pytest.raises(ConflictError, match="files/12345678"):
        fingerprint_key.finish_rotation(ROTATING, KEY_ID, left=["files/12345678"])
    assert followed(ROTATING, fingerprint_key.finish_rotation(ROTATING, KEY_ID)).allowed == {KEY_ID}


def test_a_sentence_names_a_few_of_many_reactors() -> None:
    with pytest.raises(ConflictError, match="and 92 more"):
        fingerprint_key.finish_rotation(ROTATING, OTHER_KEY, left=[f"store/{number:08}" for number in range(100)])
    assert fingerprint_key.finish_rotation(ROTATING, OTHER_KEY, left=["store/1"], force=True)


def attached(replica: bytes, size: int = 512) -> events_pb2.ReactorAttached:
    capabilities = events_pb2.StoreCapabilities(max_plaintext=size)
    return events_pb2.ReactorAttached(store="vault", replica=replica, capabilities=capabilities)


def test_a_process_is_recorded_again_only_with_other_capabilities() -> None:
    known = Attachments().after(attached(b"r" * 16))
    assert reactors.attach(known, attached(b"r" * 16)) == []
    assert reactors.attach(known, attached(b"r" * 16, 1024)) == [attached(b"r" * 16, 1024)]
    assert reactors.attach(known, attached(b"p" * 16)) == [attached(b"p" * 16)]
    gone = reactors.detach(known, store="vault", replica=b"r" * 16)
    assert len(gone) == 1
    assert reactors.detach(known.after(gone[0]), store="vault", replica=b"r" * 16) == []


def test_a_store_remembers_its_processes_but_not_for_ever() -> None:
    documents = Documents()
    documents.record("secret-stores", [events_pb2.SecretStoreCreated(name="vault", type="vault")])
    replicas = [os.urandom(16) for _ in range(KEPT_DETACHED + 3)]
    for replica in replicas:
        documents.record("reactor/vault", [attached(replica)])
    for replica in replicas[:-1]:
        documents.record("reactor/vault", [events_pb2.ReactorDetached(store="vault", replica=replica)])
    store = documents.get("secret-stores", "vault", views_pb2.SecretStore.FromString)
    assert [(reactor.replica, reactor.attached) for reactor in store.reactors] == [
        (replicas[-1], True),
        *((replica, False) for replica in reversed(replicas[-KEPT_DETACHED - 1 : -1])),
    ]


SHOWN = 2_000_000
"""Bytes of an answer that every client takes."""


async def record_attached(world: World, store: str, count: int, **texts: Any) -> None:
    """Record processes as they were recorded whatever they announced."""
    stream = reactor_stream(store)
    events = [
        write(
            events_pb2.ReactorAttached(
                store=store,
                replica=os.urandom(16),
                type="vault",
                fingerprint_key_id=KEY_ID,
                capabilities=events_pb2.StoreCapabilities(max_plaintext=512, readable=True, **texts),
            )
        )
        for _ in range(count)
    ]
    await world.app.log.append(stream, len(await world.app.log.read_stream(stream)), events, actor="test")


async def listed(user: User, *, size: int = 0) -> tuple[list[views_pb2.SecretStore], int]:
    """Every store, page by page, and the bytes of the largest page."""
    asked = queries_pb2.ListSecretStoresRequest
    answers = pages(lambda token: user.call(asked(page_size=size, page_token=token, count_pending=True)))
    found = [page async for page in answers]
    return [store for page in found for store in page.stores], max(page.ByteSize() for page in found)


async def test_many_stores_that_announce_all_they_may_take_more_pages(world: World, administrator: User) -> None:
    names = [f"s{number:02}" for number in range(20)]
    created = [events_pb2.SecretStoreCreated(name=name, type="vault", identity=Signer().shown) for name in names]
    version = len(await world.app.log.read_stream(CATALOGUE_STREAM))
    await world.app.log.append(CATALOGUE_STREAM, version, [write(each) for each in created], actor="test")
    for name in names:
        await record_attached(world, name, 16, layout="x" * 16_000)
    stores, largest = await listed(administrator)
    assert [each.name for each in stores] == [*names, "vault"]
    assert {len(each.reactors) for each in stores} == {16, 0}
    assert largest < SHOWN


async def test_pages_have_as_many_stores_as_were_asked_for(administrator: User) -> None:
    for name in ("a", "b", "c"):
        await administrator.create(name, Signer().shown)
    stores, _ = await listed(administrator, size=2)
    assert [each.name for each in stores] == ["a", "b", "c", "vault"]
