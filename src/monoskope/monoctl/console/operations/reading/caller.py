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


async def whoami(desk: Desk, _asked: Nothing) -> Document:
    """Answer `Me`. If m8 does not answer, or refuses, `away` says why: the page is there all the same."""
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


@functools.cache
def _version() -> str:
    """It is read from a file, which takes longer than all else here."""
    return version("monoskope")
