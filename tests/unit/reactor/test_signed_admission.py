"""What comes before the signature: the grant that asks for one, an m8 that is too old, and limits that are fair.

Requests that nobody signed cost those nothing who sign theirs: no guess, no place, no question to the engine but the
look that begins with each key.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from dataclasses import replace
from pathlib import Path

import pytest

from monoskope import operating_log
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.errors import RefusedError, UsageError
from monoskope.protocol.grant import Grant, parse_grant
from monoskope.protocol.payload import Payload, encode
from monoskope.protocol.purposes import PURPOSES
from monoskope.reactor.admission import Admission, SignatureGate
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.limits import FairPlaces, Rates, Signer
from monoskope.reactor.reasons import FailedError
from monoskope.reactor.report.audit_log import AuditFile
from monoskope.reactor.run import Reactor
from monoskope.reactor.settings import ReactorLimits
from monoskope.reactor.signers.settings import SignersFile
from tests.support.reactor_world import FAST, SECRET, SEED, URI, K, MemoryStore, World, ask, seal, settings
from tests.support.signed_requests import Person, may, signers, table, write_lists
from tests.unit.reactor.bench import Bench

ANNA = Person("anna@example.org")
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


def test_the_settings_say_which_purposes_need_a_signature(tmp_path: Path) -> None:
    gate = SignatureGate(signers(tmp_path, ANNA, file=table(may(ANNA), unsigned=["verify", "list"])))
    needed = {purpose for purpose in PURPOSES if gate.requires(purpose)}
    assert PURPOSES.keys() - needed == {upload_pb2.PURPOSE_VERIFY, upload_pb2.PURPOSE_LIST}
    assert not any(map(SignatureGate().requires, PURPOSES))


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


@pytest.mark.parametrize(("signed", "outcome"), [(True, "started"), (False, "failed")], ids=["signed", "unsigned"])
async def test_the_signature_in_m8s_event_is_verified(tmp_path: Path, *, signed: bool, outcome: str) -> None:
    """From the settings to what m8 gets, through a whole reactor: only the connection to m8 is played."""
    write_lists(tmp_path, ANNA)
    bench, request = Bench(tmp_path, file=table(may(ANNA))), ask()
    bench.attach()
    grant = parse_grant((await bench.grant(request)).grant.content)
    assert grant.signature_required
    sealed = seal(grant, encode(Payload(SECRET)))
    bench.tell(request, 3, requested(grant, sealed, signed=signed), sealed=sealed)
    append = await bench.next()
    assert append.WhichOneof("event") == outcome
    assert append.failed.reason == (0 if signed else upload_pb2.REASON_NOT_AUTHORIZED)
    assert bench.reactor.session.endpoint.announced.signatures


async def test_m8_has_one_try_with_a_request_whichever_signature_it_shows_then(tmp_path: Path) -> None:
    """It shows none first, and the user's afterwards, as a later delivery of the same event or as another one."""
    write_lists(tmp_path, ANNA)
    bench, request = Bench(tmp_path, file=table(may(ANNA))), ask()
    bench.attach()
    grant = parse_grant((await bench.grant(request)).grant.content)
    sealed = seal(grant, encode(Payload(SECRET)))
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


def bad_list(folder: Path) -> None:
    (folder / "allowed_signers").write_text("* ssh-ed25519 nonsense\n")


def open_to_others(folder: Path) -> None:
    (folder / "revoked_keys").chmod(0o620)


def missing(folder: Path) -> None:
    (folder / "revoked_keys").unlink()


@pytest.mark.parametrize("spoil", [bad_list, open_to_others, missing])
def test_a_reactor_with_a_list_that_cannot_be_trusted_does_not_start(tmp_path: Path, spoil: object) -> None:
    assert callable(spoil)
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
