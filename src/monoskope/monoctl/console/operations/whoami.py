"""`whoami`: who the caller is to m8."""

from __future__ import annotations

import asyncio
from importlib.metadata import version

from monoskope.api.gateway.v1 import queries_pb2
from monoskope.api.secrets.v1 import events_pb2
from monoskope.errors import Error
from monoskope.monoctl.console import failure
from monoskope.monoctl.console.desk import Desk
from monoskope.monoctl.console.operation import Request
from monoskope.monoctl.output.formats import Document
from monoskope.protocol.names import spelled
from monoskope.times import rfc3339

ANSWER_S = 3.0
"""Seconds within which m8 must answer: the page begins without it."""


class Whoami(Request, frozen=True):
    """Nothing is asked."""


async def answer(desk: Desk, _: Whoami) -> Document:
    """Return `Me` of console/src/api/types.ts. That m8 is away is an answer, too."""
    away = ""
    found = queries_pb2.GetServerResponse()
    try:
        async with asyncio.timeout(ANSWER_S):
            found = await desk.client.queries.server()
    except TimeoutError:
        away = f"m8 did not answer within {ANSWER_S:g} seconds."
    except Error as error:
        away = failure.sentence(error)
    return {
        "subject": found.subject,
        "role": _word(spelled(events_pb2.Role, found.role)) if found.role else "",
        "prefixes": list(found.prefixes),
        "rights": [_word(spelled(events_pb2.Right, right)) for right in found.rights],
        "expires": rfc3339(found.expires_at_ms) if found.expires_at_ms else "",
        "server": desk.client.server,
        "m8_version": found.version,
        "monoctl_version": version("monoskope"),
        "away": away,
    }


def _word(name: str) -> str:
    return name.lower().replace("_", "-")
