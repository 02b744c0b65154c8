"""`whoami`: who the caller is to m8."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from importlib.metadata import version

from monoskope.client import Client
from monoskope.errors import Error
from monoskope.monoctl.console.desk import Desk
from monoskope.monoctl.console.operations.fields import Nothing
from monoskope.monoctl.output import views
from monoskope.monoctl.output.formats import Document

ANSWER_S = 3.0
"""Seconds within which m8 must answer: the page begins without it."""

_NOBODY: Document = {
    "subject": "",
    "role": "",
    "prefixes": [],
    "rights": [],
    "expires": "",
    "m8_version": "",
    "groups": [],
    "may": [],
}

_NO_KEY: Document = {"key": "", "principal": "", "touch": False, "trouble": ""}


async def whoami(desk: Desk, _asked: Nothing) -> Document:
    """Answer `Me`, with the credential of this console and the key that signs its requests.

    If m8 does not answer, or refuses, `away` says why: the page is there all the same.
    """
    return await _me(desk) | {"signs_with": signs_with(desk)} | _credential(desk)


async def _me(desk: Desk) -> Document:
    try:
        async with asyncio.timeout(ANSWER_S):
            said = await _who(desk.client)
    except TimeoutError:
        return me(_NOBODY | {"server": desk.client.server}, away=f"m8 did not answer within {ANSWER_S:g} seconds.")
    except Error as error:
        return me(_NOBODY | {"server": desk.client.server}, away=str(error))
    return me(said)


async def _who(client: Client) -> Document:
    answer = await client.queries.server()
    return views.server(client.server, answer) | views.member(await client.access.who_am_i())


def me(said: Document, *, away: str = "") -> Document:
    """Return `Me` from what `views.server` says, without what is this console's own."""
    shown = {name: said.get(name, none) for name, none in _NOBODY.items()} | {"server": said["server"]}
    return shown | {"monoctl_version": _version(), "away": away}


def _credential(desk: Desk) -> Document:
    """Return `credential` and `login`: where the credential comes from, and whether monoctl renews it by itself."""
    settings, login = desk.client.settings, ""
    if settings.credential is not None:
        from monoskope.client.login.file import Login  # noqa: PLC0415 - only where no token was given

        if isinstance(settings.credential, Login):
            with contextlib.suppress(Error):  # m8 was asked with it just now, and `away` says what is wrong
                login = "renewed" if settings.credential.is_renewed else "once"
    return {"credential": settings.credential_source, "login": login}


def signs_with(desk: Desk) -> Document:
    """Return `signs_with`: the key that signs requests of this console, for stores that take signed ones alone.

    It is shown, and decides nothing: each request reads the key anew.
    """
    setting = desk.client.settings.signing_key
    if not setting:
        return _NO_KEY
    from monoskope.client.signing.signer import signer_of  # noqa: PLC0415 - only where a key is set

    try:
        key = signer_of(setting).public()
    except Error as error:
        return _NO_KEY | {"trouble": str(error)}
    return {"key": key.shown, "principal": key.principal, "touch": key.needs_touch, "trouble": ""}


@functools.cache
def _version() -> str:
    """It is read from a file, which takes longer than all else here."""
    return version("monoskope")
