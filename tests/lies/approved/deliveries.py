"""What m8 tells a reactor of approvals: nothing is done that not as many others approved as it asks."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2, upload_pb2
from monoskope.client import Proposal
from monoskope.errors import Code
from monoskope.protocol.change import Change, make_change
from monoskope.protocol.identity import Namespace, approval_statement
from tests.lies.approved.row import ApprovalLie, Scene, executes_as_seen
from tests.lies.lie import Step, Victim
from tests.lies.walks import KEPT, NEW
from tests.support import ssh_blobs
from tests.support.hostile_rules import Passing
from tests.support.signed_requests import Person

Sent = events_pb2.SecretUploadRequested
ALONE = ("ben",)
"""One too few."""


def sent(change: Callable[[Sent], Any]) -> Callable[[Scene], None]:
    return lambda scene: scene.deliver(change)


def approvals(made: Callable[[Scene, bytes, bytes], list[bytes]]) -> Callable[[Scene], None]:
    """Deliver other approvals; `made` gets those of ben and eva."""
    return lambda scene: scene.deliver_approvals(*made(scene, *(one.content for one in scene.change.approvals)))


def beside(made: Callable[[Scene], bytes]) -> Callable[[Scene], None]:
    """Deliver one more, beside ben's alone."""
    return lambda scene: scene.deliver_approvals(scene.change.approvals[0].content, made(scene))


def by(name: str) -> Callable[[Scene], bytes]:
    return lambda scene: scene.key(name).approves(scene.change.change)


def _in_evas_name(scene: Scene) -> bytes:
    """An approval by a certificate of a CA of m8's own, in eva's name."""
    now, key, ca = int(time.time()), ssh_blobs.ed25519(), ssh_blobs.ed25519()
    signer = ssh_blobs.certificate(key, ca, valid=(now - 60, now + 3_600), principals=(b"eva",))
    namespace = Namespace.APPROVAL.value.encode()
    message = ssh_blobs.to_sign(approval_statement(scene.change.change.sha256), namespace=namespace)
    return ssh_blobs.container(signer, key.sign(message), namespace=namespace)


def _changed(scene: Scene, **fields: Any) -> Change:
    """alice's change with other fields."""
    change = scene.change.change
    same = {
        name: getattr(change, name)
        for name in ("change_id", "request", "requester", "identity", "not_after", "keys", "fingerprint", "reason")
    }
    return make_change(**(same | fields))


def other_change(**fields: Any) -> Callable[[Scene], None]:
    """Deliver a change that is another in one field, with what ben and eva signed of alice's."""
    return lambda scene: scene.deliver(lambda message: setattr(message, "change", _changed(scene, **fields).content))


def signed_anew(**fields: Any) -> Callable[[Scene], None]:
    """The same, with good approvals of that other change."""

    def tell(scene: Scene) -> None:
        change = _changed(scene, **fields)
        scene.deliver(lambda message: setattr(message, "change", change.content))
        scene.deliver_approvals(*(scene.key(name).approves(change) for name in ("ben", "eva")))

    return tell


async def another_of_alices(scene: Scene) -> None:
    """Deliver another change that alice proposed, and the good approvals of that one."""
    alice = scene.of("alice").changes
    uri = f"{scene.uri}-other"
    other = await alice.propose(Proposal.put(uri, {NEW: scene.one.value, KEPT: b"x"}), requester="alice")
    for name in ("ben", "eva"):
        await scene.of(name).changes.approve(await scene.of(name).changes.get(other.change_id))
    other = await alice.get(other.change_id)

    def swap(message: Sent) -> None:
        message.change = other.change.content
        message.ClearField("approvals")
        message.approvals.extend(one.content for one in other.approvals)

    scene.deliver(swap)


async def approvals_of_another(scene: Scene) -> None:
    """Deliver alice's change with the approvals of another one of hers."""
    alice = scene.of("alice").changes
    other = await alice.propose(Proposal.put(f"{scene.uri}-other", {NEW: scene.one.value}), requester="alice")
    await scene.of("eva").changes.approve(await scene.of("eva").changes.get(other.change_id))
    [of_eva] = (await alice.get(other.change_id)).approvals
    scene.deliver_approvals(scene.change.approvals[0].content, of_eva.content)


async def added(scene: Scene) -> None:
    """Deliver an approval that eva gave once alice had looked: it counts, and alice sent no such thing."""
    eva = scene.of("eva").changes
    both = await eva.approve(await eva.get(scene.change.change_id))
    scene.deliver_approvals(*(one.content for one in both.approvals))


def earlier(scene: Scene) -> None:
    """Deliver a change that was executed before, with its approvals."""

    def swap(message: Sent) -> None:
        message.change = scene.earlier.change.content
        message.ClearField("approvals")
        message.approvals.extend(one.content for one in scene.earlier.approvals)

    scene.deliver(swap)


def asked(change: Callable[[upload_pb2.UploadRequest], Any]) -> Callable[[Scene], None]:
    """Tell the reactor that alice asks for something else."""

    def tell(scene: Scene) -> None:
        def act(answer: reactor_pb2.AttachResponse) -> reactor_pb2.AttachResponse:
            event = event_pb2.Event.FromString(answer.delivery.record)
            message = events_pb2.SecretUploadKeyRequested.FromString(event.data)
            request = upload_pb2.UploadRequest.FromString(message.request)
            change(request)
            message.request = request.SerializeToString(deterministic=True)
            event.data = message.SerializeToString(deterministic=True)
            answer.delivery.record = event.SerializeToString()
            return answer

        scene.wire.change_delivery("SecretUploadKeyRequested", act, times=None, of=scene.uri)

    return tell


def _glass(request: upload_pb2.UploadRequest) -> None:
    request.ClearField("change_sha256")
    request.break_glass = "m8 says that it is urgent"


def twice(scene: Scene) -> None:
    """Deliver what alice sent twice, one right after the other."""

    def act(one: Passing, _: object) -> None:
        one.go()
        one.go()

    scene.wire.on_delivery("SecretUploadRequested", act, times=None, of=scene.uri)


def _bare(message: Sent) -> None:
    message.ClearField("change")
    message.ClearField("approvals")


def flipped(content: bytes, at: int = -1) -> bytes:
    changed = bytearray(content)
    changed[at] ^= 1
    return bytes(changed)


async def puts_plainly(scene: Scene) -> Any:
    """The setter, whom nobody must approve, puts it without a change."""
    return await scene.of("setter").put_secret(scene.uri, {NEW: scene.one.value})


async def alice_puts_plainly(scene: Scene) -> Any:
    """alice puts it without the change that was approved."""
    return await scene.of("alice").put_secret(scene.uri, {NEW: scene.one.value})


def as_proposed(scene: Scene) -> None:
    """Deliver her change and its approvals beside what names no change."""

    def add(message: Sent) -> None:
        message.change = scene.change.change.content
        message.approvals.extend(one.content for one in scene.change.approvals)

    scene.deliver(add)


async def executes_for_another(scene: Scene) -> Any:
    """alice executes a change that ben and eva approved for the setter."""
    alice = scene.of("alice").changes
    other = await alice.propose(Proposal.put(f"{scene.uri}-other", {NEW: scene.one.value}), requester="setter")
    for name in ("ben", "eva"):
        await scene.of(name).changes.approve(await scene.of(name).changes.get(other.change_id))
    return await alice.run(await alice.get(other.change_id), {NEW: scene.one.value})


def change_and_approvals(scene: Scene) -> None:
    """Deliver a change beside what names none."""
    scene.deliver(lambda message: setattr(message, "change", scene.change.change.content))


def _of_request(scene: Scene) -> bytes:
    """eva's signature over the change, made for a request: of another namespace."""
    return scene.key("eva").signs_statement(approval_statement(scene.change.change.sha256), Namespace.REQUEST)


def _stranger(scene: Scene) -> bytes:
    return Person("eva").approves(scene.change.change)


refused = partial(ApprovalLie, Step.APPROVALS, says="NOT_AUTHORIZED", code=Code.NOT_AUTHORIZED, against=Victim.REACTOR)
one_short = partial(refused, approved_by=ALONE)
no_key = partial(
    ApprovalLie, Step.APPROVALS, says="no key came", code=Code.TIMED_OUT, against=Victim.REACTOR, silent=True
)
done = partial(ApprovalLie, Step.APPROVALS, against=Victim.REACTOR, writes=1)

LIES = (
    refused("one approval less", approvals(lambda _, ben, __: [ben])),
    refused("no approval", approvals(lambda *_: [])),
    refused("no change", sent(lambda message: message.ClearField("change"))),
    refused(
        "nothing of what was approved",
        sent(_bare),
    ),
    refused("one approval twice", approvals(lambda _, ben, __: [ben, ben])),
    refused("nine approvals, two of which are good", approvals(lambda _, ben, eva: [ben, eva] + 7 * [ben])),
    refused("an approval with one other bit", approvals(lambda _, ben, eva: [ben, flipped(eva)])),
    refused("an approval of another key's bytes", approvals(lambda _, ben, eva: [ben, flipped(eva, 60)])),
    refused("half an approval", approvals(lambda _, ben, eva: [ben, eva[: len(eva) // 2]])),
    refused("an approval of 8,193 bytes", approvals(lambda _, ben, eva: [ben, eva.ljust(8_193, b"\0")])),
    one_short(
        "an approval by a second key of the same person",
        beside(lambda scene: scene.stage.ben_again.approves(scene.change.change)),
    ),
    one_short("alice's own approval", beside(by("alice"))),
    one_short("an approval by a revoked key", beside(by("dora"))),
    one_short("an approval of one who may approve nothing", beside(by("fred"))),
    one_short("an approval of one who is in no list", beside(by("mallory"))),
    one_short("an approval by a key of m8's own in eva's name", beside(_stranger)),
    one_short("an approval by a certificate of m8's own", beside(_in_evas_name)),
    one_short("a signature for requests as an approval", beside(_of_request)),
    one_short("an earlier approval of eva's", beside(lambda scene: scene.earlier.approvals[1].content)),
    one_short("the approvals of another change of hers", approvals_of_another),
    refused("a change that was executed before, with its approvals", earlier),
    refused("another change of hers, with its approvals", another_of_alices),
    refused("another reason than was approved", other_change(reason="because m8 says so")),
    refused("another reason, approved as such", signed_anew(reason="because m8 says so")),
    refused("another requester", signed_anew(requester="mallory")),
    refused("another identity", signed_anew(identity="SHA256:" + "A" * 43)),
    refused("another id of the change", signed_anew(change_id=secrets.token_bytes(16))),
    refused("a longer time", signed_anew(not_after=int(time.time()) + 80_000)),
    refused("no keys", signed_anew(keys=(NEW,)), purposes=("put",)),
    refused(
        "a fingerprint that alice did not give",
        signed_anew(fingerprint=f"fp1:{16 * '0'}:{64 * '0'}"),
        purposes=("put",),
    ),
    refused(
        "a field that nobody knows", sent(lambda message: setattr(message, "change", message.change + b"\xf8\x3f\x01"))
    ),
    refused("a change that is none", sent(lambda message: setattr(message, "change", b"\xff"))),
    refused("no signature of the requester", sent(lambda message: message.ClearField("request_signature"))),
    refused("nothing false, of a put without a change", lambda _: None, act=alice_puts_plainly),
    refused("what was approved, beside a put without a change", as_proposed, act=alice_puts_plainly),
    refused("nothing false, of a change for another requester", lambda _: None, act=executes_for_another),
    refused("a change beside what names none", change_and_approvals, act=puts_plainly),
    refused("approvals beside what names no change", approvals(lambda _, ben, eva: [ben, eva]), act=puts_plainly),
    no_key("that she breaks the glass", asked(_glass)),
    no_key("that she names another change", asked(lambda one: setattr(one, "change_sha256", bytes(32)))),
    no_key("that she names no change", asked(lambda one: one.ClearField("change_sha256"))),
    done("the approvals in another order", approvals(lambda _, ben, eva: [eva, ben])),
    done(
        "what is no approval beside good ones", approvals(lambda _, ben, eva: [b"SSHSIG", ben, ben, eva, flipped(eva)])
    ),
    done("an approval of a stranger beside good ones", approvals(lambda scene, ben, eva: [_stranger(scene), ben, eva])),
    done("what alice sent twice", twice),
    ApprovalLie(
        Step.APPROVALS,
        "an approval that alice did not see",
        added,
        "no such approval was sent",
        Code.OUTCOME_UNKNOWN,
        against=Victim.REACTOR,
        approved_by=ALONE,
        act=executes_as_seen,
        writes=1,
    ),
)
