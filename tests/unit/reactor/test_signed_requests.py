"""A reactor with `[signers]` does nothing that nobody of its own list signed, whatever it is and whoever says so."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import Grant
from monoskope.protocol.open_receipt import open_receipt
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.payload import Recipe
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.request import Request
from monoskope.reactor.report.audit_log import AuditEntry
from monoskope.reactor.work.delivery import DeliveredRequest
from tests.support.reactor_world import SECRET, Sign, World, ask
from tests.support.signed_requests import Person, may, signers, table
from tests.unit.reactor.copies import Copies
from tests.unit.reactor.copies import asked as copy_asked

ANNA, MALLORY = Person("anna@example.org"), Person("mallory@example.org")
NOT_AUTHORIZED = upload_pb2.REASON_NOT_AUTHORIZED
ASKED_WITH: dict[upload_pb2.Purpose, dict[str, Any]] = {
    upload_pb2.PURPOSE_GENERATE: {"recipes": (Recipe("password", "password"),)},
    upload_pb2.PURPOSE_ROLLBACK: {"to_version": "v1"},
}
"""What a request of a purpose needs besides."""
BY_NAME = {spelled(upload_pb2.Purpose, purpose): purpose for purpose in PURPOSES}


def of_purpose(purpose: upload_pb2.Purpose) -> Request:
    if purpose == upload_pb2.PURPOSE_COPY:
        return copy_asked()
    return ask(purpose, **ASKED_WITH.get(purpose, {}))


async def ready(folder: Path, purpose: upload_pb2.Purpose) -> tuple[World, Receipt]:
    """Return a world in which a request of `purpose` can succeed, and the newest receipt there."""
    world = Copies(folder, signers=signers(folder, ANNA)).world
    newest = await world.walk(secret={"password": b"before", "user": b"app"}, sign=ANNA.signs)
    if purpose == upload_pb2.PURPOSE_ROLLBACK:
        newest = await world.walk(secret={"password": b"later"}, sign=ANNA.signs)
    if purpose == upload_pb2.PURPOSE_UNDELETE:
        newest = await world.walk(ask(upload_pb2.PURPOSE_DELETE), sign=ANNA.signs)
    world.log.events.clear()
    world.audit.entries.clear()
    world.memory.calls.clear()
    return world, newest


def of(world: World, delivered: DeliveredRequest) -> Receipt:
    """Return the end that m8 got, checked as its client checks it."""
    signed = world.log.events[-1]
    grant, sealed = delivered.grant, delivered.sha256
    assert hasattr(signed, "receipt")
    return open_receipt(signed.receipt, identity=world.identity.shown, grant=grant, sealed_sha256=sealed)


def verdicts(world: World) -> list[AuditEntry]:
    return [entry for entry in world.audit.entries if entry.outcome in {"AUTHORIZED", "REFUSED"}]


@pytest.mark.parametrize("name", sorted(BY_NAME))
async def test_what_somebody_of_the_list_signed_is_done_and_names_the_signer(tmp_path: Path, name: str) -> None:
    purpose = BY_NAME[name]
    world, newest = await ready(tmp_path, purpose)
    delivered = world.sealed(of_purpose(purpose), newest=newest, sign=ANNA.signs)
    assert delivered.grant.signature_required
    assert await world.handler.handle(delivered)
    end = of(world, delivered)
    assert end.outcome in PURPOSES[purpose].successes
    for index in range(len(world.log.events)):
        assert (world.receipt(index).signer, world.receipt(index).signer_key) == (ANNA.name, ANNA.key)
    [verdict] = verdicts(world)
    assert (verdict.outcome, verdict.signer, verdict.signer_key) == ("AUTHORIZED", ANNA.name, ANNA.key)
    lists = [hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("allowed_signers", "revoked_keys")]
    assert [verdict.signers_sha256, verdict.revoked_sha256] == lists
    assert (world.audit.entries[-1].signer, world.audit.entries[-1].signer_key) == (ANNA.name, ANNA.key)


def nothing(_: Grant, __: bytes) -> bytes:
    return b""


def for_other_bytes(grant: Grant, _: bytes) -> bytes:
    return ANNA.signs(grant, hashlib.sha256(b"other").digest())


def broken(grant: Grant, sealed: bytes) -> bytes:
    signature = bytearray(ANNA.signs(grant, sealed))
    signature[-1] ^= 1
    return bytes(signature)


ATTACKS: dict[str, Sign] = {
    "withheld": nothing,
    "of a stranger": MALLORY.signs,
    "for other bytes": for_other_bytes,
    "changed": broken,
    "followed by more": lambda grant, sealed: ANNA.signs(grant, sealed) + b"\0",
    "no signature at all": lambda *_: b"SSHSIG",
}


async def refused(world: World, delivered: DeliveredRequest) -> None:
    """Check that a request ends as NOT_AUTHORIZED: nothing is asked of the engine, its key is gone, nobody says why."""
    world.memory.calls.clear()
    before = {path: list(versions) for path, versions in world.memory.content.items()}
    assert await world.handler.handle(delivered)
    end = of(world, delivered)
    assert (end.outcome, end.reason, end.detail) == (upload_pb2.OUTCOME_FAILED, NOT_AUTHORIZED, "")
    assert (end.signer, end.signer_key) == ("", "")
    assert len(world.log.events) == 1, "STARTED was not sent"
    assert {path: list(versions) for path, versions in world.memory.content.items()} == before
    assert [call for call in world.memory.calls if call not in {"check", "read", "read_version"}] == []
    assert world.keys.granted(delivered.grant.request.request_id) is None
    [verdict] = verdicts(world)
    assert (verdict.outcome, verdict.reason) == ("REFUSED", "NOT_AUTHORIZED")
    assert verdict.detail


@pytest.mark.parametrize("name", sorted(BY_NAME))
async def test_no_purpose_is_done_without_a_signature(tmp_path: Path, name: str) -> None:
    world, newest = await ready(tmp_path, BY_NAME[name])
    await refused(world, world.sealed(of_purpose(BY_NAME[name]), newest=newest))


@pytest.mark.parametrize("attack", sorted(ATTACKS))
async def test_what_is_no_signature_of_this_request_counts_for_nothing(tmp_path: Path, attack: str) -> None:
    world, _ = await ready(tmp_path, upload_pb2.PURPOSE_UPLOAD)
    await refused(world, world.sealed(sign=ATTACKS[attack]))


async def test_a_signature_for_another_request_is_none_of_this_one(tmp_path: Path) -> None:
    """m8 swaps the signatures of two requests of one user, for the same secret and the same content."""
    world, _ = await ready(tmp_path, upload_pb2.PURPOSE_DELETE)
    first = world.sealed(ask(upload_pb2.PURPOSE_DELETE), sign=ANNA.signs)
    second = world.sealed(ask(upload_pb2.PURPOSE_DELETE), sign=ANNA.signs)
    assert first.sha256 == second.sha256
    await refused(world, replace(second, signature=first.signature))


async def test_a_signature_counts_for_one_key_and_no_later_one(tmp_path: Path) -> None:
    """m8 replays what was sealed and signed, to another process of the store that got the same request."""
    lists = signers(tmp_path, ANNA)
    here, there = World(signers=lists), World(signers=lists)
    request = ask(upload_pb2.PURPOSE_DELETE)
    signed = here.sealed(request, sign=ANNA.signs)
    await refused(there, replace(there.sealed(request), signature=signed.signature))


async def test_sealed_bytes_of_m8_are_not_opened(tmp_path: Path) -> None:
    """m8 knows the grant and seals a value of its own, beside the signature of the user's value."""
    world, _ = await ready(tmp_path, upload_pb2.PURPOSE_UPLOAD)
    request = ask()
    signed = world.sealed(request, sign=ANNA.signs)
    await refused(world, replace(world.sealed(request, {"password": b"of m8"}), signature=signed.signature))


async def test_bytes_that_the_log_does_not_name_are_not_looked_at(tmp_path: Path) -> None:
    world, _ = await ready(tmp_path, upload_pb2.PURPOSE_UPLOAD)
    delivered = world.sealed(sign=ANNA.signs)
    assert await world.handler.handle(replace(delivered, sha256=b""))
    assert world.outcomes() == ["FAILED NOT_AUTHORIZED"]
    assert "the sealed bytes are not those" in verdicts(world)[0].detail


async def test_a_request_that_was_refused_once_is_not_done_with_its_signature_later(tmp_path: Path) -> None:
    """m8 withholds a signature, and delivers it after the first end."""
    world, _ = await ready(tmp_path, upload_pb2.PURPOSE_UPLOAD)
    delivered = world.sealed(sign=ANNA.signs)
    await refused(world, replace(delivered, signature=b""))
    await world.handler.handle(delivered)
    assert world.outcomes()[-1] == "FAILED KEY_LOST"


@pytest.mark.parametrize("has_lists", [True, False], ids=["unsigned purpose", "no [signers]"])
async def test_a_signature_where_none_is_required_is_refused(tmp_path: Path, has_lists: bool) -> None:
    """Else m8 could not tell its users that nobody looked at it."""
    lists = signers(tmp_path, ANNA, file=table(may(ANNA), unsigned=["import"])) if has_lists else None
    world = World(signers=lists)
    world.memory.put(SECRET)
    delivered = world.sealed(ask(upload_pb2.PURPOSE_IMPORT), sign=ANNA.signs)
    assert not delivered.grant.signature_required
    await refused(world, delivered)


async def test_a_purpose_that_needs_no_signature_names_no_signer(tmp_path: Path) -> None:
    world = World(signers=signers(tmp_path, ANNA, file=table(may(ANNA), unsigned=["import"])))
    world.memory.put(SECRET)
    delivered = world.sealed(ask(upload_pb2.PURPOSE_IMPORT))
    assert await world.handler.handle(delivered)
    assert of(world, delivered).signer == ""
    assert verdicts(world) == []


def outside(folder: Path) -> World:
    return World(signers=signers(folder, ANNA, file=table(may(ANNA, prefixes=["team-a/other"]))))


def another_purpose(folder: Path) -> World:
    return World(signers=signers(folder, ANNA, file=table(may(ANNA, "delete"), may(MALLORY, "upload"))))


def revoked(folder: Path) -> World:
    return World(signers=signers(folder, ANNA, revoked=[ANNA.key]))


@pytest.mark.parametrize("refuses", [outside, another_purpose, revoked])
async def test_who_may_not_is_told_no_more_than_a_stranger(tmp_path: Path, refuses: Callable[[Path], World]) -> None:
    world = refuses(tmp_path)
    await refused(world, world.sealed(sign=ANNA.signs))


async def test_a_defect_of_the_verification_authorizes_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lists = signers(tmp_path, ANNA)
    monkeypatch.setattr(lists, "authorize", lambda *_: 1 / 0)
    world = World(signers=lists)
    await refused(world, world.sealed(sign=ANNA.signs))


async def test_what_the_audit_log_cannot_record_is_not_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(signers=signers(tmp_path, ANNA))
    delivered = world.sealed(sign=ANNA.signs)
    monkeypatch.setattr(world.gate, "audit", FullDisk())
    await world.handler.handle(delivered)
    assert world.outcomes() == ["FAILED KEY_LOST"]
    assert not world.memory.content


class FullDisk:
    """An audit log that takes nothing."""

    def write(self, entry: AuditEntry) -> None:
        raise OSError(28, entry.outcome)
