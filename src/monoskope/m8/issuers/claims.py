"""What is checked of a token's claims for every issuer: audience, client, times and subject. Pure.

A claim that is checked must be there, in its own type: nothing is taken for something else.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from monoskope.m8.domain.registrations import ExchangeRefusedError
from monoskope.protocol.exchange_refusal import ExchangeRefusal
from monoskope.times import instant

LEEWAY_S = 30
"""How far in the future a token may begin, for clocks that differ."""

DAY_S = 86_400
"""How long ago a token may have been issued, and how far ahead it may expire: who finds one that lies about uses it
late."""

MAX_SUBJECT = 255
"""Characters of a `sub` at most (OpenID Connect Core, 2)."""

_SHORT = "Have the issuer issue tokens for an hour or less, and send one that is new."
_CLOCKS = "Compare the clocks of the issuer and of m8; if they agree, get a new token from the issuer."


def check_audience(claims: Mapping[str, Any], audience: str, clients: Collection[str]) -> None:
    """Return if a token is for `audience`, and was issued to it or to one of the `clients`, if it says so.

    Raises:
        ExchangeRefusedError: AUDIENCE, SEVERAL_AUDIENCES or AUTHORIZED_PARTY.
    """
    said = claims.get("aud")
    audiences = said if isinstance(said, list) else [said]
    if audience not in audiences or not all(isinstance(one, str) for one in audiences):
        raise ExchangeRefusedError(
            ExchangeRefusal.AUDIENCE,
            "the token is for another audience (`aud`) than the one that m8's settings name for its issuer.",
            fix="Ask the issuer for a token with that audience; `audience` of [[issuers]] names it. Of people it is the"
            " client id with which they log in, `login_client_id`.",
        )
    if len(audiences) > 1 and "azp" not in claims:
        raise ExchangeRefusedError(
            ExchangeRefusal.SEVERAL_AUDIENCES,
            "the token is for several audiences, and does not say to which client it was issued (`azp`).",
            fix="Ask the issuer for a token with one audience.",
        )
    if "azp" in claims and claims["azp"] not in (audience, *clients):
        raise _other_client()


def _other_client() -> ExchangeRefusedError:
    return ExchangeRefusedError(
        ExchangeRefusal.AUTHORIZED_PARTY,
        "the token was issued to a client (`azp`) that m8's settings do not name for its issuer.",
        fix="Log in as the client that is meant for m8; `client_ids` of [[issuers]] names those.",
    )


def check_kind(claims: Mapping[str, Any]) -> None:
    """Return unless a token says that it is no ID token.

    Keycloak's access tokens say so with the claim `typ`. Logout tokens (OpenID Connect Back-Channel Logout, 2.4) and
    other security events (RFC 8417) have the issuer, the audience and the times of an ID token, their type in the
    header is optional, and `events` alone tells them apart.

    Raises:
        ExchangeRefusedError: TYPE.
    """
    if claims.get("typ", "ID") != "ID":
        raise ExchangeRefusedError(ExchangeRefusal.TYPE, "the token says that it is no ID token (claim `typ`).")
    if "events" in claims:
        raise ExchangeRefusedError(
            ExchangeRefusal.TYPE, "the token tells of an event, as of a logout (claim `events`)."
        )


def check_times(claims: Mapping[str, Any], now_s: float) -> int:
    """Return when a token that is valid now expires, whole seconds since 1970.

    Raises:
        ExchangeRefusedError: TIMES, NOT_YET_VALID, EXPIRED, TOO_OLD or TOO_LONG.
    """
    expires, begins = _time(claims, "exp"), _time(claims, "iat")
    issued = begins
    if "nbf" in claims:
        begins = max(begins, _time(claims, "nbf"))
    if begins > now_s + LEEWAY_S:
        raise ExchangeRefusedError(
            ExchangeRefusal.NOT_YET_VALID,
            f"the token is valid only later than m8's clock, which shows {instant(int(now_s) * 1000)}.",
            fix=_CLOCKS,
        )
    # Without leeway: what comes out is not valid longer than what went in.
    if math.floor(expires) <= now_s:
        raise ExchangeRefusedError(
            ExchangeRefusal.EXPIRED,
            f"the token has expired, by m8's clock, which shows {instant(int(now_s) * 1000)}.",
            fix=_CLOCKS,
        )
    if issued < now_s - DAY_S:
        raise ExchangeRefusedError(
            ExchangeRefusal.TOO_OLD, "the token was issued more than a day ago (`iat`).", fix=_SHORT
        )
    if expires > now_s + DAY_S:
        raise ExchangeRefusedError(
            ExchangeRefusal.TOO_LONG, "the token expires more than a day from now (`exp`).", fix=_SHORT
        )
    return math.floor(expires)


def _time(claims: Mapping[str, Any], name: str) -> float:
    found = claims.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 <= found < 2**53:
        raise ExchangeRefusedError(
            ExchangeRefusal.TIMES, f"the token's `{name}` is missing, or is no time (seconds since 1970)."
        )
    return found


def subject_of(claims: Mapping[str, Any]) -> str:
    """Return the `sub` of a token.

    Raises:
        ExchangeRefusedError: SUBJECT.
    """
    found = claims.get("sub")
    if not isinstance(found, str) or not 1 <= len(found) <= MAX_SUBJECT or not found.isprintable():
        raise ExchangeRefusedError(
            ExchangeRefusal.SUBJECT, f"the token has no `sub` of 1 to {MAX_SUBJECT} printable characters."
        )
    return found
