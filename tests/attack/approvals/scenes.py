"""Where one purpose can be done by anna, if two others approve; and a requester who keeps nothing back."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client, Expect, Proposal
from monoskope.client.changes.proposal import of_change, result_of
from monoskope.client.purposes import encoded
from monoskope.client.purposes.copy import copied
from monoskope.client.results.changes import ProposedChange
from monoskope.client.walk.results import Proven
from monoskope.client.walk.target import Target
from monoskope.client.walk.walk import Walk
from monoskope.errors import NotAuthorizedError
from monoskope.protocol.change import Change, make_change
from monoskope.protocol.purposes import PURPOSES
from monoskope.testing.cluster import MOUNT, PREFIX
from tests.support.approvals_world import ANNA, EVA, SETTER, Company, write_list
from tests.support.engines import AgeEngine, Engine, OpenBaoEngine
from tests.support.ssh import shown

FIRST = {"password": b"first", "user": b"app"}
SENT = {"password": b"sent", "user": b"app"}
OTHER_KEYS = {"password": b"sent", "admin": b"app"}

CERTIFICATE_S = 5
"""How long a certificate holds that is to end: long enough to approve with it."""

Purpose = upload_pb2.Purpose
names = itertools.count(1)


def text(values: Mapping[str, bytes]) -> dict[str, str]:
    return {key: value.decode() for key, value in values.items()}


async def present(
    client: Client, change: Change, approvals: Sequence[bytes], values: Mapping[str, bytes] | None = None
) -> Proven:
    """Execute a change with these approvals, whatever they are: as a requester does who keeps nothing back.

    The client itself would send none that is no good signature of this change.
    """
    plaintext = encoded(values) if values else b""
    destination = change.request.destination

    async def one(walk: Walk, source: Target) -> Proven:
        task = of_change(change, plaintext, tuple(approvals), awaits=False)
        if destination is None:
            return result_of(task, await walk.run(task))
        return await copied(walk, task, await client._session.target(str(destination), 60))

    return await client._session.one(str(change.request.uri), 60, one)


@dataclass
class Stage:
    """The company with a store in OpenBao and one in age files, which ask anna for two approvals."""

    company: Company
    scenes: dict[Purpose, Scene] = field(default_factory=dict)
    """One for each purpose that nothing may change."""
    ends_at: float = 0.0
    """When the certificate `ended` ends."""

    @property
    def anna(self) -> Client:
        return self.company.clients[ANNA]

    @property
    def setter(self) -> Client:
        return self.company.clients[SETTER]

    async def approved_by(self, name: str, change_id: str) -> ProposedChange:
        """Let somebody look at a change as m8 shows it, and approve it."""
        changes = self.company.clients[name].changes
        return await changes.approve(await changes.get(change_id))

    def approval(self, change: Change, *people: str) -> list[bytes]:
        return [self.company.signer(one).approve_now(change) for one in people]

    def engine(self, store: str) -> Engine:
        return OpenBaoEngine(self.company.cluster.bao) if store == "vault" else AgeEngine(self.company.home(store))

    def audit(self, store: str = "vault") -> list[dict[str, Any]]:
        """What the reactor of a store wrote down."""
        return [json.loads(one) for one in (self.company.home(store) / "audit.jsonl").read_text().splitlines()]

    async def prepare(self, *purposes: Purpose) -> None:
        """Propose each purpose at a scene that stays as it is, and approve it with keys that will not count then."""
        for purpose in purposes:
            self.scenes[purpose] = await self.scene(purpose)
            await self.scenes[purpose].propose()
        self.company.certified("ended", EVA, valid=f"-1m:+{CERTIFICATE_S}s")
        self.ends_at = time.time() + CERTIFICATE_S + 1
        for scene in self.scenes.values():
            for name in ("revoked", "ended"):
                [scene.early[name]] = self.approval(await scene.change(), name)
        write_list(self.company.home("vault") / "revoked_keys", [shown(self.company.key("revoked"))])

    async def ended(self) -> None:
        """Return once the certificate has ended."""
        while time.time() <= self.ends_at:
            await asyncio.sleep(0.05)

    async def revoked(self) -> None:
        """Return once the reactor of `vault` counts by the list that revokes a key."""
        scene = next(iter(self.scenes.values()))
        digest = hashlib.sha256((self.company.home("vault") / "revoked_keys").read_bytes()).hexdigest()
        while digest not in {one.get("revoked_sha256") for one in self.audit()[-2:]}:
            with pytest.raises(NotAuthorizedError):
                await scene.present(await scene.change(), [])

    async def scene(self, purpose: Purpose, store: str = "vault", *, absent: bool = False) -> Scene:
        """Return a place where a purpose can be done.

        Args:
            purpose: Which.
            store: Where.
            absent: Whether nothing is there, where it can be put or generated.
        """
        uri = f"{store}://app/n{next(names)}"
        scene = Scene(self, purpose, uri, f"files://app/n{next(names)}")
        if absent and purpose in {upload_pb2.PURPOSE_UPLOAD, upload_pb2.PURPOSE_GENERATE}:
            return scene
        first = await self.setter.put_secret(uri, FIRST)
        scene.first, scene.hash = first.upstream_version, first.hash
        if purpose == upload_pb2.PURPOSE_ROLLBACK:
            await self.setter.put_secret(uri, SENT)
        if purpose == upload_pb2.PURPOSE_UNDELETE:
            await self.setter.delete_secret(uri)
        return scene


@dataclass
class Scene:
    """A secret on which one purpose can be done."""

    stage: Stage
    purpose: Purpose
    uri: str
    destination: str
    first: str = ""
    """The version that was put first."""
    hash: str = ""
    """And its fingerprint."""
    proposed: ProposedChange | None = None
    before: object = None
    """What the engines held before the last request."""
    early: dict[str, bytes] = field(default_factory=dict)
    """Approvals of what was proposed, by keys that count no more."""

    @property
    def store(self) -> str:
        return self.uri.partition("://")[0]

    @property
    def path(self) -> str:
        return self.uri.partition("://")[2]

    @property
    def values(self) -> dict[str, bytes]:
        return SENT if PURPOSES[self.purpose].seals else {}

    def proposal(self) -> Proposal:
        uri = self.uri
        make = {
            upload_pb2.PURPOSE_UPLOAD: lambda: Proposal.put(uri, SENT),
            upload_pb2.PURPOSE_PATCH: lambda: Proposal.patch(uri, SENT),
            upload_pb2.PURPOSE_GENERATE: lambda: Proposal.generate(uri, {"password": "password"}),
            upload_pb2.PURPOSE_DELETE: lambda: Proposal.delete(uri),
            upload_pb2.PURPOSE_UNDELETE: lambda: Proposal.undelete(uri),
            upload_pb2.PURPOSE_ROLLBACK: lambda: Proposal.rollback(uri, self.first),
            upload_pb2.PURPOSE_COPY: lambda: Proposal.copy(uri, self.destination),
        }
        return make[self.purpose]()

    async def propose(self, **more: Any) -> ProposedChange:
        self.proposed = await self.stage.anna.changes.propose(self.proposal(), requester=ANNA, **more)
        return self.proposed

    async def change(self, **fields: Any) -> Change:
        """Return the change that anna proposed, or one with other fields, which needs approvals of its own."""
        base = (self.proposed or await self.propose()).change
        if not fields:
            return base
        kept = ("request", "requester", "identity", "not_after", "keys", "fingerprint", "reason")
        return make_change(**{"change_id": os.urandom(16), **{name: getattr(base, name) for name in kept}, **fields})

    def there(self) -> object:
        """What the engines hold, by their own clients."""
        here = self.stage.engine(self.store).history(self.path)
        if self.purpose != upload_pb2.PURPOSE_COPY:
            return here
        return here, self.stage.engine("files").history(self.destination.partition("://")[2])

    def is_done(self) -> bool:
        """Whether the engine holds what the purpose leaves there."""
        here = self.stage.engine(self.store).history(self.path)
        newest = here[-1].content
        match self.purpose:
            case upload_pb2.PURPOSE_UPLOAD | upload_pb2.PURPOSE_PATCH:
                return newest == text(SENT)
            case upload_pb2.PURPOSE_GENERATE:
                return newest is not None and newest.keys() == {"password"}
            case upload_pb2.PURPOSE_DELETE:
                return newest is None
            case upload_pb2.PURPOSE_COPY:
                [there] = self.stage.engine("files").history(self.destination.partition("://")[2])
                return there.content == text(FIRST)
            case _:
                return newest == text(FIRST)

    async def present(
        self, change: Change, approvals: Sequence[bytes], values: Mapping[str, bytes] | None = None
    ) -> Proven:
        return await present(self.stage.anna, change, approvals, self.values if values is None else values)

    async def by_people(self, *people: str) -> Proven:
        """Let people look at what anna proposed, and approve it; and let anna execute it. m8 carries everything."""
        proposed = self.proposed or await self.propose()
        for name in people:
            await self.stage.approved_by(name, proposed.change_id)
        found = await self.stage.anna.changes.get(proposed.change_id)
        return await self.stage.anna.changes.run(found, self.values or None)

    async def by_others(self, what: str) -> None:
        """Write, delete, undelete or remove the secret: in OpenBao past m8, in age files by somebody else's request."""
        if self.store != "vault":
            setter, uri = self.stage.setter, self.uri
            if what == "write":
                await setter.put_secret(uri, {"password": b"of somebody else"}, expect=Expect.OVERWRITE)
            elif what == "undelete":
                await setter.undelete_secret(uri)
            else:
                await setter.delete_secret(uri, destroy=what == "remove")
            return
        method, where, body = {
            "write": ("POST", "data", {"data": {"password": "of somebody else"}}),
            "delete": ("DELETE", "data", None),
            "undelete": ("POST", "undelete", {"versions": [1]}),
            "remove": ("DELETE", "metadata", None),
        }[what]
        self.stage.company.cluster.bao.call(method, f"{MOUNT}/{where}/{PREFIX}/{self.path}", body)

    async def bring_back(self) -> None:
        """Bring back what the change expected, once it is done: nobody can where it replaced a version."""
        match self.purpose:
            case upload_pb2.PURPOSE_UPLOAD | upload_pb2.PURPOSE_GENERATE:
                await self.by_others("remove")
            case upload_pb2.PURPOSE_DELETE:
                await self.by_others("undelete")
            case upload_pb2.PURPOSE_UNDELETE:
                await self.by_others("delete")
            case upload_pb2.PURPOSE_COPY:
                await self.stage.setter.delete_secret(self.destination, destroy=True)
            case _:
                pass

    async def fingerprint(self) -> str:
        """Return that of what is put."""
        if self.purpose == upload_pb2.PURPOSE_COPY:
            return self.hash
        return (await self.stage.setter.put_secret(f"{self.uri}-same", SENT)).hash
