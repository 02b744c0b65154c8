"""What a token says of itself, and what an ID token must say before it is kept or sent to m8.

The rules are those of OpenID Connect Core 1.0 (3.1.3.7 and 12.2). m8 checks the token again, and what m8 says counts.
These checks are for the user: that the token is an answer to their own login, for this client alone, and by the issuer
that they named.
"""

from __future__ import annotations

import binascii
import contextlib
import json
import time
import warnings
from typing import Any

from monoskope.errors import Error, ProtocolError, UnauthenticatedError
from monoskope.value import Unshared, Value

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
    """Raise unless a JWT names this audience and no other, so that no token for another server reaches m8.

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


ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519")
"""Signatures that only the issuer can make: no HMAC, and not `none`."""

CLOCKS_S = 300.0
"""How far the clocks of this machine and of the issuer may differ. m8 is stricter with its own."""

_FIX = "Log in again: `monoctl login`. If it stays so, ask the people who run the issuer."


class IdToken(Unshared, Value, frozen=True):
    """An ID token that was checked."""

    hidden = frozenset({"text"})

    text: str
    subject: str
    lasts_s: float
    """Seconds from now, by the issuer's clock."""


def checked(
    text: object,
    *,
    keys: dict[str, Any],
    issuer: str,
    client_id: str,
    audience: str,
    nonce: str = "",
    subject: str = "",
) -> IdToken:
    """Check the ID token that an issuer has just given.

    Args:
        text: What came as `id_token`.
        keys: The issuer's JSON Web Key Set.
        issuer: Its identifier.
        client_id: What it calls us.
        audience: What the token must name as its audience, and nothing else.
        nonce: What the login sent, "" if it could send none.
        subject: The `sub` of the token that this one replaces, "" for none.

    Raises:
        UnauthenticatedError: it does not count; the message says why.
    """
    if not isinstance(text, str) or not text:
        raise _refused("the issuer gave no ID token", "Register the client for OpenID Connect, with the scope openid.")
    claims = _verified(text, keys)
    if claims.get("iss") != issuer:
        raise _refused("the ID token names another issuer")
    check_audience(
        text, audience, where="the ID token", fix="Correct login_client_id, or name the audience with login_audience."
    )
    if claims.get("azp", client_id) != client_id:
        raise _refused("the ID token was given to another client")
    if nonce and claims.get("nonce") != nonce:
        raise _refused("the ID token is not an answer to this login: its nonce is another one")
    found = claims.get("sub")
    if not isinstance(found, str) or not found or (subject and found != subject):
        raise _refused("the ID token names another person than the login" if subject else "the ID token names no one")
    return IdToken(text, found, _lifetime_s(claims))


def _verified(text: str, keys: dict[str, Any]) -> dict[str, Any]:
    """Return the claims of a token that one of the keys has signed."""
    from joserfc import jwt  # noqa: PLC0415 - many commands read a token, and few check one
    from joserfc.errors import JoseError, SecurityWarning  # noqa: PLC0415
    from joserfc.jwk import KeySet, import_key  # noqa: PLC0415

    listed = keys.get("keys")
    usable = []
    for key in listed if isinstance(listed, list) else ():
        # A key that we do not know, such as one for encryption, is no reason to refuse the others.
        with contextlib.suppress(JoseError, ValueError, TypeError, KeyError):
            if isinstance(key, dict) and key.get("kty") != "oct" and key.get("use", "sig") == "sig":
                usable.append(import_key(key))
    failure: Error
    try:
        _check_header(text)
        with warnings.catch_warnings():
            # Of EdDSA, the older name of Ed25519 (RFC 9864): no user can change how the issuer signs.
            warnings.simplefilter("ignore", SecurityWarning)
            return dict(jwt.decode(text, KeySet(usable), algorithms=list(ALGORITHMS)).claims)
    except (JoseError, ValueError, TypeError, KeyError, UnicodeError):
        failure = _refused("no key of the issuer has signed the ID token")
    # Raised out here so that no error of the library, which knows the token, hangs on it.
    raise failure


def _check_header(text: str) -> None:
    """Raise `ValueError` for what is no plain JWT: an access token, one with an extension, or one that is too long."""
    from joserfc import jws  # noqa: PLC0415 - as above

    if len(text) > MOST_TOKEN:
        raise ValueError(len(text))
    header = jws.extract_compact(text.encode("ascii")).headers()
    if header.get("typ", "JWT") != "JWT" or "crit" in header:
        raise ValueError(header.get("typ"))


def _lifetime_s(claims: dict[str, Any]) -> float:
    """Return for how long a token lasts that was issued just now. Raises if the clocks differ too much."""
    issued, ends = number(claims, "iat"), number(claims, "exp")
    if issued is None or ends is None:
        raise _refused("the ID token does not say when it was issued, or when it ends")
    off_s = time.time() - issued
    if abs(off_s) > CLOCKS_S:
        raise _refused(
            f"the clock of this machine is {abs(off_s) / 60:.0f} minutes {'ahead of' if off_s > 0 else 'behind'} the"
            " issuer's",
            "Set the clock of this machine. If it is right, tell the people who run the issuer.",
        )
    return max(0.0, ends - issued)


def _refused(why: str, fix: str = _FIX) -> UnauthenticatedError:
    return UnauthenticatedError(f"the login does not count: {why}.", fix=fix)
