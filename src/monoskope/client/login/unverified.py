"""What a token says of itself. It is not checked here: the server that the token is for checks it."""

from __future__ import annotations

import binascii
import json
from typing import Any

from monoskope.errors import ProtocolError, UnauthenticatedError

MOST_TOKEN = 16_384
"""Characters of a token at most, as m8 takes them."""
MOST_ISSUED = 8_192
"""Characters of a token of m8 at most, as m8 takes them."""
_USUAL_S = 900.0


def claims_of(token: str) -> dict[str, Any]:
    """Return the claims of a JWT, none for what is no JWT."""
    parts = token.split(".")
    if len(parts) != 3 or len(token) > MOST_TOKEN:
        return {}
    try:
        padded = parts[1].replace("-", "+").replace("_", "/") + "=" * (-len(parts[1]) % 4)
        claims = json.loads(binascii.a2b_base64(padded.encode("ascii")))
    except (ValueError, RecursionError):  # binascii's error is a ValueError
        return {}
    return claims if isinstance(claims, dict) else {}


def number(claims: dict[str, Any], name: str) -> float | None:
    """Return a claim that is a time (RFC 7519, NumericDate), None if it is none: a text, NaN, or out of all bounds."""
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**53:
        return None
    return float(value)


def lifetime_s(token: str) -> float:
    """Return for how many seconds a token of m8 lasts that was made just now, by m8's clock alone.

    The clock of this machine does not matter, nor does a token without times: 15 minutes is what m8 gives at most.
    """
    claims = claims_of(token)
    begins, ends = number(claims, "iat"), number(claims, "exp")
    return _USUAL_S if begins is None or ends is None else max(0.0, min(_USUAL_S, ends - begins))


def check_issued(token: str, server: str) -> str:
    """Return what m8 gave for a token of an issuer, if it can be one of m8's.

    It goes into a header of each call and into the file of the login, so it is held to the form of a token.

    Raises:
        ProtocolError: it is empty, too long, or has other characters; the message does not show it.
    """
    if not 0 < len(token) <= MOST_ISSUED or not all("!" <= character <= "~" for character in token):
        raise ProtocolError(f"what m8 at {server} gave for the login is no token.", fix="Ask who runs that m8.")
    return token


def check_audience(token: str, audience: str, *, where: str, fix: str) -> None:
    """Raise unless a JWT names this audience and no other, so that nobody else's token reaches m8.

    Args:
        token: The JWT.
        audience: What it must name.
        where: What the message calls the token.
        fix: What to do.

    Raises:
        UnauthenticatedError: it names another one, several, or none.
    """
    named = claims_of(token).get("aud")
    if named not in (audience, [audience]):
        raise UnauthenticatedError(
            f"{where} is not for this m8: its audience is not exactly {audience!r}. It was not sent.", fix=fix
        )
