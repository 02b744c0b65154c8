"""Listings a page at a time, and who sees hashes and events."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import UsageError
from monoskope.m8.domain.events import token_stream, write
from monoskope.m8.log.documents import Columns, Where
from monoskope.m8.log.event_log import NewEvent, Put
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.queries import events
from monoskope.m8.queries.pages import VisibleScope, make_token, page, read_token
from monoskope.uri import UriPrefix
from tests.support.m8_world import PATIENCE_S, User, World, fingerprint, pages, put, refused
from tests.support.vectors import Signer, a_request

PUT = frozenset({events_pb2.RIGHT_PUT})


async def test_hashes_need_their_own_right(world: World) -> None:
    reactor = await world.attached()
    blind, seeing = world.user("bob", "vault://app", rights=PUT), world.user("anna", "vault://app")
    request_id = await put(seeing, reactor, uri="vault://app/db")
    assert (await seeing.secret("vault://app/db")).fingerprint == fingerprint()
    for user in (blind, world.administrator()):
        secret = await user.secret("vault://app/db")
        assert "fp1:" not in str(secret)
        assert not secret.HasField("receipt")
        assert [value.key for value in secret.values] == ["password"]
        upload = await user.upload(request_id)
        assert b"fp1:" not in upload.SerializeToString()
    (listed,) = (await blind.secrets()).secrets
    assert "fp1:" not in str(listed)


async def test_whoever_uploaded_gets_the_receipt_as_proof(world: World) -> None:
    reactor, user = await world.attached(), world.user("bob", "vault://app", rights=PUT)
    request_id = await put(user, reactor, uri="vault://app/db")
    assert (await user.upload(request_id)).HasField("receipt")


async def test_secrets_are_listed_in_order_a_page_at_a_time(world: World) -> None:
    reactor, everybody = await world.attached(), world.user("root", "vault://")
    uris = ["vault://a", "vault://a-b/x", "vault://a/x", "vault://a/y", "vault://b/x"]
    for uri in reversed(uris):
        await put(everybody, reactor, uri=uri)
    assert await _all(everybody) == uris
    assert await _all(world.administrator()) == uris
    assert await _all(world.user("anna", "vault://a")) == ["vault://a", "vault://a/x", "vault://a/y"]
    two = world.user("bob", "vault://a/y", "vault://a", "vault://a-b")
    assert await _all(two) == ["vault://a", "vault://a-b/x", "vault://a/x", "vault://a/y"]
    assert await _all(everybody, prefix="vault://a") == ["vault://a", "vault://a/x", "vault://a/y"]
    assert await _all(world.user("eve", "vault://a/x"), prefix="vault://a") == ["vault://a/x"]
    assert await _all(world.user("eve", "vault://a/x"), prefix="vault://b") == []


async def _all(user: User, prefix: str = "") -> list[str]:
    found = pages(lambda token: user.secrets(prefix=prefix, page_size=1, page_token=token))
    return [secret.uri async for page in found for secret in page.secrets]


async def test_a_changed_token_is_refused(world: World) -> None:
    reactor, user = await world.attached(), world.user("anna", "vault://app")
    for name in ("a", "b"):
        await put(user, reactor, uri=f"vault://app/{name}")
    token = (await user.secrets(page_size=1)).next_page_token
    for bad in (token[:-1], "A" + token[1:], token + "A", "!", "vault://app/a"):
        with refused("USAGE") as error:
            await user.secrets(page_size=1, page_token=bad)
        assert "page_token" in error.message
    with refused("USAGE"):
        await user.secrets(page_size=1, page_token=token, prefix="vault://app")
    with refused("USAGE"):
        await user.events(page_token=token)


@given(scope=st.text(), key=st.text(), other=st.text())
def test_a_token_is_read_back_in_its_own_list_alone(scope: str, key: str, other: str) -> None:
    try:
        token = make_token(scope, key)
    except UnicodeEncodeError:
        return
    assert read_token(scope, token) == key
    if other != scope:
        with pytest.raises((UsageError, UnicodeEncodeError)):
            read_token(other, token)


async def test_pages_of_documents_skip_and_repeat_nothing(tmp_path: Path) -> None:
    keys = sorted(f"s://{name}" for name in ("a", "a-b", "a-b/c", "a.b/c", "a/b", "a/b/c", "a0", "b"))
    log = await SqliteLog.open(
        tmp_path / "log.db",
        clock=lambda: 0,
        projector=lambda _event, _lookup: [Put("x", key, b"", Columns()) for key in keys],
    )
    await log.append("s", 0, [NewEvent("x", b"")], actor="m8")
    seen = VisibleScope((UriPrefix.parse("s://a"), UriPrefix.parse("s://a-b"), UriPrefix.parse("s://a/b")))
    for limit in range(1, 8):
        found: list[str] = []
        while some := await page(log, "x", seen, Where(), after=found[-1] if found else "", limit=limit):
            assert len(some) <= limit
            found += [key for key, _ in some]
        assert found == ["s://a", "s://a-b", "s://a-b/c", "s://a/b", "s://a/b/c"]
    await log.close()


async def test_stores_in_sight_are_listed(world: World) -> None:
    administrator = world.administrator()
    for name in ("a", "b", "c"):
        await administrator.create(name, Signer().shown)
    assert await _stores(administrator) == ["a", "b", "c", "vault"]
    assert await _stores(world.user("anna", "b://x", "vault://y")) == ["b", "vault"]
    with refused("NOT_FOUND") as unseen:
        await world.user("anna", "b://x").store("a")
    with refused("NOT_FOUND") as missing:
        await world.user("anna", "b://x").store("x")
    assert unseen.message.replace("'a'", "'x'") == missing.message
    with refused("NOT_FOUND"):
        await world.user("anna", "b://x").store("")


async def _stores(user: User) -> list[str]:
    found = pages(lambda token: user.call(queries_pb2.ListSecretStoresRequest(page_size=1, page_token=token)))
    return [store.name async for page in found for store in page.stores]


async def test_users_see_events_below_their_prefixes_and_administrators_all(world: World) -> None:
    reactor = await world.attached()
    anna, bob = world.user("anna", "vault://a"), world.user("bob", "vault://b")
    await put(anna, reactor, uri="vault://a/db")
    await put(bob, reactor, uri="vault://b/db")
    seen = (await anna.events()).events
    assert {event.uri for event in seen} == {"vault://a/db"}
    assert len(seen) == 5
    everything = (await world.administrator().events()).events
    assert [event.position for event in everything] == list(range(1, len(everything) + 1))
    assert everything[0].type == "SecretStoreCreated"
    with refused("NOT_FOUND"):
        await anna.events(request_id=bytes(16))
    with refused("USAGE"):
        await anna.events(request_id=b"x")


async def test_events_are_paged(world: World) -> None:
    reactor, user = await world.attached(), world.user("anna", "vault://a")
    request_id = await put(user, reactor, uri="vault://a/db")
    for fields in ({}, {"request_id": request_id}, {"prefix": "vault://a/db"}):
        positions = await _positions(user, **fields)
        assert len(positions) == 5
        assert positions == sorted(set(positions))
        assert await _positions(user, newest_first=True, **fields) == positions[::-1]


async def _positions(user: User, **fields: Any) -> list[int]:
    found = pages(lambda token: user.events(page_size=2, page_token=token, **fields))
    return [event.position async for page in found for event in page.events]


async def test_the_newest_events_are_found_without_a_walk_through_the_log(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    reactor, anna, bob = await world.attached(), world.user("anna", "vault://a"), world.user("bob", "vault://b")
    await put(anna, reactor, uri="vault://a/db")
    await put(bob, reactor, uri="vault://b/db")
    head = await world.app.log.head()
    monkeypatch.setattr(events, "_CHUNK", 3)
    monkeypatch.setattr(events, "MAX_LOOKED_AT", 6)
    answer = await bob.events(page_size=2, newest_first=True)
    assert [event.position for event in answer.events] == [head, head - 1]
    # A page without any is a step towards those further back.
    assert len(await _positions(anna, newest_first=True)) == 5


@pytest.mark.parametrize("position", [10**18 - 1, 2**31])
async def test_a_page_token_beyond_the_log_begins_at_its_end(world: World, position: int) -> None:
    """Page tokens are not signed, so anybody can make one."""
    reactor, user = await world.attached(), world.user("anna", "vault://a")
    await put(user, reactor, uri="vault://a/db")
    token = make_token("events.newest::", str(position))
    async with asyncio.timeout(PATIENCE_S):
        answer = await user.events(page_size=2, page_token=token, newest_first=True)
    assert [event.position for event in answer.events] == [await world.app.log.head(), await world.app.log.head() - 1]


async def test_a_token_of_one_order_is_refused_in_the_other(world: World) -> None:
    reactor, user = await world.attached(), world.user("anna", "vault://a")
    await put(user, reactor, uri="vault://a/db")
    token = (await user.events(page_size=2)).next_page_token
    with refused("USAGE"):
        await user.events(page_size=2, page_token=token, newest_first=True)


async def test_watching_begins_in_the_past_and_goes_on(world: World) -> None:
    reactor, user = await world.attached(), world.user("anna", "vault://a")
    await put(user, reactor, uri="vault://a/db")
    watching = user.watch()
    past = [await _read(watching) for _ in range(5)]
    assert past[-1] == "SecretUploaded"
    await put(world.user("bob", "vault://b"), reactor, uri="vault://b/db")
    await user.ask(a_request(uri="vault://a/other"))
    assert await _read(watching) == "SecretUploadKeyRequested"
    watching.cancel()


@pytest.mark.parametrize("key", ["x", "-1", "9" * 19, "\uff11", ""])
async def test_a_forged_position_is_refused(world: World, key: str) -> None:
    """Whoever knows how tokens are made can make one that holds anything."""
    with refused("USAGE") as error:
        await world.administrator().events(page_token=make_token("events.1::", key) if key else "AAAA")
    assert "page_token" in error.message


async def test_watching_ends_when_the_token_is_revoked(world: World) -> None:
    user = world.user("anna", "vault://app")
    token_id = user.token
    for message in (events_pb2.TokenIssued(id=token_id), events_pb2.TokenIssued(id="other")):
        await world.app.log.append(token_stream(message.id), 0, [write(message)], actor="m8")
    watching = user.watch()
    reactor = await world.attached()
    await user.ask(a_request())
    assert await _read(watching) == "SecretUploadKeyRequested"
    for revoked in ("other", token_id):
        revocation = write(events_pb2.TokenRevoked(id=revoked))
        await world.app.log.append(token_stream(revoked), 1, [revocation], actor="m8")
        if revoked == "other":
            await reactor.give_key()
            assert await _read(watching) == "SecretUploadKeyProvided"
    with refused("UNAUTHENTICATED") as error:
        await _read(watching)
    assert "revoked" in error.message


async def test_a_token_that_was_revoked_before_watching_began_sees_nothing(world: World) -> None:
    """The call was let in just before: the revocation lies behind the position that is watched from."""
    administrator = world.administrator()
    token_id = administrator.token
    events = [write(events_pb2.TokenIssued(id=token_id)), write(events_pb2.TokenRevoked(id=token_id))]
    await world.app.log.append(token_stream(token_id), 0, events, actor="m8")
    with refused("UNAUTHENTICATED"):
        await _read(administrator.watch(after=await world.app.log.head()))


@pytest.mark.parametrize("left_ms", [50, 0])
async def test_watching_ends_when_the_token_expires(world: World, left_ms: int) -> None:
    user = world.user("anna", "vault://app", expires_at_ms=world.clock() + left_ms)
    with refused("UNAUTHENTICATED") as error:
        await _read(user.watch())
    assert "expired" in error.message


async def _read(watching: object) -> str:
    async with asyncio.timeout(PATIENCE_S):
        message = await watching.read()  # type: ignore[attr-defined]
    assert isinstance(message, queries_pb2.WatchEventsResponse)
    assert "fp1:" not in message.event.detail
    return message.event.type


async def test_a_bad_uri_or_prefix_is_refused_naming_it(world: World) -> None:
    user = world.user("anna", "vault://a")
    with refused("USAGE") as error:
        await user.secret("vault:/a")
    assert "vault:/a" in error.message
    with refused("USAGE"):
        await user.secrets(prefix="a b")
    with refused("NOT_FOUND"):
        await user.secret("vault://a/db")
