"""What m8 decides of a listing: who may ask, what is recorded, who sees the names, how much of the log they fill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import UsageError
from monoskope.m8.domain.append import append_by_reactor
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.readmodels.uploads import bytes_of
from monoskope.protocol.identity import ProofError
from monoskope.protocol.listing import LARGEST_PAGE, Listing
from monoskope.protocol.outcomes import State, WrongStepError
from monoskope.protocol.receipt import parse_receipt
from tests.support.m8_walk import PEER, Walk
from tests.support.m8_world import RIGHTS, Sealed, User, World, a_world, refused
from tests.support.vectors import a_request

LIST = upload_pb2.PURPOSE_LIST
MAY_LIST = frozenset({events_pb2.RIGHT_LIST})
NOTHING = Sealed(b"", b"")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path, limits=ServerLimits(tick_s=3_600)) as world:
        yield world


def listing(**fields: Any) -> Walk:
    return Walk(a_request(purpose=LIST, uri="vault://app", **fields))


async def listed(world: World, user: User, uri: str = "vault://app", *names: str) -> views_pb2.SecretUpload:
    """One page of names below a URI, as the store's reactor found them."""
    reactor = await world.attached()
    request_id = await user.ask(a_request(purpose=LIST, uri=uri))
    _, grant = await reactor.give_key()
    sending = asyncio.create_task(user.send(request_id, NOTHING))
    delivered = await reactor.next("SecretUploadRequested")
    digest = events_pb2.SecretUploadRequested.FromString(delivered.event.data).sealed_sha256
    receipt = reactor.receipt(grant, digest, upload_pb2.OUTCOME_LISTED, listed=Listing(names or ("db", "web/"), 0))
    await reactor.append(request_id, 3, events_pb2.SecretsListed(receipt=receipt))
    return await sending


def test_the_issuer_alone_lists_and_that_is_the_end() -> None:
    walk = listing()
    event = walk.listed()
    assert append_by_reactor(walk.uploading(), event, walk.by()) == [event]
    assert walk.at(walk.asked(), walk.provided(), walk.sent(), event).state is State.ENDED
    with pytest.raises(WrongStepError):
        append_by_reactor(walk.uploading(), event, walk.by(PEER))
    with pytest.raises(WrongStepError):
        append_by_reactor(walk.at(walk.asked(), walk.provided(), walk.sent(), event), event, walk.by())


def test_a_listing_ends_nothing_but_a_listing() -> None:
    put = Walk(a_request())
    with pytest.raises(ProofError, match="does not fit"):
        append_by_reactor(put.uploading(), put.listed(), put.by())
    walk = listing()
    with pytest.raises(ProofError, match="does not fit"):
        append_by_reactor(walk.uploading(), walk.imported(), walk.by())


async def test_to_list_takes_the_right_to_list_at_or_above_the_uri(world: World) -> None:
    await world.attached()
    every = RIGHTS | {events_pb2.RIGHT_DELETE, events_pb2.RIGHT_COPY}
    with refused("REFUSED") as error:
        await world.user("bob", "vault://app", rights=every).ask(a_request(purpose=LIST, uri="vault://app"))
    assert "no right to list vault://app" in error.message
    anna = world.user("anna", "vault://app", rights=MAY_LIST)
    for uri in ("vault://app", "vault://app/web"):
        request = a_request(purpose=LIST, uri=uri)
        assert await anna.ask(request) == request.request_id
    for uri in ("vault://ap", "vault://apps", "vault://other/app"):
        with refused("NOT_FOUND"):
            await anna.ask(a_request(purpose=LIST, uri=uri))


async def test_the_names_are_shown_to_who_asked_and_to_who_may_list(world: World) -> None:
    upload = await listed(world, world.user("anna", "vault://app", rights=MAY_LIST))
    assert upload.outcome == upload_pb2.OUTCOME_LISTED
    page = parse_receipt(upload.receipt.content).listed
    assert page == Listing(("db", "web/"), 0)
    sees_hashes = frozenset({events_pb2.RIGHT_SEE_HASH, events_pb2.RIGHT_PUT})
    for name, rights in (("bob", MAY_LIST), ("dora", sees_hashes)):
        shown = await world.user(name, "vault://app", rights=rights).upload(upload.request_id)
        assert shown.HasField("receipt") is (rights == MAY_LIST)
    with refused("NOT_FOUND"):
        await world.user("carl", "vault://other", rights=MAY_LIST).upload(upload.request_id)


async def test_a_listing_says_nothing_of_any_secret(world: World) -> None:
    anna = world.user("anna", "vault://app", rights=RIGHTS | MAY_LIST)
    await listed(world, anna)
    assert not (await anna.secrets()).secrets
    (*_, last) = (await anna.events()).events
    assert (last.type, last.detail) == ("SecretsListed", "LISTED, 2 names")
    assert "web/" not in str((await anna.events()).events)


async def test_names_fill_the_log_no_more_than_other_requests_may(tmp_path: Path) -> None:
    names = [f"n{number:03}" for number in range(400)]
    async with a_world(
        tmp_path, limits=ServerLimits(recorded_bytes_per_user_per_day=2 * bytes_of(LARGEST_PAGE), tick_s=3_600)
    ) as world:
        anna = world.user("anna", "vault://app", rights=MAY_LIST)
        upload = await listed(world, anna, "vault://app", *names)
        assert (await world.app.documents.usage("anna", world.clock.now_ms)).size > len(upload.receipt.content) > 2_000
        with refused("RATE_LIMITED") as error:
            for _ in range(20):
                await listed(world, anna, "vault://app", *names)
        assert "bytes that m8 records for a user in a day" in error.message


async def test_a_failure_before_a_key_says_why_as_the_reactor_says_and_nobody_signed(world: World) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    request_id = await anna.ask(a_request())
    await reactor.next("SecretUploadKeyRequested")
    failed = events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_UPSTREAM_REFUSED, detail="a fixed sentence.")
    await reactor.append(request_id, 1, failed)
    answer = await anna.key(request_id)
    assert (answer.reason, answer.detail) == (upload_pb2.REASON_UPSTREAM_REFUSED, "a fixed sentence.")
    assert (await anna.upload(request_id)).detail == "a fixed sentence."


@pytest.mark.parametrize("detail", ["x" * 201, "\x1b[31m", "two\nlines", "caf\u00e9"])
def test_what_is_no_short_sentence_is_not_recorded(detail: str) -> None:
    walk = Walk()
    event = events_pb2.SecretUploadFailed(reason=upload_pb2.REASON_UPSTREAM_REFUSED, detail=detail)
    with pytest.raises(UsageError, match="detail"):
        append_by_reactor(walk.requested(), event, walk.by())


def test_beside_a_receipt_there_is_no_unsigned_sentence() -> None:
    walk = Walk()
    event = walk.failed()
    event.detail = "a fixed sentence."
    with pytest.raises(UsageError, match="detail"):
        append_by_reactor(walk.uploading(), event, walk.by())
