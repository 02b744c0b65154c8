"""A hostile m8 in front of a real reactor with an engine in memory, which has `[signers]` or has not."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from monoskope.api.gateway.v1 import commands_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.m8.domain.principal import RIGHT_NAMES
from monoskope.protocol.grant import ENCAPSULATED_KEY_BYTES, Grant
from monoskope.protocol.identity import RECEIPT, open_signed
from monoskope.protocol.payload import Payload, encode
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.receipt import Receipt, parse_receipt
from monoskope.protocol.recipes import Recipe
from monoskope.protocol.request import Request
from monoskope.reactor.copy_rules import CopyRule, PathPair
from monoskope.reactor.identity.fingerprint import FingerprintKey
from monoskope.reactor.report.audit_log import AuditFile
from monoskope.reactor.run import Reactor
from monoskope.reactor.settings import ReactorLimits
from monoskope.reactor.signers.settings import SignersFile
from monoskope.testing.cluster.identities import Identity
from monoskope.uri import SecretUri
from tests.protocol.reactor import IDENTITY, PATIENT
from tests.support.memory_store import MemoryStore
from tests.support.reactor_requests import ask, seal
from tests.support.reactor_world import K, settings
from tests.support.real_m8 import RealM8, serving
from tests.support.signed_requests import Person

ALICE = Person("alice")
ALL_RIGHTS = frozenset(RIGHT_NAMES)
OTHER_STORE = Identity()
FIRST, SECOND = {"password": b"of alice"}, {"password": b"of alice, later"}
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
    """m8, its wire, and a reactor with its engine."""

    m8: RealM8
    store: MemoryStore
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
        await self.m8.alice.call(message)
        return await self.m8.ended(grant.request.request_id)

    async def by_alice(self, request: Request, values: Mapping[str, bytes] = FIRST) -> Receipt:
        """Do what alice wants, and asserts that it was done."""
        grant = await self.grant(request)
        sealed = sealed_for(grant, values)
        signature = ALICE.signs(grant, digest(sealed)) if grant.signature_required else b""
        self.seen.append(signature)
        receipt = read(await self.deliver(grant, sealed, signature))
        assert receipt.outcome in PURPOSES[request.purpose].successes
        return receipt

    async def prepared(self, purpose: Purpose) -> Request:
        uri = new_place()
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
        return list(self.store.content[uri.path]), self.store.aside.get(uri.path)


def new_place() -> SecretUri:
    return SecretUri.parse(f"memory://team-a/n{next(names)}")


def sealed_for(grant: Grant, values: Mapping[str, bytes]) -> bytes:
    """What a client of the purpose sends."""
    return seal(grant, encode(Payload(values))) if grant.request.rules.seals else b""


def digest(sealed: bytes) -> bytes:
    """What a signature names of the sealed bytes."""
    return hashlib.sha256(sealed).digest()


def read(upload: views_pb2.SecretUpload) -> Receipt:
    return parse_receipt(open_signed(upload.receipt, RECEIPT, IDENTITY.shown))


@asynccontextmanager
async def stage(folder: Path, signers: SignersFile | None) -> AsyncIterator[Stage]:
    """A stage for many requests, each at a place of its own. The lists of `signers` lie in the folder."""
    async with serving(folder) as m8:
        await m8.create(IDENTITY.shown, kind="memory")
        await m8.world.administrator().create("other", OTHER_STORE.shown, kind="memory")
        m8.alice = m8.world.user("alice", "memory://", "other://", rights=ALL_RIGHTS)
        copies = CopyRule("other", OTHER_STORE.shown, [PathPair("team-a", "team-a")])
        many = ReactorLimits(uploads_per_second=1_000)
        of = settings(folder, server=m8.server, limits=many)
        of = replace(of, copies=(copies,), signers=signers)
        store, audit, stop = MemoryStore(), AuditFile(folder / "audit.jsonl"), asyncio.Event()
        reactor = Reactor(of, store, IDENTITY, FingerprintKey(K), audit, timings=PATIENT)
        running = asyncio.create_task(reactor.run(stop))
        try:
            await m8.attached()
            yield Stage(m8, store, folder)
        finally:
            stop.set()
            await running
            audit.close()
