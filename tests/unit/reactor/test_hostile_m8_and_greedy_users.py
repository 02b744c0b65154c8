"""A hostile m8 learns no guess and brings back no old secret; one user cannot take what a reactor shares among all."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bench.figures import rss_bytes
from monoskope import operating_log
from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.grant import make_grant, parse_grant
from monoskope.protocol.hello import MAX_REPLICAS
from monoskope.protocol.identity import ProofError
from monoskope.protocol.open_receipt import check_copied, put_request_id
from monoskope.protocol.payload import Payload, encode
from monoskope.protocol.receipt import Receipt, make_receipt, parse_receipt
from monoskope.protocol.request import Request, parse_request
from monoskope.reactor.admission import Admission
from monoskope.reactor.dispatch import MOST_SEALED
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.keys import OneTimeKeys
from monoskope.reactor.limits import Rates
from monoskope.reactor.link.open_requests import MAX_EVENT, MOST_HELD
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.report.audit_log import AuditFile
from monoskope.reactor.report.known_receipts import KnownReceipts
from monoskope.reactor.run import Reactor
from monoskope.reactor.settings import ReactorLimits
from monoskope.reactor.upstream import first_look
from monoskope.reactor.work import copy_secret
from monoskope.reactor.work.recover import MOST_GONE
from monoskope.stores.driver import UnknownOutcomeError
from monoskope.uri import SecretUri
from tests.support.memory_store import URI, MemoryStore, Unversioned
from tests.support.reactor_requests import SECRET, ask, seal
from tests.support.reactor_world import FAST, PATIENCE_S, SEED, K, World, looked, rules, settings
from tests.unit.reactor.bench import Bench
from tests.unit.reactor.copies import Copies
from tests.unit.reactor.copies import asked as copy_asked

UPLOAD, PATCH, DELETE = upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_PATCH, upload_pb2.PURPOSE_DELETE
ANY, OVERWRITE = upload_pb2.EXPECT_ANY, upload_pb2.EXPECT_OVERWRITE
OLD, NEW = {"password": b"old"}, {"password": b"new"}
PINS = [b"%04d" % number for number in range(7_000, 7_040)]
RIGHT = PINS[25]


# --- oracles ---


class HostileBench(Bench):
    """One reactor, whole, over an engine of ours; the test is m8."""

    def __init__(self, folder: Path, store: MemoryStore) -> None:
        super().__init__(folder)
        self.store = store
        self.audit.close()
        self.audit = AuditFile(folder / "audit.jsonl")
        self.reactor = Reactor(
            settings(folder), store, Identity(SEED, store="memory"), FingerprintKey(K), self.audit, timings=FAST
        )
        self.dispatcher = self.reactor.dispatcher

    def refuse(self, append: reactor_pb2.AppendEvent) -> None:
        self.reactor.appends.answered(reactor_pb2.Appended(call=append.call, error="REFUSED"))

    def take(self, append: reactor_pb2.AppendEvent) -> None:
        self.reactor.appends.answered(reactor_pb2.Appended(call=append.call, version=append.expected_version + 1))

    async def sent_for(self, request: Request, secret: dict[str, bytes]) -> reactor_pb2.AppendEvent:
        """Seal `secret` for `request` and return the reactor's first word about it."""
        provided = await self.grant(request)
        sealed = seal(parse_grant(provided.grant.content), encode(Payload(secret)))
        event = events_pb2.SecretUploadRequested(sealed_sha256=hashlib.sha256(sealed).digest(), size=len(sealed))
        self.tell(request, 3, event, sealed=sealed)
        return await self.next()

    async def announced(self, request: Request, secret: dict[str, bytes]) -> events_pb2.SecretUploadStarted:
        """Have a guess announced, and refuse the announcement: nothing is written."""
        append = await self.sent_for(request, secret)
        assert append.WhichOneof("event") == "started"
        self.refuse(append)
        await self.settled()
        return append.started

    async def walk(self, request: Request, secret: dict[str, bytes]) -> Receipt:
        append = await self.sent_for(request, secret)
        while append.WhichOneof("event") == "started":
            self.take(append)
            append = await self.next()
        self.take(append)
        await self.settled()
        event = getattr(append, append.WhichOneof("event") or "")
        return parse_receipt(event.receipt.content)

    async def recovered(self, wanted: set[bytes]) -> dict[bytes, str]:
        """Let time pass until the reactor has ended these requests by itself; return how, by request id."""
        ends: dict[bytes, str] = {}
        async with asyncio.timeout(PATIENCE_S):
            while wanted - ends.keys():
                self.dispatcher.tick()
                await asyncio.sleep(0.01)
                while self.sent:
                    append = self.sent.pop(0).append
                    ends[append.request_id] = append.WhichOneof("event") or ""
                    self.take(append)
        return ends


@pytest.mark.parametrize("engine", ["versionless", "versions and patch"])
async def test_forty_refused_guesses_are_told_apart_by_recovery(tmp_path: Path, engine: str) -> None:
    """m8 refuses STARTED, keeps it, and shows it later: the reactor then says UPLOADED of the right guess alone."""
    versionless = engine == "versionless"
    bench = HostileBench(tmp_path, Unversioned() if versionless else MemoryStore(write_tag=False))
    bench.attach()
    bench.store.put({"pin": RIGHT})
    more = {} if versionless else {"x": b"1"}
    guesses: dict[bytes, bytes] = {}
    for guess in PINS:
        request = ask(expect=OVERWRITE)
        guesses[request.request_id] = guess
        started = await bench.announced(request, {"pin": guess, **more})
        bench.tell(request, 4, started)
    if not versionless:
        # One patch moves the version and leaves the PIN: then the content is what exactly one guess would have written.
        assert (await bench.walk(ask(PATCH, expect=OVERWRITE), more)).outcome == upload_pb2.OUTCOME_UPLOADED
    ends = await bench.recovered(set(guesses))
    bench.audit.close()
    assert bench.store.calls.count("write") == 0
    # Forty guesses at one secret, of which ten may tell right from wrong. The right one was the twenty-sixth.
    assert {guess for request_id, guess in guesses.items() if ends[request_id] == "uploaded"} == set()


async def test_a_guess_that_is_not_compared_is_told_by_the_look_after_a_cut_write() -> None:
    ends = {}
    for guess in (b"wrong", RIGHT):
        world = World(Unversioned(), timings=msgspec.structs.replace(FAST, write_window=0.02))
        world.memory.put({"pin": RIGHT})
        for number in range(10):
            with world.rates.guess(URI, f"s{number}") as one:
                one.announced = True

        async def cut(*_: object, **__: object) -> str:
            return await asyncio.Future()

        world.memory.write = cut  # type: ignore[method-assign]
        await world.handler.handle(world.sealed(ask(expect=OVERWRITE), {"pin": guess}, subject="mallory"))
        ends[guess] = world.outcomes()
    assert ends[b"wrong"] == ends[RIGHT], ends


# --- ghosts ---


@pytest.mark.parametrize("store", [MemoryStore, Unversioned], ids=["versions", "versionless"])
async def test_a_ghost_does_not_bring_back_what_was_put_and_deleted_after_it(store: Callable[[], MemoryStore]) -> None:
    world = World(store())
    ghost = world.sealed(ask(expect=ANY), OLD)
    await looked()
    world.now.time += 1
    await world.walk(secret=NEW)
    await world.walk(ask(DELETE, destroy=True), {})
    assert world.outcomes()[-1] == "DELETED"
    world.now.time += 50
    await world.handler.handle(ghost)
    assert not world.memory.content[URI.path], world.outcomes()


async def test_a_key_ages_while_a_peers_receipt_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    peer = World(world.store, key=world.key)
    object.__setattr__(world.upstream, "peer_writes", lambda _: True)
    await world.walk(secret={"password": b"first"})
    peer.known.remember(world.receipt())
    ghost = world.sealed(ask(), OLD)
    await looked()
    second = await peer.walk(secret={"password": b"second"})  # m8 keeps its receipt from this replica
    world.now.time += 9.9
    waits = []

    async def named(_: KnownReceipts, uri: SecretUri, version: str, *, within: float) -> bool:
        # m8 lets the receipt come just before the two seconds are over. Meanwhile the user puts something new.
        waits.append(version)
        world.now.time += within * 0.95
        if len(waits) == 1:
            assert version == second.upstream_version
            world.known.remember(second)
            await peer.walk(secret=NEW)
        else:
            world.known.remember(peer.receipt())
        return True

    monkeypatch.setattr(KnownReceipts, "named", named)
    await world.handler.handle(ghost)
    assert dict(world.memory.content[URI.path][-1][1]) == NEW, (world.outcomes(), waits)


async def test_a_late_look_does_not_let_an_old_key_replace_what_came_after_its_making(world: World) -> None:
    await world.walk(secret={"password": b"first"})
    busy = asyncio.Event()
    read_version = world.memory.read_version

    async def late(path: tuple[str, ...]) -> str:
        world.memory.read_version = read_version  # type: ignore[method-assign]
        await busy.wait()
        return await read_version(path)

    world.memory.read_version = late  # type: ignore[method-assign]
    ghost = world.sealed(ask(expect=OVERWRITE), OLD)
    await looked()
    world.now.time += 5
    await world.walk(ask(expect=OVERWRITE), NEW)
    world.now.time += 4
    busy.set()
    await looked()
    world.now.time += 50
    await world.handler.handle(ghost)
    assert dict(world.memory.content[URI.path][-1][1]) == NEW, world.outcomes()


# --- fairness ---


def test_one_subject_cannot_have_every_key(world: World, tmp_path: Path) -> None:
    rates = Rates(ReactorLimits(), now=world.now)
    admission = Admission(settings(tmp_path), world.store, rates)
    keys = OneTimeKeys(world.identity, rules(world.replica, world.key, lifetime_s=60, alive=100), now=world.now)
    for _ in range(100):
        request = ask()
        try:
            admission.admit(request, "mallory")
            keys.grant(request, "mallory")
        except FailedError:
            pass
        world.now.time += 0.021
    request = ask()
    admission.admit(request, "alice")
    granted = keys.grant(request, "alice")
    assert granted.grant.subject == "alice"
    assert keys.granted(request.request_id) is granted


async def test_one_subjects_looks_do_not_make_anothers_put_fail() -> None:
    world, mallorys, gone = World(), SecretUri.parse("memory://team-a/m"), asyncio.Event()
    read_version, looking = world.memory.read_version, 0

    async def slow(path: tuple[str, ...]) -> str:
        nonlocal looking
        if path == mallorys.path:
            looking += 1
            await gone.wait()
        return await read_version(path)

    world.memory.read_version = slow  # type: ignore[method-assign]
    for _ in range(64 * 4):  # m8's limit of open requests a user, by four users
        world.keys.grant(ask(uri=mallorys), "mallory", world.looks.begin)
    await looked()
    assert looking == first_look.AT_ONCE // 2
    async with asyncio.timeout(PATIENCE_S):
        await world.walk()
    assert world.outcomes()[-1] == "UPLOADED"
    gone.set()
    await asyncio.gather(*world.looks._running)


def flooded(world: World, many: int) -> list[asyncio.Task[bool]]:
    """Have so many secrets of mallory's put, each at a place of its own."""
    asked = [ask(uri=SecretUri.parse(f"memory://team-a/m{number}")) for number in range(many)]
    return [asyncio.create_task(world.handler.handle(world.sealed(each, subject="mallory"))) for each in asked]


async def test_one_subject_does_not_hold_every_place_of_a_process(world: World) -> None:
    running = asyncio.Event()

    async def slow(*_: object, **__: object) -> str:
        await running.wait()
        return "v1"

    world.memory.write = slow  # type: ignore[method-assign]
    flood = flooded(world, 64)
    await looked()
    alice = asyncio.create_task(world.handler.handle(world.sealed(subject="alice")))
    for _ in range(10):
        await looked()
    waiting = not any(entry.subject == "alice" for entry in world.audit.entries)
    running.set()
    await asyncio.gather(*flood, alice)
    assert not waiting


async def test_writes_whose_end_is_unknown_do_not_stop_all_others_for_a_minute() -> None:
    """A blip of the engine while sixteen writes are on their way: for 60 s no secret of this process can be put."""
    world = World(timings=msgspec.structs.replace(FAST, settle=60.0))
    world.memory.failures["write"].extend([UnknownOutcomeError("broke.")] * 16)
    blip = flooded(world, 16)
    for _ in range(10):
        await looked()
    alice = asyncio.create_task(world.handler.handle(world.sealed(subject="alice")))
    for _ in range(10):
        await looked()
    begun = any(entry.subject == "alice" for entry in world.audit.entries)
    for task in (*blip, alice):
        task.cancel()
    await asyncio.gather(*blip, alice, return_exceptions=True)
    assert begun


async def test_writers_whose_keys_grew_old_in_the_queue_are_told_so_and_replace_nothing(world: World) -> None:
    """At an engine that takes a second, the eleventh of those who write at one place is told CONFLICT."""
    await world.walk()

    def a_second() -> None:
        world.now.time += 1.0

    world.memory.failures["written"].extend([a_second] * 20)
    writers = [world.sealed(ask(), {"password": b"%d" % number}) for number in range(15)]
    await looked()
    await asyncio.gather(*(world.handler.handle(one) for one in writers))
    ends = [end for end in world.outcomes()[2:] if end != "STARTED"]
    assert ends == ["UPLOADED"] * 10 + ["FAILED CONFLICT"] * 5


async def test_one_subjects_copies_do_not_keep_out_anothers(tmp_path: Path) -> None:
    copies = Copies(tmp_path)
    copies.world.memory.put(SECRET)
    gone = asyncio.Event()

    async def dead(job: Any, payload: Any) -> Any:
        await gone.wait()
        return upload_pb2.REASON_UPSTREAM_UNAVAILABLE

    copies.copier.put = dead
    flood = [
        asyncio.create_task(copies.world.handler.handle(copies.world.sealed(copy_asked(), subject="mallory")))
        for _ in range(copy_secret.AT_ONCE)
    ]
    await looked()
    alice = asyncio.create_task(copies.world.handler.handle(copies.world.sealed(copy_asked(), subject="alice")))
    await looked()
    begun = any(entry.subject == "alice" for entry in copies.world.audit.entries)
    gone.set()
    await asyncio.gather(*flood, alice)
    assert begun


# --- what else ---


FLOOD, MANY = 1 << 20, 256
"""How large a message of the flood is, and how many of them there are."""

MOST_GROWN = 160 << 20
"""Bytes of memory that a reactor may take for all of them."""


def ask_for_keys(
    bench: Bench, *, many: int = MANY, content: bytes = b"", subject: str = "alice", receipt: bytes = b""
) -> None:
    last = upload_pb2.Signed(content=receipt) if receipt else None
    for _ in range(many):
        request = ask()
        asked = content or request.content
        told = events_pb2.SecretUploadKeyRequested(request=asked, subject=subject, last_receipt=last)
        bench.tell(request, 1, told)


def of_the_largest_events(bench: Bench) -> None:
    """Each is as large as one may be, and there are more of them."""
    ask_for_keys(bench, many=MANY * FLOOD // MAX_EVENT, receipt=b"c" * (MAX_EVENT - 4_096))


def ask_and_give(bench: Bench, request: Request, grant: upload_pb2.Signed | None = None) -> None:
    bench.tell(request, 1, events_pb2.SecretUploadKeyRequested(request=request.content, subject="alice"))
    bench.tell(request, 2, events_pb2.SecretUploadKeyProvided(grant=grant))


def of_each_step(bench: Bench) -> None:
    large = upload_pb2.Signed(content=b"c" * (FLOOD // 4))
    for _ in range(MANY):
        request = ask()
        ask_and_give(bench, request, large)
        told = events_pb2.SecretUploadRequested(
            sealed_sha256=bytes(32), size=1, request_signature=b"s" * (FLOOD // 4), last_receipt=large
        )
        bench.tell(request, 3, told)
        bench.tell(request, 4, events_pb2.SecretUploadStarted(receipt=large))


def of_approvals_without_end(bench: Bench) -> None:
    """An object for each takes far more memory than its bytes."""
    approvals = [b"ab"] * ((MAX_EVENT - 4_096) // 4)
    for _ in range(MANY * FLOOD // MAX_EVENT):
        request = ask()
        ask_and_give(bench, request)
        bench.tell(request, 3, events_pb2.SecretUploadRequested(sealed_sha256=bytes(32), size=1, approvals=approvals))


def of_small_requests(bench: Bench) -> None:
    told = events_pb2.SecretUploadKeyRequested(request=b"r" * 2_048, subject="alice").SerializeToString()
    for number in range(MANY * 384):
        stream = f"upload/{number.to_bytes(16, 'big').hex()}"
        event = event_pb2.Event(position=number, stream=stream, version=1, type="SecretUploadKeyRequested", data=told)
        bench.dispatcher.event(event, b"")


def of_replicas_that_come(bench: Bench) -> None:
    for number in range(MANY):
        replica = number.to_bytes(16, "big") * (FLOOD // 16)
        _about_replica(bench, events_pb2.ReactorAttached(store="memory", replica=replica))


def of_sealed_bytes_for_no_key(bench: Bench) -> None:
    for _ in range(MANY):
        event = events_pb2.SecretUploadRequested(sealed_sha256=bytes(32), size=1 << 20)
        bench.tell(ask(), 3, event, sealed=b"s" * FLOOD)


def _about_replica(bench: Bench, message: events_pb2.ReactorAttached | events_pb2.ReactorDetached) -> None:
    event = event_pb2.Event(
        position=1, stream="reactor/memory", version=1, type=type(message).__name__, data=message.SerializeToString()
    )
    bench.dispatcher.event(event, b"")


@pytest.mark.parametrize(
    "flood",
    [
        lambda bench: ask_for_keys(bench, content=b"r" * FLOOD),
        lambda bench: ask_for_keys(bench, subject="s" * FLOOD),
        lambda bench: ask_for_keys(bench, receipt=b"c" * FLOOD),
        *(
            of_the_largest_events,
            of_each_step,
            of_approvals_without_end,
            of_small_requests,
            of_replicas_that_come,
            of_sealed_bytes_for_no_key,
        ),
    ],
)
async def test_m8_cannot_fill_memory_so_counts_are_forgotten(tmp_path: Path, flood: Callable[[Bench], None]) -> None:
    """A reactor that is killed for its memory starts anew and has forgotten every guess.

    m8 tells of unfinished requests and never says that it has caught up.
    """
    bench = Bench(tmp_path)
    bench.dispatcher.attached([bench.reactor.replica])
    before = rss_bytes(os.getpid())
    flood(bench)
    grown = rss_bytes(os.getpid()) - before
    bench.audit.close()
    assert grown <= MOST_GROWN, f"{grown >> 20} MiB"


async def test_nothing_is_noted_one_by_one_that_m8_can_tell_without_end(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.dispatcher.attached([bench.reactor.replica])
    for number in range(2 * MOST_GONE):
        replica = number.to_bytes(16, "big")
        _about_replica(bench, events_pb2.ReactorAttached(store="memory", replica=replica))
        bench.tell(ask(), 1, events_pb2.SecretDeleted())
    presence = bench.dispatcher.recovery.presence
    assert len(presence._here) == MAX_REPLICAS
    for number in range(2 * MOST_GONE):
        _about_replica(bench, events_pb2.ReactorDetached(store="memory", replica=number.to_bytes(16, "big")))
    assert (len(presence._here), len(presence._gone), bench.dispatcher._delivered) == (1, MOST_GONE, set())
    bench.audit.close()


async def test_m8_cannot_fill_the_memory_with_sealed_bytes_for_keys_that_there_are(tmp_path: Path) -> None:
    """m8 asks for keys in the names of many users. What there is no room for is told to come again."""
    bench = Bench(tmp_path)
    bench.attach()
    requests = [ask() for _ in range(40)]
    for request in requests:
        await bench.grant(request)
    sealed = b"s" * (4 * FLOOD)
    event = events_pb2.SecretUploadRequested(sealed_sha256=hashlib.sha256(sealed).digest(), size=len(sealed))
    for request in requests:
        bench.tell(request, 3, event, sealed=sealed)
    ends, named = [], set()
    for _ in requests:
        append = await bench.next()
        ends.append(upload_pb2.Reason.Name(append.failed.reason))
        named.add(parse_receipt(append.failed.receipt.content).sealed_sha256)
        bench.reactor.appends.answered(reactor_pb2.Appended(call=append.call, version=4))
    await bench.settled()
    bench.audit.close()
    room = MOST_SEALED // len(sealed)
    assert sorted(ends) == ["REASON_BAD_PAYLOAD"] * room + ["REASON_RATE_LIMITED"] * (len(requests) - room)
    assert named == {event.sealed_sha256}, "the user's client can prove that it was not written"


async def test_once_there_is_room_again_m8s_requests_are_held(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.attach()
    with operating_log.written_to(tmp_path / "reactor.log"):
        of_the_largest_events(bench)
    assert (tmp_path / "reactor.log").read_text().count("too many unfinished requests") == 1
    held = {request.request_id for request in bench.dispatcher.requests}
    assert MOST_HELD // 2 - 2 * MAX_EVENT < len(held) * MAX_EVENT <= MOST_HELD // 2
    last = ask()
    large = upload_pb2.Signed(content=bytes(MAX_EVENT - 4_096))
    told = events_pb2.SecretUploadKeyRequested(request=last.content, subject="alice", last_receipt=large)
    bench.tell(last, 1, told)
    assert bench.dispatcher.requests.get(last.request_id) is None
    bench.dispatcher.requests.keep_only(set(list(held)[2:]))
    bench.tell(last, 1, told)
    assert bench.dispatcher.requests.get(last.request_id) is not None
    bench.audit.close()


def test_a_copys_put_is_the_one_that_its_request_says_and_no_other() -> None:
    """A hostile source adds labels and a date in the user's name."""
    copy = copy_asked()
    assert copy.destination is not None
    key = FingerprintKey(K).fingerprints(Payload(SECRET))
    put = ask(uri=copy.destination, labels=(("owner", "mallory"),), expires_on="2026-12-24")
    put = parse_request(upload_pb2.UploadRequest.FromString(put.content).SerializeToString())
    message = upload_pb2.UploadRequest.FromString(put.content)
    message.request_id = put_request_id(copy.request_id)
    grant = make_grant(
        request=parse_request(message.SerializeToString(deterministic=True)),
        subject="alice",
        public_key=bytes(1_216),
        replica=bytes(16),
        lifetime_s=60,
        max_plaintext=512,
        fingerprint_key_id=FingerprintKey(K).key_id,
    )
    made = {"sealed_sha256": bytes(32), "upstream_version": "v1", "fingerprint": key.whole, "values": key.values}
    there = make_receipt(grant=grant, outcome=upload_pb2.OUTCOME_UPLOADED, **made)  # type: ignore[arg-type]
    with pytest.raises(ProofError):
        check_copied(there, there, grant, copy)
