"""A copier on an engine in memory, with a destination that does what the test says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client.walk.task import Result
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT
from monoskope.protocol.payload import Payload
from monoskope.protocol.receipt import make_receipt
from monoskope.protocol.request import Request
from monoskope.reactor.copy_rules import CopyRule, PathPair
from monoskope.reactor.link.appends import CopyTokens
from monoskope.reactor.reasons import Failure
from monoskope.reactor.settings import ReactorSettings
from monoskope.reactor.signers import Signers
from monoskope.reactor.work.copy_secret import Copier, CopyPut
from monoskope.testing.scripted.client import token
from monoskope.uri import SecretUri
from tests.support.reactor_requests import ask
from tests.support.reactor_world import FAST, World, settings
from tests.support.vectors import Signer, a_grant, a_request

COPY = upload_pb2.PURPOSE_COPY
DESTINATION = SecretUri.parse("other://team-a/db")
DESTINATION_IDENTITY = Signer()
TOKEN = token("alice")


def configured(folder: Path, *pairs: tuple[str, str], to: str = "other") -> ReactorSettings:
    paths = [PathPair(source, destination) for source, destination in pairs or (("team-a", "team-a"),)]
    return replace(settings(folder), copies=(CopyRule(to, DESTINATION_IDENTITY.shown, paths),))


def asked(**fields: Any) -> Request:
    return ask(COPY, **{"destination": DESTINATION, **fields})


class Copies:
    """A world with a copier whose destination does what the test says."""

    def __init__(self, folder: Path, *, signers: Signers | None = None) -> None:
        self.world = World(signers=signers)
        self.jobs: list[CopyPut] = []
        self.seen: list[dict[str, bytes]] = []
        self.tokens = CopyTokens()
        self.asked: list[reactor_pb2.AttachRequest] = []
        self.answer = reactor_pb2.CopyAuthorized(token=TOKEN)
        self.there: Any = self.put
        self.tokens.connected(self.say)
        self.copier = Copier(
            settings=configured(folder),
            upstream=self.world.upstream,
            begin_s=FAST.young,
            tokens=self.tokens,
            put=self.receive,
            now=self.world.now,
        )
        self.world.handler = self.world.handler_with(self.copier)

    def say(self, message: reactor_pb2.AttachRequest) -> None:
        self.asked.append(message)
        answer = reactor_pb2.CopyAuthorized()
        answer.CopyFrom(self.answer)
        answer.call = message.authorize_copy.call
        self.tokens.answered(answer)

    async def receive(self, job: CopyPut, payload: Payload) -> Result | Failure:
        self.jobs.append(job)
        found: Result | Failure | upload_pb2.Reason = self.there(payload)
        return Failure(found) if isinstance(found, int) else found

    def put(self, payload: Payload, fingerprint: str = "") -> Result:
        """What the destination's reactor makes of the put that was asked of it last."""
        job, made = self.jobs[-1], self.world.key.fingerprints(payload)
        grant = a_grant(a_request(uri=str(job.destination), request_id=job.request_id))
        receipt = make_receipt(
            grant=grant,
            sealed_sha256=b"s" * 32,
            outcome=upload_pb2.OUTCOME_UPLOADED,
            upstream_version="w1",
            fingerprint=fingerprint or made.whole,
            values=[(key, fingerprint) for key, _ in made.values] if fingerprint else made.values,
        )
        signed, granted = (
            DESTINATION_IDENTITY.sign(RECEIPT, receipt.content),
            DESTINATION_IDENTITY.sign(UPLOAD_GRANT, grant.content),
        )
        return Result(receipt, job.request_id, signed, granted)

    async def walk(self, request: Request | None = None) -> str:
        """Walk a copy and return what came of it."""
        assert await self.world.handler.handle(self.world.sealed(request or asked()))
        return self.world.outcomes()[-1]
