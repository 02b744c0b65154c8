"""Lies about the end of a request, after the sealed secret was sent: only a receipt under the pin tells."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Code
from monoskope.protocol.identity import RECEIPT
from monoskope.testing.cluster.identities import Identity
from tests.lies.lie import WRITING, Lie, Step
from tests.lies.rig import MEMORY
from tests.lies.scene import Scene

THIEF = Identity()
UNKNOWN = Code.OUTCOME_UNKNOWN
ENDED, WRITES = views_pb2.UPLOAD_STATE_ENDED, views_pb2.UPLOAD_STATE_WRITING
NO_RECEIPT = "m8 says that it ended .*, but shows no receipt for it"
NOTHING = "what came as its receipt proves nothing"

Change = Callable[[Any, Scene], Any]


def end(change: Change) -> Callable[[Scene], Any]:
    return lambda scene: scene.change_end(lambda view: change(view, scene))


def unsigned(reason: str = "UNSPECIFIED", outcome: int = 0) -> Callable[[Scene], Any]:
    def change(view: Any, _: Scene) -> None:
        view.ClearField("receipt")
        view.state, view.reason = ENDED, upload_pb2.Reason.Value(f"REASON_{reason}")
        view.outcome = outcome

    return end(change)


def receipt(change: Change) -> Callable[[Scene], Any]:
    return end(lambda view, scene: change(view.receipt, scene) if view.HasField("receipt") else None)


def rewritten(**fields: object) -> Callable[[Scene], Any]:
    def change(signed: Any, _: Scene) -> None:
        message = upload_pb2.Receipt.FromString(signed.content)
        for name, value in fields.items():
            setattr(message, name, value)
        signed.content = message.SerializeToString(deterministic=True)

    return receipt(change)


def cut(name: str) -> Callable[[Scene], Any]:
    """Cut the last byte of a part of the receipt."""
    return receipt(lambda signed, _: setattr(signed, name, getattr(signed, name)[:-1]))


def of_thief(signed: Any, _: Scene) -> None:
    """The same receipt, signed by a thief."""
    signed.CopyFrom(THIEF.sign(RECEIPT, signed.content))


def as_pinned(signed: Any, scene: Scene) -> None:
    """The same, said to be the store's."""
    of_thief(signed, scene)
    signed.identity_key = scene.rig.identities[MEMORY].public_key


def _begun(view: Any, scene: Scene) -> None:
    view.state = ENDED
    view.receipt.CopyFrom(scene.kept.started)


def _begun_now(view: Any, scene: Scene) -> None:
    """What the reactor really signed when it began to write this."""
    found = [
        passing.to_m8().append.started.receipt
        for session in scene.wire.sessions
        for passing in session.passed
        if passing.kind == "SecretUploadStarted"
        and passing.request_id == view.request_id
        and passing.way.value == "to m8"
    ]
    if found:
        view.state = ENDED
        view.receipt.CopyFrom(found[0])


def _never(view: Any, _: Scene) -> None:
    view.state = WRITES
    view.ClearField("receipt")


def _signed_by_other_store(signed: Any, scene: Scene) -> None:
    """By the identity of the other store of this m8, which is pinned for that store."""
    signed.CopyFrom(scene.rig.identities["other"].sign(RECEIPT, signed.content))


UNSIGNED = [
    "KEY_LOST",
    "CONFLICT",
    "UPSTREAM_UNAVAILABLE",
    "RATE_LIMITED",
    "EXPIRED",
    "STORE_INACTIVE",
    "NO_REACTOR",
    "OUTCOME_UNKNOWN",
    "NOT_AUTHORIZED",
    "UPSTREAM_CHANGED",
]

FIELDS: dict[str, object] = {
    "outcome": upload_pb2.OUTCOME_FAILED,
    "reason": upload_pb2.REASON_CONFLICT,
    "uri": "memory://team-a/else",
    "upstream_version": "v0",
    "fingerprint": "fp1:0000000000000000:" + "0" * 64,
    "signer": "mallory",
    "signer_key": "SHA256:" + "A" * 43,
    "grant_sha256": bytes(32),
    "sealed_sha256": bytes(32),
    "detail": "all is well.",
    "replica": bytes(16),
    "more": True,
}

unknown_end = partial(Lie, Step.END, code=UNKNOWN)
true_end = partial(Lie, Step.END)
unknown = partial(Lie, Step.RECEIPT, code=UNKNOWN)

LIES = (
    unknown_end("that it is over", unsigned(), NO_RECEIPT),
    unknown_end("success without a receipt", unsigned(outcome=upload_pb2.OUTCOME_UPLOADED), NO_RECEIPT),
    *(unknown_end(f"{reason} without a receipt", unsigned(reason), f"{reason}.*no receipt") for reason in UNSIGNED),
    unknown_end("that it still goes on", end(_never), "no receipt came within", silent=True),
    true_end(
        "another outcome beside its receipt", end(lambda view, _: setattr(view, "outcome", upload_pb2.OUTCOME_FAILED))
    ),
    true_end("another secret beside its receipt", end(lambda view, _: setattr(view, "uri", "memory://team-a/else"))),
    true_end("another request beside its receipt", end(lambda view, _: setattr(view, "request_id", bytes(16)))),
    unknown("a thief's receipt", receipt(of_thief), f"{NOTHING}.*signed by {re.escape(THIEF.shown)}"),
    unknown("a thief's receipt as the store's", receipt(as_pinned), f"{NOTHING}: a signature does not verify"),
    unknown("one that another store signed", receipt(_signed_by_other_store), NOTHING),
    unknown(
        "an earlier receipt of the same purpose",
        receipt(lambda signed, scene: signed.CopyFrom(scene.kept.view.receipt)),
        f"{NOTHING}.*another grant",
    ),
    unknown(
        "a receipt of another purpose",
        receipt(lambda signed, scene: signed.CopyFrom(scene.kept_of("put", "delete").view.receipt)),
        f"{NOTHING}",
    ),
    unknown(
        "the grant as the receipt",
        end(lambda view, _: view.receipt.CopyFrom(view.grant) if view.HasField("receipt") else None),
        f"{NOTHING}: a signature does not verify",
    ),
    unknown(
        "that writing began, of an earlier request",
        end(_begun),
        NOTHING,
        purposes=tuple(one for one in WRITING if one != "copy"),
    ),
    unknown(
        "that writing began, as the end",
        end(_begun_now),
        f"{NOTHING}.*writing began|does not fit",
        purposes=tuple(one for one in WRITING if one != "copy"),
    ),
    unknown("a receipt that is cut", cut("content"), f"{NOTHING}: a signature does not verify"),
    unknown("a signature that is cut", cut("signature"), f"{NOTHING}.*64 bytes"),
    unknown("an identity that is cut", cut("identity_key"), NOTHING),
    unknown("an empty receipt", receipt(lambda signed, _: signed.Clear()), NOTHING),
    unknown(
        "a receipt with more fields",
        receipt(lambda signed, _: setattr(signed, "content", signed.content + b"\xf8\x3f\x01")),
        f"{NOTHING}: a signature does not verify",
    ),
    *(
        unknown(f"another {name}", rewritten(**{name: value}), f"{NOTHING}: a signature does not verify")
        for name, value in FIELDS.items()
    ),
)
