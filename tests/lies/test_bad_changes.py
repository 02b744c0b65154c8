"""Changes and approvals that break a rule, at each part that reads them: it names the field, the rule and what to do.

A client of ours makes none of these: their bytes are changed on the wire. What the reactor finds, its audit log says.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.client import Proposal
from monoskope.errors import NotAuthorizedError, OutcomeUnknownError, RefusedError, UsageError
from monoskope.protocol.identity import ProofError
from monoskope.protocol.wire import serialise
from tests.lies.approved.row import Scene, executes, scene_of
from tests.lies.approved.stage import FIRST, Colleague, Stage, staged
from tests.support.hostile_rules import Call

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.lie]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stage]:
    async with staged(tmp_path_factory.mktemp("stage")) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def scene(stage: Stage) -> AsyncIterator[Scene]:
    """A put of alice's that ben and eva approved; nothing of it is written."""
    found = await scene_of(stage, "put", ("ben", "eva"))
    stage.engine.changes.clear()
    yield found
    stage.wire.honest()
    assert stage.engine.changes == []


def with_reason(content: bytes, reason: str) -> bytes:
    message = upload_pb2.Change.FromString(content)
    message.reason = reason
    return serialise(message)


CHANGES: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "8 KiB + 1": (lambda content: content.ljust(8_193, b"\0"), "change|content", "8,?192 bytes"),
    "an unknown field": (lambda content: content + b"\xf8\x3f\x01", "content", "one serialised form|unknown"),
    "a reason that turns text": (lambda content: with_reason(content, "a\u202eb"), "reason", "printable characters"),
    "a reason of 501 characters": (lambda content: with_reason(content, "x" * 501), "reason", "500 printable"),
}
"""What is wrong, the field that is named, and its rule."""
APPROVALS: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str]] = {
    "9 approvals": (lambda given: (given * 5)[:9], "8"),
    "an approval of 8,193 bytes": (lambda given: [given[0].ljust(8_193, b"\0"), given[1]], "8,?192"),
    "an empty approval": (lambda given: [b"", given[1]], "1|empty"),
}


def on_the_way(scene: Scene, method: str, change: Callable[[Any], None]) -> None:
    """Change what m8 is asked."""

    async def act(call: Call, _: object) -> bytes:
        message = call.message
        change(message)
        return await scene.wire.forward(Call(call.path, message.SerializeToString(), call.headers))

    scene.wire.on_call(method, act, times=None)


@pytest.mark.parametrize("name", sorted(CHANGES))
async def test_m8_refuses_such_a_change_and_says_what_is_wrong(scene: Scene, name: str) -> None:
    spoil, field, rule = CHANGES[name]
    on_the_way(scene, "ProposeSecretChange", lambda message: setattr(message, "change", spoil(message.change)))
    proposal = Proposal.put(f"{scene.uri}-bad", {"password": scene.one.value})
    with pytest.raises(UsageError, match=f"({field}).*({rule})") as caught:
        await scene.of("alice").changes.propose(proposal, requester="alice")
    assert caught.value.fix


@pytest.mark.parametrize("name", sorted(CHANGES))
async def test_a_client_signs_no_such_change_and_says_what_is_wrong(scene: Scene, name: str) -> None:
    spoil, field, rule = CHANGES[name]
    scene.show(lambda view: setattr(view, "change", spoil(view.change)))
    approved = len(scene.key("ben").approved)
    with pytest.raises(ProofError, match=f"a change that is none: .*({field}).*({rule})") as caught:
        await scene.of("ben").changes.approve(await scene.of("ben").changes.get(scene.change.change_id))
    assert caught.value.fix
    assert len(scene.key("ben").approved) == approved


@pytest.mark.parametrize("name", sorted(CHANGES))
async def test_a_reactor_does_no_such_change_and_its_audit_log_names_the_field(scene: Scene, name: str) -> None:
    spoil, field, _ = CHANGES[name]
    scene.deliver(lambda message: setattr(message, "change", spoil(message.change)))
    with pytest.raises(NotAuthorizedError) as caught:
        await executes(scene)
    assert "audit log names the cause" in caught.value.fix
    assert why_refused(scene) in {f"the change is malformed: {one}." for one in field.split("|")}


def why_refused(scene: Scene) -> str:
    lines = map(json.loads, scene.stage.replicas[FIRST].file.read_text(encoding="utf-8").splitlines())
    return next(str(one["detail"]) for one in lines if one["uri"] == scene.uri and one["outcome"] == "REFUSED")


@pytest.mark.parametrize("name", sorted(APPROVALS))
async def test_m8_passes_no_such_approvals_on_and_says_what_is_wrong(scene: Scene, name: str) -> None:
    spoil, rule = APPROVALS[name]

    def change(message: Any) -> None:
        spoilt = spoil([*message.approvals])
        del message.approvals[:]
        message.approvals.extend(spoilt)

    on_the_way(scene, "RequestUploadSecret", change)
    with pytest.raises(OutcomeUnknownError, match=f"m8 says: .*approvals.*({rule})") as caught:
        await executes(scene)
    assert caught.value.fix


@pytest.mark.parametrize(("size", "rule"), [(8_193, "8,?192"), (0, "1")])
async def test_m8_takes_no_approval_of_another_size_from_an_approver(scene: Scene, size: int, rule: str) -> None:
    on_the_way(scene, "ApproveSecretChange", lambda message: setattr(message, "approval", bytes(size)))
    seen = await scene.of("ben").changes.get(scene.change.change_id)
    with pytest.raises(UsageError, match=f"approval.*({rule})") as caught:
        await scene.of("ben").changes.approve(seen)
    assert caught.value.fix


OF_REACTORS = {
    "9 approvals": "there are more than 8 approvals.",
    "an approval of 8,193 bytes": "it takes 2 approvals, and 1 of 2 count; approval 1: size.",
    "an empty approval": "it takes 2 approvals, and 1 of 2 count; approval 1: missing.",
}


@pytest.mark.parametrize("name", sorted(APPROVALS))
async def test_a_reactor_counts_no_such_approval_and_its_audit_log_says_which_and_why(scene: Scene, name: str) -> None:
    spoil, _ = APPROVALS[name]
    scene.deliver_approvals(*spoil([one.content for one in scene.change.approvals]))
    with pytest.raises(NotAuthorizedError):
        await executes(scene)
    assert why_refused(scene) == OF_REACTORS[name]


class Verbose(Colleague):
    """A signer whose approvals are too long."""

    async def approve(self, change: Any) -> bytes:
        return (await super().approve(change)).ljust(8_193, b"\0")


async def test_a_client_sends_no_approval_that_would_not_count(scene: Scene) -> None:
    async with scene.stage.client("ben", Verbose("ben")) as ben:
        with pytest.raises(RefusedError, match=r"would not count, and was not sent: .*8,?192") as caught:
            await ben.changes.approve(await ben.changes.get(scene.change.change_id))
    assert caught.value.fix


async def test_a_client_sends_eight_of_more_approvals_and_the_others_count(scene: Scene) -> None:
    """m8 may show as many as it likes: what is none, or of a key that is there already, is left out first."""
    good = [one.content for one in scene.change.approvals]

    def many(view: Any) -> None:
        del view.approvals[:]
        for approval in [
            b"x",
            *good,
            *good,
            *(scene.key(name).approves(scene.change.change) for name in ("fred", "dora")),
        ]:
            view.approvals.add(approval=approval, subject="m8")

    scene.show(many)
    shown = await scene.of("alice").changes.get(scene.change.change_id)
    assert shown.counting[:2] == tuple(good)
    assert len(shown.counting) == 4
