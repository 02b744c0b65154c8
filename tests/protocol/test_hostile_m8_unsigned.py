"""What a hostile m8 does on its own, with a reactor that has `[signers]` and with one that has not.

Real m8, real reactor, real wire, an engine in memory. m8 names alice as the user of whatever it likes; with `[signers]`
that is not enough for any purpose.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from monoskope.api.gateway.v1 import commands_pb2, reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.protocol.grant import ENCAPSULATED_KEY_BYTES, Grant
from monoskope.protocol.identity import ProofError, open_signed
from monoskope.protocol.labels import RECEIPT, UPLOAD_GRANT
from monoskope.protocol.payload import Payload, encode
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.receipt import Receipt, parse_receipt
from monoskope.protocol.recipes import Recipe
from monoskope.protocol.request import Request
from monoskope.protocol.signed_request import statement
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.report.audit_log import AuditFile
from monoskope.reactor.run import Reactor
from monoskope.reactor.settings import CopyRule, PathPair, ReactorLimits
from monoskope.reactor.signers.settings import MayRule, SignersFile
from monoskope.testing.cluster.identities import Identity
from monoskope.uri import SecretUri
from tests.protocol.reactor import IDENTITY
from tests.support.passing import Passing
from tests.support.reactor_world import FAST, K, MemoryStore, ask, seal, settings
from tests.support.real_m8 import RealM8, serving
from tests.support.ssh_signing import SigningKey

pytestmark = pytest.mark.asyncio(loop_scope="module")

ALICE, STRANGER = SigningKey(), SigningKey()
ALL_RIGHTS = frozenset(events_pb2.Right.values()) - {events_pb2.RIGHT_UNSPECIFIED}
OTHER_STORE = Identity()
FIRST, SECOND = {"password": b"of alice"}, {"password": b"of alice, later"}
M8S_OWN = {"password": b"of m8"}
NOT_AUTHORIZED = upload_pb2.REASON_NOT_AUTHORIZED
UPLOAD, DELETE = upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_DELETE

Purpose = upload_pb2.Purpose
FIELDS: Mapping[Purpose, dict[str, Any]] = {
    upload_pb2.PURPOSE_GENERATE: {"recipes": (Recipe("password", "password"),)},
    upload_pb2.PURPOSE_ROLLBACK: {"to_version": "first"},
    upload_pb2.PURPOSE_COPY: {"destination": SecretUri.parse("other://team-a/db")},
}
"""What a request of a purpose says besides its place."""

names = itertools.count(1)


@dataclass
class Stage:
    """m8, its wire, and a reactor with its engine.

    Attributes:
        m8: The attacker.
        store: The engine.
        signed: Whether the reactor has `[signers]`, with alice in it.
        folder: m8's and the reactor's.
    """

    m8: RealM8
    store: MemoryStore
    signed: bool
    folder: Path
    seen: list[bytes] = field(default_factory=list)
    """Signatures of alice that came by."""

    async def grant(self, request: Request) -> Grant:
        """Have m8 ask for a key in alice's name."""
        await self.m8.ask(request)
        return await self.m8.granted(request.request_id)

    async def deliver(self, grant: Grant, sealed: bytes, signature: bytes) -> views_pb2.SecretUpload:
        """Have m8 deliver sealed bytes with a signature, and return how that ended."""
        message = commands_pb2.RequestUploadSecretRequest(
            request_id=grant.request.request_id,
            encapsulated_key=sealed[:ENCAPSULATED_KEY_BYTES],
            ciphertext=sealed[ENCAPSULATED_KEY_BYTES:],
            request_signature=signature,
        )
        await self.m8.alice.commands.RequestUploadSecret(message, metadata=self.m8.alice.metadata)
        return await self.m8.ended(grant.request.request_id)

    async def by_alice(self, request: Request, values: Mapping[str, bytes] = FIRST) -> Receipt:
        """Do what alice wants, and asserts that it was done."""
        grant = await self.grant(request)
        sealed = sealed_for(grant, values)
        signature = signed_by(ALICE, grant, sealed) if grant.signature_required else b""
        self.seen.append(signature)
        receipt = read(await self.deliver(grant, sealed, signature))
        assert receipt.outcome in PURPOSES[request.purpose].successes
        return receipt

    async def prepared(self, purpose: Purpose) -> Request:
        """Put what the purpose needs at a new place, as alice, and return a request of m8's own for there."""
        uri = SecretUri.parse(f"memory://team-a/n{next(names)}")
        fields = dict(FIELDS.get(purpose, {}))
        first = await self.by_alice(ask(UPLOAD, uri=uri))
        if purpose == upload_pb2.PURPOSE_ROLLBACK:
            fields["to_version"] = first.upstream_version
            await self.by_alice(ask(UPLOAD, uri=uri), SECOND)
        if purpose == upload_pb2.PURPOSE_UNDELETE:
            await self.by_alice(ask(DELETE, uri=uri))
        return ask(purpose, uri=uri, **fields)

    async def again(self) -> None:
        """Break the reactor's connection, and wait until it is back."""
        times = self.m8.count("Attached")
        self.m8.hang_up()
        await self.m8.attached(times + 1)

    def there(self, uri: SecretUri) -> object:
        """Everything that the engine has at a place."""
        return list(self.store.content[uri.path]), self.store.aside.get(uri.path)


def sealed_for(grant: Grant, values: Mapping[str, bytes]) -> bytes:
    """What a client of the purpose sends."""
    return seal(grant, encode(Payload(values))) if grant.request.rules.seals else b""


def signed_by(key: SigningKey, grant: Grant, sealed: bytes) -> bytes:
    """A signature as the protocol wants it."""
    return key.sign(statement(grant.sha256, hashlib.sha256(sealed).digest()))


def read(upload: views_pb2.SecretUpload) -> Receipt:
    """The receipt of an end, verified."""
    return parse_receipt(open_signed(upload.receipt, RECEIPT, IDENTITY.shown))


@asynccontextmanager
async def stage(folder: Path, *, signed: bool) -> AsyncIterator[Stage]:
    """A stage for many attacks, each at a place of its own."""
    async with serving(folder) as m8:
        await m8.create(IDENTITY.shown, kind="memory")
        await m8.world.administrator().create("other", OTHER_STORE.shown, kind="memory")
        m8.alice = m8.world.user("alice", "memory://", "other://", rights=ALL_RIGHTS)
        copies = CopyRule("other", OTHER_STORE.shown, [PathPair("team-a", "team-a")])
        of = replace(
            settings(folder, server=m8.server), copies=(copies,), **({"signers": lists(folder)} if signed else {})
        )
        store, audit, stop = MemoryStore(), AuditFile(folder / "audit.jsonl"), asyncio.Event()
        reactor = Reactor(of, store, IDENTITY, FingerprintKey(K), audit, timings=FAST)
        running = asyncio.create_task(reactor.run(stop))
        try:
            await m8.attached()
            yield Stage(m8, store, signed, folder)
        finally:
            stop.set()
            await running
            audit.close()


def lists(folder: Path) -> SignersFile:
    """`[signers]` with alice, who may do everything."""
    (folder / "allowed_signers").write_text(f'alice namespaces="request@monoskope" {ALICE.line}\n')
    (folder / "revoked_keys").write_text("")
    purposes = [upload_pb2.Purpose.Name(purpose).removeprefix("PURPOSE_").lower() for purpose in PURPOSES]
    may = MayRule("alice", ["team-a"], purposes, ["other://team-a"])
    return SignersFile("allowed_signers", "revoked_keys", may=[may])


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def without(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with stage(tmp_path_factory.mktemp("without"), signed=False) as found:
        yield found


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def signed(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with stage(tmp_path_factory.mktemp("signed"), signed=True) as found:
        yield found


def word(purpose: Purpose) -> str:
    return upload_pb2.Purpose.Name(purpose).removeprefix("PURPOSE_").lower()


every_purpose = pytest.mark.parametrize("purpose", sorted(PURPOSES), ids=word)


@every_purpose
async def test_without_signers_m8_does_it_on_its_own(without: Stage, purpose: Purpose) -> None:
    request = await without.prepared(purpose)
    grant = await without.grant(request)
    end = await without.deliver(grant, sealed_for(grant, M8S_OWN), b"")
    if purpose == upload_pb2.PURPOSE_COPY:  # its destination has no reactor here: but the source began
        assert without.m8.count("AuthorizeCopy") == 1
    else:
        assert end.outcome in PURPOSES[purpose].successes


HELD = ("nothing", "a key of its own", "a signature of alice's from the log", "alice's signature over other bytes")


@every_purpose
@pytest.mark.parametrize("held", HELD)
async def test_with_signers_it_is_refused_whatever_m8_has(signed: Stage, purpose: Purpose, held: str) -> None:
    request = await signed.prepared(purpose)
    before, calls = signed.there(request.uri), len(signed.store.calls)
    grant = await signed.grant(request)
    sealed = sealed_for(grant, M8S_OWN)
    signature = {
        "nothing": b"",
        "a key of its own": signed_by(STRANGER, grant, sealed),
        "a signature of alice's from the log": signed.seen[-1],
        "alice's signature over other bytes": signed_by(ALICE, grant, sealed + b"other"),
    }[held]
    end = await signed.deliver(grant, sealed, signature)
    assert (end.outcome, end.reason) == (upload_pb2.OUTCOME_FAILED, NOT_AUTHORIZED)
    receipt = read(end)
    told = receipt.fingerprint, receipt.values, receipt.differences, receipt.listed, receipt.signer
    assert not any(told)
    assert signed.there(request.uri) == before
    looks = set(signed.store.calls[calls:])
    assert looks <= {"check", "read_version", "deleted_version"}, "the look when a key is made, and nothing else"
    assert "SecretUploadStarted" not in await signed.m8.kinds(request.request_id)


@every_purpose
async def test_with_signers_alice_does_it(signed: Stage, purpose: Purpose) -> None:
    request = await signed.prepared(purpose)
    grant = await signed.grant(request)
    sealed = sealed_for(grant, FIRST)
    receipt = read(await signed.deliver(grant, sealed, signed_by(ALICE, grant, sealed)))
    if purpose == upload_pb2.PURPOSE_COPY:
        assert receipt.reason not in {upload_pb2.REASON_UNSPECIFIED, NOT_AUTHORIZED}
    else:
        assert receipt.outcome in PURPOSES[purpose].successes
        assert (receipt.signer, receipt.signer_key) == ("alice", ALICE.shown)


async def waiting(signed: Stage) -> tuple[Grant, bytes, bytes]:
    """A put of alice's at a new place, signed and not yet sent."""
    grant = await signed.grant(ask(UPLOAD, uri=SecretUri.parse(f"memory://team-a/n{next(names)}")))
    sealed = sealed_for(grant, FIRST)
    return grant, sealed, signed_by(ALICE, grant, sealed)


async def test_signatures_of_two_requests_that_m8_swaps_are_worth_nothing(signed: Stage) -> None:
    (one, its, of_one), (other, others, of_other) = await waiting(signed), await waiting(signed)
    for grant, sealed, swapped in ((one, its, of_other), (other, others, of_one)):
        assert (await signed.deliver(grant, sealed, swapped)).reason == NOT_AUTHORIZED
        assert signed.there(grant.request.uri) == ([], None)


async def test_a_signed_request_counts_once_however_often_m8_delivers_it(signed: Stage) -> None:
    grant, sealed, signature = await waiting(signed)
    uri = grant.request.uri

    def thrice(one: Passing, _: object) -> None:
        for _ in range(3):
            one.go()

    signed.m8.wire.on_delivery("SecretUploadRequested", thrice, of=str(uri))
    assert (await signed.deliver(grant, sealed, signature)).outcome == upload_pb2.OUTCOME_UPLOADED
    assert (await signed.by_alice(ask(UPLOAD, uri=uri), SECOND)).outcome == upload_pb2.OUTCOME_UPLOADED
    assert [payload for _, payload, _ in signed.store.content[uri.path]] == [FIRST, SECOND]


async def test_m8_chooses_when_a_signed_request_arrives_while_its_key_lives(signed: Stage) -> None:
    grant, sealed, signature = await waiting(signed)
    uri = grant.request.uri
    held = signed.m8.wire.hold_delivery("SecretUploadRequested", of=str(uri))
    ending = asyncio.create_task(signed.deliver(grant, sealed, signature))
    await held.arrived()
    assert signed.there(uri) == ([], None)
    held.release()
    receipt = read(await ending)
    assert (receipt.outcome, receipt.signer) == (upload_pb2.OUTCOME_UPLOADED, "alice")


async def test_an_m8_that_calls_itself_too_old_for_signatures_gets_nothing_unsigned(signed: Stage) -> None:
    def older(answer: reactor_pb2.AttachResponse) -> reactor_pb2.AttachResponse:
        answer.attached.ClearField("signatures")
        return answer

    signed.m8.wire.change_delivery("Attached", older)
    await signed.again()
    request = ask(UPLOAD, uri=SecretUri.parse(f"memory://team-a/n{next(names)}"))
    await signed.m8.ask(request)
    end = await signed.m8.ended(request.request_id)
    assert end.reason == upload_pb2.REASON_UNSUPPORTED
    assert "m8 is older" in end.detail
    await signed.again()
    await signed.by_alice(ask(UPLOAD, uri=request.uri))


async def test_nobody_signs_for_a_grant_from_which_m8_took_the_need_of_a_signature(signed: Stage) -> None:
    grant, _, _ = await waiting(signed)
    key = await signed.m8.alice.key(grant.request.request_id)
    stripped = upload_pb2.UploadGrant.FromString(key.grant.content)
    stripped.ClearField("signature_required")
    key.grant.content = stripped.SerializeToString(deterministic=True)
    with pytest.raises(ProofError):
        open_signed(key.grant, UPLOAD_GRANT, IDENTITY.shown)


async def test_comparisons_that_nobody_signed_use_up_no_guess_of_alices(signed: Stage) -> None:
    request = await signed.prepared(upload_pb2.PURPOSE_COMPARE)
    for _ in range(12):  # more than are allowed of one secret in an hour
        grant = await signed.grant(ask(upload_pb2.PURPOSE_COMPARE, uri=request.uri))
        assert (await signed.deliver(grant, sealed_for(grant, M8S_OWN), b"")).reason == NOT_AUTHORIZED
    assert (await signed.by_alice(request)).outcome == upload_pb2.OUTCOME_EQUAL


async def test_a_replica_without_signers_still_obeys_m8(signed: Stage, tmp_path: Path) -> None:
    wanting = signed.m8.wire.live("memory")[-1]
    of, audit, stop = (
        settings(signed.folder, server=signed.m8.server),
        AuditFile(tmp_path / "audit.jsonl"),
        asyncio.Event(),
    )
    running = asyncio.create_task(Reactor(of, signed.store, IDENTITY, FingerprintKey(K), audit, timings=FAST).run(stop))
    try:
        await signed.m8.attached(signed.m8.count("Attached") + 1)

        def choose(one: Passing, _: object) -> None:
            if one.session is not wanting:
                one.go()

        chosen = signed.m8.wire.on_delivery("SecretUploadKeyRequested", choose, times=None)
        grant = await signed.grant(ask(UPLOAD, uri=SecretUri.parse(f"memory://team-a/n{next(names)}")))
        chosen.disarm()
        assert (await signed.deliver(grant, sealed_for(grant, M8S_OWN), b"")).outcome == upload_pb2.OUTCOME_UPLOADED
    finally:
        stop.set()
        await running
        audit.close()
