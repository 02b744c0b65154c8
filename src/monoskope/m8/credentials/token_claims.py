"""What a token says, and the checks that need no log: signature, form, issuer, audience, times. Pure.

The algorithm is pinned to `Ed25519`, the name that RFC 9864 gives to EdDSA on that curve alone. A token's own header
has no influence on it: not with `none`, not with an HMAC keyed with our public key, and not with a key of its own.
"""

from __future__ import annotations

import msgspec
from joserfc import jws
from joserfc.errors import BadSignatureError, JoseError
from joserfc.jwk import OKPKey

from monoskope.errors import UnauthenticatedError
from monoskope.times import instant

ALGORITHM = "Ed25519"
ISSUER = "m8"

MAX_TOKEN = 16_384
"""Characters in a token at most."""

LEEWAY_S = 60
"""How far in the future a token may have been issued, for servers whose clocks differ."""


class Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The claims of a token: all of them, and no other. Times are whole seconds since 1970."""

    iss: str
    aud: str
    sub: str
    exp: int
    iat: int
    jti: str
    role: str
    prefixes: tuple[str, ...]
    rights: tuple[str, ...]
    nbf: int = 0
    member: str = ""
    """Who it is for, if role bindings say what the holder may do. An m8 that knows no members refuses the token."""


def read(token: str, key: OKPKey, *, audience: str, fix: str) -> Claims:
    """Verify `token` and read it. `check_times` checks its times.

    Raises:
        UnauthenticatedError: says which check failed, ends with `fix`, and never repeats the token.
    """
    claims = _claims(_verify(token, key, fix), fix)
    if claims.iss != ISSUER:
        raise UnauthenticatedError(f"the token was not issued by {ISSUER}.", fix=fix)
    if claims.aud != audience:
        raise UnauthenticatedError(f"the token is for another audience than this server, {audience!r}.", fix=fix)
    return claims


def check_times(claims: Claims, *, now_s: float, fix: str) -> None:
    """Raise `UnauthenticatedError` if the token expired, or is not valid yet."""
    if now_s >= claims.exp:
        raise UnauthenticatedError(f"the token expired at {instant(claims.exp * 1000)}.", fix=fix)
    if max(claims.iat, claims.nbf) > now_s + LEEWAY_S:
        raise UnauthenticatedError(
            f"the token is valid only from {instant(max(claims.iat, claims.nbf) * 1000)}.",
            fix="Wait until then, or correct this server's clock.",
        )


def _verify(token: str, key: OKPKey, fix: str) -> bytes:
    if len(token) > MAX_TOKEN or not token.isascii():
        raise UnauthenticatedError("the credential is not a token of m8.", fix=fix)
    try:
        payload = jws.deserialize_compact(token, key, algorithms=[ALGORITHM]).payload
    except BadSignatureError:
        raise UnauthenticatedError("the token is not one of this server's: its signature is wrong.", fix=fix) from None
    except (JoseError, ValueError, TypeError):
        raise UnauthenticatedError("the credential is not a token of m8.", fix=fix) from None
    return payload


def _claims(payload: bytes, fix: str) -> Claims:
    try:
        return msgspec.json.decode(payload, type=Claims)
    except (msgspec.DecodeError, UnicodeDecodeError):  # possible only with the signing key
        raise UnauthenticatedError("the token is signed, but its claims are not those of m8.", fix=fix) from None
