"""A call that waited is decided on what is true when its wait ends: rights, stores, and what was recorded meanwhile."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import access_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.m8.domain import upload
from monoskope.m8.domain.aggregates import upload_of
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.limits.subjects import LARGEST, bytes_with
from monoskope.protocol.events import upload_stream
from monoskope.protocol.grant import ENCAPSULATED_KEY_BYTES
from monoskope.protocol.login import Member
from monoskope.protocol.payload import MAX_PADDED
from tests.support.fake_reactor import content
from tests.support.m8_user import Sealed, User, refusal, refused
from tests.support.m8_world import World, a_world, put, until_granted
from tests.support.vectors import a_request

SECOND = b"2" * 16
LOOKS = 4
"""So many looks for a free place take longer than a right counts without another look."""


async def revoke(world: World, token_id: str) -> None:
    await world.administrator().call(access_pb2.RevokeTokenRequest(token_id=token_id))


async def unbind(world: World, _token_id: str) -> None:
    await world.administrator().unbind("anna")


async def deactivate(world: World, _token_id: str) -> None:
    await world.administrator().deactivate("vault")


async def nothing(_world: World, _token_id: str) -> None:
    """What was waited for is all that happens."""


@pytest.mark.parametrize(
    ("harm", "code"),
    [(revoke, "UNAUTHENTICATED"), (unbind, "NOT_FOUND"), (deactivate, "REFUSED"), (nothing, "")],
    ids=["token revoked", "binding deleted", "store deactivated", "nothing"],
)
async def test_what_goes_while_a_request_waits_for_its_place_is_gone(
    harm: Callable[[World, str], Awaitable[None]], code: str, tmp_path: Path
) -> None:
    async with a_world(tmp_path, limits=ServerLimits(open_per_user=1)) as world:
        right = [events_pb2.RIGHT_PUT]
        await world.administrator().bind(
            "anna", "user:local:anna", role=events_pb2.ROLE_USER, prefix="vault://app", rights=right
        )
        issued = await world.app.issuing().issue_for_member(Member.parse("user:local:anna"), ttl_s=3_600)
        anna, reactor = User(world.address, issued.jwt), await world.attached()
        first = (await until_granted(anna, reactor)).request.request_id
        waits, looks, count = asyncio.Event(), 0, world.app.request_limit._count

        async def counted(subject: str) -> object:
            nonlocal looks
            looks += 1
            if looks == LOOKS:
                waits.set()
            return await count(subject)

        world.app.request_limit._count = counted  # type: ignore[assignment]
        asking = asyncio.create_task(anna.ask(a_request(request_id=SECOND, uri="vault://app/two")))
        await waits.wait()
        await harm(world, issued.id)
        await reactor.append(first, 2, events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_KEY_LOST))
        if code:
            await refusal(code, asking)
        else:
            await asking
        assert bool(await world.app.log.read_stream(upload_stream(SECOND))) is not bool(code)


@pytest.mark.parametrize("kept", [0, upload.KEPT_BYTES])
async def test_sealed_bytes_are_sent_with_the_newest_receipt_whatever_is_remembered(
    kept: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Large receipts are not kept in memory for as long as a request lives, but read when they are needed."""
    monkeypatch.setattr(upload, "KEPT_BYTES", kept)
    async with a_world(tmp_path) as world:
        anna, reactor = world.user("anna", "vault://app"), await world.attached()
        await put(anna, reactor)
        receipt = (await anna.secret(str(a_request().uri))).receipt
        grant = await until_granted(anna, reactor, request_id=SECOND)
        remembered = world.app.aggregates.remembered(upload_of(SECOND)).of(upload_of(SECOND))
        assert remembered.last_receipt == (receipt if kept else None)
        sending = asyncio.create_task(anna.send(grant.request.request_id, Sealed()))
        requested = content(await reactor.next("SecretUploadRequested"), events_pb2.SecretUploadRequested)
        assert requested.last_receipt == receipt
        sending.cancel()


async def test_what_is_recorded_while_a_request_is_let_in_counts_with_it(tmp_path: Path) -> None:
    async with a_world(tmp_path, limits=ServerLimits(secrets_per_user=10)) as world:
        anna, reactor, quota = world.user("anna", "vault://app"), await world.attached(), world.app.quota
        await anna.ask(a_request())
        _, grant = await reactor.give_key(max_plaintext=MAX_PADDED)
        request = a_request(request_id=SECOND, uri="vault://app/two")
        used = (await world.app.documents.usage("anna", world.clock())).size
        quota._most = used + bytes_with(request.content) + LARGEST  # either of the two
        is_asked, may_go_on = asyncio.Event(), asyncio.Event()

        async def owns(_subject: str, _count: int) -> bool:
            is_asked.set()
            await may_go_on.wait()
            return False

        world.app.put_limit._owns = owns
        asking = asyncio.create_task(anna.ask(request))
        await is_asked.wait()
        sealed = Sealed(os.urandom(ENCAPSULATED_KEY_BYTES), os.urandom(LARGEST - ENCAPSULATED_KEY_BYTES))
        with refused("RATE_LIMITED"):
            await anna.send(grant.request.request_id, sealed)
        may_go_on.set()
        await asking
        assert (await world.app.documents.usage("anna", world.clock())).size <= quota._most
