"""Lies about changes and approvals, each told while alice executes a change, or while somebody looks at one.

Whatever m8 says: what is written was asked by alice, by a change that as many others approved as the store asks, and
once for each change unless the row says that the design gives her a second time.
"""

from __future__ import annotations

import asyncio
import inspect
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import changes_pb2, reactor_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.client import Client, Proposal, ProposedChange
from monoskope.errors import Code, Error
from tests.lies.approved.stage import ASKED, Colleague, Stage
from tests.lies.lie import Lie
from tests.lies.walks import KEPT, NEW, WALKS, Asking, check_truth
from tests.support.hostile_m8 import HostileM8

PURPOSES = ("put", "patch", "generate", "delete", "undelete", "rollback")
PATIENCE_S = 60.0
SLOW_S = 120.0


@dataclass
class Scene:
    """What a lie has before it.

    Attributes:
        change: alice's change as m8 shows it to her, with the approvals that were honestly given.
    """

    stage: Stage
    purpose: str
    one: Asking
    change: ProposedChange

    @property
    def wire(self) -> HostileM8:
        return self.stage.wire

    @property
    def uri(self) -> str:
        return self.one.uri

    @property
    def earlier(self) -> ProposedChange:
        """A change for the same purpose that was executed before."""
        return self.stage.earlier[self.purpose]

    def of(self, name: str) -> Client:
        return self.stage.clients[name]

    def key(self, name: str) -> Colleague:
        return self.stage.people[name]

    @property
    def values(self) -> Mapping[str, bytes]:
        """What is sealed."""
        return {key: value for key, value in {NEW: self.one.value, KEPT: b"x"}.items() if key in self.change.keys}

    # --- how it lies ---

    def deliver(self, change: Callable[[events_pb2.SecretUploadRequested], Any], **which: Any) -> None:
        """Deliver what alice sent, changed, to the reactor."""

        def act(answer: reactor_pb2.AttachResponse) -> reactor_pb2.AttachResponse:
            event = event_pb2.Event.FromString(answer.delivery.record)
            message = events_pb2.SecretUploadRequested.FromString(event.data)
            change(message)
            event.data = message.SerializeToString(deterministic=True)
            answer.delivery.record = event.SerializeToString()
            return answer

        self.wire.change_delivery("SecretUploadRequested", act, times=None, of=self.uri, **which)

    def deliver_approvals(self, *approvals: bytes) -> None:
        self.deliver(lambda message: _replace(message, approvals))

    def show(self, change: Callable[[changes_pb2.SecretChange], Any]) -> None:
        """Show every change otherwise, whoever asks and however."""
        answers = {
            "GetSecretChanges": changes_pb2.GetSecretChangesResponse,
            "ProposeSecretChange": changes_pb2.ProposeSecretChangeResponse,
            "ApproveSecretChange": changes_pb2.ApproveSecretChangeResponse,
        }
        for method, answer in answers.items():

            def act(_: object, content: bytes, answer: Any = answer) -> Any:
                message = answer.FromString(content)
                for view in [message.change] if hasattr(message, "change") else message.changes:
                    change(view)
                return message

            self.wire.change(method, act, times=None)


def _replace(message: events_pb2.SecretUploadRequested, approvals: tuple[bytes, ...]) -> None:
    message.ClearField("approvals")
    message.approvals.extend(approvals)


def proposal_of(purpose: str, one: Asking) -> Proposal:
    match purpose:
        case "put":
            return Proposal.put(one.uri, {NEW: one.value, KEPT: b"x"})
        case "patch":
            return Proposal.patch(one.uri, {NEW: one.value}, remove=[KEPT])
        case "generate":
            return Proposal.generate(one.uri, {NEW: "password", KEPT: "hex"})
        case "delete":
            return Proposal.delete(one.uri)
        case "undelete":
            return Proposal.undelete(one.uri)
        case _:
            return Proposal.rollback(one.uri, one.first)


# --- what is done while it lies ---


async def executes(scene: Scene) -> Any:
    """alice looks at her change, and executes it."""
    change = await scene.of("alice").changes.get(scene.change.change_id)
    return await scene.of("alice").changes.run(change, scene.values, timeout=PATIENCE_S)


async def executes_as_seen(scene: Scene) -> Any:
    """alice executes what she saw before m8 lied."""
    return await scene.of("alice").changes.run(scene.change, scene.values, timeout=PATIENCE_S)


async def approves(scene: Scene) -> Any:
    """ben looks at the change, and approves what he sees: that, and nothing else, bears his signature."""
    signed = scene.key("ben").approved
    before = len(signed)
    seen = await scene.of("ben").changes.get(scene.change.change_id)
    try:
        return await scene.of("ben").changes.approve(seen)
    finally:
        assert signed[before:] in ([], [bytes.fromhex(seen.sha256)])


@dataclass(frozen=True)
class ApprovalLie(Lie):
    """One lie about a change.

    Attributes:
        approved_by: Who approved honestly before it is told.
        act: What is done while it is told.
        writes: How often alice's change is done.
        asks: How many approvals the weakest replica asks for.
    """

    purposes: tuple[str, ...] = PURPOSES
    approved_by: tuple[str, ...] = ("ben", "eva")
    act: Callable[[Scene], Awaitable[Any]] = executes
    writes: int = 0
    asks: int = ASKED

    @property
    def id(self) -> str:
        return f"approved {super().id}"


# --- telling it ---


async def scene_of(stage: Stage, purpose: str, approved_by: tuple[str, ...]) -> Scene:
    """Bring the engine to where the purpose can be done; let alice propose it, and others approve it, honestly."""
    uri = f"memory://team-a/{purpose}-{next(stage.numbers)}"
    one = Asking(uri, stage.canary(), PATIENCE_S, stage.engine, stage.engine)
    setter = stage.clients["setter"]
    if purpose != "put":
        await WALKS["put"](setter, one)
    if purpose == "rollback":
        one.value = stage.canary()
        await WALKS["put"](setter, one)
    if purpose == "undelete":
        await WALKS["delete"](setter, one)
    one.value = stage.canary()
    alice = stage.clients["alice"]
    change = await alice.changes.propose(proposal_of(purpose, one), requester="alice")
    for name in approved_by:
        changes = stage.clients[name].changes
        await changes.approve(await changes.get(change.change_id))
    return Scene(stage, purpose, one, await alice.changes.get(change.change_id))


async def rehearse(stage: Stage) -> None:
    """Execute a change for each purpose, honestly: what a hostile m8 has of it is told again later."""
    for purpose in PURPOSES:
        scene = await scene_of(stage, purpose, ("ben", "eva"))
        check_truth(purpose, scene.one, await executes(scene))
        stage.earlier[purpose] = await scene.of("alice").changes.get(scene.change.change_id)


async def tell(stage: Stage, lie: ApprovalLie, purpose: str) -> None:
    """Tell one lie, and assert what holds whatever m8 says."""
    async with asyncio.timeout(SLOW_S):
        scene = await scene_of(stage, purpose, lie.approved_by)
        stage.engine.changes.clear()
        stage.wire.called.clear()
        stage.wire.seen.clear()
        try:
            told = lie.tell(scene)
            if inspect.isawaitable(told):
                await told
            code, result, said = await _done(scene, lie)
            assert not stage.wire.is_untold, "the lie was not told"
        finally:
            stage.wire.honest()
        await _settled(scene)
        _check_law(scene, lie, said)
        assert code is lie.code, said
        assert re.search(lie.says, said, re.DOTALL), said
        assert stage.engine.changes.count(scene.one.path) == lie.writes
        if code is None and lie.writes:
            check_truth(purpose, scene.one, result)


async def _done(scene: Scene, lie: ApprovalLie) -> tuple[Code | None, Any, str]:
    over = asyncio.create_task(_patience_over(scene)) if lie.silent else None
    try:
        result = await lie.act(scene)
    except Error as error:
        return error.code, None, f"{error.code.value}: {error.message}\n{error.fix}"
    finally:
        if over is not None:
            over.cancel()
    return None, result, repr(result)


async def _patience_over(scene: Scene) -> None:
    await scene.wire.until(lambda: not scene.wire.is_untold)
    scene.stage.patience.is_over(PATIENCE_S)


async def _settled(scene: Scene) -> None:
    """Wait until the reactor has done what it was asked for."""
    sent = [one for one in scene.wire.called if one.name == "RequestUploadSecret"]
    for request_id in {call.request_id for call in sent}:
        view = await scene.stage.m8.alice.upload(request_id)
        if view.version >= 3:
            await scene.stage.m8.ended(request_id)


def _check_law(scene: Scene, lie: ApprovalLie, said: str) -> None:
    """Assert that alice asked for all that was written, by changes that enough others approved, once for each."""
    stage = scene.stage
    assert scene.wire.saw(scene.one.value) == 0, "m8 saw a value"
    assert scene.one.value.decode() not in said
    asked = [grant.request for grant in stage.people["alice"].signed]
    for path, times in Counter(stage.engine.changes).items():
        named = {request.change_sha256 for request in asked if request.uri.path == path}
        enough = [sha256 for sha256 in named if len(_approvers(stage, sha256)) >= lie.asks]
        assert enough, f"{path}: written, and approved by too few"
        assert times <= sum(request.change_sha256 in enough for request in asked)


def _approvers(stage: Stage, sha256: bytes) -> set[str]:
    """Who signed a change, besides alice: by their own signers."""
    return {name for name, one in stage.people.items() if name in {"ben", "eva"} and sha256 in one.approved}
