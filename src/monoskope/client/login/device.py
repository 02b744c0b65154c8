"""The device flow: the user types a code at another machine (RFC 8628)."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

from monoskope.client.login.credential import IssuerAwayError
from monoskope.client.login.issuer import Issuer, OAuthError, Provider
from monoskope.errors import ProtocolError, RefusedError, TimedOutError, UsageError
from monoskope.lazy import pattern
from monoskope.value import Unshared, Value

GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_USER_CODE = pattern(r"[A-Za-z0-9][A-Za-z0-9 -]{2,38}[A-Za-z0-9]", re.ASCII)
_USUAL_INTERVAL_S = 5.0
_SLOWER_S = 5.0
_MOST_S = 1_800.0
_MOST_INTERVAL_S = 60.0


class DeviceCode(Unshared, Value, frozen=True, kw_only=True):
    """What the issuer gave for one login. All that is shown of it is printable and harmless."""

    hidden = frozenset({"device_code"})

    device_code: str
    user_code: str
    """What the user types: letters and digits."""
    verification_uri: str
    """Where: https, at the issuer's own host or at one that the settings name."""
    complete_uri: str
    """The same with the code in it, "" for none."""
    lasts_s: float
    interval_s: float


def begin(issuer: Issuer, provider: Provider, *, client_id: str, scopes: str) -> DeviceCode:
    """Ask the issuer for a code.

    Raises:
        UsageError: the issuer has no device flow.
        OAuthError: it refuses.
        ProtocolError: what it gives cannot be shown safely, or is incomplete.
        Error: as `Issuer.post`.
    """
    if not provider.device_authorization_endpoint:
        raise UsageError(
            f"the issuer {provider.issuer} has no device flow.",
            fix="Log in with a browser; on a remote machine through a forwarded port.",
        )
    answer = issuer.post(provider.device_authorization_endpoint, {"client_id": client_id, "scope": scopes})
    code, uri, device_code = (answer.get(name) for name in ("user_code", "verification_uri", "device_code"))
    has_code = isinstance(device_code, str) and device_code
    if not isinstance(code, str) or _USER_CODE.fullmatch(code) is None or not has_code:
        raise ProtocolError("the issuer gave no code that can be shown.", fix="Ask the people who run the issuer.")
    if not isinstance(uri, str) or not issuer.is_its(uri):
        raise ProtocolError(
            "the address at which the code is to be typed is not one of https at the issuer's own host.",
            fix="If its operator says that this is right, name that host in login_hosts.",
        )
    complete = answer.get("verification_uri_complete")
    return DeviceCode(
        device_code=str(device_code),
        user_code=code,
        verification_uri=uri,
        complete_uri=complete if isinstance(complete, str) and issuer.is_its(complete) else "",
        lasts_s=_seconds(answer, "expires_in", _MOST_S, most=_MOST_S),
        interval_s=_seconds(answer, "interval", _USUAL_INTERVAL_S, most=_MOST_INTERVAL_S),
    )


def _seconds(answer: dict[str, Any], name: str, usual: float, *, most: float) -> float:
    value = answer.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not value > 0:
        return usual
    return min(float(value), most)


def wait(
    issuer: Issuer,
    provider: Provider,
    code: DeviceCode,
    *,
    client_id: str,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Ask until the user has typed the code, as seldom as the issuer wants it, and return its answer with the tokens.

    Raises:
        TimedOutError: the code is over.
        RefusedError: the user, or the issuer, said no.
        Error: as `Issuer.post`; not that the issuer was away for a moment.
    """
    fields = {"grant_type": GRANT, "device_code": code.device_code, "client_id": client_id}
    interval_s, ends_at = code.interval_s, now() + code.lasts_s
    while now() + interval_s < ends_at:
        sleep(interval_s)
        try:
            return issuer.post(provider.token_endpoint, fields)
        except IssuerAwayError:
            interval_s = min(2 * interval_s, _MOST_INTERVAL_S)
        except OAuthError as error:
            if error.code == "slow_down":
                interval_s = min(interval_s + _SLOWER_S, _MOST_INTERVAL_S)
            elif error.code == "expired_token":
                break
            elif error.code == "access_denied":
                raise RefusedError("the login was declined.", fix="Log in again, and accept it.") from None
            elif error.code != "authorization_pending":
                raise error.refused(provider.issuer) from None
    raise TimedOutError("the code was not typed in time.", fix="Log in again with `monoctl login --device`.")
