"""A whole reactor against a stand-in for m8, over TLS and the real messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pyrage
import pytest
from msgspec.structs import replace

from monoskope import operating_log
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.grant import make_grant
from monoskope.protocol.labels import RECEIPT, UPLOAD_GRANT
from monoskope.protocol.payload import Payload, encode
from monoskope.protocol.request import Request
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.report.audit_log import AuditFile
from monoskope.reactor.run import Reactor
from monoskope.reactor.settings import Limits
from monoskope.reactor.timings import Timings
from monoskope.stores.age.config import AgeConfig
from monoskope.stores.age.files import AgeStore
from monoskope.stores.driver import StoreDriver
from monoskope.uri import SecretUri
from tests.unit.reactor.stub_m8 import REFUSED, StubM8, serving
from tests.unit.reactor.world import FAST, SECRET, SEED, URI, K, MemoryStore, ask, seal, settings

IDENTITY = Identity(SEED, store="memory")


@asynccontextmanager
async def running(
    stub: StubM8, folder: Path, store: StoreDriver, *, limits: Limits | None = None, timings: Timings = FAST
) -> AsyncIterator[tuple[Reactor, asyncio.Event]]:
    """Run a reactor in this process until the block ends."""
    of = settings(folder, server=stub.server, limits=limits)
    audit = AuditFile(folder / "audit.jsonl")
    reactor = Reactor(of, store, IDENTITY, FingerprintKey(K), audit, timings=timings)
    stop = asyncio.Event()
    task = asyncio.create_task(reactor.run(stop))
    try:
        yield reactor, stop
    finally:
        stop.set()
        await task
        audit.close()


@pytest.fixture
async def stub(tmp_path: Path) -> AsyncIterator[StubM8]:
    async with serving(IDENTITY.shown, tmp_path) as m8:
        yield m8


async def upload(
    m8: StubM8, request: Request | None = None, secret: dict[str, bytes] | None = None
) -> tuple[bytes, upload_pb2.Outcome]:
    """Walk one request as a client would, and return its id and outcome."""
    request = request or ask()
    m8.ask(request)
    grant = await m8.granted(request.request_id)
    m8.upload(request.request_id, seal(grant, encode(Payload(secret or SECRET))))
    return request.request_id, (await m8.ended(request.request_id)).outcome


async def test_one_secret_travels_into_a_folder_of_age_files(stub: StubM8, tmp_path: Path) -> None:
    key = pyrage.x25519.Identity.generate()
    identity_file = tmp_path / "engine.agekey"
    identity_file.write_text(f"{key}\n")
    identity_file.chmod(0o600)
    config = AgeConfig(str(tmp_path / "secrets"), [str(key.to_public())], str(identity_file))
    store = await AgeStore.open(config, state_dir=tmp_path)
    async with running(stub, tmp_path, store):
        request_id, outcome = await upload(stub)
        assert outcome == upload_pb2.OUTCOME_UPLOADED
        assert stub.kinds(request_id) == [
            "SecretUploadKeyRequested",
            "SecretUploadKeyProvided",
            "SecretUploadRequested",
            "SecretUploadStarted",
            "SecretUploaded",
        ]
        snapshot = await store.read(URI.path)
        assert snapshot is not None
        assert dict(snapshot.payload) == SECRET
        assert (await upload(stub))[1] == upload_pb2.OUTCOME_UNCHANGED
        assert (await upload(stub, ask(upload_pb2.PURPOSE_COMPARE)))[1] == upload_pb2.OUTCOME_EQUAL
    await store.close()
    log = (tmp_path / "audit.jsonl").read_text()
    assert '"outcome": "UPLOADED"' in log
    assert "fp1:" not in log
    assert "correct horse" not in log


async def test_an_m8_under_another_authority_hears_nothing(stub: StubM8, tmp_path: Path) -> None:
    log, other = tmp_path / "reactor.log", tmp_path / "other"
    other.mkdir()
    async with serving(IDENTITY.shown, other):
        (tmp_path / "ca.crt").write_bytes((other / "ca.crt").read_bytes())
    with operating_log.written_to(log):
        async with running(stub, tmp_path, MemoryStore()), asyncio.timeout(10):
            while log.read_text().count("ca_file") < 2:
                await asyncio.sleep(0.01)
    assert stub.hellos == []
    assert stub.attached == []


async def test_the_hello_and_what_the_engine_can_do_are_told(stub: StubM8, tmp_path: Path) -> None:
    async with running(stub, tmp_path, MemoryStore(readable=False)) as (reactor, _):
        await stub.until(lambda: stub.heartbeats >= 1)
        [hello], [attach] = stub.hellos, stub.attached
        assert (hello.server, hello.store, hello.replica) == (stub.server, "memory", reactor.replica)
        assert hello.fingerprint_key_id == FingerprintKey(K).key_id
        assert attach.type == "memory"
        assert attach.capabilities.check_and_set
        assert not attach.capabilities.readable
        assert attach.capabilities.max_plaintext == 131_072


async def test_a_request_outside_the_prefixes_ends_without_a_grant(stub: StubM8, tmp_path: Path) -> None:
    async with running(stub, tmp_path, MemoryStore()):
        request = ask(uri=SecretUri.parse("memory://team-b/db"))
        stub.ask(request)
        await stub.until(lambda: stub.streams[request.request_id].ended)
        _, message = stub.streams[request.request_id].events[-1]
        assert isinstance(message, events_pb2.SecretUploadFailed)
        assert message.reason == upload_pb2.REASON_UPSTREAM_REFUSED
        assert not message.HasField("receipt")


async def test_bytes_that_are_no_request_end_unsupported(stub: StubM8, tmp_path: Path) -> None:
    async with running(stub, tmp_path, MemoryStore()):
        other = ask()
        for request_id, content in ((bytes(16), b"\xff"), (bytes([1] * 16), other.content)):
            stub.record(request_id, events_pb2.SecretUploadKeyRequested(request=content, subject="alice"))
            await stub.until(lambda request_id=request_id: stub.streams[request_id].ended)
            _, message = stub.streams[request_id].events[-1]
            assert isinstance(message, events_pb2.SecretUploadFailed)
            assert message.reason == upload_pb2.REASON_UNSUPPORTED


@pytest.mark.parametrize("lost", ["break_before_append", "break_after_append"])
@pytest.mark.parametrize("which", [0, 1, 2])
async def test_no_append_is_lost_with_its_connection(stub: StubM8, tmp_path: Path, lost: str, which: int) -> None:
    store = MemoryStore()
    request = ask()
    async with running(stub, tmp_path, store):
        await stub.until(lambda: len(stub.hellos) == 1)
        if which == 0:
            setattr(stub.goes_wrong, lost, 1)
        stub.ask(request)
        grant = await stub.granted(request.request_id)
        if which == 1:
            setattr(stub.goes_wrong, lost, 1)
        if which == 2:
            store.failures["written"].append(lambda: setattr(stub.goes_wrong, lost, 1))
        stub.upload(request.request_id, seal(grant, encode(Payload(SECRET))))
        receipt = await stub.ended(request.request_id)
        await stub.until(lambda: len(stub.hellos) == 2)
    assert receipt.outcome == upload_pb2.OUTCOME_UPLOADED
    assert stub.kinds(request.request_id)[-2:] == ["SecretUploadStarted", "SecretUploaded"]
    assert store.calls.count("write") == 1
    assert (tmp_path / "audit.jsonl").read_text().count("GRANTED") == 1


async def test_an_append_that_m8_cannot_take_just_now_is_offered_again(stub: StubM8, tmp_path: Path) -> None:
    async with running(stub, tmp_path, MemoryStore()):
        stub.goes_wrong.errors.extend(["UNAVAILABLE", "INTERNAL"])
        assert (await upload(stub))[1] == upload_pb2.OUTCOME_UPLOADED


async def test_a_request_told_again_gets_the_same_grant(stub: StubM8, tmp_path: Path) -> None:
    request = ask()
    async with running(stub, tmp_path, MemoryStore()) as (reactor, _):
        await stub.until(lambda: len(stub.hellos) == 1)
        stub.goes_wrong.errors.extend(["UNAVAILABLE"] * 3)
        stub.ask(request)
        await stub.until(lambda: stub.refused)
        offer = reactor.dispatcher.keys.offered(request.request_id)
        stub.hang_up()
        grant = await stub.granted(request.request_id)
        assert offer is not None
        assert grant.content == offer.grant.content


async def test_a_reactor_that_was_away_grants_and_serves_what_waited(stub: StubM8, tmp_path: Path) -> None:
    request = ask()
    stub.ask(request)
    async with running(stub, tmp_path, MemoryStore()):
        grant = await stub.granted(request.request_id)
        stub.hang_up()
        await stub.until(lambda: not stub._outboxes)
        stub.upload(request.request_id, seal(grant, encode(Payload(SECRET))))
        assert (await stub.ended(request.request_id)).outcome == upload_pb2.OUTCOME_UPLOADED


async def test_a_slow_engine_holds_up_neither_heartbeats_nor_other_secrets(stub: StubM8, tmp_path: Path) -> None:
    store, going = SlowStore(), asyncio.Event()
    store.gate = going
    slow, quick = ask(), ask(upload_pb2.PURPOSE_COMPARE, uri=SecretUri.parse("memory://team-a/other"))
    async with running(stub, tmp_path, store):
        stub.ask(slow)
        grant = await stub.granted(slow.request_id)
        stub.upload(slow.request_id, seal(grant, encode(Payload(SECRET))))
        await stub.until(lambda: "SecretUploadStarted" in stub.kinds(slow.request_id))
        beats = stub.heartbeats
        await stub.until(lambda: stub.heartbeats >= beats + 2)
        assert (await upload(stub, quick))[1] == upload_pb2.OUTCOME_DIFFERENT
        going.set()
        assert (await stub.ended(slow.request_id)).outcome == upload_pb2.OUTCOME_UPLOADED


class SlowStore(MemoryStore):
    """Writes when its gate opens."""

    gate: asyncio.Event

    async def write(
        self,
        path: tuple[str, ...],
        payload: Payload,
        *,
        replacing: str | None,
        write_tag: str,
        options: object | None = None,
    ) -> str:
        await self.gate.wait()
        return await super().write(path, payload, replacing=replacing, write_tag=write_tag, options=options)


async def test_stopping_ends_a_write_in_flight_gives_up_keys_and_says_goodbye(stub: StubM8, tmp_path: Path) -> None:
    store = SlowStore()
    store.gate = asyncio.Event()
    writing, waiting = ask(), ask(uri=SecretUri.parse("memory://team-a/other"))
    async with running(stub, tmp_path, store) as (_, stop):
        for request in (writing, waiting):
            stub.ask(request)
        await stub.granted(waiting.request_id)
        grant = await stub.granted(writing.request_id)
        stub.upload(writing.request_id, seal(grant, encode(Payload(SECRET))))
        await stub.until(lambda: "SecretUploadStarted" in stub.kinds(writing.request_id))
        stop.set()
        assert (await stub.ended(waiting.request_id)).reason == upload_pb2.REASON_KEY_LOST
        store.gate.set()
        assert (await stub.ended(writing.request_id)).outcome == upload_pb2.OUTCOME_UPLOADED
    assert stub.clean_ends == 1
    assert len(stub.hellos) == 1


async def test_the_key_that_loses_to_another_replica_is_erased(stub: StubM8, tmp_path: Path) -> None:
    request = ask()
    async with running(stub, tmp_path, MemoryStore()) as (reactor, _):
        await stub.until(lambda: len(stub.hellos) == 1)
        stub.ask(request)
        stub.record(request.request_id, events_pb2.SecretUploadKeyProvided(grant=foreign_grant(request)))
        await stub.until(lambda: ("SecretUploadKeyProvided", "CONFLICT") in stub.refused)
        stub.tell(events_pb2.ReactorAttached(store="memory", replica=bytes(16)))
        marker = ask(upload_pb2.PURPOSE_COMPARE)
        assert (await upload(stub, marker))[1] == upload_pb2.OUTCOME_DIFFERENT
        assert reactor.dispatcher.keys.offered(request.request_id) is None
        assert len(reactor.dispatcher.keys) == 0


def foreign_grant(request: Request, identity: Identity = IDENTITY, *, replica: bytes = bytes(16)) -> upload_pb2.Signed:
    """Return a grant of another replica for `request`."""
    grant = make_grant(
        request=request,
        subject="alice",
        public_key=bytes(1_216),
        replica=replica,
        lifetime_s=300,
        max_plaintext=512,
        fingerprint_key_id=FingerprintKey(K).key_id,
    )
    return identity.sign(UPLOAD_GRANT, grant.content)


async def test_a_forged_copy_of_our_grant_changes_nothing(stub: StubM8, tmp_path: Path) -> None:
    """m8 tells another grant than the one it took: the reactor goes by its own copy, and its receipt names that."""
    request = ask()
    async with running(stub, tmp_path, MemoryStore()) as (reactor, _):
        stub.ask(request)
        grant = await stub.granted(request.request_id)
        forged = foreign_grant(request, Identity(bytes(32), store="memory"))
        stub.streams[request.request_id].events[1] = (
            "SecretUploadKeyProvided",
            events_pb2.SecretUploadKeyProvided(grant=replaced_replica(forged, reactor.replica)),
        )
        stub.upload(request.request_id, seal(grant, encode(Payload(SECRET))))
        receipt = await stub.ended(request.request_id)
        assert receipt.outcome == upload_pb2.OUTCOME_UPLOADED
        assert receipt.grant_sha256 == grant.sha256


def replaced_replica(signed: upload_pb2.Signed, replica: bytes) -> upload_pb2.Signed:
    """Return a copy that names `replica`, so that the stand-in delivers sealed bytes to it; its signature is void."""
    message = upload_pb2.UploadGrant.FromString(signed.content)
    message.replica = replica
    return upload_pb2.Signed(
        content=message.SerializeToString(), signature=signed.signature, identity_key=signed.identity_key
    )


async def test_receipts_that_m8_hands_over_count_only_under_our_signature(stub: StubM8, tmp_path: Path) -> None:
    store = MemoryStore(readable=False)
    async with running(stub, tmp_path, store):
        first, _ = await upload(stub)
    _, message = stub.streams[first].events[-1]
    assert isinstance(message, events_pb2.SecretUploaded)
    thief = Identity(bytes(32), store="memory").sign(RECEIPT, message.receipt.content)
    async with running(stub, tmp_path, store):
        request = ask()
        stub.ask(request, last=thief)
        grant = await stub.granted(request.request_id)
        stub.upload(request.request_id, seal(grant, encode(Payload(SECRET))), last=thief)
        assert (await stub.ended(request.request_id)).reason == upload_pb2.REASON_UPSTREAM_CHANGED
        request = ask()
        stub.ask(request)
        grant = await stub.granted(request.request_id)
        stub.upload(request.request_id, seal(grant, encode(Payload(SECRET))), last=message.receipt)
        assert (await stub.ended(request.request_id)).outcome == upload_pb2.OUTCOME_UNCHANGED


async def test_a_verification_is_held_against_no_receipt_that_is_not_ours(stub: StubM8, tmp_path: Path) -> None:
    store = MemoryStore()
    async with running(stub, tmp_path, store):
        first, _ = await upload(stub)
        _, message = stub.streams[first].events[-1]
        assert isinstance(message, events_pb2.SecretUploaded)
        ours = message.receipt
        thief = Identity(bytes(32), store="memory").sign(RECEIPT, ours.content)
        for last, outcome, reason in (
            (thief, upload_pb2.OUTCOME_FAILED, upload_pb2.REASON_CONFLICT),
            (ours, upload_pb2.OUTCOME_IN_SYNC, upload_pb2.REASON_UNSPECIFIED),
        ):
            request = ask(upload_pb2.PURPOSE_VERIFY)
            stub.ask(request, last=ours)
            await stub.granted(request.request_id)
            stub.upload(request.request_id, b"", last=last)
            receipt = await stub.ended(request.request_id)
            assert (receipt.outcome, receipt.reason) == (outcome, reason)


@pytest.mark.parametrize("wrote", [True, False])
async def test_another_replica_ends_what_a_dead_one_was_writing(stub: StubM8, tmp_path: Path, *, wrote: bool) -> None:
    store = MemoryStore()
    dead = SlowStore()
    dead.gate, dead.content = asyncio.Event(), store.content
    request = ask()
    async with running(stub, tmp_path, dead, timings=replace(FAST, drain=0.0)):
        stub.ask(request)
        grant = await stub.granted(request.request_id)
        sealed = seal(grant, encode(Payload(SECRET)))
        stub.upload(request.request_id, sealed)
        await stub.until(lambda: "SecretUploadStarted" in stub.kinds(request.request_id))
    if wrote:
        store.put(SECRET)
    async with running(stub, tmp_path, store):
        receipt = await stub.ended(request.request_id)
    assert receipt.grant_sha256 == grant.sha256
    if wrote:
        assert (receipt.outcome, receipt.upstream_version) == (upload_pb2.OUTCOME_UPLOADED, store.now())
        assert receipt.fingerprint == FingerprintKey(K).of(SECRET).whole
    else:
        assert receipt.reason == upload_pb2.REASON_KEY_LOST


async def test_another_replica_gives_up_what_a_dead_one_granted_and_not_what_a_live_one_did(
    stub: StubM8, tmp_path: Path
) -> None:
    abandoned, alive = ask(), ask()
    stub.extra_replicas = [bytes([7] * 16)]
    for request, replica in ((abandoned, bytes(16)), (alive, bytes([7] * 16))):
        stub.ask(request)
        grant = foreign_grant(request, replica=replica)
        stub.record(request.request_id, events_pb2.SecretUploadKeyProvided(grant=grant))
    async with running(stub, tmp_path, MemoryStore()):
        assert (await stub.ended(abandoned.request_id)).reason == upload_pb2.REASON_KEY_LOST
        assert not stub.streams[alive.request_id].ended
        stub.tell(events_pb2.ReactorDetached(store="memory", replica=bytes([7] * 16)))
        assert (await stub.ended(alive.request_id)).reason == upload_pb2.REASON_KEY_LOST


@pytest.mark.parametrize(
    "answer",
    [
        reactor_pb2.AttachResponse(challenge=bytes(32)),
        reactor_pb2.AttachResponse(delivery=reactor_pb2.Delivery(record=b"\xff")),
        reactor_pb2.AttachResponse(),
    ],
)
async def test_nonsense_from_m8_begins_a_new_session(
    stub: StubM8, tmp_path: Path, answer: reactor_pb2.AttachResponse
) -> None:
    async with running(stub, tmp_path, MemoryStore()):
        await stub.until(lambda: len(stub.hellos) == 1)
        stub.send(answer)
        await stub.until(lambda: len(stub.hellos) == 2)
        assert (await upload(stub))[1] == upload_pb2.OUTCOME_UPLOADED


async def test_a_refused_login_is_tried_again(stub: StubM8, tmp_path: Path) -> None:
    stub.goes_wrong.refuse_attach = 2
    async with running(stub, tmp_path, MemoryStore()):
        assert (await upload(stub))[1] == upload_pb2.OUTCOME_UPLOADED


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (
            grpc.StatusCode.PERMISSION_DENIED,
            f"monoctl create secret-store memory --type memory --identity {IDENTITY.shown}",
        ),
        (grpc.StatusCode.FAILED_PRECONDITION, "monoctl describe secret-store memory"),
        (grpc.StatusCode.UNAVAILABLE, "`ca_file`"),
        (grpc.StatusCode.UNIMPLEMENTED, "update the reactor or m8"),
        (grpc.StatusCode.INTERNAL, "m8's log"),
    ],
)
async def test_the_log_says_what_to_do_about_a_refused_login_and_nothing_that_m8_said(
    stub: StubM8, tmp_path: Path, status: grpc.StatusCode, says: str
) -> None:
    stub.goes_wrong.refuse_attach, stub.goes_wrong.refusal = 1, status
    with operating_log.written_to(tmp_path / "reactor.log"):
        async with running(stub, tmp_path, MemoryStore()):
            await stub.until(lambda: stub.attached)
    text = (tmp_path / "reactor.log").read_text()
    line = next(line for line in map(json.loads, text.splitlines()) if line["event"] == "session ended")
    assert line["error"] == status.name
    assert says in line["fix"]
    assert REFUSED not in text


async def test_a_silent_m8_is_dialled_again(stub: StubM8, tmp_path: Path) -> None:
    stub.goes_wrong.silent = True
    async with running(stub, tmp_path, MemoryStore(), timings=replace(FAST, connect=0.2)):
        await asyncio.sleep(0)
        stub.goes_wrong.silent = False
        assert (await upload(stub))[1] == upload_pb2.OUTCOME_UPLOADED


async def test_a_rotated_identity_tells_its_steps(tmp_path: Path) -> None:
    from monoskope.reactor.identity import store_identity  # noqa: PLC0415

    store_identity.make(tmp_path, store="memory")
    rotated = store_identity.rotate(tmp_path, store="memory")
    async with serving(rotated.shown, tmp_path) as m8:
        of = settings(tmp_path, server=m8.server)
        audit = AuditFile(tmp_path / "audit.jsonl")
        reactor = Reactor(of, MemoryStore(), rotated, FingerprintKey(K), audit, timings=FAST)
        stop = asyncio.Event()
        task = asyncio.create_task(reactor.run(stop))
        await m8.until(lambda: m8.attached)
        assert list(m8.attached[0].rotations) == list(rotated.rotations)
        stop.set()
        await task
        audit.close()
