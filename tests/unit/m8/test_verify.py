"""What m8 records of verifications and imports, what it shows of them, and those that it walks of its own accord."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from monoskope import operating_log
from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import UsageError
from monoskope.m8.background.timekeeper import Timekeeper
from monoskope.m8.domain.append import append_by_reactor
from monoskope.m8.domain.upload import request_upload
from monoskope.m8.limits.settings import ServerLimits
from monoskope.protocol.identity import ProofError
from monoskope.protocol.outcomes import State, WrongStepError
from tests.support.fake_reactor import FakeReactor
from tests.support.m8_user import Sealed, refusal
from tests.support.m8_walk import CIPHERTEXT, EMPTY, ENCAPSULATED, PEER, SIGNER, URI, Documents, Walk
from tests.support.m8_world import RIGHTS, World, a_world, put, until_granted
from tests.support.vectors import a_request

VERIFY, IMPORT = upload_pb2.PURPOSE_VERIFY, upload_pb2.PURPOSE_IMPORT
IN_SYNC, DRIFTED, GONE = upload_pb2.OUTCOME_IN_SYNC, upload_pb2.OUTCOME_DRIFTED, upload_pb2.OUTCOME_GONE
NOTHING = Sealed(b"", b"")
HOUR_S = 3_600


def look(purpose: upload_pb2.Purpose) -> Walk:
    return Walk(a_request(purpose=purpose), signer=SIGNER, digest=EMPTY)


@pytest.mark.parametrize("purpose", [VERIFY, IMPORT, upload_pb2.PURPOSE_DELETE])
def test_nothing_sealed_goes_with_a_look_or_a_deletion_and_only_with_them(purpose: upload_pb2.Purpose) -> None:
    walk = look(purpose)
    send = partial(request_upload, subject="anna", last_receipt=None)
    for encapsulated, ciphertext in ((ENCAPSULATED, CIPHERTEXT), (b"", b"x"), (b"x", b"")):
        with pytest.raises(UsageError):
            send(walk.granted(), encapsulated_key=encapsulated, ciphertext=ciphertext)
    (event,) = send(walk.granted(), encapsulated_key=b"", ciphertext=b"")
    assert isinstance(event, events_pb2.SecretUploadRequested)
    assert (event.sealed_sha256, event.size) == (EMPTY, 0)
    with pytest.raises(UsageError):
        send(Walk().granted(), encapsulated_key=b"", ciphertext=b"")


def ends() -> list[tuple[Walk, Any]]:
    verify, adopt = look(VERIFY), look(IMPORT)
    conflict = verify.receipt(upload_pb2.OUTCOME_FAILED, reason=upload_pb2.REASON_CONFLICT)
    return [
        (verify, verify.verified(conflict)),
        (verify, verify.drifted(conflict, "2")),
        (verify, verify.drifted(conflict)),
        (adopt, adopt.imported()),
    ]


@pytest.mark.parametrize("index", range(4))
def test_only_the_issuer_ends_a_look_and_without_announcing_anything(index: int) -> None:
    walk, event = ends()[index]
    assert append_by_reactor(walk.uploading(), event, walk.by()) == [event]
    assert walk.at(walk.asked(), walk.provided(), walk.sent(), event).state is State.ENDED
    with pytest.raises(WrongStepError):
        append_by_reactor(walk.uploading(), event, walk.by(PEER))
    with pytest.raises(WrongStepError):
        append_by_reactor(walk.writing(), event, walk.by())


def test_a_look_ends_as_what_it_was_asked_for() -> None:
    verify, adopt = look(VERIFY), look(IMPORT)
    with pytest.raises(ProofError):
        append_by_reactor(verify.uploading(), verify.imported(), verify.by())
    conflict = adopt.receipt(upload_pb2.OUTCOME_FAILED, reason=upload_pb2.REASON_CONFLICT)
    with pytest.raises(ProofError):
        append_by_reactor(adopt.uploading(), adopt.verified(conflict), adopt.by())
    in_sync = verify.verified(conflict).receipt
    with pytest.raises(UsageError):
        append_by_reactor(verify.uploading(), events_pb2.SecretDriftDetected(receipt=in_sync), verify.by())


# What is shown.


def test_a_verification_is_shown_with_the_receipt_that_it_compared_with() -> None:
    documents = Documents()
    first = documents.put("1", labels=(("owner", "anna"),))
    walk = look(VERIFY)
    documents.end(walk, walk.verified(first))
    assert (documents.head.verified, documents.head.verified_at_ms) == (IN_SYNC, documents.now_ms)
    walk = look(VERIFY)
    documents.end(walk, walk.drifted(first, "2"))
    assert documents.head.verified == DRIFTED
    walk = look(VERIFY)
    documents.end(walk, walk.drifted(first))
    assert (documents.head.verified, documents.head.upstream_version) == (GONE, "1")
    assert documents.head.receipt == first
    second = documents.put("2", "1")
    assert (documents.head.verified, documents.head.verified_at_ms) == (0, 0)
    walk = look(VERIFY)
    documents.end(walk, walk.drifted(first, "2"))
    assert documents.head.verified == 0
    walk = look(VERIFY)
    documents.end(walk, walk.verified(second, "2"))
    assert documents.head.verified == IN_SYNC


def test_a_verification_of_what_nobody_put_changes_nothing() -> None:
    documents = Documents()
    walk = look(VERIFY)
    documents.end(walk, walk.drifted(walk.failed().receipt))
    assert documents.secret(URI) is None


def test_an_import_is_the_head_with_its_hash_and_keeps_what_was_noted() -> None:
    documents = Documents()
    walk = look(IMPORT)
    documents.end(walk, walk.imported("7"))
    assert (documents.head.upstream_version, bool(documents.head.fingerprint)) == ("7", True)
    assert (documents.head.verified, documents.head.verified_at_ms) == (IN_SYNC, documents.now_ms)
    documents.put("8", "7", labels=(("owner", "anna"),), expires_on="2027-01-31")
    assert not documents.head.drifted
    assert (documents.head.verified, documents.head.verified_at_ms) == (0, 0)
    walk = look(IMPORT)
    documents.end(walk, walk.imported("9"))
    assert documents.head.verified == IN_SYNC
    secret = documents.head
    assert (secret.upstream_version, secret.request_id) == ("9", walk.request.request_id)
    assert ([label.value for label in secret.labels], secret.expires_on) == (["anna"], "2027-01-31")
    walk = look(IMPORT)
    documents.end(walk, walk.imported("9"))
    assert [label.value for label in documents.head.labels] == ["anna"]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, limits=ServerLimits(verify_every_s=HOUR_S)) as world:
        yield world


async def test_verifying_and_importing_need_their_rights(world: World) -> None:
    reactor = await world.attached()
    await put(world.user("anna", "vault://app", rights=RIGHTS), reactor)
    for purpose, right, word in ((VERIFY, events_pb2.RIGHT_COMPARE, "compare"), (IMPORT, events_pb2.RIGHT_PUT, "put")):
        rights = {right, events_pb2.RIGHT_SEE_HASH} if purpose == IMPORT else {right}
        await world.user("bob", "vault://app", rights=frozenset(rights)).ask(a_request(purpose=purpose))
        eve = world.user("eve", "vault://app", rights=RIGHTS - {right})
        await refusal("REFUSED", eve.ask(a_request(purpose=purpose)), word)


async def test_what_no_receipt_tells_of_cannot_be_verified(world: World) -> None:
    await world.attached()
    user = world.user("anna", "vault://app")
    await refusal("NOT_FOUND", user.ask(a_request(purpose=VERIFY)))
    await user.ask(a_request(purpose=IMPORT))


async def answer(reactor: FakeReactor, end: upload_pb2.Outcome, **fields: Any) -> events_pb2.SecretUploadRequested:
    """Take the next look that was sent without sealed bytes and end it."""
    request_id, grant = await reactor.give_key()
    return await ended(reactor, request_id, grant, end, **fields)


async def ended(
    reactor: FakeReactor, request_id: bytes, grant: Any, end: upload_pb2.Outcome, **fields: Any
) -> events_pb2.SecretUploadRequested:
    delivered = await reactor.next("SecretUploadRequested")
    sent = events_pb2.SecretUploadRequested.FromString(delivered.event.data)
    if end in {IN_SYNC, DRIFTED, GONE}:
        fields["verified_sha256"] = hashlib.sha256(sent.last_receipt.content).digest()
    receipt = reactor.receipt(grant, EMPTY, end, **fields)
    kinds: dict[int, type[Any]] = {
        IN_SYNC: events_pb2.SecretVerified,
        DRIFTED: events_pb2.SecretDriftDetected,
        GONE: events_pb2.SecretDriftDetected,
        upload_pb2.OUTCOME_IMPORTED: events_pb2.SecretImported,
    }
    assert (await reactor.append(request_id, 3, kinds[end](receipt=receipt))).error == ""
    return sent


async def test_drift_is_recorded_listed_and_the_newest_receipt_goes_with_the_request(world: World) -> None:
    reactor, user = await world.attached(), world.user("anna", "vault://app")
    await put(user, reactor)
    newest = (await user.secret(URI)).receipt
    grant = await until_granted(user, reactor, purpose=VERIFY)
    request_id = grant.request.request_id
    upload, sent = await asyncio.gather(
        user.send(request_id, NOTHING), ended(reactor, request_id, grant, DRIFTED, upstream_version="2")
    )
    assert (upload.outcome, sent.last_receipt) == (DRIFTED, newest)
    events = [event.type for event in (await user.events(request_id=request_id)).events]
    assert events[2:] == ["SecretUploadRequested", "SecretDriftDetected"]
    (listed,) = (await user.secrets(state=views_pb2.SECRET_STATE_OUT_OF_SYNC)).secrets
    assert (listed.uri, listed.verified, listed.upstream_version) == (URI, DRIFTED, "1")
    assert [version.outcome for version in (await user.versions(URI)).versions] == [upload_pb2.OUTCOME_UPLOADED]


# What m8 does of its own accord.


async def a_put(world: World, reactor: FakeReactor, uri: str) -> None:
    await put(world.user("anna", "vault://app"), reactor, uri=uri)


async def pass_s(world: World, timekeeper: Timekeeper, reactor: FakeReactor, *passing: int) -> None:
    """Let so many seconds pass, one step after the other; the reactor is heard all the while."""
    for seconds in passing or (1,):
        world.clock.pass_s(seconds)
        await world.app.log.beat(f"vault/{reactor.replica.hex()}", world.clock())
        await timekeeper.tick()


async def open_of_m8(world: World) -> list[str]:
    return [str(upload.uri) async for upload in world.app.documents.open_uploads() if upload.subject == "m8"]


async def test_m8_verifies_what_is_old_one_after_the_other(world: World) -> None:
    reactor, timekeeper = await world.attached(), Timekeeper(world.app)
    for name in ("a", "b"):
        await a_put(world, reactor, f"vault://app/{name}")
    await pass_s(world, timekeeper, reactor)
    assert await open_of_m8(world) == []
    world.clock.pass_s(HOUR_S)
    for name in ("a", "b"):
        await pass_s(world, timekeeper, reactor, 1, 1)
        assert await open_of_m8(world) == [f"vault://app/{name}"]
        request_id, grant = await reactor.give_key()
        assert (grant.subject, grant.request.purpose) == ("m8", VERIFY)
        await pass_s(world, timekeeper, reactor)
        await ended(reactor, request_id, grant, IN_SYNC, upstream_version="1")
        secret = await world.user("anna", "vault://app").secret(f"vault://app/{name}")
        assert secret.verified == IN_SYNC
    await pass_s(world, timekeeper, reactor)
    assert await open_of_m8(world) == []
    events = (await world.administrator().events(page_size=1_000)).events
    assert [event.actor for event in events if event.detail.startswith("VERIFY")] == ["m8", "m8"]


async def test_what_cannot_be_verified_is_not_asked_for_at_every_look(world: World) -> None:
    reactor, timekeeper = await world.attached(), Timekeeper(world.app)
    await a_put(world, reactor, URI)
    await pass_s(world, timekeeper, reactor, HOUR_S, 1)
    request_id, grant = await reactor.give_key()
    failed = reactor.failed(grant, b"", upload_pb2.REASON_CANNOT_READ)
    assert (await reactor.append(request_id, 2, failed)).error == ""
    for _ in range(20):
        await pass_s(world, timekeeper, reactor)
        assert await open_of_m8(world) == []
    await pass_s(world, timekeeper, reactor, HOUR_S // 24, 1)
    assert await open_of_m8(world) == [URI]


async def test_a_store_that_verifies_only_what_is_signed_is_asked_once_in_the_span_and_logged(world: World) -> None:
    """m8 signs nothing. To send it unsigned would only fill the log, and the reactor's audit log with refusals."""
    stream = io.StringIO()
    operating_log.set_up(stream)
    reactor, timekeeper = await world.attached(), Timekeeper(world.app)
    for name in ("a", "b"):
        await a_put(world, reactor, f"vault://app/{name}")
    await pass_s(world, timekeeper, reactor, HOUR_S, 1)
    request_id, grant = await reactor.give_key(signature_required=True)
    for _ in range(3):
        await pass_s(world, timekeeper, reactor)
    events = (await world.administrator().events(request_id=request_id)).events
    assert [event.type for event in events] == ["SecretUploadKeyRequested", "SecretUploadKeyProvided"]
    expired = reactor.failed(grant, b"", upload_pb2.REASON_EXPIRED)
    assert (await reactor.append(request_id, 2, expired)).error == ""
    for _ in range(3):
        await pass_s(world, timekeeper, reactor, HOUR_S // 24, 1)
        assert await open_of_m8(world) == []
    await pass_s(world, timekeeper, reactor, HOUR_S, 1)
    assert await open_of_m8(world) == ["vault://app/a"]
    said = stream.getvalue()
    assert said.count("m8 cannot verify in a store") == 1
    assert "unsigned" in said


async def test_m8_asks_no_store_that_is_inactive_and_none_without_a_reactor(world: World) -> None:
    reactor, timekeeper = await world.attached(), Timekeeper(world.app)
    await a_put(world, reactor, URI)
    await world.administrator().deactivate("vault")
    await pass_s(world, timekeeper, reactor, HOUR_S, 1)
    assert await open_of_m8(world) == []


async def test_by_default_m8_verifies_nothing(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world:
        reactor, timekeeper = await world.attached(), Timekeeper(world.app)
        await a_put(world, reactor, URI)
        await pass_s(world, timekeeper, reactor, 100 * HOUR_S, 1)
        assert await open_of_m8(world) == []
