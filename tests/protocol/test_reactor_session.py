"""A whole reactor against a real m8, over TLS and the real messages, also where connections and replicas end."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyrage
import pytest
from msgspec.structs import replace

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Code
from monoskope.protocol.hello import parse_hello
from monoskope.protocol.receipt import parse_receipt
from monoskope.reactor.identity import store_identity
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.report.audit_log import AuditFile
from monoskope.reactor.run import Reactor
from monoskope.stores.age.config import AgeConfig
from monoskope.stores.age.files import AgeStore
from monoskope.uri import SecretUri
from tests.protocol.reactor import IDENTITY, OTHER, PATIENT, SlowStore, running, sealed, upload
from tests.support.memory_store import URI, MemoryStore
from tests.support.reactor_requests import SECRET, ask
from tests.support.reactor_world import K
from tests.support.real_m8 import RealM8, serving


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[RealM8]:
    async with serving(tmp_path) as real:
        await real.create(IDENTITY.shown, kind="memory")
        yield real


async def test_one_secret_travels_into_a_folder_of_age_files(tmp_path: Path) -> None:
    key = pyrage.x25519.Identity.generate()
    identity_file = tmp_path / "engine.agekey"
    identity_file.write_text(f"{key}\n")
    identity_file.chmod(0o600)
    config = AgeConfig(str(tmp_path / "secrets"), [str(key.to_public())], str(identity_file))
    store = await AgeStore.open(config, state_dir=tmp_path)
    async with serving(tmp_path) as m8, running(m8, tmp_path, store):
        await m8.create(IDENTITY.shown, kind="age")
        end = await upload(m8)
        assert end.outcome == upload_pb2.OUTCOME_UPLOADED
        assert await m8.kinds(end.request_id) == [
            "SecretUploadKeyRequested",
            "SecretUploadKeyProvided",
            "SecretUploadRequested",
            "SecretUploadStarted",
            "SecretUploaded",
        ]
        snapshot = await store.read(URI.path)
        assert snapshot is not None
        assert dict(snapshot.payload) == SECRET
        assert (await upload(m8)).outcome == upload_pb2.OUTCOME_UNCHANGED
        assert (await upload(m8, ask(upload_pb2.PURPOSE_COMPARE))).outcome == upload_pb2.OUTCOME_EQUAL
    await store.close()
    log = (tmp_path / "audit.jsonl").read_text()
    assert '"outcome": "UPLOADED"' in log
    assert "fp1:" not in log
    assert "correct horse" not in log


async def test_the_hello_and_what_the_engine_can_do_are_told(m8: RealM8, tmp_path: Path) -> None:
    async with running(m8, tmp_path, MemoryStore(readable=False)) as (reactor, _):
        await m8.wire.until(lambda: m8.count("Heartbeat") >= 1)
        [attach] = [one.to_m8().attach for one in m8.wire.sessions[0].passed if one.kind == "AttachReactor"]
        hello = parse_hello(attach.hello.content)
        assert (hello.server, hello.store, hello.replica) == (
            m8.server.removeprefix("https://"),
            "memory",
            reactor.replica,
        )
        assert hello.fingerprint_key_id == FingerprintKey(K).key_id
        store = await m8.alice.store("memory")
        assert (store.type, store.fingerprint_key_id) == ("memory", FingerprintKey(K).key_id)
        [known] = store.reactors
        assert known.replica == reactor.replica
        assert known.capabilities.check_and_set
        assert not known.capabilities.readable
        assert known.capabilities.max_plaintext == 131_072


async def test_a_request_outside_the_prefixes_ends_without_a_grant(m8: RealM8, tmp_path: Path) -> None:
    async with running(m8, tmp_path, MemoryStore()):
        request = ask(uri=SecretUri.parse("memory://team-b/db"))
        await m8.attached()
        await m8.ask(request)
        end = await m8.ended(request.request_id)
        assert end.reason == upload_pb2.REASON_UPSTREAM_REFUSED
        assert not end.HasField("receipt")
        assert not end.HasField("grant")


@pytest.mark.parametrize("recorded", [False, True])
@pytest.mark.parametrize("kind", ["SecretUploadKeyProvided", "SecretUploadStarted", "SecretUploaded"])
async def test_no_append_is_lost_with_its_connection(m8: RealM8, tmp_path: Path, kind: str, *, recorded: bool) -> None:
    store = MemoryStore()
    m8.break_at(kind, recorded=recorded)
    async with running(m8, tmp_path, store):
        end = await upload(m8)
        await m8.attached(2)
    assert end.outcome == upload_pb2.OUTCOME_UPLOADED
    assert (await m8.kinds(end.request_id))[-2:] == ["SecretUploadStarted", "SecretUploaded"]
    assert store.calls.count("write") == 1
    assert (tmp_path / "audit.jsonl").read_text().count("GRANTED") == 1


async def test_an_append_that_m8_cannot_take_just_now_is_sent_again(m8: RealM8, tmp_path: Path) -> None:
    async with running(m8, tmp_path, MemoryStore()):
        for code in (Code.UNAVAILABLE, Code.INTERNAL):
            m8.wire.refuse_append("SecretUploadKeyProvided", code)
        assert (await upload(m8)).outcome == upload_pb2.OUTCOME_UPLOADED
        assert m8.refused("SecretUploadKeyProvided") == []
        assert m8.count("SecretUploadKeyProvided") == 3


async def test_a_request_told_again_gets_the_same_grant(m8: RealM8, tmp_path: Path) -> None:
    request = ask()
    async with running(m8, tmp_path, MemoryStore()) as (reactor, _):
        await m8.attached()
        refusing = m8.wire.refuse_append("SecretUploadKeyProvided", Code.UNAVAILABLE, times=None)
        await m8.ask(request)
        await refusing.arrived()
        granted = reactor.dispatcher.keys.granted(request.request_id)
        m8.hang_up()
        refusing.disarm()
        grant = await m8.granted(request.request_id)
        assert granted is not None
        assert grant.content == granted.grant.content


async def test_a_reactor_that_was_away_grants_and_serves_what_waited(m8: RealM8, tmp_path: Path) -> None:
    request = ask()
    async with running(m8, tmp_path, MemoryStore()):
        session = await m8.attached()
        lost = m8.wire.lose_delivery("SecretUploadKeyRequested")
        await m8.ask(request)
        await lost.arrived()
        session.cut()
        grant = await m8.granted(request.request_id)
        session = await m8.attached(2)
        lost = m8.wire.lose_delivery("SecretUploadRequested")
        m8.send(request.request_id, sealed(grant))
        await lost.arrived()
        session.cut()
        assert (await m8.ended(request.request_id)).outcome == upload_pb2.OUTCOME_UPLOADED


async def test_a_slow_engine_holds_up_neither_heartbeats_nor_other_secrets(m8: RealM8, tmp_path: Path) -> None:
    store, going = SlowStore(), asyncio.Event()
    store.gate = going
    slow, quick = ask(), ask(upload_pb2.PURPOSE_COMPARE, uri=OTHER)
    async with running(m8, tmp_path, store):
        await m8.attached()
        await m8.ask(slow)
        m8.send(slow.request_id, sealed(await m8.granted(slow.request_id)))
        await m8.began(slow.request_id)
        beats = m8.count("Heartbeat")
        await m8.wire.until(lambda: m8.count("Heartbeat") >= beats + 2)
        assert (await upload(m8, quick)).outcome == upload_pb2.OUTCOME_DIFFERENT
        going.set()
        assert (await m8.ended(slow.request_id)).outcome == upload_pb2.OUTCOME_UPLOADED


async def test_stopping_ends_a_write_in_flight_gives_up_keys_and_says_goodbye(m8: RealM8, tmp_path: Path) -> None:
    store = SlowStore()
    store.gate = asyncio.Event()
    writing, waiting = ask(), ask(uri=OTHER)
    async with running(m8, tmp_path, store) as (_, stop):
        await m8.attached()
        for request in (writing, waiting):
            await m8.ask(request)
        await m8.granted(waiting.request_id)
        m8.send(writing.request_id, sealed(await m8.granted(writing.request_id)))
        await m8.began(writing.request_id)
        stop.set()
        assert (await m8.ended(waiting.request_id)).reason == upload_pb2.REASON_KEY_LOST
        store.gate.set()
        assert (await m8.ended(writing.request_id)).outcome == upload_pb2.OUTCOME_UPLOADED
        await m8.detached()
    assert len(m8.wire.sessions) == 1


async def test_the_key_that_loses_to_another_replica_is_erased(m8: RealM8, tmp_path: Path) -> None:
    async with running(m8, tmp_path, MemoryStore()) as (reactor, _):
        await m8.attached()
        peer = await m8.peer(IDENTITY)
        held = m8.wire.hold_append("SecretUploadKeyProvided")
        request = ask()
        await m8.ask(request)
        await held.arrived()
        assert reactor.dispatcher.keys.granted(request.request_id) is not None
        await peer.give_key()
        held.release()
        await m8.wire.until(lambda: m8.refused("SecretUploadKeyProvided") == ["CONFLICT"])
        await peer.half_close()
        assert (await upload(m8, ask(upload_pb2.PURPOSE_COMPARE))).outcome == upload_pb2.OUTCOME_DIFFERENT
        assert reactor.dispatcher.keys.granted(request.request_id) is None
        assert len(reactor.dispatcher.keys) == 0


@pytest.mark.parametrize("wrote", [True, False])
async def test_another_replica_ends_what_a_dead_one_was_writing(m8: RealM8, tmp_path: Path, *, wrote: bool) -> None:
    store = MemoryStore()
    dead = SlowStore()
    dead.gate, dead.content = asyncio.Event(), store.content
    request = ask()
    async with running(m8, tmp_path, dead, timings=replace(PATIENT, drain=0.0)):
        await m8.attached()
        await m8.ask(request)
        grant = await m8.granted(request.request_id)
        m8.send(request.request_id, sealed(grant))
        await m8.began(request.request_id)
    if wrote:
        store.put(SECRET)
    async with running(m8, tmp_path, store):
        end = await m8.ended(request.request_id)
    receipt = parse_receipt(end.receipt.content)
    assert receipt.grant_sha256 == grant.sha256
    if wrote:
        assert (receipt.outcome, receipt.upstream_version) == (upload_pb2.OUTCOME_UPLOADED, store.now())
        assert receipt.fingerprint == FingerprintKey(K).fingerprints(SECRET).whole
    else:
        assert receipt.reason == upload_pb2.REASON_KEY_LOST


async def test_another_replica_gives_up_what_a_dead_one_granted_and_not_what_a_live_one_did(
    m8: RealM8, tmp_path: Path
) -> None:
    dead, alive = await m8.peer(IDENTITY), await m8.peer(IDENTITY)
    abandoned, kept = ask(), ask()
    for request, peer in ((abandoned, dead), (kept, alive)):
        await m8.ask(request)
        grant = peer.grant_for(request, "alice")
        assert not (await peer.append(request.request_id, 1, peer.provided(grant))).error
    await dead.half_close()
    async with running(m8, tmp_path, MemoryStore()):
        assert (await m8.ended(abandoned.request_id)).reason == upload_pb2.REASON_KEY_LOST
        assert await m8.kinds(kept.request_id) == ["SecretUploadKeyRequested", "SecretUploadKeyProvided"]
        await alive.half_close()
        assert (await m8.ended(kept.request_id)).reason == upload_pb2.REASON_KEY_LOST


async def test_a_rotated_identity_leads_m8_to_itself_by_its_steps(tmp_path: Path) -> None:
    store_identity.make(tmp_path, store="memory")
    first = Identity.load(tmp_path, store="memory")
    rotated = store_identity.rotate(tmp_path, store="memory")
    async with serving(tmp_path) as m8:
        await m8.create(first.shown, kind="memory")
        async with running(m8, tmp_path, MemoryStore(), identity=rotated):
            await m8.attached()
            store = await m8.alice.store("memory")
    assert store.identity == rotated.shown
    assert list(store.rotations) == list(rotated.rotations)


async def test_a_reactor_that_cannot_write_its_audit_log_leaves_requests_to_the_others(
    m8: RealM8, tmp_path: Path
) -> None:
    full, store = tmp_path / "full", MemoryStore()
    full.mkdir(mode=0o700)
    shutil.copy(tmp_path / "ca.crt", full)
    async with running(m8, full, store) as (reactor, _):
        assert (await upload(m8)).outcome == upload_pb2.OUTCOME_UPLOADED
        assert (await reactor.endpoints.readyz()).status == 200
        with no_room(reactor):
            async with running(m8, tmp_path, store):
                await m8.attached(2)
                for number in range(3):
                    end = await upload(m8, ask(uri=SecretUri.parse(f"memory://team-a/{number}")))
                    assert end.outcome == upload_pb2.OUTCOME_UPLOADED
            assert len(reactor.dispatcher.keys) == 0
            answer = await reactor.endpoints.readyz()
            assert answer.status == 503
            assert b"audit.jsonl cannot be written: ENOSPC" in answer.body
            assert b'm8_reactor_gives_no_keys{reason="audit"} 1.0' in (await reactor.endpoints.metrics()).body
            assert reactor.health.heartbeat().engine != reactor_pb2.ENGINE_HEALTH_UNAVAILABLE
            alone = ask(uri=OTHER)
            await m8.ask(alone)
            end = await m8.ended(alone.request_id)
            assert (end.reason, end.detail) == (upload_pb2.REASON_NO_REACTOR, "the reactor cannot write its audit log.")
        assert (await upload(m8, ask(uri=OTHER))).outcome == upload_pb2.OUTCOME_UPLOADED
        assert (await reactor.endpoints.readyz()).status == 200
    assert '"outcome": "RESUMED"' in (full / "audit.jsonl").read_text()


@contextmanager
def no_room(reactor: Reactor) -> Iterator[None]:
    """The disk of a reactor's audit log is full meanwhile."""
    audit = reactor.dispatcher.granter.audit
    assert isinstance(audit, AuditFile)
    kept, full = os.dup(audit._descriptor), os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, audit._descriptor)
    try:
        yield
    finally:
        os.dup2(kept, audit._descriptor)
        os.close(full)
        os.close(kept)
