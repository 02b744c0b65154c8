"""Lies about the one-time key: whatever they are, nothing is sealed."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any

from monoskope.api.gateway.v1 import views_pb2
from monoskope.api.secrets.v1 import identity_pb2, upload_pb2
from monoskope.errors import Code
from monoskope.protocol.identity import UPLOAD_GRANT
from monoskope.testing.cluster.identities import Identity, OneTimeKey
from tests.lies.lie import EVERY, WRITING, Lie, Step
from tests.lies.rig import MEMORY
from tests.lies.scene import Scene, change_request
from tests.lies.walks import KEPT

THIEF = Identity()
KEY, CHANGED = Step.KEY, Code.IDENTITY_CHANGED
ENDED, REQUESTED = views_pb2.UPLOAD_STATE_ENDED, views_pb2.UPLOAD_STATE_REQUESTED
NO_SIGNATURE = "a signature does not verify"

Change = Callable[[Any, Scene], Any]


def key(change: Change) -> Callable[[Scene], Any]:
    return lambda scene: scene.change_key(lambda answer: change(answer, scene))


def granted(change: Change) -> Callable[[Scene], Any]:
    return key(lambda answer, scene: change(answer.grant, scene) if answer.HasField("grant") else None)


def rewritten(**fields: object) -> Callable[[Scene], Any]:
    def change(grant: Any, _: Scene) -> None:
        message = upload_pb2.UploadGrant.FromString(grant.content)
        for name, value in fields.items():
            setattr(message, name, value)
        grant.content = message.SerializeToString(deterministic=True)

    return granted(change)


def of_thief(grant: Any, _: Scene) -> None:
    """The grant with a key of the thief's, signed by him."""
    message = upload_pb2.UploadGrant.FromString(grant.content)
    message.public_key = OneTimeKey().public
    grant.CopyFrom(THIEF.sign(UPLOAD_GRANT, message.SerializeToString(deterministic=True)))


def as_pinned(grant: Any, scene: Scene) -> None:
    """The same, said to be the store's."""
    of_thief(grant, scene)
    grant.identity_key = scene.rig.identities[MEMORY].public_key


def cut(name: str) -> Callable[[Scene], Any]:
    """Cut the last byte of a part of it."""
    return granted(lambda grant, _: setattr(grant, name, getattr(grant, name)[:-1]))


def ended(reason: int, detail: str = "") -> Callable[[Scene], Any]:
    """Say that the request ended without a key."""

    def change(answer: Any, _: Scene) -> None:
        answer.ClearField("grant")
        answer.state, answer.reason, answer.detail = ENDED, reason, detail

    return key(change)


def _stepped(answer: Any, scene: Scene) -> None:
    claimed = upload_pb2.Signed()
    if answer.HasField("grant"):
        of_thief(answer.grant, scene)
        claimed = answer.grant
    step = THIEF.rotate(THIEF, MEMORY)
    answer.rotations.append(identity_pb2.SignedRotation(content=step.content, new_signature=claimed.signature))


def asks(change: Callable[..., Any]) -> Callable[[Scene], Any]:
    """Ask the reactor for something else than alice asks for."""
    return lambda scene: scene.change_call(
        "RequestSecretUploadKey", lambda message: change_request(message, lambda one: change(one, scene))
    )


def _labelled(one: Any, _: Scene) -> None:
    one.keep_labels = False
    one.labels.add(name="owner", value="mallory")


def _silence(answer: Any, _: Scene) -> None:
    answer.Clear()
    answer.state = REQUESTED


UNSIGNED = {
    name: Code[code]
    for name, code in (
        ("BAD_PAYLOAD", "REFUSED"),
        ("CONFLICT", "CONFLICT"),
        ("UPSTREAM_REFUSED", "REFUSED"),
        ("CANNOT_READ", "REFUSED"),
        ("UNSUPPORTED", "REFUSED"),
        ("EXPIRED", "TIMED_OUT"),
        ("STORE_INACTIVE", "REFUSED"),
        ("UPSTREAM_CHANGED", "CONFLICT"),
        ("NOT_AUTHORIZED", "NOT_AUTHORIZED"),
        ("NO_REACTOR", "UNAVAILABLE"),
    )
}
"""Reasons that m8 gives by itself, before anything was sent, and the code that its user gets."""

FIELDS: dict[str, object] = {
    "subject": "mallory",
    "suite": 2,
    "replica": b"r" * 16,
    "lifetime_s": 3_600,
    "max_plaintext": 512,
    "fingerprint_key_id": "0" * 16,
    "signature_required": False,
    "public_key": b"k" * 1_216,
}

changed = partial(Lie, KEY, code=CHANGED)

ASKED_OTHERWISE: dict[str, tuple[Callable[[Any, Scene], object], tuple[str, ...]]] = {
    "another secret is asked for": (
        lambda one, scene: setattr(one, "uri", scene.kept_of("delete", "put").view.uri),
        EVERY,
    ),
    "a deletion is asked for": (lambda one, _: setattr(one, "destroy", True), ("delete",)),
    "anything may be replaced": (lambda one, _: setattr(one, "expect", upload_pb2.EXPECT_OVERWRITE), WRITING),
    "other keys are removed": (lambda one, _: one.remove_keys.append("zz"), ("patch",)),
    "it is copied elsewhere": (lambda one, _: setattr(one, "destination", "other://team-a/else"), ("copy",)),
    "a key more is copied": (lambda one, _: one.keys.insert(0, KEPT), ("copy",)),
    "another key is copied": (lambda one, _: one.keys.__setitem__(0, KEPT), ("copy",)),
    "the whole secret is copied": (lambda one, _: one.ClearField("keys"), ("copy",)),
    "something weaker is generated": (lambda one, _: setattr(one.recipes[1], "size", 12), ("generate",)),
    "another version is rolled back to": (lambda one, _: setattr(one, "to_version", "v2"), ("rollback",)),
    "labels are added": (_labelled, ("put", "generate")),
}
"""What m8 says was asked for, and for which purposes."""

LIES = (
    changed("a thief's key and signature", granted(of_thief), f"signed by {re.escape(THIEF.shown)}"),
    changed("a thief's signature as the store's", granted(as_pinned), NO_SIGNATURE),
    *(changed(f"another {name}", rewritten(**{name: value}), NO_SIGNATURE) for name, value in FIELDS.items()),
    changed("an earlier grant", granted(lambda grant, scene: grant.CopyFrom(scene.kept.view.grant)), "another request"),
    changed(
        "the grant of another purpose",
        granted(lambda grant, scene: grant.CopyFrom(scene.kept_of("put", "delete").view.grant)),
        "another request",
    ),
    changed(
        "a receipt as the grant", granted(lambda grant, scene: grant.CopyFrom(scene.kept.view.receipt)), NO_SIGNATURE
    ),
    changed(
        "a grant with more fields",
        granted(lambda grant, _: setattr(grant, "content", grant.content + b"\x78\x01")),
        NO_SIGNATURE,
    ),
    changed("a grant that is cut", cut("content"), NO_SIGNATURE),
    changed("a signature that is cut", cut("signature"), "does not have 64 bytes"),
    changed(
        "an identity that is cut",
        cut("identity_key"),
        "a message is signed by .*, not by the store's identity",
    ),
    changed(
        "an empty grant",
        granted(lambda grant, _: grant.Clear()),
        "a message is signed by .*, not by the store's identity",
    ),
    changed("a step to the thief", key(_stepped), "an identity rotation is malformed"),
    *(
        Lie(
            KEY,
            f"unsigned {reason}",
            ended(upload_pb2.Reason.Value(f"REASON_{reason}")),
            f"m8 says.*{reason}.*No store signed that; nothing was sent",
            code,
        )
        for reason, code in UNSIGNED.items()
    ),
    Lie(KEY, "an unknown reason, unsigned", ended(99), "No store signed that; nothing was sent", Code.INTERNAL),
    Lie(
        KEY,
        "a detail that would harm",
        ended(upload_pb2.REASON_CONFLICT, "\x1b[2J run `monoctl put --overwrite` now"),
        r"^(?!.*(?:\x1b|--overwrite)).*No store signed that",
        Code.CONFLICT,
    ),
    Lie(
        KEY,
        "no end and no key",
        key(_silence),
        "no key came within .*; nothing was sent",
        Code.TIMED_OUT,
        silent=True,
    ),
    *(
        changed(f"that {said}", asks(change), "another request", purposes=purposes)
        for said, (change, purposes) in ASKED_OTHERWISE.items()
    ),
)
