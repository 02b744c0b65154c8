"""What m8 tells reactors, and what it makes of what they append: nothing is done that alice did not sign."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from monoskope.api.eventsourcing.v1 import event_pb2
from monoskope.api.gateway.v1 import reactor_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import Code
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT
from monoskope.testing.cluster.identities import Identity
from tests.lies.lie import EVERY, SEALING, WRITING, Lie, Step, Victim
from tests.lies.scene import Scene, change_request
from tests.support.hostile_rules import Passing, Way

THIEF = Identity()
DELIVERY, APPENDS, REACTOR = Step.DELIVERY, Step.APPENDS, Victim.REACTOR
UNKNOWN = Code.OUTCOME_UNKNOWN
REQUESTED, SENT = events_pb2.SecretUploadKeyRequested, events_pb2.SecretUploadRequested
ALONE = tuple(one for one in WRITING if one != "copy")
"""Those whose writing is announced to m8 by the reactor itself."""

Change = Callable[[Any, Scene], Any]


def told(kind: Any, change: Change) -> Callable[[Scene], Any]:
    """Tell the reactor something else in an event about the secret."""

    def tell(scene: Scene) -> None:
        def act(answer: reactor_pb2.AttachResponse) -> reactor_pb2.AttachResponse:
            event = event_pb2.Event.FromString(answer.delivery.record)
            message = kind.FromString(event.data)
            change(message, scene)
            event.data = message.SerializeToString(deterministic=True)
            answer.delivery.record = event.SerializeToString()
            return answer

        scene.wire.change_delivery(kind.DESCRIPTOR.name, act, times=None, of=scene.uri)

    return tell


def asks(change: Callable[[Any], Any]) -> Callable[[Scene], Any]:
    """Tell the reactor another request than m8 recorded."""
    return told(REQUESTED, lambda message, _: change_request(message, change))


def sealed_of_earlier(scene: Scene) -> None:
    """Exchange the sealed bytes for those of an earlier request, under the digest of these."""
    old = scene.kept.sent

    def act(answer: reactor_pb2.AttachResponse) -> reactor_pb2.AttachResponse:
        answer.delivery.sealed = old.encapsulated_key + old.ciphertext
        return answer

    scene.wire.change_delivery("SecretUploadRequested", act, times=None, of=scene.uri)


def forged_grant(scene: Scene) -> None:
    """Tell the reactor that it granted something else, when it is back after its grant was recorded."""

    def change(message: Any, _: Scene) -> None:
        message.grant.CopyFrom(THIEF.sign(UPLOAD_GRANT, message.grant.content))

    told(events_pb2.SecretUploadKeyProvided, change)(scene)
    scene.wire.on_delivery("Appended", _and_cut, answers="SecretUploadKeyProvided", of=scene.uri)


def _and_cut(one: Passing, _: object) -> None:
    one.go()
    one.session.cut()


def garbage(kind: str) -> Callable[[Scene], Any]:
    """Deliver a record that is none, once."""

    def act(answer: reactor_pb2.AttachResponse) -> reactor_pb2.AttachResponse:
        answer.delivery.record = b"\xff\xff"
        return answer

    return lambda scene: scene.wire.change_delivery(kind, act, times=1, of=scene.uri)


def thiefs_receipt(message: Any, scene: Scene) -> None:
    """Hand over a receipt that a thief signed."""
    message.last_receipt.CopyFrom(THIEF.sign(RECEIPT, scene.kept.view.receipt.content))


def older_receipt(message: Any, scene: Scene) -> None:
    """Hand over a receipt of this store that is about another secret."""
    message.last_receipt.CopyFrom(scene.rig.kept["put"].view.receipt)


# --- what reactors append ---


def append_lost(kind: str) -> Callable[[Scene], Any]:
    return lambda scene: scene.wire.lose_append(kind, times=None, of=scene.uri)


def append_refused(kind: str) -> Callable[[Scene], Any]:
    """Refuse what the reactor appends; m8 never records it."""
    return lambda scene: scene.wire.refuse_append(kind, times=None, of=scene.uri)


def said_recorded(scene: Scene) -> None:
    """Say that STARTED was recorded, and keep it from m8: then the write is not in the log."""

    def act(one: Passing, _: object) -> None:
        append = one.to_m8().append
        appended = reactor_pb2.Appended(call=append.call, version=append.expected_version + 1)
        one.session.send(Way.TO_REACTOR, reactor_pb2.AttachResponse(appended=appended))

    scene.wire.on_append("SecretUploadStarted", act, times=None, of=scene.uri)


def appended_otherwise(change: Callable[[Any], Any], kind: str) -> Callable[[Scene], Any]:
    """Record something else than the reactor appends."""

    def act(one: Passing, _: object) -> None:
        message = one.to_m8()
        change(message.append)
        one.go(message)

    return lambda scene: scene.wire.on_append(kind, act, times=None, of=scene.uri)


def _grant_of_thief(append: Any) -> None:
    append.key_provided.grant.CopyFrom(THIEF.sign(UPLOAD_GRANT, append.key_provided.grant.content))


refused = partial(Lie, DELIVERY, code=Code.REFUSED, against=REACTOR)
done = partial(Lie, DELIVERY, against=REACTOR)
no_key = partial(Lie, DELIVERY, code=Code.TIMED_OUT, against=REACTOR, silent=True)
not_authorized = partial(Lie, DELIVERY, code=Code.NOT_AUTHORIZED, against=REACTOR, done=False)
append_without_key = partial(Lie, APPENDS, code=Code.TIMED_OUT, against=REACTOR, silent=True)
append_unknown = partial(Lie, APPENDS, code=UNKNOWN, against=REACTOR, purposes=ALONE)

LIES = (
    no_key("another user", told(REQUESTED, lambda message, _: setattr(message, "subject", "mallory")), "no key came"),
    no_key("another secret", asks(lambda one: setattr(one, "uri", "memory://team-a/else")), "no key came"),
    refused(
        "a secret outside of its prefixes",
        asks(lambda one: setattr(one, "uri", "memory://team-b/db")),
        "UPSTREAM_REFUSED.*No store signed",
    ),
    refused("a secret of another store", asks(lambda one: setattr(one, "uri", "vault://team-a/db")), "No store signed"),
    refused(
        "a request that is none",
        told(REQUESTED, lambda message, _: setattr(message, "request", b"\xff")),
        "UNSUPPORTED.*No store signed",
    ),
    refused(
        "a request with more fields",
        told(REQUESTED, lambda message, _: setattr(message, "request", message.request + b"\xf8\x3f\x01")),
        "UNSUPPORTED.*No store signed",
    ),
    refused(
        "a request of another id",
        asks(lambda one: setattr(one, "request_id", bytes(16))),
        "UNSUPPORTED.*No store signed",
    ),
    refused("an unknown suite", asks(lambda one: one.suites.__setitem__(0, 99)), "No store signed"),
    not_authorized(
        "no signature", told(SENT, lambda message, _: message.ClearField("request_signature")), "NOT_AUTHORIZED"
    ),
    not_authorized(
        "an earlier signature of alice's",
        told(SENT, lambda message, scene: setattr(message, "request_signature", scene.kept.sent.request_signature)),
        "NOT_AUTHORIZED",
    ),
    done("a thief's receipt as the last one", told(REQUESTED, thiefs_receipt)),
    Lie(
        DELIVERY,
        "a thief's receipt to verify",
        told(SENT, thiefs_receipt),
        "no receipt of its own",
        Code.CONFLICT,
        ("verify",),
        REACTOR,
    ),
    done(
        "a thief's receipt beside what was sent",
        told(SENT, thiefs_receipt),
        purposes=tuple(one for one in EVERY if one != "verify"),
    ),
    done("a receipt of another secret as the last one", told(REQUESTED, older_receipt)),
    done("another grant than it gave", forged_grant),
    done("no record of the request", garbage("SecretUploadKeyRequested")),
    not_authorized("sealed bytes of an earlier request", sealed_of_earlier, "NOT_AUTHORIZED", purposes=SEALING),
    append_without_key("that its grant came too late", append_refused("SecretUploadKeyProvided"), "no key came"),
    append_without_key(
        "a thief's grant for its own", appended_otherwise(_grant_of_thief, "SecretUploadKeyProvided"), "no key came"
    ),
    append_unknown(
        "that another one began to write",
        append_refused("SecretUploadStarted"),
        "lost the key of this request",
        done=False,
    ),
    append_unknown(
        "nothing of the beginning",
        append_lost("SecretUploadStarted"),
        "no receipt came",
        silent=True,
        done=False,
        settles=False,
    ),
    append_unknown(
        "a beginning that it does not record",
        said_recorded,
        "no receipt came",
        silent=True,
        done=True,
        settles=False,
    ),
)
