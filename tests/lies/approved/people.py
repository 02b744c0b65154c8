"""What m8 shows of changes to who proposes and executes them: words are m8's, and what is signed and sent is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from monoskope.api.gateway.v1 import changes_pb2, commands_pb2, queries_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Code
from monoskope.protocol.change import make_change, parse_change
from monoskope.testing.cluster.identities import Identity
from tests.lies.approved.deliveries import flipped
from tests.lies.approved.row import PATIENCE_S, ApprovalLie, Scene, proposal_of
from tests.lies.lie import Step
from tests.support.signed_requests import Person

View = changes_pb2.SecretChange
PROVEN = Code.IDENTITY_CHANGED
"""The code of what is no proof."""


def shown(change: Callable[[View, Scene], Any]) -> Callable[[Scene], None]:
    return lambda scene: scene.show(lambda view: change(view, scene))


def state(name: str, **fields: Any) -> Callable[[Scene], None]:
    def change(view: View, _: Scene) -> None:
        view.state = getattr(changes_pb2, f"CHANGE_STATE_{name}")
        for field, value in fields.items():
            setattr(view, field, value)

    return shown(change)


def _other(view: View, **fields: Any) -> None:
    """Show a change that is another in one field, under the id of alice's."""
    change = parse_change(view.change)
    names = ("change_id", "request", "requester", "identity", "not_after", "keys", "fingerprint", "reason")
    view.change = make_change(**({name: getattr(change, name) for name in names} | fields)).content


def other(**fields: Any) -> Callable[[Scene], None]:
    return shown(lambda view, _: _other(view, **fields))


def answers(change: Callable[[changes_pb2.GetSecretChangesResponse], Any]) -> Callable[[Scene], Any]:
    """Change the whole answer to who asks for a change."""

    def act(_: object, content: bytes) -> changes_pb2.GetSecretChangesResponse:
        answer = changes_pb2.GetSecretChangesResponse.FromString(content)
        change(answer)
        return answer

    return lambda scene: scene.wire.change("GetSecretChanges", act, times=None)


def hides(view: View, _: Scene) -> None:
    view.ClearField("approvals")


def invents(view: View, scene: Scene) -> None:
    """Show approvals by keys of m8's own, as ben's and eva's."""
    view.ClearField("approvals")
    for name in ("ben", "eva"):
        view.approvals.add(approval=Person(name).approves(scene.change.change), subject=name)


def repeats(view: View, _: Scene) -> None:
    """Show ben's approval as eva's, too."""
    view.approvals[1].approval = view.approvals[0].approval


def reorders(view: View, _: Scene) -> None:
    swapped = [*reversed(view.approvals)]
    view.ClearField("approvals")
    view.approvals.extend(swapped)


def harms(view: View, _: Scene) -> None:
    for one in view.approvals:
        one.approval = flipped(one.approval)


def renames(view: View, _: Scene) -> None:
    """Exchange who handed in what: m8's word."""
    for one in view.approvals:
        one.subject = "mallory"
    view.subject, view.proposed_at_ms = "mallory", 1


def earlier(view: View, scene: Scene) -> None:
    """Show the approvals of a change that was executed before."""
    view.ClearField("approvals")
    for one in scene.earlier.approvals:
        view.approvals.add(approval=one.content, subject=one.subject)


# --- what is done while it lies ---


async def waits(scene: Scene) -> Any:
    """alice waits for approvals, a moment."""
    change = await scene.of("alice").changes.get(scene.change.change_id)
    return await scene.of("alice").changes.run(change, scene.values, wait=0.2)


async def waits_on(scene: Scene) -> Any:
    """alice waits, and the store counts nobody who has approved so far; then ben and eva approve."""
    alice, refused = scene.of("alice").changes, asyncio.Event()
    change = await alice.get(scene.change.change_id)
    told = lambda *_: refused.set()  # noqa: E731 - one line
    waiting = asyncio.create_task(alice.run(change, scene.values, wait=PATIENCE_S, told=told))
    heard = asyncio.create_task(refused.wait())
    await asyncio.wait({waiting, heard}, return_when=asyncio.FIRST_COMPLETED)
    heard.cancel()
    for name in ("ben", "eva"):
        changes = scene.of(name).changes
        await changes.approve(await changes.get(change.change_id))
    return await waiting


async def proposes(scene: Scene) -> Any:
    return await scene.of("alice").changes.propose(proposal_of(scene.purpose, scene.one), requester="alice")


# --- the end ---


def ends(change: Callable[[views_pb2.SecretUpload], Any]) -> Callable[[Scene], None]:
    """Change what alice is told of the end."""

    def tell(scene: Scene) -> None:
        for method, answer in (
            ("RequestUploadSecret", commands_pb2.RequestUploadSecretResponse),
            ("GetSecretUpload", queries_pb2.GetSecretUploadResponse),
        ):

            def act(_: object, content: bytes, answer: Any = answer) -> Any:
                message = answer.FromString(content)
                change(message.upload)
                return message

            scene.wire.change(method, act, times=None, of=scene.uri)

    return tell


async def kept(scene: Scene) -> upload_pb2.Signed:
    view = await scene.stage.m8.alice.upload(bytes.fromhex(scene.earlier.request_id))
    return view.receipt


async def earlier_receipt(scene: Scene) -> None:
    signed = await kept(scene)
    ends(lambda upload: upload.receipt.CopyFrom(signed))(scene)


def _content(change: Callable[[upload_pb2.Receipt], Any]) -> Callable[[views_pb2.SecretUpload], None]:
    def act(upload: views_pb2.SecretUpload) -> None:
        message = upload_pb2.Receipt.FromString(upload.receipt.content)
        change(message)
        upload.receipt.content = message.SerializeToString(deterministic=True)

    return act


def _broken(receipt: upload_pb2.Receipt) -> None:
    receipt.ClearField("approvers")
    receipt.ClearField("change_sha256")
    receipt.break_glass = "why"


to_alice = partial(ApprovalLie, Step.CHANGE)
unknown = partial(to_alice, code=Code.OUTCOME_UNKNOWN, writes=1)

LIES = (
    to_alice("that ben declined it", state("DECLINED", ended_by="ben"), "m8 says that ben declined", Code.REFUSED),
    to_alice(
        "that alice withdrew it", state("WITHDRAWN", ended_by="alice"), "m8 says that alice withdrew", Code.REFUSED
    ),
    to_alice("that it was overtaken", state("OVERTAKEN"), "m8 says that .*overtaken", Code.CONFLICT),
    to_alice("that it was done", state("DONE"), "m8 says that .*done already", Code.ALREADY_EXISTS),
    to_alice("that its time is over", state("ENDED"), "the time of .* is over", Code.TIMED_OUT),
    to_alice("no such change", answers(lambda one: one.ClearField("changes")), "no such change", Code.NOT_FOUND),
    to_alice("two for one change", answers(lambda one: one.changes.append(one.changes[0])), "no such", Code.NOT_FOUND),
    to_alice("no approval", shown(hides), "2 approvals here, and none", Code.NOT_AUTHORIZED),
    to_alice("approvals of its own", shown(invents), "2 approvals here, and 2", Code.NOT_AUTHORIZED),
    to_alice("one approval as two", shown(repeats), "2 approvals here, and 1", Code.NOT_AUTHORIZED),
    to_alice("approvals that were changed", shown(harms), "2 approvals here, and none", Code.NOT_AUTHORIZED),
    to_alice("approvals of an earlier change", shown(earlier), "2 approvals here, and none", Code.NOT_AUTHORIZED),
    to_alice("approvals in another order", shown(reorders), writes=1),
    to_alice("other names for who did what", shown(renames), writes=1),
    to_alice("another reason in her change", other(reason="because m8 says so"), "NOT_AUTHORIZED", Code.NOT_AUTHORIZED),
    to_alice("another requester in her change", other(requester="mallory"), "NOT_AUTHORIZED", Code.NOT_AUTHORIZED),
    to_alice("her change for another identity", other(identity=Identity().shown), "is for the identity", PROVEN),
    to_alice(
        "a change that is none",
        shown(lambda view, _: setattr(view, "change", b"\xff")),
        "a change that is none",
        PROVEN,
    ),
    to_alice(
        "a change with a field more",
        shown(lambda view, _: setattr(view, "change", view.change + b"\xf8\x3f\x01")),
        "a change that is none",
        PROVEN,
    ),
    to_alice(
        "an earlier change of hers",
        shown(lambda view, scene: setattr(view, "change", scene.earlier.change.content)),
        "under another id",
        PROVEN,
    ),
    to_alice(
        "another id",
        shown(lambda view, _: setattr(view, "change_id", bytes(16))),
        "another change than was asked for",
        PROVEN,
    ),
    to_alice(
        "another change than she proposes",
        other(reason="because m8 says so"),
        "another change than was proposed",
        PROVEN,
        act=proposes,
    ),
    to_alice("nothing new while she waits", shown(hides), "the time to wait", Code.TIMED_OUT, act=waits),
    to_alice(
        "nothing, while people whom the store counts not approve before those whom it counts",
        lambda _: None,
        approved_by=("mallory", "dora"),
        act=waits_on,
        writes=1,
    ),
    unknown("no receipt of what was approved", ends(lambda upload: upload.ClearField("receipt")), "no receipt"),
    unknown("the receipt of an earlier change", earlier_receipt, "another grant"),
    unknown("a receipt with one approver less", ends(_content(lambda one: one.approvers.pop())), "does not verify"),
    unknown(
        "a receipt with another change",
        ends(_content(lambda one: setattr(one, "change_sha256", bytes(32)))),
        "does not verify",
    ),
    unknown(
        "a receipt that says that the glass was broken",
        ends(_content(_broken)),
        "does not verify",
    ),
)
