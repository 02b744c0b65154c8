"""What m8 shows of changes to who approves: he signs what he saw, and sees what of it is proven."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Code
from monoskope.testing.cluster.identities import Identity
from tests.lies.approved.people import PROVEN, harms, kept, other, renames, shown, state
from tests.lies.approved.row import ApprovalLie, Scene, approves, executes
from tests.lies.lie import Step


async def approves_and_is_used(scene: Scene) -> Any:
    """ben approves what he is shown, and m8 hands his approval in for alice's change."""
    seen = await scene.of("ben").changes.get(scene.change.change_id)
    approval = await scene.key("ben").approve(seen.change)
    eva = scene.change.approvals[0].content
    scene.wire.honest()
    scene.deliver_approvals(approval, eva)
    return await executes(scene)


async def looks(scene: Scene) -> Any:
    """ben looks at it: what he sees of it is what the bytes say."""
    seen = await scene.of("ben").changes.get(scene.change.change_id)
    asked = scene.change
    of_bytes = ("sha256", "uri", "purpose", "place", "requester", "keys", "reason", "asked", "identity", "not_after")
    assert [getattr(seen, name) for name in of_bytes] == [getattr(asked, name) for name in of_bytes]
    return (seen.proven, seen.why_not_proven, seen.done, seen.state, [one.why_not for one in seen.approvals])


# --- the newest receipt, by which an approver sees what stands there ---


def receipt(made: Callable[[Scene], upload_pb2.Signed]) -> Callable[[Scene], None]:
    return shown(lambda view, scene: view.last_receipt.CopyFrom(made(scene)))


async def of_another_secret(scene: Scene) -> None:
    signed = await kept(scene)
    receipt(lambda _: signed)(scene)


async def of_a_thief(scene: Scene) -> None:
    signed = await kept(scene)
    receipt(lambda _: Identity().sign(b"m8/receipt/v1", signed.content))(scene)


to_ben = partial(ApprovalLie, Step.CHANGE, act=approves, approved_by=("eva",))
seen_by_ben = partial(ApprovalLie, Step.CHANGE, act=looks)

LIES = (
    to_ben("words of its own about who asks", shown(renames), "ProposedChange"),
    to_ben("a change for another identity", other(identity=Identity().shown), "is for the identity", PROVEN),
    to_ben(
        "a change under another id",
        shown(lambda view, _: setattr(view, "change_id", bytes(16))),
        "another change than was asked for",
        PROVEN,
    ),
    to_ben("a change as open whose time is over", other(not_after=int(time.time()) - 1), "is over", Code.TIMED_OUT),
    to_ben("it as his own", shown(lambda view, _: setattr(view, "subject", "ben")), "is your own", Code.REFUSED),
    to_ben("it as withdrawn", state("WITHDRAWN", ended_by="alice"), "m8 says that alice withdrew", Code.REFUSED),
    to_ben(
        "a reason that turns the direction of text",
        shown(lambda view, _: setattr(view, "change", view.change[:-2] + b"\xe2\x80\xae")),
        "a change that is none",
        PROVEN,
    ),
    ApprovalLie(
        Step.CHANGE,
        "another change to ben, whose approval it hands in for alice's",
        other(reason="something that ben likes"),
        "NOT_AUTHORIZED",
        Code.NOT_AUTHORIZED,
        approved_by=("eva",),
        act=approves_and_is_used,
    ),
    seen_by_ben("a receipt of another secret", of_another_secret, "about something else"),
    seen_by_ben("a thief's receipt", of_a_thief, "signed by"),
    seen_by_ben("a receipt that is none", receipt(lambda _: upload_pb2.Signed(content=b"x")), "False, '.*OPEN"),
    seen_by_ben("it as done without a receipt", state("DONE"), "False, 'DONE'"),
    seen_by_ben("words of its own", shown(renames), r"\['', ''\]"),
    seen_by_ben("approvals of its own to who looks", shown(harms), "not the key.*not the key"),
)
