"""Listings a page at a time, who sees hashes and events, and events of a time and of one who caused them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import UsageError
from monoskope.m8.domain.events import token_stream, write
from monoskope.m8.domain.principal import Principal
from monoskope.m8.http.requests import Codec
from monoskope.m8.log.documents import Columns, Where
from monoskope.m8.log.event_log import NewEvent, Put, RecordedEvent
from monoskope.m8.log.sqlite import SqliteLog
from monoskope.m8.queries import events
from monoskope.m8.queries.events import Events
from monoskope.m8.queries.pages import STEP_MS, VisibleScope, make_token, page, read_token, scope_of
from monoskope.m8.service.app import Caller
from monoskope.protocol.events import upload_stream
from monoskope.protocol.grant import parse_grant
from monoskope.protocol.wire import serialise
from monoskope.uri import UriPrefix
from tests.support.fake_reactor import FakeReactor, fingerprint
from tests.support.m8_user import PATIENCE_S, User, pages, refusal, refused
from tests.support.m8_walk import Documents, Walk
from tests.support.m8_world import World, put
from tests.support.vectors import Signer, a_request

PUT = frozenset({events_pb2.RIGHT_PUT})


async def test_hashes_need_their_own_right(world: World, reactor: FakeReactor) -> None:
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
    own = await put(blind, reactor, "2", prior="1", uri="vault://app/db")
    assert (await blind.upload(own)).HasField("receipt"), "whoever uploaded gets it as proof"


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
        await refusal("USAGE", user.secrets(page_size=1, page_token=bad), "page_token")
    for fields in ({"prefix": "vault://app"}, {"subject": "anna"}):
        await refusal("USAGE", user.secrets(page_size=1, page_token=token, **fields))
    await refusal("USAGE", user.events(page_token=token))


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


async def test_stores_in_sight_are_listed(world: World, administrator: User) -> None:
    for name in ("a", "b", "c"):
        await administrator.create(name, Signer().shown)
    assert await _stores(administrator) == ["a", "b", "c", "vault"]
    assert await _stores(world.user("anna", "b://x", "vault://y")) == ["b", "vault"]
    unseen = await refusal("NOT_FOUND", world.user("anna", "b://x").store("a"))
    missing = await refusal("NOT_FOUND", world.user("anna", "b://x").store("x"))
    assert unseen.message.replace("'a'", "'x'") == missing.message
    await refusal("NOT_FOUND", world.user("anna", "b://x").store(""))


async def _stores(user: User) -> list[str]:
    found = pages(lambda token: user.call(queries_pb2.ListSecretStoresRequest(page_size=1, page_token=token)))
    return [store.name async for page in found for store in page.stores]


async def test_users_see_events_below_their_prefixes_and_administrators_all(world: World, reactor: FakeReactor) -> None:
    anna, bob = world.user("anna", "vault://a"), world.user("bob", "vault://b")
    await put(anna, reactor, uri="vault://a/db")
    await put(bob, reactor, uri="vault://b/db")
    seen = (await anna.events()).events
    assert {event.uri for event in seen} == {"vault://a/db"}
    assert len(seen) == 5
    everything = (await world.administrator().events()).events
    assert [event.position for event in everything] == list(range(1, len(everything) + 1))
    assert everything[0].type == "SecretStoreCreated"
    await refusal("NOT_FOUND", anna.events(request_id=bytes(16)))
    await refusal("USAGE", anna.events(request_id=b"x"))


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


async def test_the_newest_events_are_found_without_a_long_walk(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
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
    token = make_token(scope_of(queries_pb2.ListEventsRequest(newest_first=True)), str(position))
    async with asyncio.timeout(PATIENCE_S):
        answer = await user.events(page_size=2, page_token=token, newest_first=True)
    assert [event.position for event in answer.events] == [await world.app.log.head(), await world.app.log.head() - 1]


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
        await world.administrator().events(
            page_token=make_token(scope_of(queries_pb2.ListEventsRequest()), key) if key else "AAAA"
        )
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
    await refusal("UNAUTHENTICATED", _read(watching), "revoked")


async def test_a_token_that_was_revoked_before_watching_began_sees_nothing(world: World, administrator: User) -> None:
    """The call was let in just before: the revocation lies behind the position that is watched from."""
    token_id = administrator.token
    events = [write(events_pb2.TokenIssued(id=token_id)), write(events_pb2.TokenRevoked(id=token_id))]
    await world.app.log.append(token_stream(token_id), 0, events, actor="m8")
    await refusal("UNAUTHENTICATED", _read(administrator.watch(after=await world.app.log.head())))


@pytest.mark.parametrize("left_ms", [50, 0])
async def test_watching_ends_when_the_token_expires(world: World, left_ms: int) -> None:
    user = world.user("anna", "vault://app", expires_at_ms=world.clock() + left_ms)
    await refusal("UNAUTHENTICATED", _read(user.watch()), "expired")


async def test_watching_ends_with_the_next_event_when_the_clock_was_set_beyond_the_tokens_end(world: World) -> None:
    watching = world.user("anna", "vault://app", expires_at_ms=world.clock() + 3_600_000).watch(from_now=True)
    reading = asyncio.create_task(_read(watching))
    async with asyncio.timeout(PATIENCE_S):
        while not world.app.feed.subscribers:
            await asyncio.sleep(0.001)
    world.clock.pass_s(3_600)
    await world.app.log.append("things", None, [NewEvent("Happened", b"", "vault://app/db")], actor="m8")
    await refusal("UNAUTHENTICATED", reading, "expired")


async def test_an_event_is_written_once_for_all_who_watch_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[int] = []
    write_message = Codec.written

    def noted(codec: Codec, message: Message) -> bytes:
        if isinstance(message, queries_pb2.WatchEventsResponse):
            written.append(message.event.position)
        return write_message(codec, message)

    monkeypatch.setattr(Codec, "written", noted)
    watchers = [world.administrator().watch(after=await world.app.log.head()) for _ in range(3)]
    [event] = await world.app.log.append("things", None, [NewEvent("Happened", b"")], actor="m8")
    assert [await _read(watcher) for watcher in watchers] == ["Happened"] * 3
    assert written == [event.position]


async def _read(watching: object) -> str:
    async with asyncio.timeout(PATIENCE_S):
        message = await watching.read()  # type: ignore[attr-defined]
    assert isinstance(message, queries_pb2.WatchEventsResponse)
    assert "fp1:" not in message.event.detail
    return message.event.type


async def test_a_bad_uri_or_prefix_is_refused_naming_it(world: World) -> None:
    user = world.user("anna", "vault://a")
    await refusal("USAGE", user.secret("vault:/a"), "vault:/a")
    await refusal("USAGE", user.secrets(prefix="a b"))
    await refusal("NOT_FOUND", user.secret("vault://a/db"))


async def a_minute_each(world: World, count: int, *, actor: str = "m8") -> list[RecordedEvent]:
    """Record events, with a minute after each."""
    recorded = []
    for _ in range(count):
        recorded += await world.app.log.append("things", None, [NewEvent("Happened", b"")], actor=actor)
        world.clock.pass_s(60)
    return recorded


async def an_hour(world: World, count: int) -> list[RecordedEvent]:
    """Record so many events at once, and let an hour pass."""
    recorded = await world.app.log.append("things", None, [NewEvent("Happened", b"")] * count, actor="m8")
    world.clock.pass_s(STEP_MS // 1000)
    return recorded


async def positions(world: World, *, page_size: int = 1000, **fields: object) -> list[int]:
    found = pages(lambda token: world.administrator().events(page_size=page_size, page_token=token, **fields))
    return [event.position async for page in found for event in page.events]


async def test_events_of_a_time_are_exactly_those(world: World) -> None:
    recorded = await a_minute_each(world, 300)
    since, until = recorded[100].recorded_at_ms, recorded[200].recorded_at_ms
    wanted = [event.position for event in recorded[100:200]]
    assert await positions(world, since_ms=since, until_ms=until) == wanted
    assert await positions(world, since_ms=since, until_ms=until, page_size=7) == wanted
    assert await positions(world, since_ms=since, until_ms=until, page_size=7, newest_first=True) == wanted[::-1]
    assert (await positions(world, since_ms=since))[: len(wanted)] == wanted
    assert (await positions(world, until_ms=until, newest_first=True))[: len(wanted)] == wanted[::-1]
    assert await positions(world, since_ms=until + 10**12) == []


async def test_events_before_a_position_are_exactly_those(world: World) -> None:
    recorded = await a_minute_each(world, 100)
    wanted = [event.position for event in recorded[:60]]
    before = recorded[60].position
    first = wanted[0]

    for page_size in (1000, 7):
        assert [one for one in await positions(world, before=before, page_size=page_size) if one >= first] == wanted
        newest = await positions(world, before=before, page_size=page_size, newest_first=True)
        assert newest[: len(wanted)] == wanted[::-1]
    assert await positions(world, before=before, since_ms=recorded[50].recorded_at_ms) == wanted[50:]
    assert await positions(world, before=before, since_ms=recorded[70].recorded_at_ms, newest_first=True) == []
    assert await positions(world, before=1) == []


async def test_a_clock_that_was_set_back_by_less_than_an_hour_hides_nothing(world: World) -> None:
    before = await a_minute_each(world, 100)
    world.clock.pass_s(-50 * 60)
    after = await a_minute_each(world, 100)
    since = before[90].recorded_at_ms
    expected = [event.position for event in (*before, *after) if event.recorded_at_ms >= since]
    assert await positions(world, since_ms=since) == expected
    assert await positions(world, since_ms=since, newest_first=True) == expected[::-1]


@pytest.mark.parametrize("newest_first", [False, True])
async def test_no_more_of_the_log_is_read(world: World, newest_first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    hours = [await an_hour(world, 50) for _ in range(40)]
    read: list[int] = []
    real = SqliteLog.read

    async def counted(log: SqliteLog, *, after: int, limit: int) -> list[RecordedEvent]:
        events = await real(log, after=after, limit=limit)
        read.extend(event.position for event in events)
        return events

    monkeypatch.setattr(SqliteLog, "read", counted)
    at = hours[20][0].recorded_at_ms
    found = await positions(world, since_ms=at, until_ms=at + 1, newest_first=newest_first)
    assert sorted(found) == [event.position for event in hours[20]]
    assert len(read) < 4 * 50 + 2 * 12


async def test_events_of_one_actor_have_page_tokens_of_their_own(world: World) -> None:
    await a_minute_each(world, 3)
    mine = [event.position for event in await a_minute_each(world, 2, actor="m8/os/anna")]
    await a_minute_each(world, 3, actor="m8/os/anna2")
    assert await positions(world, actor="m8/os/anna") == mine
    assert await positions(world, actor="m8/os/anna", newest_first=True, page_size=1) == mine[::-1]
    assert await positions(world, actor="m8/os") == []
    user = world.administrator()
    token = (await user.events(page_size=1, actor="m8")).next_page_token
    for fields in ({}, {"actor": "root"}, {"actor": "m8", "since_ms": 1}, {"actor": "m8", "newest_first": True}):
        await refusal("USAGE", user.events(page_size=1, page_token=token, **fields))


async def test_a_page_says_where_the_log_ends(world: World) -> None:
    await a_minute_each(world, 3)
    head = await world.app.log.head()
    nobody = world.user("anna", "vault://a")
    for newest_first in (False, True):
        answer = await nobody.events(newest_first=newest_first)
        assert (list(answer.events), answer.head) == ([], head)


async def test_watching_from_now_begins_with_the_next_event(world: World) -> None:
    await a_minute_each(world, 5)
    watching: Any = world.administrator().watch(from_now=True)
    reading = asyncio.ensure_future(watching.read())
    while not world.app.feed._followers:
        await asyncio.sleep(0)
    [recorded] = await a_minute_each(world, 1)
    async with asyncio.timeout(60):
        answer = await reading
    assert answer.event.position == recorded.position
    watching.cancel()


def root() -> Caller:
    """An administrator who calls without a transport."""
    return Caller(Principal.of_token("id", "root", events_pb2.ROLE_ADMINISTRATOR, expires_at_ms=2**50), 10.0)


async def test_a_watcher_that_reads_the_past_is_not_too_slow(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.app.feed, "_backlog", 50)
    await an_hour(world, 300)
    watching: Any = Events(world.app).watch_events(queries_pb2.WatchEventsRequest(), root())
    seen = [(await anext(watching)).event.position]
    last = (await an_hour(world, 200))[-1].position
    seen += [(await anext(watching)).event.position for _ in range(last - 1)]
    assert seen == list(range(1, last + 1))
    await watching.aclose()


async def test_watchers_that_take_nothing_make_nobody_wait(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monoskope.m8.queries.events._TURN_S", 3_600.0)
    last = (await an_hour(world, 300))[-1].position
    events = Events(world.app)
    mute: list[Any] = [events.watch_events(queries_pb2.WatchEventsRequest(), root()) for _ in range(3)]
    honest: Any = events.watch_events(queries_pb2.WatchEventsRequest(), root())
    async with asyncio.timeout(60):
        for watching in mute:
            await anext(watching)
        seen = [(await anext(honest)).event.position for _ in range(last)]
    assert seen == list(range(1, last + 1))
    for watching in (*mute, honest):
        await watching.aclose()


KEY = f"SHA256:{'a' * 43}"
SIGNER = {"signer": "anna@example.org", "signer_key": KEY}


def test_events_say_who_signed_and_unsigned_ones_do_not() -> None:
    documents, walk, unsigned = Documents(), Walk(), Walk()
    message = upload_pb2.UploadGrant.FromString(walk.grant.content)
    message.signature_required = True
    walk.grant = parse_grant(serialise(message))
    for one, fields in ((walk, SIGNER), (unsigned, {})):
        events = [one.asked(), one.provided(), one.sent(), one.started(**fields), one.uploaded(**fields)]
        documents.record(upload_stream(one.request.request_id), events)
    said = [event.detail for event in documents.events]
    assert said.count(f"UPLOADED, version 1, signed by anna@example.org with {KEY}") == 1
    assert said.count(f"replacing nothing, signed by anna@example.org with {KEY}") == 1
    assert said.count("UPLOADED, version 1") == 1
