"""What a reactor with `[signers]` does: nothing that nobody of its own list signed, whatever it is.

Requests that nobody signed cost those nothing who sign theirs: no guess, no place, no question to the engine but the
look that begins with each key.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from monoskope import operating_log
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import RefusedError, UsageError
from monoskope.protocol.grant import Grant, parse_grant
from monoskope.protocol.open_receipt import open_receipt
from monoskope.protocol.outcomes import spelled
from monoskope.protocol.payload import Payload, encode
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.recipes import Recipe
from monoskope.protocol.request import Request
from monoskope.reactor.admission import Admission
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.limits import FairPlaces, Rates, Signer
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.report.audit_log import AuditEntry, AuditFile
from monoskope.reactor.run import Reactor
from monoskope.reactor.settings import ReactorLimits
from monoskope.reactor.signers.settings import SignersFile
from monoskope.reactor.work.delivery import DeliveredRequest
from tests.support.memory_store import URI, MemoryStore
from tests.support.reactor_requests import SECRET, Sign, ask, seal
from tests.support.reactor_world import FAST, SEED, K, World, settings
from tests.support.signed_requests import Person, may, signers, table, write_lists
from tests.unit.reactor.bench import Bench
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
    assert of(world, delivered).outcome in PURPOSES[purpose].successes
    for index in range(len(world.log.events)):
        assert (world.receipt(index).signer, world.receipt(index).signer_key) == (ANNA.name, ANNA.key)
    [verdict] = verdicts(world)
    assert (verdict.outcome, verdict.signer, verdict.signer_key) == ("AUTHORIZED", ANNA.name, ANNA.key)
    lists = [hashlib.sha256((tmp_path / name).read_bytes()).hexdigest() for name in ("allowed_signers", "revoked_keys")]
    assert [verdict.signers_sha256, verdict.revoked_sha256] == lists
    assert (world.audit.entries[-1].signer, world.audit.entries[-1].signer_key) == (ANNA.name, ANNA.key)


def broken(grant: Grant, sealed: bytes) -> bytes:
    signature = bytearray(ANNA.signs(grant, sealed))
    signature[-1] ^= 1
    return bytes(signature)


ATTACKS: dict[str, Sign] = {
    "withheld": lambda *_: b"",
    "of a stranger": MALLORY.signs,
    "for other bytes": lambda grant, _: ANNA.signs(grant, hashlib.sha256(b"other").digest()),
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


@pytest.mark.parametrize(
    "lists",
    [
        {"file": table(may(ANNA, prefixes=["team-a/other"]))},
        {"file": table(may(ANNA, "delete"), may(MALLORY, "upload"))},
        {"revoked": [ANNA.key]},
    ],
    ids=["outside", "another purpose", "revoked"],
)
async def test_who_may_not_is_told_no_more_than_a_stranger(tmp_path: Path, lists: dict[str, Any]) -> None:
    world = World(signers=signers(tmp_path, ANNA, **lists))
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


COMPARE, UPLOAD = upload_pb2.PURPOSE_COMPARE, upload_pb2.PURPOSE_UPLOAD


def admission(world: World, limits: ReactorLimits | None = None) -> Admission:
    of = settings(Path("nowhere"), limits=limits)
    world.rates = Rates(of.limits, now=world.now)
    world.handler._rates = world.rates
    return Admission(of, world.store, world.rates, world.gate)


def reason(admits: Admission, purpose: upload_pb2.Purpose, subject: str = "alice") -> upload_pb2.Reason | None:
    try:
        admits.admit(ask(purpose), subject)
    except FailedError as error:
        return error.reason
    return None


async def test_unsigned_comparisons_use_up_no_guess(tmp_path: Path) -> None:
    """m8 asks under invented names as often as it likes, and signs none of it; then a user compares."""
    world = World(signers=signers(tmp_path, ANNA))
    world.memory.put(SECRET)
    admits = admission(world, ReactorLimits(uploads_per_second=1_000))
    for number in range(100):
        assert reason(admits, COMPARE, f"nobody-{number}") is None
        await world.handler.handle(world.sealed(ask(COMPARE), subject=f"nobody-{number}"))
    assert set(world.outcomes()) == {"FAILED NOT_AUTHORIZED"}
    assert (await world.walk(ask(COMPARE), sign=ANNA.signs)).outcome == upload_pb2.OUTCOME_EQUAL


async def test_signed_comparisons_are_limited_whatever_m8_calls_their_subject(tmp_path: Path) -> None:
    """The limit is the signer's: m8 cannot give one signer the guesses of many by naming many subjects."""
    world = World(signers=signers(tmp_path, ANNA))
    world.memory.put(SECRET)
    ends = []
    for number in range(7):
        delivered = world.sealed(ask(COMPARE), {"password": b"%d" % number}, subject=f"anna-{number}", sign=ANNA.signs)
        await world.handler.handle(delivered)
        ends.append(world.outcomes()[-1])
    assert ends == ["DIFFERENT"] * 5 + ["FAILED RATE_LIMITED"] * 2
    assert world.receipt().retry_after_s > 3_000


async def test_signed_puts_are_limited_by_the_hour_whatever_m8_calls_their_subject(tmp_path: Path) -> None:
    """So m8 and one signer together test no more guesses than that signer may put."""
    world = World(signers=signers(tmp_path, ANNA))
    admits, ends = admission(world, ReactorLimits(puts_per_hour=3)), []
    for number in range(5):
        request = ask(expect=upload_pb2.EXPECT_OVERWRITE)
        admits.admit(request, f"anna-{number}")
        value = {"password": b"%d" % number}
        await world.handler.handle(world.sealed(request, value, subject=f"anna-{number}", sign=ANNA.signs))
        ends.append(world.outcomes()[-1])
    assert ends == ["UPLOADED"] * 3 + ["FAILED RATE_LIMITED"] * 2
    assert world.receipt().retry_after_s > 3_000


async def test_where_there_is_room_for_nobodys_guess_no_key_is_made(tmp_path: Path) -> None:
    world = World(signers=signers(tmp_path, ANNA))
    admits = admission(world)
    for number in range(10):
        world.rates.signed(ask(COMPARE), Signer(f"p{number}"))
    assert reason(admits, COMPARE) == upload_pb2.REASON_RATE_LIMITED
    assert reason(admits, UPLOAD) is None


async def test_writes_of_one_signer_count_as_guesses_of_that_signer_alone(tmp_path: Path) -> None:
    """m8 names another user as the subject of anna's requests: that user's guesses stay."""
    world = World(signers=signers(tmp_path, ANNA))
    for _ in range(5):
        with world.rates.guess(URI, Signer(ANNA.name)) as guess:
            guess.announced = True
    world.memory.put(SECRET)
    delivered = world.sealed(ask(expect=upload_pb2.EXPECT_OVERWRITE), subject="bob", sign=ANNA.signs)
    await world.handler.handle(delivered)
    assert world.outcomes() == ["STARTED", "UPLOADED"], "it was not compared: it would have been UNCHANGED"
    with world.rates.guess(URI, "bob") as guess:
        assert guess.may_compare


async def test_a_flood_of_unsigned_requests_holds_no_place_and_no_secret(tmp_path: Path) -> None:
    """While the engine hangs and every place is taken, they end; a signed one waits for no other of them."""
    world = World(signers=signers(tmp_path, ANNA))
    world.handler._places = places = FairPlaces(1)
    flood = [world.sealed(subject=f"nobody-{number}") for number in range(200)]
    async with places.held("somebody"):
        assert all(await asyncio.gather(*(world.handler.handle(delivered) for delivered in flood)))
        signed = asyncio.create_task(world.handler.handle(world.sealed(sign=ANNA.signs)))
    assert await signed
    assert world.outcomes()[-2:] == ["STARTED", "UPLOADED"]


async def granted(folder: Path) -> tuple[Bench, Request, Grant, bytes]:
    """A reactor that has given a key, and a secret that is sealed for it."""
    write_lists(folder, ANNA)
    bench, request = Bench(folder, file=table(may(ANNA))), ask()
    bench.attach()
    grant = parse_grant((await bench.grant(request)).grant.content)
    return bench, request, grant, seal(grant, encode(Payload(SECRET)))


@pytest.mark.parametrize(("signed", "outcome"), [(True, "started"), (False, "failed")], ids=["signed", "unsigned"])
async def test_the_signature_in_m8s_event_is_verified(tmp_path: Path, *, signed: bool, outcome: str) -> None:
    """From the settings to what m8 gets, through a whole reactor: only the connection to m8 is played."""
    bench, request, grant, sealed = await granted(tmp_path)
    assert grant.signature_required
    bench.tell(request, 3, requested(grant, sealed, signed=signed), sealed=sealed)
    append = await bench.next()
    assert append.WhichOneof("event") == outcome
    assert append.failed.reason == (0 if signed else upload_pb2.REASON_NOT_AUTHORIZED)
    assert bench.reactor.session.endpoint.announced().signatures


async def test_m8_has_one_try_with_a_request_whichever_signature_it_shows_then(tmp_path: Path) -> None:
    """It shows none first, and the user's afterwards, as a later delivery of the same event or as another one."""
    bench, request, grant, sealed = await granted(tmp_path)
    for version, signed in ((3, False), (3, True), (4, True)):
        bench.tell(request, version, requested(grant, sealed, signed=signed), sealed=sealed)
    assert (await bench.next()).failed.reason == upload_pb2.REASON_NOT_AUTHORIZED
    await asyncio.sleep(0)
    assert bench.sent == []
    assert bench.dispatcher.keys.granted(request.request_id) is None


def requested(grant: Grant, sealed: bytes, *, signed: bool) -> events_pb2.SecretUploadRequested:
    digest = hashlib.sha256(sealed).digest()
    signature = ANNA.signs(grant, digest) if signed else b""
    return events_pb2.SecretUploadRequested(sealed_sha256=digest, size=len(sealed), request_signature=signature)


def missing(folder: Path) -> None:
    (folder / "revoked_keys").unlink()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "allowed_signers").write_text("* ssh-ed25519 nonsense\n"),
        lambda folder: (folder / "revoked_keys").chmod(0o620),
        missing,
    ],
    ids=["bad list", "open to others", "missing"],
)
def test_no_reactor_starts_with_a_list_that_cannot_be_trusted(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    write_lists(tmp_path, ANNA)
    spoil(tmp_path)
    with pytest.raises((UsageError, RefusedError)) as refused:
        a_reactor(tmp_path, table(may(ANNA)))
    assert refused.value.fix


def a_reactor(folder: Path, file: SignersFile) -> Reactor:
    of = replace(settings(folder), signers=file)
    audit = AuditFile(folder / "audit.jsonl")
    return Reactor(of, MemoryStore(), Identity(SEED, store="memory"), FingerprintKey(K), audit, timings=FAST)


async def test_trouble_with_a_list_is_seen_from_outside(tmp_path: Path) -> None:
    stream = io.StringIO()
    operating_log.set_up(stream)
    write_lists(tmp_path, ANNA)
    reactor = a_reactor(tmp_path, table(may(ANNA)))
    assert json.loads((await reactor.endpoints.readyz()).body)["checks"]["signers"] == "ok"
    assert not reactor.health.heartbeat().signers_trouble
    missing(tmp_path)
    assert "revoked_keys" in json.loads((await reactor.endpoints.readyz()).body)["checks"]["signers"]
    assert "revoked_keys cannot be read" in stream.getvalue()
    assert reactor.health.heartbeat().signers_trouble
    write_lists(tmp_path, ANNA)
    assert not reactor.health.heartbeat().signers_trouble
    said = stream.getvalue()
    assert said.count("revoked_keys cannot be read") == 1, "once, and not at each heartbeat"
    assert said.count("all lists can be used again") == 1


async def test_without_lists_readyz_says_nothing_of_them(tmp_path: Path) -> None:
    checks = json.loads((await Bench(tmp_path).reactor.endpoints.readyz()).body)["checks"]
    assert "signers" not in checks
