"""A login that m8 refuses although the reactor proved its store's identity: why, for the reactor and for the store."""

from __future__ import annotations

from collections.abc import Collection

from monoskope.api.gateway.v1 import views_pb2
from monoskope.errors import RefusedError


class LoginRefusedError(RefusedError):
    """A reactor may not log in.

    Args:
        message: As for every error.
        refusal: Why.
        allowed: The fingerprint key ids that are allowed, if that is the reason.
        fix: As for every error.
    """

    def __init__(
        self, message: str, *, refusal: views_pb2.LoginRefusal, fix: str, allowed: Collection[str] = ()
    ) -> None:
        super().__init__(message, fix=fix)
        self.refusal = refusal
        self.allowed = tuple(sorted(allowed))
