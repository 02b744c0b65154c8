"""A reactor that asks for approvals, with a requester, approvers, and everything that can be wrong between them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.protocol.change import Change, make_change, request_of
from monoskope.protocol.identity import Namespace, approval_statement
from monoskope.protocol.payload import Payload
from monoskope.protocol.purposes import PURPOSES
from monoskope.protocol.receipt import Receipt
from monoskope.protocol.recipes import Recipe
from monoskope.protocol.request import Request
from monoskope.reactor.identity.store_identity import Identity
from monoskope.reactor.signers.approvals import Presented
from monoskope.reactor.signers.settings import PURPOSE_BY_WORD
from tests.support import ssh_blobs
from tests.support.memory_store import URI
from tests.support.reactor_requests import ask, outcome
from tests.support.reactor_world import SEED, World
from tests.support.signed_requests import Person, approvers, may, signers, table
from tests.support.ssh_blobs import SshKey
from tests.unit.reactor.copies import DESTINATION, Copies

ANNA, BEN, EVA, SETTER = (Person(f"{name}@example.org") for name in ("anna", "ben", "eva", "setter"))
BEN_AGAIN = Person(BEN.name)
STRANGER = Person("mallory@example.org")
CA = ssh_blobs.ed25519()
WRITING = {word: purpose for word, purpose in PURPOSE_BY_WORD.items() if PURPOSES[purpose].writes}
IDENTITY = Identity(SEED, store="memory").shown
BEFORE = {"password": b"before", "user": b"app"}
SENT = {"password": b"sent", "user": b"app"}
CA_LINE = f'ben@example.org,eva@example.org cert-authority,namespaces="approval@monoskope" {CA.line}'


def certified(
    name: str,
    change: Change,
    key: SshKey | None = None,
    *,
    ended: bool = False,
    hours: int = 1,
    sha256: bytes | None = None,
) -> bytes:
    """Return an approval of `name`, by a certificate of the CA that approvers have."""
    key = key or ssh_blobs.ed25519()
    now = int(time.time()) - (7_200 if ended else 0)
    signer = ssh_blobs.certificate(key, CA, valid=(now - 60, now + hours * 3_600), principals=(name.encode(),))
    namespace = Namespace.APPROVAL.value.encode()
    statement = approval_statement(sha256 or change.sha256)
    return ssh_blobs.container(signer, key.sign(ssh_blobs.to_sign(statement, namespace=namespace)), namespace=namespace)


class SecurityKey(Person):
    """A person whose key is in a FIDO device, which says that it was touched."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._hardware = ssh_blobs.ed25519(b"ssh:")
        self.public = self._hardware.line
        self.flags = ssh_blobs.PRESENT

    @property
    def key(self) -> str:
        return self._hardware.fingerprint

    def signs_statement(self, message: bytes, namespace: Namespace = Namespace.REQUEST) -> bytes:
        name = namespace.value.encode()
        signature = self._hardware.sign(ssh_blobs.to_sign(message, namespace=name), flags=self.flags)
        return ssh_blobs.container(self._hardware.blob, signature, namespace=name)


class Scene:
    """An engine on which one purpose can be done, by anna, if two others approve."""

    def __init__(self, folder: Path, purpose: upload_pb2.Purpose, *, needed: int = 2) -> None:
        self.folder, self.purpose, self.needed = folder, purpose, needed
        self.revoked: list[str] = []
        self.copies = Copies(folder, signers=self.lists())
        self.world: World = self.copies.world
        self.newest: Receipt | None = None

    def lists(self) -> Any:
        people = (BEN, BEN_AGAIN, EVA, ANNA)
        return signers(
            self.folder,
            ANNA,
            SETTER,
            file=table(
                may(ANNA, *WRITING, approvals=self.needed), may(SETTER), approve=[approvers(ANNA, BEN, EVA, STRANGER)]
            ),
            revoked=self.revoked,
            approvers=[*people, CA_LINE],
            identity=IDENTITY,
        )

    async def ready(self) -> Scene:
        """Bring the engine to where the purpose can be done."""
        world = self.world
        self.newest = await world.walk(secret=BEFORE, sign=SETTER.signs)
        if self.purpose == upload_pb2.PURPOSE_ROLLBACK:
            self.newest = await world.walk(secret={"password": b"later"}, sign=SETTER.signs)
        if self.purpose == upload_pb2.PURPOSE_UNDELETE:
            self.newest = await world.walk(ask(upload_pb2.PURPOSE_DELETE), sign=SETTER.signs)
        self.clear()
        return self

    def clear(self) -> None:
        self.world.log.events.clear()
        self.world.audit.entries.clear()
        self.world.memory.calls.clear()
        self.copies.jobs.clear()

    @property
    def version(self) -> str:
        """The version that the change is about."""
        if self.purpose == upload_pb2.PURPOSE_UNDELETE:
            return str(self.world.memory.aside[URI.path][0][-1][0])
        return self.world.memory.now()

    def asked(self, **fields: Any) -> Request:
        """What is proposed."""
        more: dict[str, Any] = {"expect": upload_pb2.EXPECT_VERSION, "expect_version": self.version}
        if self.purpose == upload_pb2.PURPOSE_COPY:
            more = {"expect": upload_pb2.EXPECT_ABSENT, "destination": DESTINATION, "source_version": self.version}
        if self.purpose == upload_pb2.PURPOSE_GENERATE:
            more["recipes"] = (Recipe("password", "password"),)
        if self.purpose == upload_pb2.PURPOSE_ROLLBACK:
            more["to_version"] = "v1"
        return ask(self.purpose, **{**more, **fields})

    @property
    def secret(self) -> dict[str, bytes]:
        """What is sealed."""
        return SENT if PURPOSES[self.purpose].seals else {}

    def change(self, request: Request | None = None, **fields: Any) -> Change:
        """The change as anna proposes it."""
        return make_change(
            **{
                "change_id": secrets.token_bytes(16),
                "request": request or self.asked(),
                "requester": ANNA.name,
                "identity": IDENTITY,
                "not_after": int(time.time()) + 3_600,
                "keys": tuple(sorted(self.secret)),
                **fields,
            }
        )

    def fingerprint(self) -> str:
        """Of what is put."""
        put = BEFORE if self.purpose == upload_pb2.PURPOSE_COPY else SENT
        return self.world.key.fingerprints(Payload(put)).whole

    async def executed(
        self,
        change: Change,
        approvals: Sequence[bytes],
        *,
        request: Request | None = None,
        secret: dict[str, bytes] | None = None,
        presented: bytes | None = None,
        newest: Receipt | None = None,
    ) -> str:
        """Let anna execute `change`; return what came of it."""
        request = request or request_of(change, request_id=secrets.token_bytes(16), suites=(1,))
        content = change.content if presented is None else presented
        delivered = self.world.sealed(
            request,
            self.secret if secret is None else secret,
            newest=newest or self.newest,
            sign=ANNA.signs,
            presented=Presented(content, tuple(approvals)),
        )
        assert await self.world.handler.handle(delivered)
        return outcome(self.world.receipt())

    def there(self) -> Any:
        """What the engine holds, here and at the destination of copies."""
        memory = self.world.memory
        content = {path: list(versions) for path, versions in memory.content.items()}
        aside = {path: (list(versions), name) for path, (versions, name) in memory.aside.items()}
        return content, aside, list(self.copies.jobs)

    def back(self, there: Any) -> None:
        """Let the engine hold again what it held, as after a deletion that was undone."""
        content, aside, _ = there
        self.world.memory.content.clear()
        self.world.memory.content.update({path: list(versions) for path, versions in content.items()})
        self.world.memory.aside = dict(aside)
