"""Why m8 refuses the login of a reactor that proved its store's identity: the words that go with the status.

They stand beside the error's fix in `google.rpc.ErrorInfo`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from monoskope.api.gateway.v1 import views_pb2
from monoskope.protocol.names import spelled

_REFUSAL, _ALLOWED = "login_refusal", "fingerprint_key_ids"
_KEY_IDS = re.compile(r"[0-9a-f]{16}( [0-9a-f]{16})?", re.ASCII)
_NAMES = {
    spelled(views_pb2.LoginRefusal, refusal): refusal
    for refusal in (
        views_pb2.LOGIN_REFUSAL_FINGERPRINT_KEY,
        views_pb2.LOGIN_REFUSAL_STORE_TYPE,
        views_pb2.LOGIN_REFUSAL_TOO_MANY_REACTORS,
    )
}


@dataclass(frozen=True, slots=True)
class LoginRefusal:
    """What m8 said. It is m8's word."""

    refusal: views_pb2.LoginRefusal
    allowed: tuple[str, ...] = ()
    """The fingerprint key ids that are allowed, if m8 named them."""


def described(refusal: views_pb2.LoginRefusal, allowed: Collection[str]) -> dict[str, str]:
    """Return the words for a refusal."""
    said = {_REFUSAL: spelled(views_pb2.LoginRefusal, refusal)}
    return {**said, _ALLOWED: " ".join(allowed)} if allowed else said


def read(words: Mapping[str, str]) -> LoginRefusal | None:
    """Return the refusal that `words` describe, None if they describe none that is known here."""
    refusal = _NAMES.get(words.get(_REFUSAL, ""))
    if refusal is None:
        return None
    allowed = words.get(_ALLOWED, "")
    return LoginRefusal(refusal, tuple(allowed.split()) if _KEY_IDS.fullmatch(allowed) else ())
