"""What time ends, by a clock that the test moves, and which m8 processes of one log see one another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import nullcontext
from dataclasses import replace

import pytest

from monoskope.api.gateway.v1 import commands_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import RefusedError, UnavailableError
from monoskope.m8.background.presence import Note, Presence, present, replicas
from monoskope.m8.background.timekeeper import Timekeeper
from monoskope.m8.domain.upload import Upload
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.service.app import App
from monoskope.m8.tree import cosigning
from tests.support.fake_reactor import FakeReactor
from tests.support.log_lines import capture_logs
from tests.support.m8_user import PATIENCE_S, Sealed, User
from tests.support.m8_world import World, sent, until_granted
from tests.support.vectors import a_request


async def pass_s(world: World, timekeeper: Timekeeper, seconds: int, *alive: FakeReactor) -> None:
    """Let time pass second by second; `alive` are heard all the while."""
    for _ in range(seconds):
        world.clock.pass_s(1)
        for reactor in alive:
            await world.app.log.beat(f"vault/{reactor.replica.hex()}", world.clock())
        await timekeeper.tick()


async def ended(user: User, request_id: bytes) -> upload_pb2.Reason:
    upload = await user.upload(request_id)
    assert upload.state == views_pb2.UPLOAD_STATE_ENDED
    return upload.reason


async def test_a_grant_that_nobody_uses_ends_a_minute_after_its_lifetime(world: World) -> None:
    user, reactor, timekeeper = world.user("anna", "vault://app"), await world.attached(), Timekeeper(world.app)
    request = a_request()
    await user.ask(request)
    grant = reactor.grant_for(request, "anna", lifetime_s=30)
    await reactor.append(request.request_id, 1, reactor.provided(grant))
    await pass_s(world, timekeeper, 89, reactor)
    assert (await user.upload(request.request_id)).state == views_pb2.UPLOAD_STATE_GRANTED
    await pass_s(world, timekeeper, 1, reactor)
    assert await ended(user, request.request_id) == upload_pb2.REASON_EXPIRED
    late = await user.send(request.request_id, Sealed())
    assert (late.reason, late.sealed_sha256) == (upload_pb2.REASON_EXPIRED, b"")


async def test_a_key_whose_process_is_gone_is_lost_and_its_peers_learn_of_it(world: World) -> None:
    user, issuer, peer = world.user("anna", "vault://app"), await world.attached(), await world.attached()
    timekeeper = Timekeeper(world.app)
    grant = await until_granted(user, issuer)
    sending = asyncio.create_task(user.send(grant.request.request_id, Sealed()))
    await peer.next("SecretUploadRequested")
    await issuer.leave()
    await timekeeper.tick()
    await pass_s(world, timekeeper, 9, peer)
    assert (await user.upload(grant.request.request_id)).state == views_pb2.UPLOAD_STATE_UPLOADING
    await pass_s(world, timekeeper, 1, peer)
    assert (await sending).reason == upload_pb2.REASON_KEY_LOST
    await peer.next("ReactorDetached")


async def test_a_store_that_was_activated_while_it_looks_is_active(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, reactor, administrator = world.user("anna", "vault://app"), await world.attached(), world.administrator()
    await administrator.deactivate("vault")
    beats, asked = world.app.log.beats, list[bytes]()

    async def meanwhile() -> Mapping[str, int]:
        monkeypatch.setattr(world.app.log, "beats", beats)
        await administrator.call(commands_pb2.ActivateSecretStoreRequest(name="vault"))
        asked.append((await until_granted(user, reactor)).request.request_id)
        return await beats()

    monkeypatch.setattr(world.app.log, "beats", meanwhile)
    await Timekeeper(world.app).tick()
    assert (await user.upload(asked[0])).state == views_pb2.UPLOAD_STATE_GRANTED


@pytest.mark.parametrize("newcomer", [False, True])
async def test_a_key_given_meanwhile_stays(world: World, monkeypatch: pytest.MonkeyPatch, *, newcomer: bool) -> None:
    user, reactor, timekeeper = world.user("anna", "vault://app"), await world.attached(), Timekeeper(world.app)
    await pass_s(world, timekeeper, 20, reactor)
    request, look = a_request(), world.app.documents.open_uploads
    await user.ask(request)

    async def look_and_be_overtaken() -> AsyncIterator[Upload]:
        async for upload in look():
            issuer = await world.attached() if newcomer else reactor
            await issuer.append(request.request_id, 1, issuer.provided(issuer.grant_for(request, "anna")))
            yield upload

    monkeypatch.setattr(world.app.documents, "open_uploads", look_and_be_overtaken)
    await timekeeper.tick()
    assert (await user.upload(request.request_id)).state == views_pb2.UPLOAD_STATE_GRANTED


async def test_a_write_under_way_is_never_ended_by_m8(world: World) -> None:
    user, reactor, timekeeper = world.user("anna", "vault://app"), await world.attached(), Timekeeper(world.app)
    grant, sealed, sending = await sent(user, reactor)
    request_id = grant.request.request_id
    await reactor.append(request_id, 3, reactor.started(grant, sealed.sha256))
    await reactor.leave()
    await world.administrator().deactivate("vault")
    await pass_s(world, timekeeper, 30)
    assert (await user.upload(request_id)).state == views_pb2.UPLOAD_STATE_WRITING
    sending.cancel()


async def test_a_deactivated_store_ends_what_is_not_being_written(world: World) -> None:
    user, reactor, timekeeper = world.user("anna", "vault://app"), await world.attached(), Timekeeper(world.app)
    grant = await until_granted(user, reactor)
    await world.administrator().deactivate("vault")
    await timekeeper.tick()
    assert await ended(user, grant.request.request_id) == upload_pb2.REASON_STORE_INACTIVE


async def test_after_a_pause_of_its_own_m8_takes_nobodys_silence_for_an_absence(world: World) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    grant = await until_granted(user, reactor)
    timekeeper = Timekeeper(world.app)
    await timekeeper.tick()
    world.clock.pass_s(40)
    await timekeeper.tick()
    assert (await user.upload(grant.request.request_id)).state == views_pb2.UPLOAD_STATE_GRANTED
    await pass_s(world, timekeeper, 10)
    assert await ended(user, grant.request.request_id) == upload_pb2.REASON_KEY_LOST


async def test_of_two_timekeepers_one_ends_a_request(world: World) -> None:
    user, reactor = world.user("anna", "vault://app"), await world.attached()
    request_id = await user.ask(a_request())
    first, second = Timekeeper(world.app), Timekeeper(world.app)
    for _ in range(60):
        world.clock.pass_s(1)
        await world.app.log.beat(f"vault/{reactor.replica.hex()}", world.clock())
        await asyncio.gather(first.tick(), second.tick())
    assert [event.type for event in (await user.events(request_id=request_id)).events] == [
        "SecretUploadKeyRequested",
        "SecretUploadFailed",
    ]


async def test_what_was_told_of_the_witnessed_log_stays_until_it_is_told_anew(world: World) -> None:
    """It is told each minute. An administrator who looks in between must see what is wrong with a witness, too."""
    timekeeper = Timekeeper(world.app)
    trouble = cosigning.WitnessNote("w+1+1", "It does not know this log.")
    await cosigning.tell(world.app.log, cosigning.State(witnesses=(trouble,), at_ms=world.clock()))
    await pass_s(world, timekeeper, 30)
    told = await cosigning.told(world.app.log)
    assert told is not None
    assert told.witnesses == (trouble,)


async def test_heartbeats_of_other_m8_processes_that_are_gone_are_dropped(world: World) -> None:
    former, timekeeper = Timekeeper(world.app), Timekeeper(world.app)
    await former.tick()
    await pass_s(world, timekeeper, 11)
    assert len(await world.app.log.beats()) == 1


@pytest.mark.parametrize("is_full", [True, False])
async def test_while_the_log_takes_no_heartbeats_or_is_slow_nobody_is_declared_gone(
    world: World, monkeypatch: pytest.MonkeyPatch, *, is_full: bool
) -> None:
    await world.attached()
    timekeeper = Timekeeper(world.app)
    await timekeeper.tick()

    async def beat(_self: EventLog, _key: str, _at_ms: int) -> None:
        if is_full:
            raise UnavailableError("the disk is full.")
        world.clock.pass_s(5)

    with monkeypatch.context() as patch:
        patch.setattr(type(world.app.log), "beat", beat)
        for _ in range(20):
            world.clock.pass_s(1)
            with pytest.raises(UnavailableError) if is_full else nullcontext():
                await timekeeper.tick()
    await pass_s(world, timekeeper, 10)
    assert await attached(world) == [True]
    await pass_s(world, timekeeper, 1)
    assert await attached(world) == [False]


async def attached(world: World) -> list[bool]:
    return [reactor.attached for reactor in (await world.administrator().store("vault")).reactors]


@pytest.mark.parametrize("jump_s", [0, 600, -600])
async def test_a_request_that_nobody_answers_ends_whatever_time_of_day_is_set(world: World, jump_s: int) -> None:
    user, reactor, timekeeper = world.user("anna", "vault://app"), await world.attached(), Timekeeper(world.app)
    request_id = await user.ask(a_request())
    await timekeeper.tick()
    world.app.clock = lambda: world.clock() + jump_s * 1000
    for second in range(60):
        assert (await user.upload(request_id)).state == views_pb2.UPLOAD_STATE_REQUESTED, second
        world.clock.pass_s(1)
        await world.app.log.beat(f"vault/{reactor.replica.hex()}", world.app.clock())
        await timekeeper.tick()
    assert await ended(user, request_id) == upload_pb2.REASON_NO_REACTOR
    assert (await user.events(request_id=request_id)).events[-1].actor == "m8"


async def test_a_reactor_that_is_gone_is_gone_in_time_though_the_time_of_day_was_set_back(world: World) -> None:
    user, reactor, timekeeper = world.user("anna", "vault://app"), await world.attached(), Timekeeper(world.app)
    grant = await until_granted(user, reactor)
    await timekeeper.tick()
    await reactor.leave()
    world.app.clock = lambda: world.clock() - 600_000
    await pass_s(world, timekeeper, 10)
    assert await ended(user, grant.request.request_id) == upload_pb2.REASON_KEY_LOST


SETTINGS = {"audience": "m8", "signing_key": "SHA256:aa", "open_requests_per_user": "100"}


def note(address: str, **settings: str) -> Note:
    return Note("1.2", 1, host="host", address=address, settings=SETTINGS | settings)


def process(app: App, name: str) -> App:
    return replace(app, replica=f"m8/{name}", leases=set(), news=asyncio.Event())


async def there(world: World) -> list[str]:
    return [replica.name for replica in replicas(await world.app.log.beats(), {})]


@pytest.mark.parametrize(
    ("field", "words"),
    [
        ("audience", "another audience: theirs; ours is mine"),
        ("signing_key", "another token signing key: theirs; ours is mine"),
    ],
)
async def test_who_would_refuse_the_tokens_of_another_does_not_start(world: World, field: str, words: str) -> None:
    async with present(process(world.app, "one"), note("one:1", **{field: "theirs"})):
        with pytest.raises(RefusedError, match="the m8 at one:1 on host serves this log") as refused:
            await Presence(process(world.app, "two"), note("two:1", **{field: "mine"})).begin()
        assert words in refused.value.message
        assert await there(world) == ["m8/one"]
    # It is gone, and said so.
    async with present(process(world.app, "two"), note("two:1", **{field: "mine"})):
        pass


async def test_of_two_that_start_at_the_same_moment_one_goes_on(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Presence(process(world.app, "one"), note("one:1", audience="one"))
    two = Presence(process(world.app, "two"), note("two:1", audience="two"))
    looked = asyncio.Barrier(2)
    beat = type(world.app.log).beat

    async def beat_together(log: EventLog, key: str, at_ms: int, said: bytes = b"") -> None:
        await looked.wait()  # both have seen that nobody is there
        await beat(log, key, at_ms, said)
        await looked.wait()

    monkeypatch.setattr(type(world.app.log), "beat", beat_together)
    async with asyncio.timeout(PATIENCE_S):
        ended = await asyncio.gather(one.begin(), two.begin(), return_exceptions=True)
    assert [type(end) for end in ended] == [type(None), RefusedError]
    assert await there(world) == ["m8/one"]


async def test_who_crashed_does_not_keep_its_successor_away(world: World) -> None:
    await Presence(process(world.app, "former"), note("one:1", audience="before")).begin()
    await Presence(process(world.app, "next"), note("one:1", audience="after")).begin()
    with pytest.raises(RefusedError):
        await Presence(process(world.app, "other"), note("two:1", audience="before")).begin()
    for _ in range(12):
        world.clock.pass_s(1)
        await Timekeeper(world.app).tick()
    await Presence(process(world.app, "other"), note("two:1", audience="before")).begin()


async def test_a_different_limit_is_told_once_with_both_values(world: World) -> None:
    async with present(process(world.app, "one"), note("one:1")):
        app = process(world.app, "two")
        async with present(app, note("two:1", open_requests_per_user="7")) as presence:
            with capture_logs() as lines:
                task = asyncio.create_task(presence.run())
                async with asyncio.timeout(PATIENCE_S):
                    for _ in range(3):
                        app.leases.add("timekeeper")
                        app.news.set()
                        while app.news.is_set():
                            await asyncio.sleep(0.001)
                        await world.app.log.head()
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
            [warning] = [line for line in lines if line["level"] == "warning"]
            assert warning["message"] == "open_requests_per_user is 7 here, and 100 there."
            [_, two] = replicas(await world.app.log.beats(), await world.app.log.beat_notes())
            assert two.note.leases == ("timekeeper",)
    assert await there(world) == []


async def test_who_comes_and_who_is_gone_is_named_by_its_address_and_the_log_learns_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    alone: list[bool] = []
    monkeypatch.setattr(type(world.app.log), "serve_alone", lambda _, *, is_alone: alone.append(is_alone))
    app = process(world.app, "two")
    async with present(app, note("two:1")) as presence:
        with capture_logs() as lines:

            async def look(said: int) -> None:
                app.news.set()
                while len(lines) < said:
                    await asyncio.sleep(0.001)

            task = asyncio.create_task(presence.run())
            async with asyncio.timeout(PATIENCE_S):
                async with present(process(world.app, "one"), note("one:1")):
                    await look(1)
                await look(2)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    said = [(line["event"], line["server"]) for line in lines]
    assert said == [("another m8 serves this log", "one:1 on host"), ("another m8 is gone", "one:1 on host")]
    assert (alone[0], False in alone, alone[-1]) == (True, True, True)


async def test_a_log_that_takes_nothing_hinders_no_start(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def full(_self: EventLog, _key: str, _at_ms: int, _note: bytes = b"") -> None:
        raise UnavailableError("the disk is full.")

    monkeypatch.setattr(type(world.app.log), "beat", full)
    with capture_logs() as lines:
        async with present(world.app, note("one:1")):
            pass
    assert [line["event"] for line in lines] == ["m8 is not announced"]
