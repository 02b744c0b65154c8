"""Tells administrators that m8's certificate expires soon. That is m8's word."""

from __future__ import annotations

import contextlib

from monoskope.api.secrets.v1 import events_pb2
from monoskope.client import Client
from monoskope.counted import counted
from monoskope.errors import Error
from monoskope.monoctl.output import terminal
from monoskope.times import instant, now_ms

WARN_DAYS = 30
"""How long before the certificate expires the note begins."""

_DAY_MS = 86_400_000


async def note_if_it_expires(client: Client) -> None:
    """Print a note if the caller is an administrator and m8 says that its certificate expires soon.

    A question that m8 does not answer is no reason to fail.
    """
    with contextlib.suppress(Error):
        server = await client.queries.server()
        at_ms = server.certificate_expires_at_ms
        days = (at_ms - now_ms()) // _DAY_MS
        if server.role == events_pb2.ROLE_ADMINISTRATOR and at_ms and days < WARN_DAYS:
            terminal.note(
                f"m8 says that its certificate expires at {instant(at_ms)}, in {counted(max(days, 0), 'day')}. "
                "Renew it on the server: m8 tls renew"
            )
