"""`whoami`: who the caller is to m8."""

from __future__ import annotations

import asyncio
import functools
from importlib.metadata import version

from monoskope.errors import Error
from monoskope.monoctl.console.desk import Desk
from monoskope.monoctl.console.operations.fields import Nothing
from monoskope.monoctl.output import views
from monoskope.monoctl.output.failures import sentences
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
}


_NO_KEY: Document = {"key": "", "principal": "", "touch": False, "trouble": ""}


async def whoami(desk: Desk, _asked: Nothing) -> Document:
    """Answer `Me`, with the key that signs requests.

    If m8 does not answer, or refuses, `away` says why: the page is there all the same.
    """
    return await _me(desk) | {"signs_with": signs_with(desk)}


async def _me(desk: Desk) -> Document:
    try:
        async with asyncio.timeout(ANSWER_S):
            said = views.server(desk.client.server, await desk.client.queries.server())
    except TimeoutError:
        return me(_NOBODY | {"server": desk.client.server}, away=f"m8 did not answer within {ANSWER_S:g} seconds.")
    except Error as error:
        return me(_NOBODY | {"server": desk.client.server}, away=" ".join(filter(None, sentences(error))))
    return me(said)


def me(said: Document, *, away: str = "") -> Document:
    """Return `Me` from what `views.server` says."""
    shown = {name: said[name] for name in (*_NOBODY, "server")}
    return shown | {"monoctl_version": _version(), "away": away}


def signs_with(desk: Desk) -> Document:
    """Return `signs_with`: the key that signs requests of this console, for stores that take signed ones alone.

    It is shown, and decides nothing: each request reads the key anew.
    """
    setting = desk.client.settings.signing_key
    if not setting:
        return _NO_KEY
    from monoskope.client.signing.chosen import signer_of  # noqa: PLC0415 - only where a key is set

    try:
        key = signer_of(setting).public()
    except Error as error:
        return _NO_KEY | {"trouble": " ".join(filter(None, sentences(error)))}
    return {"key": key.shown, "principal": key.principal, "touch": key.needs_touch, "trouble": ""}


@functools.cache
def _version() -> str:
    """It is read from a file, which takes longer than all else here."""
    return version("monoskope")
