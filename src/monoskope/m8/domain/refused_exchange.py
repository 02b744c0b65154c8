"""The error for a token that is not exchanged."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from monoskope.errors import Code, Error
from monoskope.protocol.login import ExchangeRefusal

_CODES: Mapping[ExchangeRefusal, Code] = MappingProxyType(
    {
        ExchangeRefusal.NO_ISSUERS: Code.REFUSED,
        ExchangeRefusal.TOKEN_TYPE: Code.USAGE,
        ExchangeRefusal.NO_RULE: Code.REFUSED,
        ExchangeRefusal.SEVERAL_RULES: Code.REFUSED,
        ExchangeRefusal.NAME: Code.REFUSED,
        ExchangeRefusal.EMAIL_UNVERIFIED: Code.REFUSED,
        ExchangeRefusal.GROUPS: Code.REFUSED,
        ExchangeRefusal.TOO_MANY_GROUPS: Code.REFUSED,
        ExchangeRefusal.ISSUER_CHANGED: Code.REFUSED,
        ExchangeRefusal.SUBJECT_CHANGED: Code.REFUSED,
        ExchangeRefusal.ISSUER_UNAVAILABLE: Code.UNAVAILABLE,
    }
)
"""The code of each refusal that is about more than the token itself, whose code is UNAUTHENTICATED."""

_ANOTHER = "Get a new token from the issuer, for this m8."


class ExchangeRefusedError(Error):
    """A token is not exchanged. Neither the token nor what it claims stands in the error.

    Args:
        refusal: Why.
        message: As for every error.
        fix: As for every error.
    """

    def __init__(self, refusal: ExchangeRefusal, message: str, *, fix: str = _ANOTHER) -> None:
        super().__init__(message, fix=fix, code=_CODES.get(refusal, Code.UNAUTHENTICATED))
        self.refusal = refusal
        self.issuer = ""
        """The issuer's short name, if its signature was valid."""
