"""A whole reactor against a real m8 behind a wire that lies: what only a broken or hostile m8 would say to it."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from monoskope import operating_log
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.grant import Grant
from monoskope.protocol.identity import RECEIPT
from monoskope.reactor.identity import store_identity
from monoskope.reactor.identity.store_identity import Identity
from tests.protocol.reactor import IDENTITY, OTHER, PATIENT, running, upload
from tests.support.fake_reactor import FakeReactor
from tests.support.hostile_session import CUT
from tests.support.memory_store import MemoryStore
from tests.support.reactor_requests import ask
from tests.support.reactor_world import PATIENCE_S
from tests.support.real_m8 import RealM8, serving

CONNECT_S = PATIENCE_S + 1
"""Another one than all other times here."""


@pytest.fixture
async def m8(tmp_path: Path) -> AsyncIterator[RealM8]:
    async with serving(tmp_path) as real:
        await real.create(IDENTITY.shown, kind="memory")
        yield real


async def test_an_m8_under_another_authority_hears_nothing(m8: RealM8, tmp_path: Path) -> None:
    log, other = tmp_path / "reactor.log", tmp_path / "other"
    other.mkdir()
    async with serving(other):
        (tmp_path / "ca.crt").write_bytes((other / "ca.crt").read_bytes())
    with operating_log.written_to(log):
        async with running(m8, tmp_path, MemoryStore()), asyncio.timeout(PATIENCE_S):
            while log.read_text().count("ca_file") < 2:
                await asyncio.sleep(0.01)
    assert m8.wire.sessions == []


async def test_receipts_that_m8_hands_over_count_only_under_our_signature(m8: RealM8, tmp_path: Path) -> None:
    store = MemoryStore(readable=False)
    async with running(m8, tmp_path, store):
        ours = (await upload(m8)).receipt
    thief = Identity(bytes(32), store="memory").sign(RECEIPT, ours.content)
    async with running(m8, tmp_path, store):
        await m8.attached(2)
        m8.tell_otherwise(events_pb2.SecretUploadKeyRequested(last_receipt=thief))
        m8.tell_otherwise(events_pb2.SecretUploadRequested(last_receipt=thief))
        assert (await upload(m8)).reason == upload_pb2.REASON_UPSTREAM_CHANGED
        assert (await upload(m8)).outcome == upload_pb2.OUTCOME_UNCHANGED


async def test_a_former_identity_key_gets_no_signature_of_the_current_one(tmp_path: Path) -> None:
    """Its thief announces what bob did not sign as bob's, and leaves the end to a reactor under the current key."""
    former = store_identity.make(tmp_path, store="memory")
    current = store_identity.rotate(tmp_path, store="memory")
    async with serving(tmp_path) as m8:
        await m8.create(former.shown, kind="memory")
        thief, forged = await m8.peer(former), ask()
        await m8.ask(forged)
        grant = thief.grant_for(forged, "alice", signature_required=True)
        assert not (await thief.append(forged.request_id, 1, thief.provided(grant))).error
        content = os.urandom(1_120 + 512 + 16)
        m8.send(forged.request_id, content)
        await thief.next("SecretUploadRequested")
        assert not (await thief.append(forged.request_id, 3, announced_by_bob(thief, grant, content))).error
        await thief.half_close()

        peer, abandoned = m8.world.reactor(current, store="memory"), ask(uri=OTHER)
        await peer.open()
        login = peer.login(kind="memory")
        login.rotations.extend(current.rotations)
        await peer.attach(login)
        await m8.ask(abandoned)
        assert not (await peer.append(abandoned.request_id, 1, peer.provided(peer.grant_for(abandoned, "alice")))).error
        await peer.half_close()

        async with running(m8, tmp_path, MemoryStore(), identity=current):
            assert (await m8.ended(abandoned.request_id)).reason == upload_pb2.REASON_KEY_LOST
            assert (await upload(m8)).outcome == upload_pb2.OUTCOME_UPLOADED
            assert (await m8.kinds(forged.request_id))[-1] == "SecretUploadStarted"


def announced_by_bob(thief: FakeReactor, grant: Grant, content: bytes) -> events_pb2.SecretUploadStarted:
    digest, key = hashlib.sha256(content).digest(), f"SHA256:{'k' * 43}"
    started = upload_pb2.OUTCOME_STARTED
    receipt = thief.receipt(grant, digest, started, intent=bytes(32), signer="bob@example.org", signer_key=key)
    return events_pb2.SecretUploadStarted(receipt=receipt)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (
            "permission_denied",
            f"monoctl create secret-store memory --type memory --identity {IDENTITY.shown}",
        ),
        ("failed_precondition", "monoctl describe secret-store memory"),
        ("unavailable", "/readyz"),
        ("unimplemented", "update the reactor or m8"),
        ("internal", "m8's log"),
    ],
)
async def test_the_log_says_what_to_do_about_a_refused_login_and_nothing_that_m8_said(
    m8: RealM8, tmp_path: Path, status: str, says: str
) -> None:
    m8.refuse_logins(status)
    with operating_log.written_to(tmp_path / "reactor.log"):
        async with running(m8, tmp_path, MemoryStore()):
            await m8.attached()
    text = (tmp_path / "reactor.log").read_text()
    line = next(line for line in map(json.loads, text.splitlines()) if line["event"] == "session ended")
    assert line["error"] == status.upper()
    assert says in line["fix"]
    assert CUT not in text


async def test_a_silent_m8_is_dialled_again(m8: RealM8, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent, dialling, timeout = m8.wire.lose_delivery("challenge"), list[asyncio.Timeout](), asyncio.timeout

    def noted(delay: float | None) -> asyncio.Timeout:
        made = timeout(delay)
        if delay == CONNECT_S:
            dialling.append(made)
        return made

    monkeypatch.setattr(asyncio, "timeout", noted)
    async with running(m8, tmp_path, MemoryStore(), timings=replace(PATIENT, connect=CONNECT_S)):
        await silent.arrived()
        # The time of the first session is over now, and not before, however slow this is.
        dialling[0].reschedule(asyncio.get_running_loop().time())
        assert (await upload(m8)).outcome == upload_pb2.OUTCOME_UPLOADED
    assert [one.kind for one in m8.wire.sessions[0].passed] == ["challenge"]
