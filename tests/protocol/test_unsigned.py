"""What a hostile m8 can do in alice's name where a reactor has no `[signers]`, and what it cannot where one has.

Real m8, real reactor, real wire, an engine in memory. That each purpose needs a signature is shown by the lies about
what is sent (`tests/lies/about/sending.py`).
"""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import Grant
from monoskope.protocol.purposes import PURPOSES
from tests.protocol.reactor import running
from tests.protocol.signed_stage import (
    ALICE,
    FIRST,
    UPLOAD,
    Purpose,
    Stage,
    digest,
    new_place,
    sealed_for,
    stage,
)
from tests.support.hostile_rules import Passing
from tests.support.reactor_requests import ask
from tests.support.signed_requests import may, table, write_lists

pytestmark = pytest.mark.asyncio(loop_scope="module")

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


async def test_comparisons_that_nobody_signed_use_up_no_guess_of_alices(signed: Stage) -> None:
    request = await signed.prepared(upload_pb2.PURPOSE_COMPARE)
    for _ in range(12):  # more than are allowed of one secret in an hour
        grant = await signed.grant(ask(upload_pb2.PURPOSE_COMPARE, uri=request.uri))
        assert (await signed.deliver(grant, sealed_for(grant, M8S_OWN), b"")).reason == NOT_AUTHORIZED
    assert (await signed.by_alice(request)).outcome == upload_pb2.OUTCOME_EQUAL


async def test_a_replica_without_signers_still_obeys_m8(signed: Stage, tmp_path: Path) -> None:
    wanting = signed.m8.wire.live("memory")[-1]
    shutil.copy(signed.folder / "ca.crt", tmp_path)
    async with running(signed.m8, tmp_path, signed.store):
        await signed.m8.attached(signed.m8.count("Attached") + 1)

        def choose(one: Passing, _: object) -> None:
            if one.session is not wanting:
                one.go()

        chosen = signed.m8.wire.on_delivery("SecretUploadKeyRequested", choose, times=None)
        grant = await signed.grant(ask(UPLOAD, uri=new_place()))
        chosen.disarm()
        assert (await signed.deliver(grant, sealed_for(grant, M8S_OWN), b"")).outcome == upload_pb2.OUTCOME_UPLOADED
