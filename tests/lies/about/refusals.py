"""Refusals and errors that m8 invents: its words are called its words, and no fix of its own is passed on as ours."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any

from google.rpc import error_details_pb2  # type: ignore[import-untyped]

from monoskope.errors import Code, ConflictError, Error, IdentityChangedError, RateLimitedError, RefusedError
from tests.lies.lie import Lie, Step
from tests.lies.scene import Scene
from tests.support.hostile_session import Failure

REFUSAL = Step.REFUSAL
ASK, SEND = "RequestSecretUploadKey", "RequestUploadSecret"
SAYS = "m8 says: "
ANSWERED = "m8 at .* answered"


def refuses(failure: Failure, method: str = ASK) -> Callable[[Scene], Any]:
    return lambda scene: scene.wire.refuse(method, failure, times=None, of=scene.uri)


def status(reason: str, *, domain: str = "monoskope", message: str = "no.", cut: int = 0) -> dict[str, object]:
    """An error of Connect's as no m8 makes it."""
    info = error_details_pb2.ErrorInfo(reason=reason, domain=domain).SerializeToString()
    detail = {"type": "google.rpc.ErrorInfo", "value": b64encode(info[: len(info) - cut]).decode().rstrip("=")}
    return {"code": "failed_precondition", "message": message, "details": [detail]}


def lie(name: str, failure: Failure, says: str, code: Code, **more: object) -> Lie:
    return Lie(REFUSAL, name, refuses(failure), says, code, **more)  # type: ignore[arg-type]


THIEF = "SHA256:" + "T" * 43
LIES = (
    lie("an unknown code", status("WONDERFUL"), SAYS, Code.INTERNAL),
    lie("an error of another domain", status("NOT_FOUND", domain="example.org"), ANSWERED, Code.IDENTITY_CHANGED),
    lie("an error that cannot be read", status("NOT_FOUND", cut=1), ANSWERED, Code.IDENTITY_CHANGED),
    lie(
        "a changed identity, and to agree to it",
        IdentityChangedError("the store has a new identity.", fix=f"Run monoctl put --store-identity memory={THIEF}"),
        f"m8 says: the store has a new identity.*m8 suggests: Run monoctl put --store-identity memory={THIEF}",
        Code.IDENTITY_CHANGED,
    ),
    lie(
        "a conflict, and to overwrite",
        ConflictError("it changed.", fix="Put again with --overwrite."),
        "m8 says: it changed.*m8 suggests: Put again with --overwrite",
        Code.CONFLICT,
    ),
    lie(
        "a fix that would harm",
        RefusedError("no.", fix="Delete ~/.config/monoskope/known_stores and log in again."),
        "m8 says: no.*\nm8 suggests: Delete",
        Code.REFUSED,
    ),
    lie(
        "text that rules the terminal",
        RefusedError("\x1b[2J\x1b[1;1H\u202eno\u2028.", fix="\x9b2J\x07"),
        r"^(?!.*[\x1b\x07\x9b\u202e\u2028]).*m8 says: ",
        Code.REFUSED,
    ),
    lie("a text without an end", RefusedError("x" * 3_000), r"^.{0,700}$", Code.REFUSED),
    lie("success as an error", status("UPLOADED", message="UPLOADED"), "m8 says: UPLOADED", Code.INTERNAL),
    lie("that its end is not known", status("OUTCOME_UNKNOWN"), SAYS, Code.OUTCOME_UNKNOWN),
    lie("that it was not tried", status("NOT_TRIED"), SAYS, Code.NOT_TRIED),
    lie("that the reactor does not act", status("NOT_AUTHORIZED"), SAYS, Code.NOT_AUTHORIZED),
    lie(
        "a limit for eleven days",
        RateLimitedError("too much.", retry_after_s=999_999),
        "m8 says: too much",
        Code.RATE_LIMITED,
    ),
    lie(
        "a limit without a time",
        RateLimitedError("too much."),
        "m8 says: too much",
        Code.RATE_LIMITED,
        purposes=("put",),
        silent=True,
    ),
    lie("a defect", Error("a defect."), "m8 says: a defect", Code.INTERNAL),
    *(lie(f"a bare {one}", one, ANSWERED, Code.INTERNAL) for one in ("unknown", "data_loss")),
    *(
        Lie(
            REFUSAL,
            f"{name}, once it was sent",
            refuses(failure, SEND),
            "after the sealed secret was sent",
            Code.OUTCOME_UNKNOWN,
            done=False,
        )
        for name, failure in (
            ("an unknown code", status("WONDERFUL")),
            ("a changed identity", IdentityChangedError("another.")),
            ("that it was not tried", status("NOT_TRIED")),
            ("an error that cannot be read", status("NOT_FOUND", cut=1)),
            ("a limit for eleven days", RateLimitedError("too much.", retry_after_s=999_999)),
        )
    ),
)
