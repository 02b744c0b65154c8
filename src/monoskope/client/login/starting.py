"""Logging in, by a browser or by a second device, and logging out.

At logout the issuer is told (RFC 7009), and the login is removed, whatever the issuer says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

from msgspec import structs

from monoskope.client.known.sources import ConfigFile, LoginTable, Setting, serves
from monoskope.client.login.browser import CodeFlow, listening
from monoskope.client.login.credential import KeptLogin, read
from monoskope.client.login.device import DeviceCode, begin, wait
from monoskope.client.login.issuer import Issuer, OAuthError, Provider, discover
from monoskope.client.login.renewing import issuer_of, read_whole, remove, uninterrupted, with_tokens, write
from monoskope.errors import Error, UsageError, docs_page
from monoskope.settings import locked

_OFFLINE = "offline_access"


class LoginSettings(LoginTable, frozen=True, kw_only=True):
    """Which issuer, as the user's own settings say it, never m8."""

    server: str
    """The first server that is dialled: the m8 that the login is for."""


def settings_of(server: str, found: Mapping[str, Setting]) -> LoginSettings:
    """Return the settings of the usual issuer. Raises `UsageError` if one is missing."""
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


def settings_named(server: str, name: str, file: ConfigFile, where: Path) -> LoginSettings:
    """Return the settings of a further issuer. Raises `UsageError` if the file names none so for this server."""
    if not serves(file.server, server):
        raise UsageError(
            f"the logins in {where} are for the server {file.server or 'that it names'}, not for {server}.",
            fix="Name a settings file for that server with `config`.",
        )
    if name not in file.logins:
        named = ", ".join(sorted(file.logins)) or "none"
        raise UsageError(
            f"{where} names no login {name!r}, but {named}.",
            fix=f"Add a table [logins.{name}] ({docs_page('login.md')}).",
        )
    given = structs.asdict(file.logins[name])
    given["audience"] = given["audience"] or given["client_id"]
    if given["ca_file"]:
        given["ca_file"] = str(where.parent / Path(given["ca_file"]).expanduser())
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
        code = begin(issuer, provider, client_id=settings.client_id, scopes=_scopes(settings, provider))
    except OAuthError as error:
        raise error.refused(settings.issuer) from None
    show(code)
    answer = wait(issuer, provider, code, client_id=settings.client_id, sleep=sleep)
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
