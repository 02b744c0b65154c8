"""Two m8 processes on one database: what one remembers never decides, and one at a time does what is for one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from monoskope.api.gateway.v1 import access_pb2, commands_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import RefusedError, UnavailableError
from monoskope.m8.background import leased
from monoskope.m8.background.leased import Leased
from monoskope.m8.domain import aggregates, deadlines, upload
from monoskope.m8.domain.aggregates import Aggregates, upload_of
from monoskope.m8.domain.events import M8, write
from monoskope.m8.log.event_log import EventLog
from monoskope.m8.service.app import App
from monoskope.m8.service.session import ServerSession
from monoskope.protocol.events import RequestEvent, upload_stream
from monoskope.protocol.login import Member
from tests.support.failures import failure
from tests.support.http_calls import CallError
from tests.support.m8_user import PATIENCE_S, Sealed, User, refusal
from tests.support.m8_world import Clock, World, a_second, a_world, open_log, put, sent, stop, until_granted
from tests.support.vectors import Signer, a_request


async def test_a_store_deactivated_through_another_process_takes_nothing_more(world: World, tmp_path: Path) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    grant = await until_granted(anna, reactor)
    async with a_second(world, tmp_path) as address:
        await User(address, world.administrator().token).deactivate("vault")
        await refusal("REFUSED", anna.send(grant.request.request_id, Sealed()))
        await refusal("REFUSED", anna.ask(a_request(request_id=b"n" * 16)))


async def test_what_another_process_recorded_is_known_at_once(world: World, tmp_path: Path) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    grant = await until_granted(anna, reactor)
    sealed = Sealed()
    async with a_second(world, tmp_path) as address:
        there = asyncio.create_task(User(address, anna.token).send(grant.request.request_id, sealed))
        await reactor.next("SecretUploadRequested")
        await refusal("ALREADY_EXISTS", anna.send(grant.request.request_id, Sealed()))
        here = asyncio.create_task(anna.send(grant.request.request_id, sealed))
        answers = (
            await reactor.append(grant.request.request_id, 3, reactor.started(grant, sealed.sha256)),
            await reactor.append(grant.request.request_id, 4, reactor.uploaded(grant, sealed.sha256)),
        )
        assert [answer.error for answer in answers] == ["", ""]
        ends = await asyncio.gather(here, there)
    assert [end.state for end in ends] == [views_pb2.UPLOAD_STATE_ENDED] * 2
    assert ends[0].receipt == ends[1].receipt


async def test_the_signature_that_another_process_recorded_is_not_replaced(world: World, tmp_path: Path) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    grant = await until_granted(anna, reactor)
    sealed = Sealed()
    message = commands_pb2.RequestUploadSecretRequest(
        request_id=grant.request.request_id,
        encapsulated_key=sealed.encapsulated_key,
        ciphertext=sealed.ciphertext,
        request_signature=b"the first",
    )
    async with a_second(world, tmp_path) as address:
        sending = asyncio.ensure_future(User(address, anna.token).call(message))
        await reactor.next("SecretUploadRequested")
        message.request_signature = b"another"
        await refusal("ALREADY_EXISTS", anna.call(message))
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


async def test_of_two_sealed_secrets_sent_to_two_processes_one_is_recorded(world: World, tmp_path: Path) -> None:
    reactor, anna = await world.attached(), world.user("anna", "vault://app")
    grant = await until_granted(anna, reactor)
    request_id = grant.request.request_id
    async with a_second(world, tmp_path) as address:
        sends = {asyncio.create_task(user.send(request_id, Sealed())) for user in (anna, User(address, anna.token))}
        done, waiting = await asyncio.wait(sends, return_when=asyncio.FIRST_COMPLETED)
        (lost,) = done
        error = lost.exception()
        assert isinstance(error, CallError)
        assert error.reason == "ALREADY_EXISTS"
        (won,) = waiting
        won.cancel()
        await asyncio.gather(won, return_exceptions=True)
    recorded = await world.app.log.read_stream(upload_stream(request_id))
    assert [event.type for event in recorded].count("SecretUploadRequested") == 1


@pytest.mark.usefixtures("engine")
async def test_what_is_revoked_bound_and_unbound_at_one_m8_counts_at_the_next_call_at_another(tmp_path: Path) -> None:
    async with a_world(tmp_path) as world, a_second(world, tmp_path) as address:
        member, what = "user:local:anna", {"role": events_pb2.ROLE_USER, "prefix": "vault://app"}
        there = User(address, world.administrator().token)
        issued = await world.app.issuing().issue_for_member(Member.parse(member), ttl_s=3_600)
        anna, reactor = User(world.address, issued.jwt), await world.attached()
        for name in ("one", "two"):
            await refusal("REFUSED", anna.ask(a_request(request_id=name[:1].encode() * 16)))
            await there.bind(name, member, rights=[events_pb2.RIGHT_PUT], **what)
            await put(anna, reactor, uri=f"vault://app/{name}", request_id=name[:1].encode() * 16)
            grant = await until_granted(anna, reactor, request_id=name[1:2].encode() * 16)
            await there.unbind(name)
            await refusal("REFUSED", anna.send(grant.request.request_id, Sealed()))
        await there.bind("three", member, rights=[events_pb2.RIGHT_PUT], **what)
        await put(anna, reactor, uri="vault://app/three", request_id=b"3" * 16)
        await there.call(access_pb2.RevokeTokenRequest(token_id=issued.id))
        await refusal("UNAUTHENTICATED", anna.ask(a_request(request_id=b"4" * 16)), "revoked")


@pytest.mark.usefixtures("engine")
async def test_a_reactor_whose_identity_another_m8_shut_out_appends_nothing_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also before its session hears of it: as on a machine where that takes long."""
    async with a_world(tmp_path) as world, a_second(world, tmp_path) as address:
        anna, reactor = world.user("anna", "vault://app"), await world.attached()
        there = User(address, world.administrator().token)
        grant, sealed, sending = await sent(anna, reactor)
        monkeypatch.setattr(ServerSession, "_check_standing", lambda *_: None)
        identity = Signer().shown
        await there.call(commands_pb2.ReplaceSecretStoreIdentityRequest(name="vault", identity=identity))
        answer = await reactor.append(grant.request.request_id, 3, reactor.started(grant, sealed.sha256))
        assert answer.error == "IDENTITY_CHANGED"
        assert len(await world.app.log.read_stream(upload_stream(grant.request.request_id))) == 3
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[EventLog]:
    """One that no timekeeper looks at."""
    made = await open_log(tmp_path, Clock())
    yield made
    await made.close()


async def begun(known: Aggregates, request_id: bytes) -> None:
    await known.change(
        upload_of(request_id),
        lambda new: upload.request_key(
            new, request=a_request(request_id=request_id), subject="anna", last_receipt=None
        ),
        actor="anna",
    )


async def ended(log: EventLog, request_id: bytes) -> None:
    """What another process does: m8's own end of a request."""
    known = await Aggregates(log).get(upload_of(request_id))
    events = [write(message) for message in deadlines.fail_by_m8(known, upload_pb2.REASON_NO_REACTOR)]
    await log.append(upload_stream(request_id), known.version, events, actor=M8)


async def test_a_decision_on_what_was_loaded_before_is_made_anew_if_somebody_was_faster(log: EventLog) -> None:
    known = Aggregates(log)
    request_id = b"r" * 16
    await begun(known, request_id)
    loaded = await known.get(upload_of(request_id))
    await ended(log, request_id)
    decided = []

    def decide(value: upload.Upload) -> list[RequestEvent]:
        decided.append(value.state.name)
        if value.state is not loaded.state:
            raise RefusedError("it ended.")
        return deadlines.fail_by_m8(value, upload_pb2.REASON_NO_REACTOR)

    await failure(RefusedError, known.change(upload_of(request_id), decide, actor=M8, loaded=loaded))
    assert decided == ["REQUESTED", "ENDED"]


async def test_requests_beyond_those_remembered_are_as_true(log: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aggregates, "KEPT", 2)
    known = Aggregates(log)
    ids = [bytes([number]) * 16 for number in range(1, 6)]
    for request_id in ids:
        await begun(known, request_id)
    for request_id in ids[1:4]:
        await ended(log, request_id)
    states = [(await known.get(upload_of(request_id))).state.name for request_id in ids]
    assert states == ["REQUESTED", "ENDED", "ENDED", "ENDED", "REQUESTED"]


async def test_a_request_of_a_closed_log_is_not_answered_from_memory(log: EventLog) -> None:
    known = Aggregates(log)
    await begun(known, b"r" * 16)
    await known.get(upload_of(b"r" * 16))
    await log.close()
    await failure(UnavailableError, known.get(upload_of(b"r" * 16)))


LONG_S = 60.0


class Time:
    """The clock by which a lease runs out: it stands still until it is moved."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    """A lease lasts as long as a test wants, however slow the machine is, and is asked for every 30 ms all the same."""
    found = Time()
    monkeypatch.setattr(leased, "time", found)
    monkeypatch.setattr(leased, "ASKS", round(LONG_S / 0.03))
    return found


class Work:
    """Says that it runs, until it is cancelled."""

    def __init__(self) -> None:
        self.begun = 0
        self.runs = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self) -> None:
        self.begun += 1
        self.runs.set()
        self.ended.clear()
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            self.runs.clear()
            self.ended.set()


def another(app: App) -> App:
    return replace(app, replica="m8/other", leases=set(), news=asyncio.Event())


@pytest.mark.usefixtures("time")
async def test_one_of_two_works_and_the_other_when_it_stops(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = Work(), Work()
    refused, lease = asyncio.Event(), type(world.app.log).lease

    async def asked(log: EventLog, name: str, holder: str, *, ttl_ms: int) -> bool:
        has = await lease(log, name, holder, ttl_ms=ttl_ms)
        if not has and name == "work":
            refused.set()
        return has

    monkeypatch.setattr(type(world.app.log), "lease", asked)
    first = asyncio.create_task(Leased(world.app, "work", one, ttl_s=LONG_S).run())
    async with asyncio.timeout(PATIENCE_S):
        await one.runs.wait()
        assert "work" in world.app.leases
        second = asyncio.create_task(Leased(another(world.app), "work", two, ttl_s=LONG_S).run())
        await refused.wait()
        assert not two.begun
        await stop(first)
        await two.runs.wait()
    assert (one.ended.is_set(), "work" in world.app.leases) == (True, False)
    await stop(second)


@pytest.mark.usefixtures("time")
async def test_who_lost_the_lease_meanwhile_stops_and_begins_anew_when_it_is_free(world: World) -> None:
    work = Work()
    task = asyncio.create_task(Leased(world.app, "work", work, ttl_s=LONG_S).run())
    async with asyncio.timeout(PATIENCE_S):
        await work.runs.wait()
        # As after a pause that was longer than the lease: another one has it.
        await world.app.log.release("work", world.app.replica)
        while not await world.app.log.lease("work", "m8/other", ttl_ms=60_000):  # it has asked again just before
            await world.app.log.release("work", world.app.replica)
        await work.ended.wait()
        await world.app.log.release("work", "m8/other")
        await work.runs.wait()
    assert work.begun == 2
    await stop(task)


async def test_work_ends_with_its_lease_in_an_outage(world: World, time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    work, asked = Work(), asyncio.Event()
    task = asyncio.create_task(Leased(world.app, "work", work, ttl_s=LONG_S).run())

    async def away(_self: EventLog, name: str, _holder: str, *, ttl_ms: int) -> bool:
        if name == "work":
            asked.set()
        raise UnavailableError("the database does not answer.")

    async def never(_self: EventLog, name: str, _holder: str, *, ttl_ms: int) -> bool:
        if name == "work":
            asked.set()
        return bool(await asyncio.get_running_loop().create_future())

    async with asyncio.timeout(PATIENCE_S):
        await work.runs.wait()
        with monkeypatch.context() as patch:
            patch.setattr(type(world.app.log), "lease", away)
            for _ in range(2):
                asked.clear()
                await asked.wait()
                assert work.runs.is_set(), "the lease has not run out yet"
            time.now_s += LONG_S + 1
            await work.ended.wait()
        await work.runs.wait()
        asked.clear()
        with monkeypatch.context() as patch:
            patch.setattr(type(world.app.log), "lease", never)
            time.now_s += LONG_S - 0.05  # so much is left of the lease when it is asked for again
            await asked.wait()
            await work.ended.wait()
    await stop(task)
    assert work.begun == 2


async def test_what_the_work_raises_is_not_swallowed(world: World) -> None:
    async def broken() -> None:
        raise ZeroDivisionError

    await failure(ZeroDivisionError, Leased(world.app, "work", broken, ttl_s=LONG_S).run())
    assert await world.app.log.lease("work", "m8/other", ttl_ms=1_000)
