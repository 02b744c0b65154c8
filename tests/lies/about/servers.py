"""A list of two servers of one log: what the first one breaks, the second may tell lies about."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from monoskope.errors import Code, NotFoundError
from tests.lies.about import ends, keys, stores
from tests.lies.lie import EVERY, Lie, Step
from tests.lies.scene import Scene

SERVERS, UNKNOWN = Step.SERVERS, Code.OUTCOME_UNKNOWN
BROKEN = "unavailable"


def breaks(
    method: str, then: Callable[[Scene], Any] | None = None, *, delivered: bool = False
) -> Callable[[Scene], Any]:
    """Break the first call of a method; what the next server says is another lie."""

    def tell(scene: Scene) -> None:
        of = {} if method == "GetSecretStore" else {"of": scene.uri}
        if delivered:
            scene.wire.lose_answer(method, times=1, **of)
        else:
            scene.wire.refuse(method, BROKEN, times=1, **of)
        if then is not None:
            then(scene)

    return tell


def _never_heard_of_it(scene: Scene) -> None:
    for method in ("RequestUploadSecret", "GetSecretUpload"):
        scene.wire.refuse(method, NotFoundError("there is no such request."), times=None, of=scene.uri)


def lie(
    name: str, tell: Callable[[Scene], Any], says: str = "", code: Code | None = None, *, done: bool | None = None
) -> Lie:
    return Lie(SERVERS, name, tell, says, code, EVERY, both_servers=True, done=done)


LIES = (
    lie("a break of the first at the store", breaks("GetSecretStore")),
    lie("a break of the first at the key", breaks("RequestSecretUploadKey")),
    lie("a break of the first at the sending", breaks("RequestUploadSecret", delivered=True)),
    lie(
        "another identity at the second",
        breaks("GetSecretStore", stores.field("identity", stores.THIEF.shown)),
        stores.OTHERWISE,
        Code.IDENTITY_CHANGED,
    ),
    lie(
        "a thief's key at the second",
        breaks("RequestSecretUploadKey", keys.granted(keys.as_pinned)),
        "does not verify",
        Code.IDENTITY_CHANGED,
    ),
    lie(
        "no such request at the second",
        breaks("RequestUploadSecret", _never_heard_of_it),
        "after the sealed secret was sent: m8 says: there is no such request",
        UNKNOWN,
        done=False,
    ),
    lie(
        "an unsigned end at the second",
        breaks("RequestUploadSecret", ends.unsigned("KEY_LOST"), delivered=True),
        "no receipt",
        UNKNOWN,
    ),
    lie(
        "an earlier receipt at the second",
        breaks(
            "RequestUploadSecret",
            ends.receipt(lambda signed, scene: signed.CopyFrom(scene.kept.view.receipt)),
            delivered=True,
        ),
        "another grant",
        UNKNOWN,
    ),
)
