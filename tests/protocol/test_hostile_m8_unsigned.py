"""What a hostile m8 does on its own, with a reactor that has `[signers]` and with one that has not.

Real m8, real reactor, real wire, an engine in memory. m8 names alice as the user of whatever it likes; with `[signers]`
that is not enough for any purpose.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import UPLOAD_GRANT, ProofError, open_signed
from monoskope.protocol.purposes import PURPOSES
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.report.audit_log import AuditFile
from monoskope.reactor.run import Reactor
from tests.protocol.reactor import IDENTITY, PATIENT
from tests.protocol.signed_stage import (
    ALICE,
    FIRST,
    SECOND,
    UPLOAD,
    Purpose,
    Stage,
    digest,
    new_place,
    read,
    sealed_for,
    stage,
)
from tests.support.hostile_rules import Passing
from tests.support.reactor_world import K, ask, settings
from tests.support.signed_requests import Person, may, table, write_lists

pytestmark = pytest.mark.asyncio(loop_scope="module")

STRANGER = Person("alice")
M8S_OWN = {"password": b"of m8"}
NOT_AUTHORIZED = upload_pb2.REASON_NOT_AUTHORIZED


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def without(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with stage(tmp_path_factory.mktemp("without"), None) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def signed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    folder = tmp_path_factory.mktemp("signed")
    write_lists(folder, ALICE)
    async with stage(folder, table(may(ALICE))) as found:
        yield found


def word(purpose: Purpose) -> str:
    return upload_pb2.Purpose.Name(purpose).removeprefix("PURPOSE_").lower()


every_purpose = pytest.mark.parametrize("purpose", sorted(PURPOSES), ids=word)


@every_purpose
async def test_without_signers_m8_does_it_on_its_own(without: Stage, purpose: Purpose) -> None:
    request = await without.prepared(purpose)
    grant = await without.grant(request)
    end = await without.deliver(grant, sealed_for(grant, M8S_OWN), b"")
    if purpose == upload_pb2.PURPOSE_COPY:  # its destination has no reactor here: but the source began
        assert without.m8.count("AuthorizeCopy") == 1
    else:
        assert end.outcome in PURPOSES[purpose].successes


HELD = ("nothing", "a key of its own", "a signature of alice's from the log", "alice's signature over other bytes")


@every_purpose
@pytest.mark.parametrize("held", HELD)
async def test_with_signers_it_is_refused_whatever_m8_has(signed: Stage, purpose: Purpose, held: str) -> None:
    request = await signed.prepared(purpose)
    before, calls = signed.there(request.uri), len(signed.store.calls)
    grant = await signed.grant(request)
    sealed = sealed_for(grant, M8S_OWN)
    signature = {
        "nothing": b"",
        "a key of its own": STRANGER.signs(grant, digest(sealed)),
        "a signature of alice's from the log": signed.seen[-1],
        "alice's signature over other bytes": ALICE.signs(grant, digest(sealed + b"other")),
    }[held]
    end = await signed.deliver(grant, sealed, signature)
    assert (end.outcome, end.reason) == (upload_pb2.OUTCOME_FAILED, NOT_AUTHORIZED)
    receipt = read(end)
    told = receipt.fingerprint, receipt.values, receipt.differences, receipt.listed, receipt.signer
    assert not any(told)
    assert signed.there(request.uri) == before
    looks = set(signed.store.calls[calls:])
    assert looks <= {"check", "read_version", "deleted_version"}, "the look when a key is made, and nothing else"
    assert "SecretUploadStarted" not in await signed.m8.kinds(request.request_id)


@every_purpose
async def test_with_signers_alice_does_it(signed: Stage, purpose: Purpose) -> None:
    request = await signed.prepared(purpose)
    grant = await signed.grant(request)
    sealed = sealed_for(grant, FIRST)
    receipt = read(await signed.deliver(grant, sealed, ALICE.signs(grant, digest(sealed))))
    if purpose == upload_pb2.PURPOSE_COPY:
        assert receipt.reason not in {upload_pb2.REASON_UNSPECIFIED, NOT_AUTHORIZED}
    else:
        assert receipt.outcome in PURPOSES[purpose].successes
        assert (receipt.signer, receipt.signer_key) == ("alice", ALICE.key)


async def waiting(signed: Stage) -> tuple[Grant, bytes, bytes]:
    """A put of alice's at a new place, signed and not yet sent."""
    grant = await signed.grant(ask(UPLOAD, uri=new_place()))
    sealed = sealed_for(grant, FIRST)
    return grant, sealed, ALICE.signs(grant, digest(sealed))


async def test_signatures_of_two_requests_that_m8_swaps_are_worth_nothing(signed: Stage) -> None:
    (one, its, of_one), (other, others, of_other) = await waiting(signed), await waiting(signed)
    for grant, sealed, swapped in ((one, its, of_other), (other, others, of_one)):
        assert (await signed.deliver(grant, sealed, swapped)).reason == NOT_AUTHORIZED
        assert signed.there(grant.request.uri) == ([], None)


async def test_a_signed_request_counts_once_however_often_m8_delivers_it(signed: Stage) -> None:
    grant, sealed, signature = await waiting(signed)
    uri = grant.request.uri

    def thrice(one: Passing, _: object) -> None:
        for _ in range(3):
            one.go()

    delivered = signed.m8.wire.on_delivery("SecretUploadRequested", thrice)
    assert (await signed.deliver(grant, sealed, signature)).outcome == upload_pb2.OUTCOME_UPLOADED
    assert len(delivered.taken) == 1
    assert (await signed.by_alice(ask(UPLOAD, uri=uri), SECOND)).outcome == upload_pb2.OUTCOME_UPLOADED
    assert [payload for _, payload, _ in signed.store.content[uri.path]] == [FIRST, SECOND]


async def test_m8_chooses_when_a_signed_request_arrives_while_its_key_lives(signed: Stage) -> None:
    grant, sealed, signature = await waiting(signed)
    uri = grant.request.uri
    held = signed.m8.wire.hold_delivery("SecretUploadRequested")
    ending = asyncio.create_task(signed.deliver(grant, sealed, signature))
    await held.arrived()
    assert signed.there(uri) == ([], None)
    held.release()
    receipt = read(await ending)
    assert (receipt.outcome, receipt.signer) == (upload_pb2.OUTCOME_UPLOADED, "alice")


async def test_nobody_signs_for_a_grant_from_which_m8_took_the_need_of_a_signature(signed: Stage) -> None:
    grant, _, _ = await waiting(signed)
    key = await signed.m8.alice.key(grant.request.request_id)
    stripped = upload_pb2.UploadGrant.FromString(key.grant.content)
    stripped.ClearField("signature_required")
    key.grant.content = stripped.SerializeToString(deterministic=True)
    with pytest.raises(ProofError):
        open_signed(key.grant, UPLOAD_GRANT, IDENTITY.shown)


async def test_comparisons_that_nobody_signed_use_up_no_guess_of_alices(signed: Stage) -> None:
    request = await signed.prepared(upload_pb2.PURPOSE_COMPARE)
    for _ in range(12):  # more than are allowed of one secret in an hour
        grant = await signed.grant(ask(upload_pb2.PURPOSE_COMPARE, uri=request.uri))
        assert (await signed.deliver(grant, sealed_for(grant, M8S_OWN), b"")).reason == NOT_AUTHORIZED
    assert (await signed.by_alice(request)).outcome == upload_pb2.OUTCOME_EQUAL


async def test_a_replica_without_signers_still_obeys_m8(signed: Stage, tmp_path: Path) -> None:
    wanting = signed.m8.wire.live("memory")[-1]
    of, audit, stop = (
        settings(signed.folder, server=signed.m8.server),
        AuditFile(tmp_path / "audit.jsonl"),
        asyncio.Event(),
    )
    running = asyncio.create_task(
        Reactor(of, signed.store, IDENTITY, FingerprintKey(K), audit, timings=PATIENT).run(stop)
    )
    try:
        await signed.m8.attached(signed.m8.count("Attached") + 1)

        def choose(one: Passing, _: object) -> None:
            if one.session is not wanting:
                one.go()

        chosen = signed.m8.wire.on_delivery("SecretUploadKeyRequested", choose, times=None)
        grant = await signed.grant(ask(UPLOAD, uri=new_place()))
        chosen.disarm()
        assert (await signed.deliver(grant, sealed_for(grant, M8S_OWN), b"")).outcome == upload_pb2.OUTCOME_UPLOADED
    finally:
        stop.set()
        await running
        audit.close()
