"""One lie on the stage: what is asked for, and the hostile m8 that answers it."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import Message

from monoskope.api.gateway.v1 import commands_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Client
from tests.lies.commands import COMMANDS
from tests.lies.rig import Kept, Rig
from tests.lies.walks import NEW, QUESTIONS, WALKS, Asking, check_truth
from tests.support.hostile_m8 import HostileM8
from tests.support.hostile_rules import METHODS, Call, Way

PATIENCE_S = 60.0
"""How long clients wait, if m8 says what they wait for."""


@dataclass
class Scene:
    """What a lie has before it."""

    rig: Rig
    purpose: str
    one: Asking
    afterwards: list[Callable[[], Awaitable[Any]]] = field(default_factory=list)
    """What m8 does once alice has her answer."""

    @property
    def wire(self) -> HostileM8:
        return self.rig.wire

    @property
    def uri(self) -> str:
        return self.one.uri

    @property
    def kept(self) -> Kept:
        """An honest request of the same purpose that alice made before."""
        return self.rig.kept[self.purpose]

    def kept_of(self, *purposes: str) -> Kept:
        """An honest request of another purpose: the first of these that is another."""
        return self.rig.kept[next(purpose for purpose in purposes if purpose != self.purpose)]

    # --- how it lies ---

    def change(self, method: str, change: Callable[[Any], Any], **which: Any) -> None:
        """Change each answer of a method: `change` alters it in place, or returns the bytes of another."""
        made = next(found for found in METHODS.values() if found.name == method)

        def act(_: Call, content: bytes) -> Message | bytes:
            message = made.response.FromString(content)
            changed = change(message)
            return changed if isinstance(changed, bytes) else message

        self.wire.change(method, act, times=None, **which)

    def change_key(self, change: Callable[[Any], Any]) -> None:
        """Change what is said of the one-time key, whichever way it comes. `change` gets the answer."""
        self.change("RequestSecretUploadKey", lambda answer: change(answer.key), of=self.uri)
        self.change("GetSecretUploadKey", change, of=self.uri)

    def change_end(self, change: Callable[[Any], Any]) -> None:
        """Change what is said of the end, whichever way it comes. `change` gets the view of the request."""
        for method in ("RequestUploadSecret", "GetSecretUpload"):
            self.change(method, lambda answer: change(answer.upload), of=self.uri)

    def change_call(self, method: str, change: Callable[[Any], Any], **which: Any) -> None:
        """Change what the real m8 is asked, by default about the secret; `change` alters the message in place."""

        async def act(call: Call, _: object) -> bytes:
            message = call.message
            change(message)
            changed = Call(call.path, message.SerializeToString(deterministic=True), call.headers)
            return await self.wire.forward(changed)

        self.wire.on_call(method, act, times=None, **(which or {"of": self.uri}))


def change_request(message: Any, change: Callable[[Any], Any]) -> None:
    """Change the request of a message that asks for a key."""
    request = upload_pb2.UploadRequest.FromString(message.request)
    change(request)
    message.request = request.SerializeToString(deterministic=True)


@contextlib.asynccontextmanager
async def scene(rig: Rig, purpose: str, *, patience_s: float = PATIENCE_S) -> AsyncIterator[Scene]:
    """Set the stage for one purpose: what it needs is upstream, put there honestly."""
    purpose = COMMANDS[purpose][0] if purpose in COMMANDS else purpose
    uri = rig.places.pop(purpose, "") or await _prepared(rig, purpose)
    one = Asking(uri, rig.canary(), patience_s, rig.engines["memory"], rig.engines["other"])
    if purpose in QUESTIONS:
        kept = rig.kept.get(purpose.removeprefix("get upload of "))
        one.request_id = (kept.view if kept else await rig.m8.alice.secret(uri)).request_id.hex()
    before = one.engine.there(one.path)
    rig.wire.seen.clear()
    rig.wire.called.clear()
    for engine in rig.engines.values():
        engine.changes.clear()
        engine.calls.clear()
        engine.calls_at.clear()
    rig.signer.signed.clear()
    rig.told.clear()
    try:
        yield Scene(rig, purpose, one)
    finally:
        rig.wire.honest()  # else a lie that was not ended fails every test after its own
    if one.engine.there(one.path) == before:
        rig.places[purpose] = uri


async def rehearse(rig: Rig) -> None:
    """Walk each purpose once, honestly: what a hostile m8 keeps of it is told again later."""
    for purpose in WALKS:
        rig.places[purpose] = await _prepared(rig, purpose)


async def _prepared(rig: Rig, purpose: str) -> str:
    """Have what a purpose needs put at a new place, honestly; keep the first request of each purpose."""
    uri = f"memory://team-a/{purpose.replace(' ', '-')}-{next(rig.numbers)}"
    one = Asking(uri, rig.canary(), PATIENCE_S, rig.engines["memory"], rig.engines["other"])
    async with rig.client(rig.servers[0]) as client:
        if purpose in {"import", "list"}:
            one.engine.put({NEW: one.value}, one.path if purpose == "import" else (*one.path, "below"))
        else:
            await walked(rig, client, "put", one)
        if purpose == "undelete":
            await walked(rig, client, "delete", one)
        if purpose == "rollback":
            one.value = rig.canary()
            await walked(rig, client, "put", one)
        if purpose in WALKS and purpose not in rig.kept:
            await walked(rig, client, purpose, one)
            return await _prepared(rig, purpose)
    return uri


async def walked(rig: Rig, client: Client, purpose: str, one: Asking) -> None:
    """Walk a request honestly, and keep what a hostile m8 has of it."""
    result = await WALKS[purpose](client, one)
    check_truth(purpose, one, result)
    if purpose in rig.kept:
        return
    request_id = bytes.fromhex((result[0] if isinstance(result, list) else result).request_id)
    sent = next(
        call.message for call in rig.wire.called if call.name == "RequestUploadSecret" and call.request_id == request_id
    )
    assert isinstance(sent, commands_pb2.RequestUploadSecretRequest)
    rig.kept[purpose] = Kept(await rig.m8.alice.upload(request_id), sent, _started(rig, request_id))


def _started(rig: Rig, request_id: bytes) -> upload_pb2.Signed:
    """What the reactor signed when it began to write; empty where it wrote nothing."""
    passed = (passing for session in rig.wire.sessions for passing in session.passed)
    for one in passed:
        if one.kind == "SecretUploadStarted" and one.request_id == request_id and one.way is Way.TO_M8:
            return one.to_m8().append.started.receipt
    return upload_pb2.Signed()
