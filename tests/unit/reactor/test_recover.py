"""Which requests are abandoned, when, and what their heir says of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.grant import Grant, make_grant
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT, open_signed
from monoskope.protocol.outcomes import State
from monoskope.protocol.receipt import Receipt, make_receipt, write_tag
from monoskope.reactor.identity import store_identity
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.link.open_requests import OpenRequest
from monoskope.reactor.timings import Timings
from monoskope.reactor.work.recover import Presence, Recovery
from monoskope.stores.driver import CannotReadError, StoreRefusedError, StoreUnavailableError
from tests.support.memory_store import MemoryStore
from tests.support.reactor_requests import SECRET, ask
from tests.support.reactor_world import World

DEAD = bytes([9] * 16)
SEALED = bytes([5] * 32)
ANNA = ("anna@example.org", f"SHA256:{'k' * 43}")
NOBODY = ("", "")
TIMINGS = Timings(lookup_retry=0.0, lookup_tries=3)


class Heir(World):
    """A replica that finds a request of a dead one."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        super().__init__(store, timings=TIMINGS)
        self.presence = Presence(self.now)
        self.presence.attached([self.replica])
        self.recovery = Recovery(
            self.identity, self.replica, self.presence, self.lookup, self.reporter, TIMINGS, self.now
        )
        self.grant = self._grant(DEAD)

    def _grant(self, replica: bytes, *, signature_required: bool = False) -> Grant:
        return make_grant(
            request=ask(),
            subject="alice",
            public_key=bytes(1_216),
            replica=replica,
            lifetime_s=300,
            max_plaintext=512,
            fingerprint_key_id=self.key.key_id,
            signature_required=signature_required,
        )

    def left(self, state: State, *, signer: Identity | None = None, started: Receipt | None = None) -> OpenRequest:
        """Return the request as the dead replica left it."""
        identity = signer or self.identity
        request = OpenRequest(self.grant.request.request_id, version=4, state=state)
        request.grant = identity.sign(UPLOAD_GRANT, self.grant.content)
        request.started = identity.sign(RECEIPT, (started or self.started()).content)
        request.started_seen = self.now()
        return request

    def started(self, *, grant: Grant | None = None, prior: str = "", signer: tuple[str, str] = NOBODY) -> Receipt:
        grant = grant or self.grant
        intent = self.key.intent(write_tag(grant.sha256, SEALED), self.key.whole(SECRET))
        return make_receipt(
            grant=grant,
            sealed_sha256=SEALED,
            outcome=upload_pb2.OUTCOME_STARTED,
            prior_version=prior,
            intent=intent,
            signer=signer[0],
            signer_key=signer[1],
        )

    @property
    def tag(self) -> str:
        return write_tag(self.grant.sha256, SEALED).hex()

    def abandoned(self, request: OpenRequest) -> bool:
        return self.recovery.abandoned(request, keeps_key=False) is not None

    async def end(self, request: OpenRequest) -> str:
        await self.recovery.end(request, self.grant)
        return self.outcomes()[-1]


@pytest.fixture
def heir() -> Heir:
    return Heir()


@pytest.mark.parametrize(("state", "seconds"), [(State.GRANTED, 10), (State.UPLOADING, 10), (State.WRITING, 60)])
def test_an_issuer_is_given_ten_seconds_and_sixty_once_it_writes(heir: Heir, state: State, seconds: int) -> None:
    request = heir.left(state)
    assert not heir.abandoned(request)
    heir.now.time += seconds - 0.1
    assert not heir.abandoned(request)
    heir.now.time += 0.2
    assert heir.abandoned(request)


def test_an_issuer_that_is_here_or_comes_back_in_time_is_left_alone(heir: Heir) -> None:
    request = heir.left(State.UPLOADING)
    heir.presence.attached([heir.replica, DEAD])
    heir.now.time += 1_000
    assert not heir.abandoned(request)
    heir.presence.went(DEAD)
    heir.now.time += 9
    heir.presence.came(DEAD)
    heir.now.time += 9
    heir.presence.went(DEAD)
    heir.now.time += 9
    assert not heir.abandoned(request)
    heir.now.time += 1
    assert heir.abandoned(request)


def test_our_own_absence_starts_the_count_anew(heir: Heir) -> None:
    request = heir.left(State.UPLOADING)
    heir.abandoned(request)
    heir.now.time += 9
    heir.presence.attached([heir.replica])
    heir.now.time += 9
    assert not heir.abandoned(request)


def test_a_request_of_our_own_is_abandoned_without_its_key(heir: Heir) -> None:
    heir.grant = heir._grant(heir.replica)
    request = heir.left(State.UPLOADING)
    heir.now.time += 100
    assert heir.recovery.abandoned(request, keeps_key=True) is None
    assert heir.recovery.abandoned(request, keeps_key=False) is None
    heir.now.time += 10
    assert heir.recovery.abandoned(request, keeps_key=False) is not None


@pytest.mark.parametrize("state", [State.REQUESTED, State.ENDED])
def test_nothing_is_recovered_that_has_no_issuer_or_has_ended(heir: Heir, state: State) -> None:
    request = heir.left(state)
    heir.abandoned(request)
    heir.now.time += 1_000
    assert not heir.abandoned(request)


def test_a_grant_that_is_not_ours_is_not_acted_on(heir: Heir) -> None:
    stranger = heir.left(State.UPLOADING, signer=Identity(bytes(32), store="memory"))
    missing = heir.left(State.UPLOADING)
    missing.grant = None
    altered = heir.left(State.UPLOADING)
    assert altered.grant is not None
    altered.grant.content = heir._grant(DEAD).content
    swapped = heir.left(State.UPLOADING)
    swapped.grant = heir.identity.sign(UPLOAD_GRANT, heir._grant(DEAD).content)
    for request in (stranger, missing, altered, swapped):
        heir.abandoned(request)
    heir.now.time += 1_000
    assert not any(heir.abandoned(request) for request in (stranger, missing, altered, swapped))


def test_a_grant_is_verified_once_however_often_it_is_looked_at(heir: Heir, monkeypatch: pytest.MonkeyPatch) -> None:
    request = heir.left(State.UPLOADING)
    verified: list[object] = []

    def spied(signed: upload_pb2.Signed, label: bytes, signer: str) -> bytes:
        verified.append(signed)
        return open_signed(signed, label, signer)

    monkeypatch.setattr("monoskope.reactor.work.recover.open_signed", spied)
    for _ in range(5):
        heir.abandoned(request)
    assert len(verified) == 1
    request.grant = Identity(bytes(32), store="memory").sign(UPLOAD_GRANT, heir.grant.content)
    heir.now.time += 1_000
    assert not heir.abandoned(request)


async def test_before_writing_the_key_is_lost(heir: Heir) -> None:
    heir.memory.put(SECRET)
    assert await heir.end(heir.left(State.UPLOADING)) == "FAILED KEY_LOST"
    assert heir.receipt().sealed_sha256 == b""
    assert (heir.log.expected, heir.memory.calls) == ([4], [])


async def test_a_version_with_the_tag_was_written() -> None:
    heir = Heir(MemoryStore(readable=False))
    version = heir.memory.put(SECRET, tag=heir.tag)
    heir.memory.put({"later": b""})
    assert await heir.end(heir.left(State.WRITING)) == "UPLOADED"
    receipt = heir.receipt()
    assert (receipt.upstream_version, receipt.fingerprint, receipt.sealed_sha256) == (version, "", SEALED)


@pytest.mark.parametrize("error", [StoreUnavailableError("away."), StoreRefusedError("no."), CannotReadError("no.")])
async def test_a_version_with_the_tag_was_written_even_if_it_cannot_be_read_now(heir: Heir, error: Exception) -> None:
    version = heir.memory.put(SECRET, tag=heir.tag)
    heir.memory.failures["read"].extend([error] * 3)
    assert await heir.end(heir.left(State.WRITING)) == "UPLOADED"
    receipt = heir.receipt()
    assert (receipt.upstream_version, receipt.fingerprint, receipt.values) == (version, "", ())


async def test_a_readable_value_that_fits_the_intent_was_written() -> None:
    heir = Heir(MemoryStore(write_tag=False))
    prior = heir.memory.put({"before": b""})
    version = heir.memory.put(SECRET)
    request = heir.left(State.WRITING, started=heir.started(prior=prior))
    assert await heir.end(request) == "UPLOADED"
    receipt = heir.receipt()
    assert (receipt.upstream_version, receipt.prior_version) == (version, prior)
    assert receipt.fingerprint == heir.key.fingerprints(SECRET).whole


async def test_the_version_that_was_to_be_replaced_is_no_proof(heir: Heir) -> None:
    prior = heir.memory.put(SECRET, tag=heir.tag)
    assert await heir.end(heir.left(State.WRITING, started=heir.started(prior=prior))) == "FAILED KEY_LOST"


AWAY, REFUSED = StoreUnavailableError("away."), StoreRefusedError("no.")


@pytest.mark.parametrize(
    ("there", "tagged", "failures", "said"),
    [
        ({}, True, {}, "FAILED KEY_LOST"),
        ({"theirs": b""}, True, {}, "FAILED OUTCOME_UNKNOWN"),
        (SECRET, False, {"read": [CannotReadError("no.")]}, "FAILED OUTCOME_UNKNOWN"),
        (SECRET, True, {"find": [AWAY] * 2}, "UPLOADED"),
        ({}, True, {"read_version": [AWAY] * 3}, "FAILED OUTCOME_UNKNOWN"),
        ({}, True, {"read_version": [REFUSED] * 3}, "FAILED OUTCOME_UNKNOWN"),
    ],
    ids=["nothing new", "of others", "unreadable", "away for a while", "away", "refused"],
)
async def test_a_write_ends_as_the_engine_shows(
    there: dict[str, bytes], *, tagged: bool, failures: dict[str, list[Exception]], said: str
) -> None:
    heir = Heir(MemoryStore(write_tag=tagged))
    if there:
        heir.memory.put(there, tag=heir.tag if tagged and there == SECRET else "")
    for method, errors in failures.items():
        heir.memory.failures[method].extend(errors)
    assert await heir.end(heir.left(State.WRITING)) == said


async def test_a_started_that_is_not_ours_or_about_another_grant_ends_nothing(heir: Heir) -> None:
    foreign = heir.left(State.WRITING, started=heir.started(grant=heir._grant(DEAD)))
    forged = heir.left(State.WRITING)
    forged.started = Identity(bytes(32), store="memory").sign(RECEIPT, heir.started().content)
    missing = heir.left(State.WRITING)
    missing.started = None
    for request in (foreign, forged, missing):
        assert not await heir.recovery.end(request, heir.grant)
    assert heir.log.events == []


@pytest.mark.parametrize("part", ["grant", "started"])
async def test_an_heir_ends_nothing_that_a_former_identity_signed(tmp_path: Path, part: str) -> None:
    """A former key may be stolen long after it was replaced: what it signs must not become the current one's word."""
    former = store_identity.make(tmp_path, store="memory")
    heir = Heir()
    heir.identity = store_identity.rotate(tmp_path, store="memory")
    heir.recovery = replace(heir.recovery, identity=heir.identity)
    request = heir.left(State.WRITING)
    if part == "grant":
        request.grant = former.sign(UPLOAD_GRANT, heir.grant.content)
        heir.abandoned(request)
        heir.now.time += 1_000
        assert not heir.abandoned(request)
    else:
        request.started = former.sign(RECEIPT, heir.started().content)
        assert not await heir.recovery.end(request, heir.grant)
    assert heir.log.events == []


def test_absences_that_nobody_asks_about_are_forgotten() -> None:
    presence = Presence()
    for number in range(100):
        presence.went(number.to_bytes(16, "big"))
    presence.prune({bytes(16)})
    assert set(presence._gone) == {bytes(16)}


def signed_heir() -> Heir:
    """A replica that finds a request which had to be signed."""
    heir = Heir()
    heir.grant = heir._grant(DEAD, signature_required=True)
    return heir


@pytest.mark.parametrize(("written", "said"), [(True, "UPLOADED"), (False, "FAILED KEY_LOST")])
async def test_an_heir_names_the_verified_signer_of_what_was_written(*, written: bool, said: str) -> None:
    heir = signed_heir()
    if written:
        heir.memory.put(SECRET, tag=heir.tag)
    assert await heir.end(heir.left(State.WRITING, started=heir.started(signer=ANNA))) == said
    end = heir.receipt()
    assert (end.signer, end.signer_key) == (ANNA if written else NOBODY)


@pytest.mark.parametrize("required", [True, False], ids=["without a signer", "with a signer that none asked for"])
async def test_a_started_that_does_not_fit_its_grant_about_the_signer_counts_for_nothing(*, required: bool) -> None:
    """A replica without `[signers]` verified nothing; what it wrote must not be receipted as if it had."""
    heir = signed_heir() if required else Heir()
    heir.memory.put(SECRET, tag=heir.tag)
    request = heir.left(State.WRITING, started=heir.started(signer=NOBODY if required else ANNA))
    assert not await heir.recovery.end(request, heir.grant)
    assert heir.log.events == []


async def test_a_replica_that_does_not_know_the_field_ends_no_such_write() -> None:
    """An older replica reads a grant with a field of after it as nothing at all, so it signs nothing for it either."""
    heir = signed_heir()
    heir.memory.put(SECRET, tag=heir.tag)
    request = heir.left(State.WRITING, started=heir.started(signer=ANNA))
    later = heir.grant.content + b"\xf8\x07\x01"  # A field of number 127, as `signature_required` is to older code.
    request.grant = heir.identity.sign(UPLOAD_GRANT, later)
    heir.now.time += 100
    assert not heir.abandoned(request)


async def test_a_grant_from_which_m8_took_the_demand_for_a_signature_is_no_grant() -> None:
    """Without it, an unsigned STARTED of a replica without `[signers]` would pass. But the reactor signed all of it."""
    heir = signed_heir()
    heir.memory.put(SECRET, tag=heir.tag)
    request = heir.left(State.WRITING, started=heir.started())
    assert request.grant is not None
    stripped = upload_pb2.UploadGrant.FromString(request.grant.content)
    stripped.ClearField("signature_required")
    request.grant.content = stripped.SerializeToString()
    heir.now.time += 100
    assert not heir.abandoned(request)
