"""Lies about the sealed secret on its way: what reaches the reactor is not what alice signed."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Callable
from functools import partial
from typing import Any

from monoskope.api.gateway.v1 import commands_pb2
from monoskope.errors import (
    AlreadyExistsError,
    Code,
    ConflictError,
    Error,
    NotFoundError,
    RefusedError,
    UnauthenticatedError,
    UsageError,
)
from monoskope.protocol.grant import ENCAPSULATED_KEY_BYTES, Grant
from monoskope.protocol.payload import Payload, encode
from tests.lies.lie import SEALING, Lie, Step, Victim
from tests.lies.scene import Scene
from tests.support.hostile_rules import Call, Rule
from tests.support.hostile_upstream import NotAnsweredError
from tests.support.reactor_requests import seal
from tests.support.signed_requests import Person

MALLORY = Person("alice")
SENDING, REACTOR = Step.SENDING, Victim.REACTOR
REFUSED, UNKNOWN = Code.NOT_AUTHORIZED, Code.OUTCOME_UNKNOWN
NOT_LISTED = "NOT_AUTHORIZED"
OTHER_BYTES = "proves nothing: the receipt is for other sealed bytes"

Change = Callable[[Any, Scene], Any]


def sends(change: Change) -> Callable[[Scene], Any]:
    return lambda scene: scene.change_call("RequestUploadSecret", lambda message: change(message, scene))


def _granted(message: Any, scene: Scene) -> Grant:
    return next(grant for grant in scene.rig.signer.signed if grant.request.request_id == message.request_id)


def m8s_own(message: Any, scene: Scene) -> None:
    """A value of m8's own, sealed for alice's grant."""
    sealed = seal(_granted(message, scene), encode(Payload({"password": b"of m8"})))
    message.encapsulated_key, message.ciphertext = sealed[:ENCAPSULATED_KEY_BYTES], sealed[ENCAPSULATED_KEY_BYTES:]


def signed_by_m8(message: Any, scene: Scene) -> None:
    """The same, signed by a key of m8's own."""
    m8s_own(message, scene)
    digest = hashlib.sha256(message.encapsulated_key + message.ciphertext).digest()
    message.request_signature = MALLORY.signs(_granted(message, scene), digest)


def resigned(message: Any, scene: Scene) -> None:
    """What alice sealed, signed by a key of m8's own."""
    digest = hashlib.sha256(message.encapsulated_key + message.ciphertext).digest()
    message.request_signature = MALLORY.signs(_granted(message, scene), digest)


def earlier_bytes(message: Any, scene: Scene) -> None:
    """What alice sealed for an earlier request, and her signature of that."""
    old = scene.kept.sent
    message.encapsulated_key, message.ciphertext = old.encapsulated_key, old.ciphertext
    message.request_signature = old.request_signature


def flipped(message: Any, _: Scene) -> None:
    """One bit of the sealed bytes is another."""
    message.ciphertext = message.ciphertext[:-1] + bytes([message.ciphertext[-1] ^ 1])


def sealed_for_nothing(message: Any, _: Scene) -> None:
    """Sealed bytes where nothing is sealed."""
    message.encapsulated_key, message.ciphertext = os.urandom(ENCAPSULATED_KEY_BYTES), os.urandom(528)


def under_earlier_id(message: Any, scene: Scene) -> None:
    message.request_id = scene.kept.sent.request_id


def answers(answer: bytes | Error) -> Callable[[Scene], Any]:
    def tell(scene: Scene) -> None:
        for method in ("RequestUploadSecret", "GetSecretUpload"):
            if isinstance(answer, bytes):
                scene.wire.answer(method, answer, times=None, of=scene.uri)
            else:
                scene.wire.refuse(method, answer, times=None, of=scene.uri)

    return tell


def twice(scene: Scene) -> None:
    """Deliver it twice, and answer with the second answer."""

    async def act(call: Call, _: Rule[Call]) -> bytes:
        await scene.wire.forward(call)
        return await scene.wire.forward(call)

    scene.wire.on_call("RequestUploadSecret", act, times=None, of=scene.uri)


def twice_with_another(scene: Scene) -> None:
    """Deliver it, and then other bytes under the same id."""

    async def act(call: Call, _: Rule[Call]) -> bytes:
        answer = await scene.wire.forward(call)
        message = call.message
        assert isinstance(message, commands_pb2.RequestUploadSecretRequest)
        message.ciphertext = os.urandom(len(message.ciphertext) or 528)
        message.encapsulated_key = message.encapsulated_key or os.urandom(ENCAPSULATED_KEY_BYTES)
        with contextlib.suppress(NotAnsweredError):  # ALREADY_EXISTS
            await scene.wire.forward(Call(call.path, message.SerializeToString(), call.headers))
        return answer

    scene.wire.on_call("RequestUploadSecret", act, times=1, of=scene.uri)


INVENTED = (
    RefusedError("your rights were taken."),
    ConflictError("something else is there; nothing was written."),
    NotFoundError("there is no such request."),
    AlreadyExistsError("it was sent before."),
    UsageError("the ciphertext is malformed."),
    UnauthenticatedError("the token has ended."),
    Error("a defect of m8."),
)

not_authorized = partial(Lie, SENDING, code=REFUSED, against=REACTOR, done=False)
other_bytes = partial(Lie, SENDING, code=UNKNOWN, against=REACTOR, done=False)
unknown = partial(Lie, SENDING, code=UNKNOWN, done=False)
done = partial(Lie, SENDING, against=REACTOR)

LIES = (
    other_bytes("a value of m8's own under alice's signature", sends(m8s_own), OTHER_BYTES, purposes=SEALING),
    other_bytes("a value of m8's own under m8's signature", sends(signed_by_m8), OTHER_BYTES, purposes=SEALING),
    not_authorized("alice's request under m8's signature", sends(resigned), NOT_LISTED),
    not_authorized("no signature", sends(lambda message, _: message.ClearField("request_signature")), NOT_LISTED),
    not_authorized(
        "an earlier signature of alice's",
        sends(lambda message, scene: setattr(message, "request_signature", scene.kept.sent.request_signature)),
        NOT_LISTED,
    ),
    not_authorized(
        "a signature of alice's for another purpose",
        sends(
            lambda message, scene: setattr(
                message, "request_signature", scene.kept_of("put", "delete").sent.request_signature
            )
        ),
        NOT_LISTED,
    ),
    not_authorized(
        "a signature that is cut",
        sends(lambda message, _: setattr(message, "request_signature", message.request_signature[:-1])),
        NOT_LISTED,
    ),
    not_authorized(
        "a signature and one byte",
        sends(lambda message, _: setattr(message, "request_signature", message.request_signature + b"\0")),
        NOT_LISTED,
    ),
    other_bytes("an earlier sealed secret with its signature", sends(earlier_bytes), OTHER_BYTES, purposes=SEALING),
    other_bytes("one bit of the sealed secret", sends(flipped), OTHER_BYTES, purposes=SEALING),
    other_bytes(
        "something sealed where nothing is",
        sends(sealed_for_nothing),
        "m8 says: ciphertext: must be empty where nothing is to be sealed",
        purposes=("generate", "delete", "verify", "import", "copy", "list", "undelete", "rollback"),
    ),
    unknown(
        "it under the id of an earlier request", sends(under_earlier_id), "after the sealed secret was sent: m8 says"
    ),
    unknown("bytes that are no message", answers(b"\xff\xff no message"), "after the sealed secret was sent"),
    *(
        unknown(
            f"the refusal {error.code.value}",
            answers(error),
            f"after the sealed secret was sent: m8 says: {error.message[:20]}",
        )
        for error in INVENTED
    ),
    done("it twice", twice),
    done("it and then something else", twice_with_another),
    done(
        "that the connection broke, once it was delivered",
        lambda scene: scene.wire.lose_answer("RequestUploadSecret", of=scene.uri),
    ),
)
