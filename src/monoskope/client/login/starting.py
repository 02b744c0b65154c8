"""Logging in, by a browser or by a second device, and logging out.

With a second device the user types a code at another machine (RFC 8628). At logout the issuer is told (RFC 7009), and
the login is removed, whatever the issuer says.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from msgspec import structs

from monoskope.client.known.config_file import LoginTable
from monoskope.client.known.table import Setting
from monoskope.client.login.browser import CodeFlow, listening
from monoskope.client.login.credential import IssuerAwayError, KeptLogin, read
from monoskope.client.login.issuer import Issuer, OAuthError, Provider, discover
from monoskope.client.login.renewing import issuer_of, read_whole, remove, uninterrupted, with_tokens, write
from monoskope.errors import Error, ProtocolError, RefusedError, TimedOutError, UsageError
from monoskope.lazy import pattern
from monoskope.settings import locked
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


def ask_for_code(issuer: Issuer, provider: Provider, *, client_id: str, scopes: str) -> DeviceCode:
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


def wait_for_tokens(
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


_OFFLINE = "offline_access"


class LoginSettings(LoginTable, frozen=True, kw_only=True):
    """Which issuer, as the user's own settings say it, never m8."""

    server: str
    """The first server that is dialled: the m8 that the login is for."""


def settings_of(server: str, found: Mapping[str, Setting]) -> LoginSettings:
    """Return the settings of the issuer that counts. Raises `UsageError` if one is missing."""
    given = {name: found[f"login_{name}"].value for name in LoginTable.__struct_fields__ if f"login_{name}" in found}
    for name in ("issuer", "client_id"):
        if name not in given:
            raise UsageError(
                f"no login_{name} is configured for {server}.",
                fix=f"Run `monoctl config set login_{name} VALUE`; the people who run m8 tell you the value. In a"
                " settings file it counts for the `server` of that file alone.",
            )
    given.setdefault("audience", given["client_id"])
    return LoginSettings(server=server, **given)


def with_browser(settings: LoginSettings, show: Callable[[str, str], None]) -> KeptLogin:
    """Log in with a browser of this machine, or one to which a port was forwarded. Blocks.

    Args:
        settings: Which issuer.
        show: Called with the address for the browser, and with the one on loopback to which it will be sent.

    Raises:
        TimedOutError: the user did not log in.
        RefusedError: the issuer refuses, or another one answers.
        UnauthenticatedError: the ID token does not count.
        Error: as `discover` and `Issuer.post`.
    """
    issuer, provider = _asked(settings)
    flow = CodeFlow(provider, client_id=settings.client_id, scopes=_scopes(settings, provider))
    with listening(flow.code) as callback:
        show(flow.address(callback.redirect_uri), callback.redirect_uri)
        code = callback.wait()
        redirect_uri = callback.redirect_uri
    fields = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": redirect_uri,
        "client_id": settings.client_id,
        "code_verifier": flow.verifier,
    }
    try:
        answer = issuer.post(provider.token_endpoint, fields)
    except OAuthError as error:
        raise error.refused(settings.issuer) from None
    return with_tokens(_new(settings), issuer, provider, answer, nonce=flow.nonce)


def with_device(
    settings: LoginSettings, show: Callable[[DeviceCode], None], *, sleep: Callable[[float], None] = time.sleep
) -> KeptLogin:
    """Log in with a code that the user types at another machine. Blocks. Raises as `with_browser`."""
    issuer, provider = _asked(settings)
    try:
        code = ask_for_code(issuer, provider, client_id=settings.client_id, scopes=_scopes(settings, provider))
    except OAuthError as error:
        raise error.refused(settings.issuer) from None
    show(code)
    answer = wait_for_tokens(issuer, provider, code, client_id=settings.client_id, sleep=sleep)
    return with_tokens(_new(settings), issuer, provider, answer, nonce="")


def in_keyring(kept: KeptLogin) -> KeptLogin:
    """Return a login whose tokens of the issuer are to be kept in the desktop's keyring."""
    return structs.replace(kept, keyring="yes")


def keep(path: Path, kept: KeptLogin) -> None:
    """Keep a login, in the place of the one before. Raises as `keeping.write`."""
    with locked(path), uninterrupted():
        write(path, kept)


def _asked(settings: LoginSettings) -> tuple[Issuer, Provider]:
    issuer = Issuer(settings.issuer, hosts=settings.hosts, ca_file=settings.ca_file)
    return issuer, discover(issuer)


def _new(settings: LoginSettings) -> KeptLogin:
    return KeptLogin(
        server=settings.server,
        issuer=settings.issuer,
        client_id=settings.client_id,
        audience=settings.audience,
        hosts=settings.hosts,
        ca_file=settings.ca_file,
    )


def _scopes(settings: LoginSettings, provider: Provider) -> str:
    """Return what to ask for: a refresh token only from an issuer that knows the word, since others may refuse it."""
    known = provider.scopes
    offline = [_OFFLINE] if known is None or _OFFLINE in known else []
    return " ".join(dict.fromkeys(["openid", *offline, *settings.scopes.split()]))


_LASTS = "The refresh token was removed here, and counts at the issuer until it runs out there."


def log_out(path: Path) -> list[str]:
    """Remove the login that is kept at `path`. Blocks.

    Returns:
        Sentences that the user should know.

    Raises:
        RefusedError: others can reach it.
        Error: it cannot be removed.
    """
    said: list[str] = []
    with locked(path):
        kept = read(path)
        try:
            whole = read_whole(path)
            if whole is not None and whole.refresh_token:
                said += _revoked(whole)
        except Error as error:
            said.append(f"{error.message} {_LASTS}")
        finally:
            remove(path, kept)
    return said


def _revoked(kept: KeptLogin) -> list[str]:
    issuer = issuer_of(kept)
    provider = discover(issuer)
    if not provider.revocation_endpoint:
        return [f"The issuer {kept.issuer} has no way to revoke tokens. {_LASTS}"]
    fields = {"token": kept.refresh_token, "token_type_hint": "refresh_token", "client_id": kept.client_id}
    try:
        issuer.post(provider.revocation_endpoint, fields)
    except OAuthError as error:
        return [f"The issuer {kept.issuer} does not revoke the refresh token ({error.code}). {_LASTS}"]
    return []
