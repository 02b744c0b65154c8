"""Lies about what is known: what no receipt proves is never shown as proven."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from monoskope.api.gateway.v1 import access_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Code
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT
from monoskope.testing.cluster.identities import Identity
from tests.lies.lie import EVERY, WRITING, Lie, Step
from tests.lies.scene import Scene
from tests.support.hostile_rules import Call

THIEF = Identity()
QUESTIONS, EVENTS = Step.QUESTIONS, Step.EVENTS
FALSE = "proven=False, why_not_proven=[\"']what m8 shows as its proof is none: "
OTHERWISE = f"{FALSE}m8 shows something else than its receipt says'"
VERSION_OTHERWISE = (
    "proven=False, why_not_proven='m8 shows something else than the grant and the receipt of its request say'"
)
NO_END = "the pages of m8's answer have no end"
HASH = "fp1:0000000000000000:" + "0" * 64

Change = Callable[[Any, Scene], Any]


def secret(change: Change) -> Callable[[Scene], Any]:
    def tell(scene: Scene) -> None:
        scene.change("GetSecret", lambda answer: change(answer.secret, scene))
        scene.change("ListSecrets", lambda answer: [change(one, scene) for one in answer.secrets])

    return tell


def version(change: Change) -> Callable[[Scene], Any]:
    return lambda scene: scene.change(
        "ListSecretVersions", lambda answer: [change(one, scene) for one in answer.versions]
    )


def upload(change: Change) -> Callable[[Scene], Any]:
    return lambda scene: scene.change("GetSecretUpload", lambda answer: change(answer.upload, scene))


def sets(name: str, value: object) -> Change:
    return lambda one, _: setattr(one, name, value)


def of_thief(one: Any, _: Scene) -> None:
    one.receipt.CopyFrom(THIEF.sign(RECEIPT, one.receipt.content))


def earlier(one: Any, scene: Scene) -> None:
    """The receipt of another secret."""
    other = "put" if scene.purpose.endswith("of delete") else "delete"
    one.receipt.CopyFrom(scene.rig.kept[other].view.receipt)


def _of_comparison(one: Any, scene: Scene) -> None:
    """A receipt that tells of no secret."""
    one.receipt.CopyFrom(scene.rig.kept["compare"].view.receipt)


def _begun(one: Any, scene: Scene) -> None:
    """That writing began, as the end."""
    one.receipt.CopyFrom(scene.rig.kept[scene.purpose.removeprefix("get upload of ")].started)


def _values(one: Any, _: Scene) -> None:
    one.values[0].fingerprint = HASH


def _forged_grant(one: Any, _: Scene) -> None:
    one.grant.CopyFrom(THIEF.sign(UPLOAD_GRANT, one.grant.content))


def answered_anew(method: str) -> Callable[[Scene], Any]:
    """Answer each page with the first one, and name a page that was there as the next."""

    def tell(scene: Scene) -> None:
        async def act(call: Any, _: object) -> bytes:
            message = call.message
            message.ClearField("page_token")
            asked = Call(call.path, message.SerializeToString(), call.headers)
            answer = call.method.response.FromString(await scene.wire.forward(asked))
            answer.next_page_token = "again"
            return bytes(answer.SerializeToString())

        scene.wire.on_call(method, act, times=None)

    return tell


def _tokens(scene: Scene) -> None:
    scene.wire.answer("ListTokens", access_pb2.ListTokensResponse(next_page_token="again"), times=None)


SECRET = ("get secret", "list secrets")
VERSIONS = ("list versions",)
UPLOAD = tuple(f"get upload of {purpose}" for purpose in EVERY)
BEGUN = tuple(f"get upload of {purpose}" for purpose in WRITING if purpose != "copy")
WORD = "proven=False, why_not_proven="

of_secret = partial(Lie, QUESTIONS, purposes=SECRET)
of_upload = partial(Lie, QUESTIONS, purposes=UPLOAD)
of_version = partial(Lie, QUESTIONS, purposes=VERSIONS)

LIES = (
    *(
        of_secret(f"another {name} of a secret", secret(sets(name, value)), OTHERWISE)
        for name, value in (
            ("fingerprint", HASH),
            ("upstream_version", "v0"),
            ("deleted", True),
        )
    ),
    of_secret("another hash of a value", secret(_values), OTHERWISE),
    of_secret("a receipt of a thief", secret(of_thief), f"{FALSE}a message is signed by"),
    of_secret("a receipt of another secret", secret(earlier), OTHERWISE),
    of_secret(
        "no receipt of a secret",
        secret(lambda one, _: one.ClearField("receipt")),
        f"{WORD}'m8 shows no receipt for it'",
    ),
    of_secret("another name of a secret", secret(sets("uri", "memory://team-a/else")), OTHERWISE),
    of_secret("a receipt of a comparison", secret(_of_comparison), OTHERWISE),
    of_secret("a name that is none", secret(sets("uri", "memory://../x")), f"{WORD}|not a|malformed"),
    *(
        of_version(f"another {name} of a version", version(sets(name, value)), VERSION_OTHERWISE)
        for name, value in (
            ("uri", "memory://team-a/else"),
            ("outcome", upload_pb2.OUTCOME_UNCHANGED),
            ("upstream_version", "v0"),
            ("prior_version", "v0"),
            ("purpose", upload_pb2.PURPOSE_PATCH),
            ("fingerprint", HASH),
            ("subject", "mallory"),
        )
    ),
    of_version(
        "another request of a version", version(sets("request_id", bytes(16))), f"{WORD}'m8 does not show its request"
    ),
    *(
        of_upload(f"another {name} of a request: {value!r:.12}", upload(sets(name, value)), FALSE)
        for name, value in (
            ("request_id", bytes(16)),
            ("uri", "memory://team-a/else"),
            ("uri", "nothing"),
            ("purpose", upload_pb2.PURPOSE_UNSPECIFIED),
            ("outcome", upload_pb2.OUTCOME_UNCHANGED),
            ("reason", upload_pb2.REASON_EXPIRED),
            ("destination", "other://team-a/else"),
            ("subject", "mallory"),
        )
    ),
    of_upload(
        "another signature of a request", upload(lambda one, _: setattr(one.receipt, "signature", bytes(64))), FALSE
    ),
    Lie(QUESTIONS, "that writing began of a request", upload(_begun), FALSE, purposes=BEGUN),
    of_upload("a forged grant of a request", upload(_forged_grant), FALSE),
    of_upload("no grant of a request", upload(lambda one, _: one.ClearField("grant")), FALSE),
    of_upload("a thief's receipt of a request", upload(of_thief), FALSE),
    of_upload("another receipt of a request", upload(earlier), FALSE),
    of_upload(
        "success of a request without a receipt",
        upload(lambda one, _: one.ClearField("receipt")),
        "outcome='',.*proven=False, why_not_proven='m8 shows no receipt for it'",
    ),
    of_upload(
        "that a request still goes on",
        upload(sets("state", views_pb2.UPLOAD_STATE_WRITING)),
        f"{WORD}'m8 does not show it as ended'",
    ),
    *(
        Lie(
            QUESTIONS, f"pages of {method} that lead back", answered_anew(method), NO_END, Code.UNAVAILABLE, (question,)
        )
        for method, question in (
            ("ListSecrets", "list secrets"),
            ("ListSecretVersions", "list versions"),
            ("ListSecretStores", "list stores"),
        )
    ),
    Lie(EVENTS, "pages that lead back", answered_anew("ListEvents"), NO_END, Code.UNAVAILABLE, ("list events",)),
    Lie(
        Step.ACCESS,
        "pages of tokens that lead back",
        _tokens,
        NO_END,
        Code.UNAVAILABLE,
        ("list tokens",),
    ),
    Lie(
        QUESTIONS,
        "another newest receipt of a secret to verify",
        secret(earlier),
        "another receipt than the newest that m8 shows",
        Code.IDENTITY_CHANGED,
        ("verify",),
    ),
)
