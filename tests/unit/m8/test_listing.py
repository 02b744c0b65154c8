"""Listing: secrets by pages and filters, with a share of time for each caller, and the names that a store lists."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.gateway.v1 import queries_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import UsageError
from monoskope.m8.domain.append import append_by_reactor
from monoskope.m8.domain.events import write
from monoskope.m8.domain.principal import Principal
from monoskope.m8.limits.settings import ServerLimits
from monoskope.m8.queries.events import Events
from monoskope.m8.readmodels.uploads import bytes_of
from monoskope.m8.service.app import Caller
from monoskope.protocol.events import upload_stream
from monoskope.protocol.identity import ProofError
from monoskope.protocol.listing import LARGEST_PAGE, Listing
from monoskope.protocol.outcomes import State, WrongStepError
from monoskope.protocol.receipt import parse_receipt
from monoskope.uri import UriPrefix
from tests.support.fake_reactor import fingerprint
from tests.support.m8_user import Sealed, User, pages, refusal, refused
from tests.support.m8_walk import PEER, Walk
from tests.support.m8_world import RIGHTS, World, a_world, put
from tests.support.vectors import a_request

PUT = frozenset({events_pb2.RIGHT_PUT})


@pytest.fixture
async def world(tmp_path: Path, engine: str) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        yield world


async def listed(user: User, **fields: Any) -> list[str]:
    return [
        one.uri async for page in pages(lambda token: user.secrets(**fields, page_token=token)) for one in page.secrets
    ]


async def test_labels_and_day_are_those_of_the_last_put(world: World) -> None:
    reactor, user = await world.attached(), world.user("anna", "vault://app")
    await put(user, reactor, uri="vault://app/db", labels=(("owner", "a"), ("team", "x")), expires_on="2027-01-31")
    secret = await user.secret("vault://app/db")
    assert [(label.name, label.value) for label in secret.labels] == [("owner", "a"), ("team", "x")]
    assert secret.expires_on == "2027-01-31"
    await put(user, reactor, "2", prior="1", uri="vault://app/db", labels=(("owner", "b"),))
    secret = await user.secret("vault://app/db")
    assert [(label.name, label.value) for label in secret.labels] == [("owner", "b")]
    assert secret.expires_on == ""


async def test_filters_narrow_what_is_in_sight(world: World) -> None:
    reactor = await world.attached()
    anna, bob = world.user("anna", "vault://app"), world.user("bob", "vault://app")
    await put(anna, reactor, uri="vault://app/a", expires_on="2027-01-31")
    await put(bob, reactor, uri="vault://app/b", expires_on="2027-02-01")
    for name in "cdefgh":
        await put(anna, reactor, uri=f"vault://app/{name}")
    await put(bob, reactor, "9", prior="8", uri="vault://app/z")
    everything = [f"vault://app/{name}" for name in "abcdefghz"]
    for size in (1, 2, 3, 100):
        assert await listed(anna, page_size=size) == everything
        assert await listed(anna, page_size=size, subject="bob") == ["vault://app/b", "vault://app/z"]
    assert await listed(anna, state=views_pb2.SECRET_STATE_DRIFTED) == ["vault://app/z"]
    assert await listed(anna, state=views_pb2.SECRET_STATE_DELETED) == []
    assert await listed(anna, expiring_before="2027-02-01") == ["vault://app/a"]
    assert await listed(anna, expiring_before="2027-02-02") == ["vault://app/a", "vault://app/b"]
    assert await listed(anna, store="vault") == everything
    assert await listed(anna, store="other") == []
    assert await listed(anna, prefix="vault://app/b", subject="anna") == []
    assert await listed(world.user("eve", "vault://app/b"), subject="bob") == ["vault://app/b"]


@pytest.mark.parametrize(
    "fields", [{"store": "A"}, {"expiring_before": "2027-02-30"}, {"expiring_before": "30d"}, {"state": 9}]
)
async def test_filters_that_mean_nothing_are_refused(world: World, fields: dict[str, Any]) -> None:
    await refusal("USAGE", world.administrator().secrets(**fields))


async def test_versions_are_listed_newest_first_a_page_at_a_time(world: World) -> None:
    reactor, user = await world.attached(), world.user("anna", "vault://app")
    ids = [
        await put(user, reactor, str(n), prior=str(n - 1) if n > 1 else "", uri="vault://app/db") for n in range(1, 12)
    ]
    await put(user, reactor, uri="vault://app/db/below")
    first = await user.versions("vault://app/db", page_size=6)
    rest = await user.versions("vault://app/db", page_size=6, page_token=first.next_page_token)
    versions = [*first.versions, *rest.versions]
    assert rest.next_page_token == ""
    assert [version.upstream_version for version in versions] == [str(number) for number in range(11, 0, -1)]
    assert [version.request_id for version in versions] == ids[::-1]
    newest = versions[0]
    assert (newest.prior_version, newest.subject, newest.outcome) == ("10", "anna", upload_pb2.OUTCOME_UPLOADED)
    assert newest.fingerprint == fingerprint()
    assert newest.recorded_at_ms == world.clock.now_ms


async def test_versions_show_hashes_only_to_whoever_may_see_them(world: World) -> None:
    reactor, user = await world.attached(), world.user("anna", "vault://app")
    await put(user, reactor, uri="vault://app/db")
    for blind in (world.user("bob", "vault://app", rights=PUT), world.administrator()):
        answer = await blind.versions("vault://app/db")
        assert [version.upstream_version for version in answer.versions] == ["1"]
        assert b"fp1:" not in answer.SerializeToString()


async def test_versions_of_what_is_out_of_sight_do_not_exist(world: World) -> None:
    reactor, user = await world.attached(), world.user("anna", "vault://app")
    await put(user, reactor, uri="vault://app/db")
    for uri, who in (("vault://app/db", world.user("eve", "vault://other")), ("vault://app/none", user)):
        await refusal("NOT_FOUND", who.versions(uri))


EVENTS = 1_000


async def test_a_page_through_what_one_may_not_see_gives_way_again_and_again(world: World) -> None:
    requests = [a_request(request_id=os.urandom(16)) for _ in range(EVENTS)]
    events = [events_pb2.SecretUploadKeyRequested(request=request.content, subject="boris") for request in requests]
    await asyncio.gather(
        *(
            world.app.log.append(upload_stream(request.request_id), 0, [write(event)], actor="boris")
            for request, event in zip(requests, events, strict=True)
        )
    )
    sees: dict[str, Any] = {"prefixes": [UriPrefix.parse("vault://elsewhere")], "rights": PUT}
    eve = Principal.of_token("id", "eve", events_pb2.ROLE_USER, **sees, expires_at_ms=2**50)
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    beside = asyncio.create_task(others())
    await asyncio.sleep(0)
    page = await Events(world.app).list_events(queries_pb2.ListEventsRequest(), Caller(eve, 10.0))
    beside.cancel()
    assert not page.events
    assert turns >= EVENTS // 200


async def test_a_user_has_one_page_made_at_a_time_and_others_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    anna, boris = (world.user(name, "vault://") for name in ("anna", "boris"))
    find, held = world.app.log.find, world.app.listing.held
    active, most, another_asked = 0, 0, asyncio.Event()

    def asked(subject: str) -> asyncio.Lock:
        if active:
            another_asked.set()
        return held(subject)

    async def held_back(*arguments: Any, **options: Any) -> list[tuple[str, bytes]]:
        nonlocal active, most
        active += 1
        most = max(most, active)
        async with asyncio.timeout(60):
            await another_asked.wait()
        found = await find(*arguments, **options)
        active -= 1
        return found

    monkeypatch.setattr(world.app.listing, "held", asked)
    monkeypatch.setattr(world.app.log, "find", held_back)
    await asyncio.gather(*(anna.secrets() for _ in range(30)))
    assert most == 1
    another_asked.clear()
    await asyncio.gather(anna.secrets(), boris.secrets())
    assert most == 2


LIST = upload_pb2.PURPOSE_LIST
MAY_LIST = frozenset({events_pb2.RIGHT_LIST})
NOTHING = Sealed(b"", b"")


@pytest.fixture
async def quiet(tmp_path: Path) -> AsyncIterator[World]:
    async with a_world(tmp_path) as world:
        yield world


def listing(**fields: Any) -> Walk:
    return Walk(a_request(purpose=LIST, uri="vault://app", **fields))


async def names_listed(world: World, user: User, uri: str = "vault://app", *names: str) -> views_pb2.SecretUpload:
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


async def test_to_list_takes_the_right_to_list_at_or_above_the_uri(quiet: World) -> None:
    await quiet.attached()
    every = RIGHTS | {events_pb2.RIGHT_DELETE, events_pb2.RIGHT_COPY}
    asking = quiet.user("bob", "vault://app", rights=every).ask(a_request(purpose=LIST, uri="vault://app"))
    await refusal("REFUSED", asking, "no right to list vault://app")
    anna = quiet.user("anna", "vault://app", rights=MAY_LIST)
    for uri in ("vault://app", "vault://app/web"):
        request = a_request(purpose=LIST, uri=uri)
        assert await anna.ask(request) == request.request_id
    for uri in ("vault://ap", "vault://apps", "vault://other/app"):
        await refusal("NOT_FOUND", anna.ask(a_request(purpose=LIST, uri=uri)))


async def test_the_names_are_shown_to_who_asked_and_to_who_may_list(quiet: World) -> None:
    upload = await names_listed(quiet, quiet.user("anna", "vault://app", rights=MAY_LIST))
    assert upload.outcome == upload_pb2.OUTCOME_LISTED
    assert parse_receipt(upload.receipt.content).listed == Listing(("db", "web/"), 0)
    sees_hashes = frozenset({events_pb2.RIGHT_SEE_HASH, events_pb2.RIGHT_PUT})
    for name, rights in (("bob", MAY_LIST), ("dora", sees_hashes)):
        shown = await quiet.user(name, "vault://app", rights=rights).upload(upload.request_id)
        assert shown.HasField("receipt") is (rights == MAY_LIST)
    await refusal("NOT_FOUND", quiet.user("carl", "vault://other", rights=MAY_LIST).upload(upload.request_id))


async def test_a_listing_says_nothing_of_any_secret(quiet: World) -> None:
    anna = quiet.user("anna", "vault://app", rights=RIGHTS | MAY_LIST)
    await names_listed(quiet, anna)
    assert not (await anna.secrets()).secrets
    (*_, last) = (await anna.events()).events
    assert (last.type, last.detail) == ("SecretsListed", "LISTED, 2 names")
    assert "web/" not in str((await anna.events()).events)


async def test_names_fill_the_log_no_more_than_other_requests_may(tmp_path: Path) -> None:
    names = [f"n{number:03}" for number in range(400)]
    async with a_world(
        tmp_path, limits=ServerLimits(recorded_bytes_per_user_per_day=2 * bytes_of(LARGEST_PAGE))
    ) as world:
        anna = world.user("anna", "vault://app", rights=MAY_LIST)
        upload = await names_listed(world, anna, "vault://app", *names)
        assert (await world.app.documents.usage("anna", world.clock.now_ms)).size > len(upload.receipt.content) > 2_000
        with refused("RATE_LIMITED") as error:
            for _ in range(20):
                await names_listed(world, anna, "vault://app", *names)
        assert "bytes that m8 records for a user in a day" in error.message


async def test_a_failure_before_a_key_says_why_as_the_reactor_says_and_nobody_signed(quiet: World) -> None:
    reactor, anna = await quiet.attached(), quiet.user("anna", "vault://app")
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
