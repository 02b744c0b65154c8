"""A copy: the source's reactor is a client of m8 itself, and is lied to as one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monoskope.api.gateway.v1 import reactor_pb2, views_pb2
from monoskope.api.secrets.v1 import upload_pb2
from monoskope.errors import Code, RefusedError
from monoskope.protocol.identity import RECEIPT, UPLOAD_GRANT
from monoskope.testing.cluster.identities import Identity, OneTimeKey
from monoskope.testing.scripted.client import token
from tests.lies.lie import Lie, Step, Victim
from tests.lies.rig import OTHER
from tests.lies.scene import Scene, change_request

THIEF = Identity()
COPIES, REACTOR, COPY = Step.COPIES, Victim.REACTOR, ("copy",)
MAY_NOT = r"may not copy from here to there, .*nothing was written\. \(UPSTREAM_REFUSED\)"
NOT_KNOWN = "could not find out whether its engine wrote the secret; it may or may not have been copied"
FAILED, UNKNOWN = Code.REFUSED, Code.OUTCOME_UNKNOWN


def authorized(change: Callable[[Any], Any]) -> Callable[[Scene], Any]:
    """Answer the reactor's question for a token otherwise."""

    def tell(scene: Scene) -> None:
        def act(answer: reactor_pb2.AttachResponse) -> reactor_pb2.AttachResponse:
            change(answer.copy_authorized)
            return answer

        scene.wire.change_delivery("CopyAuthorized", act, times=None)

    return tell


def there(method: str, change: Callable[[Any, Scene], Any]) -> Callable[[Scene], Any]:
    """Change what the reactor is answered about the destination."""
    return lambda scene: scene.change(
        method, lambda message: change(message, scene), when=lambda call: _is_there(call, scene)
    )


def _is_there(call: Any, scene: Scene) -> bool:
    return call.request is not None and call.request.uri == scene.one.destination


def key(change: Callable[[Any, Scene], Any]) -> Callable[[Scene], Any]:
    """Change the key of the put at the destination."""
    return there("RequestSecretUploadKey", lambda answer, scene: change(answer.key, scene))


def end(change: Callable[[Any, Scene], Any]) -> Callable[[Scene], Any]:
    def tell(scene: Scene) -> None:
        for method in ("RequestUploadSecret", "GetSecretUpload"):
            there(method, lambda answer, found: change(answer.upload, found))(scene)

    return tell


def _thiefs_key(answer: Any, _: Scene) -> None:
    message = upload_pb2.UploadGrant.FromString(answer.grant.content)
    message.public_key = OneTimeKey().public
    answer.grant.CopyFrom(THIEF.sign(UPLOAD_GRANT, message.SerializeToString(deterministic=True)))


def _thiefs_receipt(view: Any, _: Scene) -> None:
    if view.HasField("receipt"):
        view.receipt.CopyFrom(THIEF.sign(RECEIPT, view.receipt.content))


def _no_receipt(view: Any, _: Scene) -> None:
    view.ClearField("receipt")
    view.state = views_pb2.UPLOAD_STATE_ENDED


def _earlier_receipt(view: Any, scene: Scene) -> None:
    if view.HasField("receipt"):
        view.receipt.CopyFrom(upload_pb2.Receipt.FromString(scene.kept.view.receipt.content).destination)


def _other_identity(answer: Any, _: Scene) -> None:
    if answer.store.name == OTHER:
        answer.store.identity = THIEF.shown


def asked(method: str, change: Callable[[Any], Any]) -> Callable[[Scene], Any]:
    """Change what the reactor asks of the destination."""
    return lambda scene: scene.change_call(method, change, when=lambda call: _is_there(call, scene))


def _redirected(message: Any) -> None:
    change_request(message, lambda request: setattr(request, "uri", f"{request.uri}-else"))


def _refused(scene: Scene) -> None:
    scene.wire.refuse("RequestUploadSecret", RefusedError("no."), times=None, when=lambda call: _is_there(call, scene))


def lie(name: str, tell: Callable[[Scene], Any], says: str, code: Code, *, done: bool | None = None) -> Lie:
    return Lie(COPIES, name, tell, says, code, COPY, REACTOR, done=done)


LIES = (
    lie("no token", authorized(lambda answer: answer.ClearField("token")), MAY_NOT, FAILED),
    lie("a token that is none", authorized(lambda answer: setattr(answer, "token", "a\nb")), MAY_NOT, FAILED),
    lie("mallory's token", authorized(lambda answer: setattr(answer, "token", token("mallory"))), MAY_NOT, FAILED),
    lie("a refusal of the token", authorized(lambda answer: setattr(answer, "error", "REFUSED")), MAY_NOT, FAILED),
    lie(
        "another identity of the destination",
        lambda scene: scene.change("GetSecretStore", lambda answer: _other_identity(answer, scene)),
        "the identity of store 'other' of .* changed",
        Code.IDENTITY_CHANGED,
    ),
    lie("a thief's key for the destination", key(_thiefs_key), MAY_NOT, FAILED),
    lie(
        "an earlier key of the destination",
        key(
            lambda answer, scene: answer.grant.CopyFrom(
                upload_pb2.Receipt.FromString(scene.kept.view.receipt.content).destination_grant
            )
        ),
        MAY_NOT,
        FAILED,
    ),
    lie("another place at the destination", asked("RequestSecretUploadKey", _redirected), MAY_NOT, FAILED),
    lie("a thief's receipt of the destination", end(_thiefs_receipt), NOT_KNOWN, UNKNOWN, done=True),
    lie("no receipt of the destination", end(_no_receipt), NOT_KNOWN, UNKNOWN, done=True),
    lie("an earlier receipt of the destination", end(_earlier_receipt), NOT_KNOWN, UNKNOWN, done=True),
    lie(
        "no signature of the source's",
        asked("RequestUploadSecret", lambda message: message.ClearField("request_signature")),
        "NOT_AUTHORIZED",
        Code.NOT_AUTHORIZED,
        done=False,
    ),
    lie("that the destination refuses what was sent", _refused, NOT_KNOWN, UNKNOWN, done=False),
)
